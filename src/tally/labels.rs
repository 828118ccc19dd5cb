//! What stands in a label: made harmless, hashed to find its series, kept only for those that have one.

use crate::model::{Name, Row};
use std::borrow::Cow;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Prometheus can be told to fail a whole scrape over one longer label.
const MAX_BYTES: usize = 256;

/// The label value of everything without a series of its own.
pub const OTHER: &str = "other";

pub type Labels = Box<[(&'static str, Name)]>;

/// A label value that can do nothing to terminals, pages and parsers: what does not print is written out.
/// Names that differ only in what is cut or hidden here become one, so this comes before any comparison.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_BYTES && text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len().min(MAX_BYTES));
    for char in text.chars() {
        let before = clean.len();
        if prints(char) {
            clean.push(char);
        } else {
            clean.extend(char.escape_unicode());
        }
        if clean.len() > MAX_BYTES {
            clean.truncate(before);
            break;
        }
    }
    Cow::Owned(clean)
}

/// Not controls, not what turns the direction of writing, not what takes no room.
fn prints(char: char) -> bool {
    !char.is_control()
        && !matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Finds the series of a row without keeping any of its text. `None` for a row that belongs to `other`: it has
/// no name yet, or one that would be mistaken for `other`.
pub fn hash(row: &dyn Row) -> Option<u64> {
    if !row.named() {
        return None;
    }
    let (mut hash, mut count, mut others) = (0, 0, 0);
    row.labels(&mut |name, text| {
        if !text.is_empty() {
            let text = harmless(text);
            hash = xxh3_64_with_seed(text.as_bytes(), xxh3_64_with_seed(name.as_bytes(), hash));
            count += 1;
            others += usize::from(text == OTHER);
        }
    });
    (count == 0 || others < count).then_some(hash)
}

pub fn keep(row: &dyn Row) -> Labels {
    let mut kept = Vec::new();
    row.labels(&mut |name, text| {
        if !text.is_empty() {
            kept.push((name, Name::new(&harmless(text))));
        }
    });
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_print_is_written_out() {
        assert_eq!(harmless("orders"), "orders");
        assert_eq!(harmless("größe"), "größe");
        assert_eq!(harmless("a\0b\u{202e}c\n"), "a\\u{0}b\\u{202e}c\\u{a}");
    }

    #[test]
    fn long_labels_are_cut_between_characters() {
        for text in ["x".repeat(400), "ä".repeat(400), "\u{202e}".repeat(400)] {
            let clean = harmless(&text);
            assert!(clean.len() <= MAX_BYTES && clean.len() > MAX_BYTES - 12, "{}", clean.len());
        }
    }
}
