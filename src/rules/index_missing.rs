use crate::config::{ByteSize, Span};
use crate::model::plan::PlanNode;
use crate::model::{Flavour, Confidence, Finding, Name, Severity, Table, Topic, evidence};
use crate::rule::catalogue::{self, Catalogue, live_rows, size};
use crate::rule::plan::{self, Dear, Planned, Waste, Wasteful};
use crate::rule::{Rule, Seen, Word, statement};
use crate::script;
use crate::sql::shape::{Role, Shape, Use};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// # Missing index
///
/// A statement reads a whole table again and again and throws nearly all of its rows away, and no index begins with a column
/// that it looks for.
///
/// ## Why it hurts
///
/// Each run reads what a thousand runs could share, so its time grows with the table and not with what it returns. It pushes
/// the data of other statements out of memory, and a few of them at once keep every core busy.
///
/// ## What to do
///
/// Build the index. It holds the columns that are compared for equality, the most selective first, then one that is compared
/// by range or, where there is none, those that the result is sorted by.
///
/// ## When this page is wrong
///
/// It looks at one statement at a time: one index over other columns may serve several. How many rows are thrown away is the
/// planner's estimate for a value of average frequency; that the whole table is read is measured. An index costs each insert
/// and some updates a little: the page weighs that against the time to be saved, with a guess of what a new entry costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexMissing {
    /// Smaller tables are read in no time. Ten megabytes is where a known indexing service begins to look.
    min_bytes: ByteSize,
    /// Share of the rows that are wanted, at most. Above some five per cent reading everything is often the better plan.
    max_share: f64,
    /// Share of the table that each run must have gone through. Calibrated by us: a half leaves room for a table that grows.
    min_read: f64,
    /// Runs within the time looked at. Calibrated by us: less is a report, and a report may read everything.
    min_calls: f64,
    /// Seconds per second that the statement takes. Calibrated by us: a hundredth of a core is worth an index.
    min_load: f64,
    /// Seconds that an index entry costs for each row written. Calibrated by us, generously.
    seconds_per_write: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for IndexMissing {
    fn default() -> Self {
        Self {
            min_bytes: ByteSize::mib(10),
            max_share: 0.05,
            min_read: 0.5,
            min_calls: 10.0,
            min_load: 0.01,
            seconds_per_write: 0.000_05,
            min_window: Span::secs(300),
        }
    }
}

/// Columns of an index, at most: more narrow down little and cost much.
const MAX_COLUMNS: usize = 3;
/// Rows that are few enough to look at one by one.
const FEW_ROWS: f64 = 50.0;

/// An index that would serve.
struct Candidate<'a> {
    table: &'a Table,
    columns: Vec<String>,
    expected: f64,
    planned: Planned<'a>,
}

impl Rule for IndexMissing {
    const ID: &'static str = "index-missing";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables, Topic::Indexes, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        plan::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let Self { min_window, min_calls, min_load, .. } = *self;
        let (dear, known) = Dear { min_window, min_calls, min_load }.statements(seen);
        let mut wanted: BTreeMap<(Name, i64, Vec<String>), Vec<Candidate<'a>>> = BTreeMap::new();
        for planned in dear {
            let database = planned.ran.key.database.clone();
            let Some(of) = known.get(&database) else { continue };
            for candidate in self.candidates(of, &planned) {
                let key = (database.clone(), candidate.table.oid, candidate.columns.clone());
                wanted.entry(key).or_default().push(candidate);
            }
        }
        // A longer one that begins in the same way serves as well.
        let all: Vec<_> = wanted.keys().cloned().collect();
        let is_beginning = |key: &(Name, i64, Vec<String>)| {
            all.iter().any(|other| {
                (&other.0, other.1) == (&key.0, key.1) && other.2.len() > key.2.len() && other.2.starts_with(&key.2)
            })
        };
        let found: Vec<Word> = wanted
            .iter()
            .filter(|(key, _)| !is_beginning(key))
            .filter_map(|(key, candidates)| Some(finding(candidates, known.get(&key.0)?)?.into()))
            .collect();
        found.into_iter()
    }
}

impl IndexMissing {
    /// Of each table that is read whole, the index that would spare it.
    fn candidates<'a>(&self, known: &Catalogue<'a>, planned: &Planned<'a>) -> Vec<Candidate<'a>> {
        let Self { min_bytes, max_share, min_read, .. } = *self;
        let wasted = Wasteful { min_bytes, max_share, min_read }.reads(known, planned);
        let candidate = |waste: Waste<'a>| {
            let columns = columns(known, waste.table, waste.node, planned.plan)?;
            let Waste { table, expected, .. } = waste;
            self.pays(known, table, planned).then(|| Candidate { table, columns, expected, planned: planned.clone() })
        };
        wasted.into_iter().filter_map(candidate).collect()
    }

    /// Is the time that it takes more than the new entries would cost?
    fn pays(&self, known: &Catalogue<'_>, table: &Table, planned: &Planned<'_>) -> bool {
        let writes = known.writes(table).unwrap_or(0.0);
        planned.ran.load() > 2.0 * self.seconds_per_write * writes
    }
}

