//! One server to watch.

use super::diagnostic::Step;
use super::password::check_file;
use super::{Glob, LogSource, TargetUrl};
use crate::model::{Name, Topic};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Each label is on every series of the target.
const MAX_LABELS: usize = 10;
const MAX_LABEL_BYTES: usize = 128;
/// Labels of our own series that no noun has, and those that Prometheus reads meaning into.
const RESERVED: [&str; 13] = [
    "collector",
    "fingerprint",
    "instance",
    "job",
    "lane",
    "le",
    "quantile",
    "reason",
    "rule",
    "severity",
    "source",
    "target",
    "topic",
];

/// A server to watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What it is called in labels and findings. Left out, it is the host.
    #[serde(default = "unnamed")]
    #[schemars(with = "Option<String>")]
    pub name: Name,
    /// Where it is and who we are there: postgres://user@host:5432/postgres?sslmode=verify-full
    pub url: TargetUrl,
    /// A file with the password on its first line, closed to others; read at each connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// A program and its arguments that prints the password, run without a shell at each connect. For short-lived
    /// tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_command: Option<Vec<String>>,
    /// At most 10 labels of your own, for every series and finding of this target.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub labels: BTreeMap<Name, Name>,
    /// Which databases to walk for tables, indexes and schema.
    #[serde(default)]
    pub databases: Databases,
    /// Which of its logs to follow.
    #[serde(default)]
    pub log: LogSource,
    /// The process that watches it, by the name that its sessions bear. Nobody writes it down.
    #[serde(skip)]
    pub instance: Option<Name>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Databases {
    /// Names to walk.
    pub include: Vec<Glob>,
    /// Names to leave out, whatever `include` says.
    pub exclude: Vec<Glob>,
    /// How many to walk at most.
    pub cap: usize,
}

impl Default for Databases {
    fn default() -> Self {
        Self { include: vec![Glob::any()], exclude: Vec::new(), cap: 1000 }
    }
}

impl Databases {
    pub fn matches(&self, name: &str) -> bool {
        self.include.iter().any(|glob| glob.matches(name))
            && !self.exclude.iter().any(|glob| glob.matches(name))
    }
}

fn unnamed() -> Name {
    Name::new("")
}

impl Target {
    /// A target of which only the URL is known.
    pub fn new(url: TargetUrl) -> Self {
        let name = url.default_name().as_str().into();
        Self {
            name,
            url,
            password_file: None,
            password_command: None,
            labels: BTreeMap::new(),
            databases: Databases::default(),
            log: LogSource::default(),
            instance: None,
        }
    }

    /// The operator's own labels, as views want them.
    pub fn label_pairs(&self) -> Vec<(Name, Name)> {
        self.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    pub(super) fn check(&self) -> Result<(), (Vec<Step<'_>>, String)> {
        use Step::Key;
        let wrong = |path: Vec<_>, said: String| Err((path, said));
        if self.name.chars().any(char::is_control) {
            return wrong(vec![Key("name")], "a name has no line breaks or control characters".to_owned());
        }
        if let Some(path) = &self.password_file {
            if self.url.password().is_some() {
                let said = "the password is given twice\nkeep the file and take it out of the url";
                return wrong(vec![Key("password_file")], said.to_owned());
            }
            if let Err(why) = check_file(path) {
                return wrong(vec![Key("password_file")], format!("{}\n{}", why.what, why.mend));
            }
        }
        if let Some(command) = &self.password_command {
            if self.url.password().is_some() || self.password_file.is_some() {
                let said = "the password is given twice\nkeep the command and take the other out";
                return wrong(vec![Key("password_command")], said.to_owned());
            }
            if command.first().is_none_or(String::is_empty) {
                let said = "there is no program\nwrite [\"/path/to/program\", \"argument\"]";
                return wrong(vec![Key("password_command")], said.to_owned());
            }
        }
        if let Err(said) = self.check_tls_files() {
            return wrong(vec![Key("url")], said);
        }
        if self.labels.len() > MAX_LABELS {
            return wrong(vec![Key("labels")], format!("there are more than {MAX_LABELS} labels"));
        }
        for (name, value) in &self.labels {
            let at = vec![Key("labels"), Key(name.as_str())];
            if let Err(said) = check_label(name, value) {
                return wrong(at, said);
            }
        }
        if let Err((key, said)) = self.log.check() {
            return wrong(vec![Key("log"), Key(key)], said);
        }
        if self.databases.include.is_empty() {
            let said = "this leaves no database\nwrite include = [\"*\"], or leave it out";
            return wrong(vec![Key("databases"), Key("include")], said.to_owned());
        }
        if self.databases.cap == 0 {
            let said = "cap is at least 1\nto walk none, write exclude = [\"*\"]";
            return wrong(vec![Key("databases"), Key("cap")], said.to_owned());
        }
        Ok(())
    }
}

impl Target {
    fn check_tls_files(&self) -> Result<(), String> {
        let of = |name| self.url.param(name);
        if let Some(root) = of("sslrootcert").filter(|root| *root != "system" && !Path::new(root).is_file()) {
            return Err(format!(
                "sslrootcert: there is no file {root}\ncorrect the path, or write sslrootcert=system"
            ));
        }
        match (of("sslcert"), of("sslkey")) {
            (Some(cert), _) if !Path::new(cert).is_file() => {
                Err(format!("sslcert: there is no file {cert}\ncorrect the path, or leave it out"))
            }
            (Some(_), None) => Err("sslcert wants its key\nadd sslkey".to_owned()),
            (Some(_), Some(key)) => {
                check_file(Path::new(key)).map_err(|why| format!("sslkey: {}\n{}", why.what, why.mend))
            }
            (None, _) => Ok(()),
        }
    }
}

fn check_label(name: &str, value: &str) -> Result<(), String> {
    let starts = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !starts || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!("`{name}` is not a name that Prometheus takes\nuse letters, digits and _"));
    }
    if name.starts_with("__")
        || RESERVED.contains(&name)
        || Topic::ALL.iter().any(|t| t.labels().contains(&name))
    {
        return Err(format!("the label `{name}` is taken\nwrite my_{}", name.trim_start_matches('_')));
    }
    if value.len() > MAX_LABEL_BYTES || value.chars().any(char::is_control) {
        return Err(format!(
            "the value of `{name}` is longer than {MAX_LABEL_BYTES} bytes or not plain text"
        ));
    }
    Ok(())
}
