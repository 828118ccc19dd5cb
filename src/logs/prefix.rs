//! `log_line_prefix`: what stands before the message of a line in PostgreSQL's plain log.

use super::moment::Clock;
use crate::log::{Micros, Severity, SqlState};
use memchr::memmem;

/// The longest name the server prints, of a user, a database or an application: NAMEDATALEN - 1 bytes, and some
/// room for builds with longer names.
const MAX_NAME: usize = 128;
/// The longest prefix that is searched for a level word when its form is unknown.
const MAX_UNKNOWN: usize = 400;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Field(u8),
    /// `%q`: processes without a session stop here.
    Stop,
    /// Anything up to the level word: the form is not known.
    Unknown,
}

/// A prefix taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    parts: Vec<Part>,
    /// Lines of one entry may differ in it, by `%l`, `%t` or `%n`.
    varies: bool,
}

/// What the beginning of a line says; all offsets count from the beginning of the line.
#[derive(Debug, Default, Clone, Copy)]
pub struct Head {
    pub time: Option<Micros>,
    pub user: (usize, usize),
    pub database: (usize, usize),
    pub application: (usize, usize),
    pub host: (usize, usize),
    pub session: (usize, usize),
    pub sqlstate: Option<SqlState>,
    pub level: Level,
    /// Where the prefix ends and the level word begins.
    pub prefix: usize,
    /// Where the text begins.
    pub text: usize,
}

/// The word between the prefix and the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Main(Severity),
    Companion(Companion),
}

impl Default for Level {
    fn default() -> Self {
        Self::Main(Severity::Log)
    }
}

/// A line that belongs to the entry before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Companion {
    Detail,
    Hint,
    Context,
    Statement,
    /// Understood, and not needed.
    Other,
}

impl Companion {
    fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"DETAIL" | b"D\xc3\x89TAIL" | b"DETALLE" | b"DETTAGLI" => Self::Detail,
            b"HINT" | b"ASTUCE" | b"TIPP" | b"SUGERENCIA" | b"SUGGERIMENTO" => Self::Hint,
            b"CONTEXT" | b"CONTEXTE" | b"ZUSAMMENHANG" | b"CONTEXTO" | b"CONTESTO" => Self::Context,
            b"STATEMENT" | b"INSTRUCTION" | b"ANWEISUNG" | b"SENTENCIA" | b"ISTRUZIONE" => Self::Statement,
            b"QUERY" | b"LOCATION" | b"BACKTRACE" | b"ANFRAGE" | b"ORT" | b"REQU\xc3\x8aTE"
            | b"EMPLACEMENT" => Self::Other,
            _ => return None,
        })
    }
}

impl Prefix {
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            if byte != b'%' {
                literal.push(byte);
                continue;
            }
            // Padding, `%-10u`.
            while bytes.next_if(|b| b.is_ascii_digit() || *b == b'-').is_some() {}
            let part = match bytes.next() {
                None | Some(b'%') => {
                    literal.push(b'%');
                    continue;
                }
                Some(b'q') => Part::Stop,
                Some(field) => Part::Field(field),
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        let varies = parts.iter().any(|part| matches!(part, Part::Field(b'l' | b't' | b'n')));
        Self { parts, varies }
    }

    /// For logs whose prefix nobody knows: a time at the beginning is read, all else is left out.
    pub fn unknown() -> Self {
        Self { parts: vec![Part::Field(b'm'), Part::Unknown], varies: true }
    }

    /// For logs without any prefix.
    pub fn none() -> Self {
        Self { parts: Vec::new(), varies: false }
    }

    pub fn varies(&self) -> bool {
        self.varies
    }

    /// Reads the beginning of a line up to its text.
    pub fn read(&self, line: &[u8], clock: &mut Clock) -> Option<Head> {
        let mut head = Head::default();
        take(&self.parts, line, 0, clock, &mut head).then_some(head)
    }
}

/// The beginning of a line that is that of another line up to the level word.
pub fn alike(line: &[u8], prefix: &[u8]) -> Option<Head> {
    let mut head = Head::default();
    (line.starts_with(prefix) && level(line, prefix.len(), &mut head)).then_some(head)
}

