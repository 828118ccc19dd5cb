//! How many transactions one side has that the other lacks, by their global ids, in the dialects of MySQL and of
//! MariaDB. A text that does not read as one is unknown, never zero.

use std::collections::BTreeMap;

/// The ranges of one source, their ends included.
type Ranges = Vec<(u64, u64)>;

/// `source[:tag]:1-5:7[:tag:1],…`: the transactions of `some` that are not in `others`.
pub fn missing(some: &str, others: &str) -> Option<u64> {
    let (some, others) = (set(some)?, set(others)?);
    let none = Ranges::new();
    let of_source = some.iter().map(|(source, ranges)| {
        let others = others.get(source).unwrap_or(&none);
        count(ranges) - both(ranges, others)
    });
    Some(of_source.sum())
}

/// A set by its sources, each with the tag that its later versions know.
fn set(text: &str) -> Option<BTreeMap<String, Ranges>> {
    let mut set: BTreeMap<String, Ranges> = BTreeMap::new();
    for of_source in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let mut parts = of_source.split(':').map(str::trim);
        let source = parts.next().filter(|source| is_source(source))?.to_ascii_lowercase();
        let mut name = source.clone();
        for part in parts {
            match range(part) {
                Some(range) => set.entry(name.clone()).or_default().push(range),
                None if is_tag(part) => name = format!("{source}:{}", part.to_ascii_lowercase()),
                None => return None,
            }
        }
    }
    for ranges in set.values_mut() {
        *ranges = merged(std::mem::take(ranges));
    }
    Some(set)
}

