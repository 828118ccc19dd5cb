//! A text with its literals blotted out and nothing else settled: a key under which a normal form already known
//! is found again without reading the text token by token. A log repeats few shapes millions of times.
//!
//! The one promise: two texts of one outline have one normal form. So a text with anything in it whose end the
//! two scanners might see differently has no outline and takes the slow way.

mod open;
#[cfg(test)]
mod tests;

pub use open::is_open;

use super::Dialect;
use memchr::{memchr, memchr2, memmem};
use std::sync::LazyLock;

// What stands in an outline for what was blotted out. A text that holds such a byte has no outline.
const STRING: u8 = 1;
const NUMBER: u8 = 2;
const COMMENT: u8 = 3;
const OURS: u8 = 4;
const LINE_COMMENT: u8 = 5;
const PLACEHOLDER: u8 = 6;
/// A string whose end hangs on what a backslash means, where that matters to what follows.
const DOUBTFUL: u8 = 7;
/// The first byte that a text may hold.
const FIRST: u8 = 9;

/// By byte: whether it wants a closer look. One answer of a table for each byte, without guessing what comes next.
type Marks = LazyLock<[bool; 256]>;

static POSTGRES: Marks = LazyLock::new(|| marks(|byte| wants_look(byte, false)));
static MYSQL: Marks = LazyLock::new(|| marks(|byte| wants_look(byte, true)));

fn marks(is_mark: impl Fn(u8) -> bool) -> [bool; 256] {
    std::array::from_fn(|byte| u8::try_from(byte).is_ok_and(&is_mark))
}

fn wants_look(byte: u8, mysql: bool) -> bool {
    match byte {
        0..FIRST | b'0'..=b'9' | b'$' | b'\'' | b'"' | b'-' | b'/' | b'(' | b')' => true,
        b'`' | b'#' | b'\\' => mysql,
        _ => false,
    }
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// Writes the outline of `text` over what `out` held. False if it has none.
pub fn outline(dialect: Dialect, text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    if text.len() > super::MAX_TEXT {
        return false;
    }
    let mysql = is_mysql(dialect);
    let mut scan = Scan { text, out, at: 0, mysql, list: None, rows: None, depth: 0, doubt: false };
    // Of a text that is not whole, a doubtful string changes more than its own place.
    scan.run().is_some() && (!scan.doubt || scan.depth == 0)
}

fn is_mysql(dialect: Dialect) -> bool {
    !matches!(dialect, Dialect::Postgres)
}

struct Scan<'a> {
    text: &'a [u8],
    out: &'a mut Vec<u8>,
    at: usize,
    mysql: bool,
    /// The end of the first value of an `in (…)`, as long as only values have followed.
    list: Option<usize>,
    /// The last row behind `values`, as long as nothing but rows has followed.
    rows: Option<Rows>,
    depth: u32,
    /// A string was read in which a backslash stands before a quote.
    doubt: bool,
}

#[derive(Debug, Clone, Copy)]
struct Rows {
    depth: u32,
    /// The last row in the outline; it has no end yet if it is the first.
    last: (usize, usize),
    /// Where the present row begins.
    start: usize,
}

