use crate::config::Span;
use crate::model::{Confidence, Finding, Fix, Flavour, Name, Severity, Table, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script::{self, mysql};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Table that a crash can damage
///
/// A table that is written to is kept by an engine that knows neither transactions nor a log from which to come back whole.
///
/// ## Why it hurts
///
/// When the server or its machine crashes, the table may be damaged, and rows that were confirmed may be gone. A ROLLBACK
/// takes nothing back from it, so that half of a transaction stays. Every write locks the whole table, and a copy of the
/// data that is made without stopping writers is of no single moment.
///
/// ## What to do
///
/// Make it a table of InnoDB. That writes it anew, so do it at a quiet hour.
///
/// ## When this page is wrong
///
/// Where the data can be made again at any time and nobody minds to do that. Take the engine out of `engines`, or silence
/// the table. A table that was filled once and is only read since is not meant either, but the server's counters since its
/// start may still remember the filling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TableNotCrashSafe {
    /// Engines that have neither transactions nor a log, by the manuals of MySQL and MariaDB. Aria counts among them for
    /// tables with TRANSACTIONAL=0, whatever stands here.
    engines: Vec<String>,
    /// Rows written since the server started, where it counts them. Calibrated by us: fewer are typed again.
    min_written_rows: f64,
    /// Where it does not: how lately the table's file was written to. Calibrated by us: what is written to once a month is
    /// filled anew rather than worked with.
    written_within: Span,
}

impl Default for TableNotCrashSafe {
    fn default() -> Self {
        Self {
            engines: ["MyISAM", "CSV"].map(str::to_owned).into(),
            min_written_rows: 100.0,
            written_within: Span::days(7),
        }
    }
}

impl Rule for TableNotCrashSafe {
    const ID: &'static str = "table-not-crash-safe";
    const OF: &'static [Flavour] = &[Flavour::Mysql, Flavour::Mariadb];
    const NEEDS: &'static [Topic] = &[Topic::Tables];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let can_be_damaged = |table: &&Table| self.engine(table).is_some();
        let is_written_to = move |table: &&Table| self.is_written_to(table, seen.at);

        seen.now
            .rows::<Table>()
            .filter(can_be_damaged)
            .filter(is_written_to)
            .map(|table| finding(table, seen.at).into())
    }
}

impl TableNotCrashSafe {
    fn engine<'a>(&self, table: &'a Table) -> Option<&'a str> {
        let engine = table.engine.as_deref()?;
        let is_bare_aria = engine.eq_ignore_ascii_case("Aria")
            && table.options.as_deref().is_some_and(|options| options.to_lowercase().contains("transactional=0"));
        let is_named = self.engines.iter().any(|name| name.eq_ignore_ascii_case(engine));
        (is_named || is_bare_aria).then_some(engine)
    }

    fn is_written_to(&self, table: &Table, at: f64) -> bool {
        match written_rows(table) {
            Some(rows) => rows >= self.min_written_rows,
            None => age(table, at).is_some_and(|age| age < self.written_within.get().as_secs_f64()),
        }
    }
}

fn written_rows(table: &Table) -> Option<f64> {
    let rows = [table.inserted_rows?, table.updated_rows?, table.deleted_rows?];
    Some(rows.map(|rows| rows.float()).iter().sum())
}

fn age(table: &Table, at: f64) -> Option<f64> {
    Some((at - table.last_written?.get()).max(0.0))
}

fn finding(table: &Table, at: f64) -> Finding {
    let engine = table.engine.as_deref().unwrap_or_default();
    let name = format!("{}.{}", table.schema, table.table);
    let how = match (written_rows(table), age(table, at)) {
        (Some(rows), _) => format!("{} rows were written since the server started", script::count(rows)),
        (None, Some(age)) => format!("it was written to {} ago", script::duration(age)),
        (None, None) => "it is written to".to_owned(),
    };
    Finding {
        rule: Name::new(TableNotCrashSafe::ID),
        severity: Severity::Warning,
        database: table.database.clone(),
        subject: name.clone(),
        because: format!("table {name} is kept by {engine}, and {how}: a crash may damage it, and no ROLLBACK takes anything back"),
        evidence: evidence([
            ("engine", json!(engine)),
            ("written_rows", json!(written_rows(table))),
            ("written_seconds_ago", json!(age(table, at).map(f64::round))),
            ("rows", json!(table.rows.map(|rows| rows.float()))),
        ]),
        advice: "Make it a table of InnoDB, at a quiet hour.".into(),
        fix: Some(fix(table, engine)),
        confidence: Confidence::Measured,
    }
}

fn fix(table: &Table, engine: &str) -> Fix {
    let to = |engine: &str| mysql::alter_copying(&table.schema, &table.table, &format!("ENGINE={engine}"));
    Fix {
        sql: vec![mysql::patience(2), to("InnoDB")],
        rollback: vec![to(engine)],
        lock: "a shared metadata lock on the table".into(),
        blocks: "writers of the table, until all of it is written anew; readers only at the end, for a moment".into(),
        transactional: false,
        caution: "Writes the whole table anew and needs room for a second copy, which will be larger; replicas do the same after \
                  it. Without a primary key InnoDB makes a hidden one: give it one first. COUNT(*) of the whole table reads it from \
                  now on."
            .into(),
    }
}
