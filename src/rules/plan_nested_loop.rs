use crate::model::{Finding, Flavour, Severity, Topic};
use crate::rule::estimate::{self, Cause, Estimate, Misjudged};
use crate::rule::logged::Habit;
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Join that does one side again and again
///
/// The planner had expected a few rows and did the other side of a join once for each of them; there were a hundred times as many,
/// and doing it took most of the time, in most of the last slow runs of a statement.
///
/// ## Why it hurts
///
/// A nested loop is the fastest join for a few rows and the slowest for many: its time grows with each row, where a hash or a merge
/// reads both sides once.
///
/// ## What to do
///
/// Have the planner expect what comes: its number goes wrong at the step that is named. Statistics on an expression (`CREATE
/// STATISTICS`, 14 and later), a condition without a function around the column, or the rows of a first query in a temporary table
/// that is analysed.
///
/// ## When this page is wrong
///
/// It knows the runs that `auto_explain` has put in the log with `log_analyze` and `log_timing`. It gives no script: where statistics
/// are missing, old, cut short or of one column too few, other pages speak and this one does not.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanNestedLoop {
    estimate: Estimate,
    habit: Habit,
}

impl Rule for PlanNestedLoop {
    const ID: &'static str = "plan-nested-loop";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = estimate::TOPICS;
    const LOOKS_BACK_AT: &'static [Topic] = &[];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        self.estimate.findings(seen, &self.habit, finding).into_iter()
    }
}

fn finding((fault, cause): &Misjudged<'_>) -> Option<Finding> {
    let Cause::Unknown = cause else { return None };
    let again = fault.what.again?;
    let times = again.loops?;
    let side = match &again.relation {
        Some(relation) => format!("{} of {relation}", again.kind),
        None => again.kind.clone(),
    };
    let because = format!("{}, so that a side of a join ({side}) was done {} times", fault.sentence(None), script::count(times));
    let advice = "Have the planner expect what comes: look at what the step compares where its number goes wrong.";
    let mut finding = fault.finding(PlanNestedLoop::ID, because, fault.numbers(), advice.into(), None);
    finding.evidence.insert("times_again".into(), json!(times));
    finding.severity = Severity::Warning;
    Some(finding)
}
