//! The plans of the statements that matter: the present one, those before it, and what the statement has cost under
//! each. What a plan costs is counted here and not taken from the server, which does not know plans apart.

pub mod logged;

use crate::model::Name;
use crate::model::plan::PlanNode;
use crate::sql::Digest;
use crate::workload::{Cost, Key};
use logged::Logged;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Statements whose plans are kept; the one that was asked about longest ago makes room.
pub const MAX_STATEMENTS: usize = 200;
/// Plans of one statement: who flips more often is a finding by itself.
const MAX_SHAPES: usize = 5;
/// Steps of all plans together, some 400 bytes each.
const MAX_STEPS: usize = 20_000;
/// A plan that was not seen again for so long is no longer believed.
const BELIEVED: f64 = 3.0 * 3_600.0;
/// Runs that a mean needs before a stretch may differ from it, and by how much it must, for the plan to be doubted.
const ENOUGH_CALLS: f64 = 30.0;
const UNSTEADY: f64 = 2.0;

/// What a statement has cost while it had one plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Ran {
    pub calls: f64,
    pub exec_seconds: f64,
    pub touched_bytes: f64,
}

impl Ran {
    fn add(&mut self, other: Ran) {
        self.calls += other.calls;
        self.exec_seconds += other.exec_seconds;
        self.touched_bytes += other.touched_bytes;
    }

    fn and(mut self, other: Ran) -> Ran {
        self.add(other);
        self
    }

    pub fn mean_seconds(&self) -> f64 {
        self.exec_seconds / self.calls.max(1.0)
    }

    pub fn touched_each(&self) -> f64 {
        self.touched_bytes / self.calls.max(1.0)
    }
}

/// One plan of a statement, by its shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    pub fingerprint: u64,
    /// Unix seconds.
    pub first_seen: f64,
    /// Since when it is, or was, the present one.
    pub since: f64,
    pub last_seen: f64,
    pub plan: Arc<PlanNode>,
    /// What is known to have run under it since then.
    pub ran: Ran,
}

/// What is known of the plans of one statement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// When there was an answer last, and if it was none, why.
    pub asked_at: f64,
    pub refused: Option<String>,
    /// The present one last.
    pub shapes: Vec<Shape>,
    /// What ran since the last answer at the pace of the plan that was seen then, and what ran after that pace had
    /// changed: under which plan nobody knows.
    steady: Ran,
    unsteady: Ran,
}

impl History {
    /// The present plan.
    pub fn present(&self) -> Option<&Shape> {
        self.shapes.last()
    }

    /// The plan before it.
    pub fn former(&self) -> Option<&Shape> {
        self.shapes.len().checked_sub(2).and_then(|nth| self.shapes.get(nth))
    }

    /// What ran under the present plan, the time since it was seen last included.
    pub fn ran(&self) -> Ran {
        self.present().map_or(Ran::default(), |shape| shape.ran.and(self.steady))
    }

    /// Was the present plan seen so lately that it may be taken for the one in use?
    fn is_believed(&self, at: f64) -> bool {
        self.present().is_some_and(|shape| at - shape.last_seen <= BELIEVED)
    }

    /// Does it run at another pace than under the plan that was seen last?
    pub fn is_in_doubt(&self) -> bool {
        self.unsteady.calls > 0.0
    }

    fn run(&mut self, ran: Ran, at: f64) {
        let known = self.ran();
        let differs = known.calls >= ENOUGH_CALLS && ran.calls > 0.0 && {
            let (before, now) = (known.mean_seconds(), ran.mean_seconds());
            now > UNSTEADY * before || before > UNSTEADY * now
        };
        let is_known = !self.is_in_doubt() && !differs && self.is_believed(at);
        if is_known { self.steady.add(ran) } else { self.unsteady.add(ran) }
    }