/// The columns of the index: equalities, the most selective first, then one range or what is sorted by. None where an
/// index begins with one of them already: the planner had its reason then.
fn columns(known: &Catalogue<'_>, table: &Table, node: &PlanNode, plan: &PlanNode) -> Option<Vec<String>> {
    let tests: Shape = plan::tests_of(node, node.filter()?);
    if !tests.understood {
        return None;
    }
    let bare = |used: &&Use| used.wrapped.is_empty() && !used.under_or && known.column(table, &used.column).is_some();
    let of = |is: fn(&Role) -> bool| -> Vec<String> {
        let mut columns: Vec<String> = Vec::new();
        for used in tests.uses.iter().filter(bare).filter(|used| is(&used.role)) {
            if !columns.contains(&used.column) {
                columns.push(used.column.clone());
            }
        }
        columns
    };
    let mut equal = of(|role| matches!(role, Role::Equal | Role::In));
    let ranges = of(|role| matches!(role, Role::Range));
    let first = equal.iter().chain(&ranges).filter_map(|name| known.column(table, name));
    if first.into_iter().any(|column| known.begins_with(table, column).next().is_some()) {
        return None;
    }
    let values = |name: &str| known.distinct(table, name).unwrap_or(1.0).max(1.0);
    equal.sort_by(|a, b| values(b).total_cmp(&values(a)));
    let (mut chosen, mut left) = (Vec::new(), live_rows(table)?);
    for name in equal.iter().take(MAX_COLUMNS) {
        if !chosen.is_empty() && left < FEW_ROWS {
            break;
        }
        left /= values(name);
        chosen.push(name.clone());
    }
    let all_equal = tests.uses.iter().all(|used| bare(&used) && matches!(used.role, Role::Equal));
    if chosen.len() < MAX_COLUMNS && (chosen.is_empty() || left >= FEW_ROWS) {
        match ranges.first() {
            Some(range) => chosen.push(range.clone()),
            None if all_equal && plan.kind == "Limit" => {
                chosen.extend(sorted_by(known, table, node, plan).into_iter().filter(|column| !equal.contains(column)));
            }
            None => {}
        }
    }
    chosen.truncate(MAX_COLUMNS);
    (!chosen.is_empty()).then_some(chosen)
}

/// The columns of this table that the result is sorted by, all in one direction; else none.
fn sorted_by(known: &Catalogue<'_>, table: &Table, node: &PlanNode, plan: &PlanNode) -> Vec<String> {
    let mut keys: Option<&[String]> = None;
    plan.each(&mut |step| {
        if step.kind == "Sort" && let Some(terms) = &step.terms {
            keys = keys.or(Some(&terms.sort));
        }
    });
    let alias = node.alias().unwrap_or_default();
    let key = |key: &String| {
        let (name, down) = key.strip_suffix(" desc").map_or((key.as_str(), false), |name| (name, true));
        let name = name.strip_prefix(alias).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        Some((known.column(table, name)?.column.to_string(), down))
    };
    let keys: Option<Vec<(String, bool)>> = keys.unwrap_or_default().iter().map(key).collect();
    let keys = keys.unwrap_or_default();
    let one_way = keys.iter().all(|(_, down)| Some(*down) == keys.first().map(|first| first.1));
    if one_way { keys.into_iter().map(|(name, _)| name).collect() } else { Vec::new() }
}

fn finding(candidates: &[Candidate<'_>], known: &Catalogue<'_>) -> Option<Finding> {
    let Candidate { table, columns, expected, planned } = candidates.first()?;
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let load: f64 = candidates.iter().map(|candidate| candidate.planned.ran.load()).sum();
    let (ran, table_name) = (&planned.ran, catalogue::name(table));
    let others = match candidates.len() {
        1 => String::new(),
        many => format!(", and {} more do the same", many - 1),
    };
    Some(Finding {
        rule: Name::new(IndexMissing::ID),
        severity: Severity::Warning,
        database: Some(ran.key.database.clone()),
        subject: format!("{table_name} ({})", names.join(", ")),
        because: format!(
            "{} read all of {table_name} ({}) in each of {} runs {}, {} each, to find about {} of {} rows, and no index begins \
             with {}{others}",
            ran.name(),
            script::bytes(size(table)),
            script::count(ran.cost.calls),
            ran.when(),
            script::moment(ran.cost.mean_seconds()),
            script::count(*expected),
            script::count(live_rows(table)?),
            names.join(" or "),
        ),
        evidence: evidence([
            ("calls", json!(ran.cost.calls)),
            ("mean_seconds", json!(ran.cost.mean_seconds())),
            ("load", json!(load)),
            ("size_bytes", json!(size(table))),
            ("touched_bytes_per_call", json!(ran.cost.each(ran.cost.touched_bytes).round())),
            ("rows_expected", json!(expected)),
            ("rows", json!(live_rows(table))),
            ("columns", json!(names)),
            ("digests", json!(candidates.iter().map(|one| one.planned.ran.key.digest.to_string()).collect::<Vec<_>>())),
            ("statement", json!(ran.text)),
            ("window_seconds", json!(ran.sum.seconds.round())),
        ]),
        advice: format!("Build an index on {} of {table_name}.", names.join(", ")),
        fix: Some(known.create_index(table, &names)),
        confidence: Confidence::Estimated,
    })
}
