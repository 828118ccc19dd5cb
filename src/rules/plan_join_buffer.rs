use crate::model::plan::PlanNode;
use crate::model::{Finding, Flavour, Severity, Topic};
use crate::plans::logged::Run;
use crate::rule::catalogue;
use crate::rule::logged::{self, Fault, Habit};
use crate::rule::understood::{self, Meant};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Join that compares all rows with all rows
///
/// A statement joins a table that it cannot look up by an index, so rows of the tables before it wait in a buffer, and each row of the
/// table is compared with all of them, in most of the last slow runs: "Using join buffer (flat, BNL join)" in its plan (MariaDB).
///
/// ## Why it hurts
///
/// The time is the product of both sides: it was nothing with a hundred rows in each, and is minutes with a hundred thousand. The
/// table is read few times, so the counters of rows hide it: a processor is busy with comparing alone.
///
/// ## What to do
///
/// Build an index on the column by which the table is joined. If there is one, look whether both columns have one type and one
/// collation: what must be converted cannot be looked up. Where an index is not worth it, `join_cache_level = 4` or more lets the
/// server join by a hash.
///
/// ## When this page is wrong
///
/// It knows the runs that the slow log has shown with `explain` in `log_slow_verbosity`. Which column is looked up it reads from
/// the statement: where there are several it gives no script. How many pairs were compared is the product of the rows that the plan
/// tells. MySQL shows no plans in its log, and joins by a hash from 8.0.18 on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanJoinBuffer {
    /// Pairs of rows that were compared in one run. Calibrated by us: a million take a tenth of a second.
    min_pairs: f64,
    habit: Habit,
}

impl Default for PlanJoinBuffer {
    fn default() -> Self {
        Self { min_pairs: 1e6, habit: Habit::default() }
    }
}

/// Measured on MariaDB 11.8: a hundred million in ten seconds.
const PAIRS_A_SECOND: f64 = 1e7;

impl Rule for PlanJoinBuffer {
    const ID: &'static str = "plan-join-buffer";
    const OF: &'static [Flavour] = &[Flavour::Mariadb];
    const NEEDS: &'static [Topic] = &[Topic::LogEvents, Topic::Tables, Topic::Indexes, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = &[];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let compares = |step: &PlanNode| step.worked(|work| work.compared).filter(|pairs| *pairs >= self.min_pairs);
        let weighs = |run: &Run, pairs: f64| logged::amount_weighs(pairs, PAIRS_A_SECOND, run);
        let faults = self
            .habit
            .faults(seen, |run| logged::most(&run.plan, compares).filter(|(_, pairs)| weighs(run, *pairs)));
        logged::one_for_each_subject(faults.iter().filter_map(|fault| finding(seen, fault))).into_iter()
    }
}

/// The step, and the pairs that were compared.
type Compared<'a> = Fault<'a, (&'a PlanNode, f64)>;

fn finding(seen: &Seen<'_>, fault: &Compared<'_>) -> Option<Finding> {
    let (step, pairs) = fault.what;
    let Meant { shape, known, place, table } = Meant::of(seen, fault, step.relation.as_deref()?)?;
    let column = understood::joined_by(&shape, place).and_then(|column| known.column(table, column));
    let index = column.and_then(|column| known.finds(table, column));
    let name = catalogue::name(table);
    let because = format!(
        "{} compares all rows of {name} with all rows before it, {} pairs in one run, {}",
        fault.name(),
        script::count(pairs),
        fault.when()
    );
    let fix = column.filter(|_| index.is_none()).and_then(|column| known.create_index_of_mysql(table, &[column]));
    let advice = match (index, &fix) {
        (Some(index), _) => format!(
            "The index {} is not used: look whether both columns have one type and one collation.",
            index.index
        ),
        (None, Some(_)) => "Build the index.".to_owned(),
        (None, None) => "Index the columns by which it is joined. Which ones depends on what it shall find, so there is no script.".to_owned(),
    };
    let numbers = [("pairs", json!(pairs)), ("joined_by", json!(column.map(|column| &*column.column)))];
    let mut finding = fault.finding(PlanJoinBuffer::ID, because, numbers, advice, fix);
    finding.subject = name;
    finding.severity = Severity::Warning;
    Some(finding)
}
