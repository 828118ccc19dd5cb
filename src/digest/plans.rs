//! Plans by the shape that a statement was executed with.

use crate::model::plan::PlanNode;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Shapes that are told apart: a statement rarely has more than three, and few statements are explained.
const MAX_PLANS: usize = 5000;

#[derive(Debug, Default)]
pub struct Plans {
    by_shape: BTreeMap<(Option<u64>, u64), Plan>,
    pub dropped: u64,
}

#[derive(Debug)]
pub struct Plan {
    pub count: u64,
    /// In microseconds.
    pub total: u64,
    pub max: u64,
    /// Of the slowest.
    pub tree: PlanNode,
}

impl Plans {
    /// `digest` is that of the statement.
    pub fn add(&mut self, digest: Option<u64>, micros: u64, tree: PlanNode) {
        let key = (digest, tree.fingerprint());
        self.put(key, Plan { count: 1, total: micros, max: micros, tree });
    }

    fn put(&mut self, key: (Option<u64>, u64), plan: Plan) {
        let full = self.by_shape.len() >= MAX_PLANS;
        match self.by_shape.get_mut(&key) {
            Some(known) => {
                known.count += plan.count;
                known.total = known.total.saturating_add(plan.total);
                if plan.max > known.max {
                    known.max = plan.max;
                    known.tree = plan.tree;
                }
            }
            None if full => self.dropped += plan.count,
            None => {
                self.by_shape.insert(key, plan);
            }
        }
    }

    pub fn merge(&mut self, later: Self) {
        later.by_shape.into_iter().for_each(|(key, plan)| self.put(key, plan));
        self.dropped += later.dropped;
    }

    pub fn costliest(&self) -> Vec<(&(Option<u64>, u64), &Plan)> {
        let mut plans: Vec<_> = self.by_shape.iter().collect();
        plans.sort_by_key(|(key, plan)| (Reverse(plan.total), **key));
        plans
    }
}
