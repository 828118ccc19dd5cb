//! The formats. Add one: a file here with its `Reader`, a variant of `Format`, an arm of [`open`] and a word of
//! how it is recognised in `recognise.rs`.

pub mod classes;
pub mod csv;
pub mod envelope;
pub mod error;
pub mod fact;
mod fields;
pub mod json;
mod message;
pub mod moment;
mod place;
pub mod prefix;
pub mod recognise;
pub mod slow;
pub mod stderr;

use crate::log::{Format, Reader};
use prefix::Prefix;

/// A reader of the format. `sample` is the beginning of the log, from which an unknown prefix is inferred;
/// `at_start` tells whether the reading begins there too.
pub fn open(
    format: Format,
    line_prefix: Option<&str>,
    sample: &[u8],
    at_start: bool,
) -> Box<dyn Reader + Send> {
    match format {
        Format::PostgresStderr => Box::new(match line_prefix {
            Some(text) => stderr::Stderr::new(Prefix::parse(text)),
            None => stderr::Stderr::infer(sample).unwrap_or_else(|| stderr::Stderr::new(Prefix::unknown())),
        }),
        Format::PostgresCsv => Box::<csv::Csv>::default(),
        Format::PostgresJson => Box::<json::Json>::default(),
        Format::MysqlSlow => Box::new(slow::SlowLog::new(at_start)),
        Format::MysqlError => Box::<error::ErrorLog>::default(),
    }
}

/// The whole number at the beginning of a text.
fn whole(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|b| b.is_ascii_digit());
    digits.fold(0, |sum: u64, b| sum.saturating_mul(10).saturating_add(u64::from(b - b'0')))
}

/// `1803.577` as a number of thousandths, with `decimals` of 3; and its length.
fn fixed(text: &[u8], decimals: u32) -> Option<(u64, usize)> {
    let mut sum: u64 = 0;
    let mut after = None;
    let mut length = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' if after.is_none_or(|n| n < decimals) => {
                sum = sum.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
                after = after.map(|n| n + 1);
            }
            b'0'..=b'9' => {}
            b'.' if after.is_none() && length > 0 => after = Some(0),
            _ => break,
        }
        length += 1;
    }
    let missing = decimals - after.unwrap_or(0);
    (length > 0).then(|| (sum.saturating_mul(10u64.pow(missing)), length))
}

/// Seconds with a fraction, in microseconds.
fn micros(text: &[u8]) -> u64 {
    fixed(text, 6).map_or(0, |(micros, _)| micros)
}
