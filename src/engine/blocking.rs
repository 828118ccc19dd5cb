//! Who blocks whom, as trees: a root that waits for nobody, and everybody who waits for it.

use crate::model::{Blocking, Name, Session};
use std::collections::{BTreeMap, BTreeSet};

/// Victims shown in one tree; the count is of all.
const MAX_SHOWN: usize = 12;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    pub victims: BTreeSet<i64>,
    /// `12<34<56`: 34 waits for 12, 56 for 34; branches are separated by blanks.
    pub shown: String,
    /// What the first direct victim waits for.
    pub lock: String,
    pub relation: Option<i64>,
    pub object: Option<Name>,
}

/// The trees of all waits, by the pid of their root. A ring (a deadlock that the server has yet to see) has no
/// root and is nobody's tree.
pub fn trees(waits: &[Blocking]) -> BTreeMap<i64, Tree> {
    let mut waiting_for: BTreeMap<i64, Vec<&Blocking>> = BTreeMap::new();
    for wait in waits {
        for blocker in blockers(wait) {
            waiting_for.entry(blocker).or_default().push(wait);
        }
    }
    let waiting: BTreeSet<i64> = waits.iter().map(|wait| wait.pid).collect();
    let roots = waiting_for.keys().copied().filter(|pid| !waiting.contains(pid));
    roots.map(|root| (root, grow(root, &waiting_for))).collect()
}

/// Pids, and the negative ids of prepared transactions, which have no process.
fn blockers(wait: &Blocking) -> Vec<i64> {
    let numbers = |list: &Option<Name>| -> Vec<i64> {
        list.iter().flat_map(|list| list.split(',')).filter_map(|number| number.trim().parse().ok()).collect()
    };
    let mut blockers = numbers(&wait.blockers);
    let prepared = numbers(&wait.prepared);
    // Candidates share the thing and not the mode of the lock: named only where there are as many as culprits.
    if blockers.iter().filter(|pid| **pid == 0).count() == prepared.len() {
        blockers.retain(|pid| *pid != 0);
        blockers.extend(prepared.iter().map(|id| -id));
    }
    blockers
}

fn called(root: i64) -> String {
    if root > 0 { root.to_string() } else { format!("prepared {}", -root) }
}

fn grow(root: i64, waiting_for: &BTreeMap<i64, Vec<&Blocking>>) -> Tree {
    let mut tree = Tree::default();
    let mut paths = Vec::new();
    let mut open = vec![(root, called(root))];
    while let Some((pid, path)) = open.pop() {
        let direct = waiting_for.get(&pid).map(Vec::as_slice).unwrap_or_default();
        let fresh: Vec<_> = direct.iter().filter(|wait| tree.victims.insert(wait.pid)).collect();
        if fresh.is_empty() && pid != root {
            paths.push(path.clone());
        }
        for wait in fresh {
            if pid == root && tree.lock.is_empty() {
                let kind = wait.lock_type.as_deref().unwrap_or("lock");
                tree.lock = format!("{kind} {}", wait.mode.as_deref().unwrap_or_default());
                tree.relation = wait.relation_oid;
                tree.object = wait.object.clone();
            }
            open.push((wait.pid, format!("{path}<{}", wait.pid)));
        }
    }
    let hidden = paths.len().saturating_sub(MAX_SHOWN);
    paths.truncate(MAX_SHOWN);
    tree.shown = paths.join(" ");
    if hidden > 0 {
        tree.shown.push_str(&format!(" and {hidden} more"));
    }
    tree
}

/// Those who wait for a lock now, in the order of their pids.
pub fn waiting(sessions: &[Session]) -> BTreeSet<i64> {
    sessions.iter().filter(|session| waits_for_lock(session)).map(|session| session.pid).collect()
}

pub fn waits_for_lock(session: &Session) -> bool {
    session.wait_class.as_deref() == Some("Lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(pid: i64, blockers: &str) -> Blocking {
        Blocking {
            pid,
            blockers: Some(Name::new(blockers)),
            prepared: None,
            lock_type: Some(Name::new("relation")),
            mode: Some(Name::new("AccessShareLock")),
            dbid: Some(5),
            relation_oid: Some(42),
            object: None,
            wait_start: None,
            asked: None,
        }
    }

    #[test]
    fn a_chain_has_one_root_and_counts_all_its_victims() {
        let trees = trees(&[wait(2, "1"), wait(3, "2"), wait(4, "2,1")]);
        assert_eq!(trees.keys().collect::<Vec<_>>(), [&1]);
        assert_eq!(trees[&1].victims, BTreeSet::from([2, 3, 4]));
        assert_eq!(trees[&1].lock, "relation AccessShareLock");
    }

    #[test]
    fn prepared_transactions_are_told_apart_by_their_ids() {
        let behind =
            |pid, prepared: Option<&str>| Blocking { prepared: prepared.map(Name::new), ..wait(pid, "0,0") };
        let trees =
            trees(&[behind(2, Some("77,79")), behind(3, Some("78,79")), wait(4, "3"), behind(5, Some("77"))]);
        assert_eq!(trees.keys().collect::<Vec<_>>(), [&-79, &-78, &-77, &0]);
        assert_eq!(trees[&-78].shown, "prepared 78<3<4");
    }

    #[test]
    fn a_ring_has_no_root() {
        assert_eq!(trees(&[wait(1, "2"), wait(2, "1")]), BTreeMap::new());
    }
}
