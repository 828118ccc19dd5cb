//! Who gets a series: the weightiest over the last few windows, and whoever has one keeps it until somebody else
//! is clearly weightier. Series that come and go tell nobody anything.

use super::{Account, ByLabels, Reading, Sheet, known, told};
use crate::model::Scope;
use std::sync::Arc;

/// How much of a weight is the newest window's: the busiest of the last few windows, not of the last one.
const NEWEST: f64 = 0.3;
/// An outsider must weigh this many times as much as the member whose place it takes.
const CLEARLY: f64 = 2.0;
/// Windows for which a member stays whoever comes.
pub const MIN_STAY: u32 = 4;
/// Below this a weight is as good as none.
const NOTHING: f64 = 1e-12;
/// A label set of this reading that has no series.
#[derive(Debug, Clone, Copy)]
pub struct Stranger {
    pub row: usize,
    pub weight: f64,
    pub fresh: bool,
}

impl Account {
    /// What members weigh in this reading; the rest are strangers.
    pub(super) fn weigh(
        &mut self,
        sheet: &Sheet<'_>,
        hashes: &[Option<u64>],
        reading: Reading<'_>,
    ) -> ByLabels<Stranger> {
        let mut strangers = ByLabels::default();
        for (nth, (row, hash)) in sheet.rows.iter().zip(hashes).enumerate() {
            let Some(hash) = hash else { continue };
            let weight = if self.ranked { row.weight() } else { 0.0 };
            if let Some(member) = self.members.get_mut(hash) {
                member.newest = if member.seen == self.turn { member.newest + weight } else { weight };
                member.seen = self.turn;
            } else {
                let fresh = match reading {
                    Reading::Difference { fresh, .. } => fresh.get(nth).copied().unwrap_or_default(),
                    Reading::Absolute => false,
                };
                let new = Stranger { row: nth, weight: 0.0, fresh: true };
                let stranger = strangers.entry(*hash).or_insert(new);
                stranger.weight += weight;
                // Older rows of its labels were counted in `other` before.
                stranger.fresh &= fresh;
            }
        }
        strangers
    }

    /// Members grow older; those that are gone leave.
    pub(super) fn age(&mut self, scope: &Scope, reading: Reading<'_>) {
        let Reading::Difference { torn, .. } = reading else { return };
        let turn = self.turn;
        let mut gone = Vec::new();
        for (hash, member) in self.members.iter_mut().filter(|(_, member)| member.scope == *scope) {
            let newest = if member.seen == turn { member.newest } else { 0.0 };
            let old = if member.weight.is_nan() { newest } else { member.weight };
            member.weight = old * (1.0 - NEWEST) + newest * NEWEST;
            member.stayed = member.stayed.saturating_add(1);
            if member.seen == turn {
                member.missed = 0;
            } else {
                // Where rows are left out for want of a beginning, one look does not prove that it is gone.
                member.missed += 1;
                if !torn || member.missed > 1 {
                    gone.push(*hash);
                }
            }
        }
        gone.into_iter().for_each(|hash| self.retire(hash));
    }

    pub(super) fn admit(
        &mut self,
        scope: &Scope,
        sheet: &Sheet<'_>,
        strangers: &mut ByLabels<Stranger>,
        reading: Reading<'_>,
    ) {
        let mut waiting: Vec<(u64, Stranger)> = Vec::new();
        if !self.ranked {
            waiting.extend(strangers.iter().map(|(hash, stranger)| (*hash, *stranger)));
            waiting.sort_by_key(|(_, stranger)| stranger.row);
            // Room for `other` is kept free from the beginning.
            let mut used =
                self.members.values().map(|member| told(&member.values)).sum::<usize>() + self.counters();
            for (hash, stranger) in waiting {
                let Some(row) = sheet.rows.get(stranger.row) else { continue };
                let needs = known(*row, self.merges.len()).count_ones() as usize;
                // A noun without labels is one series, whatever the budget.
                if used + needs <= self.room || self.names.is_empty() {
                    used += needs;
                    self.join(hash, scope, *row, stranger, reading);
                }
            }
            return;
        }
        let before = self.outsiders.get(scope).cloned().unwrap_or_default();
        for (hash, stranger) in strangers.iter() {
            let mut stranger = *stranger;
            if let Reading::Difference { .. } = reading {
                let old = before.get(hash).copied().unwrap_or_default();
                stranger.weight = old * (1.0 - NEWEST) + stranger.weight * NEWEST;
            }
            waiting.push((*hash, stranger));
        }
        // The heaviest first; equals in a fixed order, so that a replay gives the same series.
        let order =
            |a: &(u64, Stranger), b: &(u64, Stranger)| b.1.weight.total_cmp(&a.1.weight).then(a.0.cmp(&b.0));
        let keep = self.places() * 2 + 32;
        if waiting.len() > keep {
            waiting.select_nth_unstable_by(keep, order);
            waiting.truncate(keep);
        }
        waiting.sort_by(order);
        let mut outsiders = ByLabels::default();
        for (hash, stranger) in waiting {
            let Some(row) = sheet.rows.get(stranger.row) else { continue };
            if self.members.len() < self.places() || self.make_room(stranger.weight, reading) {
                self.join(hash, scope, *row, stranger, reading);
            } else if stranger.weight > NOTHING {
                outsiders.insert(hash, stranger.weight);
            }
        }
        if let Reading::Difference { .. } = reading {
            self.outsiders.insert(scope.clone(), Arc::new(outsiders));
        }
    }

    /// Does the lightest member that may go weigh clearly less? Then it goes.
    fn make_room(&mut self, weight: f64, reading: Reading<'_>) -> bool {
        let Reading::Difference { .. } = reading else { return false };
        let settled = self.members.iter().filter(|(_, member)| member.stayed >= MIN_STAY);
        let lightest = settled.min_by(|a, b| a.1.weight.total_cmp(&b.1.weight).then(a.0.cmp(b.0)));
        let Some((hash, weighs)) = lightest.map(|(hash, member)| (*hash, member.weight)) else {
            return false;
        };
        if self.places() == 0 || weight <= (CLEARLY * weighs).max(NOTHING) {
            return false;
        }
        self.retire(hash);
        true
    }

    /// The lightest go when there are more members than places.
    pub fn fit(&mut self) {
        if !self.ranked || self.members.len() <= self.places() {
            return;
        }
        let mut by_weight: Vec<(f64, u64)> = self.members.iter().map(|(hash, m)| (m.weight, *hash)).collect();
        by_weight.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        by_weight.iter().skip(self.places()).for_each(|(_, hash)| self.retire(*hash));
    }
}
