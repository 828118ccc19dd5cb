use crate::config::Span;
use crate::model::{Confidence, Finding, Fix, Flavour, Index, Name, Severity, Stretch, Table, Topic, evidence};
use crate::rule::catalogue::{self, Catalogue};
use crate::rule::index::{Watched, is_droppable, watched};
use crate::rule::understood::{self, Understood};
use crate::rule::{Rule, Seen, Word, statement};
use crate::script;
use crate::sql::shape::{Role, Verb};
use crate::workload::{Cost, Key, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// # Index that keeps updates from being HOT
///
/// Most updates of a table make a new entry in every one of its indexes, because one of them holds a column that the updates
/// set; and hardly anybody reads that index.
///
/// ## Why it hurts
///
/// An update that changes no indexed column and finds room in its page is told to no index (HOT, a heap-only tuple), and what it
/// leaves behind is cleaned up by the next who reads the page. One index on a column that changes ends that for all of them:
/// each update writes to each index, which grows, fills the write-ahead log and waits for vacuum.
///
/// ## What to do
///
/// Drop the index, if nothing needs it. A lower `fillfactor` is no help here: there was room in the page.
///
/// ## When this page is wrong
///
/// Which columns are set is read from the statements; that an update changed an indexed column although it had room is counted
/// by the server, from PostgreSQL 16 on, so before it the page is silent. A trigger that changes a column of another index is
/// not seen: then the updates need both gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexKeepsUpdatesFromHot {
    /// Rows of the table that are updated in a second. Calibrated by us: what fewer of them cost nobody notices.
    min_rate: f64,
    /// Share of the updates that had room in their page and made new entries all the same. Calibrated by us: half of them.
    min_share: f64,
    /// Share of the updated rows whose statements we know. Calibrated by us: what the others set could not turn the verdict.
    min_known: f64,
    /// How often the index is searched for each updated row, at most. Calibrated by us: a search is worth a thousand entries at
    /// the very most.
    max_searches: f64,
    /// How long nobody may have searched it before there is a script that drops it. A month sees the monthly jobs.
    min_unused: Span,
    /// The time over which updates are counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for IndexKeepsUpdatesFromHot {
    fn default() -> Self {
        Self {
            min_rate: 10.0,
            min_share: 0.5,
            min_known: 0.8,
            max_searches: 0.001,
            min_unused: Span::days(30),
            min_window: Span::secs(300),
        }
    }
}

impl Rule for IndexKeepsUpdatesFromHot {
    const ID: &'static str = "index-keeps-updates-from-hot";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables, Topic::Indexes, Topic::Columns];
    const MENDED_WITH: &'static [&'static str] = &["index-duplicate", "index-redundant-prefix", "index-unused"];
    const LOOKS_BACK_AT: &'static [Topic] = &[Topic::Statements, Topic::Tables, Topic::Indexes];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        seen.stretches_of::<Table>(self.min_window).next().is_some() && statement::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let tables = seen.stretches_of::<Table>(self.min_window);
        let rows = tables.flat_map(|(stretch, tables)| tables.iter().map(move |table| (stretch, table)));
        let cold: Vec<Cold<'a>> = rows.filter_map(|(stretch, table)| self.cold(stretch, table)).collect();
        let blamed: Vec<Blamed<'a>> = if cold.is_empty() { Vec::new() } else { self.blamed(seen, &cold) };
        let ids: BTreeSet<i64> = blamed.iter().map(|blamed| blamed.index.oid).collect();
        let watched = watched(seen, self.min_unused.get().as_secs_f64(), |index| ids.contains(&index.oid));
        let found: Vec<Word> = blamed.iter().filter_map(|blamed| self.word(seen, blamed, &watched)).collect();
        found.into_iter()
    }
}

/// A table whose updates are told to its indexes without need.
#[derive(Clone, Copy)]
struct Cold<'a> {
    table: &'a Table,
    stretch: &'a Stretch,
    updates: f64,
    /// Of these, the ones that had room in their page and were no HOT updates: they changed an indexed column.
    in_spite_of_room: f64,
}

/// The one index that it lies at.
struct Blamed<'a> {
    cold: Cold<'a>,
    index: &'a Index,
    /// The columns of the index that updates set.
    set: Vec<String>,
    /// The indexes that hear of each update.
    indexes: usize,
}

impl IndexKeepsUpdatesFromHot {
    fn cold<'a>(&self, stretch: &'a Stretch, table: &'a Table) -> Option<Cold<'a>> {
        let updates = table.updated_rows?.float();
        let in_spite_of_room = updates - table.hot_updated_rows?.float() - table.new_page_updated_rows?.float();
        let is_busy = updates >= self.min_rate * stretch.seconds;
        let is_plain = &*table.kind == "r" && !table.is_partition;
        (is_plain && is_busy && in_spite_of_room >= self.min_share * updates)
            .then_some(Cold { table, stretch, updates, in_spite_of_room })
    }

