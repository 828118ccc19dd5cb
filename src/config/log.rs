//! Which logs of a target are followed.

use crate::log::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Patterns of one target: a server has a handful of logs.
const MAX_PATHS: usize = 16;

/// What to follow beside the connections. Left out, the server is asked where it writes its logs, and they are
/// followed if they lie on this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogSource {
    /// Whether to follow logs at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<bool>,
    /// The files: one path or several, absolute. In the last part `*` is any run of characters, `?` any one.
    pub path: Paths,
    /// How they are spelled. Left out, each file is recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The server's log_line_prefix, for plain logs of PostgreSQL. Left out, it is asked for or inferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_prefix: Option<String>,
    /// Whether to have the server read its own log for us: pg_read_binary_file of PostgreSQL, the table mysql.slow_log.
    /// Left out, where the log does not lie on this machine and the login may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through_sql: Option<bool>,
}

/// One path, or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Paths {
    One(PathBuf),
    Several(Vec<PathBuf>),
}

impl Default for Paths {
    fn default() -> Self {
        Paths::Several(Vec::new())
    }
}

impl Paths {
    pub fn all(&self) -> &[PathBuf] {
        match self {
            Paths::One(path) => std::slice::from_ref(path),
            Paths::Several(paths) => paths,
        }
    }
}

impl LogSource {
    pub fn is_wanted(&self) -> bool {
        self.follow != Some(false)
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let paths = self.path.all();
        if paths.len() > MAX_PATHS {
            return Err((
                "path",
                format!("there are more than {MAX_PATHS} paths\nuse * in the names of files"),
            ));
        }
        if self.through_sql == Some(true) && !paths.is_empty() {
            let said = "the log is named twice: its files, and the server\nkeep one of path and through_sql";
            return Err(("through_sql", said.to_owned()));
        }
        let has_star = |path: &Path| path.to_string_lossy().contains(['*', '?']);
        for path in paths {
            if !path.is_absolute() {
                return Err(("path", format!("{} is not absolute\nbegin it with /", path.display())));
            }
            if path.parent().is_none_or(has_star) {
                let said = "* and ? may stand in the last part of a path only\nname the directory";
                return Err(("path", said.to_owned()));
            }
        }
        Ok(())
    }
}
