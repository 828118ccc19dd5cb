//! A text with its literals blotted out and nothing else settled: a key under which a normal form already known
//! is found again without reading the text token by token. A log repeats few shapes millions of times.
//!
//! The one promise: two texts of one outline have one normal form. So a text with anything in it whose end the
//! two scanners might see differently has no outline and takes the slow way.

#[cfg(test)]
mod tests;

use super::Dialect;
use memchr::{memchr, memchr_iter, memchr2, memchr2_iter, memchr3, memmem};
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

// What a byte means to the scan, in bits, so that it goes from byte to byte without guessing what comes next.
/// Part of a word, or what may stand within one.
const WORD: u8 = 1;
/// Wants a closer look unless it stands within a word, as a digit does. It is the bit above `WORD`.
const OUTSIDE: u8 = 2;
/// Wants a closer look wherever it stands.
const SPECIAL: u8 = 4;

fn kinds(mysql: bool) -> [u8; 256] {
    std::array::from_fn(|byte| match u8::try_from(byte).unwrap_or_default() {
        0..FIRST => SPECIAL,
        b'0'..=b'9' | b'$' => WORD | OUTSIDE,
        b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => WORD,
        b'\'' | b'"' | b'-' | b'/' | b'(' | b')' => SPECIAL,
        b'`' | b'#' | b'\\' if mysql => SPECIAL,
        _ => 0,
    })
}

static POSTGRES: LazyLock<[u8; 256]> = LazyLock::new(|| kinds(false));
static MYSQL: LazyLock<[u8; 256]> = LazyLock::new(|| kinds(true));

/// Writes the outline of `text` over what `out` held. False if it has none.
pub fn outline(dialect: Dialect, text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    if text.len() > super::MAX_TEXT {
        return false;
    }
    let mysql = is_mysql(dialect);
    let mut scan =
        Scan { text, out, at: 0, mysql, list: None, rows: None, depth: 0, doubt: false, fold: true };
    // Of a text that is not whole, a doubtful string changes more than its own place.
    scan.run().is_some() && (!scan.doubt || scan.depth == 0)
}

/// Whether the text ends within a string, a quoted name or a block comment. What ends so is no whole statement.
pub fn is_open(dialect: Dialect, text: &[u8], scratch: &mut Vec<u8>) -> bool {
    let begins =
        |at: usize, comments: &[&[u8]]| text.get(at..at + 2).is_some_and(|two| comments.contains(&two));
    if memchr3(b'\'', b'"', b'`', text).is_none() {
        return memchr_iter(b'/', text).any(|at| begins(at, &[b"/*"]))
            && is_open_by_scan(is_mysql(dialect), text, scratch);
    }
    if memchr2(b'\\', b'#', text).is_none()
        && !memchr2_iter(b'-', b'/', text).any(|at| begins(at, &[b"--", b"/*"]))
    {
        return is_amid_quotes(text);
    }
    is_open_by_scan(is_mysql(dialect), text, scratch)
}

fn is_open_by_scan(mysql: bool, text: &[u8], scratch: &mut Vec<u8>) -> bool {
    scratch.clear();
    let mut scan = Scan {
        text,
        out: scratch,
        at: 0,
        mysql,
        list: None,
        rows: None,
        depth: 0,
        doubt: false,
        fold: false,
    };
    scan.run().is_none() && scan.at >= text.len()
}

/// The same of a text in which nothing can hide a quote. A doubled one ends a string and begins the next.
fn is_amid_quotes(text: &[u8]) -> bool {
    if memchr2(b'"', b'`', text).is_none() {
        return memchr_iter(b'\'', text).count() % 2 == 1;
    }
    let mut rest = text;
    while let Some(begin) = memchr3(b'\'', b'"', b'`', rest) {
        let (quote, inner) = (rest.get(begin).copied(), rest.get(begin + 1..).unwrap_or_default());
        let Some(end) = quote.and_then(|quote| memchr(quote, inner)) else { return true };
        rest = inner.get(end + 1..).unwrap_or_default();
    }
    false
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
    /// The first row behind `values`, as long as only its equals have followed.
    rows: Option<Rows>,
    depth: u32,
    /// A string was read in which a backslash stands before a quote.
    doubt: bool,
    /// Whether anything is written and folded; without, only the ends of literals are looked for.
    fold: bool,
}

#[derive(Debug, Clone, Copy)]
struct Rows {
    depth: u32,
    /// The first row in the outline.
    first: (usize, usize),
    /// Where the present row begins.
    start: usize,
}

