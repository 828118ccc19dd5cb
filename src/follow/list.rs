//! Which files are looked for.

use super::file::{Refused, see};
use super::identity::Seen;
use crate::config::Glob;
use crate::log::Format;
use crate::sql::Dialect;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files that are followed at one time, the newest: a directory with more holds what nobody writes to any more.
const MAX_FILES: usize = 64;
/// Entries of a directory that are looked at.
pub const MAX_ENTRIES: usize = 10_000;

/// What is to be followed.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Absolute paths; in the last part of each `*` is any run of characters and `?` any one.
    pub patterns: Vec<PathBuf>,
    /// Left out, each file is recognised.
    pub format: Option<Format>,
    /// PostgreSQL's `log_line_prefix`. Left out, it is inferred.
    pub line_prefix: Option<String>,
    pub dialect: Dialect,
    /// What the server reads for us.
    pub through: Option<Through>,
}

/// What a server can read for us of its own log.
#[derive(Debug, Clone, PartialEq)]
pub enum Through {
    /// Files: its directory and a pattern of names.
    Files(PathBuf),
    /// The slow log that it keeps as a table.
    SlowTable,
}

/// The files there are, oldest first. `gaps` hears of those that cannot be had; false if a directory cannot be read.
pub fn list(wanted: &Wanted, gaps: &mut BTreeSet<String>) -> (Vec<(PathBuf, Seen)>, bool) {
    let mut found: Vec<(PathBuf, Seen)> = Vec::new();
    let mut all = true;
    for pattern in &wanted.patterns {
        for path in paths(pattern, gaps, &mut all) {
            match see(&path) {
                Ok(seen) => found.push((path, seen)),
                Err(Refused::Gone) => {}
                Err(why) => {
                    all &= !matches!(why, Refused::Denied(_));
                    gaps.insert(format!("{}: {why}", path.display()));
                }
            }
        }
    }
    drop_second_spellings(&mut found);
    found.sort_by(|a, b| (a.1.modified, &a.0).cmp(&(b.1.modified, &b.0)));
    found.dedup_by(|a, b| a.1.inode == b.1.inode);
    let surplus = found.len().saturating_sub(MAX_FILES);
    (found.split_off(surplus), all)
}

fn paths(pattern: &Path, gaps: &mut BTreeSet<String>, all: &mut bool) -> Vec<PathBuf> {
    let name = pattern.file_name().unwrap_or_default().to_string_lossy();
    let is_plain = !name.contains(['*', '?']);
    let (Some(home), false, Ok(glob)) = (pattern.parent(), is_plain, name.parse::<Glob>()) else {
        return vec![pattern.to_owned()];
    };
    match std::fs::read_dir(home) {
        Ok(entries) => {
            let names =
                entries.take(MAX_ENTRIES).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            names.filter(|name| glob.matches(name)).map(|name| home.join(name)).collect()
        }
        Err(error) => {
            *all = false;
            gaps.insert(format!("{}: {}", home.display(), error.kind()));
            Vec::new()
        }
    }
}

/// PostgreSQL writes the same entries as `x.log`, `x.csv` and `x.json` if asked to; the last tells most.
fn drop_second_spellings(found: &mut Vec<(PathBuf, Seen)>) {
    let stems = |ending: &str| -> BTreeSet<PathBuf> {
        let of =
            |path: &PathBuf| path.extension().is_some_and(|e| e == ending).then(|| path.with_extension(""));
        found.iter().filter_map(|(path, _)| of(path)).collect()
    };
    let (csv, json) = (stems("csv"), stems("json"));
    found.retain(|(path, _)| {
        let stem = path.with_extension("");
        let ending = path.extension().unwrap_or_default();
        let is_better_told = (ending == "log" && (csv.contains(&stem) || json.contains(&stem)))
            || (ending == "csv" && json.contains(&stem));
        !is_better_told
    });
}
