//! Units live in types, so seconds never meet bytes by accident.
//!
//! Every unit keeps its value in a `NonZeroU64`, as the complement of its bits: `Option` of it costs no
//! extra byte. A row has dozens of fields that an engine may not know, and there are tens of thousands of rows.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::num::NonZeroU64;

/// A measured quantity: knows its suffix in metric names and its arithmetic.
pub trait Unit: Copy + PartialEq + PartialOrd + fmt::Debug {
    const SUFFIX: &'static str;
    /// It is no count of a row's own, and goes on where the row begins to count anew.
    const GOES_ON: bool = false;
    /// `None` for what no counter can be: not a number, infinite.
    fn from_float(value: f64) -> Option<Self>;
    fn from_int(value: i64) -> Option<Self>;
    fn float(self) -> f64;
    fn plus(self, other: Self) -> Self;
    /// Never below zero: callers ask `>=` first, a difference is not the place to find a reset.
    fn minus(self, earlier: Self) -> Self;
}

/// The complement of the one pattern that cannot be stored is stored as its neighbour.
fn pack(bits: u64) -> NonZeroU64 {
    NonZeroU64::new(!bits).unwrap_or(NonZeroU64::MIN)
}

macro_rules! integer_unit {
    ($(#[$doc:meta])* $name:ident, $suffix:literal $(, goes on: $goes_on:literal)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(NonZeroU64);

        impl $name {
            pub fn new(value: u64) -> Self { Self(pack(value)) }
            pub fn get(self) -> u64 { !self.0.get() }
        }

        impl Unit for $name {
            const SUFFIX: &'static str = $suffix;
            $(const GOES_ON: bool = $goes_on;)?
            fn from_float(value: f64) -> Option<Self> {
                (value.is_finite() && value >= 0.0).then(|| Self::new(value as u64))
            }
            // Servers speak of -1 where they mean "unknown"; a count is never negative.
            fn from_int(value: i64) -> Option<Self> { u64::try_from(value).ok().map(Self::new) }
            fn float(self) -> f64 { self.get() as f64 }
            fn plus(self, other: Self) -> Self { Self::new(self.get().saturating_add(other.get())) }
            fn minus(self, earlier: Self) -> Self { Self::new(self.get().saturating_sub(earlier.get())) }
        }

        value_traits!($name, u64);
    };
}

macro_rules! float_unit {
    ($(#[$doc:meta])* $name:ident, $suffix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(NonZeroU64);

        impl $name {
            pub fn new(value: f64) -> Self { Self(pack(value.to_bits())) }
            pub fn get(self) -> f64 { f64::from_bits(!self.0.get()) }
        }

        impl Unit for $name {
            const SUFFIX: &'static str = $suffix;
            fn from_float(value: f64) -> Option<Self> { value.is_finite().then(|| Self::new(value)) }
            fn from_int(value: i64) -> Option<Self> { Some(Self::new(value as f64)) }
            fn float(self) -> f64 { self.get() }
            fn plus(self, other: Self) -> Self { Self::new(self.get() + other.get()) }
            fn minus(self, earlier: Self) -> Self { Self::new((self.get() - earlier.get()).max(0.0)) }
        }

        value_traits!($name, f64);
    };
}

macro_rules! value_traits {
    ($name:ident, $inner:ty) => {
        impl Default for $name {
            fn default() -> Self {
                Self::new(<$inner>::default())
            }
        }
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                self.get().partial_cmp(&other.get())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{:?}", stringify!($name), (self.get(),))
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.get().serialize(serializer)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$inner>::deserialize(deserializer).map(Self::new)
            }
        }
    };
}

integer_unit!(/// A number of things that happened or exist.
    Count, "");
integer_unit!(/// An amount of memory, disk or network traffic.
    Bytes, "_bytes");
integer_unit!(/// A place in a log that only grows.
    Position, "_bytes", goes on: true);
float_unit!(/// A span of time.
    Seconds, "_seconds");
float_unit!(/// A share of a whole, from 0 to 1.
    Ratio, "_ratio");

/// A point in time: seconds since 1970 by some wall clock. Not measured, so not a unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(Seconds);

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.get().total_cmp(&other.get())
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Timestamp {
    pub fn new(unix_seconds: f64) -> Self {
        Self(Seconds::new(unix_seconds))
    }
    pub fn get(self) -> f64 {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_value_costs_nothing() {
        assert_eq!(size_of::<Option<Count>>(), 8);
        assert_eq!(size_of::<Option<Seconds>>(), 8);
        assert_eq!(size_of::<Option<Timestamp>>(), 8);
    }

    #[test]
    fn values_come_back_as_they_went_in() {
        for n in [0, 1, 42, u64::MAX - 1] {
            assert_eq!(Count::new(n).get(), n);
        }
        for x in [0.0, -1.5, 1e300, 0.1] {
            assert_eq!(Seconds::new(x).get(), x);
        }
        assert_eq!(Count::from_int(-1), None);
        assert_eq!(Seconds::from_float(f64::NAN), None);
    }
}
