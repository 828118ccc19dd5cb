use crate::config::Span;
use crate::model::{Column, Constraint, Finding, Scope, Severity, Table, Topic};
use crate::rule::catalogue::{self, Catalogue};
use crate::rule::statement::{self, Ran};
use crate::rule::understood::Understood;
use crate::rule::{Rule, Seen, Word};
use crate::script;
use crate::sql::shape::{Role, Use};
use crate::workload::{self, Cost, Key, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// # One query for each row of another
///
/// A program reads a list, and then asks once more for each row of it: N rows, N + 1 queries.
///
/// ## Why it hurts
///
/// Each of these queries is fast, so nobody finds it among the slow ones; together they are a trip over the network, a plan and
/// a lookup for each row, where one query would bring all. It grows with the list, and shows first where the network is slow.
///
/// ## What to do
///
/// Read the rows together with the list by a join, or all at once with `= ANY ($1)` or `IN (…)`. Mappers have a word for it:
/// eager loading, preload, include, fetch join.
///
/// ## When this page is wrong
///
/// The server does not tell who asks why. It is told by a foreign key between the two tables, and by numbers: the one statement
/// runs as many times as the other returns rows, within two or three in a hundred, for the same user. Where programs keep what they have
/// read, or ask for some rows only, the numbers differ and the page is silent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementNPlusOne {
    /// Rows of the list in each run, on average. Calibrated by us: below ten a join saves little.
    min_rows: f64,
    /// Runs of the list within the time looked at. Calibrated by us: of fewer, one that is under way is too large a share.
    min_lists: f64,
    /// Runs of the small query in a second. Calibrated by us: fewer trips nobody waits for.
    min_rate: f64,
    /// Share by which runs of the one and rows of the other may differ, beside those of one list that is under way. Calibrated by
    /// us: several programs may be under way.
    max_difference: f64,
    /// The time over which both are counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementNPlusOne {
    fn default() -> Self {
        Self { min_rows: 10.0, min_lists: 50.0, min_rate: 10.0, max_difference: 0.02, min_window: Span::secs(300) }
    }
}

/// Pairs whose words are read: those that run most often. More fit each other by chance alone.
const MAX_PAIRS: usize = 200;

impl Rule for StatementNPlusOne {
    const ID: &'static str = "statement-n-plus-one";
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables, Topic::Columns, Topic::Constraints];
    const LOOKS_BACK_AT: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        statement::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        // What the server remembers is the sum of many days, of which some may have been otherwise.
        let sum = statement::lately(seen, self.min_window).filter(|sum| !sum.by_hearsay);
        let pairs = sum.as_deref().map(|sum| self.pairs(seen, sum)).unwrap_or_default();
        let found: Vec<Word> = pairs
            .into_iter()
            .filter_map(|(list, lookup)| {
                let sum = sum.as_ref()?;
                let read = |key: &Key| {
                    let ran = statement::query(seen, sum, key).filter(Ran::is_select)?;
                    Understood::of(ran, seen.flavour)
                };
                let (list, lookup) = (read(list)?, read(lookup)?);
                let is_one_user = list.ran.user(seen) == lookup.ran.user(seen);
                let (table, column) = related(seen, &list, &lookup).filter(|_| is_one_user)?;
                Some(finding(&list, &lookup, table, column).into())
            })
            .take(statement::MAX_NAMED)
            .collect();
        found.into_iter()
    }
}

impl StatementNPlusOne {
    /// Statements of which the one returns as many rows as the other runs, all the time; those that run most often first.
    fn pairs<'s>(&self, seen: &Seen<'_>, sum: &'s Sum) -> Vec<(&'s Key, &'s Key)> {
        let is_list = |cost: &Cost| cost.calls >= self.min_lists && cost.rows >= self.min_rows * cost.calls;
        let is_lookup = |cost: &Cost| sum.rate(cost.calls) >= self.min_rate;
        let mut lists: Vec<(&Key, &Cost)> = sum.statements.iter().filter(|(_, cost)| is_list(cost)).collect();
        let mut lookups: Vec<(&Key, &Cost)> = sum.statements.iter().filter(|(_, cost)| is_lookup(cost)).collect();
        lists.sort_by(|a, b| a.1.rows.total_cmp(&b.1.rows));
        lookups.sort_by(|a, b| b.1.calls.total_cmp(&a.1.calls));
        let pairs = lookups.into_iter().flat_map(|(lookup, cost)| {
            // Of the list that is under way when the time ends, not all rows have been asked for.
            let most = cost.calls * (self.max_difference + 1.0 / self.min_lists);
            let least = lists.partition_point(|(_, list)| list.rows < cost.calls - most);
            let near = lists.get(least..).unwrap_or_default().iter();
            let near = near.take_while(move |(_, list)| list.rows <= cost.calls + most).filter(move |(_, list)| {
                (list.rows - cost.calls).abs() <= self.max_difference * cost.calls + list.each(list.rows)
            });
            let near = near.map(move |(list, _)| (*list, lookup));
            near.filter(|(list, lookup)| list.database == lookup.database && list != lookup)
        });
        let mut pairs: Vec<(&Key, &Key)> = pairs.take(MAX_PAIRS).collect();
        if !pairs.is_empty() {
            let always = Always::of(seen, sum);
            pairs.retain(|pair| always.fit(*pair));
        }
        pairs
    }
}

