use crate::config::Span;
use crate::model::{Finding, Severity};
use crate::rule::statement::{Costly, Ran};
use crate::rule::Seen;
use crate::script;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Queue that is polled while it is empty
///
/// Workers look for a job in a table again and again, and most of the time there is none.
///
/// ## Why it hurts
///
/// An idle queue costs as much as a busy one: each look searches the index, and steps over the dead entries of all jobs that
/// were done since the last vacuum. It grows with the number of workers, not with the work.
///
/// ## What to do
///
/// Wait longer after an empty answer, doubling up to some seconds; or let whoever adds a job call the workers (`LISTEN` and
/// `NOTIFY` in PostgreSQL). Take several jobs at once. If one look is dear, the queue wants a partial index on the open jobs and
/// more frequent vacuums.
///
/// ## When this page is wrong
///
/// When a job must begin within milliseconds and the cost is accepted. Silence it by its digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementQueuePolling {
    /// Share of the looks that find something, at most. Calibrated by us: at one in ten it is idle.
    max_found: f64,
    /// Looks in a second. Calibrated by us: one in a second is polite.
    min_rate: f64,
    /// Sessions that it keeps busy on average. Calibrated by us: a hundredth of a core for nothing is worth a look.
    min_load: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: queues have quiet minutes.
    min_window: Span,
}

impl Default for StatementQueuePolling {
    fn default() -> Self {
        Self { max_found: 0.1, min_rate: 1.0, min_load: 0.01, min_window: Span::secs(300) }
    }
}

impl Costly for StatementQueuePolling {
    const ID: &'static str = "statement-queue-polling";

    fn min_window(&self) -> Span {
        self.min_window
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let finds_little = cost.rows <= self.max_found * cost.calls;
        let often = sum.rate(cost.calls) >= self.min_rate;
        let costs = sum.rate(cost.exec_seconds) >= self.min_load;
        finds_little && often && costs
    }

    fn measure(cost: &Cost) -> f64 {
        cost.exec_seconds
    }

    /// Who steps over what others hold takes jobs.
    fn speaks_of(ran: &Ran<'_>) -> bool {
        ran.text.to_ascii_lowercase().contains("skip locked")
    }

    fn finding(&self, ran: &Ran<'_>, _: &Seen<'_>) -> Finding {
        let cost = &ran.cost;
        ran.finding(
            Self::ID,
            Severity::Note,
            format!(
                "{} looked for a job {} times {} and found one {} times: the looks took {} together",
                ran.name(),
                script::count(cost.calls),
                ran.when(),
                script::count(cost.rows),
                script::moment(cost.exec_seconds),
            ),
            [
                ("rows", json!(cost.rows)),
                ("calls_per_second", json!(ran.sum.rate(cost.calls))),
                ("load", json!(ran.load())),
                ("mean_seconds", json!(cost.mean_seconds())),
            ],
            "Let workers wait longer after an empty answer, or call them when there is a job. That is a change in the client, so \
             there is no script."
                .into(),
            None,
        )
    }
}
