use crate::config::Span;
use crate::model::{Finding, Flavour, Severity};
use crate::rule::statement::{Costly, Ran};
use crate::rule::Seen;
use crate::script;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Statement that ends in errors
///
/// A good part of the runs of a statement fail (MySQL, MariaDB).
///
/// ## Why it hurts
///
/// Somebody does not get what was asked for. And the work until the error was for nothing: locks were taken, rows written and
/// taken back.
///
/// ## What to do
///
/// The log of the application says which error it is; `dbsonde_error_raised_total` says which errors the server raises at all
/// (MySQL 8 and later). Duplicate keys want an `INSERT … ON DUPLICATE KEY UPDATE`, deadlocks and waits for locks want shorter
/// transactions, what ran too long wants a plan.
///
/// ## When this page is wrong
///
/// When the error is the answer: who inserts to find out whether a row is there expects one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementErrors {
    /// The share of its runs that fail. Calibrated by us: one in ten is no accident.
    min_share: f64,
    /// Errors in an hour. Calibrated by us: one a minute, so that somebody who mistypes is none.
    min_per_hour: f64,
    /// Errors at least: two of three runs say nothing yet.
    min_errors: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: what it does, it does each time.
    min_window: Span,
}

impl Default for StatementErrors {
    fn default() -> Self {
        Self { min_share: 0.1, min_per_hour: 60.0, min_errors: 10.0, min_window: Span::secs(300) }
    }
}

impl Costly for StatementErrors {
    const ID: &'static str = "statement-errors";
    const OF: &'static [Flavour] = &[Flavour::Mysql, Flavour::Mariadb];

    fn min_window(&self) -> Span {
        self.min_window
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let fails_often = cost.each(cost.errors) >= self.min_share;
        let goes_on = sum.rate(cost.errors) * 3_600.0 >= self.min_per_hour;
        let more_than_once = cost.errors >= self.min_errors;
        fails_often && goes_on && more_than_once
    }

    fn measure(cost: &Cost) -> f64 {
        cost.errors
    }

    fn finding(&self, ran: &Ran<'_>, _: &Seen<'_>) -> Finding {
        let cost = &ran.cost;
        ran.finding(
            Self::ID,
            Severity::Warning,
            format!(
                "{} ended in an error {} times in {} runs {}",
                ran.name(),
                script::count(cost.errors),
                script::count(cost.calls),
                ran.when(),
            ),
            [
                ("errors", json!(cost.errors)),
                ("share_ratio", json!(cost.each(cost.errors))),
                ("per_hour", json!((ran.sum.rate(cost.errors) * 3_600.0).round())),
            ],
            "The log of the application says which error it is. What to change depends on that, so there is no script."
                .into(),
            None,
        )
    }
}
