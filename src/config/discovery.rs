//! Targets that another program writes down: in files, as Prometheus's `file_sd` reads them, or as an answer over HTTP,
//! as its `http_sd` does. Files are read with the configuration; who asks over HTTP is the daemon.

mod http;
mod list;
mod shard;

pub use http::HttpList;
pub use shard::Shard;

use super::{ConfigError, MAX_FILE_BYTES, MAX_TARGETS, Target, password};
use list::{Form, Writer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files of one pattern; each names servers, and who has more of them has them elsewhere.
const MAX_FILES: usize = 1_000;
/// Addresses that answer with lists; each has a task of its own.
const MAX_HTTP: usize = 20;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Discovery {
    /// Files with further targets, as Prometheus's file_sd has them, where each of `targets` is a URL: YAML in those
    /// that end in .yml or .yaml, else JSON. A * in the name of a file stands for any run of characters. The labels
    /// __name and __password_file say what a target is called and where its password is. Files that come, change or
    /// go are noticed.
    pub files: Vec<PathBuf>,
    /// Addresses that answer with further targets, as Prometheus's http_sd has them. While one fails, its last good
    /// list stays in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpList>,
}

impl Discovery {
    /// Where files may come and go.
    pub fn directories(&self) -> BTreeSet<PathBuf> {
        let named = self.files.iter().filter_map(|pattern| pattern.parent());
        named
            .map(|directory| if directory == Path::new("") { Path::new(".") } else { directory }.into())
            .collect()
    }

    /// All targets of all files, in the order of their names. One wrong file is an error: half a fleet watched
    /// without a word is worse than yesterday's.
    pub fn targets(&self) -> Result<Vec<Target>, ConfigError> {
        let mut targets = Vec::new();
        for path in self.files.iter().flat_map(|pattern| matching(pattern)) {
            let name = path.display().to_string();
            let wrong = |said: &str| ConfigError::plain(name.clone(), said);
            let about = std::fs::metadata(&path).map_err(|error| wrong(&password::why(&error)))?;
            // What is no file may never end, or never begin.
            if !about.is_file() {
                return Err(wrong("it is not a file"));
            }
            if about.len() > MAX_FILE_BYTES || targets.len() > MAX_TARGETS {
                return Err(wrong(
                    "there are more targets than one dbsonde watches\nshare them: --shard 1/2",
                ));
            }
            let text = std::fs::read_to_string(&path).map_err(|error| wrong(&password::why(&error)))?;
            // Relative to the file that says so, like all paths.
            let base = path.parent().unwrap_or(Path::new(""));
            targets.extend(list::read(Form::of(&path), &text, &name, Writer::Here(base))?);
        }
        Ok(targets)
    }

    /// May there be targets that nobody knows of yet?
    pub(super) fn is_open(&self) -> bool {
        !self.files.is_empty() || !self.http.is_empty()
    }

    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.files.iter_mut().chain(self.http.iter_mut().flat_map(HttpList::files))
    }

    /// The place among `http`, the key and what is wrong there.
    pub(super) fn check(&self) -> Result<(), (usize, &'static str, String)> {
        if self.http.len() > MAX_HTTP {
            return Err((MAX_HTTP, "url", format!("there are more than {MAX_HTTP} addresses of lists")));
        }
        for (nth, list) in self.http.iter().enumerate() {
            if self.http.iter().take(nth).any(|other| other.name() == list.name()) {
                return Err((nth, "url", "this address is asked already\nleave one out".to_owned()));
            }
            list.check().map_err(|(key, said)| (nth, key, said))?;
        }
        Ok(())
    }
}

/// The files of a pattern whose last part may hold stars.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(glob) = name.contains('*').then(|| name.parse::<super::Glob>().ok()).flatten() else {
        return vec![pattern.to_owned()];
    };
    let directory = pattern.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(|name| glob.matches(name)))
        .collect();
    found.sort_unstable();
    found.truncate(MAX_FILES);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_pattern_are_read_by_their_ending() {
        let dir = std::env::temp_dir().join(format!("dbsonde-sd-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("b.json"), r#"[{"targets": ["postgres://sonde@db2/x"]}]"#).unwrap();
        std::fs::write(dir.join("a.yml"), "- targets: [postgres://sonde@db1/x]\n").unwrap();
        std::fs::write(dir.join("notes.txt"), "not a target").unwrap();
        let of =
            |ending: &str| Discovery { files: vec![dir.join(format!("*.{ending}"))], ..Discovery::default() };
        let both = Discovery { files: [of("json").files, of("yml").files].concat(), ..Discovery::default() };
        let names: Vec<String> =
            both.targets().unwrap().iter().map(|target| target.name.to_string()).collect();
        assert_eq!(names, ["db2", "db1"]);
        for (name, of_what) in [("pipe.zero", "/dev/zero"), ("dir.folder", "/tmp")] {
            std::os::unix::fs::symlink(of_what, dir.join(name)).unwrap();
            let said = of(name.split('.').next_back().unwrap()).targets().unwrap_err().render(false);
            assert!(said.contains("not a file"), "{said}");
        }
        let said = of("txt").targets().unwrap_err().render(false);
        assert!(said.contains("notes.txt"), "{said}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
