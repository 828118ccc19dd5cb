use crate::config::Span;
use crate::model::{Finding, Severity};
use crate::rule::statement::{Costly, Ran};
use crate::rule::Seen;
use crate::script;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Statement that returns too many rows
///
/// A query returns thousands of rows with every call, and it is called often.
///
/// ## Why it hurts
///
/// The rows are read, packed, sent, unpacked and kept in the memory of the client. No person reads so many: most often the
/// program throws most of them away.
///
/// ## What to do
///
/// Ask for what is needed: a condition, a LIMIT with a page size, or the sum instead of the rows.
///
/// ## When this page is wrong
///
/// When a program copies data on purpose, to a cache or to another database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementReturnsTooMuch {
    /// Rows of a call; a statement without LIMIT that returns more is noted by Joe as well.
    min_rows: f64,
    /// Rows in a second. Calibrated by us: about what keeps one client busy.
    min_rate: f64,
    /// Calls at least: a single one is an export.
    min_calls: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: an export is over by then.
    min_window: Span,
}

impl Default for StatementReturnsTooMuch {
    fn default() -> Self {
        Self { min_rows: 10_000.0, min_rate: 10_000.0, min_calls: 20.0, min_window: Span::secs(300) }
    }
}

impl Costly for StatementReturnsTooMuch {
    const ID: &'static str = "statement-returns-too-much";

    fn min_window(&self) -> Span {
        self.min_window
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let many = cost.each(cost.rows) >= self.min_rows;
        let much = sum.rate(cost.rows) >= self.min_rate;
        let often = cost.calls >= self.min_calls;
        many && much && often
    }

    fn measure(cost: &Cost) -> f64 {
        cost.rows
    }

    fn speaks_of(ran: &Ran<'_>) -> bool {
        ran.is_select()
    }

    fn finding(&self, ran: &Ran<'_>, _: &Seen<'_>) -> Finding {
        let cost = &ran.cost;
        ran.finding(
            Self::ID,
            Severity::Note,
            format!(
                "{} returned {} rows in each of {} calls {}",
                ran.name(),
                script::count(cost.each(cost.rows)),
                script::count(cost.calls),
                ran.when(),
            ),
            [
                ("rows", json!(cost.rows)),
                ("rows_per_call", json!(cost.each(cost.rows).round())),
                ("rows_per_second", json!(ran.sum.rate(cost.rows).round())),
                ("mean_seconds", json!(cost.mean_seconds())),
            ],
            "Ask for fewer rows. That is a change in the client, so there is no script.".into(),
            None,
        )
    }
}
