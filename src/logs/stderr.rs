//! PostgreSQL's plain log: lines with a prefix; what continues a text begins with a tab, so no text can pretend to
//! be a line of its own. `DETAIL`, `STATEMENT` and their like are lines with the same prefix.

use super::moment::Clock;
use super::place::Place;
use super::prefix::{self, Companion, Head, Level, Prefix};
use crate::log::{Body, End, Entry, Message, Reader, Who};
use memchr::{memchr, memchr_iter};

/// How many lines are looked at to find the prefix.
const SAMPLE: usize = 200;

#[derive(Debug)]
pub struct Stderr {
    prefix: Prefix,
    /// The prefix was found by us: where it stops to fit, another may.
    inferred: bool,
    clock: Clock,
    kept: Vec<u8>,
}

impl Stderr {
    pub fn new(prefix: Prefix) -> Self {
        Self { prefix, inferred: false, clock: Clock::default(), kept: Vec::new() }
    }

    /// Finds the prefix in the beginning of a log.
    pub fn infer(sample: &[u8]) -> Option<Self> {
        let prefix = prefix::infer(&lines(sample))?;
        Some(Self { inferred: true, ..Self::new(prefix) })
    }

    fn head(&mut self, line: &[u8]) -> Option<Head> {
        if line.starts_with(b"\t") {
            return None;
        }
        let head = self.prefix.read(line, &mut self.clock);
        if head.is_none() && self.inferred && line.len() > 20 {
            // The setting has changed within the file.
            let prefix = prefix::infer(&[line])?;
            let head = prefix.read(line, &mut self.clock);
            if prefix != Prefix::unknown() && prefix != Prefix::none() {
                self.prefix = prefix;
            }
            return head;
        }
        head
    }

    /// A text that begins at `from`, with the lines that continue it: where it ends, and its place.
    fn text(&mut self, bytes: &[u8], from: usize, end: End) -> Option<(usize, Place)> {
        let mut at = from;
        let mut folded = false;
        loop {
            let rest = bytes.get(at..)?;
            let Some(length) = memchr(b'\n', rest) else {
                if end == End::Open {
                    return None;
                }
                at = bytes.len();
                break;
            };
            at += length + 1;
            match bytes.get(at) {
                Some(b'\t') => folded = true,
                None if end == End::Open => return None,
                _ => break,
            }
        }
        let text = bytes.get(from..at)?;
        let text = unended(text.strip_suffix(b"\n").unwrap_or(text));
        if !folded {
            return Some((at, Place::Given(from, from + text.len())));
        }
        let start = self.kept.len();
        let mut copied = 0;
        for newline in memchr_iter(b'\n', text) {
            self.kept.extend_from_slice(unended(text.get(copied..newline)?));
            self.kept.push(b'\n');
            copied = newline + 2;
        }
        self.kept.extend_from_slice(text.get(copied..).unwrap_or_default());
        Some((at, Place::Kept(start, self.kept.len())))
    }

    /// The line at `at` if it belongs to the entry whose prefix is `given`. Outer `None`: not known yet.
    fn companion(
        &mut self,
        bytes: &[u8],
        at: usize,
        given: &[u8],
        end: End,
    ) -> Option<Option<(Companion, usize)>> {
        let rest = bytes.get(at..)?;
        if rest.is_empty() {
            return (end == End::Closed).then_some(None);
        }
        let Some(length) = memchr(b'\n', rest) else {
            if end == End::Open {
                return None;
            }
            return Some(self.companion_head(rest, given).map(|(companion, text)| (companion, at + text)));
        };
        let line = rest.get(..length)?;
        Some(self.companion_head(line, given).map(|(companion, text)| (companion, at + text)))
    }

    fn companion_head(&mut self, line: &[u8], given: &[u8]) -> Option<(Companion, usize)> {
        let head = match self.prefix.varies() {
            true => self.prefix.read(line, &mut self.clock)?,
            false => prefix::alike(line, given)?,
        };
        match head.level {
            Level::Companion(companion) => Some((companion, head.text)),
            Level::Main(_) => None,
        }
    }
}

impl Reader for Stderr {
    fn next<'a>(&'a mut self, bytes: &'a [u8], end: End) -> Option<(usize, Entry<'a>)> {
        self.kept.clear();
        let line = match memchr(b'\n', bytes) {
            Some(length) => bytes.get(..length)?,
            None if end == End::Open => return None,
            None => bytes,
        };
        let Some(head) = self.head(line) else {
            return Some(((line.len() + 1).min(bytes.len()), Entry::default()));
        };
        let severity = match head.level {
            Level::Main(severity) => severity,
            // Its entry lies before the beginning of the file.
            Level::Companion(_) => {
                let (at, _) = self.text(bytes, head.text, end)?;
                return Some((at, Entry::default()));
            }
        };
        let given = bytes.get(..head.prefix)?;
        let (mut at, text) = self.text(bytes, head.text, end)?;
        let mut parts = [Place::Nowhere; 5];
        while let Some((companion, from)) = self.companion(bytes, at, given, end)? {
            let (next, place) = self.text(bytes, from, end)?;
            at = next;
            if let Some(part) = parts.get_mut(companion as usize) {
                *part = place;
            }
        }
        let of = |place: Place| place.of(bytes, &self.kept);
        let range = |(from, to): (usize, usize)| bytes.get(from..to).unwrap_or_default();
        let [detail, hint, context, statement, _] = parts.map(of);
        let message = Message { text: of(text), detail, hint, context, statement };
        let who = Who {
            user: known(range(head.user)),
            database: known(range(head.database)),
            application: known(range(head.application)),
            host: known(range(head.host)),
            session: range(head.session),
        };
        let entry =
            Entry { time: head.time, severity, sqlstate: head.sqlstate, who, body: Body::Message(message) };
        Some((at, entry))
    }

    fn seek(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at += memchr(b'\n', bytes.get(at..)?)? + 1;
            let rest = bytes.get(at..)?;
            let line = rest.get(..memchr(b'\n', rest)?)?;
            if let Some(Head { level: Level::Main(_), .. }) = self.head(line) {
                return Some(at);
            }
        }
    }
}

/// Without what Windows puts before the end of a line.
fn unended(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn known(name: &[u8]) -> &[u8] {
    if name == b"[unknown]" { b"" } else { name }
}

/// Lines at which an entry may begin.
fn lines(sample: &[u8]) -> Vec<&[u8]> {
    let lines = sample.split(|b| *b == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"\t"));
    lines.take(SAMPLE).collect()
}
