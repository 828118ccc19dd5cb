use crate::config::Span;
use crate::model::{Finding, Flavour, Severity};
use crate::rule::statement::{Costly, DETOURS, Ran};
use crate::rule::Seen;
use crate::script;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Statement that looks at far more rows than it needs
///
/// For every row that a statement returns or changes the server looks at thousands (MySQL, MariaDB).
///
/// ## Why it hurts
///
/// Each row costs processor time and a place in the buffer pool, which other data is pushed out of. It gets slower as the table
/// grows, however few rows it wants, and where it writes it locks each row that it looked at.
///
/// ## What to do
///
/// Give it an index that leads to the rows it wants: on the columns that it compares, the ones with an equals sign first. If it
/// adds up many rows each time, keep the sums.
///
/// ## When this page is wrong
///
/// When it is meant to read everything: a count, a sum, a report returns few rows of many, and no index helps. Silence it by its
/// digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementRowsExamined {
    /// Rows looked at for each that is returned or changed. Calibrated by us: a fitting index brings it down to a few.
    min_ratio: f64,
    /// Rows that a run looks at. Less is done within some milliseconds.
    min_examined: f64,
    /// Rows looked at in a second. Calibrated by us: about a tenth of a core.
    min_rate: f64,
    /// Runs at least: a single one is a report.
    min_calls: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: what it does, it does each time.
    min_window: Span,
}

impl Default for StatementRowsExamined {
    fn default() -> Self {
        Self { min_ratio: 1_000.0, min_examined: 10_000.0, min_rate: 100_000.0, min_calls: 10.0, min_window: Span::secs(300) }
    }
}

impl Costly for StatementRowsExamined {
    const ID: &'static str = "statement-rows-examined";
    const OF: &'static [Flavour] = &[Flavour::Mysql, Flavour::Mariadb];
    const MENDED_WITH: &'static [&'static str] = DETOURS;

    fn min_window(&self) -> Span {
        self.min_window
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let looks_at_much = cost.each(cost.examined_rows) >= self.min_examined;
        let for_little = cost.examined_rows >= self.min_ratio * cost.rows.max(1.0);
        let all_the_time = sum.rate(cost.examined_rows) >= self.min_rate;
        let again_and_again = cost.calls >= self.min_calls;
        looks_at_much && for_little && all_the_time && again_and_again
    }

    fn measure(cost: &Cost) -> f64 {
        cost.examined_rows
    }

    fn finding(&self, ran: &Ran<'_>, _: &Seen<'_>) -> Finding {
        let cost = &ran.cost;
        ran.finding(
            Self::ID,
            Severity::Note,
            format!(
                "{} looked at {} rows in each of {} runs {}, to return or change {}",
                ran.name(),
                script::count(cost.each(cost.examined_rows).round()),
                script::count(cost.calls),
                ran.when(),
                script::count(cost.each(cost.rows).round()),
            ),
            [
                ("examined_rows", json!(cost.examined_rows)),
                ("examined_rows_per_call", json!(cost.each(cost.examined_rows).round())),
                ("rows_per_call", json!(cost.each(cost.rows))),
                ("mean_seconds", json!(cost.mean_seconds())),
            ],
            "Look at its plan: an index on the columns that it compares leads to the rows it wants. Which one depends on that, so \
             there is no script."
                .into(),
            None,
        )
    }
}
