//! The account of one topic: who has series of their own, what they have added up to, and what all others have.

mod ranking;

use super::labels::{self, Labels};
use crate::model::{Kind, Metric, Row, Scope};
use ranking::{MIN_STAY, Stranger};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Series that make room for others are remembered, in case they return: this many times the members, and some.
const REMEMBERED: (usize, usize) = (4, 256);

/// Keys are hashes already.
#[derive(Debug, Default, Clone)]
pub struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64(bytes);
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

type ByLabels<T> = HashMap<u64, T, BuildHasherDefault<Hashed>>;

/// How the values of rows with equal labels become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    Sum,
    Least,
    Most,
}

impl Merge {
    /// Amounts add up. Of times, shares and distances (an age, a lag) the worst counts; of a minimum the least.
    pub fn of(metric: &Metric) -> Merge {
        let says = |word: &str| metric.field.split('_').any(|part| part == word);
        match metric.kind {
            Kind::Counter => Merge::Sum,
            Kind::Gauge if metric.field.starts_with("min_") => Merge::Least,
            Kind::Gauge if says("age") || says("lag") || says("longest") || says("oldest") => Merge::Most,
            Kind::Gauge if metric.unit == "_seconds" || metric.unit == "_ratio" => Merge::Most,
            Kind::Gauge => Merge::Sum,
        }
    }

    /// Not a number stands for unknown.
    pub fn apply(self, into: &mut f64, value: f64) {
        *into = match self {
            _ if into.is_nan() => value,
            Merge::Sum => *into + value,
            Merge::Least => into.min(value),
            Merge::Most => into.max(value),
        }
    }
}

/// The rows of one reading, their noun left behind.
#[derive(Clone)]
pub struct Sheet<'a> {
    pub rows: Vec<&'a dyn Row>,
    pub metrics: &'static [Metric],
    pub labels: &'static [&'static str],
    pub ranked: bool,
}

/// What a stretch says of a row beside its values.
#[derive(Clone, Copy)]
pub enum Reading<'a> {
    /// Values as the server tells them: levels count, counters do not.
    Absolute,
    /// Differences; for each row whether its counting began within them, and whether rows are missing.
    Difference { fresh: &'a [bool], torn: bool },
}

#[derive(Debug, Clone)]
pub struct Member {
    pub scope: Scope,
    pub labels: Arc<Labels>,
    pub values: Box<[f64]>,
    /// Not a number until the first window: history does not say what happens now.
    weight: f64,
    newest: f64,
    stayed: u32,
    missed: u32,
    /// The turn in which a row of it was last seen, and the one whose counts still went to `other`.
    seen: u64,
    quiet: u64,
}

impl Member {
    fn clear_levels(&mut self, merges: &[(Kind, Merge)]) {
        let levels = self.values.iter_mut().zip(merges).filter(|(_, (kind, _))| *kind == Kind::Gauge);
        levels.for_each(|(value, _)| *value = f64::NAN);
    }
}

#[derive(Debug, Clone)]
struct Retired {
    totals: Arc<[f64]>,
    turn: u64,
}

#[derive(Debug, Clone)]
pub struct Account {
    merges: Arc<[(Kind, Merge)]>,
    pub ranked: bool,
    /// Series that it may have, `other` included.
    pub room: usize,
    pub names: &'static [&'static str],
    pub members: ByLabels<Member>,
    pub other: Box<[f64]>,
    /// Label sets of the newest readings that have no series.
    hidden: BTreeMap<Scope, usize>,
    /// Series that were forgotten for good.
    pub lapsed: u64,
    outsiders: BTreeMap<Scope, Arc<ByLabels<f64>>>,
    retired: ByLabels<Retired>,
    /// The facts that any row ever told, a bit each.
    known: u128,
    most_rows: usize,
    most_series: usize,
    turn: u64,
}

