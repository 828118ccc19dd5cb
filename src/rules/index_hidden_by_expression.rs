use crate::config::{ByteSize, Span};
use crate::model::{Flavour, Column, Finding, Fix, Severity, Topic};
use crate::rule::catalogue::{self, Catalogue, size};
use crate::rule::plan::{self, Dear, Planned, Waste, Wasteful};
use crate::rule::{Rule, Seen, Word, statement};
use crate::script;
use crate::sql::shape::{Role, Use, Wrap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Index hidden by a function or a cast
///
/// A statement reads a whole table although an index begins with the very column that it looks for: a function or a cast stands
/// between the two.
///
/// ## Why it hurts
///
/// The index is sorted by the column, not by what the function makes of it. So every row is read and put through the function.
///
/// ## What to do
///
/// Compare the column itself: send a value of its type, or turn the condition round (`placed >= $1 AND placed < $2` for
/// `date(placed) = $1`). Where the function must stay, build an index on it.
///
/// ## When this page is wrong
///
/// How many rows are thrown away is the planner's guess: it knows little of what functions return. That the whole table is read
/// is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexHiddenByExpression {
    /// Smaller tables are read in no time. Ten megabytes is where a known indexing service begins to look.
    min_bytes: ByteSize,
    /// Share of the rows that are wanted, at most. Above some five per cent reading everything is often the better plan.
    max_share: f64,
    /// Share of the table that each run must have gone through. Calibrated by us: a half leaves room for a table that grows.
    min_read: f64,
    /// Runs within the time looked at. Calibrated by us: less is a report.
    min_calls: f64,
    /// Seconds per second that it takes. Calibrated by us: a hundredth of a core is worth a look.
    min_load: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for IndexHiddenByExpression {
    fn default() -> Self {
        Self {
            min_bytes: ByteSize::mib(10),
            max_share: 0.05,
            min_read: 0.5,
            min_calls: 10.0,
            min_load: 0.01,
            min_window: Span::secs(300),
        }
    }
}

impl Rule for IndexHiddenByExpression {
    const ID: &'static str = "index-hidden-by-expression";
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
        let Self { min_bytes, max_share, min_read, min_calls, min_load, min_window } = *self;
        let dear = Dear { min_window, min_calls, min_load };
        Wasteful { min_bytes, max_share, min_read }.findings(seen, dear, hidden).into_iter()
    }
}

/// A condition on a column that an index begins with, if it alone would find the rows and cannot because of what is
/// wrapped around the column.
fn hidden(known: &Catalogue<'_>, planned: &Planned<'_>, waste: &Waste<'_>) -> Option<Finding> {
    let tests = plan::tests_of(waste.node, waste.node.filter()?);
    let narrows = |used: &&Use| !used.under_or && matches!(used.role, Role::Equal | Role::Range | Role::In);
    let served = |used: &Use| {
        let column = known.column(waste.table, &used.column)?;
        known.begins_with(waste.table, column).next().map(|index| (column, index))
    };
    // Where a bare column has an index of its own the planner has chosen not to use that one either.
    if !tests.understood || tests.uses.iter().filter(narrows).any(|used| used.wrapped.is_empty() && served(used).is_some()) {
        return None;
    }
    tests.uses.iter().filter(narrows).find_map(|used| {
        let (column, index) = served(used)?;
        let what = plan::hiding(column, &used.wrapped)?;
        Some(finding(known, planned, waste, column, &index.full_name(), &what, &used.wrapped))
    })
}

fn finding(
    known: &Catalogue<'_>,
    planned: &Planned<'_>,
    waste: &Waste<'_>,
    column: &Column,
    index: &str,
    what: &str,
    wrapped: &[Wrap],
) -> Finding {
    let (ran, table) = (&planned.ran, catalogue::name(waste.table));
    let fix = on_function(known, waste, column, wrapped);
    let advice = match fix {
        Some(_) => "Compare the column itself; where the function must stay, build an index on it.",
        None => "Compare the column itself with a value of its own type. That is a change in the client, so there is no script.",
    };
    ran.finding(
        IndexHiddenByExpression::ID,
        Severity::Warning,
        format!(
            "{} read all of {table} ({}) in each of {} runs {}, {} each: {what} around {} hides it from index {index}",
            ran.name(),
            script::bytes(size(waste.table)),
            script::count(ran.cost.calls),
            ran.when(),
            script::moment(ran.cost.mean_seconds()),
            column.column,
        ),
        [
            ("size_bytes", json!(size(waste.table))),
            ("touched_bytes_per_call", json!(ran.cost.each(ran.cost.touched_bytes).round())),
            ("mean_seconds", json!(ran.cost.mean_seconds())),
            ("rows_expected", json!(waste.expected)),
            ("load", json!(ran.load())),
            ("condition", json!(waste.node.filter())),
        ],
        advice.into(),
        fix,
    )
}

/// Functions of the server that an index may stand on, whatever the settings of a session.
const INDEXABLE: [&str; 4] = ["lower", "upper", "btrim", "length"];

fn on_function(known: &Catalogue<'_>, waste: &Waste<'_>, column: &Column, wrapped: &[Wrap]) -> Option<Fix> {
    // A cast to text below it is what the server adds for a varchar, and would add again.
    let functions: Vec<&str> = wrapped.iter().filter_map(|wrap| match wrap {
        Wrap::Function(name) => Some(name.as_str()),
        _ => None,
    }).collect();
    let [function] = functions.as_slice() else { return None };
    let is_plain = wrapped.iter().all(|wrap| match wrap {
        Wrap::Function(_) => true,
        Wrap::Cast(to) => plan::is_text(to) && plan::is_text(&column.data_type),
        _ => false,
    });
    (is_plain && INDEXABLE.contains(function)).then(|| {
        let key = format!("{function}({})", script::identifier(&column.column));
        known.create_index_on(waste.table, "btree", &format!("{}_{function}", column.column), &[key])
    })
}
