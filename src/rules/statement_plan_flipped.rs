use crate::config::Span;
use crate::model::{Flavour, Finding, Severity, Topic};
use crate::plans::{Ran, Shape};
use crate::rule::plan::{self, Planned};
use crate::rule::{Rule, Seen, Word, statement};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Statement whose plan has changed for the worse
///
/// The server has begun to plan a statement in another way, and it takes a multiple of the time since.
///
/// ## Why it hurts
///
/// The words of the statement are the same, so nobody who looks at the application sees a cause. What changed is what the
/// planner believes: statistics are old or new, a table has grown past the point where another plan seems cheaper, an index is
/// gone or bloated, a setting is another.
///
/// ## What to do
///
/// Compare the two plans: the first step that differs names the table. ANALYZE it; look whether an index that the former plan
/// used is still there. If the statistics are right and the plan is not, raise their target for the columns it filters by, or
/// create extended statistics for those that depend on each other.
///
/// ## When this page is wrong
///
/// The plan is the one that serves every value. A server that plans for each value may have used another one all along, and
/// the change of pace has another cause then. The cost of each plan is counted by us between two looks at it: a statement
/// that became slow for another reason at the same minute is blamed on the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementPlanFlipped {
    /// So many times slower than under the former plan. Twice, as plan guards in other databases take it.
    min_factor: f64,
    /// Runs under each of the two plans: thirty are the usual least for a mean to mean something.
    min_calls: f64,
    /// How many standard errors the difference of the means must be. Six are one chance in a thousand million.
    min_errors: f64,
    /// Seconds lost per second. Calibrated by us: a hundredth of a core is worth a look.
    min_lost: f64,
    /// The time over which it is counted what is lost. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementPlanFlipped {
    fn default() -> Self {
        Self { min_factor: 2.0, min_calls: 30.0, min_errors: 6.0, min_lost: 0.01, min_window: Span::secs(300) }
    }
}

impl Rule for StatementPlanFlipped {
    const ID: &'static str = "statement-plan-flipped";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        plan::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let planned = plan::statements(seen, self.min_window).into_iter();
        let slower = planned.filter_map(move |planned| {
            let (former, now) = (planned.history.former()?, planned.history.ran());
            let lost = (now.mean_seconds() - former.ran.mean_seconds()) * planned.ran.cost.calls;
            let worth_it = planned.ran.sum.rate(lost) >= self.min_lost;
            (worth_it && self.is_slower(&former.ran, &now, &planned, seen)).then(|| finding(former, &now, lost, &planned).into())
        });
        slower.take(statement::MAX_NAMED)
    }
}

impl StatementPlanFlipped {
    fn is_slower(&self, former: &Ran, now: &Ran, planned: &Planned<'_>, seen: &Seen<'_>) -> bool {
        let enough = former.calls >= self.min_calls && now.calls >= self.min_calls;
        let factor = now.mean_seconds() / former.mean_seconds().max(f64::MIN_POSITIVE);
        enough && factor >= self.min_factor && self.is_significant(former, now, planned, seen)
    }

    /// Is the difference of the means more than chance?
    fn is_significant(&self, former: &Ran, now: &Ran, planned: &Planned<'_>, seen: &Seen<'_>) -> bool {
        let error = planned.ran.deviation(seen) * (1.0 / former.calls + 1.0 / now.calls).sqrt();
        now.mean_seconds() - former.mean_seconds() >= self.min_errors * error
    }
}

fn finding(former: &Shape, now: &Ran, lost: f64, planned: &Planned<'_>) -> Finding {
    let ran = &planned.ran;
    ran.finding(
        StatementPlanFlipped::ID,
        Severity::Warning,
        format!(
            "{} has another plan than before and takes {} a run with it, where it took {}: {:.1} times as long",
            ran.name(),
            script::moment(now.mean_seconds()),
            script::moment(former.ran.mean_seconds()),
            now.mean_seconds() / former.ran.mean_seconds().max(f64::MIN_POSITIVE),
        ),
        [
            ("mean_seconds", json!(now.mean_seconds())),
            ("mean_seconds_before", json!(former.ran.mean_seconds())),
            ("calls_with_plan", json!(now.calls)),
            ("calls_before", json!(former.ran.calls)),
            ("touched_bytes_per_call", json!(now.touched_each().round())),
            ("touched_bytes_per_call_before", json!(former.ran.touched_each().round())),
            ("lost_seconds", json!(lost)),
            ("plan", json!(planned.plan.shape())),
            ("plan_before", json!(former.plan.shape())),
        ],
        "Compare the two plans, then ANALYZE the tables of the step that differs and look whether an index is gone. Until the \
         cause is known there is no script."
            .into(),
        None,
    )
}
