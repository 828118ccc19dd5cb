use crate::model::plan::PlanNode;
use crate::model::{Flavour, Topic};
use crate::plans::logged::Run;
use crate::rule::logged::{self, Habit};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Foreign rows that are fetched to be thrown away
///
/// A step of a plan fetches rows of a foreign table from another server and throws nearly all of them away here, in most of the
/// last slow runs of a statement.
///
/// ## Why it hurts
///
/// The other server reads them, the network carries them and this one takes them apart, for nothing. An index over there is of no
/// use to a condition that it does not hear of.
///
/// ## What to do
///
/// Write the condition so that it can be sent: with `postgres_fdw` that means operators and functions of PostgreSQL itself that
/// are immutable, on columns whose types and collations are the same on both sides. Those of an extension are sent as well if both
/// servers have it and the option `extensions` of the foreign server names it. The option `use_remote_estimate` lets the planner
/// see what the other server would do. Or fetch from a view over there that has the condition.
///
/// ## When this page is wrong
///
/// When the wrapper can send no conditions at all, as one that reads a file: then nothing helps but to have the data here.
/// It knows the runs that `auto_explain` has put in the log with `log_analyze`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanForeignFilter {
    /// Rows that were thrown away in one run. Calibrated by us: over a network ten thousand take some ten milliseconds.
    min_rows: f64,
    /// Of the rows that were fetched, the share that was thrown away. A known reader of plans calls nine tenths critical.
    min_share: f64,
    habit: Habit,
}

impl Default for PlanForeignFilter {
    fn default() -> Self {
        Self { min_rows: 10_000.0, min_share: 0.9, habit: Habit::default() }
    }
}

impl Rule for PlanForeignFilter {
    const ID: &'static str = "plan-foreign-filter";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = logged::TOPICS;

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let discards = |run: &'a Run| {
            let removed = |step: &'a PlanNode| self.removed(step).filter(|_| logged::weighs(step, &run.plan));
            logged::most(&run.plan, removed)
        };
        let faults = self.habit.faults(seen, discards);
        faults.into_iter().map(move |fault| {
            let (step, removed) = fault.what;
            let fetched = removed + step.rows.unwrap_or_default();
            let of = step.relation.as_deref().map_or(String::new(), |name| format!(" of {name}"));
            let because = format!(
                "{} fetches {} rows{of} from another server and throws {} of them away here, {}",
                fault.name(),
                script::count(fetched),
                script::count(removed),
                fault.when()
            );
            let numbers = [("fetched_rows", json!(fetched)), ("removed_rows", json!(removed)), ("table", json!(step.relation))];
            let advice = "Write the condition so that it can be sent to the other server. Which words it takes depends on what that is, so \
                          there is no script.";
            fault.finding(Self::ID, because, numbers, advice.into(), None).into()
        })
    }
}

impl PlanForeignFilter {
    fn removed(&self, step: &PlanNode) -> Option<f64> {
        let removed = step.rows_removed.filter(|_| step.kind == "Foreign Scan")? * step.loops?;
        (removed >= self.min_rows && removed >= self.min_share * (removed + step.rows?)).then_some(removed)
    }
}
