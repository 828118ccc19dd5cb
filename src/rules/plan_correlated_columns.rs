use crate::model::{Column, Confidence, Finding, Fix, Flavour, Severity, Table, Topic};
use crate::rule::catalogue;
use crate::rule::estimate::{self, Cause, Estimate, Misjudged};
use crate::rule::logged::Habit;
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Columns whose values go together
///
/// A statement compares several columns of a table with values, each by itself well known to the planner, and far more rows have all
/// of them than it expects, in most of the last slow runs.
///
/// ## Why it hurts
///
/// The planner takes columns for independent: of a hundred towns and a thousand postcodes it expects every pair once, though each
/// postcode lies in one town. The more columns, the fewer rows it expects, and it joins them in a way that is only good for a few.
///
/// ## What to do
///
/// Create statistics of these columns together, then analyse the table.
///
/// ## When this page is wrong
///
/// It knows the runs that `auto_explain` has put in the log with `log_analyze`. That each column by itself is well known is concluded
/// from what the server tells of its statistics. Values that are rare together but not listed one by one are expected as before; the
/// list holds pairs only on PostgreSQL 12 and later. Ranges and expressions are not looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanCorrelatedColumns {
    estimate: Estimate,
    habit: Habit,
}

impl Default for PlanCorrelatedColumns {
    /// Two columns of ten values each cannot be off by more than ten, and where the cause is known, that is enough.
    fn default() -> Self {
        Self { estimate: Estimate { min_factor: 10.0, ..Estimate::default() }, habit: Habit::default() }
    }
}

impl Rule for PlanCorrelatedColumns {
    const ID: &'static str = "plan-correlated-columns";
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
    let Cause::Correlated { table, columns } = cause else { return None };
    let names: Vec<&str> = columns.iter().map(|column| &*column.column).collect();
    let name = catalogue::name(table);
    let because = format!("{}: it takes {} for independent", fault.sentence(Some(&name)), names.join(", "));
    let advice = "Create statistics of these columns together, then analyse the table.";
    let mut finding = fault.finding(PlanCorrelatedColumns::ID, because, fault.numbers(), advice.into(), Some(statistics(table, columns)));
    finding.evidence.insert("columns".into(), json!(names));
    finding.subject = format!("{name} ({})", names.join(", "));
    finding.severity = Severity::Warning;
    finding.confidence = Confidence::Estimated;
    Some(finding)
}

fn statistics(table: &Table, columns: &[&Column]) -> Fix {
    let columns: Vec<String> = columns.iter().map(|column| column.column.to_string()).collect();
    let (create, drop) = script::statistics(&table.schema, &table.table, &columns);
    let analyze = script::analyze(&table.schema, &table.table);
    Fix {
        sql: vec![script::patience(2), create].into_iter().chain(analyze.sql.into_iter().skip(1)).collect(),
        rollback: vec![script::patience(2), drop],
        caution: "Reads a sample of the table, now and whenever it is analysed. Plans may change, mostly for the better.".into(),
        ..analyze
    }
}
