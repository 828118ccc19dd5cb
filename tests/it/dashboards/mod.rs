//! The dashboards: written down in `dashboards/*.toml`, made into what Grafana reads, linted, and each panel's
//! queries asked of a real Prometheus that scrapes the real daemon.
//!
//! `UPDATE=1 cargo test --test it dashboards::the` writes the JSON anew.

mod grafana;
mod lint;
mod live;
mod pictures;
mod scene;

use crate::docs::is_current;
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// One dashboard, as its TOML says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Board {
    title: String,
    uid: String,
    about: String,
    /// Beside `datasource`, `job` and `instance`, which all have.
    variables: Vec<String>,
    panel: Vec<Panel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Panel {
    /// A new row of this title begins before the panel.
    row: Option<String>,
    title: String,
    about: String,
    kind: Kind,
    /// One of Grafana's units.
    unit: String,
    /// Columns of 24, and lines.
    size: [u32; 2],
    #[serde(default)]
    stack: bool,
    /// From here on a single number is shown in red.
    bad_from: Option<f64>,
    /// Where a click leads, and which variables come along.
    link: Option<Link>,
    /// Whose targets have this; all where it is left out.
    #[serde(default)]
    engines: Vec<Flavour>,
    query: Vec<Query>,
}

impl Panel {
    /// What it tells a reader: what it shows, and of whom.
    fn description(&self) -> String {
        let names: Vec<&str> = self.engines.iter().map(|engine| engine.name()).collect();
        match names[..] {
            [] => self.about.clone(),
            _ => format!("{} {} only.", self.about, names.join(" and ")),
        }
    }

    /// Whose targets must have data of a query.
    fn engines_of(&self, query: &Query) -> Vec<Flavour> {
        let own = [&query.engines, &self.engines].into_iter().find(|engines| !engines.is_empty());
        own.cloned().unwrap_or(Flavour::ALL.to_vec())
    }
}

/// What is behind a target. MySQL and MariaDB are one engine to us, and tell different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Flavour {
    Postgres,
    Mysql,
    Mariadb,
}

impl Flavour {
    const ALL: [Flavour; 3] = [Flavour::Postgres, Flavour::Mysql, Flavour::Mariadb];

    fn name(self) -> &'static str {
        match self {
            Flavour::Postgres => "PostgreSQL",
            Flavour::Mysql => "MySQL",
            Flavour::Mariadb => "MariaDB",
        }
    }

    /// With this the names of its targets begin where dashboards are tried.
    fn prefix(self) -> &'static str {
        match self {
            Flavour::Postgres => "postgres",
            Flavour::Mysql => "mysql",
            Flavour::Mariadb => "mariadb",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Stat,
    Timeseries,
    Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    to: String,
    with: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    /// PromQL in which `$own`, `$here`, `$there` and `$statement` stand for the matchers of the variables.
    expr: String,
    /// `{{statement}}` in it is what a digest stands for.
    #[serde(default)]
    legend: String,
    /// The column of a table that it fills.
    #[serde(default)]
    name: String,
    /// The unit of that column.
    unit: Option<String>,
    /// Where only some of the panel's targets have it.
    #[serde(default)]
    engines: Vec<Flavour>,
}

const BOARDS: [&str; 8] =
    ["fleet", "target", "statements", "objects", "replication", "locks", "findings", "dbsonde"];

fn board(name: &str) -> Board {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards").join(format!("{name}.toml"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Query {
    /// `$own` is this dbsonde, `$here` also the target, `$there` also the database, `$statement` also the digest. Of
    /// the variables only those stand that the dashboard has.
    fn promql(&self, board: &Board) -> String {
        let matchers = |names: &[&str]| -> String {
            let own = ["job", "instance"].into_iter();
            let chosen = names.iter().copied().filter(|name| board.variables.iter().any(|v| v == name));
            own.chain(chosen).map(|name| format!("{name}=~\"${name}\"")).collect::<Vec<_>>().join(", ")
        };
        let expr = if self.legend.contains("{{statement}}") { told(&self.expr) } else { self.expr.clone() };
        expr.replace("$own", &matchers(&[]))
            .replace("$here", &matchers(&["target"]))
            .replace("$there", &matchers(&["target", "database"]))
            .replace("$statement", &matchers(&["target", "database", "digest"]))
    }
}

/// The same numbers by digest with a label `statement`, because nobody knows a digest by its name: how its text
/// begins, or the digest itself where there is no text, as of `other`.
fn told(by_digest: &str) -> String {
    const TEXTS: &str = "max by (digest, fingerprint) (dbsonde_statement_info{$here})";
    format!(
        "label_replace(({by_digest}) * on (digest) group_left (fingerprint) {TEXTS}, \
         \"statement\", \"$1\", \"fingerprint\", \"(.{{0,50}}).*\") \
         or on (digest) label_replace({by_digest}, \"statement\", \"$1\", \"digest\", \"(.*)\")"
    )
}

#[test]
fn the_dashboards() {
    for name in BOARDS {
        let board = board(name);
        let made = serde_json::to_string_pretty(&grafana::dashboard(&board)).unwrap() + "\n";
        is_current(&format!("dashboards/{name}.json"), &made);
    }
}

#[test]
fn the_contents_list_every_dashboard() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut boards: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    boards.sort();
    let mut listed = BOARDS.map(str::to_owned);
    listed.sort();
    assert_eq!(boards, listed);
}