    fn learn(&mut self, plan: PlanNode, at: f64) {
        let (steady, unsteady) = (std::mem::take(&mut self.steady), std::mem::take(&mut self.unsteady));
        let fingerprint = plan.fingerprint();
        let plan = Arc::new(plan);
        if let Some(last) = self.shapes.last_mut() {
            last.ran.add(steady);
            if last.fingerprint == fingerprint {
                last.ran.add(unsteady);
                (last.last_seen, last.plan) = (at, plan);
                return;
            }
        }
        let known = self.shapes.iter().position(|shape| shape.fingerprint == fingerprint);
        let first_seen = known.map_or(at, |nth| self.shapes.remove(nth).first_seen);
        self.shapes.push(Shape {
            fingerprint,
            first_seen,
            since: at,
            last_seen: at,
            plan,
            ran: Ran::default(),
        });
        let excess = self.shapes.len().saturating_sub(MAX_SHAPES);
        self.shapes.drain(..excess);
    }

    /// Takes in what was learned after all this.
    fn go_on_with(&mut self, since: History) {
        if since.asked_at > self.asked_at {
            (self.asked_at, self.refused) = (since.asked_at, since.refused);
        }
        for shape in since.shapes {
            self.learn(PlanNode::clone(&shape.plan), shape.since);
            if let Some(present) = self.shapes.last_mut() {
                present.last_seen = shape.last_seen;
                present.ran.add(shape.ran);
            }
        }
        self.steady.add(since.steady);
        self.unsteady.add(since.unsteady);
    }

    fn steps(&self) -> usize {
        self.shapes.iter().map(|shape| shape.plan.steps()).sum()
    }
}

/// One history with its statement, as it is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub database: Name,
    pub digest: Digest,
    pub history: History,
}

/// The plans of one target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plans {
    histories: BTreeMap<Key, History>,
    /// What single runs have done, as a log shows it.
    pub logged: Logged,
}

impl Plans {
    /// Has nobody planned anything for us yet?
    pub fn is_empty(&self) -> bool {
        self.histories.is_empty()
    }

    pub fn of(&self, key: &Key) -> Option<&History> {
        self.histories.get(key)
    }

    pub fn each(&self) -> impl Iterator<Item = (&Key, &History)> {
        self.histories.iter()
    }

    /// The history of a statement whose present plan may be believed.
    pub fn believed(&self, key: &Key, at: f64) -> Option<&History> {
        self.of(key).filter(|history| history.is_believed(at))
    }

    /// An answer: the plan, or why there is none.
    pub fn learn(&mut self, key: Key, answer: Result<PlanNode, String>, at: f64) {
        let history = self.histories.entry(key).or_default();
        history.asked_at = at;
        history.refused = match answer {
            Ok(plan) => {
                history.learn(plan, at);
                None
            }
            Err(why) => Some(why),
        };
        self.make_room();
    }

    /// What ran since the last beat.
    pub fn run(&mut self, ran: &BTreeMap<Key, Cost>, at: f64) {
        for (key, history) in &mut self.histories {
            if let Some(Cost { calls, exec_seconds, touched_bytes, .. }) = ran.get(key).copied() {
                history.run(Ran { calls, exec_seconds, touched_bytes }, at);
            }
        }
    }

    /// What a former life left.
    pub fn restore(kept: Vec<Kept>) -> Plans {
        let mut plans = Plans::default();
        plans.recall(kept);
        plans
    }

    /// What a former life left, heard of at any time: what was learned since comes after it.
    pub fn recall(&mut self, kept: Vec<Kept>) {
        for Kept { database, digest, history } in kept.into_iter().take(MAX_STATEMENTS) {
            let known = self.histories.entry(Key { digest, database }).or_default();
            let since = std::mem::replace(known, history);
            known.go_on_with(since);
        }
        self.make_room();
    }

    pub fn to_vec(&self) -> Vec<Kept> {
        let kept = |(key, history): (&Key, &History)| Kept {
            database: key.database.clone(),
            digest: key.digest,
            history: history.clone(),
        };
        self.histories.iter().map(kept).collect()
    }

