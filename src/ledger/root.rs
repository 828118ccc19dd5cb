//! What is mended with something else is a part of that: one trouble is heard of once.

use super::{Entry, Ledger, State};
use crate::model::Name;
use crate::rules::Handbook;
use std::collections::{HashMap, HashSet};

impl Ledger {
    /// Puts each finding under the one whose mend mends it as well, however far away that is. Not under a milder one: who
    /// only hears of what is bad would not hear of it.
    pub(super) fn fold(&mut self, at: f64) {
        let mut about: HashMap<(Option<&Name>, &str), Vec<&Entry>> = HashMap::new();
        for entry in self.lines.values().map(|line| &line.entry).filter(|entry| entry.is_open()) {
            for thing in entry.finding.things() {
                about.entry((entry.finding.database.as_ref(), thing)).or_default().push(entry);
            }
        }
        let above = |entry: &Entry| {
            let others =
                |thing| about.get(&(entry.finding.database.as_ref(), thing)).into_iter().flatten().copied();
            let is_bad_enough = |other: &&Entry| other.finding.severity >= entry.finding.severity;
            Handbook::mended_with(&entry.finding.rule).iter().find_map(|rule| {
                let nearby = entry.finding.things().flat_map(others);
                nearby.filter(is_bad_enough).find(|other| other.finding.rule.as_str() == *rule)
            })
        };
        let root = |entry: &Entry| {
            // No page is mended with itself, by whatever way: this ends.
            std::iter::successors(above(entry), |other| above(other)).last().map(|root| root.id.clone())
        };
        let open = self.lines.values().map(|line| &line.entry).filter(|entry| entry.is_open());
        let parts: HashMap<String, String> =
            open.filter_map(|entry| Some((entry.id.clone(), root(entry)?))).collect();
        for (id, line) in &mut self.lines {
            line.entry.part_of = parts.get(id).cloned();
            if line.entry.part_of.is_some() {
                line.was_part_at = Some(at);
            }
        }
    }
}

/// Each that is to be looked at with its parts, in the order in which they come. What is silenced is not among them, nor are
/// its parts; a part without what it belongs to stands for itself.
pub fn by_root<'a>(entries: &[&'a Entry]) -> Vec<(&'a Entry, Vec<&'a Entry>)> {
    let known: HashSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    let (mut roots, mut parts) = (Vec::new(), HashMap::<&str, Vec<&Entry>>::new());
    for entry in entries.iter().filter(|entry| entry.state == State::Open) {
        match entry.part_of.as_deref().filter(|root| known.contains(root)) {
            Some(root) => parts.entry(root).or_default().push(entry),
            None => roots.push(*entry),
        }
    }
    roots.into_iter().map(|root| (root, parts.remove(root.id.as_str()).unwrap_or_default())).collect()
}
