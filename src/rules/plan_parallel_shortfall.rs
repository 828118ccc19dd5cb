use crate::model::plan::PlanNode;
use crate::model::{Fix, Flavour, Setting, Topic};
use crate::plans::logged::Run;
use crate::rule::logged::{self, Habit};
use crate::rule::{Rule, Seen, Word, log};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Parallel plans that run without workers
///
/// The plan of a statement counts on parallel workers and gets far fewer than it was made for, in most of the last slow runs.
///
/// ## Why it hurts
///
/// The planner chose to read everything because many would share it. With few the work is the same and takes a multiple of the
/// time, where a plan for one might have used an index. And how many there are depends on who else is at work, so the same
/// statement takes now one second and now five.
///
/// ## What to do
///
/// If the machine has cores to spare, raise `max_parallel_workers`, up to `max_worker_processes`, which takes a restart. If it has
/// none, lower `max_parallel_workers_per_gather`, at least for the roles whose statements need not be fast: then fewer plans count
/// on what is not there.
///
/// ## When this page is wrong
///
/// When the workers are missing only at certain hours, which the runs that the log has shown lately were in. What runs by a cursor
/// or is fetched in portions gets no workers at all, whatever the settings; so a run that got none does not count here, unless the
/// server may have no more than it wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanParallelShortfall {
    /// Of the workers that were planned, the share that was missing. Calibrated by us: with half of them it takes about twice as
    /// long.
    min_missing: f64,
    habit: Habit,
}

impl Default for PlanParallelShortfall {
    fn default() -> Self {
        Self { min_missing: 0.5, habit: Habit::default() }
    }
}

/// The limit that all parallel plans of a server share, and the one that it lies within.
const LIMIT: &str = "max_parallel_workers";
const OUTER_LIMIT: &str = "max_worker_processes";

impl Rule for PlanParallelShortfall {
    const ID: &'static str = "plan-parallel-shortfall";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::LogEvents, Topic::Settings];
    const LOOKS_BACK_AT: &'static [Topic] = &[];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let number = move |name: &str| log::setting(seen, name).and_then(|value| value.parse::<f64>().ok());
        let limit = number(LIMIT).unwrap_or(f64::INFINITY);
        let lacks = |run: &'a Run| {
            let missing = |step: &'a PlanNode| self.missing(step, limit).filter(|_| logged::weighs(step, &run.plan));
            logged::most(&run.plan, missing)
        };
        let faults = self.habit.faults(seen, lacks);
        // One setting serves all of them; the slowest speaks for the server.
        let others = if faults.len() > 1 { "; other statements lack them as well" } else { "" };
        let first = faults.into_iter().next();
        first.into_iter().map(move |fault| {
            let (step, missing) = fault.what;
            let planned = step.worked(|work| work.workers_planned).unwrap_or_default();
            let got = planned - missing;
            let because = format!(
                "{} counts on {} parallel workers and gets {}, {}{others}",
                fault.name(),
                script::count(planned),
                script::count(got),
                fault.when()
            );
            let outer = number(OUTER_LIMIT);
            let raised = planned.max(2.0 * limit).min(outer.unwrap_or(0.0));
            let fix = (limit.is_finite() && raised > limit).then(|| raise(seen, raised)).flatten();
            let advice = match fix {
                Some(_) => "Raise the limit if there are cores to spare; else have fewer plans count on workers.",
                None => {
                    "Have fewer plans count on workers, by max_parallel_workers_per_gather; to have more of them takes a restart with a \
                     higher max_worker_processes, so there is no script."
                }
            };
            let numbers = [
                ("workers_planned", json!(planned)),
                ("workers_launched", json!(got)),
                (LIMIT, json!(number(LIMIT))),
                (OUTER_LIMIT, json!(outer)),
            ];
            let mut finding = fault.finding(Self::ID, because, numbers, advice.into(), fix);
            (finding.database, finding.subject) = (None, LIMIT.to_owned());
            finding.into()
        })
    }
}

impl PlanParallelShortfall {
    /// Workers that the step lacked.
    fn missing(&self, step: &PlanNode, limit: f64) -> Option<f64> {
        let planned = step.worked(|work| work.workers_planned).filter(|planned| *planned > 0.0)?;
        let got = step.worked(|work| work.workers_launched)?;
        let missing = planned - got;
        let is_short = missing > 0.0 && missing >= self.min_missing * planned;
        (is_short && (got > 0.0 || limit < planned)).then_some(missing)
    }
}

fn raise(seen: &Seen<'_>, to: f64) -> Option<Fix> {
    let setting = seen.now.rows::<Setting>().find(|setting| &*setting.setting == LIMIT)?;
    let fix = script::setting_of_server(setting, &to.to_string())?;
    let caution = format!("More workers than idle cores only take turns. {}", fix.caution);
    Some(Fix { caution, ..fix })
}