impl Scan<'_> {
    fn run(&mut self) -> Option<()> {
        let marks = if self.mysql { &MYSQL } else { &POSTGRES };
        loop {
            let rest = self.text.get(self.at..)?;
            let (plain, next) = plain_run(rest, marks);
            self.copy(plain);
            match next {
                None => return Some(()),
                Some(byte) => self.special(byte)?,
            }
        }
    }

    #[inline(always)]
    fn copy(&mut self, length: usize) {
        if length > 0 {
            self.out.extend_from_slice(self.text.get(self.at..self.at + length).unwrap_or_default());
        }
        self.at += length;
    }

    #[inline(always)]
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn special(&mut self, byte: u8) -> Option<()> {
        match byte {
            b'0'..=b'9' => self.number(),
            b'\'' => self.string(b'\''),
            b'"' if self.mysql => self.string(b'"'),
            b'"' | b'`' => self.name(byte),
            b'-' if self.peek(1) == Some(b'-') && self.is_dash_comment() => self.line_comment(),
            b'#' => self.line_comment(),
            b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
            b'$' => self.placeholder(),
            b'(' => {
                self.open();
                Some(())
            }
            b')' => {
                self.close();
                Some(())
            }
            b'-' | b'/' => {
                self.copy(1);
                Some(())
            }
            _ => None,
        }
    }

    /// To MySQL two dashes begin a comment only before a blank.
    fn is_dash_comment(&self) -> bool {
        !self.mysql || self.peek(2).is_none_or(|next| next <= b' ')
    }

    fn line_comment(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let end = if self.mysql { memchr(b'\n', rest) } else { memchr2(b'\n', b'\r', rest) };
        self.at += end.unwrap_or(rest.len());
        self.out.push(LINE_COMMENT);
        Some(())
    }

    fn block_comment(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let inner = rest.get(2..)?;
        let end = memmem::find(inner, b"*/")?;
        let inner = inner.get(..end)?;
        let code = self.mysql && (inner.starts_with(b"!") || inner.starts_with(b"M!"));
        let nested = !self.mysql && memmem::find(inner, b"/*").is_some();
        if code || nested {
            return None;
        }
        self.out.push(if inner.starts_with(b" dbsonde") { OURS } else { COMMENT });
        self.at += end + 4;
        Some(())
    }

    fn string(&mut self, quote: u8) -> Option<()> {
        let (length, doubtful) = string(self.text.get(self.at..)?, quote, self.mysql)?;
        self.at += length;
        self.doubt |= doubtful;
        self.value(if doubtful && !self.ends_element() { DOUBTFUL } else { STRING });
        Some(())
    }

    /// Whether a comma or a parenthesis follows.
    fn ends_element(&self) -> bool {
        ends_element(self.text.get(self.at..).unwrap_or_default())
    }

    fn name(&mut self, quote: u8) -> Option<()> {
        let length = memchr(quote, self.text.get(self.at + 1..)?)?;
        let name = self.text.get(self.at..)?.get(..length + 2)?;
        if name.iter().any(|byte| *byte < FIRST) {
            return None;
        }
        self.copy(length + 2);
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        // To MySQL what follows a dot is a name, also if it looks like a number.
        if self.mysql && self.follows_dot() {
            return None;
        }
        self.at += number(self.text.get(self.at..)?, self.mysql)?;
        if self.peek(0).is_some_and(in_word) {
            return None;
        }
        self.value(NUMBER);
        Some(())
    }

    fn follows_dot(&self) -> bool {
        let is_blank =
            |byte: &u8| matches!(*byte, COMMENT | OURS | LINE_COMMENT) || byte.is_ascii_whitespace();
        self.out.iter().rev().find(|byte| !is_blank(byte)) == Some(&b'.')
    }

    fn placeholder(&mut self) -> Option<()> {
        self.at += 1;
        let start = self.at;
        while self.peek(0).is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        let joined =
            self.peek(0).is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$' | 0x80..));
        if self.at == start || joined || self.mysql {
            return None;
        }
        self.value(PLACEHOLDER);
        Some(())
    }

    /// A value behind the first of an `in (…)` vanishes if it is a whole element.
    fn value(&mut self, mark: u8) {
        match self.list {
            Some(end) if self.ends_element() && is_separator(self.out.get(end..)) => self.out.truncate(end),
            _ => {
                let first = follows_in(self.out) && self.ends_element();
                self.out.push(mark);
                self.list = first.then_some(self.out.len());
            }
        }
        if self.list.is_some() {
            self.pass_values();
        }
    }

    /// Goes over values that would vanish. Lists are long: of these nothing is written first.
    fn pass_values(&mut self) {
        while let Some((length, doubtful)) = self.next_value() {
            self.at += length;
            self.doubt |= doubtful;
        }
    }

    /// The length of a comma and of a value that is a whole element; and whether that is a doubtful string.
    fn next_value(&self) -> Option<(usize, bool)> {
        let rest = self.text.get(self.at..)?;
        let blanks = separator(rest)?;
        let text = rest.get(blanks..)?;
        let (length, doubtful) = literal(text, self.mysql)?;
        ends_element(text.get(length..)?).then_some((blanks + length, doubtful))
    }

    fn open(&mut self) {
        self.depth += 1;
        match &mut self.rows {
            Some(rows) if rows.depth == self.depth => rows.start = self.out.len(),
            Some(_) => {}
            None if ends_in_word(self.out.trim_ascii_end(), b"values") => {
                let start = self.out.len();
                self.rows = Some(Rows { depth: self.depth, last: (start, 0), start });
            }
            None => {}
        }
        self.copy(1);
    }

    /// A row equal to the one before it vanishes with the comma between them.
    fn close(&mut self) {
        self.copy(1);
        if let Some(rows) = &mut self.rows
            && rows.depth == self.depth
        {
            let (start, end) = rows.last;
            let is_first = end == 0;
            if is_first || is_separator(self.out.get(end..rows.start)) {
                if !is_first && self.out.get(start..end) == self.out.get(rows.start..) {
                    self.out.truncate(end);
                } else {
                    rows.last = (rows.start, self.out.len());
                }
                self.list = None;
                self.pass_rows();
            } else {
                self.rows = None;
            }
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// Goes over rows that would vanish, without writing them first.
    fn pass_rows(&mut self) {
        while let Some((length, doubtful)) = self.next_row() {
            self.at += length;
            self.doubt |= doubtful;
        }
    }

    /// The length of a comma and of a row that has the outline of the last one; and whether it has a doubtful string.
    fn next_row(&self) -> Option<(usize, bool)> {
        let (start, end) = self.rows?.last;
        let rest = self.text.get(self.at..)?;
        let mut at = separator(rest)?;
        let mut is_doubtful = false;
        for mark in self.out.get(start..end)? {
            let text = rest.get(at..)?;
            at += match *mark {
                STRING | NUMBER => {
                    let (length, doubtful) = literal(text, self.mysql)
                        .filter(|_| text.first().is_some_and(u8::is_ascii_digit) == (*mark == NUMBER))?;
                    if doubtful && !ends_element(text.get(length..)?) {
                        return None;
                    }
                    is_doubtful |= doubtful;
                    length
                }
                FIRST.. if text.first() == Some(mark) => 1,
                _ => return None,
            };
        }
        Some((at, is_doubtful))
    }
}

/// How long a number or a string is that begins here; and whether it is a doubtful string.
#[inline(always)]
fn literal(text: &[u8], mysql: bool) -> Option<(usize, bool)> {
    match text.first()? {
        b'0'..=b'9' => number(text, mysql).map(|length| (length, false)),
        b'\'' => string(text, b'\'', mysql),
        b'"' if mysql => string(text, b'"', mysql),
        _ => None,
    }
}

fn number(text: &[u8], mysql: bool) -> Option<usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = digits(0);
    if at == 1 && mysql && text.starts_with(b"0x") {
        let length = text.iter().skip(2).take_while(|byte| byte.is_ascii_hexdigit()).count();
        return (length > 0).then_some(length + 2);
    }
    if text.get(at) == Some(&b'.') && text.get(at + 1) != Some(&b'.') {
        at = digits(at + 1);
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        if text.get(at + 1 + sign).is_some_and(u8::is_ascii_digit) {
            at = digits(at + 1 + sign);
        }
    }
    Some(at)
}

