//! Where values end. MySQL escapes what somebody typed; but the values of a row that it has read before it plans, and
//! documents, it prints as they are, with any quote that is in them.

/// What may stand before a quote without a blank.
const BEFORE: [&str; 8] = ["json", "date", "time", "timestamp", "x", "b", "n", "regexp"];
/// Words that may stand behind a value.
const BEHIND: [&str; 32] = [
    "and",
    "or",
    "xor",
    "not",
    "is",
    "in",
    "like",
    "rlike",
    "regexp",
    "between",
    "then",
    "else",
    "when",
    "end",
    "collate",
    "as",
    "using",
    "escape",
    "desc",
    "asc",
    "div",
    "mod",
    "member",
    "sounds",
    "with",
    "extra",
    "limit",
    "over",
    "from",
    "separator",
    "order",
    "null",
];

/// Does each value of a condition stand where one may, so that it ends where it seems to? What a value itself holds may look
/// like the rest of a condition; nobody can tell that.
pub fn are_told(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('\'') {
        let (before, quoted) = rest.split_at(at);
        let Some(behind) = behind(quoted) else { return false };
        if !may_begin(before) || !may_end(behind) {
            return false;
        }
        rest = behind;
    }
    true
}

/// What stands behind the value that begins there.
fn behind(quoted: &str) -> Option<&str> {
    let mut letters = quoted.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '\'' if letters.next_if(|(_, next)| *next == '\'').is_some() => {}
            '\'' => return quoted.get(at + 1..),
            _ => {}
        }
    }
    None
}

fn is_of_a_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn may_begin(before: &str) -> bool {
    let word = before.get(before.trim_end_matches(is_of_a_word).len()..).unwrap_or_default();
    word.is_empty() || word.starts_with('_') || is_one_of(&BEFORE, word)
}

fn may_end(behind: &str) -> bool {
    if behind.starts_with(is_of_a_word) {
        return false;
    }
    let next = behind.trim_start();
    let word = next.get(..next.len() - next.trim_start_matches(is_of_a_word).len()).unwrap_or_default();
    word.is_empty() || is_one_of(&BEHIND, word)
}

fn is_one_of(known: &[&str], word: &str) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::are_told;

    #[test]
    fn a_value_ends_where_it_seems_to() {
        for told in [
            "(o.note = 'kanari')",
            "(o.note = 'it\\'s')",
            "(o.note = 'it''s') and (a.x in ('a', 'b'))",
            "(o.note = _utf8mb4'x') or (o.at >= TIMESTAMP'2026-01-01') or (o.x = x'00')",
            "(o.note like 'a%' collate utf8mb4_bin)",
            "if((o.a = 'x'),'y','z')",
            "(o.note between 'a' and 'b')",
            "no value",
        ] {
            assert!(are_told(told), "{told}");
        }
        for raw in [
            "(o.note = 'it's kanari o'clock')",
            "t.j = json'{\"a\": \"it's kanari o'clock\"}'",
            "(o.note = 'x' y",
            "(o.note = 'a' kanari 'b')",
            "(o.note = 'cut",
        ] {
            assert!(!are_told(raw), "{raw}");
        }
    }
}
