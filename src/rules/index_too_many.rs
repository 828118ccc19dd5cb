use crate::config::Span;
use crate::model::{Confidence, Finding, Flavour, Index, Name, Scope, Severity, Stretch, Table, Topic, evidence};
use crate::rule::catalogue;
use crate::rule::index::{Watched, is_droppable, watched};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// # Too many indexes
///
/// A busy table has more than ten indexes, and several of them are hardly ever read.
///
/// ## Why it hurts
///
/// Each new row makes an entry in every index: with fourteen of them one insert is fifteen writes, each of which may have to
/// read a page first. They take memory from the ones that work, make the log longer, and the planner looks at all of them for
/// each statement.
///
/// ## What to do
///
/// Go through those that are named and ask of each what would miss it. One that nobody reads at all has a page of its own,
/// `index-unused`, with a script; so has one that another can stand in for, `index-redundant-prefix`.
///
/// ## When this page is wrong
///
/// An index that is read once a month, for the closing of the books. What standbys read is not counted here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexTooMany {
    /// Indexes of the table. More than ten is where a known reviewer of schemas begins to complain.
    min_indexes: f64,
    /// Of these, the ones that are hardly read. Calibrated by us: one or two are not what makes it slow.
    min_idle: f64,
    /// How often an index may be read for each entry that is made in it and still count as hardly read. Calibrated by us: once
    /// for a thousand.
    max_reads: f64,
    /// Rows that get their entries in a second. Calibrated by us: what fewer of them cost nobody notices.
    min_rate: f64,
    /// How long it must have been so. A week sees the work of every day.
    min_window: Span,
}

impl Default for IndexTooMany {
    fn default() -> Self {
        Self { min_indexes: 11.0, min_idle: 3.0, max_reads: 0.001, min_rate: 10.0, min_window: Span::days(7) }
    }
}

/// Indexes that a sentence names, the largest first.
const MAX_NAMED: usize = 5;

impl Rule for IndexTooMany {
    const ID: &'static str = "index-too-many";
    const NEEDS: &'static [Topic] = &[Topic::Tables, Topic::Indexes];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        let min = self.min_window.get().as_secs_f64();
        let mut stretches = seen.ladder.iter().flat_map(|window| window.stretches_of::<Index>());
        stretches.any(|(_, stretch, _)| stretch.seconds >= min)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let min = self.min_window.get().as_secs_f64();
        let mut of_tables: BTreeMap<(&Name, i64), Vec<Watched<'a>>> = BTreeMap::new();
        // What is counted since a reset may be older than the index.
        let long_enough = |one: &Watched<'_>| !one.by_hearsay && one.stretch.seconds >= min;
        for one in watched(seen, min, Index::is_usable).into_iter().filter(long_enough) {
            of_tables.entry((one.database, one.index.table_oid)).or_default().push(one);
        }
        of_tables.retain(|_, indexes| indexes.len() as f64 >= self.min_indexes);
        let found = of_tables.into_iter().filter_map(move |((database, oid), indexes)| {
            let (stretch, table) = counted(seen, database, oid, min)?;
            self.judge(seen.flavour, stretch, table, &indexes).map(Word::from)
        });
        found.collect::<Vec<_>>().into_iter()
    }
}

/// What was done to a table, as long as we know.
fn counted<'a>(seen: &Seen<'a>, database: &Name, oid: i64, min: f64) -> Option<(&'a Stretch, &'a Table)> {
    let scope = Scope::Database(database.clone());
    let stretches = seen.ladder.iter().rev().flat_map(|window| window.stretches_of::<Table>());
    let mut long = stretches.filter(|(of, stretch, _)| **of == scope && stretch.seconds >= min);
    long.find_map(|(_, stretch, tables)| Some((stretch, tables.iter().find(|table| table.oid == oid)?)))
}

impl IndexTooMany {
    fn judge(&self, flavour: Flavour, stretch: &Stretch, table: &Table, indexes: &[Watched<'_>]) -> Option<Finding> {
        let rate = entries(flavour, table)? / stretch.seconds;
        let is_idle = |one: &&Watched<'_>| {
            let reads = one.index.uses().unwrap_or(f64::INFINITY);
            is_droppable(one.index) && reads <= self.max_reads * rate * one.stretch.seconds
        };
        let mut idle: Vec<&Index> = indexes.iter().filter(is_idle).map(|one| one.index).collect();
        idle.sort_by(|a, b| b.size().total_cmp(&a.size()));
        (rate >= self.min_rate && idle.len() as f64 >= self.min_idle)
            .then(|| self.finding(stretch, table, rate, indexes.len(), &idle))
    }

    fn finding(&self, stretch: &Stretch, table: &Table, rate: f64, indexes: usize, idle: &[&Index]) -> Finding {
        let name = catalogue::name(table);
        let rows = rate * stretch.seconds;
        let named: Vec<&str> = idle.iter().take(MAX_NAMED).map(|index| &*index.index).collect();
        let further = if idle.len() > MAX_NAMED { " and others" } else { "" };
        let size: f64 = idle.iter().map(|index| index.size()).sum();
        Finding {
            rule: Name::new(IndexTooMany::ID),
            severity: Severity::Note,
            database: table.database.clone(),
            subject: name.clone(),
            because: format!(
                "{} rows of {name} got an entry in each of its {indexes} indexes in {}, and {} of these ({}) were read less than once \
                 for {} entries: {}{further}",
                script::count(rows),
                script::duration(stretch.seconds),
                idle.len(),
                script::bytes(size),
                script::count(1.0 / self.max_reads),
                named.join(", "),
            ),
            evidence: evidence([
                ("indexes", json!(indexes)),
                ("entries", json!(rows.round())),
                ("idle", json!(idle.iter().map(|index| &*index.index).collect::<Vec<_>>())),
                ("idle_size_bytes", json!(size)),
                ("window_seconds", json!(stretch.seconds.round())),
            ]),
            advice: "Ask of each that is named what would miss it. Which of them can go takes somebody who knows, so there is no script."
                .into(),
            fix: None,
            confidence: Confidence::Measured,
        }
    }
}

/// Rows that got an entry in each index. MySQL and MariaDB tell an index of an update only where it changes a column of it.
fn entries(flavour: Flavour, table: &Table) -> Option<f64> {
    let inserted = table.inserted_rows?.float();
    match flavour {
        Flavour::Postgres => Some(inserted + table.updated_rows?.float() - table.hot_updated_rows?.float()),
        Flavour::Mysql | Flavour::Mariadb => Some(inserted),
    }
}
