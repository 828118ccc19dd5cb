//! The slow log of MySQL, Percona Server and MariaDB: a head of `#` lines, `use`, `SET timestamp`, the statement.
//!
//! The server writes the statement as it came, so a string in it may hold whole forged entries. What looks like
//! the next head is one only where the statement before it is not within a quote or a comment. A statement with a
//! quote that never closes, which the server refused and logged, must not swallow what follows: if no head is
//! found outside a quote for a while, the first one inside it was true.

use super::fields::pairs;
use super::moment::{self, Clock};
use crate::log::{Body, End, Entry, Micros, Reader, Severity, Slow, Who};
use crate::sql::outline::is_open;
use memchr::{memchr, memmem, memrchr_iter};

/// How far behind a head within a quote another one outside is looked for.
const MAX_FORGERY: usize = 256 << 10;
/// The longest `# explain:` block that is kept.
const MAX_EXPLAIN: usize = 64 << 10;

/// The database of entries before the first `use` of a piece of a log: that of the piece before it.
pub const INHERITED: &[u8] = "⟨as before⟩".as_bytes();

#[derive(Debug)]
pub struct SlowLog {
    clock: Clock,
    time: Option<Micros>,
    /// What the last `use` said. The server writes one only when the database changes.
    database: Vec<u8>,
    heads: memmem::Finder<'static>,
    banners: memmem::Finder<'static>,
}

impl SlowLog {
    pub fn new(at_start: bool) -> Self {
        let database = if at_start { Vec::new() } else { INHERITED.to_vec() };
        Self {
            clock: Clock::default(),
            time: None,
            database,
            heads: memmem::Finder::new(b"\n# "),
            banners: memmem::Finder::new(b"started with:"),
        }
    }

    /// Where the statement that begins at `from` ends: at the next head, at a banner, or with the log.
    fn end_of_text(&self, bytes: &[u8], from: usize, end: End) -> Option<usize> {
        let mut forged = None;
        let mut searched = from.saturating_sub(1);
        while let Some(found) = self.heads.find(bytes.get(searched..)?) {
            let at = searched + found + 1;
            searched = at;
            match is_head(bytes.get(at..)?) {
                None if end == End::Open => return None,
                Some(true) => {}
                _ => continue,
            }
            if at <= from || !is_open(bytes.get(from..at)?) {
                return Some(at);
            }
            let first = *forged.get_or_insert(at);
            if at - first > MAX_FORGERY {
                return Some(first);
            }
        }
        match forged {
            Some(first) if end == End::Closed || bytes.len() - first > MAX_FORGERY => Some(first),
            None if end == End::Closed => Some(bytes.len()),
            _ => None,
        }
    }

    /// A banner within what seemed to be a text: the server was started anew, or the log was.
    fn before_banner(&self, bytes: &[u8], from: usize, to: usize) -> usize {
        let text = bytes.get(from..to).unwrap_or_default();
        for found in self.banners.find_iter(text) {
            let before = text.get(..found).unwrap_or_default();
            let line = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
            let ended =
                line == 0 || before.get(..line - 1).is_some_and(|text| text.trim_ascii_end().ends_with(b";"));
            let version = memmem::find(before.get(line..).unwrap_or_default(), b", Version: ").is_some();
            if ended && version && !is_open(before.get(..line).unwrap_or_default()) {
                return from + line;
            }
        }
        to
    }
}

/// What may stand between `# Time:` and `# User@Host:` on one line.
const MAX_TIME: usize = 64;

/// Whether an entry begins here. `None` if there are too few bytes to tell.
fn is_head(bytes: &[u8]) -> Option<bool> {
    const TIME: &[u8] = b"# Time: ";
    const USER: &[u8] = b"# User@Host: ";
    if bytes.len() <= USER.len() && (USER.starts_with(bytes) || TIME.starts_with(bytes)) {
        return None;
    }
    let time = bytes.strip_prefix(TIME).is_some_and(|rest| {
        // Whatever else stands for the time there, whoever it was that asked follows on the same line.
        let line = rest.iter().take(MAX_TIME).take_while(|b| **b != b'\n');
        rest.first().is_some_and(u8::is_ascii_digit)
            || memmem::find(rest.get(..line.count()).unwrap_or_default(), USER).is_some()
    });
    Some(time || bytes.starts_with(USER))
}

/// The three lines with which a server opens the log.
fn is_banner(line: &[u8]) -> bool {
    line.ends_with(b"started with:")
        || line.starts_with(b"Tcp port: ")
        || line.starts_with(b"TCP Port: ")
        || (line.starts_with(b"Time") && line.ends_with(b"Argument"))
}

/// What the head says.
#[derive(Debug, Default)]
struct Head<'a> {
    time: Option<Micros>,
    /// By `SET timestamp`.
    timestamp: Option<Micros>,
    user: &'a [u8],
    host: &'a [u8],
    session: &'a [u8],
    schema: Option<&'a [u8]>,
    used: Option<&'a [u8]>,
    seen_user: bool,
    explain: (usize, usize),
    slow: Slow<'a>,
}

