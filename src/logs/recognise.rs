//! What a log is, told by its beginning.

use super::prefix::{Prefix, infer};
use super::{csv, error, json, moment, slow};
use crate::log::{Body, End, Entry, Format, Reader};

/// How many entries are tried.
const TRIED: usize = 20;

/// The format of a log, or `None` if it is none that we know.
pub fn format(sample: &[u8], line_prefix: Option<&str>) -> Option<Format> {
    let sample = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
    let understood = |format, mut reader: Box<dyn Reader>| (format, count(sample, reader.as_mut()));
    // Of equals the last is taken: a time followed by anything may also be a plain log.
    let formats = [
        (Format::PostgresStderr, plain(sample, line_prefix)),
        understood(Format::MysqlError, Box::<error::ErrorLog>::default()),
        understood(Format::MysqlSlow, Box::new(slow::SlowLog::new(true))),
        understood(Format::PostgresCsv, Box::<csv::Csv>::default()),
        understood(Format::PostgresJson, Box::<json::Json>::default()),
    ];
    formats
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .max_by_key(|(_, count)| *count)
        .map(|(format, _)| format)
}

/// How many entries a reader finds at the beginning.
fn count(sample: &[u8], reader: &mut dyn Reader) -> usize {
    let mut at = 0;
    let mut found = 0;
    for _ in 0..TRIED {
        let rest = sample.get(at..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        let Some((length, entry)) = reader.next(rest, End::Closed) else { break };
        at += length;
        found += usize::from(!matches!(entry, Entry { body: Body::Noise, .. }));
    }
    found
}

/// How many of the first lines a prefix fits.
fn plain(sample: &[u8], line_prefix: Option<&str>) -> usize {
    let lines: Vec<&[u8]> = sample.split(|b| *b == b'\n').take(TRIED * 5).collect();
    let prefix = match line_prefix {
        Some(text) => Some(Prefix::parse(text)),
        None => infer(&lines),
    };
    let Some(prefix) = prefix else { return 0 };
    let mut clock = moment::Clock::default();
    lines.iter().filter(|line| prefix.read(line, &mut clock).is_some()).count().min(TRIED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_log_of_a_night() {
        let log = "2026-11-30  2:40:14 0 [Note] InnoDB: Using io_uring\n2026-11-30  2:40:15 0 [Note] Server socket created\n";
        assert_eq!(format(log.as_bytes(), None), Some(Format::MysqlError));
    }
}