impl Account {
    pub fn new(sheet: &Sheet<'_>, room: usize) -> Self {
        Self {
            merges: sheet.metrics.iter().map(|metric| (metric.kind, Merge::of(metric))).collect(),
            ranked: sheet.ranked,
            room,
            names: sheet.labels,
            members: HashMap::default(),
            other: vec![f64::NAN; sheet.metrics.len()].into(),
            hidden: BTreeMap::new(),
            lapsed: 0,
            outsiders: BTreeMap::new(),
            retired: HashMap::default(),
            known: 0,
            most_rows: 0,
            most_series: 0,
            turn: 0,
        }
    }

    pub fn hidden(&self) -> usize {
        self.hidden.values().sum()
    }

    /// The most series that it ever had: its claim on the budget does not come and go.
    pub fn most_series(&self) -> usize {
        self.most_series
    }

    /// Series that it would have, had everything its own.
    pub fn demand(&self) -> usize {
        (self.most_rows + 1) * self.width()
    }

    /// Series of one label set, and one more for what explains it (the text of a statement).
    fn width(&self) -> usize {
        self.known.count_ones().max(1) as usize + 1
    }

    /// Members that there is room for; `other` takes the room of one.
    fn places(&self) -> usize {
        (self.room / self.width()).saturating_sub(1)
    }

    pub fn shown(&self) -> usize {
        let other = if self.shows_other() { told(&self.other) } else { 0 };
        other + self.members.values().map(|member| told(&member.values)).sum::<usize>()
    }

    /// Is there anything in `other`, and room for it?
    pub fn shows_other(&self) -> bool {
        !self.names.is_empty() && (1..=self.room).contains(&told(&self.other))
    }

    /// What `other` may grow to.
    fn counters(&self) -> usize {
        let counts = |nth: usize| self.known & 1u128.checked_shl(nth as u32).unwrap_or_default() != 0;
        self.merges
            .iter()
            .enumerate()
            .filter(|(nth, (kind, _))| *kind == Kind::Counter && counts(*nth))
            .count()
    }

    pub fn take(&mut self, scope: &Scope, sheet: &Sheet<'_>, reading: Reading<'_>) {
        self.turn += 1;
        for row in sheet.rows.iter().take(256) {
            self.known |= known(*row, self.merges.len());
        }
        let hashes: Vec<Option<u64>> = sheet.rows.iter().map(|row| labels::hash(*row)).collect();
        let mut strangers = self.weigh(sheet, &hashes, reading);
        self.age(scope, reading);
        self.admit(scope, sheet, &mut strangers, reading);
        self.count(scope, sheet, &hashes, reading);
        let unnamed = hashes.iter().filter(|hash| hash.is_none()).count();
        let left = strangers.keys().filter(|hash| !self.members.contains_key(hash)).count();
        self.hidden.insert(scope.clone(), left + unnamed);
        self.most_rows = self.most_rows.max(self.members.len() + self.hidden());
        self.fit();
        self.most_series = self.most_series.max(self.shown());
    }

    /// Everything of a scope is gone from sight; its totals are remembered for a while.
    pub fn forget(&mut self, scope: &Scope) {
        let gone: Vec<u64> = self.of(scope).map(|(hash, _)| *hash).collect();
        gone.into_iter().for_each(|hash| self.retire(hash));
        self.hidden.remove(scope);
        self.outsiders.remove(scope);
    }

    pub fn knows(&self, scope: &Scope) -> bool {
        self.hidden.contains_key(scope)
    }

    pub fn must_fit(&self) -> bool {
        self.ranked && self.members.len() > self.places()
    }

    fn of<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = (&'a u64, &'a Member)> {
        self.members.iter().filter(move |(_, member)| member.scope == *scope)
    }

