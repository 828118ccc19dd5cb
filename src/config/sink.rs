//! Who is told when a finding opens, changes or resolves.

use super::Login;
use super::password::{self, NoPassword, Secret};
use crate::model::Severity;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Somebody who is told about changes of findings.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SinkConfig {
    /// webhook posts JSON to a URL; slack posts a message as Slack, Mattermost and others take it; alertmanager keeps
    /// open findings alive as alerts; file appends a line of JSON; log writes a line to our own log.
    pub kind: SinkKind,
    /// Where to post to; for an Alertmanager its base, as in http://alertmanager:9093. A URL that holds a secret is
    /// better kept in `url_file`.
    #[serde(default, skip_serializing)]
    #[schemars(with = "Option<String>")]
    pub url: Option<Secret>,
    /// A file with the URL on its first line, closed to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// The file that lines of JSON are appended to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// What a webhook posts instead of the whole change: text in which {because} and the like stand for the values,
    /// escaped as inside a JSON string. Known: change severity rule target database subject because advice fix id
    /// opened_at verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// A file with a key that a webhook's requests are signed with: X-Dbsonde-Signature is the HMAC-SHA-256 of the
    /// value of X-Dbsonde-Timestamp, a dot and the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_key_file: Option<PathBuf>,
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
    /// The least severity worth telling: note, warning or urgent.
    #[serde(default = "note")]
    pub severity: Severity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SinkKind {
    Webhook,
    Slack,
    Alertmanager,
    File,
    Log,
}

impl SinkKind {
    pub fn name(self) -> &'static str {
        match self {
            SinkKind::Webhook => "webhook",
            SinkKind::Slack => "slack",
            SinkKind::Alertmanager => "alertmanager",
            SinkKind::File => "file",
            SinkKind::Log => "log",
        }
    }

    fn posts(self) -> bool {
        matches!(self, SinkKind::Webhook | SinkKind::Slack | SinkKind::Alertmanager)
    }
}

fn note() -> Severity {
    Severity::Note
}

type Wrong = (&'static str, String);

impl SinkConfig {
    /// Where to post; a file is read anew each time, so that it can be rotated.
    pub async fn address(&self) -> Result<Option<Secret>, NoPassword> {
        match &self.url_file {
            Some(path) => password::secret(path).await.map(Some),
            None => Ok(self.url.clone()),
        }
    }

    /// What requests are signed with, read anew each time.
    pub async fn signature_key(&self) -> Result<Option<Secret>, NoPassword> {
        match &self.signature_key_file {
            Some(path) => password::secret(path).await.map(Some),
            None => Ok(None),
        }
    }

    /// What is named from where the configuration lies.
    pub(super) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let own = [&mut self.url_file, &mut self.path, &mut self.signature_key_file];
        let login = [&mut self.token_file, &mut self.password_file, &mut self.ca_file];
        own.into_iter().chain(login).chain([&mut self.cert_file, &mut self.key_file]).flatten()
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

    /// Stable over restarts and other places in the list, and without anything that could be read back.
    pub fn identity(&self) -> String {
        let url = self.url.as_ref().map(|url| url.get().expose_secret()).unwrap_or_default();
        let parts = format!("sink-v1\0{url}\0{:?}\0{:?}", self.url_file, self.path);
        format!("{}-{:016x}", self.kind.name(), xxhash_rust::xxh3::xxh3_64(parts.as_bytes()))
    }

    pub(super) fn check(&self) -> Result<(), Wrong> {
        self.check_place()?;
        if self.kind != SinkKind::Webhook && self.template.is_some() {
            return Err(("template", "only a webhook has a template\nleave it out".to_owned()));
        }
        if self.kind != SinkKind::Webhook && self.signature_key_file.is_some() {
            return Err(("signature_key_file", "only a webhook signs\nleave it out".to_owned()));
        }
        if let Some(unknown) = self.template.as_deref().and_then(unknown_placeholder) {
            let known = PLACEHOLDERS.join(" ");
            return Err(("template", format!("nothing stands behind {{{unknown}}}\nknown: {known}")));
        }
        if let Some(key) = self.login().first_key().filter(|_| !self.kind.posts()) {
            return Err((key, format!("a {} posts to nobody\nleave it out", self.kind.name())));
        }
        self.login().check()?;
        self.signature_key_file.as_deref().map_or(Ok(()), |path| {
            password::check_file(path)
                .map_err(|why| ("signature_key_file", format!("{}\n{}", why.what, why.mend)))
        })
    }

    fn check_place(&self) -> Result<(), Wrong> {
        let name = self.kind.name();
        let stray = |key: &'static str| Err((key, format!("a {name} needs no {key}\nleave it out")));
        match (self.kind.posts(), &self.url, &self.url_file, &self.path) {
            (false, Some(_), _, _) => stray("url"),
            (false, _, Some(_), _) => stray("url_file"),
            (_, _, _, Some(_)) if self.kind != SinkKind::File => stray("path"),
            (_, _, _, None) if self.kind == SinkKind::File => {
                Err(("kind", "the file has no name\nadd path = \"/var/log/dbsonde.jsonl\"".to_owned()))
            }
            (false, ..) => Ok(()),
            (true, None, None, _) => {
                let said = "has no address\nadd url_file = \"/path\" or url = \"https://…\"";
                Err(("kind", format!("the {name} {said}")))
            }
            (true, Some(_), Some(_), _) => {
                Err(("url", "the address is given twice\nkeep url_file and leave out url".to_owned()))
            }
            (true, Some(url), None, _) => {
                let url = url.get().expose_secret();
                let known = url.starts_with("http://") || url.starts_with("https://");
                let said = "this is not a web address\nwrite https://host/path";
                if known { Ok(()) } else { Err(("url", said.to_owned())) }
            }
            (true, None, Some(path), _) => {
                password::check_file(path).map_err(|why| ("url_file", format!("{}\n{}", why.what, why.mend)))
            }
        }
    }
}

/// What may stand between braces in a template.
pub const PLACEHOLDERS: [&str; 12] = [
    "advice",
    "because",
    "change",
    "database",
    "fix",
    "id",
    "opened_at",
    "rule",
    "severity",
    "subject",
    "target",
    "verdict",
];

/// A word between braces that nothing stands behind. JSON's own braces are followed by a quote or a blank.
fn unknown_placeholder(template: &str) -> Option<&str> {
    pieces(template).find_map(|(_, name)| name.filter(|name| !PLACEHOLDERS.contains(name)))
}

/// A template as plain text and the placeholder behind it, piece by piece.
pub fn pieces(template: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = Some(template);
    std::iter::from_fn(move || {
        let text = rest?;
        let is_word =
            |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let found = text.match_indices('{').find_map(|(at, _)| {
            let behind = text.get(at + 1..)?;
            let name = behind.get(..behind.find('}')?)?;
            is_word(name).then_some((at, name))
        });
        let Some((at, name)) = found else {
            rest = None;
            return Some((text, None));
        };
        rest = text.get(at + name.len() + 2..);
        Some((text.get(..at).unwrap_or_default(), Some(name)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_in_pieces() {
        let all: Vec<_> = pieces("{\"text\": \"{rule}: {because}\", \"x\": {}}").collect();
        assert_eq!(all, [("{\"text\": \"", Some("rule")), (": ", Some("because")), ("\", \"x\": {}}", None)]);
        assert_eq!(unknown_placeholder("{\"a\":\"{rules}\"}"), Some("rules"));
        assert_eq!(unknown_placeholder("{id}{severity}"), None);
        assert_eq!(pieces("").collect::<Vec<_>>(), [("", None)]);
    }
}
