//! `Key: value  Key: value` in the head of a slow log.

/// Calls `each` for every pair. A value ends at a blank before the next key; one that is empty is told by two
/// blanks behind its colon.
pub fn pairs<'a>(line: &'a [u8], mut each: impl FnMut(&'a [u8], &'a [u8])) {
    let rest = line.trim_ascii();
    let mut key = key_of(rest);
    while let Some((name, after)) = key {
        let after = after.strip_prefix(b" ").unwrap_or(after);
        let (length, next) = value_length(after);
        each(name, after.get(..length).unwrap_or_default());
        key = next;
    }
}

/// A key, and what stands behind its colon.
type Keyed<'a> = (&'a [u8], &'a [u8]);

/// The key at the beginning, if there is one.
fn key_of(text: &[u8]) -> Option<Keyed<'_>> {
    let in_key = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@');
    let length = text.iter().position(|b| !in_key(b))?;
    let (name, rest) = text.split_at_checked(length)?;
    (!name.is_empty()).then_some((name, rest.strip_prefix(b":")?))
}

/// Up to the blank behind which another key stands, which is given as well, or the end. Names of databases may hold
/// blanks.
fn value_length(text: &[u8]) -> (usize, Option<Keyed<'_>>) {
    let blanks = memchr::memchr_iter(b' ', text);
    let ends = blanks.filter_map(|blank| {
        let next = text.get(blank..)?.trim_ascii_start();
        let key = key_of(next);
        (next.is_empty() || key.is_some()).then_some((blank, key))
    });
    ends.into_iter().next().unwrap_or((text.len(), None))
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