/// What a line of the head is.
enum Line {
    /// Part of the head.
    Head,
    /// The last line of the entry.
    Last,
    /// The text begins here.
    Text,
}

impl<'a> Head<'a> {
    fn line(&mut self, line: &'a [u8], at: usize, clock: &mut Clock) -> Line {
        let Some(rest) = line.strip_prefix(b"#") else { return self.statement_line(line) };
        if self.timestamp.is_some() && !rest.starts_with(b" administrator command:") {
            return Line::Text;
        }
        if let Some(time) = rest.strip_prefix(b" Time: ") {
            if self.seen_user {
                return Line::Text;
            }
            self.time = clock.read(time).map(|(at, _)| at).or_else(|| moment::short(head_of(time)));
            if let Some(user) =
                memchr(b'#', time).and_then(|at| time.get(at..)?.strip_prefix(b"# User@Host: "))
            {
                self.user(user);
            }
        } else if let Some(user) = rest.strip_prefix(b" User@Host: ") {
            if self.seen_user {
                return Line::Text;
            }
            self.user(user);
        } else if let Some(command) = rest.strip_prefix(b" administrator command:") {
            self.slow.command = Some(command.trim_ascii().trim_suffix_semicolon());
            return Line::Last;
        } else if rest.starts_with(b" explain: ") {
            if self.explain.1 == 0 {
                self.explain.0 = at;
            }
            self.explain.1 = (at + line.len()).min(self.explain.0 + MAX_EXPLAIN);
        } else if !rest.starts_with(b" Warning") && !rest.starts_with(b" No InnoDB") {
            pairs(rest, |key, value| self.pair(key, value));
        }
        Line::Head
    }

    /// A line without `#`: only `use` and `SET timestamp`, before the text, belong to the head. Percona's profile
    /// wraps without a `#`.
    fn statement_line(&mut self, line: &'a [u8]) -> Line {
        if self.timestamp.is_some() {
            return Line::Text;
        }
        if let Some(rest) = line.strip_prefix(b"SET ").filter(|rest| {
            rest.starts_with(b"timestamp=")
                || rest.starts_with(b"last_insert_id=")
                || rest.starts_with(b"insert_id=")
        }) {
            let seconds =
                memmem::find(rest, b"timestamp=").and_then(|at| rest.get(at + 10..)).map(super::whole);
            self.timestamp =
                seconds.and_then(|seconds| Micros::try_from(seconds).ok()?.checked_mul(1_000_000));
            return if self.timestamp.is_some() { Line::Head } else { Line::Text };
        }
        if self.used.is_none()
            && let Some(name) =
                line.strip_prefix(b"use ").and_then(|name| name.trim_ascii_end().strip_suffix(b";"))
        {
            self.used = Some(name.trim_ascii().strip_backquotes());
            return Line::Head;
        }
        if line.starts_with(b"Profile_") { Line::Head } else { Line::Text }
    }

    /// `root[root] @ localhost [127.0.0.1]  Id:     4`.
    fn user(&mut self, text: &'a [u8]) {
        self.seen_user = true;
        (self.user, self.host) = user_and_host(text);
        let ids = memrchr_iter(b':', text).filter_map(|at| text.split_at_checked(at + 1));
        if let Some((_, id)) = ids.into_iter().find(|(before, _)| before.ends_with(b"Id:")) {
            self.session = id.trim_ascii();
        }
    }

    fn pair(&mut self, key: &'a [u8], value: &'a [u8]) {
        let number = super::whole;
        match key {
            b"Query_time" => self.slow.query_time = lasted(value),
            b"Lock_time" => self.slow.lock_time = lasted(value),
            b"Rows_sent" => self.slow.rows_sent = number(value),
            b"Rows_examined" => self.slow.rows_examined = number(value),
            b"Rows_affected" => self.slow.rows_affected = number(value),
            b"Bytes_sent" => self.slow.bytes_sent = number(value),
            b"Schema" => self.schema = Some(value),
            b"Thread_id" | b"Id" => self.session = value,
            b"Errno" | b"Last_errno" => self.slow.errno = u32::try_from(number(value)).unwrap_or(u32::MAX),
            b"Log_slow_rate_limit" => {
                self.slow.rate = Some(number(value)).filter(|rate| *rate <= Slow::MAX_RATE).unwrap_or(1);
            }
            b"Log_slow_rate_type" | b"InnoDB_trx_id" | b"Start" | b"End" | b"Trace_Id" => {}
            b"Query_tables" | b"Query_digest" | b"Stored" => {}
            _ if value == b"Yes" => self.slow.others.push((key, 1.0)),
            _ if value.iter().all(|b| b.is_ascii_digit()) => match number(value) {
                0 => {}
                many => self.slow.others.push((key, many as f64)),
            },
            _ => {
                let value = std::str::from_utf8(value).ok().and_then(|text| text.parse::<f64>().ok());
                if let Some(value) = value.filter(|value| value.is_finite() && *value != 0.0) {
                    self.slow.others.push((key, value));
                }
            }
        }
    }
}

