//! Whether a text of MySQL ends within something: what ends so is no whole statement.

use super::{Marks, marks};
use memchr::{memchr, memchr_iter, memchr2, memchr2_iter, memchr3, memmem};
use std::sync::LazyLock;

/// What may begin or hide something.
static MARKS: Marks =
    LazyLock::new(|| marks(|byte| matches!(byte, b'\'' | b'"' | b'`' | b'-' | b'#' | b'/')));

/// Whether the text ends within a string, a quoted name or a block comment.
pub fn is_open(text: &[u8]) -> bool {
    if memchr3(b'\'', b'"', b'`', text).is_none() {
        return memchr_iter(b'/', text).any(|at| begins(text, at, b"/*")) && is_open_by_scan(text);
    }
    let hides = |at| begins(text, at, b"--") || begins(text, at, b"/*");
    if memchr2(b'\\', b'#', text).is_none() && !memchr2_iter(b'-', b'/', text).any(hides) {
        return is_amid_quotes(text);
    }
    is_open_by_scan(text)
}

fn begins(text: &[u8], at: usize, word: &[u8]) -> bool {
    text.get(at..).is_some_and(|rest| rest.starts_with(word))
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

/// The same of any text: from one mark to the next, over what each of them begins.
pub(super) fn is_open_by_scan(text: &[u8]) -> bool {
    let marks: &[bool; 256] = &MARKS;
    let is_mark = |byte: &u8| marks.get(usize::from(*byte)).is_none_or(|is_mark| *is_mark);
    let mut rest = text;
    while let Some(from) = rest.iter().position(is_mark).and_then(|at| rest.get(at..)) {
        let Some(length) = length(from) else { return true };
        rest = from.get(length..).unwrap_or_default();
    }
    false
}

/// How long that is which begins with a mark. `None` if it does not end.
fn length(from: &[u8]) -> Option<usize> {
    let (mark, inner) = from.split_first()?;
    match mark {
        b'\'' | b'"' => string(*mark, inner).map(|inner| inner + 1),
        b'`' => memchr(b'`', inner).map(|inner| inner + 2),
        b'/' if inner.starts_with(b"*") => comment(from.get(2..)?).map(|inner| inner + 2),
        // Two dashes begin a comment only before a blank.
        b'-' if inner.starts_with(b"-") && from.get(2).is_none_or(|next| *next <= b' ') => Some(line(from)),
        b'#' => Some(line(from)),
        _ => Some(1),
    }
}

fn line(from: &[u8]) -> usize {
    memchr(b'\n', from).unwrap_or(from.len())
}

/// How long a string is behind its first quote. Of a doubled quote the first ends one and the second begins the next.
fn string(quote: u8, inner: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + memchr2(quote, b'\\', inner.get(at..)?)?;
        if inner.get(found) == Some(&quote) {
            return Some(found + 1);
        }
        at = found + 2;
    }
}

/// How long a comment is behind its beginning. What a versioned one holds is code, and read on as such.
fn comment(inner: &[u8]) -> Option<usize> {
    let end = memmem::find(inner, b"*/")?;
    let is_code = inner.starts_with(b"!") || inner.starts_with(b"M!");
    Some(if is_code { 0 } else { end + 2 })
}
