//! A fact is one measured field of a noun. The type alone decides how it is subtracted, merged, exported
//! and documented: a `Total` only grows until a reset, a `Level` is true now.

use super::unit::Unit;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A counter since the beginning of its epoch.
#[derive(Debug, Default, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Total<U>(pub U);

/// A value that is true at the instant of sampling; over a window also its extremes, as far as samples saw them.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Level<U> {
    pub last: U,
    pub min: U,
    pub max: U,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

/// What a field of a noun must be able to do.
pub trait Fact: Copy {
    const KIND: Kind;
    const UNIT: &'static str;
    /// False when `self` cannot come after `earlier` without a reset in between.
    fn follows(self, earlier: Self) -> bool;
    /// What the stretch between two samples shows.
    fn since(self, earlier: Self) -> Self;
    /// What it shows of a row that has begun to count anew since `earlier`, which is what was there before; none if that cannot
    /// be told.
    fn anew(self, earlier: Option<Self>) -> Option<Self>;
    /// Two adjacent stretches as one.
    fn then(self, later: Self) -> Self;
    /// `None` when the engine does not tell: unknown is not zero.
    fn float(self) -> Option<f64>;
}

impl<U: Unit> Total<U> {
    pub fn float(self) -> f64 {
        self.0.float()
    }
}

impl<U: Unit> Fact for Total<U> {
    const KIND: Kind = Kind::Counter;
    const UNIT: &'static str = U::SUFFIX;
    fn follows(self, earlier: Self) -> bool {
        self.0 >= earlier.0
    }
    fn since(self, earlier: Self) -> Self {
        Total(self.0.minus(earlier.0))
    }
    fn anew(self, earlier: Option<Self>) -> Option<Self> {
        if U::GOES_ON { earlier.map(|before| self.since(before)) } else { Some(self) }
    }
    fn then(self, later: Self) -> Self {
        Total(self.0.plus(later.0))
    }
    fn float(self) -> Option<f64> {
        Some(self.0.float())
    }
}

impl<U: Unit> Level<U> {
    pub fn new(value: U) -> Self {
        Self { last: value, min: value, max: value }
    }
    pub fn float(self) -> f64 {
        self.last.float()
    }
    fn spanning(self, later: Self) -> Self {
        Self {
            last: later.last,
            min: if self.min < later.min { self.min } else { later.min },
            max: if self.max > later.max { self.max } else { later.max },
        }
    }
}

impl<U: Unit> Fact for Level<U> {
    const KIND: Kind = Kind::Gauge;
    const UNIT: &'static str = U::SUFFIX;
    fn follows(self, _: Self) -> bool {
        true
    }
    fn since(self, earlier: Self) -> Self {
        earlier.spanning(self)
    }
    fn anew(self, _: Option<Self>) -> Option<Self> {
        Some(self)
    }
    fn then(self, later: Self) -> Self {
        self.spanning(later)
    }
    fn float(self) -> Option<f64> {
        Some(self.last.float())
    }
}

impl<F: Fact> Fact for Option<F> {
    const KIND: Kind = F::KIND;
    const UNIT: &'static str = F::UNIT;
    fn follows(self, earlier: Self) -> bool {
        match (self, earlier) {
            (Some(now), Some(before)) => now.follows(before),
            _ => true,
        }
    }
    // Known at one end only is unknown between them for a counter, and the newest word for a level.
    fn since(self, earlier: Self) -> Self {
        match (self, earlier) {
            (Some(now), Some(before)) => Some(now.since(before)),
            (now, _) if F::KIND == Kind::Gauge => now,
            _ => None,
        }
    }
    fn anew(self, earlier: Option<Self>) -> Option<Self> {
        Some(self.and_then(|now| now.anew(earlier.flatten())))
    }
    fn then(self, later: Self) -> Self {
        match (self, later) {
            (Some(first), Some(second)) => Some(first.then(second)),
            (_, second) if F::KIND == Kind::Gauge => second,
            _ => None,
        }
    }
    fn float(self) -> Option<f64> {
        self.and_then(Fact::float)
    }
}

// A tuple, because a recording has many levels and few readers.
impl<U: Unit + Serialize> Serialize for Level<U> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.last, self.min, self.max).serialize(serializer)
    }
}

impl<'de, U: Unit + Deserialize<'de>> Deserialize<'de> for Level<U> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (last, min, max) = Deserialize::deserialize(deserializer)?;
        Ok(Self { last, min, max })
    }
}

/// One row of the metrics reference and one Prometheus metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    pub noun: &'static str,
    pub field: &'static str,
    pub unit: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

impl Metric {
    /// `dbsonde_<noun>_<field>[_<unit>]`, without the `_total` of counters.
    pub fn family(&self) -> String {
        // `exec_seconds` already says its unit; `calls` has none to say.
        let unit = if self.field.ends_with(self.unit.trim_start_matches('_')) { "" } else { self.unit };
        format!("dbsonde_{}_{}{unit}", self.noun, self.field)
    }

    pub fn name(&self) -> String {
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{total}", self.family())
    }
}
