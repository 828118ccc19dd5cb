//! The table of collectors that every engine has: topic, pace, where its rows live, what begins its epoch, and
//! its SQL.

use super::Pace;
use super::template::{Catalogue, Runs, Template, first_that_runs};
use crate::model::Topic;
use std::collections::HashMap;

/// Whose rows a collector reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// One read tells of the whole server.
    Server,
    /// To be asked in every database.
    Database,
}

/// When the numbers of a collector began, by the server's word: what makes their epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Began {
    /// The reset of the statistics of statements; where the server does not tell, of its statistics.
    Statements,
    /// The reset of the database's statistics, or of the server's when that is later.
    Database,
    /// Each row tells for itself, or there is nothing that a reset could move.
    Rows,
    /// They die with the server's process.
    Process,
}

#[derive(Debug)]
pub struct Collector {
    pub topic: Topic,
    pub pace: Pace,
    pub reach: Reach,
    pub began: Began,
    /// The name of the SQL file without version.
    pub file: &'static str,
    /// Its variants, newest first: the first whose needs are met is used.
    pub sql: &'static [&'static str],
}

/// SQL that serves no topic of its own: what an engine asks to understand the rest. Its name, its variants.
pub type Tool = (&'static str, &'static [&'static str]);

/// The text of SQL files of the folder `sql` beside the caller.
#[macro_export]
macro_rules! sql_files {
    ($($file:literal)+) => { &[$(include_str!(concat!("sql/", $file, ".sql")),)+] };
}

/// An engine's table of collectors, one line each.
#[macro_export]
macro_rules! collectors {
    ($($topic:ident $pace:ident $reach:ident $began:ident $file:literal [$($variant:literal)+];)+) => {
        pub const COLLECTORS: &[$crate::engine::collector::Collector] =
            &[$($crate::engine::collector::Collector {
                topic: $crate::model::Topic::$topic,
                pace: $crate::engine::Pace::$pace,
                reach: $crate::engine::collector::Reach::$reach,
                began: $crate::engine::collector::Began::$began,
                file: $file,
                sql: $crate::sql_files!($($variant)+),
            },)+];
    };
}

/// Every SQL file of an engine, parsed, by the name of its first variant.
#[derive(Debug)]
pub struct Library {
    templates: HashMap<&'static str, Vec<Template>>,
}

impl Library {
    pub fn new(collectors: &'static [Collector], tools: &'static [Tool]) -> Library {
        let files = collectors.iter().map(|collector| (collector.file, collector.sql));
        let parsed = |variants: &[&'static str]| variants.iter().map(|text| Template::parse(text)).collect();
        let all = files.chain(tools.iter().copied());
        Library { templates: all.map(|(file, variants)| (file, parsed(variants))).collect() }
    }

    /// Every object that must be probed before anything can be rendered.
    pub fn objects(&self) -> Vec<&str> {
        let mut objects: Vec<&str> = self.templates.values().flatten().flat_map(Template::objects).collect();
        objects.sort_unstable();
        objects.dedup();
        objects
    }

    /// What can be sent to a server with this catalogue. `fill` says what stands for a `{name}`.
    pub fn render(&self, catalogue: &Catalogue, fill: &[(&str, &str)]) -> Repertoire {
        let render = |(file, variants): (&&'static str, &Vec<Template>)| {
            (*file, first_that_runs(variants, catalogue, fill))
        };
        Repertoire(self.templates.iter().map(render).collect())
    }
}

/// What stands in every SQL file where a lane puts its mark, by which we know our own statements.
pub const TAG: &str = "/* dbsonde */";

/// The SQL of every file as this server can run it, or what it lacks.
#[derive(Debug)]
pub struct Repertoire(HashMap<&'static str, Result<Runs, String>>);

impl Repertoire {
    pub fn sql(&self, file: &str) -> Result<&str, &str> {
        self.runs(file).map(|runs| runs.sql.as_str())
    }

    /// Of an answer of names and values: which name becomes which field.
    pub fn fields(&self, file: &str) -> &[(&'static str, &'static str)] {
        self.runs(file).map_or(&[], |runs| &runs.fields)
    }

    fn runs(&self, file: &str) -> Result<&Runs, &str> {
        match self.0.get(file) {
            Some(Ok(runs)) => Ok(runs),
            Some(Err(lack)) => Err(lack),
            None => Err("not probed"),
        }
    }

    /// Says of a file why it cannot be run here, where probing knows better than the catalogue.
    pub fn refuse(&mut self, file: &'static str, why: String) {
        self.0.insert(file, Err(why));
    }
}

/// What an engine reads, and what its lanes make of it.
pub fn topics(collectors: &[Collector], derived: &[(Topic, Pace)]) -> Vec<(Topic, Pace)> {
    collectors
        .iter()
        .map(|collector| (collector.topic, collector.pace))
        .chain(derived.iter().copied())
        .collect()
}