/// How long a string is; and whether a backslash stands before a quote in it.
fn string(text: &[u8], quote: u8, mysql: bool) -> Option<(usize, bool)> {
    let mut doubtful = false;
    let mut at = 1;
    loop {
        at += memchr2(quote, b'\\', text.get(at..)?)?;
        let next = text.get(at + 1).copied();
        if text.get(at) == Some(&quote) {
            if next != Some(quote) {
                return Some((at + 1, doubtful));
            }
            at += 2;
        } else if mysql {
            doubtful |= next == Some(quote);
            at += 2;
        } else {
            let run = text.get(at..)?.iter().take_while(|byte| **byte == b'\\').count();
            at += run;
            // Does it hide the quote? That depends on what stands before the string, and on a setting. All others are
            // read over in either case.
            if run % 2 == 1 && text.get(at) == Some(&quote) {
                return None;
            }
        }
    }
}

/// How long a comma is with the blanks behind it.
#[inline(always)]
fn separator(text: &[u8]) -> Option<usize> {
    let rest = text.strip_prefix(b",")?;
    Some(text.len() - rest.trim_ascii_start().len())
}

/// Whether a comma or a parenthesis stands here.
#[inline(always)]
fn ends_element(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b',' | b')'))
}

/// How long nothing but words and signs follows, and the byte behind them.
fn plain_run(rest: &[u8], marks: &[bool; 256]) -> (usize, Option<u8>) {
    let is_mark = |byte: &u8| marks.get(usize::from(*byte)).is_none_or(|is_mark| *is_mark);
    let mut at = 0;
    while let Some(more) = rest.get(at..).unwrap_or_default().iter().position(is_mark) {
        at += more;
        let byte = rest.get(at).copied();
        let within = at.checked_sub(1).and_then(|before| rest.get(before)).is_some_and(|b| in_word(*b));
        if !within || !byte.is_some_and(in_word) {
            return (at, byte);
        }
        // Behind part of a word, digits belong to it.
        at += rest.get(at..).unwrap_or_default().iter().take_while(|byte| in_word(**byte)).count();
    }
    (rest.len(), None)
}

fn is_separator(between: Option<&[u8]>) -> bool {
    between.is_some_and(|between| between.trim_ascii() == b",")
}

fn follows_in(out: &[u8]) -> bool {
    out.trim_ascii_end().strip_suffix(b"(").is_some_and(|before| ends_in_word(before.trim_ascii_end(), b"in"))
}

fn ends_in_word(text: &[u8], word: &[u8]) -> bool {
    let Some((before, last)) = text.len().checked_sub(word.len()).and_then(|at| text.split_at_checked(at))
    else {
        return false;
    };
    let joined = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'.' | b'@' | 0x80..);
    last.eq_ignore_ascii_case(word) && !before.last().is_some_and(joined)
}
