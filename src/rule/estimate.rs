//! What pages about estimates share: steps of a run that gave far more rows than the planner had expected, and why.
//!
//! Fewer rows than expected prove nothing: whoever takes them may have had enough.

mod cause;

pub use cause::{Cause, target, was_analyzed};

use super::catalogue::Catalogue;
use super::logged::{self, Fault, Habit};
use super::{Seen, Word};
use crate::model::plan::PlanNode;
use crate::model::{Finding, Topic};
use crate::script;
use crate::sql::Dialect;
use crate::sql::shape::{self, Shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What tells the cause: without it nobody knows which page is to speak.
pub const TOPICS: &[Topic] = &[
    Topic::LogEvents,
    Topic::Tables,
    Topic::Columns,
    Topic::ColumnStatistics,
    Topic::ExtendedStatistics,
    Topic::Settings,
];

/// When an estimate is far off, and most of a run is the consequence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Estimate {
    /// How many times as many rows as expected. PEV2 and QuerySense warn from 100 on.
    pub min_factor: f64,
    /// Rows beyond the expected ones. Calibrated by us: so many searches of an index take some 20 ms.
    pub min_rows: f64,
    /// The part of the run that the steps took which were chosen for fewer rows. Calibrated by us: with less, the rows themselves
    /// are the work, and no plan spares it.
    pub min_share: f64,
}

impl Default for Estimate {
    fn default() -> Self {
        Self { min_factor: 100.0, min_rows: 10_000.0, min_share: 0.5 }
    }
}

/// From here on an estimate is noticed to be off (PEV2): what stands above such a step has its number from it.
const BEGINS: f64 = 10.0;
/// Steps that take all rows of the one below, and are then read instead.
const MADE_ONCE: [&str; 5] = ["Materialize", "Hash", "Sort", "HashAggregate", "CTE Scan"];
/// A side of a join that is done again so often is done too often (QuerySense).
const MANY_TIMES: f64 = 1_000.0;

/// A step that gave far more rows than expected although the steps below it did not.
#[derive(Debug, Clone, Copy)]
pub struct Surprise<'a> {
    pub step: &'a PlanNode,
    /// Of each time that it was done.
    pub expected: f64,
    pub rows: f64,
    /// The side of a join that is done again for each of these rows, where that takes the time.
    pub again: Option<&'a PlanNode>,
    /// It is itself done again for the rows of something else.
    is_inner: bool,
    /// The plan was made before the values were known, as far as this step tells.
    is_generic: bool,
}

/// What pages about estimates speak of: the statement, the step and the cause.
pub type Misjudged<'a> = (Fault<'a, Surprise<'a>>, Cause<'a>);

impl Estimate {
    /// What a page has to say of the statements whose time was lost so.
    pub fn findings<'a>(
        &self,
        seen: &Seen<'a>,
        habit: &Habit,
        judge: impl Fn(&Misjudged<'a>) -> Option<Finding>,
    ) -> Vec<Word> {
        logged::one_for_each_subject(self.misjudged(seen, habit).iter().filter_map(judge))
    }

    /// The statements, each with the cause.
    fn misjudged<'a>(&self, seen: &Seen<'a>, habit: &Habit) -> Vec<Misjudged<'a>> {
        let faults = habit.faults(seen, |run| self.surprise(&run.plan));
        let faults: Vec<(Fault<'a, Surprise<'a>>, Shape)> =
            faults.into_iter().map(Fault::with_shape).collect();
        let wanted = faults.iter().flat_map(|(fault, shape)| {
            let mut names: Vec<String> = shape.tables.iter().map(|table| table.name.clone()).collect();
            fault.what.step.each(&mut |step| names.extend(step.relation.clone()));
            names.into_iter().map(|name| (fault.key.database.clone(), name))
        });
        let known = Catalogue::of_each(seen, wanted);
        let of = |(fault, shape): (Fault<'a, Surprise<'a>>, Shape)| {
            let cause = Cause::of(seen, known.get(&fault.key.database)?, &fault, &shape)?;
            Some((fault, cause))
        };
        faults.into_iter().filter_map(of).collect()
    }

    /// The step where it begins; of several the one with the most rows too many.
    fn surprise<'a>(&self, plan: &'a PlanNode) -> Option<Surprise<'a>> {
        let mut search = Search { estimate: self, all: plan.seconds?, waits: waits(plan), found: None };
        search.look(plan, &mut Vec::new(), 1.0);
        Some(search.found?.1)
    }
}

/// Values that the plan itself finds look like those that its statement was given.
fn waits(plan: &PlanNode) -> bool {
    let mut waits = false;
    plan.each(&mut |step| waits |= matches!(step.place.as_deref(), Some("InitPlan" | "SubPlan")));
    waits
}

