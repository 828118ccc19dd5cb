use crate::config::{ByteSize, Span};
use crate::model::{Finding, Severity};
use crate::rule::statement::{Costly, DETOURS, Ran, Through};
use crate::rule::Seen;
use crate::script;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Statement that dominates
///
/// One statement takes most of the time that the database works, and each of its runs goes through much data.
///
/// ## Why it hurts
///
/// Whatever it costs, everybody else waits for the same processors and disks. To make it twice as fast does more for the
/// server than anything that can be done to all other statements together.
///
/// ## What to do
///
/// Look at its plan. Most often an index is missing, or it reads again and again what could be kept. If it must read so
/// much, run it less often, on a standby, or from a summary.
///
/// ## When this page is wrong
///
/// When that statement is what the database is for: a report on a server made for reports. Silence it by its digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementDominant {
    /// Share of all execution time from which a statement dominates. Calibrated by us: more than all others together.
    min_share: f64,
    /// Sessions that it keeps busy on average. Calibrated by us: below that the server has little to do at all.
    min_load: f64,
    /// A run that takes less is no slow statement, however often it comes; 20 ms as in PgHero.
    min_mean: Span,
    /// Data that a run goes through at least: 1,000 blocks, as in Joe's advice. One that touches little takes its time
    /// by waiting, which other pages explain.
    min_touched: ByteSize,
    /// Rows that a run looks at at least, where the server tells those and no data (MySQL, MariaDB): what 1,000 blocks hold.
    min_examined: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: a minute can be one report.
    min_window: Span,
}

impl Default for StatementDominant {
    fn default() -> Self {
        Self { min_share: 0.5, min_load: 0.25, min_mean: Span::millis(20), min_touched: ByteSize::mib(8), min_examined: 10_000.0, min_window: Span::secs(300) }
    }
}

impl Costly for StatementDominant {
    const ID: &'static str = "statement-dominant";
    const MENDED_WITH: &'static [&'static str] = DETOURS;

    fn min_window(&self) -> Span {
        self.min_window
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let dominates = cost.exec_seconds >= self.min_share * sum.whole.exec_seconds;
        let keeps_busy = sum.rate(cost.exec_seconds) >= self.min_load;
        let is_slow = cost.mean_seconds() >= self.min_mean.get().as_secs_f64();
        let reads_much = match Through::of(cost) {
            Through::Bytes(bytes) => bytes >= self.min_touched.get() as f64,
            Through::Rows(rows) => rows >= self.min_examined,
        };
        dominates && keeps_busy && is_slow && reads_much
    }

    fn measure(cost: &Cost) -> f64 {
        cost.exec_seconds
    }

    fn finding(&self, ran: &Ran<'_>, _: &Seen<'_>) -> Finding {
        let cost = &ran.cost;
        let share = cost.exec_seconds / ran.sum.whole.exec_seconds;
        ran.finding(
            Self::ID,
            Severity::Note,
            format!(
                "{} took {:.0} % of all execution time {}: {} runs of {} that went through {} each",
                ran.name(),
                share * 100.0,
                ran.when(),
                script::count(cost.calls),
                script::moment(cost.mean_seconds()),
                Through::of(cost),
            ),
            [
                ("share_ratio", json!(share)),
                ("mean_seconds", json!(cost.mean_seconds())),
                ("touched_bytes_per_call", json!(cost.each(cost.touched_bytes).round())),
                ("examined_rows_per_call", json!(cost.each(cost.examined_rows).round())),
                ("rows_per_call", json!(cost.each(cost.rows))),
            ],
            "Look at its plan: whether it reads more than it needs. What to change depends on that, so there is no script."
                .into(),
            None,
        )
    }
}
