use crate::model::plan::Trigger;
use crate::model::{Constraint, Finding, Fix, Flavour, InTopic, Name, Scope, Severity, Topic};
use crate::plans::logged::Run;
use crate::rule::catalogue::{self, Catalogue};
use crate::rule::logged::{self, Fault, Habit};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// # Statement whose time is a trigger's
///
/// Most of the time of a statement is spent in one trigger that it sets off, in most of its last slow runs. Foreign keys are kept by
/// triggers as well.
///
/// ## Why it hurts
///
/// Neither the plan nor the statement shows it: what takes the time stands elsewhere, and is done once for each row. Where rows are
/// deleted to which another table refers by columns that no index begins with, that table is read whole for each of them.
///
/// ## What to do
///
/// Build the index that the foreign key lacks. A trigger of your own may be called once for each statement instead of each row
/// (`referencing … table`, 10 and later), or only when it has something to do (`when (…)`).
///
/// ## When this page is wrong
///
/// It knows the runs that `auto_explain` has put in the log with `log_analyze` and `log_triggers`; keys that are checked at the end of
/// the transaction are not in it. Where a key cascades to many rows, writing them is the work, and no index spares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanTriggerTime {
    /// The part of the run that is one trigger's. Calibrated by us: with less, it is not what one would look at first.
    min_share: f64,
    habit: Habit,
}

impl Default for PlanTriggerTime {
    fn default() -> Self {
        Self { min_share: 0.5, habit: Habit::default() }
    }
}

impl Rule for PlanTriggerTime {
    const ID: &'static str = "plan-trigger-time";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] =
        &[Topic::LogEvents, Topic::Tables, Topic::Columns, Topic::Indexes, Topic::Constraints];
    const LOOKS_BACK_AT: &'static [Topic] = &[];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let faults = self.habit.faults(seen, |run| self.heaviest(run));
        logged::one_for_each_subject(faults.iter().map(|fault| finding(seen, fault))).into_iter()
    }
}

impl PlanTriggerTime {
    fn heaviest<'a>(&self, run: &'a Run) -> Option<&'a Trigger> {
        let triggers = run.plan.work.as_deref()?.triggers.iter();
        let heaviest = triggers.max_by(|a, b| a.seconds.total_cmp(&b.seconds))?;
        (heaviest.seconds >= self.min_share * run.seconds).then_some(heaviest)
    }
}

fn finding(seen: &Seen<'_>, fault: &Fault<'_, &Trigger>) -> Finding {
    let trigger = fault.what;
    let key = trigger.constraint.as_deref().and_then(|name| key(seen, &fault.key.database, name));
    let bare = key.and_then(|key| bare(seen, &fault.key.database, key, trigger));
    let on = trigger.relation.as_deref().map_or(String::new(), |relation| format!(" on {relation}"));
    let what = match (key, &trigger.constraint, &trigger.name) {
        (Some(key), ..) => format!("keeping the foreign key {} of {}.{}", key.constraint, key.schema, key.table),
        (None, Some(constraint), _) => format!("keeping the constraint {constraint}{on}"),
        (None, None, Some(name)) => format!("the trigger {name}{on}"),
        (None, None, None) => format!("a trigger{on}"),
    };
    let (why, advice) = match (&bare, &trigger.constraint) {
        (Some(bare), _) => {
            let why = format!(": no index of it begins with {}", bare.columns.join(", "));
            (why, "Build an index on the referring columns.")
        }
        (None, Some(_)) => (String::new(), "See how many rows the key makes it look at or write, and whether all of them are wanted."),
        (None, None) => (String::new(), "Look at its function; have it called once for each statement, or only when it has something to do."),
    };
    let because = format!(
        "{} spent {} of {} in {what}, {} calls, {}{why}",
        fault.name(),
        script::moment(trigger.seconds),
        script::moment(fault.run.seconds),
        script::count(trigger.calls),
        fault.when()
    );
    let numbers = [("trigger_seconds", json!(trigger.seconds)), ("trigger_calls", json!(trigger.calls))];
    let (subject, fix) = bare.map(|bare| (bare.subject, bare.fix)).unzip();
    let mut finding = fault.finding(PlanTriggerTime::ID, because, numbers, advice.into(), fix);
    if let Some(subject) = subject {
        finding.subject = subject;
        finding.severity = Severity::Warning;
    }
    finding
}

/// The only foreign key of this name.
fn key<'a>(seen: &Seen<'a>, database: &Name, name: &str) -> Option<&'a Constraint> {
    let part = seen.now.parts.get(&(Topic::Constraints, Scope::Database(database.clone())))?;
    let mut keys = Constraint::of(&part.rows).iter().filter(|key| &*key.kind == "f" && &*key.constraint == name);
    keys.next().filter(|_| keys.next().is_none())
}

/// A foreign key whose table is searched by columns that no index begins with.
struct Bare {
    subject: String,
    columns: Vec<String>,
    fix: Fix,
}

/// Only whoever deletes from the table that the key points at has the other one searched.
fn bare(seen: &Seen<'_>, database: &Name, key: &Constraint, trigger: &Trigger) -> Option<Bare> {
    let target = trigger.relation.as_deref()?;
    let known = Catalogue::of(seen, database, &BTreeSet::from([key.table.to_string(), target.to_owned()]));
    known.table(target).filter(|table| table.oid == key.target_oid)?;
    let table = known.table(&key.table).filter(|table| table.oid == key.table_oid && &*table.kind == "r")?;
    let numbers = key.column_numbers();
    let is_served = known.indexes(table).iter().any(|index| index.finds_by(&numbers));
    let columns = numbers.iter().map(|number| known.column_at(table.oid, *number));
    let columns: Vec<&str> = columns.map(|column| Some(&*column?.column)).collect::<Option<_>>()?;
    (!is_served && !columns.is_empty()).then(|| Bare {
        subject: format!("{} {}", catalogue::name(table), key.constraint),
        fix: known.create_index(table, &columns),
        columns: columns.into_iter().map(str::to_owned).collect(),
    })
}
