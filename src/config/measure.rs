//! Quantities as people write them: `50MiB`, `30d`. Written back, they read the same.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Bytes, with a unit: `50MiB`, `1GB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(pub u64);

/// A length of time, with a unit: `15s`, `1m`, `30d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub Duration);

/// Biggest first; of two units that both fit a size, the binary one is how databases think.
const SIZES: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
];

const TIMES: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl ByteSize {
    pub const fn get(self) -> u64 {
        self.0
    }
    pub const fn mib(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }
}

impl Span {
    pub const fn get(self) -> Duration {
        self.0
    }
    pub const fn secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
    pub const fn millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }
    pub const fn hours(hours: u64) -> Self {
        Self::secs(hours * 3_600)
    }
    pub const fn days(days: u64) -> Self {
        Self::secs(days * 86_400)
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || format!("{text:?} is not a size\nwrite a whole number and a unit: \"50MiB\", \"1GB\"");
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let unit = unit.trim();
        let scale = match unit {
            "" | "B" => 1,
            unit => {
                let known = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
                known.map(|(_, scale)| *scale).ok_or_else(wrong)?
            }
        };
        number.checked_mul(scale).map(Self).ok_or_else(|| format!("{text:?} is more than 16 EiB"))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text.trim()).map(Self).map_err(|_| {
            format!("{text:?} is not a length of time\nwrite a number and a unit: \"15s\", \"1m\", \"30d\"")
        })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIZES.iter().find(|(_, scale)| self.0 != 0 && self.0.is_multiple_of(*scale)) {
            Some((unit, scale)) => write!(f, "{}{unit}", self.0 / scale),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, scale) in TIMES {
            if rest >= scale {
                write!(f, "{}{unit}", rest / scale)?;
                rest %= scale;
                if rest > 0 {
                    f.write_str(" ")?;
                }
            }
        }
        Ok(())
    }
}

/// Reads a text with a unit. A bare number is refused where its unit would be a guess.
struct Written<T> {
    bare: Option<fn(u64) -> T>,
    expected: &'static str,
}

impl<T: FromStr<Err = String>> de::Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        match self.bare {
            Some(make) => Ok(make(number)),
            None => Err(E::custom(format!("{number} has no unit\nwrite it as text: \"{number}s\""))),
        }
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::custom(format!("{number} is below zero"))),
        }
    }
}

const SIZE: &str = "a size such as \"50MiB\"";
const TIME: &str = "a length of time such as \"15s\"";

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written { bare: Some(ByteSize), expected: SIZE })
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written::<Span> { bare: None, expected: TIME })
    }
}

macro_rules! as_text {
    ($type:ident, $about:expr) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "title": $about })
            }
        }
    };
}

as_text!(ByteSize, SIZE);
as_text!(Span, TIME);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        for text in ["0B", "1B", "50MiB", "1GiB", "1500kB", "3TB", "8KiB", "1000001B"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        for text in ["0s", "15s", "1m", "30d", "1h 30m", "1s 500ms", "250us"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("50 mib".parse(), Ok(ByteSize::mib(50)));
        assert_eq!("4096".parse(), Ok(ByteSize(4096)));
        assert_eq!("90m".parse::<Span>().unwrap().to_string(), "1h 30m");
        assert_eq!("30 days".parse(), Ok(Span::days(30)));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "MiB", "1.5GB", "-1kB", "5 Mb/s", "99999999TiB", "5é"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        for text in ["", "15", "s", "-1s", "1 fortnight"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
