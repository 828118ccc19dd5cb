//! The exported totals. A `_total` of ours is what happened since we began to watch: the sum of the differences
//! that windows found, so that resets, evictions and restarts of the server never look like one.
//!
//! The number of series is bounded for each target. Nouns with few rows get theirs as they come; of ranked nouns
//! only the weightiest rows do, and they keep them until somebody weighs clearly more. What happens to all others
//! is added to the topic's `other`, so the rates of all series together are the rates of the server. A row that
//! gets a series later starts it at zero, or where it left off: what happened before is in `other` for good.
//! A series that makes room stands still, out of sight, and is remembered for a while. Levels have no `other`.
//!
//! Rows of equal labels are one series; see `Merge` for how their values become one.

mod account;
mod labels;
#[cfg(test)]
mod tests;

use crate::model::{InTopic, Name, Rows, Scope, Stretch, Topic, TopicVisitor};
use account::{Account, Reading, Sheet};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

pub use account::Merge;
pub use labels::{OTHER, harmless};

/// What is kept back for series that are not of nouns: ages, collectors, gaps, findings.
const OWN_SERIES: usize = 400;
/// The part of the rest that unranked nouns may take, and one of them alone.
const UNRANKED: f64 = 0.35;
const UNRANKED_EACH: f64 = 0.5;

/// Parts of what is left, in hundredths; the ranked topics that are not named share the rest.
const SHARES: [(Topic, f64); 4] =
    [(Topic::Statements, 45.0), (Topic::Tables, 20.0), (Topic::TableSizes, 5.0), (Topic::Indexes, 15.0)];

/// A clone is cheap: a report takes one, and only what changes afterwards is copied.
#[derive(Debug, Clone)]
pub struct Tally {
    budget: usize,
    accounts: BTreeMap<Topic, Arc<Account>>,
    /// How often the readings of a topic did not go on from the ones before.
    breaks: BTreeMap<Topic, u64>,
}

/// One label set and its values.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    pub scope: &'a Scope,
    pub labels: &'a [(&'static str, Name)],
    values: &'a [f64],
}

/// What everything without a series of its own has added up to.
#[derive(Debug, Clone, Copy)]
pub struct Other<'a> {
    /// The names of the labels that it has instead.
    pub labels: &'a [&'static str],
    values: &'a [f64],
}

impl Series<'_> {
    /// The value of one metric of the noun, in declared order.
    pub fn value(&self, nth: usize) -> Option<f64> {
        told(self.values, nth)
    }
}

impl Other<'_> {
    pub fn value(&self, nth: usize) -> Option<f64> {
        told(self.values, nth)
    }
}

fn told(values: &[f64], nth: usize) -> Option<f64> {
    values.get(nth).copied().filter(|value| !value.is_nan())
}

impl Tally {
    pub fn new(series_budget: usize) -> Self {
        Self { budget: series_budget, accounts: BTreeMap::new(), breaks: BTreeMap::new() }
    }

    pub fn budget(&self) -> usize {
        self.budget
    }

    /// Takes in what one topic did in one scope.
    pub fn add(&mut self, topic: Topic, scope: &Scope, stretch: &Stretch) {
        let reading = Reading::Difference { fresh: &stretch.fresh, torn: stretch.unpaired > 0 };
        self.take(topic, scope, &stretch.rows, reading);
    }

    /// Takes in what is true now where there is nothing to compare with: a first reading, or the first after a
    /// reset. Totals stand still.
    pub fn levels(&mut self, topic: Topic, scope: &Scope, rows: &Rows) {
        self.take(topic, scope, rows, Reading::Absolute);
    }

    /// What happened since the reading before is not known, and in no total.
    pub fn broke(&mut self, topic: Topic) {
        *self.breaks.entry(topic).or_default() += 1;
    }

    pub fn breaks(&self) -> impl Iterator<Item = (Topic, u64)> {
        self.breaks.iter().map(|(topic, count)| (*topic, *count))
    }

    /// A scope that is gone or can no longer be read.
    pub fn forget(&mut self, topic: Topic, scope: &Scope) {
        if let Some(account) = self.accounts.get_mut(&topic)
            && account.knows(scope)
        {
            Arc::make_mut(account).forget(scope);
        }
    }

