use crate::model::plan::PlanNode;
use crate::model::{Finding, Flavour, Severity, Topic};
use crate::plans::logged::Run;
use crate::rule::estimate;
use crate::rule::logged::{self, Fault, Habit};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Rows that are kept and read again and again
///
/// A plan keeps the rows of one side of a join, or of a `with` query, and goes through all of them for each row of something else,
/// which takes most of the time, in most of the last slow runs of a statement.
///
/// ## Why it hurts
///
/// The time is the product of both sides. Nothing is read from the disk twice, so no counter shows it; a processor is busy with it
/// alone. What is kept has no index, and statistics of a `with` query are those of its outermost step at best.
///
/// ## What to do
///
/// Give the join an equality: then it is done by a hash, once. Of a `with` query that could be searched by an index say `as not
/// materialized` (12 and later), or write it as a join; where it is small and dear, `as materialized` keeps it and is right.
///
/// ## When this page is wrong
///
/// Where every pair of rows is wanted (ranges that overlap, distances) nothing but other indexes helps: GiST for ranges. It knows the
/// runs that `auto_explain` has put in the log with `log_analyze` and `log_timing`. It gives no script, because the statement is what
/// must change. Where the planner had expected far fewer rows on the other side, the pages about that speak instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanMaterialiseReread {
    /// Rows gone through in all times together. Calibrated by us: a million take a tenth of a second.
    min_rows: f64,
    /// How often it is gone through in one run. Calibrated by us: workers of one plan are a handful.
    min_times: f64,
    /// The part of the run that it takes. Calibrated by us: with less, it is not what one would look at first.
    min_share: f64,
    habit: Habit,
}

impl Default for PlanMaterialiseReread {
    fn default() -> Self {
        Self { min_rows: 1e6, min_times: 100.0, min_share: 0.5, habit: Habit::default() }
    }
}

/// What is read again, and the rows in all.
type Reread<'a> = (&'a PlanNode, f64);

impl Rule for PlanMaterialiseReread {
    const ID: &'static str = "plan-materialise-reread";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = logged::TOPICS;

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let faults = self.habit.faults(seen, |run| self.reread(run));
        faults.into_iter().map(|fault| finding(&fault).into())
    }
}

impl PlanMaterialiseReread {
    fn reread<'a>(&self, run: &'a Run) -> Option<Reread<'a>> {
        let least = self.min_share * run.plan.seconds?;
        let mut most: Option<Reread<'a>> = None;
        run.plan.each_beside(1.0, &mut |parent, processes| {
            let beside = processes * parent.processes_below();
            for step in &parent.children {
                let rows = self.gone_through(step, beside);
                let takes = spent(parent, step).is_some_and(|seconds| seconds / beside >= least);
                if let Some(rows) = rows.filter(|rows| takes && most.is_none_or(|(_, most)| *rows > most)) {
                    most = Some((step, rows));
                }
            }
        });
        most
    }

    fn gone_through(&self, step: &PlanNode, processes: f64) -> Option<f64> {
        let is_kept = ["Materialize", "CTE Scan"].contains(&step.kind.as_str());
        let times = step.loops?;
        let rows = times * (step.rows_each()? + step.rows_removed.unwrap_or_default());
        (is_kept && times >= self.min_times * processes && rows >= self.min_rows).then_some(rows)
    }
}

/// What going through a step takes, in all processes: of a join also comparing what comes. None where it is done for far
/// more rows than the planner had expected.
fn spent(parent: &PlanNode, step: &PlanNode) -> Option<f64> {
    if parent.kind != "Nested Loop" || !step.is_inner() {
        return step.seconds;
    }
    let outer = parent.children.iter().find(|side| !side.is_inner())?;
    let is_foreseen = !estimate::begins(outer);
    is_foreseen.then_some(parent.seconds? - outer.seconds?)
}

fn finding(fault: &Fault<'_, Reread<'_>>) -> Finding {
    let (step, rows) = fault.what;
    let of_with = step.kind == "CTE Scan";
    let kept = step.children.first().and_then(|child| child.relation.as_deref());
    let what = match (&step.relation, kept) {
        (Some(name), _) if of_with => format!("the rows of the with query {name}"),
        (_, Some(name)) => format!("the rows that it keeps of {name}"),
        _ => "the rows that it keeps".to_owned(),
    };
    let times = step.loops.unwrap_or_default();
    let because = format!(
        "{} goes through {what} {} times in one run, {} in all, {}",
        fault.name(),
        script::count(times),
        script::count(rows),
        fault.when()
    );
    let advice = if of_with {
        "Join the with query by an equality, or let it be searched by an index: as not materialized (PostgreSQL 12 and later), or a \
         join in its place."
    } else {
        "Give the join an equality, or an index that serves its condition."
    };
    let numbers = [("times", json!(times)), ("rows_gone_through", json!(rows))];
    let mut finding = fault.finding(PlanMaterialiseReread::ID, because, numbers, advice.into(), None);
    finding.severity = Severity::Warning;
    finding
}
