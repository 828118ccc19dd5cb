//! Who is told when a finding opens, changes or resolves.

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
    /// webhook posts JSON to a URL; log writes a line to our own log.
    pub kind: SinkKind,
    /// Where a webhook posts to. A URL that holds a secret is better kept in `url_file`.
    #[serde(default, skip_serializing)]
    #[schemars(with = "Option<String>")]
    pub url: Option<Secret>,
    /// A file with the URL on its first line, closed to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// The least severity worth telling: note, warning or urgent.
    #[serde(default = "note")]
    pub severity: Severity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SinkKind {
    Webhook,
    Log,
}

fn note() -> Severity {
    Severity::Note
}

impl SinkConfig {
    /// Where to post; a file is read anew each time, so that it can be rotated.
    pub fn address(&self) -> Result<Option<Secret>, NoPassword> {
        match &self.url_file {
            Some(path) => password::read_secret(path).map(Some),
            None => Ok(self.url.clone()),
        }
    }
}

impl SinkConfig {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        match (self.kind, &self.url, &self.url_file) {
            (SinkKind::Log, None, None) => Ok(()),
            (SinkKind::Log, Some(_), _) => Err(("url", "a log needs no url\nleave it out".to_owned())),
            (SinkKind::Log, _, Some(_)) => Err(("url_file", "a log needs no url\nleave it out".to_owned())),
            (SinkKind::Webhook, None, None) => Err((
                "kind",
                "the webhook has no address\nadd url_file = \"/path\" or url = \"https://…\"".to_owned(),
            )),
            (SinkKind::Webhook, Some(_), Some(_)) => {
                Err(("url", "the address is given twice\nkeep url_file and leave out url".to_owned()))
            }
            (SinkKind::Webhook, Some(url), None) => {
                let url = url.get().expose_secret();
                let known = url.starts_with("http://") || url.starts_with("https://");
                let said = "this is not a web address\nwrite https://host/path";
                if known { Ok(()) } else { Err(("url", said.to_owned())) }
            }
            (SinkKind::Webhook, None, Some(path)) => {
                password::check_file(path).map_err(|why| ("url_file", format!("{}\n{}", why.what, why.mend)))
            }
        }
    }
}
