//! Where a list of targets is had over HTTP.

use super::list::{self, Form, Writer};
use crate::config::{ConfigError, Login, Span, Target};
use hyper::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// More often nobody's fleet changes.
const MIN_REFRESH: Span = Span::secs(5);
/// Beyond it nobody hears that a list is old.
const MAX_REFRESH: Duration = Duration::from_secs(86_400);

/// An address that answers with a list of targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpList {
    /// Where to ask. The answer is JSON as Prometheus's http_sd has it, where each of `targets` is a URL.
    pub url: String,
    /// How often to ask. At least 5s.
    #[serde(default = "refresh")]
    pub refresh: Span,
    /// How long an answer may take.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// A file with a token on its first line, closed to others, that is shown as `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Who we are there, if it wants a user and a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A file with the password of that user on its first line, closed to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The authority that signed its certificate, if it is none of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// A certificate to show, if it wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// The key of that certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Where the label __password_file is looked up: it may be the name of a file in here, and nothing else of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_dir: Option<PathBuf>,
}

fn refresh() -> Span {
    Span::secs(60)
}

fn timeout() -> Span {
    Span::secs(10)
}

impl HttpList {
    /// How it is called in metrics, findings and logs: the address without what may be secret in its query.
    pub fn name(&self) -> &str {
        self.url.split(['?', '#']).next().unwrap_or_default()
    }

    /// Fine once it was checked.
    pub fn uri(&self) -> Result<Uri, String> {
        let wrong = || "this is not a web address\nwrite https://host/path".to_owned();
        let uri: Uri = self.url.parse().map_err(|_| wrong())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong());
        }
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err("the address holds a login\nwrite user and password_file beside it".to_owned());
        }
        Ok(uri)
    }

    pub fn login(&self) -> Login<'_> {
        Login {
            token_file: self.token_file.as_deref(),
            user: self.user.as_deref(),
            password_file: self.password_file.as_deref(),
            ca_file: self.ca_file.as_deref(),
            cert_file: self.cert_file.as_deref(),
            key_file: self.key_file.as_deref(),
        }
    }

    /// What an answer lists, each target checked by itself.
    pub fn read(&self, answer: &str) -> Result<Vec<Target>, ConfigError> {
        let targets =
            list::read(Form::Json, answer, self.name(), Writer::Elsewhere(self.password_dir.as_deref()))?;
        for target in &targets {
            let wrong =
                |said: String| ConfigError::plain(self.name(), &format!("target {}: {said}", target.name));
            target.check().map_err(|(_, said)| wrong(said))?;
        }
        Ok(targets)
    }

    pub(in crate::config) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let files = [&mut self.token_file, &mut self.password_file, &mut self.ca_file, &mut self.cert_file];
        files.into_iter().chain([&mut self.key_file, &mut self.password_dir]).flatten()
    }

    pub(in crate::config) fn check(&self) -> Result<(), (&'static str, String)> {
        self.uri().map_err(|said| ("url", said))?;
        if self.refresh < MIN_REFRESH || self.refresh.get() > MAX_REFRESH {
            return Err((
                "refresh",
                format!("refresh is between {MIN_REFRESH} and a day\nwrite refresh = \"1m\""),
            ));
        }
        if self.timeout < Span::secs(1) || self.timeout > self.refresh {
            let said =
                "timeout is at least 1s and no longer than refresh\nwrite timeout = \"10s\", or leave it out";
            return Err(("timeout", said.to_owned()));
        }
        self.login().check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> HttpList {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_is_said_of_it_holds_no_query() {
        let list = list("url = \"https://inventory:8443/targets?key=s3cret\"");
        list.check().unwrap();
        assert_eq!((list.name(), list.refresh), ("https://inventory:8443/targets", Span::secs(60)));
        let said = list.read("[{\"targets\": [\"nonsense\"]}]").unwrap_err().render(false);
        assert!(said.contains("https://inventory:8443/targets") && !said.contains("s3cret"), "{said}");
    }

    #[test]
    fn mistakes_are_refused_by_their_key() {
        for (text, key) in [
            ("url = \"inventory\"", "url"),
            ("url = \"ftp://h/\"", "url"),
            ("url = \"http://u:p@h/\"", "url"),
            ("url = \"http://h/\"\nrefresh = \"1s\"", "refresh"),
            ("url = \"http://h/\"\ntimeout = \"2m\"", "timeout"),
            ("url = \"http://h/\"\nuser = \"u\"", "user"),
            ("url = \"http://h/\"\ncert_file = \"/x\"", "cert_file"),
            ("url = \"http://h/\"\ntoken_file = \"/there/is/none\"", "token_file"),
            ("url = \"http://h/\"\nca_file = \"/there/is/none\"", "ca_file"),
        ] {
            assert_eq!(list(text).check().unwrap_err().0, key, "{text}");
        }
    }
}
