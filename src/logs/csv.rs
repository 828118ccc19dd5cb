//! PostgreSQL's `csvlog`: 23 columns before PostgreSQL 13, 24 there, 26 since 14. The added ones come last.

use super::moment::Clock;
use super::place::Place;
use crate::log::{Body, End, Entry, Message, Reader, Severity, SqlState, Who};
use memchr::{memchr, memchr2};

/// More columns than any version writes: what has more is not a csvlog.
const MAX_COLUMNS: usize = 32;
/// Up to the application name, which every version has.
const MIN_COLUMNS: usize = 23;

// Positions of what is read.
const USER: usize = 1;
const DATABASE: usize = 2;
const HOST: usize = 4;
const SESSION: usize = 5;
const SEVERITY: usize = 11;
const SQLSTATE: usize = 12;
const MESSAGE: usize = 13;
const DETAIL: usize = 14;
const HINT: usize = 15;
const CONTEXT: usize = 18;
const STATEMENT: usize = 19;
const APPLICATION: usize = 22;

#[derive(Debug, Default)]
pub struct Csv {
    clock: Clock,
    kept: Vec<u8>,
}

/// What became of a field.
enum Field {
    /// Its place, and where the separator behind it stands.
    Whole(Place, usize),
    /// The bytes end within it.
    Cut,
}

impl Csv {
    fn field(&mut self, bytes: &[u8], at: usize, end: End) -> Field {
        if bytes.get(at) != Some(&b'"') {
            let rest = bytes.get(at..).unwrap_or_default();
            return match memchr2(b',', b'\n', rest) {
                Some(length) => Field::Whole(Place::Given(at, at + length), at + length),
                None if end == End::Open => Field::Cut,
                None => Field::Whole(Place::Given(at, bytes.len()), bytes.len()),
            };
        }
        self.quoted(bytes, at + 1, end)
    }

    fn quoted(&mut self, bytes: &[u8], from: usize, end: End) -> Field {
        let start = self.kept.len();
        let mut at = from;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(length) = memchr(b'"', rest) else {
                if end == End::Open {
                    return Field::Cut;
                }
                self.kept.extend_from_slice(rest);
                return Field::Whole(Place::Kept(start, self.kept.len()), bytes.len());
            };
            match bytes.get(at + length + 1) {
                Some(b'"') => {
                    self.kept.extend_from_slice(rest.get(..=length).unwrap_or_default());
                    at += length + 2;
                }
                None if end == End::Open => return Field::Cut,
                _ if self.kept.len() == start => {
                    return Field::Whole(Place::Given(at, at + length), at + length + 1);
                }
                _ => {
                    self.kept.extend_from_slice(rest.get(..length).unwrap_or_default());
                    return Field::Whole(Place::Kept(start, self.kept.len()), at + length + 1);
                }
            }
        }
    }

    fn begins(&mut self, line: &[u8]) -> bool {
        matches!(self.clock.read(line), Some((_, length)) if line.get(length) == Some(&b','))
    }
}

impl Reader for Csv {
    fn next<'a>(&'a mut self, bytes: &'a [u8], end: End) -> Option<(usize, Entry<'a>)> {
        self.kept.clear();
        // Longer than any time with its zone.
        const TIME: usize = 40;
        if bytes.len() < TIME && end == End::Open {
            return None;
        }
        let noise = |bytes: &[u8]| memchr(b'\n', bytes).map(|length| length + 1);
        let time = match self.clock.read(bytes) {
            Some((time, length)) if bytes.get(length) == Some(&b',') => time,
            _ => {
                return noise(bytes)
                    .or((end == End::Closed).then_some(bytes.len()))
                    .map(|n| (n, Entry::default()));
            }
        };
        let mut columns = [Place::Nowhere; MAX_COLUMNS];
        let mut count = 0;
        let mut at = 0;
        let length = loop {
            let Field::Whole(place, after) = self.field(bytes, at, end) else { return None };
            if let Some(column) = columns.get_mut(count) {
                *column = place;
            }
            count += 1;
            match bytes.get(after) {
                Some(b',') => at = after + 1,
                Some(b'\r') if bytes.get(after + 1) == Some(&b'\n') => break after + 2,
                Some(b'\n') => break after + 1,
                None if end == End::Open => return None,
                None => break after,
                // Something behind a closing quote: not what a server writes.
                Some(_) => break noise(bytes).unwrap_or(bytes.len()),
            }
        };
        let column = |nth: usize| columns.get(nth).map_or(&b""[..], |place| place.of(bytes, &self.kept));
        let severity = Severity::of(column(SEVERITY));
        let (MIN_COLUMNS..=MAX_COLUMNS, Some(severity)) = (count, severity) else {
            return Some((length, Entry::default()));
        };
        let who = Who {
            user: column(USER),
            database: column(DATABASE),
            application: column(APPLICATION),
            host: column(HOST),
            session: column(SESSION),
        };
        let message = Message {
            text: column(MESSAGE),
            detail: column(DETAIL),
            hint: column(HINT),
            context: column(CONTEXT),
            statement: column(STATEMENT),
        };
        let sqlstate = SqlState::of(column(SQLSTATE));
        Some((length, Entry { time: Some(time), severity, sqlstate, who, body: Body::Message(message) }))
    }

    fn seek(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at += memchr(b'\n', bytes.get(at..)?)? + 1;
            if self.begins(bytes.get(at..)?) {
                return Some(at);
            }
        }
    }
}
