use crate::config::Span;
use crate::model::{Flavour, Finding, Severity};
use crate::rule::statement::{Costly, Ran};
use crate::rule::Seen;
use crate::script;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Statement that is planned longer than it runs
///
/// The server spends more time on finding a plan for a statement than on executing it.
///
/// ## Why it hurts
///
/// The same plan is found again with every call. Planning takes processor time and locks on everything that the statement
/// names: on a table of many partitions, on all of them.
///
/// ## What to do
///
/// Use prepared statements, so that a plan is kept. If it is planned for long because of many partitions, let its condition name
/// the partition key; because of many joins, split it or lower `join_collapse_limit` for it.
///
/// ## When this page is wrong
///
/// When the client goes through a pooler that cannot keep prepared statements; then the pooler is what to change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementPlanningDominates {
    /// Share of its whole time that is planning. Calibrated by us: more than all the rest.
    min_share: f64,
    /// A plan that takes less is as good as free, however short the statement. Calibrated by us.
    min_mean: Span,
    /// Seconds of planning per second. Calibrated by us: a fiftieth of a core.
    min_load: f64,
    /// Times planned: the first plan of a session reads the catalogue and says little.
    min_plans: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: it is planned each time.
    min_window: Span,
}

impl Default for StatementPlanningDominates {
    fn default() -> Self {
        Self { min_share: 0.5, min_mean: Span::millis(2), min_load: 0.02, min_plans: 100.0, min_window: Span::secs(30) }
    }
}

impl Costly for StatementPlanningDominates {
    const ID: &'static str = "statement-planning-dominates";
    const OF: &'static [Flavour] = &[Flavour::Postgres];

    fn min_window(&self) -> Span {
        self.min_window
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let dominates = cost.plan_seconds >= self.min_share * (cost.plan_seconds + cost.exec_seconds);
        let is_slow = mean(cost) >= self.min_mean.get().as_secs_f64();
        let often = cost.plans >= self.min_plans;
        let matters = sum.rate(cost.plan_seconds) >= self.min_load;
        dominates && is_slow && often && matters
    }

    fn measure(cost: &Cost) -> f64 {
        cost.plan_seconds
    }

    fn finding(&self, ran: &Ran<'_>, _: &Seen<'_>) -> Finding {
        let cost = &ran.cost;
        ran.finding(
            Self::ID,
            Severity::Note,
            format!(
                "{} was planned {} times {}, {} each, and ran for {} each",
                ran.name(),
                script::count(cost.plans),
                ran.when(),
                script::moment(mean(cost)),
                script::moment(cost.mean_seconds()),
            ),
            [
                ("plans", json!(cost.plans)),
                ("plan_seconds", json!(cost.plan_seconds)),
                ("mean_plan_seconds", json!(mean(cost))),
                ("mean_seconds", json!(cost.mean_seconds())),
            ],
            "Let the client prepare it once and execute it often. That is a change in the client, so there is no script."
                .into(),
            None,
        )
    }
}

fn mean(cost: &Cost) -> f64 {
    cost.plan_seconds / cost.plans.max(1.0)
}
