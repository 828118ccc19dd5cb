//! Plans by the shape that a statement was executed with.

use super::names::{ByHash, Name};
use crate::explain::table::{self, Essence};
use crate::log::Micros;
use crate::model::plan::PlanNode;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Shapes that are told apart: a statement rarely has more than three, and few statements are explained.
const MAX_PLANS: usize = 5_000;
/// Steps of all their trees together, some 400 bytes each.
const MAX_STEPS: usize = 100_000;
/// Blocks of rows whose shape is remembered. Past that the memory is wiped: the frequent ones are back at once.
const MAX_KNOWN: usize = 1 << 12;

#[derive(Debug, Default)]
pub struct Plans {
    by_shape: BTreeMap<Key, Plan>,
    steps: usize,
    pub dropped: u64,
    essence: Essence,
    /// The shapes of `# explain:` blocks, by their essence; none where it is no plan.
    known: ByHash<u64, Option<u64>>,
}

/// A shape that a statement was executed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Of the statement, where it has one.
    pub digest: Option<u64>,
    pub shape: u64,
    pub database: Option<Name>,
}

#[derive(Debug)]
pub struct Plan {
    pub count: u64,
    /// In microseconds.
    pub total: u64,
    pub max: u64,
    /// When it ran last.
    pub last: Option<Micros>,
    /// Of the slowest.
    pub tree: PlanNode,
}

/// A shape, whatever the database.
#[derive(Debug)]
pub struct Everywhere<'a> {
    pub digest: Option<u64>,
    pub shape: u64,
    pub count: u64,
    pub total: u64,
    pub max: u64,
    pub tree: &'a PlanNode,
}

impl Plans {
    pub fn add(
        &mut self,
        digest: Option<u64>,
        database: Option<Name>,
        micros: u64,
        at: Option<Micros>,
        tree: PlanNode,
    ) {
        let key = Key { digest, shape: tree.fingerprint(), database };
        self.put(key, Plan { count: 1, total: micros, max: micros, last: at, tree });
    }

    /// The same of the rows of `# explain:`, which every entry of a log may have: they become a tree only where it is
    /// kept. False if they are no plan.
    pub fn add_rows(
        &mut self,
        digest: Option<u64>,
        database: Option<Name>,
        micros: u64,
        at: Option<Micros>,
        block: &[u8],
    ) -> bool {
        let Some(shape) = self.shape(block) else { return false };
        let key = Key { digest, shape, database };
        if let Some(known) = self.by_shape.get_mut(&key).filter(|known| micros <= known.max) {
            known.ran(1, micros, at);
        } else if let Some(tree) = table::read(block) {
            self.put(key, Plan { count: 1, total: micros, max: micros, last: at, tree });
        }
        true
    }

    fn shape(&mut self, block: &[u8]) -> Option<u64> {
        if block.is_empty() {
            return None;
        }
        let essence = xxh3_64(self.essence.of(block));
        if let Some(shape) = self.known.get(&essence) {
            return *shape;
        }
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        let shape = table::read(block).map(|tree| tree.fingerprint());
        self.known.insert(essence, shape);
        shape
    }

    fn put(&mut self, key: Key, plan: Plan) {
        let steps = plan.tree.steps();
        let full = self.by_shape.len() >= MAX_PLANS || self.steps + steps > MAX_STEPS;
        match self.by_shape.get_mut(&key) {
            // Trees of one shape have as many steps.
            Some(known) => {
                known.ran(plan.count, plan.total, plan.last);
                if plan.max > known.max {
                    known.max = plan.max;
                    known.tree = plan.tree;
                }
            }
            None if full => self.dropped += plan.count,
            None => {
                self.steps += steps;
                self.by_shape.insert(key, plan);
            }
        }
    }

    /// `rename` gives our number of its names.
    pub fn merge(&mut self, later: Self, rename: impl Fn(Name) -> Option<Name>) {
        for (key, plan) in later.by_shape {
            self.put(Key { database: key.database.and_then(&rename), ..key }, plan);
        }
        self.dropped += later.dropped;
    }

