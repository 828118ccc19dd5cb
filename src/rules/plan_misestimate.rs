use crate::model::{Column, Confidence, Finding, Fix, Flavour, Severity, Table, Topic};
use crate::rule::catalogue::name;
use crate::rule::estimate::{self, Cause, Estimate, Misjudged, target, was_analyzed};
use crate::rule::logged::Habit;
use crate::rule::{Rule, Seen, Word};
use crate::rules::TableStatisticsStale;
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// # Plan for far fewer rows than there are
///
/// A step of a plan gave a hundred times as many rows as the planner had expected, and what it chose for the few took most of the
/// time, in most of the last slow runs of a statement.
///
/// ## Why it hurts
///
/// A way to join, an order of joins, a room in memory: all is chosen by how many rows are expected. What is best for ten rows is the
/// worst for a hundred thousand. The step that is named is the one where it begins: what is wrong above it follows from it.
///
/// ## What to do
///
/// Analyse a table whose statistics are missing or old. Where a column has more common values than the server keeps, have it keep
/// more. Otherwise look at what the step compares: an expression, or a value that the planner cannot see.
///
/// ## When this page is wrong
///
/// It knows the runs that `auto_explain` has put in the log with `log_analyze`. Which of the causes it is, is concluded from what the
/// server tells of its statistics. Fewer rows than expected are not looked for. Conditions on several columns have a page of their
/// own, and so have a join that takes the time without a cause to be seen, and tables that autovacuum has left alone.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanMisestimate {
    estimate: Estimate,
    habit: Habit,
}

impl Rule for PlanMisestimate {
    const ID: &'static str = "plan-misestimate";
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
    let (subject, why, advice, fix) = match cause {
        Cause::Unanalyzed { table } | Cause::Old { table, .. } if is_told_elsewhere(seen, table) => return None,
        Cause::Unanalyzed { table } => {
            let why = format!(": {} was never analysed", name(table));
            (Some(name(table)), why, "Analyse the table, then see that it is done by itself.", Some(analyze(table)))
        }
        Cause::Old { table, changed } => {
            let since = if was_analyzed(table) {
                "since it was analysed"
            } else {
                "in the time that the server remembers, and it was not analysed"
            };
            let why = format!(": {} rows of {} have changed {since}", script::count(*changed), name(table));
            (Some(name(table)), why, "Analyse the table.", Some(analyze(table)))
        }
        Cause::Skewed { table, column, kept } => {
            let why = format!(": of {} the server keeps the {} most common values, and there are more", column.column, script::count(*kept));
            let subject = format!("{} ({})", name(table), column.column);
            let fix = target(seen, column).and_then(|target| keep_more(table, column, target));
            (Some(subject), why, "Have the server keep more of its common values.", fix)
        }
        Cause::Unknown if fault.what.again.is_none() => {
            let advice = "Look at what this step compares: an expression, a join, or a value that the planner cannot see. Write it so \
                          that there are statistics for it.";
            (None, String::new(), advice, None)
        }
        _ => return None,
    };
    let table = match cause {
        Cause::Skewed { table, .. } => Some(name(table)),
        _ => None,
    };
    let because = fault.sentence(table.as_deref()) + &why;
    let mut finding = fault.finding(PlanMisestimate::ID, because, fault.numbers(), advice.into(), fix);
    finding.severity = Severity::Warning;
    if let Some(subject) = subject {
        finding.subject = subject;
        finding.confidence = Confidence::Estimated;
    }
    Some(finding)
}

/// Of a table that autovacuum has left alone another page speaks, with the thresholds that it has by itself: a page knows
/// only its own.
fn is_told_elsewhere(seen: &Seen<'_>, table: &Table) -> bool {
    let subject = name(table);
    TableStatisticsStale::default().check(seen).any(|word| match word {
        Word::Finding(finding) => finding.database == table.database && finding.subject == subject,
        Word::Question(_) => false,
    })
}

fn analyze(table: &Table) -> Fix {
    script::analyze(&table.schema, &table.table)
}

/// Ten times as many; the server allows ten thousand.
fn keep_more(table: &Table, column: &Column, kept: f64) -> Option<Fix> {
    const MOST: f64 = 10_000.0;
    let wanted = (10.0 * kept).min(MOST);
    let (table, name) = (script::qualified(&table.schema, &table.table), script::identifier(&column.column));
    let keep = |target: String| format!("ALTER TABLE {table} ALTER COLUMN {name} SET STATISTICS {target};");
    let analyze = || format!("ANALYZE {table} ({name});");
    let former = column.statistics_target.filter(|target| *target >= 0).unwrap_or(-1);
    (wanted > kept).then(|| Fix {
        sql: vec![script::patience(2), keep(format!("{wanted}")), analyze()],
        rollback: vec![script::patience(2), keep(former.to_string()), analyze()],
        lock: "SHARE UPDATE EXCLUSIVE on the table".into(),
        blocks: "vacuum and schema changes of this table; no reads, no writes".into(),
        transactional: true,
        caution: "Reads a larger sample of the table, now and whenever it is analysed; planning looks through a longer list.".into(),
    })
}