    fn join(&mut self, hash: u64, scope: &Scope, row: &dyn Row, stranger: Stranger, reading: Reading<'_>) {
        let counts = matches!(reading, Reading::Difference { .. }) && (stranger.fresh || !self.ranked);
        let back = self.retired.remove(&hash);
        let values = match &back {
            Some(back) => back.totals.iter().copied().collect(),
            None => vec![f64::NAN; self.merges.len()].into(),
        };
        let (weight, stayed) = match reading {
            // Its place is provisional: what counts is what happens from now on.
            Reading::Absolute => (f64::NAN, MIN_STAY),
            Reading::Difference { .. } => (stranger.weight, 1),
        };
        let member = Member {
            scope: scope.clone(),
            labels: Arc::new(labels::keep(row)),
            values,
            weight,
            newest: 0.0,
            stayed,
            missed: 0,
            seen: self.turn,
            quiet: if counts { 0 } else { self.turn },
        };
        self.members.insert(hash, member);
    }

    fn retire(&mut self, hash: u64) {
        let Some(mut member) = self.members.remove(&hash) else { return };
        member.clear_levels(&self.merges);
        self.retired.insert(hash, Retired { totals: member.values.into(), turn: self.turn });
        let bound = REMEMBERED.0 * self.places() + REMEMBERED.1;
        if self.retired.len() > bound + bound / 4 {
            let mut turns: Vec<(u64, u64)> = self.retired.iter().map(|(hash, r)| (r.turn, *hash)).collect();
            turns.sort_unstable();
            for (_, oldest) in turns.iter().take(self.retired.len() - bound) {
                self.retired.remove(oldest);
                self.lapsed += 1;
            }
        }
    }

    /// Adds what happened to those whose it is, and notes what is true now.
    fn count(&mut self, scope: &Scope, sheet: &Sheet<'_>, hashes: &[Option<u64>], reading: Reading<'_>) {
        let merges = self.merges.clone();
        for member in self.members.values_mut().filter(|member| member.scope == *scope) {
            member.clear_levels(&merges);
        }
        for (row, hash) in sheet.rows.iter().zip(hashes) {
            let mut member = hash.as_ref().and_then(|hash| self.members.get_mut(hash));
            if let Some(member) = &mut member
                && member.scope != *scope
            {
                // The same labels from elsewhere: the newest word on what is true now is ours.
                member.scope = scope.clone();
                member.clear_levels(&merges);
            }
            for (nth, (kind, merge)) in merges.iter().enumerate() {
                let Some(value) = row.fact(nth) else { continue };
                self.known |= 1u128.checked_shl(nth as u32).unwrap_or_default();
                let own = member
                    .as_mut()
                    .and_then(|m| m.values.get_mut(nth).map(|value| (value, m.quiet == self.turn)));
                let happened = if let Reading::Absolute = reading { 0.0 } else { value };
                match (kind, own) {
                    (Kind::Gauge, Some((level, _))) => merge.apply(level, value),
                    (Kind::Gauge, None) => {}
                    (Kind::Counter, Some((total, false))) => merge.apply(total, happened),
                    (Kind::Counter, own) => {
                        if let Some((total, _)) = own {
                            merge.apply(total, 0.0);
                        }
                        // What never happened needs no `other`.
                        if let (Reading::Difference { .. }, Some(other)) = (reading, self.other.get_mut(nth))
                        {
                            merge.apply(other, happened);
                        }
                    }
                }
            }
        }
    }

    #[cfg(test)]
    pub fn everything(&self, nth: usize) -> f64 {
        let members = self.members.values().map(|member| member.values[nth]);
        let retired = self.retired.values().map(|retired| retired.totals[nth]);
        members.chain(retired).chain([self.other[nth]]).filter(|value| !value.is_nan()).sum()
    }
}

fn told(values: &[f64]) -> usize {
    values.iter().filter(|value| !value.is_nan()).count()
}

fn known(row: &dyn Row, facts: usize) -> u128 {
    let bit = |nth: usize| 1u128.checked_shl(nth as u32).unwrap_or_default();
    (0..facts).filter(|nth| row.fact(*nth).is_some()).map(bit).fold(0, |all, bit| all | bit)
}