/// Tries the parts from `at` on. A name may hold anything, also what looks like the next part, so the shortest
/// reading that lets the whole prefix end in a level word is taken.
fn take(parts: &[Part], line: &[u8], at: usize, clock: &mut Clock, head: &mut Head) -> bool {
    let Some((part, rest)) = parts.split_first() else { return level(line, at, head) };
    match part {
        Part::Literal(text) => {
            line.get(at..).is_some_and(|line| line.starts_with(text))
                && take(rest, line, at + text.len(), clock, head)
        }
        Part::Stop => level(line, at, head) || take(rest, line, at, clock, head),
        Part::Unknown => {
            let until = line.len().min(at + MAX_UNKNOWN);
            let line_head = line.get(..until).unwrap_or_default();
            memmem::find_iter(line_head.get(at..).unwrap_or_default(), b":  ").any(|found| {
                let word = line_head.get(..at + found).unwrap_or_default();
                let length = word.iter().rev().take_while(|b| in_level(**b)).count();
                level(line, word.len() - length, head)
            })
        }
        Part::Field(field) => take_field(*field, rest, line, at, clock, head),
    }
}

fn take_field(field: u8, rest: &[Part], line: &[u8], at: usize, clock: &mut Clock, head: &mut Head) -> bool {
    let tail = line.get(at..).unwrap_or_default();
    let run = |belongs: fn(&u8) -> bool| tail.iter().take_while(|b| belongs(b)).count();
    let digits = |b: &u8| b.is_ascii_digit();
    let end = match field {
        b'm' | b't' => {
            let Some((time, length)) = clock.read(tail) else { return false };
            head.time = Some(time);
            length
        }
        b'n' => {
            let length = run(|b| b.is_ascii_digit() || *b == b'.');
            let text = std::str::from_utf8(tail.get(..length).unwrap_or_default()).unwrap_or_default();
            let Ok(seconds) = text.parse::<f64>() else { return false };
            head.time = Some((seconds * 1e6).round() as Micros);
            length
        }
        b's' => match Clock::default().read(tail) {
            Some((_, length)) => length,
            None => return false,
        },
        b'p' => {
            let length = run(digits);
            head.session = (at, at + length);
            length
        }
        b'c' => {
            let length = run(|b| b.is_ascii_hexdigit() || *b == b'.');
            head.session = (at, at + length);
            length
        }
        b'P' | b'l' | b'x' | b'Q' => run(|b| b.is_ascii_digit() || *b == b'-'),
        b'v' => run(|b| b.is_ascii_digit() || *b == b'/'),
        b'e' => {
            head.sqlstate = tail.get(..5).and_then(SqlState::of);
            5
        }
        _ => return take_name(field, rest, line, at, clock, head),
    };
    // What is padded has blanks behind it, what is not has none that the next part does not ask for.
    let blanks = tail.get(end..).unwrap_or_default().iter().take_while(|b| **b == b' ').count();
    take(rest, line, at + end, clock, head)
        || (blanks > 0 && take(rest, line, at + end + blanks, clock, head))
}

/// A field without a form of its own: every end is tried, nearest first.
fn take_name(field: u8, rest: &[Part], line: &[u8], at: usize, clock: &mut Clock, head: &mut Head) -> bool {
    let tail = line.get(at..).unwrap_or_default();
    let room = tail.get(..MAX_NAME.min(tail.len())).unwrap_or_default();
    let room = match field {
        b'h' | b'r' => room.get(..room.iter().take_while(|b| in_host(**b)).count()).unwrap_or_default(),
        _ => room,
    };
    for length in Ends::of(tail, room.len(), rest.first()) {
        let name = room.get(..length).unwrap_or_default();
        if matches!(field, b'h' | b'r') && !is_host(name) {
            continue;
        }
        if take(rest, line, at + length, clock, head) {
            let unpadded = (at, at + name.trim_ascii_end().len());
            match field {
                b'u' => head.user = unpadded,
                b'd' => head.database = unpadded,
                b'a' => head.application = unpadded,
                b'h' | b'r' => head.host = unpadded,
                _ => {}
            }
            return true;
        }
    }
    false
}

/// Where a name may end. Lines are many and names short, and mostly one byte ends them: nothing is put on the heap for it.
enum Ends<'a> {
    Byte(memchr::Memchr<'a>),
    Text(Box<memmem::FindIter<'a, 'a>>),
    Anywhere(std::ops::RangeInclusive<usize>),
}

impl<'a> Ends<'a> {
    /// Of a name of at most `most` bytes: before the literal that follows, or anywhere.
    fn of(tail: &'a [u8], most: usize, next: Option<&'a Part>) -> Self {
        let Some(Part::Literal(literal)) = next else { return Self::Anywhere(0..=most) };
        let room = tail.get(..tail.len().min(most + literal.len())).unwrap_or_default();
        match literal.as_slice() {
            [byte] => Self::Byte(memchr::memchr_iter(*byte, room)),
            text => Self::Text(Box::new(memmem::find_iter(room, text))),
        }
    }
}

