//! `Key: value  Key: value` in the head of a slow log.

/// Calls `each` for every pair. A value ends at a blank before the next key; one that is empty is told by two
/// blanks behind its colon.
pub fn pairs<'a>(line: &'a [u8], mut each: impl FnMut(&'a [u8], &'a [u8])) {
    let mut rest = line.trim_ascii();
    while let Some(colon) = key_length(rest) {
        let key = rest.get(..colon).unwrap_or_default();
        let after = rest.get(colon + 1..).unwrap_or_default();
        let after = after.strip_prefix(b" ").unwrap_or(after);
        let length = value_length(after);
        each(key, after.get(..length).unwrap_or_default());
        rest = after.get(length..).unwrap_or_default().trim_ascii_start();
    }
}

/// The length of the key at the beginning, if there is one.
fn key_length(text: &[u8]) -> Option<usize> {
    let length = text.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@')).count();
    (length > 0 && text.get(length) == Some(&b':')).then_some(length)
}

/// Up to the blank behind which another key stands, or the end. Names of databases may hold blanks.
fn value_length(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(blank) = memchr::memchr(b' ', rest) else { return text.len() };
        let next = rest.get(blank..).unwrap_or_default().trim_ascii_start();
        if next.is_empty() || key_length(next).is_some() {
            return at + blank;
        }
        at += blank + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_be_empty_or_hold_blanks() {
        let mut found = Vec::new();
        pairs(b" Thread_id: 4  Schema:   QC_hit: No  Db: a b  C: 1 D: 2", |key, value| {
            found.push((key, value))
        });
        let expected: [(&[u8], &[u8]); 5] =
            [(b"Thread_id", b"4"), (b"Schema", b""), (b"QC_hit", b"No"), (b"Db", b"a b"), (b"C", b"1")];
        assert_eq!(found[..5], expected);
        assert_eq!(found.len(), 6);
    }
}