impl Scan<'_> {
    fn run(&mut self) -> Option<()> {
        let kinds = if self.mysql { &MYSQL } else { &POSTGRES };
        loop {
            let rest = self.text.get(self.at..)?;
            let (plain, next) = plain_run(rest, kinds);
            self.copy(plain);
            match next {
                None => return Some(()),
                Some(byte) => self.special(byte)?,
            }
        }
    }

    #[inline(always)]
    fn copy(&mut self, length: usize) {
        if length > 0 && self.fold {
            self.out.extend_from_slice(self.text.get(self.at..self.at + length).unwrap_or_default());
        }
        self.at += length;
    }

    #[inline(always)]
    fn push(&mut self, byte: u8) {
        if self.fold {
            self.out.push(byte);
        }
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
            _ if !self.fold => {
                self.at += 1;
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
        self.push(LINE_COMMENT);
        Some(())
    }

    fn block_comment(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let inner = rest.get(2..)?;
        let Some(end) = memmem::find(inner, b"*/") else {
            self.at = self.text.len();
            return None;
        };
        let inner = inner.get(..end)?;
        let code = self.mysql && (inner.starts_with(b"!") || inner.starts_with(b"M!"));
        let nested = !self.mysql && memmem::find(inner, b"/*").is_some();
        if self.fold && (code || nested) {
            return None;
        }
        self.push(if inner.starts_with(b" dbsonde") { OURS } else { COMMENT });
        // Without folding, what a versioned comment holds is read on as the code that it is.
        self.at += if code { 2 } else { end + 4 };
        Some(())
    }

    fn string(&mut self, quote: u8) -> Option<()> {
        let mut doubtful = false;
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..)?;
            let Some(found) = memchr2(quote, b'\\', rest) else {
                self.at = self.text.len();
                return None;
            };
            self.at += found;
            match (self.peek(0), self.peek(1)) {
                (Some(b'\\'), next) if self.mysql => {
                    doubtful |= next == Some(quote);
                    self.at += 2;
                }
                (Some(b'\\'), _) => {
                    let run = self.text.get(self.at..)?.iter().take_while(|byte| **byte == b'\\').count();
                    self.at += run;
                    // Does it hide the quote? That depends on what stands before the string, and on a setting. All
                    // others are read over in either case.
                    if run % 2 == 1 && self.peek(0) == Some(quote) {
                        return None;
                    }
                }
                (_, next) if next == Some(quote) => self.at += 2,
                _ => break,
            }
        }
        self.at += 1;
        self.doubt |= doubtful;
        self.value(if doubtful && !self.ends_element() { DOUBTFUL } else { STRING });
        Some(())
    }

    /// Whether a comma or a parenthesis follows.
    fn ends_element(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        matches!(rest.trim_ascii_start().first(), Some(b',' | b')'))
    }

    fn name(&mut self, quote: u8) -> Option<()> {
        let Some(length) = memchr(quote, self.text.get(self.at + 1..)?) else {
            self.at = self.text.len();
            return None;
        };
        let name = self.text.get(self.at..)?.get(..length + 2)?;
        if self.fold && name.iter().any(|byte| *byte < FIRST) {
            return None;
        }
        self.copy(length + 2);
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        // To MySQL what follows a dot is a name, also if it looks like a number.
        if self.mysql && self.fold && self.out.trim_ascii_end().ends_with(b".") {
            return None;
        }
        let digits = |scan: &mut Self| {
            while scan.peek(0).is_some_and(|b| b.is_ascii_digit()) {
                scan.at += 1;
            }
        };
        if self.peek(0) == Some(b'0') && self.peek(1) == Some(b'x') && self.mysql {
            self.at += 2;
            let start = self.at;
            while self.peek(0).is_some_and(|b| b.is_ascii_hexdigit()) {
                self.at += 1;
            }
            if self.at == start && self.fold {
                return None;
            }
        } else {
            digits(self);
            if self.peek(0) == Some(b'.') && self.peek(1) != Some(b'.') {
                self.at += 1;
                digits(self);
            }
            let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
            let exponent = self.peek(1 + sign).is_some_and(|b| b.is_ascii_digit());
            if exponent && matches!(self.peek(0), Some(b'e' | b'E')) {
                self.at += 1 + sign;
                digits(self);
            }
        }
        let joined = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | 0x80..);
        if self.fold && self.peek(0).is_some_and(joined) {
            return None;
        }
        self.value(NUMBER);
        Some(())
    }

    fn placeholder(&mut self) -> Option<()> {
        self.at += 1;
        let start = self.at;
        while self.peek(0).is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        let joined =
            self.peek(0).is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$' | 0x80..));
        if self.fold && (self.at == start || joined || self.mysql) {
            return None;
        }
        self.value(PLACEHOLDER);
        Some(())
    }

    /// A value behind the first of an `in (…)` vanishes if it is a whole element.
    fn value(&mut self, mark: u8) {
        if !self.fold {
            return;
        }
        match self.list {
            Some(end) if self.ends_element() && is_separator(self.out.get(end..)) => self.out.truncate(end),
            _ => {
                let first = follows_in(self.out) && self.ends_element();
                self.out.push(mark);
                self.list = first.then_some(self.out.len());
            }
        }
    }

    fn open(&mut self) {
        self.depth += 1;
        if self.fold {
            match &mut self.rows {
                Some(rows) if rows.depth == self.depth => rows.start = self.out.len(),
                Some(_) => {}
                None if ends_in_word(self.out.trim_ascii_end(), b"values") => {
                    let start = self.out.len();
                    self.rows = Some(Rows { depth: self.depth, first: (start, 0), start });
                }
                None => {}
            }
        }
        self.copy(1);
    }

    /// A row equal to the first vanishes with the comma before it.
    fn close(&mut self) {
        self.copy(1);
        if let Some(rows) = &mut self.rows
            && rows.depth == self.depth
        {
            let (start, end) = rows.first;
            if end == 0 {
                rows.first = (start, self.out.len());
                rows.start = self.out.len();
            } else {
                let equal = self.out.get(start..end) == self.out.get(rows.start..)
                    && is_separator(self.out.get(end..rows.start));
                if equal {
                    self.out.truncate(end);
                    self.list = None;
                    rows.start = end;
                } else {
                    self.rows = None;
                }
            }
        }
        self.depth = self.depth.saturating_sub(1);
    }
}

/// How long nothing but words and signs follows, and the byte behind them.
fn plain_run(rest: &[u8], kinds: &[u8; 256]) -> (usize, Option<u8>) {
    let mut within = 0;
    for (at, byte) in rest.iter().enumerate() {
        let kind = kinds.get(usize::from(*byte)).copied().unwrap_or(SPECIAL);
        if kind & (SPECIAL | OUTSIDE) & !within != 0 {
            return (at, Some(*byte));
        }
        // Behind part of a word, what would else be looked at belongs to it.
        within = (kind & WORD) << 1;
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