struct Search<'e, 'a> {
    estimate: &'e Estimate,
    /// The seconds of the run.
    all: f64,
    waits: bool,
    found: Option<(f64, Surprise<'a>)>,
}

/// A step on the way down, and the one of its children through which it goes on.
type Above<'a> = (&'a PlanNode, &'a PlanNode);

impl<'a> Search<'_, 'a> {
    /// Tells whether this step or one below it is off. `processes` do it beside each other.
    fn look(&mut self, step: &'a PlanNode, above: &mut Vec<Above<'a>>, processes: f64) -> bool {
        let beside = processes * step.processes_below();
        let mut is_off = false;
        for child in &step.children {
            above.push((step, child));
            is_off |= self.look(child, above, beside);
            above.pop();
        }
        if is_off {
            return true;
        }
        let parent = above.last().map(|(parent, _)| *parent);
        let Some((expected, rows)) = counted(step, parent) else { return false };
        if let Some(surprise) = self.matters(step, above, processes).map(|(again, is_inner)| Surprise {
            step,
            expected,
            rows,
            again,
            is_inner,
            is_generic: !self.waits && step.takes_values,
        }) {
            let excess = (rows - expected) * step.loops.unwrap_or(1.0);
            let is_far = rows >= self.estimate.min_factor * expected && excess >= self.estimate.min_rows;
            if is_far && self.found.is_none_or(|(most, _)| excess > most) {
                self.found = Some((excess, surprise));
            }
        }
        rows >= BEGINS * expected
    }

    /// Did what was chosen for fewer rows take the time? Then the side that a join did again for each of them, if that
    /// was it, and whether the step is part of such a side itself.
    fn matters(
        &self,
        step: &PlanNode,
        above: &[Above<'a>],
        processes: f64,
    ) -> Option<(Option<&'a PlanNode>, bool)> {
        let least = self.estimate.min_share * self.all;
        let is_join = |of: &PlanNode| of.kind == "Nested Loop" || of.kind.ends_with(" Join");
        let beyond = self.all - step.seconds? / processes;
        if beyond < least || !above.iter().any(|(parent, _)| is_join(parent)) {
            return None;
        }
        let is_inner = |(parent, child): &Above<'_>| parent.kind == "Nested Loop" && child.is_inner();
        let again = above.iter().rev().find_map(|(parent, child)| {
            let inner = parent.children.iter().find(|side| side.is_inner() && !child.is_inner())?;
            let spent = (parent.seconds? - child.seconds?) / processes;
            let is_it = parent.kind == "Nested Loop" && inner.loops? >= MANY_TIMES && spent >= least;
            is_it.then_some(inner)
        });
        // What stands between, as a whole, is made once.
        let is_made_once = |(parent, _): &Above<'_>| MADE_ONCE.contains(&parent.kind.as_str());
        let nearest = above.iter().rev().find(|pair| is_inner(pair) || is_made_once(pair));
        Some((again, nearest.is_some_and(is_inner)))
    }
}

/// Rows of one time that a step was done: expected, and given.
fn counted(step: &PlanNode, parent: Option<&PlanNode>) -> Option<(f64, f64)> {
    // A bitmap is no rows, and a write gives none.
    let gives_none =
        step.writes() || ["BitmapAnd", "BitmapOr", "Bitmap Index Scan"].contains(&step.kind.as_str());
    // A merge goes back to where equal rows began, and counts them again.
    let goes_back = step.is_inner() && parent.is_some_and(|parent| parent.kind == "Merge Join");
    (!gives_none && !goes_back).then_some(())?;
    Some((step.rows_expected?.max(1.0), step.rows_each()?))
}

/// Does an estimate go wrong in this step, or is it wrong already?
pub fn begins(step: &PlanNode) -> bool {
    counted(step, None).is_some_and(|(expected, rows)| rows >= BEGINS * expected)
}

impl<'a> Fault<'a, Surprise<'a>> {
    fn with_shape(self) -> (Self, Shape) {
        let shape = shape::read(Dialect::Postgres, self.text);
        (self, shape)
    }

    /// What it got, and what the planner had expected.
    pub fn sentence(&self, table: Option<&str>) -> String {
        let Surprise { step, expected, rows, .. } = self.what;
        let from = match table.or(step.relation.as_deref()) {
            Some(table) => format!("of {table}"),
            None => format!("from a step of its plan ({})", step.kind),
        };
        let times = step.loops.filter(|loops| *loops > 1.0);
        format!(
            "{} got {} rows {from}{} where the planner had expected {}, {}",
            self.name(),
            script::count(rows),
            times.map_or(String::new(), |times| format!(" each of {} times", script::count(times))),
            script::count(expected),
            self.when()
        )
    }

    pub fn numbers(&self) -> [(&'static str, Value); 3] {
        let Surprise { step, expected, rows, .. } = self.what;
        [("rows_expected", json!(expected)), ("rows_each_time", json!(rows)), ("times", json!(step.loops))]
    }
}
