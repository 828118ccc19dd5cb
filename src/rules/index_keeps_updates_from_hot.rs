use crate::config::Span;
use crate::model::{Confidence, Finding, Fix, Flavour, Index, InTopic, Name, Severity, Table, Topic, evidence};
use crate::rule::catalogue::{self, Catalogue};
use crate::rule::{Rule, Seen, Word, statement};
use crate::script;
use crate::sql::Dialect;
use crate::sql::shape::{self, Role, Verb};
use crate::workload::Sum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// # Index that keeps updates from being cheap
///
/// Nearly every update of a table changes a column of an index that hardly anybody reads, so each makes new entries in all of
/// its indexes.
///
/// ## Why it hurts
///
/// When no indexed column changes, PostgreSQL can put the new version of a row beside the old one and leave every index alone
/// (a heap-only tuple). One index on a column that changes all the time takes that away from the whole table: more log, larger
/// indexes, more for vacuum to do.
///
/// ## What to do
///
/// Drop the index if what reads it can do without. Often it was built for a report or for a page that sorts by the time of the
/// last change.
///
/// ## When this page is wrong
///
/// When the few scans are worth the price. An update may also assign the value that is there already, and then the cause is
/// another: pages without room (see `fillfactor`). Indexes of a kind that sums up pages (BRIN) are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexKeepsUpdatesFromHot {
    /// Updated rows in a second. Calibrated by us: less costs next to nothing.
    min_updates: f64,
    /// Share of the updates that were cheap all the same, at most. Calibrated by us: one in ten.
    max_hot: f64,
    /// Share of the rows that known statements update and for which they assign a column of the index. Calibrated by us:
    /// nearly all.
    min_assigned: f64,
    /// Scans of the index for each updated row, at most. Calibrated by us: a hundredth.
    max_scans: f64,
    /// For how long it must have been watched. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for IndexKeepsUpdatesFromHot {
    fn default() -> Self {
        Self { min_updates: 10.0, max_hot: 0.1, min_assigned: 0.8, max_scans: 0.01, min_window: Span::secs(900) }
    }
}

impl Rule for IndexKeepsUpdatesFromHot {
    const ID: &'static str = "index-keeps-updates-from-hot";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables, Topic::Indexes, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = &[Topic::Statements, Topic::Tables, Topic::Indexes];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        statement::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        // Only the heap of PostgreSQL has them, and what was counted before we came is not of one time.
        let own = statement::lately(seen, self.min_window).filter(|sum| !sum.by_hearsay && seen.flavour == Flavour::Postgres);
        let assigned = own.map(|sum| assigned(seen, &sum)).unwrap_or_default();
        let mut known: HashMap<&Name, Catalogue<'a>> = HashMap::new();
        let mut found = Vec::new();
        let names: BTreeSet<String> = assigned.keys().map(|(_, table)| table.clone()).collect();
        for ((database, table), columns) in &assigned {
            let known = known.entry(database).or_insert_with(|| Catalogue::of(seen, database, &names));
            if let Some(table) = known.table(table) {
                found.extend(self.in_table(seen, known, table, columns));
            }
        }
        found.into_iter()
    }
}

/// Rows of one table that known statements updated, and how many of them got a new value in each column.
#[derive(Debug, Default)]
struct Assigned {
    rows: f64,
    columns: HashMap<String, f64>,
}

fn assigned(seen: &Seen<'_>, sum: &Sum) -> HashMap<(Name, String), Assigned> {
    let mut assigned: HashMap<(Name, String), Assigned> = HashMap::new();
    for (key, cost) in &sum.statements {
        let text = seen.texts.fingerprint(key.digest).filter(|text| text.starts_with("update "));
        let Some(read) = text.map(|text| shape::read(Dialect::Postgres, text)) else { continue };
        let Some((nth, table)) = read.tables.iter().enumerate().find(|(_, table)| table.written) else { continue };
        if read.verb != Some(Verb::Update) || !read.understood {
            continue;
        }
        let of_table = assigned.entry((key.database.clone(), table.name.clone())).or_default();
        of_table.rows += cost.rows;
        for used in read.uses.iter().filter(|used| used.role == Role::Assigned && used.table == Some(nth)) {
            *of_table.columns.entry(used.column.clone()).or_default() += cost.rows;
        }
    }
    assigned.retain(|_, of_table| of_table.rows > 0.0);
    assigned
}