    fn blamed<'a>(&self, seen: &'a Seen<'a>, cold: &[Cold<'a>]) -> Vec<Blamed<'a>> {
        let names: BTreeSet<&str> = cold.iter().map(|cold| &*cold.table.table).collect();
        let changes = |_: &Key, cost: &Cost, _: &Sum| cost.rows > 0.0;
        let changing = statement::all_queries(seen, self.min_window, changes, |cost| cost.rows);
        let (setting, known) = understood::statements(seen, changing, |read| {
            read.shape.tables.iter().any(|table| table.written && names.contains(table.name.as_str()))
        });
        let blamed = cold.iter().filter_map(|cold| {
            let database = cold.table.database.as_ref()?;
            let known = known.get(database)?;
            let own: Vec<Setting<'_>> = setting
                .iter()
                .filter(|read| read.ran.key.database == *database)
                .filter_map(|read| Setting::of(read, known, cold.table))
                .collect();
            let known_rate: f64 = own.iter().map(|setting| setting.rate).sum();
            let is_known = known_rate >= self.min_known * cold.updates / cold.stretch.seconds;
            is_known.then_some(())?;
            blame(known, *cold, &own)
        });
        blamed.collect()
    }

    fn word(&self, seen: &Seen<'_>, blamed: &Blamed<'_>, watched: &[Watched<'_>]) -> Option<Word> {
        let Blamed { cold, index, .. } = blamed;
        let watched = watched.iter().find(|of| of.index.oid == index.oid && Some(of.database) == index.database.as_ref())?;
        let searches = watched.index.uses()?;
        let rate = cold.updates / cold.stretch.seconds;
        if searches > self.max_searches * rate * watched.stretch.seconds {
            return None;
        }
        let is_unused = searches == 0.0 && watched.stretch.seconds >= self.min_unused.get().as_secs_f64();
        // Without the way back there is no advice to drop anything.
        let definition = match is_unused.then(|| seen.definition(watched.database, index)) {
            Some(Err(question)) => return Some(question.into()),
            Some(Ok(definition)) => definition,
            None => None,
        };
        let fix = definition.map(|definition| {
            script::drop_index(seen.flavour, index, definition, "Scans on standbys are not counted here.")
        });
        Some(finding(blamed, watched, searches, fix).into())
    }
}

/// A statement that sets columns of a table.
struct Setting<'a> {
    columns: BTreeSet<&'a str>,
    /// Rows that it updates in a second; none where it may as well have inserted them.
    rate: f64,
}

impl<'a> Setting<'a> {
    fn of(read: &'a Understood<'_>, known: &Catalogue<'_>, table: &Table) -> Option<Setting<'a>> {
        let is_target = |place: usize| {
            let written = read.shape.tables.get(place).is_some_and(|named| named.written);
            written && read.table(known, place).is_some_and(|of| of.oid == table.oid)
        };
        let set = read.shape.uses.iter().filter(|used| used.role == Role::Assigned && used.table.is_some_and(is_target));
        let columns: BTreeSet<&str> = set.map(|used| used.column.as_str()).collect();
        let updates = if read.shape.verb == Some(Verb::Update) { read.ran.cost.rows } else { 0.0 };
        (!columns.is_empty()).then(|| Setting { columns, rate: read.ran.sum.rate(updates) })
    }
}

/// The only index that holds a column which updates set. None where there are several, so that none of them is it alone, and
/// where one looks at columns that we are not told.
fn blame<'a>(known: &Catalogue<'a>, cold: Cold<'a>, own: &[Setting<'_>]) -> Option<Blamed<'a>> {
    let set: BTreeSet<&str> = own.iter().flat_map(|setting| setting.columns.iter().copied()).collect();
    // What sums up ranges of pages does not hear of updates, from PostgreSQL 16 on.
    let hears = |index: &&&Index| &*index.access_method != "brin" && index.is_ready;
    let hearing: Vec<&Index> = known.indexes(cold.table).iter().filter(hears).copied().collect();
    if hearing.iter().any(|index| index.has_expressions || index.has_predicate) {
        return None;
    }
    let held = |index: &Index| -> Vec<String> {
        let columns = index.columns.split(' ').filter_map(|number| known.column_at(cold.table.oid, number.parse().ok()?));
        columns.filter(|column| set.contains(&*column.column)).map(|column| column.column.to_string()).collect()
    };
    let mut holding = hearing.iter().map(|index| (*index, held(index))).filter(|(_, held)| !held.is_empty());
    let (Some((index, set)), None) = (holding.next(), holding.next()) else { return None };
    (is_droppable(index) && hearing.len() > 1).then_some(Blamed { cold, index, set, indexes: hearing.len() })
}

fn finding(blamed: &Blamed<'_>, watched: &Watched<'_>, searches: f64, fix: Option<Fix>) -> Finding {
    let Blamed { cold, index, set, indexes } = blamed;
    let table = catalogue::name(cold.table);
    let share = cold.in_spite_of_room / cold.updates;
    let searched = match searches {
        0.0 => "nobody searched".to_owned(),
        _ => format!("was searched {} times", script::count(searches)),
    };
    let advice = match fix {
        Some(_) => "Check that no standby reads it, then drop it.",
        None => "Find out what reads it, and whether that is worth it. There is no script before it has been unused for long.",
    };
    Finding {
        rule: Name::new(IndexKeepsUpdatesFromHot::ID),
        severity: Severity::Warning,
        database: index.database.clone(),
        subject: index.full_name(),
        because: format!(
            "{:.0} % of {} updates of {table} in {} made a new entry in each of its {indexes} indexes although they had room in \
             their page: they set {}, which only index {} ({}) holds, and which {searched} in {}",
            share * 100.0,
            script::count(cold.updates),
            script::duration(cold.stretch.seconds),
            set.join(" and "),
            index.full_name(),
            script::bytes(index.size()),
            script::duration(watched.stretch.seconds),
        ),
        evidence: evidence([
            ("updated_rows", json!(cold.updates)),
            ("cold_ratio", json!(share)),
            ("window_seconds", json!(cold.stretch.seconds.round())),
            ("table", json!(table)),
            ("columns", json!(set)),
            ("indexes", json!(indexes)),
            ("size_bytes", json!(index.size())),
            ("scans", json!(searches)),
            ("scans_window_seconds", json!(watched.stretch.seconds.round())),
        ]),
        advice: advice.into(),
        fix,
        confidence: if watched.by_hearsay { Confidence::Unverified } else { Confidence::Estimated },
    }
}
