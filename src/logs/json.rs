//! PostgreSQL's `jsonlog`: one object a line. What is absent was empty.

use super::moment::Clock;
use super::place::Place;
use crate::log::{Body, End, Entry, Message, Reader, Severity, SqlState, Who};
use memchr::{memchr, memchr2};

#[derive(Debug, Default)]
pub struct Json {
    clock: Clock,
    kept: Vec<u8>,
}

/// The keys that are read.
#[derive(Debug, Default)]
struct Found {
    timestamp: Place,
    user: Place,
    database: Place,
    host: Place,
    session: Place,
    severity: Place,
    sqlstate: Place,
    message: Place,
    detail: Place,
    hint: Place,
    context: Place,
    statement: Place,
    application: Place,
}

impl Found {
    fn place(&mut self, key: &[u8]) -> Option<&mut Place> {
        Some(match key {
            b"timestamp" => &mut self.timestamp,
            b"user" => &mut self.user,
            b"dbname" => &mut self.database,
            b"remote_host" => &mut self.host,
            b"session_id" => &mut self.session,
            b"error_severity" => &mut self.severity,
            b"state_code" => &mut self.sqlstate,
            b"message" => &mut self.message,
            b"detail" => &mut self.detail,
            b"hint" => &mut self.hint,
            b"context" => &mut self.context,
            b"statement" => &mut self.statement,
            b"application_name" => &mut self.application,
            _ => return None,
        })
    }
}

impl Json {
    fn object(&mut self, line: &[u8]) -> Option<Found> {
        let mut found = Found::default();
        each(line, &mut self.kept, |key, place| {
            if let Some(known) = found.place(key) {
                *known = place;
            }
        })?;
        Some(found)
    }
}

/// Calls `see` for every key of the object on a line. `None` if it is none.
pub(super) fn each(line: &[u8], kept: &mut Vec<u8>, mut see: impl FnMut(&[u8], Place)) -> Option<()> {
    let mut at = skip_blanks(line, 0);
    if line.get(at) != Some(&b'{') {
        return None;
    }
    at = skip_blanks(line, at + 1);
    while line.get(at) == Some(&b'"') {
        let length = memchr(b'"', line.get(at + 1..)?)?;
        let key = line.get(at + 1..at + 1 + length)?;
        at = skip_blanks(line, at + length + 2);
        if line.get(at) != Some(&b':') {
            return None;
        }
        let (place, after) = value(line, skip_blanks(line, at + 1), kept)?;
        see(key, place);
        at = skip_blanks(line, after);
        match line.get(at) {
            Some(b',') => at = skip_blanks(line, at + 1),
            Some(b'}') => return Some(()),
            _ => return None,
        }
    }
    None
}

fn skip_blanks(line: &[u8], mut at: usize) -> usize {
    while matches!(line.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// A value and where it ends. Numbers and words are given as written, of arrays and objects only the end.
fn value(line: &[u8], at: usize, kept: &mut Vec<u8>) -> Option<(Place, usize)> {
    match line.get(at)? {
        b'"' => string(line, at + 1, kept),
        b'{' | b'[' => nested(line, at).map(|after| (Place::Nowhere, after)),
        _ => {
            let rest = line.get(at..)?;
            let length = rest.iter().take_while(|b| !matches!(b, b',' | b'}' | b']' | b' ')).count();
            Some((Place::Given(at, at + length), at + length))
        }
    }
}

fn nested(line: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = from;
    loop {
        match line.get(at)? {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b'"' => {
                at += 1;
                loop {
                    at += memchr2(b'"', b'\\', line.get(at..)?)?;
                    if line.get(at) == Some(&b'"') {
                        break;
                    }
                    at += 2;
                }
            }
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// A string whose opening quote stands before `from`.
fn string(line: &[u8], from: usize, kept: &mut Vec<u8>) -> Option<(Place, usize)> {
    let length = memchr2(b'"', b'\\', line.get(from..)?)?;
    if line.get(from + length) == Some(&b'"') {
        return Some((Place::Given(from, from + length), from + length + 1));
    }
    let start = kept.len();
    let mut at = from;
    loop {
        let rest = line.get(at..)?;
        let length = memchr2(b'"', b'\\', rest)?;
        kept.extend_from_slice(rest.get(..length)?);
        at += length;
        if line.get(at) == Some(&b'"') {
            return Some((Place::Kept(start, kept.len()), at + 1));
        }
        at = escape(line, at + 1, kept)?;
    }
}

/// What a backslash means; `at` is behind it.
fn escape(line: &[u8], at: usize, kept: &mut Vec<u8>) -> Option<usize> {
    let plain = match line.get(at)? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        b'u' => return unicode(line, at + 1, kept),
        other => *other,
    };
    kept.push(plain);
    Some(at + 1)
}

fn unicode(line: &[u8], at: usize, kept: &mut Vec<u8>) -> Option<usize> {
    let unit = |at: usize| {
        let digits = std::str::from_utf8(line.get(at..at + 4)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = unit(at)?;
    let mut after = at + 4;
    let mut code = first;
    if (0xd800..0xdc00).contains(&first)
        && line.get(after..after + 2) == Some(b"\\u")
        && let Some(second) = unit(after + 2).filter(|second| (0xdc00..0xe000).contains(second))
    {
        code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        after += 6;
    }
    let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    kept.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    Some(after)
}

impl Reader for Json {
    fn next<'a>(&'a mut self, bytes: &'a [u8], end: End) -> Option<(usize, Entry<'a>)> {
        self.kept.clear();
        let (line, length) = match memchr(b'\n', bytes) {
            Some(length) => (bytes.get(..length)?, length + 1),
            None if end == End::Open => return None,
            None => (bytes, bytes.len()),
        };
        let found = self.object(line);
        let of = |place: Place| place.of(line, &self.kept);
        let entry = found.and_then(|found| {
            let (time, _) = self.clock.read(of(found.timestamp))?;
            let severity = Severity::of(of(found.severity))?;
            let who = Who {
                user: of(found.user),
                database: of(found.database),
                application: of(found.application),
                host: of(found.host),
                session: of(found.session),
            };
            let message = Message {
                text: of(found.message),
                detail: of(found.detail),
                hint: of(found.hint),
                context: of(found.context),
                statement: of(found.statement),
            };
            let sqlstate = SqlState::of(of(found.sqlstate));
            Some(Entry { time: Some(time), severity, sqlstate, who, body: Body::Message(message) })
        });
        Some((length, entry.unwrap_or_default()))
    }

    fn seek(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        Some(from + memchr(b'\n', bytes.get(from..)?)? + 1)
    }
}
