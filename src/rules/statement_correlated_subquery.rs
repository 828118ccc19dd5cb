use crate::config::Span;
use crate::model::plan::PlanNode;
use crate::model::{Column, Finding, Fix, Flavour, Severity, Table, Topic};
use crate::rule::catalogue::{self, Catalogue, live_rows, size};
use crate::rule::plan::{self, Dear, Planned};
use crate::rule::statement::{self, Ran, Through};
use crate::rule::understood;
use crate::rule::{Rule, Seen, Word};
use crate::script;
use crate::sql::shape::{Role, Use};
use crate::workload::{Cost, Key, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Subquery that reads a table for every row
///
/// A subquery is asked anew for each row of the query around it, and each time it reads the whole of its table, for want of an
/// index on the column that it compares with that row.
///
/// ## Why it hurts
///
/// The time is the product of both sides: it was nothing with a hundred rows in each, and is minutes with a hundred thousand.
///
/// ## What to do
///
/// Build the index. Where the subquery is wanted for most rows, a join with a grouped subquery is better still: it reads both
/// sides once.
///
/// ## When this page is wrong
///
/// On MySQL and MariaDB it is told by what the runs looked at: more than ten times as many rows as all tables of the statement
/// have. A join without an index in the same statement would look the same; the index helps then as well, but not as much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementCorrelatedSubquery {
    /// Rows of the table that is read so often. Smaller ones are read in no time.
    min_rows: f64,
    /// How often each run goes through it, or on MySQL and MariaDB through all tables of the statement. Calibrated by us: ten
    /// leaves room for estimates.
    min_reads: f64,
    /// Runs within the time looked at. Calibrated by us: less is a report.
    min_calls: f64,
    /// Sessions that it keeps busy on average. Calibrated by us: a hundredth of a core is worth an index.
    min_load: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementCorrelatedSubquery {
    fn default() -> Self {
        Self { min_rows: 1_000.0, min_reads: 10.0, min_calls: 10.0, min_load: 0.01, min_window: Span::secs(300) }
    }
}

impl Rule for StatementCorrelatedSubquery {
    const ID: &'static str = "statement-correlated-subquery";
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables, Topic::Indexes, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        match seen.flavour {
            Flavour::Postgres => plan::has_seen_enough(seen, self.min_window),
            Flavour::Mysql | Flavour::Mariadb => statement::has_seen_enough(seen, self.min_window),
        }
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let words = match seen.flavour {
            Flavour::Postgres => self.by_plan(seen),
            Flavour::Mysql | Flavour::Mariadb => self.by_rows(seen),
        };
        words.into_iter()
    }
}

impl StatementCorrelatedSubquery {
    fn by_plan(&self, seen: &Seen<'_>) -> Vec<Word> {
        let Self { min_calls, min_load, min_window, .. } = *self;
        let (dear, known) = Dear { min_window, min_calls, min_load }.statements(seen);
        let found = dear.iter().filter_map(|planned| {
            let known = known.get(&planned.ran.key.database)?;
            let (table, column) = self.read_again(known, planned)?;
            let fix = Some(known.create_index(table, &[&column.column]));
            Some(finding(&planned.ran, table, column, fix).into())
        });
        found.take(statement::MAX_NAMED).collect()
    }

