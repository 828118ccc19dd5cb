//! A list of targets as Prometheus's `file_sd` and `http_sd` have it: groups of addresses with labels, in JSON or
//! YAML. Here an address is the URL of a target.

use crate::config::yaml::{self, Node, Place, Value};
use crate::config::{ConfigError, Target, TargetUrl, mask, nearest};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Labels for us: Prometheus as well keeps those with two underscores to itself.
const NAME: &str = "__name";
const PASSWORD_FILE: &str = "__password_file";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Json,
    Yaml,
}

impl Form {
    /// By the ending of its name, as in Prometheus.
    pub fn of(path: &Path) -> Form {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if matches!(ending, "yml" | "yaml") { Form::Yaml } else { Form::Json }
    }
}

/// Who wrote the list, and so what it may refer to.
#[derive(Debug, Clone, Copy)]
pub enum Writer<'a> {
    /// Somebody who writes files on this machine. Paths are relative to the file's directory.
    Here(&'a Path),
    /// Somebody at the other end of a network: its words name no file of ours but those of one directory.
    Elsewhere(Option<&'a Path>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// The targets of a list; `name` is what it is called in a complaint.
pub fn read(form: Form, text: &str, name: &str, writer: Writer<'_>) -> Result<Vec<Target>, ConfigError> {
    let groups = match form {
        Form::Json => of_json(text, name)?,
        Form::Yaml => of_yaml(text)
            .map_err(|(place, said)| ConfigError::at(name.to_owned(), place.line, place.column, &said))?,
    };
    let mut targets = Vec::new();
    for group in groups {
        targets.extend(group.into_targets(writer).map_err(|said| ConfigError::plain(name, &said))?);
    }
    Ok(targets)
}

fn of_json(text: &str, name: &str) -> Result<Vec<Group>, ConfigError> {
    let hint = "write [{\"targets\": [\"postgres://user@host/postgres\"], \"labels\": {\"team\": \"shop\"}}]";
    serde_json::from_str(text).map_err(|error| {
        // It quotes what it found, which may be a URL with a password.
        let said = mask(error.to_string().split(" at line ").next().unwrap_or_default());
        let said = format!("{said}\n{hint}");
        ConfigError::at(name.to_owned(), error.line(), error.column(), &said)
    })
}

fn of_yaml(text: &str) -> Result<Vec<Group>, yaml::Wrong> {
    let root = yaml::read(text)?;
    match &root.value {
        Value::List(groups) => groups.iter().map(group).collect(),
        Value::Nothing => Ok(Vec::new()),
        _ => Err((root.place, "expected a list of groups here\nbegin with `- targets:`".to_owned())),
    }
}

fn group(node: &Node) -> Result<Group, yaml::Wrong> {
    let (mut targets, mut labels) = (None, BTreeMap::new());
    for (key, place, node) in yaml::entries(node)? {
        match key.as_str() {
            "targets" => {
                targets = Some(yaml::texts(node)?.into_iter().map(|(_, url)| url.to_owned()).collect())
            }
            "labels" => {
                for (label, _, node) in yaml::entries(node)? {
                    labels.insert(label.clone(), yaml::text(node)?.to_owned());
                }
            }
            _ => return Err(unknown(*place, key)),
        }
    }
    let none = || {
        (node.place, "a group without targets\nwrite `- targets: [postgres://user@host/postgres]`".to_owned())
    };
    Ok(Group { targets: targets.ok_or_else(none)?, labels })
}

fn unknown(place: Place, key: &str) -> yaml::Wrong {
    let hint = match nearest(key, ["targets", "labels"]) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "known here: targets, labels".to_owned(),
    };
    (place, format!("unknown key `{key}`\n{hint}"))
}

impl Group {
    fn into_targets(self, writer: Writer<'_>) -> Result<Vec<Target>, String> {
        let Group { targets, mut labels } = self;
        let name = labels.remove(NAME);
        if name.is_some() && targets.len() != 1 {
            return Err(format!(
                "{NAME} stands for one target, and here are {}\nsplit the group",
                targets.len()
            ));
        }
        let password_file =
            labels.remove(PASSWORD_FILE).map(|file| writer.password_file(&file)).transpose()?;
        if let Some(odd) = labels.keys().find(|label| label.starts_with("__")) {
            return Err(format!("the label {odd} means nothing here\nknown: {NAME} {PASSWORD_FILE}"));
        }
        let named = |url: &String| {
            let mut target = Target::new(writer.url(url)?);
            target.name = name.as_deref().map_or(target.name, Into::into);
            target.password_file.clone_from(&password_file);
            target.labels =
                labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
            Ok(target)
        };
        targets.iter().map(named).collect()
    }
}

impl Writer<'_> {
    fn password_file(self, file: &str) -> Result<PathBuf, String> {
        match self {
            Writer::Here(base) => Ok(base.join(file)),
            Writer::Elsewhere(None) => {
                Err(format!("{PASSWORD_FILE} wants a directory to look in\nset password_dir beside the url"))
            }
            Writer::Elsewhere(Some(_)) if file.contains('/') || matches!(file, "" | "." | "..") => {
                Err(format!("{PASSWORD_FILE} is the name of a file in password_dir\nwrite it without a path"))
            }
            Writer::Elsewhere(Some(base)) => Ok(base.join(file)),
        }
    }

    /// A password that we read for somebody could be sent to whomever he names: files that hold some are named by
    /// the operator alone.
    fn url(self, text: &str) -> Result<TargetUrl, String> {
        if matches!(self, Writer::Here(_)) {
            return text.parse();
        }
        let url = TargetUrl::from_elsewhere(text)?;
        match ["defaults_file", "passfile", "service", "servicefile"]
            .iter()
            .find(|name| url.param(name).is_some())
        {
            Some(name) => Err(format!("a list from elsewhere may not name files of ours, as by {name}")),
            None => Ok(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Writer<'static> {
        Writer::Here(Path::new("/lists"))
    }

    fn targets(form: Form, text: &str, writer: Writer<'_>) -> Result<Vec<Target>, String> {
        read(form, text, "the list", writer).map_err(|error| error.render(false))
    }

    #[test]
    fn groups_become_targets_in_either_form() {
        let json = r#"[{"targets": ["postgres://sonde@db1/shop", "postgres://sonde@db2/shop"], "labels": {"team": "shop"}},
                       {"targets": ["mysql://sonde@db3"], "labels": {"__name": "archive", "__password_file": "pw"}}]"#;
        let yaml = "# who is there\n- targets:\n  - postgres://sonde@db1/shop\n  - 'postgres://sonde@db2/shop'\n  labels:\n    team: shop\n\
                    - targets: [mysql://sonde@db3]\n  labels: {__name: archive, __password_file: pw}\n";
        let found = targets(Form::Json, json, here()).unwrap();
        let names: Vec<&str> = found.iter().map(|target| &*target.name).collect();
        assert_eq!(names, ["db1", "db2", "archive"]);
        assert_eq!(&*found[0].labels["team"], "shop");
        assert!(found[2].labels.is_empty());
        assert_eq!(found[2].password_file.as_deref(), Some(Path::new("/lists/pw")));
        assert_eq!(targets(Form::Yaml, yaml, here()).unwrap(), found);
        assert_eq!(targets(Form::Yaml, "", here()).unwrap(), []);
        assert_eq!(targets(Form::Json, "[]", here()).unwrap(), []);
    }

    #[test]
    fn a_wrong_list_is_refused_and_tells_no_password() {
        for (form, text) in [
            (Form::Json, "[{\"targets\": [\"postgres://sonde:s3cret@\"]"),
            (Form::Json, "[{\"targets\": [\"s3cret://x\"]}]"),
            (Form::Json, "[{\"targets\": [\"postgres://sonde:s3cret@h/d\"], \"lables\": {}}]"),
            (
                Form::Json,
                "[{\"targets\": [\"postgres://a/d\", \"postgres://b/d\"], \"labels\": {\"__name\": \"x\"}}]",
            ),
            (Form::Json, "[{\"targets\": \"postgres://sonde:s3cret@h/d\"}]"),
            (Form::Yaml, "- targets: [postgres://sonde:s3cret@h/d]\n  lables: {}\n"),
            (Form::Yaml, "- labels: {team: shop}\n"),
            (Form::Yaml, "- targets: postgres://sonde:s3cret@h/d\n"),
            (Form::Yaml, "targets: [postgres://sonde:s3cret@h/d]\n"),
            (Form::Yaml, "- targets: [postgres://sonde:s3cret@h/d]\n  labels: {__meta: x}\n"),
        ] {
            let said = targets(form, text, here()).unwrap_err();
            assert!(said.contains("the list") && !said.contains("s3cret"), "{said}");
        }
    }

    /// Else whoever answers could have any password of ours sent to a server of his.
    #[test]
    fn a_list_from_elsewhere_names_no_files() {
        let named = |file: &str| {
            format!(
                "[{{\"targets\": [\"postgres://a@h/d\"], \"labels\": {{\"__password_file\": \"{file}\"}}}}]"
            )
        };
        let dir = Some(Path::new("/passwords"));
        let found = targets(Form::Json, &named("db1"), Writer::Elsewhere(dir)).unwrap();
        assert_eq!(found[0].password_file.as_deref(), Some(Path::new("/passwords/db1")));
        assert!(
            targets(Form::Json, &named("db1"), Writer::Elsewhere(None)).unwrap_err().contains("password_dir")
        );
        for file in ["/etc/passwd", "../db1", "..", "a/b", ""] {
            targets(Form::Json, &named(file), Writer::Elsewhere(dir)).unwrap_err();
        }
        for url in [
            "postgres://a@h/d?passfile=/x",
            "postgres://a@h/d?service=x",
            "mysql://a@h?defaults-file=/etc/hostname",
        ] {
            let text = format!("[{{\"targets\": [\"{url}\"]}}]");
            targets(Form::Json, &text, Writer::Elsewhere(dir)).unwrap_err();
        }
    }
}
