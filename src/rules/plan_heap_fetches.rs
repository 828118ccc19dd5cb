use crate::model::plan::PlanNode;
use crate::model::{Finding, Flavour, Name, Session, Table, Timestamp, Topic};
use crate::rule::catalogue::{self, Catalogue};
use crate::plans::logged::Run;
use crate::rule::logged::{self, Fault, Habit};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// # Index that cannot answer alone
///
/// A step of a plan finds all that it wants in an index, but for most rows it must look into the table whether they are there for
/// everybody, in most of the last slow runs of a statement.
///
/// ## Why it hurts
///
/// Each such look is a page of the table, in the order of the index: up to one page a row. That is what an index-only scan is
/// chosen to spare, and what the planner did not expect.
///
/// ## What to do
///
/// Vacuum the table: that marks the pages whose rows everybody sees. If they are soon unmarked again, have autovacuum come more
/// often to this table; to one that is only inserted to it comes by `autovacuum_vacuum_insert_scale_factor`. If vacuum came and
/// marked nothing, an old transaction, a prepared one or a replication slot still looks at what was before.
///
/// ## When this page is wrong
///
/// It knows the runs that `auto_explain` has put in the log with `log_analyze`. Where most of a table changes between two runs no
/// vacuum helps for long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanHeapFetches {
    /// Looks into the table of one run. Calibrated by us: from memory ten thousand take some ten milliseconds.
    min_fetches: f64,
    /// Of the rows that the step has read, the share that it looked up. A known reader of plans warns from 0.4 on.
    min_share: f64,
    habit: Habit,
}

impl Default for PlanHeapFetches {
    fn default() -> Self {
        Self { min_fetches: 10_000.0, min_share: 0.5, habit: Habit::default() }
    }
}

/// The step, and how often it looked into the table.
type Fetches<'a> = Fault<'a, (&'a PlanNode, f64)>;

impl Rule for PlanHeapFetches {
    const ID: &'static str = "plan-heap-fetches";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::LogEvents, Topic::Tables, Topic::Sessions];
    const LOOKS_BACK_AT: &'static [Topic] = &[];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let fetches = |run: &'a Run| {
            logged::most(&run.plan, |step| self.fetches(step)).filter(|(step, _)| logged::weighs(step, &run.plan))
        };
        let faults = self.habit.faults(seen, fetches);
        logged::one_for_each_subject(faults.iter().filter_map(|fault| finding(seen, fault))).into_iter()
    }
}

impl PlanHeapFetches {
    fn fetches(&self, step: &PlanNode) -> Option<f64> {
        let fetches = step.worked(|work| work.heap_fetches)?;
        (fetches >= self.min_fetches && fetches >= self.min_share * read(step)?).then_some(fetches)
    }
}

/// Rows that the step has found in the index.
fn read(step: &PlanNode) -> Option<f64> {
    Some(step.rows? + step.rows_removed.unwrap_or_default() * step.loops?)
}

fn finding(seen: &Seen<'_>, fault: &Fetches<'_>) -> Option<Finding> {
    let (step, fetches) = fault.what;
    let relation = step.relation.as_deref()?;
    let known = Catalogue::of(seen, &fault.key.database, &BTreeSet::from([relation.to_owned()]));
    let table = known.table(relation)?;
    let vacuumed = last_vacuum(table);
    // Nobody knows yet how it runs since.
    if vacuumed.is_some_and(|vacuumed| vacuumed.get() >= fault.run.since) {
        return None;
    }
    let (name, rows) = (catalogue::name(table), read(step)?);
    let holder = vacuumed.and_then(|vacuumed| holder(seen, &fault.key.database, vacuumed));
    let held = holder.map_or(String::new(), |session| {
        format!(
            "; session {} has been in one transaction since before it was vacuumed last, which could not mark what changed in that time",
            session.pid
        )
    });
    let because = format!(
        "{} looks into {name} {} times for the {} rows that it reads from an index, {}{held}",
        fault.name(),
        script::count(fetches),
        script::count(rows),
        fault.when()
    );
    let caution = "Reads what has changed of the table. While an older transaction is open it marks only what was there before it.";
    let (advice, fix) = match holder {
        Some(session) => (format!("Have session {} end its transaction, then vacuum the table: before that it marks little.", session.pid), None),
        None => (
            "Vacuum the table; if that does not last, have autovacuum come to it more often.".to_owned(),
            Some(script::vacuum(&table.schema, &table.table, caution)),
        ),
    };
    let numbers = [
        ("heap_fetches", json!(fetches)),
        ("rows_read", json!(rows)),
        ("index", json!(step.index)),
        ("last_vacuum_unix_seconds", json!(vacuumed.map(|at| at.get().round()))),
        ("held_back_by_pid", json!(holder.map(|session| session.pid))),
    ];
    let mut finding = fault.finding(PlanHeapFetches::ID, because, numbers, advice, fix);
    finding.subject = name;
    Some(finding)
}

fn last_vacuum(table: &Table) -> Option<Timestamp> {
    let times = [table.last_vacuum, table.last_autovacuum];
    times.into_iter().flatten().max_by(|a, b| a.get().total_cmp(&b.get()))
}

/// Who has been in one transaction since before the table was vacuumed, the oldest, and so kept its pages from being marked.
fn holder<'a>(seen: &Seen<'a>, database: &Name, vacuumed: Timestamp) -> Option<&'a Session> {
    let was_there = |session: &&Session| {
        session.database.as_ref() == Some(database)
            && held_back(session).is_some()
            && session.transaction_start.is_some_and(|start| start.get() < vacuumed.get())
    };
    seen.now.rows::<Session>().filter(was_there).max_by_key(|session| held_back(session))
}

/// For how many transactions no row is taken to be seen by everybody for its sake: since it began to look, or to write.
fn held_back(session: &Session) -> Option<i64> {
    session.xmin_age.max(session.xid_age)
}
