//! Targets that another program writes down, in the files that Prometheus's `file_sd` reads: lists of addresses with
//! labels, in JSON. Here an address is the URL of a target.

use super::{ConfigError, MAX_FILE_BYTES, MAX_TARGETS, Target, TargetUrl, password};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Files of one pattern; each names servers, and who has more of them has them elsewhere.
const MAX_FILES: usize = 1_000;
/// Labels for us: Prometheus as well keeps those with two underscores to itself.
const NAME: &str = "__name";
const PASSWORD_FILE: &str = "__password_file";

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Discovery {
    /// Files with further targets, as Prometheus's file_sd has them in JSON, where each of `targets` is a URL. A * in
    /// the name of a file stands for any run of characters. The labels __name and __password_file say what they are
    /// called. Files that come, change or go are noticed.
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    targets: Vec<TargetUrl>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
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
            if about.len() > MAX_FILE_BYTES || targets.len() > MAX_TARGETS {
                return Err(wrong(
                    "there are more targets than one dbsonde watches\nshare them: --shard 1/2",
                ));
            }
            let text = std::fs::read_to_string(&path).map_err(|error| wrong(&password::why(&error)))?;
            for group in groups(&path, &text)? {
                targets.extend(group.into_targets(&path).map_err(|said| wrong(&said))?);
            }
        }
        Ok(targets)
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

fn groups(path: &Path, text: &str) -> Result<Vec<Group>, ConfigError> {
    let hint = "write [{\"targets\": [\"postgres://user@host/postgres\"], \"labels\": {\"team\": \"shop\"}}]";
    serde_json::from_str(text).map_err(|error| {
        let said = format!("{}\n{hint}", error.to_string().split(" at line ").next().unwrap_or_default());
        ConfigError::at(path.display().to_string(), error.line(), error.column(), &said)
    })
}

impl Group {
    fn into_targets(self, path: &Path) -> Result<Vec<Target>, String> {
        let Group { targets, mut labels } = self;
        let name = labels.remove(NAME);
        if name.is_some() && targets.len() != 1 {
            return Err(format!(
                "{NAME} stands for one target, and here are {}\nsplit the group",
                targets.len()
            ));
        }
        // Relative to the file that says so, like all paths.
        let base = path.parent().unwrap_or(Path::new(""));
        let password_file = labels.remove(PASSWORD_FILE).map(|file| base.join(file));
        if let Some(odd) = labels.keys().find(|label| label.starts_with("__")) {
            return Err(format!("the label {odd} means nothing here\nknown: {NAME} {PASSWORD_FILE}"));
        }
        let named = |url: TargetUrl| {
            let mut target = Target::new(url);
            target.name = name.as_deref().map_or(target.name, Into::into);
            target.password_file.clone_from(&password_file);
            target.labels =
                labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
            target
        };
        Ok(targets.into_iter().map(named).collect())
    }
}

/// One of several dbsondes that share a fleet: `2/3` is the second of three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    nth: u32,
    of: u32,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(nth, of)| Some((nth.parse().ok()?, of.parse().ok()?)));
        match parsed {
            Some((nth, of)) if (1..=of).contains(&nth) && of <= 1_000 => Ok(Self { nth, of }),
            _ => Err("write 1/3 for the first of three".to_owned()),
        }
    }
}

impl Shard {
    /// Is the target ours? Every shard draws a lot for it and the highest wins, so that one shard more takes its
    /// part from each of the others, and nothing else moves.
    pub fn has(self, target: &str) -> bool {
        let lot = |shard: u32| xxhash_rust::xxh3::xxh3_64(format!("shard-v1\0{shard}\0{target}").as_bytes());
        (1..=self.of).max_by_key(|shard| (lot(*shard), *shard)) == Some(self.nth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each name is a file in a directory of its own, so no two tests may use the same.
    fn found(name: &str, text: &str) -> Result<Vec<Target>, String> {
        let dir = std::env::temp_dir().join(format!("dbsonde-sd-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(name), text).unwrap();
        std::fs::write(dir.join("notes.txt"), "not a target").unwrap();
        let ending = Path::new(name).extension().unwrap().to_str().unwrap();
        let found = Discovery { files: vec![dir.join(format!("*.{ending}"))] }.targets();
        std::fs::remove_dir_all(dir).unwrap();
        found.map_err(|error| error.render(false))
    }

    #[test]
    fn groups_become_targets() {
        let json = r#"[{"targets": ["postgres://sonde@db1/shop", "postgres://sonde@db2/shop"], "labels": {"team": "shop"}},
                       {"targets": ["postgres://sonde@db3/x"], "labels": {"__name": "archive", "__password_file": "pw"}}]"#;
        let found = found("groups.json", json).unwrap();
        let names: Vec<&str> = found.iter().map(|target| &*target.name).collect();
        assert_eq!(names, ["db1", "db2", "archive"]);
        assert_eq!(&*found[0].labels["team"], "shop");
        assert!(found[2].labels.is_empty() && found[2].password_file.as_ref().unwrap().ends_with("pw"));
    }

    #[test]
    fn a_wrong_file_is_refused_and_tells_no_password() {
        for (name, text) in [
            ("a.json", "[{\"targets\": [\"postgres://sonde:s3cret@\"]"),
            ("b.json", "[{\"targets\": [\"s3cret://x\"]}]"),
            ("c.json", "[{\"targets\": [\"postgres://sonde:s3cret@h/d\"], \"lables\": {}}]"),
            (
                "d.json",
                "[{\"targets\": [\"postgres://a/d\", \"postgres://b/d\"], \"labels\": {\"__name\": \"x\"}}]",
            ),
        ] {
            let said = found(name, text).unwrap_err();
            assert!(said.contains(name) && !said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn shards_share_a_fleet_and_one_more_moves_little() {
        let fleet: Vec<String> = (0..1_000).map(|nth| format!("db{nth}")).collect();
        let owner = |of: u32, target: &str| {
            let owners: Vec<u32> = (1..=of).filter(|nth| Shard { nth: *nth, of }.has(target)).collect();
            assert_eq!(owners.len(), 1, "{target} of {of}");
            owners[0]
        };
        for target in &fleet {
            let (before, after) = (owner(3, target), owner(4, target));
            assert!(after == before || after == 4);
        }
        let last = fleet.iter().filter(|target| owner(4, target) == 4).count();
        assert!((200..300).contains(&last), "{last}");
        for wrong in ["0/3", "4/3", "1", "a/b", "1/100000"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
