//! The error log of MySQL and MariaDB: as text of every age, and as MySQL's JSON. An entry goes on until the next
//! line with a time.

use super::json;
use super::moment::{self, Clock};
use super::place::Place;
use crate::log::{Body, End, Entry, Micros, Notice, Reader, Severity, SqlState, Who};
use memchr::memchr;

#[derive(Debug, Default)]
pub struct ErrorLog {
    clock: Clock,
    kept: Vec<u8>,
}

/// The head of a line.
#[derive(Debug, Clone, Copy)]
struct Head<'a> {
    time: Micros,
    session: &'a [u8],
    severity: Severity,
    code: &'a [u8],
    subsystem: &'a [u8],
    /// Where the text begins.
    text: usize,
}

/// `2026-11-20T22:43:03.1Z 7 [Note] [MY-010926] [Server] text`, `2026-11-20 22:43:03 7 [Note] InnoDB: text`,
/// `260120 22:43:03 [Note] text`.
fn head<'a>(line: &'a [u8], clock: &mut Clock) -> Option<Head<'a>> {
    let (time, mut at) = match clock.read(line) {
        Some(read) => read,
        None => (moment::short(line.get(..15)?)?, 15),
    };
    let rest = line.get(at..)?;
    at += rest.len() - rest.trim_ascii_start().len();
    let digits = line.get(at..)?.iter().take_while(|b| b.is_ascii_digit()).count();
    let session = line.get(at..at + digits)?;
    at += digits + usize::from(digits > 0);
    let (level, mut at) = bracket(line, at)?;
    let severity = match level {
        b"ERROR" | b"Error" => Severity::Error,
        b"Warning" => Severity::Warning,
        b"Note" => Severity::Info,
        b"System" => Severity::Log,
        _ => return None,
    };
    let (mut code, mut subsystem) = (&b""[..], &b""[..]);
    if let Some((word, after)) = bracket(line, at).filter(|(word, _)| word.starts_with(b"MY-")) {
        code = word;
        at = after;
        if let Some((word, after)) = bracket(line, at) {
            subsystem = word;
            at = after;
        }
    }
    Some(Head { time, session, severity, code, subsystem, text: at })
}

/// `[word] ` at `at`, and where it ends.
fn bracket(line: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = line.get(at..)?.strip_prefix(b"[")?;
    let length = memchr(b']', rest).filter(|length| *length < 30)?;
    let after = at + length + 2;
    Some((rest.get(..length)?, after + usize::from(line.get(after) == Some(&b' '))))
}

impl ErrorLog {
    fn begins(&mut self, line: &[u8]) -> bool {
        line.starts_with(b"{") || head(line, &mut self.clock).is_some()
    }

    /// MySQL's `log_sink_json`, one object a line.
    fn object<'a>(&'a mut self, line: &'a [u8]) -> Option<Entry<'a>> {
        let mut found = [Place::Nowhere; 7];
        json::each(line, &mut self.kept, |key, place| {
            let keys: [&[u8]; 7] =
                [b"time", b"prio", b"thread", b"err_code", b"subsystem", b"SQL_state", b"msg"];
            if let Some(slot) = keys.iter().position(|known| *known == key).and_then(|at| found.get_mut(at)) {
                *slot = place;
            }
        })?;
        let [time, prio, thread, code, subsystem, state, text] =
            found.map(|place| place.of(line, &self.kept));
        let (time, _) = self.clock.read(time)?;
        let severity = match prio {
            b"0" => Severity::Log,
            b"1" => Severity::Error,
            b"2" => Severity::Warning,
            _ => Severity::Info,
        };
        let body = Body::Notice(Notice { code, subsystem, text });
        let sqlstate =
            SqlState::of(state).filter(|_| severity != Severity::Log && severity != Severity::Info);
        let who = Who { session: thread, ..Who::default() };
        Some(Entry { time: Some(time), severity, sqlstate, who, body })
    }
}

impl Reader for ErrorLog {
    fn next<'a>(&'a mut self, bytes: &'a [u8], end: End) -> Option<(usize, Entry<'a>)> {
        self.kept.clear();
        let first = match memchr(b'\n', bytes) {
            Some(length) => length + 1,
            None if end == End::Open => return None,
            None => bytes.len(),
        };
        let line = bytes.get(..first)?;
        if line.starts_with(b"{") {
            return Some((first, self.object(line).unwrap_or_default()));
        }
        let Some(head) = head(line, &mut self.clock) else { return Some((first, Entry::default())) };
        let mut at = first;
        loop {
            let rest = bytes.get(at..)?;
            let length = match memchr(b'\n', rest) {
                Some(length) => length + 1,
                None if end == End::Open => return None,
                None if rest.is_empty() => break,
                None => rest.len(),
            };
            if self.begins(rest.get(..length)?) {
                break;
            }
            at += length;
        }
        let text = bytes.get(head.text..at)?.trim_ascii();
        let body = Body::Notice(Notice { code: head.code, subsystem: head.subsystem, text });
        let who = Who { session: head.session, ..Who::default() };
        Some((at, Entry { time: Some(head.time), severity: head.severity, sqlstate: None, who, body }))
    }

    fn seek(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at += memchr(b'\n', bytes.get(at..)?)? + 1;
            let rest = bytes.get(at..)?;
            if self.begins(rest.get(..memchr(b'\n', rest)?)?) {
                return Some(at);
            }
        }
    }
}
