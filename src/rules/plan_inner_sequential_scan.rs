use crate::model::plan::PlanNode;
use crate::model::{Finding, Fix, Flavour, Severity, Table, Topic};
use crate::rule::catalogue::{self, Catalogue};
use crate::plans::logged::Run;
use crate::rule::logged::{self, Fault, Habit};
use crate::rule::understood;
use crate::rule::{Rule, Seen, Word};
use crate::script;
use crate::sql::Dialect;
use crate::sql::shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// # Table that is read whole for each row of another
///
/// A step of a plan reads a whole table, and it is done again for each row that the plan has found elsewhere, in most of the last
/// slow runs of a statement.
///
/// ## Why it hurts
///
/// The time is the product of both sides: it was nothing with a hundred rows in each, and is minutes with a hundred thousand.
/// The pages come from memory after the first time, so no counter of reads shows it; a processor is busy with it alone.
///
/// ## What to do
///
/// Build an index on the column by which the rows are looked up. Or write the subquery as a join, which the server can do by
/// reading both sides once.
///
/// ## When this page is wrong
///
/// It knows the runs that `auto_explain` has put in the log with `log_analyze`. Which column is looked up it reads from the
/// statement: where there are several it gives no script. If the planner had expected far fewer rows on the other side, mend its
/// statistics first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanInnerSequentialScan {
    /// How often it was read in one run. Calibrated by us: workers of one scan are a handful.
    min_loops: f64,
    /// Rows looked at by all of that together. Calibrated by us: a million take a tenth of a second.
    min_rows: f64,
    habit: Habit,
}

impl Default for PlanInnerSequentialScan {
    fn default() -> Self {
        Self { min_loops: 100.0, min_rows: 1e6, habit: Habit::default() }
    }
}

/// The step, and the rows it looked at in all.
type Read<'a> = Fault<'a, (&'a PlanNode, f64)>;

impl Rule for PlanInnerSequentialScan {
    const ID: &'static str = "plan-inner-sequential-scan";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::LogEvents, Topic::Tables, Topic::Indexes, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = &[];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let weighty = |run: &'a Run, step: &'a PlanNode| self.rows(step).filter(|_| logged::weighs(step, &run.plan));
        let reads = move |run: &'a Run| logged::most(&run.plan, |step| weighty(run, step));
        let faults = self.habit.faults(seen, reads);
        logged::one_for_each_subject(faults.iter().filter_map(|fault| finding(seen, fault))).into_iter()
    }
}

impl PlanInnerSequentialScan {
    /// Rows that all loops of the step have looked at.
    fn rows(&self, step: &PlanNode) -> Option<f64> {
        let loops = step.loops?;
        let each = step.rows_each()? + step.rows_removed.unwrap_or_default();
        let is_whole = step.kind == "Seq Scan" && step.relation.is_some();
        (is_whole && loops >= self.min_loops && each * loops >= self.min_rows).then_some(each * loops)
    }
}

fn finding(seen: &Seen<'_>, fault: &Read<'_>) -> Option<Finding> {
    let (step, rows) = fault.what;
    let relation = step.relation.as_deref()?;
    let known = Catalogue::of(seen, &fault.key.database, &BTreeSet::from([relation.to_owned()]));
    let table = known.table(relation)?;
    let (name, loops) = (catalogue::name(table), step.loops?);
    let because = format!(
        "{} reads {name} whole {} times in one run, {} rows in all, {}",
        fault.name(),
        script::count(loops),
        script::count(rows),
        fault.when()
    );
    let fix = index(&known, table, fault.text);
    let advice = match fix {
        Some(_) => "Build the index, or have each side read once by a join.",
        None => "Look up its rows by an index, or have each side read once by a join.",
    };
    let numbers = [("loops", json!(loops)), ("rows_looked_at", json!(rows))];
    let mut finding = fault.finding(PlanInnerSequentialScan::ID, because, numbers, advice.into(), fix);
    finding.subject = name;
    finding.severity = Severity::Warning;
    Some(finding)
}

/// On the one column by which the statement joins the table, if no index begins with it: the planner had its reason then.
fn index(known: &Catalogue<'_>, table: &Table, text: &str) -> Option<Fix> {
    let read = shape::read(Dialect::Postgres, text);
    let mut places = read.tables.iter().enumerate().filter(|(_, of)| *of.name == *table.table);
    let (Some((place, _)), None, true) = (places.next(), places.next(), read.understood) else { return None };
    let column = known.column(table, understood::joined_by(&read, place)?)?;
    let has_index = known.begins_with(table, column).next().is_some();
    (!has_index).then(|| known.create_index(table, &[&column.column]))
}
