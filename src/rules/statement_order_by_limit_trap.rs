use crate::config::{ByteSize, Span};
use crate::model::plan::PlanNode;
use crate::model::{Finding, Flavour, Index, Severity, Table, Topic};
use crate::rule::catalogue::{self, Catalogue};
use crate::rule::plan::{self, Dear, Planned};
use crate::rule::{Rule, Seen, Word, statement};
use crate::script;
use crate::sql::shape::{Role, Use};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # LIMIT that waits for rare rows
///
/// A statement wants the first few rows of an order, walks along the index of that order, and throws away nearly all that it
/// meets there.
///
/// ## Why it hurts
///
/// The planner believes that the wanted rows lie scattered evenly, so that the first of them come soon. Where they are rare, or
/// all lie at the other end, it walks through the whole table, row by row, by way of an index: slower than reading it whole.
///
/// ## What to do
///
/// Build an index that has what is compared first and the order after it: then the first entry is the first row wanted.
///
/// ## When this page is wrong
///
/// When only some values are rare, and these are rarely asked for: then the mean is bad and most runs are well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementOrderByLimitTrap {
    /// Data that each run goes through. Calibrated by us: ten megabytes for a few rows is some thousand pages.
    min_touched: ByteSize,
    /// Rows that a run returns, at most. More may well need so much.
    max_rows: f64,
    /// Pages of eight kilobytes gone through for each row. A hundred times what is returned is where walks of this kind are
    /// held to have gone wrong.
    min_pages_per_row: f64,
    /// Runs within the time looked at. Calibrated by us: less is a report.
    min_calls: f64,
    /// Seconds per second that it takes. Calibrated by us: a hundredth of a core is worth a look.
    min_load: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementOrderByLimitTrap {
    fn default() -> Self {
        Self {
            min_touched: ByteSize::mib(10),
            max_rows: 100.0,
            min_pages_per_row: 100.0,
            min_calls: 10.0,
            min_load: 0.01,
            min_window: Span::secs(300),
        }
    }
}

const PAGE: f64 = 8_192.0;
/// Columns of an index, at most: more narrow down little and cost much.
const MAX_COLUMNS: usize = 3;

impl Rule for StatementOrderByLimitTrap {
    const ID: &'static str = "statement-order-by-limit-trap";
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
        let Self { min_calls, min_load, min_window, .. } = *self;
        let (dear, known) = Dear { min_window, min_calls, min_load }.statements(seen);
        let found = dear.into_iter().filter(|planned| self.goes_far(planned)).filter_map(move |planned| {
            let known = known.get(&planned.ran.key.database)?;
            let walk = Walk::of(known, planned.plan)?;
            let thrown_away = planned.ran.cost.each(planned.ran.cost.touched_bytes) - planned.returned_bytes(walk.table)?;
            (thrown_away >= self.min_touched.get() as f64).then(|| finding(known, &planned, &walk).into())
        });
        found.take(statement::MAX_NAMED)
    }
}

impl StatementOrderByLimitTrap {
    /// As it was measured.
    fn goes_far(&self, planned: &Planned<'_>) -> bool {
        let cost = &planned.ran.cost;
        let (touched, rows) = (cost.each(cost.touched_bytes), cost.each(cost.rows));
        let far = touched >= self.min_touched.get() as f64;
        far && rows <= self.max_rows && touched >= self.min_pages_per_row * rows * PAGE
    }
}

/// A walk along an index for the sake of its order alone.
struct Walk<'a> {
    table: &'a Table,
    index: &'a Index,
    condition: &'a str,
    /// What is compared, then the order.
    columns: Vec<String>,
}

impl<'a> Walk<'a> {
    /// None where it is not that, or where no index would be better.
    fn of(known: &Catalogue<'a>, plan: &'a PlanNode) -> Option<Walk<'a>> {
        let [step] = plan.children.as_slice() else { return None };
        let walks = plan.kind == "Limit" && ["Index Scan", "Index Scan Backward"].contains(&step.kind.as_str());
        // What hangs below it is asked for each row, and reads for itself.
        let walks = walks && step.children.is_empty();
        let searches = step.terms.as_ref().is_none_or(|terms| terms.index.is_some());
        let condition = step.filter().filter(|_| walks && !searches)?;
        let table = known.table(step.relation.as_deref()?).filter(|table| !table.is_partition && &*table.kind == "r")?;
        let index = known.indexes(table).iter().find(|index| Some(&*index.index) == step.index.as_deref())?;
        // One direction for all: then it can be walked from either end.
        let is_simple = !index.has_expressions && !index.has_predicate && index.column_options.split(' ').all(|of| of == "0");
        let tests = plan::tests_of(step, condition);
        let is_equal = |used: &Use| used.role == Role::Equal && used.wrapped.is_empty() && !used.under_or;
        if !is_simple || !tests.understood || !tests.uses.iter().all(is_equal) {
            return None;
        }
        let mut columns: Vec<String> = Vec::new();
        for used in &tests.uses {
            let column = known.column(table, &used.column)?;
            if !columns.contains(&used.column) {
                columns.push(column.column.to_string());
            }
        }
        let compared = columns.len();
        for position in index.searched_columns() {
            columns.push(known.column_at(table.oid, position)?.column.to_string());
        }
        let is_there = known.indexes(table).iter().any(|other| begins_so(known, table, other, &columns));
        (compared > 0 && columns.len() <= MAX_COLUMNS && !is_there).then_some(Walk { table, index, condition, columns })
    }
}

fn begins_so(known: &Catalogue<'_>, table: &Table, index: &Index, columns: &[String]) -> bool {
    let names = index.searched_columns().into_iter().map(|position| known.column_at(table.oid, position));
    let names: Vec<&str> = names.map_while(|column| column.map(|column| &*column.column)).collect();
    names.len() >= columns.len() && names.iter().zip(columns).all(|(name, column)| name == column)
}

fn finding(known: &Catalogue<'_>, planned: &Planned<'_>, walk: &Walk<'_>) -> Finding {
    let (ran, cost, table) = (&planned.ran, &planned.ran.cost, catalogue::name(walk.table));
    let names: Vec<&str> = walk.columns.iter().map(String::as_str).collect();
    ran.finding(
        StatementOrderByLimitTrap::ID,
        Severity::Warning,
        format!(
            "{} went through {} of {table} in each of {} runs {}, {} each, to return {} rows: it walks along index {} for its \
             order and throws away what does not fit",
            ran.name(),
            script::bytes(cost.each(cost.touched_bytes)),
            script::count(cost.calls),
            ran.when(),
            script::moment(cost.mean_seconds()),
            script::count(cost.each(cost.rows).round()),
            walk.index.full_name(),
        ),
        [
            ("touched_bytes_per_call", json!(cost.each(cost.touched_bytes).round())),
            ("rows_per_call", json!(cost.each(cost.rows))),
            ("mean_seconds", json!(cost.mean_seconds())),
            ("load", json!(ran.load())),
            ("index", json!(walk.index.full_name())),
            ("condition", json!(walk.condition)),
            ("columns", json!(names)),
        ],
        format!("Build an index on {} of {table}: first what is compared, then the order.", names.join(", ")),
        Some(known.create_index(walk.table, &names)),
    )
}
