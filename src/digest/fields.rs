//! The numbers of a slow log, those with a place of their own and all others.

use super::statements::{MAX_FIELDS, Row};
use crate::log::Slow;

/// Interrupted by somebody, by MariaDB's limit of time, by MySQL's.
const CANCELLED: [u32; 3] = [1317, 1969, 3024];

pub fn slow_fields(row: &mut Row, slow: &Slow, times: u64, fields: &mut Vec<String>, dropped: &mut u64) {
    let sums = [
        (&mut row.lock_time, slow.lock_time),
        (&mut row.rows_sent, slow.rows_sent),
        (&mut row.rows_examined, slow.rows_examined),
        (&mut row.rows_affected, slow.rows_affected),
        (&mut row.bytes_sent, slow.bytes_sent),
    ];
    for (sum, more) in sums {
        *sum = sum.saturating_add(more.saturating_mul(times));
    }
    row.errors += u64::from(slow.errno != 0) * times;
    row.cancels += u64::from(CANCELLED.contains(&slow.errno)) * times;
    for (name, value) in slow.others.iter().filter(|(_, value)| *value != 0.0) {
        match place(fields, name) {
            at if at < MAX_FIELDS => row.field(at, value * times as f64),
            _ => *dropped += 1,
        }
    }
}

/// The number of a field.
pub fn place(fields: &mut Vec<String>, name: &[u8]) -> usize {
    if let Some(at) = fields.iter().position(|field| field.as_bytes() == name) {
        return at;
    }
    if fields.len() < MAX_FIELDS {
        fields.push(String::from_utf8_lossy(name).into_owned());
        return fields.len() - 1;
    }
    MAX_FIELDS
}

/// An administrator command as one of the server's own words: what else stands in the log is text of a stranger.
pub fn command(word: &[u8]) -> &'static str {
    const WORDS: [&str; 14] = [
        "quit",
        "ping",
        "prepare",
        "close stmt",
        "init db",
        "refresh",
        "statistics",
        "change user",
        "reset stmt",
        "field list",
        "long data",
        "set option",
        "execute",
        "connect",
    ];
    let word = word.to_ascii_lowercase();
    WORDS.iter().find(|known| known.as_bytes() == word).copied().unwrap_or("other")
}