impl Iterator for Ends<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::Byte(found) => found.next(),
            Self::Text(found) => found.next(),
            Self::Anywhere(places) => places.next(),
        }
    }
}

fn in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b':' | b'-' | b'_' | b'%' | b'[' | b']' | b'(' | b')')
}

/// `[local]`, a name, an address; of `%r` with the port in parentheses. Nothing for a process of the server.
fn is_host(name: &[u8]) -> bool {
    if name.is_empty() || name == b"[local]" || name == b"[unknown]" {
        return true;
    }
    let name = match name.strip_suffix(b")") {
        Some(name) => {
            let digits = name.iter().rev().take_while(|b| b.is_ascii_digit()).count();
            let Some(name) = name.get(..name.len() - digits).and_then(|name| name.strip_suffix(b"(")) else {
                return false;
            };
            name
        }
        None => name,
    };
    let hostname = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let address = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b'.' | b':' | b'%');
    name.iter().all(hostname) || name.iter().all(address)
}

fn in_level(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte >= 0x80
}

/// `LOG:  `, `DETAIL:  `, and the SQLSTATE behind it with `log_error_verbosity = verbose`.
fn level(line: &[u8], at: usize, head: &mut Head) -> bool {
    let tail = line.get(at..).unwrap_or_default();
    let length = tail.iter().take(20).take_while(|b| in_level(**b)).count();
    let Some((word, text)) = tail.split_at_checked(length) else { return false };
    if word.is_empty() || !(text.starts_with(b":  ") || text == b":" || text == b": ") {
        return false;
    }
    let level = match Severity::of(word) {
        Some(severity) => Level::Main(severity),
        None => match Companion::of(word) {
            Some(companion) => Level::Companion(companion),
            None => return false,
        },
    };
    head.level = level;
    head.prefix = at;
    head.text = (at + length + 3).min(line.len());
    // Five capitals and a colon may be the message itself; every state of the server has a digit.
    let state = text.get(3..8).filter(|state| state.iter().any(u8::is_ascii_digit)).and_then(SqlState::of);
    if let Some(state) = state
        && text.get(8..10) == Some(b": ")
        && matches!(level, Level::Main(_))
    {
        head.sqlstate = Some(state);
        head.text += 7;
    }
    true
}

/// Prefixes that servers, distributions and providers come with, and what pgBadger's page asks people to set.
const COMMON: &[&str] = &[
    "%m [%p] %q%u@%d/%a %h ",
    "%m [%p] %q%u@%d ",
    "%m [%p] ",
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%t [%p]: user=%u,db=%d,app=%a,client=%h ",
    "%t [%p]: [%l-1] user=%u,db=%d ",
    "%t [%p]: [%l-1] db=%d,user=%u ",
    "%m [%p]: [%l-1] db=%d,user=%u ",
    "%t [%p]: [%l-1] ",
    "%t:%r:%u@%d:[%p]:",
    "%m:%r:%u@%d:[%p]:%l:%e:%s:%v:%x:%c:%q%a:",
    "%t-%c-",
    "%m-%c-",
    "%m [%p] [user=%u,db=%d,app=%a] ",
    "%m [%p][%v] : [%l-1] %q[app=%a] ",
    "%t [%p-%l] %q%u@%d ",
    "%m [%p] %q[user=%u,db=%d,app=%a] ",
    "%m [%p] %q[user=%u,db=%d,app=%a,client=%h] ",
    "%t [%p]: [%l-1] [trx_id=%x] user=%u,db=%d ",
    "%m %r %u %a [%c] [%p] ",
    "%m [%p]: [%l-1] db=%d,user=%u,app=%a,client=%h ",
    "%p-%s-%c-%l-%h-%u-%d-%m ",
    "%m [%p][%b][%v][%x] %q[%a] ",
    "%m [%p] %u@%d ",
    "%m %u@%d/%a [%p] %h ",
    "%t %u@%d [%p] ",
    "%m %q%u@%d ",
    "%t ",
    "%m ",
    "[%p] ",
];

/// The prefix that reads most of the lines; of equals the first. `None` if none reads a single one.
pub fn infer(lines: &[&[u8]]) -> Option<Prefix> {
    let mut best = None;
    for prefix in COMMON.iter().map(|text| Prefix::parse(text)).chain([Prefix::none(), Prefix::unknown()]) {
        let mut clock = Clock::default();
        let read = lines.iter().filter(|line| prefix.read(line, &mut clock).is_some()).count();
        if read > best.as_ref().map_or(0, |(most, _)| *most) {
            best = Some((read, prefix));
        }
    }
    best.map(|(_, prefix)| prefix)
}
