use crate::config::Span;
use crate::model::{Finding, Flavour, Severity};
use crate::rule::statement::{Costly, DETOURS, Ran};
use crate::rule::Seen;
use crate::script;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Statement that joins without an index
///
/// A statement joins a table that it has no index for, and reads it from end to end for that (MySQL, MariaDB).
///
/// ## Why it hurts
///
/// Without a hash the table is read once for each row, or each buffer full of rows, of the tables before it: twice as much data
/// takes four times as long. With a hash (MySQL from 8.0.18 on) it is read once, and still whole.
///
/// ## What to do
///
/// Index the columns that it joins by. If they are indexed, look whether their types and collations are the same: two that must
/// be converted cannot use an index.
///
/// ## When this page is wrong
///
/// When it joins all rows of both tables on purpose: then a hash is the best there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementFullJoin {
    /// Rows that a run looks at. A small table is read faster whole than by an index.
    min_examined: f64,
    /// Sessions that it keeps busy on average. Calibrated by us: a twentieth of a core is worth an index.
    min_load: f64,
    /// The share of its runs that join so.
    min_share: f64,
    /// Runs at least: a single one is a report.
    min_calls: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: what it does, it does each time.
    min_window: Span,
}

impl Default for StatementFullJoin {
    fn default() -> Self {
        Self { min_examined: 10_000.0, min_load: 0.05, min_share: 0.5, min_calls: 5.0, min_window: Span::secs(60) }
    }
}

impl Costly for StatementFullJoin {
    const ID: &'static str = "statement-full-join";
    const OF: &'static [Flavour] = &[Flavour::Mysql, Flavour::Mariadb];
    const MENDED_WITH: &'static [&'static str] = DETOURS;

    fn min_window(&self) -> Span {
        self.min_window
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let as_a_rule = cost.each(cost.full_joins) >= self.min_share;
        let of_many_rows = cost.each(cost.examined_rows) >= self.min_examined;
        let costs = sum.rate(cost.exec_seconds) >= self.min_load;
        let again_and_again = cost.calls >= self.min_calls;
        as_a_rule && of_many_rows && costs && again_and_again
    }

    fn measure(cost: &Cost) -> f64 {
        cost.exec_seconds
    }

    fn finding(&self, ran: &Ran<'_>, _: &Seen<'_>) -> Finding {
        let cost = &ran.cost;
        ran.finding(
            Self::ID,
            Severity::Note,
            format!(
                "{} joined {} times without an index in {} runs {}, of {} and {} rows each",
                ran.name(),
                script::count(cost.full_joins),
                script::count(cost.calls),
                ran.when(),
                script::moment(cost.mean_seconds()),
                script::count(cost.each(cost.examined_rows).round()),
            ),
            [
                ("full_joins", json!(cost.full_joins)),
                ("full_joins_per_call", json!(cost.each(cost.full_joins))),
                ("examined_rows_per_call", json!(cost.each(cost.examined_rows).round())),
                ("mean_seconds", json!(cost.mean_seconds())),
            ],
            "Look at its plan for the table that is read whole, and index the columns that it is joined by. Which ones depends on \
             that, so there is no script."
                .into(),
            None,
        )
    }
}