    /// A step that reads a whole table and compares a column of it with a row of another: it is done for each such row.
    fn read_again<'a>(&self, known: &Catalogue<'a>, planned: &Planned<'a>) -> Option<(&'a Table, &'a Column)> {
        let shape = planned.shape();
        let touched = planned.ran.cost.each(planned.ran.cost.touched_bytes);
        let is_written_so = |table: &Table, column: &str| {
            let of_table = |used: &&Use| {
                used.table.and_then(|place| shape.tables.get(place)).is_some_and(|named| *named.name == *table.table)
            };
            shape.understood && shape.uses.iter().filter(of_table).any(|used| is_bound(used) && used.column == column)
        };
        let compared = |step: &PlanNode| {
            let table = known.table(step.relation.as_deref().filter(|_| step.kind == "Seq Scan")?)?;
            let tests = plan::tests_of(step, step.filter()?);
            let is_read_again = touched >= self.min_reads * size(table) && size(table) > 0.0;
            let mut joined = tests.uses.iter().filter(|used| is_plain(used) && is_written_so(table, &used.column));
            let column = known.column(table, &joined.next()?.column)?;
            (is_read_again && self.is_worth_it(known, table, column)).then_some((table, column))
        };
        let mut found = None;
        planned.plan.each(&mut |step| found = found.or_else(|| compared(step)));
        found
    }

    fn by_rows(&self, seen: &Seen<'_>) -> Vec<Word> {
        let is_dear = |_: &Key, cost: &Cost, sum: &Sum| {
            cost.calls >= self.min_calls
                && sum.rate(cost.exec_seconds) >= self.min_load
                && cost.each(cost.examined_rows) >= self.min_reads * self.min_rows
        };
        let dear = statement::all_queries(seen, self.min_window, is_dear, |cost| cost.exec_seconds);
        understood::findings(seen, dear, |read| read.shape.uses.iter().any(is_bound), |known, read| {
            let tables = (0..read.shape.tables.len()).map(|place| live_rows(read.table(known, place)?));
            let all: f64 = tables.sum::<Option<f64>>()?;
            let examined = read.ran.cost.each(read.ran.cost.examined_rows);
            let (table, column) = read.shape.uses.iter().filter(|used| is_bound(used)).find_map(|used| {
                let table = read.table(known, used.table?)?;
                let column = known.column(table, &used.column)?;
                self.is_worth_it(known, table, column).then_some((table, column))
            })?;
            (examined >= self.min_reads * all).then(|| {
                let fix = known.create_index_of_mysql(table, &[column]);
                finding(&read.ran, table, column, fix)
            })
        })
    }

    /// A table of some size, of which no index holds the column at all.
    fn is_worth_it(&self, known: &Catalogue<'_>, table: &Table, column: &Column) -> bool {
        let is_large = live_rows(table).is_some_and(|rows| rows >= self.min_rows);
        is_large && &*table.kind == "r" && !table.is_partition && !known.is_in_an_index(table, column)
    }
}

/// Compared for equality with a column of a query around its own, as it is.
fn is_bound(used: &Use) -> bool {
    used.correlated && is_plain(used)
}

fn is_plain(used: &Use) -> bool {
    let is_bare = used.wrapped.is_empty() && !used.under_or;
    is_bare && used.operator == "=" && matches!(used.role, Role::Join { .. })
}

fn finding(ran: &Ran<'_>, table: &Table, column: &Column, fix: Option<Fix>) -> Finding {
    let name = catalogue::name(table);
    let rows = live_rows(table).unwrap_or_default();
    let through = Through::of(&ran.cost);
    let advice = match fix {
        Some(_) => "Build the index, or have each side read once by a join.",
        None => "Look its rows up by an index, or have each side read once by a join. What index fits there is no script for.",
    };
    ran.finding(
        StatementCorrelatedSubquery::ID,
        Severity::Warning,
        format!(
            "{} went through {through} in each of {} runs {}, {} each: for every row around it its subquery reads all {} rows of \
             {name}, because no index holds {}",
            ran.name(),
            script::count(ran.cost.calls),
            ran.when(),
            script::moment(ran.cost.mean_seconds()),
            script::count(rows),
            column.column,
        ),
        [
            ("touched_per_call", json!(through.amount().round())),
            ("rows_per_call", json!(ran.cost.each(ran.cost.rows))),
            ("table", json!(name)),
            ("column", json!(column.column)),
            ("rows", json!(rows)),
            ("mean_seconds", json!(ran.cost.mean_seconds())),
            ("load", json!(ran.load())),
        ],
        advice.into(),
        fix,
    )
}