    pub fn each(&self) -> impl Iterator<Item = (&Key, &Plan)> {
        self.by_shape.iter()
    }

    pub fn costliest(&self) -> Vec<Everywhere<'_>> {
        let mut plans: Vec<Everywhere<'_>> = Vec::new();
        for (Key { digest, shape, .. }, plan) in &self.by_shape {
            let Plan { count, total, max, tree, .. } = plan;
            // Those of all databases stand beside each other.
            match plans.last_mut().filter(|last| (last.digest, last.shape) == (*digest, *shape)) {
                Some(known) => {
                    known.count += count;
                    known.total = known.total.saturating_add(*total);
                    if *max > known.max {
                        (known.max, known.tree) = (*max, tree);
                    }
                }
                None => plans.push(Everywhere {
                    digest: *digest,
                    shape: *shape,
                    count: *count,
                    total: *total,
                    max: *max,
                    tree,
                }),
            }
        }
        plans.sort_by_key(|plan| (Reverse(plan.total), plan.digest, plan.shape));
        plans
    }
}

impl Plan {
    fn ran(&mut self, count: u64, total: u64, last: Option<Micros>) {
        self.count += count;
        self.total = self.total.saturating_add(total);
        self.last = self.last.max(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(kind: &str, children: usize) -> PlanNode {
        PlanNode { kind: kind.into(), children: vec![PlanNode::default(); children], ..PlanNode::default() }
    }

    #[test]
    fn databases_are_told_apart_and_come_together_in_a_report() {
        let (mut sum, mut later) = (Plans::default(), Plans::default());
        sum.add(Some(1), Some(0), 10, Some(5), plan("Seq Scan", 0));
        later.add(Some(1), Some(0), 30, Some(7), plan("Seq Scan", 0));
        later.add(Some(1), Some(1), 20, Some(6), plan("Seq Scan", 0));
        sum.merge(later, |name| Some(1 - name));
        let each: Vec<_> = sum.each().map(|(key, plan)| (key.database, plan.count, plan.last)).collect();
        assert_eq!(each, [(Some(0), 2, Some(6)), (Some(1), 1, Some(7))]);
        let all = sum.costliest();
        assert_eq!((all.len(), all[0].count, all[0].total, all[0].max), (1, 3, 60, 30));
    }

    /// A tree that is not read is not missed: what is kept is that of the slowest run.
    #[test]
    fn rows_add_up_to_what_their_trees_do() {
        let block = |table: &str, rows: u64| {
            format!(
                "# explain: id\tselect_type\ttable\ttype\tr_rows\n# explain: 1\tSIMPLE\t{table}\tALL\t{rows}.00\n"
            )
        };
        let (mut trees, mut rows) = (Plans::default(), Plans::default());
        for (nth, micros) in [5, 9, 2, 9, 40, 3].into_iter().enumerate() {
            let block = block(["a", "b"][nth % 2], 10 * micros);
            let at = Some(nth as Micros);
            trees.add(Some(1), None, micros, at, table::read(block.as_bytes()).unwrap());
            assert!(rows.add_rows(Some(1), None, micros, at, block.as_bytes()));
        }
        assert!(
            !rows.add_rows(Some(1), None, 1, None, b"")
                && !rows.add_rows(Some(1), None, 1, None, b"# explain: x")
        );
        let told = |plans: &Plans| format!("{:?}", plans.by_shape);
        assert_eq!((rows.by_shape.len(), told(&rows)), (2, told(&trees)));
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let mut sum = Plans::default();
        for nth in 0..60 {
            sum.add(Some(nth), None, 1, None, plan("Append", 1_999));
        }
        assert_eq!((sum.each().count(), sum.dropped), (50, 10));
        sum.add(Some(0), None, 1, None, plan("Append", 1_999));
        assert_eq!(sum.dropped, 10, "what is known needs no more room");
    }
}