/// What both did at other times.
struct Always<'s> {
    latest: BTreeMap<Key, Cost>,
    before: Arc<Sum>,
    lately: &'s Sum,
}

/// Runs of which the difference tells something.
const MIN_RUNS: f64 = 100.0;
/// By how much a short time, or one of which we saw no beginning, may differ.
const SOME: f64 = 0.2;

impl<'s> Always<'s> {
    fn of(seen: &Seen<'_>, lately: &'s Sum) -> Always<'s> {
        let latest = seen.latest.stretch(Topic::Statements, &Scope::Server);
        Always {
            latest: latest.map(workload::by_statement).unwrap_or_default(),
            before: seen.workload.before(),
            lately,
        }
    }

    fn fit(&self, (list, lookup): (&Key, &Key)) -> bool {
        let rows = |of: &BTreeMap<Key, Cost>| of.get(list).map_or(0.0, |cost| cost.rows);
        let runs = |of: &BTreeMap<Key, Cost>| of.get(lookup).map_or(0.0, |cost| cost.calls);
        let of_one_list = self.lately.statements.get(list).map_or(0.0, |cost| cost.each(cost.rows));
        // A list may have been read just before, and its rows be asked for just after.
        let is_near = |rows: f64, runs: f64| runs < MIN_RUNS || (rows - runs).abs() <= SOME * runs + of_one_list;
        is_near(rows(&self.latest), runs(&self.latest))
            && is_near(
                rows(&self.before.statements) - rows(&self.lately.statements),
                runs(&self.before.statements) - runs(&self.lately.statements),
            )
    }
}

/// The table and the column by which the rows of the list are followed, one by one: a foreign key leads from one of its
/// tables there, or from there to one of them.
fn related<'a>(seen: &Seen<'a>, list: &Understood<'a>, lookup: &Understood<'a>) -> Option<(&'a Table, &'a Column)> {
    let tables = [list, lookup].into_iter().flat_map(|read| {
        read.shape.tables.iter().map(|table| (read.ran.key.database.clone(), table.name.clone()))
    });
    let known = Catalogue::of_each(seen, tables);
    let known = known.get(&list.ran.key.database)?;
    let of_list: Vec<i64> = (0..list.shape.tables.len()).filter_map(|place| Some(list.table(known, place)?.oid)).collect();
    let table = lookup.table(known, 0).filter(|_| lookup.shape.tables.len() == 1)?;
    let is_key = |used: &&Use| {
        let is_bare = used.wrapped.is_empty() && !used.under_or;
        is_bare && used.role == Role::Equal && used.operator == "="
    };
    let columns = lookup.shape.uses.iter().filter(is_key).filter_map(|used| known.column(table, &used.column));
    let leads = |column: &&Column| {
        seen.now.rows::<Constraint>().filter(|key| &*key.kind == "f" && key.database == table.database).any(|key| {
            let to_rows = key.table_oid == table.oid && is_only(key.columns.as_deref(), column);
            let from_rows = key.target_oid == table.oid && is_only(key.target_columns.as_deref(), column);
            to_rows && of_list.contains(&key.target_oid) || from_rows && of_list.contains(&key.table_oid)
        })
    };
    columns.into_iter().find(leads).map(|column| (table, column))
}

/// PostgreSQL tells the numbers of columns, the others their names.
fn is_only(columns: Option<&str>, column: &Column) -> bool {
    columns.is_some_and(|list| list == format!("{{{}}}", column.position) || list.eq_ignore_ascii_case(&column.column))
}

fn finding(list: &Understood<'_>, lookup: &Understood<'_>, table: &Table, column: &Column) -> Finding {
    let (list, lookup) = (&list.ran, &lookup.ran);
    let name = format!("{}.{}", catalogue::name(table), column.column);
    lookup.finding(
        StatementNPlusOne::ID,
        Severity::Note,
        format!(
            "{} ran {} times {}, once for each of the {} rows that {} returned in {} runs: it looks up one {name} after the other",
            lookup.name(),
            script::count(lookup.cost.calls),
            lookup.when(),
            script::count(list.cost.rows),
            list.name(),
            script::count(list.cost.calls),
        ),
        [
            ("list", json!(list.key.digest.to_string())),
            ("list_statement", json!(statement::shown(list.text))),
            ("list_calls", json!(list.cost.calls)),
            ("list_rows", json!(list.cost.rows)),
            ("calls_per_second", json!(lookup.sum.rate(lookup.cost.calls))),
            ("column", json!(name)),
            ("load", json!(lookup.load())),
        ],
        "Read these rows together with the list. That is a change in the client, so there is no script.".into(),
        None,
    )
}
