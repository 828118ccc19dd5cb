//! Plans that a log has shown, of statements that matter: each is of one run and tells what every step really did. Of
//! each statement the newest are kept, some time apart, so that a page can tell a habit from an accident.

use crate::model::plan::PlanNode;
use crate::workload::Key;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Statements of which plans are kept; the one of which none has come for the longest time makes room.
const MAX_STATEMENTS: usize = 200;
/// Plans of one statement.
pub const MAX_RUNS: usize = 4;
/// Seconds for which the slowest run stands.
const APART: f64 = 5.0;
/// Steps of all plans together, some 400 bytes each.
const MAX_STEPS: usize = 20_000;

/// The slowest run of a while, with its plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// When the while began and when the last run of it ended, in unix seconds, by the clock of the log.
    pub since: f64,
    pub at: f64,
    /// Runs that the log has shown in it.
    pub runs: f64,
    pub seconds: f64,
    pub plan: Arc<PlanNode>,
}

/// What a log has shown since it was last told: of the runs with a plan of one shape the slowest.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub key: Key,
    pub at: f64,
    pub runs: f64,
    pub seconds: f64,
    pub plan: Arc<PlanNode>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Logged {
    /// The newest last.
    runs: BTreeMap<Key, Vec<Run>>,
    since: Option<f64>,
}

impl Logged {
    /// Since when there is a log that could show plans, in unix seconds.
    pub fn since(&self) -> Option<f64> {
        self.since
    }

    pub fn each(&self) -> impl Iterator<Item = (&Key, &[Run])> {
        self.runs.iter().map(|(key, runs)| (key, runs.as_slice()))
    }

    /// A log was read at this time and has shown these plans.
    pub fn hear(&mut self, shown: Vec<Shown>, at: f64) {
        self.since.get_or_insert(at);
        for Shown { key, at, runs, seconds, plan } in shown {
            let known = self.runs.entry(key).or_default();
            let run = Run { since: at, at, runs, seconds, plan };
            match known.last_mut().filter(|last| at - last.since < APART) {
                Some(last) => {
                    let slower = run.seconds > last.seconds;
                    let (since, at) = (last.since, last.at.max(run.at));
                    let runs = last.runs + run.runs;
                    let slowest = if slower { run } else { last.clone() };
                    *last = Run { since, at, runs, ..slowest };
                }
                None => known.push(run),
            }
            let excess = known.len().saturating_sub(MAX_RUNS);
            known.drain(..excess);
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        let newest = |runs: &Vec<Run>| runs.last().map_or(f64::NEG_INFINITY, |run| run.at);
        let steps = |runs: &Vec<Run>| runs.iter().map(|run| run.plan.steps()).sum::<usize>();
        let mut all: usize = self.runs.values().map(steps).sum();
        while self.runs.len() > MAX_STATEMENTS || self.runs.len() > 1 && all > MAX_STEPS {
            let oldest = self.runs.iter().min_by(|a, b| newest(a.1).total_cmp(&newest(b.1)));
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { return };
            all -= self.runs.remove(&key).as_ref().map_or(0, steps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Digest;

    fn shown(digest: u64, at: f64, seconds: f64, kind: &str) -> Shown {
        let key = Key { digest: Digest(digest), database: "shop".into() };
        let plan = Arc::new(PlanNode { kind: kind.into(), ..PlanNode::default() });
        Shown { key, at, runs: 1.0, seconds, plan }
    }

    fn kept(logged: &Logged) -> Vec<(f64, f64, f64, &str)> {
        let (_, runs) = logged.each().next().unwrap();
        runs.iter().map(|run| (run.since, run.runs, run.seconds, run.plan.kind.as_str())).collect()
    }

    #[test]
    fn the_slowest_stands_for_a_while_and_the_newest_whiles_are_kept() {
        let mut logged = Logged::default();
        assert_eq!(logged.since(), None);
        logged.hear(Vec::new(), 90.0);
        logged.hear(vec![shown(1, 100.0, 0.2, "Sort"), shown(1, 101.0, 0.9, "Hash")], 101.0);
        logged.hear(vec![shown(1, 104.9, 0.3, "Sort")], 105.0);
        assert_eq!((logged.since(), kept(&logged)), (Some(90.0), vec![(100.0, 3.0, 0.9, "Hash")]));
        logged.hear((0..4).map(|nth| shown(1, 105.0 + 5.0 * f64::from(nth), 0.1, "Sort")).collect(), 130.0);
        let whiles: Vec<f64> = kept(&logged).iter().map(|run| run.0).collect();
        assert_eq!(whiles, [105.0, 110.0, 115.0, 120.0]);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut logged = Logged::default();
        logged.hear((0..300).map(|nth| shown(nth, nth as f64, 1.0, "Sort")).collect(), 300.0);
        let first = logged.each().next().unwrap().0.digest;
        assert_eq!((logged.each().count(), first), (MAX_STATEMENTS, Digest(100)));
        let large = PlanNode { children: vec![PlanNode::default(); 1_999], ..PlanNode::default() };
        let large = |nth| Shown { plan: Arc::new(large.clone()), ..shown(nth, 400.0, 1.0, "") };
        logged.hear((1_000..1_030).map(large).collect(), 400.0);
        assert_eq!(logged.each().count(), 10);
    }
}