    pub fn series(&self, topic: Topic) -> impl Iterator<Item = Series<'_>> {
        let members = self.accounts.get(&topic).into_iter().flat_map(|account| account.members.values());
        members.map(|m| Series { scope: &m.scope, labels: &m.labels, values: &m.values })
    }

    /// `None` while everything has its own series, or where there is no room even for this.
    pub fn other(&self, topic: Topic) -> Option<Other<'_>> {
        let account = self.accounts.get(&topic).filter(|account| account.shows_other())?;
        Some(Other { labels: account.names, values: &account.other })
    }

    /// Label sets of the newest readings that have no series of their own.
    pub fn hidden(&self, topic: Topic) -> usize {
        self.accounts.get(&topic).map_or(0, |account| account.hidden())
    }

    /// Series that left so long ago that they would begin anew.
    pub fn lapsed(&self, topic: Topic) -> u64 {
        self.accounts.get(&topic).map_or(0, |account| account.lapsed)
    }

    /// Series of nouns that there are now.
    pub fn shown(&self) -> usize {
        self.accounts.values().map(|account| account.shown()).sum()
    }

    fn take(&mut self, topic: Topic, scope: &Scope, rows: &Rows, reading: Reading<'_>) {
        let sheet = topic.visit(Write(rows));
        // Topics without facts describe; they have nothing to count.
        if sheet.metrics.is_empty() {
            return;
        }
        if let Entry::Vacant(vacant) = self.accounts.entry(topic) {
            vacant.insert(Arc::new(Account::new(&sheet, 0)));
            self.settle();
        }
        if let Some(account) = self.accounts.get_mut(&topic) {
            Arc::make_mut(account).take(scope, &sheet, reading);
        }
        self.settle();
    }

    /// Deals out the budget. Claims only grow, so rooms do not come and go with the rows.
    fn settle(&mut self) {
        for (topic, room) in self.rooms() {
            if let Some(account) = self.accounts.get_mut(&topic)
                && (account.room != room || account.must_fit())
            {
                let account = Arc::make_mut(account);
                account.room = room;
                account.fit();
            }
        }
    }

    fn rooms(&self) -> Vec<(Topic, usize)> {
        let own = OWN_SERIES.min(self.budget / 5);
        let all = (self.budget - own) as f64;
        let (unranked_all, mut taken) = (all * UNRANKED, 0.0);
        let mut rooms = Vec::new();
        for (topic, account) in self.accounts.iter().filter(|(_, account)| !account.ranked) {
            let has = account.most_series() as f64;
            taken += has;
            rooms.push((*topic, has, unranked_all * UNRANKED_EACH));
        }
        // Who has little may grow into what nobody has taken.
        let free = (unranked_all - taken).max(0.0);
        let mut dealt: Vec<(Topic, usize)> = rooms
            .into_iter()
            .map(|(topic, has, most)| (topic, (has + free).min(most.max(has)) as usize))
            .collect();
        // What unranked nouns may still grow into is not lent to others: it would have to be taken back.
        dealt.extend(self.ranked_rooms(all - unranked_all.max(taken)));
        dealt
    }

    /// Each ranked topic has its share; what it has no rows for goes to those that have more rows.
    fn ranked_rooms(&self, pool: f64) -> Vec<(Topic, usize)> {
        let ranked: Vec<Topic> = Topic::ALL.iter().copied().filter(|topic| topic.visit(IsRanked)).collect();
        let named: f64 = SHARES.iter().map(|(_, share)| share).sum();
        let unnamed = ranked.iter().filter(|topic| !SHARES.iter().any(|(of, _)| of == *topic)).count().max(1);
        let share = |topic: &Topic| {
            let own = SHARES.iter().find(|(of, _)| of == topic).map(|(_, share)| *share);
            own.unwrap_or((100.0 - named) / unnamed as f64) / 100.0
        };
        let demand = |topic: &Topic| self.accounts.get(topic).map(|account| account.demand() as f64);
        let (mut spare, mut hungry) = (0.0, 0.0);
        for topic in &ranked {
            let wants = demand(topic).unwrap_or(pool * share(topic));
            spare += (pool * share(topic) - wants).max(0.0);
            hungry += if wants > pool * share(topic) { share(topic) } else { 0.0 };
        }
        let room = |topic: &Topic| {
            let more = if demand(topic)? > pool * share(topic) { spare * share(topic) / hungry } else { 0.0 };
            Some((*topic, (pool * share(topic) + more).max(0.0) as usize))
        };
        ranked.iter().filter_map(room).collect()
    }
}

struct Write<'a>(&'a Rows);

impl<'a> TopicVisitor for Write<'a> {
    type Out = Sheet<'a>;
    fn visit<N: InTopic>(self) -> Sheet<'a> {
        let rows = N::of(self.0).iter().map(|row| row as &dyn crate::model::Row).collect();
        Sheet { rows, metrics: N::METRICS, labels: N::LABELS, ranked: N::RANKED }
    }
}

struct IsRanked;

impl TopicVisitor for IsRanked {
    type Out = bool;
    fn visit<N: InTopic>(self) -> bool {
        N::RANKED
    }
}