/// Of `root[root] @ localhost [127.0.0.1]` who it is and where from.
pub fn user_and_host(text: &[u8]) -> (&[u8], &[u8]) {
    let is_it = |at: &usize| at.checked_sub(1).and_then(|at| text.get(at..at + 3)) == Some(b" @ ");
    let at = memrchr_iter(b'@', text).find(is_it).map_or(text.len(), |at| at - 1);
    let user = text.get(..at).unwrap_or_default();
    let name = memchr::memrchr(b'[', user).and_then(|bracket| user.get(..bracket)).unwrap_or(user);
    let name = if name.trim_ascii().is_empty() { user.trim_ascii() } else { name.trim_ascii() };
    let rest = text.get(at + 3..).unwrap_or_default();
    let bracket = memchr(b'[', rest).unwrap_or(rest.len());
    let host = rest.get(..bracket).unwrap_or_default().trim_ascii();
    let rest = rest.get(bracket + 1..).unwrap_or_default();
    let close = memchr(b']', rest).unwrap_or(rest.len());
    (name, if host.is_empty() { rest.get(..close).unwrap_or_default() } else { host })
}

/// The time at the beginning of a line with more on it.
fn head_of(time: &[u8]) -> &[u8] {
    time.get(..15.min(time.len())).unwrap_or_default()
}

trait Trimmed {
    fn trim_suffix_semicolon(&self) -> &[u8];
    fn strip_backquotes(&self) -> &[u8];
}

impl Trimmed for [u8] {
    fn trim_suffix_semicolon(&self) -> &[u8] {
        self.strip_suffix(b";").unwrap_or(self)
    }
    fn strip_backquotes(&self) -> &[u8] {
        self.strip_prefix(b"`").and_then(|name| name.strip_suffix(b"`")).unwrap_or(self)
    }
}

impl Reader for SlowLog {
    fn next<'a>(&'a mut self, bytes: &'a [u8], end: End) -> Option<(usize, Entry<'a>)> {
        match is_head(bytes) {
            None if end == End::Open => return None,
            Some(true) => {}
            _ => {
                let length = match memchr(b'\n', bytes) {
                    Some(length) => length + 1,
                    None if end == End::Open => return None,
                    None => bytes.len(),
                };
                let line = bytes.get(..length)?.trim_ascii_end();
                let body = if is_banner(line) || line.is_empty() { Body::Banner } else { Body::Noise };
                return Some((length, Entry { body, ..Entry::default() }));
            }
        }
        let mut head = Head::default();
        let mut at = 0;
        let mut used_at = None;
        let last = loop {
            let rest = bytes.get(at..)?;
            let length = match memchr(b'\n', rest) {
                Some(length) => length,
                None if end == End::Open => return None,
                None => rest.len(),
            };
            if rest.is_empty() {
                break false;
            }
            let line = rest.get(..length)?;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let had = head.used.is_some();
            match head.line(line, at, &mut self.clock) {
                Line::Head => {
                    if !had && head.used.is_some() {
                        used_at = Some(at);
                    }
                    at = (at + length + 1).min(bytes.len());
                }
                Line::Last => {
                    at = (at + length + 1).min(bytes.len());
                    break true;
                }
                Line::Text => break false,
            }
        };
        let mut length = at;
        if !last {
            length = self.end_of_text(bytes, at, end)?;
            length = self.before_banner(bytes, at, length);
            let text = bytes.get(at..length)?.trim_ascii_end();
            head.slow.text = text.strip_suffix(b";").unwrap_or(text);
            // `use db` was the statement itself.
            if let (Some(used_at), true, None) = (used_at, text.is_empty(), head.timestamp) {
                head.slow.text = bytes.get(used_at..length)?.trim_ascii_end().trim_suffix_semicolon();
            }
        }
        head.slow.explain = bytes.get(head.explain.0..head.explain.1).unwrap_or_default();
        if let Some(used) = head.used {
            self.database = used.to_vec();
        }
        // Two digits of a year and no zone is local time; the timestamp is not.
        let iso = bytes.get(12) == Some(&b'-');
        let own = if iso { head.time.or(head.timestamp) } else { head.timestamp.or(head.time) };
        let time = own.or(self.time);
        self.time = time;
        let database = match head.schema {
            Some(schema) if !schema.is_empty() => schema,
            Some(_) => b"",
            None => &self.database,
        };
        let who = Who { user: head.user, database, application: b"", host: head.host, session: head.session };
        let entry = Entry { time, severity: Severity::Log, sqlstate: None, who, body: Body::Slow(head.slow) };
        Some((length, entry))
    }

    fn seek(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            // Behind a head line without a semicolon the head goes on.
            at += memmem::find(bytes.get(at..)?, b";\n# ")? + 2;
            if is_head(bytes.get(at..)?) == Some(true) {
                return Some(at);
            }
        }
    }
}

/// A server whose clock went back writes times that are negative as if they were not: that it ran is known, how long is not.
fn lasted(value: &[u8]) -> u64 {
    let micros = super::micros(value);
    if micros > i64::MAX.unsigned_abs() { 0 } else { micros }
}
