use crate::model::{Confidence, Finding, Flavour, Name, Setting, Severity, Topic};
use crate::rule::catalogue;
use crate::rule::estimate::{self, Cause, Estimate, Misjudged};
use crate::rule::logged::Habit;
use crate::rule::statement;
use crate::rule::{Rule, Seen, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # One plan for every value, and a value that is common
///
/// A prepared statement runs with its generic plan, which was made for a value of average frequency, and gets values that are far more
/// common, as the server knows, in most of its last slow runs.
///
/// ## Why it hurts
///
/// After five runs the server keeps one plan for all values if that seems as good as those that it made for each. For a value that many
/// rows have it is not, and the server never looks back: planning is saved, and a multiple of it is lost in each run.
///
/// ## What to do
///
/// Have the sessions that send it plan for each value: `plan_cache_mode`. Or send the common values as a statement of their own.
///
/// ## When this page is wrong
///
/// It knows the runs that `auto_explain` has put in the log with `log_analyze`; what rare values take is not among them, and planning each
/// time costs them something. `plan_cache_mode` is there from PostgreSQL 12 on, and holds for all statements of the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanGenericWorse {
    estimate: Estimate,
    habit: Habit,
}

impl Default for PlanGenericWorse {
    /// Where the server knows better by ten, its plan for that value is another one.
    fn default() -> Self {
        Self { estimate: Estimate { min_factor: 10.0, ..Estimate::default() }, habit: Habit::default() }
    }
}

impl Rule for PlanGenericWorse {
    const ID: &'static str = "plan-generic-worse";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = estimate::TOPICS;
    const LOOKS_BACK_AT: &'static [Topic] = &[];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        self.estimate.findings(seen, &self.habit, |misjudged| finding(seen, misjudged)).into_iter()
    }
}

fn finding(seen: &Seen<'_>, (fault, cause): &Misjudged<'_>) -> Option<Finding> {
    let Cause::Generic { table, columns } = cause else { return None };
    let names: Vec<&str> = columns.iter().map(|column| &*column.column).collect();
    let name = catalogue::name(table);
    let because = format!(
        "{}: its plan is the one for every value of {}, and the server knows that some are far more common",
        fault.sentence(Some(&name)),
        names.join(", ")
    );
    // The setting came with version 12.
    let has_setting = seen.now.rows::<Setting>().any(|setting| &*setting.setting == "plan_cache_mode");
    let user = statement::user_of(seen, &fault.key).filter(|_| has_setting);
    let caution = "All statements of these sessions are planned each time.";
    let set = |user: Name| statement::setting_of_user(&user, &fault.key.database, "plan_cache_mode", "force_custom_plan", caution);
    let advice = "Have its sessions plan for each value, or send the common ones as a statement of their own.";
    let numbers = fault.numbers();
    let mut finding = fault.finding(PlanGenericWorse::ID, because, numbers, advice.into(), user.map(set));
    finding.evidence.insert("columns".into(), json!(names));
    finding.severity = Severity::Warning;
    finding.confidence = Confidence::Estimated;
    Some(finding)
}