impl IndexKeepsUpdatesFromHot {
    fn in_table(
        &self,
        seen: &Seen<'_>,
        known: &Catalogue<'_>,
        table: &Table,
        assigned: &Assigned,
    ) -> Vec<Word> {
        let Some(updates) = known.updates(table).filter(|updates| updates.rate >= self.min_updates) else { return Vec::new() };
        if updates.hot > self.max_hot {
            return Vec::new();
        }
        let often = assigned.columns.iter().filter(|(_, rows)| **rows >= self.min_assigned * assigned.rows);
        let changing: Vec<i64> =
            often.filter_map(|(name, _)| known.column(table, name).map(|column| column.position)).collect();
        let holds = |index: &&Index| {
            let mut columns = index.columns.split(' ').filter_map(|number| number.parse::<i64>().ok());
            columns.any(|column| changing.contains(&column))
        };
        let indexes = known.indexes(table).iter().copied();
        let spare = indexes.filter(|index| !index.is_bound() && !index.is_unique && &*index.access_method != "brin");
        spare
            .filter(holds)
            .filter_map(|index| {
                let scans = scans(seen, index)?;
                (scans <= self.max_scans * updates.rate).then(|| word(seen, table, index, &updates, scans))
            })
            .collect()
    }
}

/// Scans in a second, over the longest window.
fn scans(seen: &Seen<'_>, index: &Index) -> Option<f64> {
    let of = |window: &crate::model::Window| {
        let stretches = window.stretches.iter().filter(|((topic, _), _)| *topic == Topic::Indexes);
        stretches.into_iter().find_map(|(_, stretch)| {
            let row = Index::of(&stretch.rows).iter().find(|row| row.oid == index.oid && row.database == index.database)?;
            Some(row.scans?.float() / stretch.seconds.max(1.0))
        })
    };
    seen.ladder.iter().rev().chain(std::iter::once(seen.latest)).find_map(of)
}

fn word(seen: &Seen<'_>, table: &Table, index: &Index, updates: &catalogue::Updates, scans: f64) -> Word {
    let Some(database) = &index.database else { return finding(table, index, updates, scans, None).into() };
    let caution = "What reads it now will read the table instead. Standbys lose it as well.";
    let fix = |definition| script::drop_index(seen.flavour, index, definition, caution);
    match seen.definition(database, index) {
        Ok(definition) => finding(table, index, updates, scans, definition.map(fix)).into(),
        Err(question) => question.into(),
    }
}

fn finding(table: &Table, index: &Index, updates: &catalogue::Updates, scans: f64, fix: Option<Fix>) -> Finding {
    Finding {
        rule: Name::new(IndexKeepsUpdatesFromHot::ID),
        severity: Severity::Note,
        database: index.database.clone(),
        subject: index.full_name(),
        because: format!(
            "{:.0} rows of {} were updated in a second, {:.0} % of them cheaply: nearly all change a column of index {}, which \
             was read {:.2} times a second",
            updates.rate,
            catalogue::name(table),
            100.0 * updates.hot,
            index.full_name(),
            scans,
        ),
        evidence: evidence([
            ("updates_per_second", json!(updates.rate)),
            ("hot_share", json!(updates.hot)),
            ("scans_per_second", json!(scans)),
            ("window_seconds", json!(updates.seconds.round())),
            ("size_bytes", json!(index.size())),
        ]),
        advice: "Drop it if what reads it can do without.".into(),
        fix,
        confidence: Confidence::Measured,
    }
}
