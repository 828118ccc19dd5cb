use crate::config::ByteSize;
use crate::model::plan::PlanNode;
use crate::model::{Flavour, Topic};
use crate::plans::logged::Run;
use crate::rule::logged::{self, Habit, Memory};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Sort that goes through files
///
/// A step of a plan sorts more than `work_mem` holds, so the rows are written to files and merged from there, in most of the
/// last slow runs of a statement.
///
/// ## Why it hurts
///
/// Each row is written and read at least once more than it needs to be. The page says which step it is; counters only tell that
/// the statement has written something.
///
/// ## What to do
///
/// An index in the wanted order spares the sort. So does a filter before it, or fewer columns in the rows that go through it. If
/// the amount is reasonable, give the sessions that send it more `work_mem`.
///
/// ## When this page is wrong
///
/// When it is a report that may take its time. It knows the runs that `auto_explain` has put in the log with `log_analyze`: what
/// is faster than `auto_explain.log_min_duration` is not among them. How much memory the sort needs is an estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanDiskSort {
    /// In files at least. Less is gone with a few pages of the cache. Calibrated by us.
    min_bytes: ByteSize,
    /// No script for more memory than this: sessions may use it several times each.
    max_work_mem: ByteSize,
    habit: Habit,
}

impl Default for PlanDiskSort {
    fn default() -> Self {
        Self { min_bytes: ByteSize::mib(4), max_work_mem: ByteSize::mib(256), habit: Habit::default() }
    }
}

/// The same rows take more room in memory than in a file. Calibrated by us: sorts of 300,000 rows took 2 to 3.6 times.
const IN_MEMORY: f64 = 4.0;

impl Rule for PlanDiskSort {
    const ID: &'static str = "plan-disk-sort";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = logged::TOPICS;

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let sorts = |run: &'a Run| {
            let on_disk = |step: &PlanNode| step.worked(|work| work.sorted_on_disk);
            logged::most(&run.plan, on_disk).filter(|(_, bytes)| *bytes >= self.min_bytes.get() as f64)
        };
        let faults = self.habit.faults(seen, sorts);
        faults.into_iter().map(move |fault| {
            let (step, bytes) = fault.what;
            let of_a_process = step.worked(|work| work.sorted_on_disk_most).unwrap_or(bytes);
            let memory = Memory::for_bytes(of_a_process * IN_MEMORY, self.max_work_mem, seen, &fault.key);
            let advice = match &memory {
                Some(Memory { mebibytes, .. }) => format!("Look for an index in the wanted order; else give its sessions {mebibytes} MiB of memory."),
                None => "Look for an index in the wanted order, or have it sort less: it needs more memory than is reasonable.".into(),
            };
            let rows = step.rows.map_or(String::new(), |rows| format!(" for {} rows", script::count(rows)));
            let because = format!(
                "{} sorts through files, {} of them{rows}, {}",
                fault.name(),
                script::bytes(bytes),
                fault.when()
            );
            let numbers = [("sorted_bytes", json!(bytes)), ("rows", json!(step.rows))];
            fault.finding(Self::ID, because, numbers, advice, memory.and_then(|memory| memory.fix)).into()
        })
    }
}
