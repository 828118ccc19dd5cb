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

/// # Hash that is built in parts
///
/// A hash join or a hashed aggregate has no room for its table in memory, so it is split into batches that go through files, in
/// most of the last slow runs of a statement.
///
/// ## Why it hurts
///
/// Of a join both sides are written to files and read back, all but the first batch of each. The more batches, the more of it;
/// and when the planner had expected one, it chose the hash for a speed that it does not have.
///
/// ## What to do
///
/// If the amount is reasonable, give the sessions that send it more `work_mem`, or raise `hash_mem_multiplier`. If the planner
/// expected far fewer rows, mend its statistics first. Fewer columns in the smaller side help as well.
///
/// ## When this page is wrong
///
/// When it is a report that may take its time. It knows the runs that `auto_explain` has put in the log with `log_analyze`. How
/// large the whole table is, is the memory of one batch times their number: an estimate, too high where a few values are in most
/// of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanHashBatches {
    /// What the whole table takes at least: with less the detour is short. Calibrated by us.
    min_bytes: ByteSize,
    /// No script for more memory than this: sessions may use it several times each.
    max_work_mem: ByteSize,
    habit: Habit,
}

impl Default for PlanHashBatches {
    fn default() -> Self {
        Self { min_bytes: ByteSize::mib(4), max_work_mem: ByteSize::mib(256), habit: Habit::default() }
    }
}

/// Batches are not all of one size. Calibrated by us.
const ROOM: f64 = 1.5;

impl Rule for PlanHashBatches {
    const ID: &'static str = "plan-hash-batches";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = logged::TOPICS;

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let in_parts = |run: &'a Run| {
            logged::most(&run.plan, |step| Some(needs(step)).filter(|_| batches(step) > 1.0))
                .filter(|(_, bytes)| *bytes >= self.min_bytes.get() as f64)
        };
        let faults = self.habit.faults(seen, in_parts);
        faults.into_iter().map(move |fault| {
            let (step, bytes) = fault.what;
            let parts = batches(step);
            let memory = Memory::for_bytes(bytes * ROOM, self.max_work_mem, seen, &fault.key);
            let advice = match &memory {
                Some(Memory { mebibytes, .. }) => {
                    format!("Give its sessions {mebibytes} MiB of memory; if the planner expected far fewer rows, mend its statistics first.")
                }
                None => "It needs more memory than is reasonable: have it hash less, or mend what the planner expects.".into(),
            };
            let because = format!(
                "{} hashes about {} in {} parts because there is no room for all of it in memory, {}",
                fault.name(),
                script::bytes(bytes),
                script::count(parts),
                fault.when()
            );
            let numbers = [("batches", json!(parts)), ("hashed_bytes", json!(bytes)), ("rows", json!(step.rows))];
            fault.finding(Self::ID, because, numbers, advice, memory.and_then(|memory| memory.fix)).into()
        })
    }
}

fn batches(step: &PlanNode) -> f64 {
    step.worked(|work| work.batches).unwrap_or(1.0)
}

/// What the whole table takes: an aggregate keeps what it has begun in memory, and tells what went to files.
fn needs(step: &PlanNode) -> f64 {
    let told = |of: fn(&crate::model::plan::Work) -> Option<f64>| step.worked(of);
    let memory = told(|work| work.memory).unwrap_or_default();
    match told(|work| work.hashed_on_disk) {
        Some(on_disk) => memory + on_disk,
        None => memory * batches(step),
    }
}
