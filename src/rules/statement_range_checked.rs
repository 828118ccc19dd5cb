use crate::config::Span;
use crate::model::{Finding, Flavour, Severity};
use crate::rule::Seen;
use crate::rule::statement::{Costly, Ran};
use crate::script;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Statement that chooses an index anew for each row
///
/// A statement joins a table of which the server cannot say beforehand whether an index helps, so for each row of the tables
/// before it decides again: "Range checked for each record" in its plan (MySQL, MariaDB).
///
/// ## Why it hurts
///
/// To decide costs more than to look a row up, and it is done as often as there are rows. Where the index does not help, the
/// table is read whole for that row.
///
/// ## What to do
///
/// Look for what keeps the server from deciding once. Columns of two types or collations are to be made the same. A join by range
/// (`a.at BETWEEN b.since AND b.until`) wants an equality beside it, with an index that begins with that; a condition that is tied
/// to other tables by `OR` is better written as two statements and `UNION`.
///
/// ## When this page is wrong
///
/// When few rows come from the tables before it, and the range is narrow: then it is the best there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementRangeChecked {
    /// Sessions that it keeps busy on average. Calibrated by us: a twentieth of a core is worth a look.
    min_load: f64,
    /// The share of its runs that join so.
    min_share: f64,
    /// Runs at least: a single one is a report.
    min_calls: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: what it does, it does each time.
    min_window: Span,
}

impl Default for StatementRangeChecked {
    fn default() -> Self {
        Self { min_load: 0.05, min_share: 0.5, min_calls: 5.0, min_window: Span::secs(60) }
    }
}

impl Costly for StatementRangeChecked {
    const ID: &'static str = "statement-range-checked";
    const OF: &'static [Flavour] = &[Flavour::Mysql, Flavour::Mariadb];

    fn min_window(&self) -> Span {
        self.min_window
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let as_a_rule = cost.each(cost.range_checks) >= self.min_share;
        let costs = sum.rate(cost.exec_seconds) >= self.min_load;
        let again_and_again = cost.calls >= self.min_calls;
        as_a_rule && costs && again_and_again
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
                "{} chose an index anew for each row in {} joins of {} runs {}, of {} and {} rows each",
                ran.name(),
                script::count(cost.range_checks),
                script::count(cost.calls),
                ran.when(),
                script::moment(cost.mean_seconds()),
                script::count(cost.each(cost.examined_rows).round()),
            ),
            [
                ("range_checks", json!(cost.range_checks)),
                ("range_checks_per_call", json!(cost.each(cost.range_checks))),
                ("examined_rows_per_call", json!(cost.each(cost.examined_rows).round())),
                ("mean_seconds", json!(cost.mean_seconds())),
            ],
            "Join by columns of one type and collation, and by an equality where there is one. Which depends on what it shall find, \
             so there is no script."
                .into(),
            None,
        )
    }
}