    fn make_room(&mut self) {
        let steps =
            |histories: &BTreeMap<Key, History>| histories.values().map(History::steps).sum::<usize>();
        while self.histories.len() > MAX_STATEMENTS
            || self.histories.len() > 1 && steps(&self.histories) > MAX_STEPS
        {
            let oldest = self.histories.iter().min_by(|a, b| a.1.asked_at.total_cmp(&b.1.asked_at));
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { return };
            self.histories.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digest: u64) -> Key {
        Key { digest: Digest(digest), database: "shop".into() }
    }

    fn plan(kind: &str) -> PlanNode {
        PlanNode { kind: kind.into(), ..PlanNode::default() }
    }

    fn ran(calls: f64, mean: f64) -> Ran {
        Ran { calls, exec_seconds: calls * mean, touched_bytes: 0.0 }
    }

    #[test]
    fn each_plan_is_charged_with_what_is_known_to_have_run_under_it() {
        let mut history = History::default();
        history.learn(plan("Index Scan"), 0.0);
        history.run(ran(40.0, 0.001), 0.0);
        history.run(ran(40.0, 0.0015), 0.0);
        assert_eq!((history.ran().calls, history.is_in_doubt()), (80.0, false));
        history.run(ran(10.0, 0.1), 0.0);
        history.run(ran(10.0, 0.001), 0.0);
        assert!(history.is_in_doubt(), "once the pace has changed nobody knows");
        history.learn(plan("Seq Scan"), 60.0);
        history.run(ran(5.0, 0.1), 0.0);
        let (former, present) = (history.former().unwrap(), history.present().unwrap());
        assert_eq!((former.ran.calls, present.since, history.ran().calls), (80.0, 60.0, 5.0));
        history.learn(plan("Seq Scan"), 120.0);
        history.run(ran(5.0, 0.1), 0.0);
        assert_eq!((history.shapes.len(), history.ran().calls), (2, 10.0), "confirmed");
        history.learn(plan("Index Scan"), 180.0);
        let back = history.present().unwrap();
        assert_eq!(
            (history.shapes.len(), back.first_seen, back.since, back.ran),
            (2, 0.0, 180.0, Ran::default())
        );
    }

    #[test]
    fn there_is_room_for_so_many_statements_plans_and_steps() {
        let mut plans = Plans::default();
        for nth in 0..300 {
            plans.learn(key(nth), Ok(plan("Seq Scan")), nth as f64);
        }
        assert_eq!(
            (plans.each().count(), plans.of(&key(99)), plans.of(&key(100)).is_some()),
            (200, None, true)
        );
        for nth in 0..9 {
            plans.learn(key(299), Ok(plan(&format!("Plan {nth}"))), 300.0);
        }
        assert_eq!(plans.of(&key(299)).unwrap().shapes.len(), MAX_SHAPES);
        let large = PlanNode { children: vec![plan("Seq Scan"); 1_999], ..plan("Append") };
        for nth in 0..30 {
            plans.learn(key(nth), Ok(large.clone()), 400.0 + nth as f64);
        }
        assert_eq!(plans.each().count(), 10);
    }

    #[test]
    fn a_refusal_takes_no_plan_away_and_an_old_plan_is_not_believed() {
        let mut plans = Plans::default();
        plans.learn(key(1), Ok(plan("Seq Scan")), 100.0);
        plans.learn(key(1), Err("locked".into()), 200.0);
        assert_eq!(plans.of(&key(1)).unwrap().refused.as_deref(), Some("locked"));
        assert!(plans.believed(&key(1), 10_900.0).is_some() && plans.believed(&key(1), 10_901.0).is_none());
        let ran = BTreeMap::from([(key(1), Cost { calls: 5.0, ..Cost::default() })]);
        plans.run(&ran, 10_900.0);
        plans.run(&ran, 10_901.0);
        let history = plans.of(&key(1)).unwrap();
        assert_eq!(
            (history.ran().calls, history.is_in_doubt()),
            (5.0, true),
            "nobody knows what runs by now"
        );
        assert_eq!(Plans::restore(plans.to_vec()), plans);
        let text = serde_json::to_string(&plans.to_vec()).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Kept>>(&text).unwrap(), plans.to_vec());
    }
}