fn is_source(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn is_tag(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.bytes().next().is_some_and(is_first)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (1 <= first && first <= last).then_some((first, last))
}

/// In order, and none that touches the next.
fn merged(mut ranges: Ranges) -> Ranges {
    ranges.sort_unstable();
    let mut merged: Ranges = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

fn count(ranges: &[(u64, u64)]) -> u64 {
    ranges.iter().fold(0, |sum, (first, last)| sum.saturating_add((last - first).saturating_add(1)))
}

/// Transactions that stand in both, in one walk.
fn both(some: &[(u64, u64)], others: &[(u64, u64)]) -> u64 {
    let (mut some, mut others) = (some.iter().peekable(), others.iter().peekable());
    let mut sum: u64 = 0;
    while let (Some(a), Some(b)) = (some.peek(), others.peek()) {
        let (first, last) = (a.0.max(b.0), a.1.min(b.1));
        if first <= last {
            sum = sum.saturating_add((last - first).saturating_add(1));
        }
        if a.1 <= b.1 {
            some.next();
        } else {
            others.next();
        }
    }
    sum
}

/// `domain-server-number,…`: the transactions between two positions. Each domain counts by itself, whoever wrote.
pub fn between(from: &str, to: &str) -> Option<u64> {
    let (from, to) = (position(from)?, position(to)?);
    let of_domain = to
        .iter()
        .map(|(domain, number)| number.saturating_sub(from.get(domain).copied().unwrap_or_default()));
    Some(of_domain.fold(0, u64::saturating_add))
}

fn position(text: &str) -> Option<BTreeMap<u64, u64>> {
    let mut position = BTreeMap::new();
    for gtid in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let mut numbers = gtid.splitn(3, '-').map(|number| number.parse::<u64>().ok());
        let (domain, _, number) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let known: &mut u64 = position.entry(domain).or_default();
        *known = number.max(*known);
    }
    Some(position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const A: &str = "c936eab7-ebe7-11f1-9cc7-02fc00000001";
    const B: &str = "3E11FA47-71CA-11E1-9E33-C80AA9429562";

    #[test]
    fn sets_as_servers_write_them() {
        let of = |ranges: &str| format!("{A}:{ranges}");
        for (some, others, expected) in [
            (of("1-3"), of("1-3"), Some(0)),
            (of("1-30"), of("1-3:5-7"), Some(24)),
            (of("1-30"), String::new(), Some(30)),
            (String::new(), of("1-3"), Some(0)),
            (of("7"), of("1-6"), Some(1)),
            (format!("{A}:1-5,\n{B}:1-10"), format!("{}:1-5", B.to_lowercase()), Some(10)),
            // Tags make another source of the same server, from MySQL 8.3 on.
            (of("1-5:backup:1-7:9"), of("1-5"), Some(8)),
            (of("1-5:backup:1-7"), of("1-5:Backup:1-6"), Some(1)),
            (of("1-18446744073709551615"), of("1"), Some(u64::MAX - 1)),
            (of("5-1"), of("1"), None),
            (of("0-1"), of("1"), None),
            (of("1-"), of("1"), None),
            ("not available".to_owned(), of("1"), None),
            ("0-1-100".to_owned(), of("1"), None),
        ] {
            assert_eq!(missing(&some, &others), expected, "{some:?} but for {others:?}");
        }
    }

    #[test]
    fn positions_as_servers_write_them() {
        for (from, to, expected) in [
            ("0-1-100", "0-1-130", Some(30)),
            ("0-1-100,1-2-5", "0-3-101,1-2-5", Some(1)),
            ("", "0-1-7", Some(7)),
            ("0-1-9", "0-1-7", Some(0)),
            ("0-1-9", "", Some(0)),
            ("0-1", "0-1-7", None),
            ("0-1-7", "c936eab7:1", None),
        ] {
            assert_eq!(between(from, to), expected, "from {from:?} to {to:?}");
        }
    }

    /// The next number of a fixed row.
    fn next(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    type Model = BTreeSet<(usize, u64)>;

    /// Some transactions of three sources, and a text of them: ranges in any order, overlapping, cut anywhere.
    fn made_up(seed: &mut u64) -> (Model, String) {
        let names = [A.to_owned(), B.to_owned(), format!("{A}:tag_1")];
        let (mut model, mut text) = (Model::new(), Vec::new());
        for _ in 0..next(seed) % 8 {
            let source = (next(seed) % 3) as usize;
            let mut part = names[source].clone();
            for _ in 0..=next(seed) % 4 {
                let first = 1 + next(seed) % 60;
                let last = first + next(seed) % 12;
                model.extend((first..=last).map(|number| (source, number)));
                part += &if first == last { format!(":{first}") } else { format!(":{first}-{last}") };
            }
            text.push(part);
        }
        (model, text.join(",\n"))
    }

    #[test]
    fn what_is_missing_is_what_sets_of_single_numbers_say() {
        for seed in 1..=2_000_u64 {
            let mut row = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let ((some, some_text), (others, others_text)) = (made_up(&mut row), made_up(&mut row));
            let expected = some.difference(&others).count() as u64;
            assert_eq!(
                missing(&some_text, &others_text),
                Some(expected),
                "seed {seed}: {some_text:?} but for {others_text:?}"
            );
            assert_eq!(missing(&some_text, &some_text), Some(0), "seed {seed}");
        }
    }

    #[test]
    fn positions_add_up_over_domains() {
        for seed in 1..=2_000_u64 {
            let mut row = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let numbers: Vec<(u64, u64)> =
                (0..next(&mut row) % 5).map(|_| (1 + next(&mut row) % 1_000, next(&mut row) % 50)).collect();
            let text = |number: fn(&(u64, u64)) -> u64| {
                let gtid =
                    |(domain, of): (usize, &(u64, u64))| format!("{domain}-{}-{}", domain + 7, number(of));
                numbers.iter().enumerate().map(gtid).collect::<Vec<_>>().join(",")
            };
            let (from, to) = (text(|(from, _)| *from), text(|(from, more)| from + more));
            let expected: u64 = numbers.iter().map(|(_, more)| more).sum();
            assert_eq!(between(&from, &to), Some(expected), "seed {seed}: from {from:?} to {to:?}");
            assert_eq!(between(&to, &from), Some(0), "seed {seed}");
        }
    }

    #[test]
    fn garbage_is_unknown_and_no_panic() {
        for seed in 1..=2_000_u64 {
            let mut row = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let letters = b"0123456789abcdef-:,\n _\xc3\xa9";
            let bytes: Vec<u8> = (0..next(&mut row) % 60)
                .map(|_| letters[(next(&mut row) as usize) % letters.len()])
                .collect();
            let text = String::from_utf8_lossy(&bytes);
            let _ = (missing(&text, &text), between(&text, &text), missing(A, &text));
        }
    }
}
