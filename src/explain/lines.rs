//! Lines of plans as they were meant: a value in a condition may hold ends of lines, and what stands behind them may look
//! like a step.

use std::borrow::Cow;

/// How a quote stands within quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotes {
    /// `'it''s'`, as PostgreSQL words its conditions.
    Doubled,
    /// `'it\'s'`, as MySQL does.
    Escaped,
}

/// A line that ends within quotes is one with those that follow. Where the quotes never end, the text was cut within a
/// value, and all that follows belongs to it.
pub fn whole(text: &str, quotes: Quotes) -> impl Iterator<Item = Cow<'_, str>> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let first = lines.next()?;
        if !is_open(first, quotes) {
            return Some(Cow::Borrowed(first));
        }
        let mut line = first.to_owned();
        for next in lines.by_ref() {
            line.push('\n');
            line.push_str(next);
            if !ends_open(next, quotes, true) {
                break;
            }
        }
        Some(Cow::Owned(line))
    })
}

/// Does the line end within a value?
pub fn is_open(line: &str, quotes: Quotes) -> bool {
    let values = match quotes {
        Quotes::Doubled => {
            line.split_once(": ").filter(|(key, _)| holds_values(key)).map(|(_, values)| values)
        }
        Quotes::Escaped => Some(line),
    };
    values.is_some_and(|values| ends_open(values, quotes, false))
}

/// Details that hold expressions of PostgreSQL or SQL. Names of steps, files and programs hold no value, and some of them
/// are not quoted.
fn holds_values(key: &str) -> bool {
    const KEYS: [&str; 12] = [
        "Filter",
        "Output",
        "Order By",
        "Run Condition",
        "Function Call",
        "Table Function Call",
        "Sampling",
        "Repeatable Seed",
        "Window",
        "Remote SQL",
        "Remote query",
        "Columnar Chunk Group Filters",
    ];
    let key = key.trim_start();
    let is_step = key.starts_with("->");
    !is_step && (KEYS.contains(&key) || [" Cond", " Filter", " Key"].iter().any(|end| key.ends_with(end)))
}

fn ends_open(text: &str, quotes: Quotes, mut is_open: bool) -> bool {
    let mut is_name = false;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if is_open && quotes == Quotes::Escaped => drop(letters.next()),
            '\'' if !is_name => is_open = !is_open,
            '"' if quotes == Quotes::Doubled && !is_open => is_name = !is_name,
            '`' if quotes == Quotes::Escaped && !is_open => is_name = !is_name,
            _ => {}
        }
    }
    is_open
}

/// What stands between commas that lie within no brackets and quotes.
pub fn listed(text: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut within) = (0_usize, None);
    let items = text.split(move |letter: char| {
        match (letter, within) {
            (_, Some(quote)) if letter == quote => within = None,
            (_, Some(_)) => {}
            ('\'' | '"' | '`', None) => within = Some(letter),
            ('(', None) => depth += 1,
            (')', None) => depth = depth.saturating_sub(1),
            (',', None) => return depth == 0,
            _ => {}
        }
        false
    });
    items.map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_where_its_text_does() {
        let lines = |text, quotes| whole(text, quotes).map(Cow::into_owned).collect::<Vec<_>>();
        let forged = "Filter: (a = 'it''s\n->  Seq Scan on x\n')\n->  Seq Scan on \"it's\" t";
        assert_eq!(lines(forged, Quotes::Doubled).len(), 2);
        assert_eq!(lines("Filter: (a = 'it\\'s\n-> b')\n-> c", Quotes::Escaped).len(), 2);
        assert_eq!(lines("CTE it's\n->  a\n->  b", Quotes::Doubled), ["CTE it's", "->  a", "->  b"]);
        assert_eq!(lines("Filter: (a = 'x\n->  b\n->  c", Quotes::Doubled).len(), 1);
    }

    #[test]
    fn names_and_paths_open_no_value() {
        for line in ["Foreign File: /data/it's.csv", "Foreign Program: cat 'a", "Seq Scan on \"it's: 'x\" t"]
        {
            assert_eq!(whole(&format!("{line}\n->  b"), Quotes::Doubled).count(), 2, "{line}");
        }
        for key in
            ["  Filter", "Rows Removed by Filter", "One-Time Filter", "Index Cond", "Sort Key", "Output"]
        {
            assert_eq!(whole(&format!("{key}: ('a\n->  b\n')"), Quotes::Doubled).count(), 1, "{key}");
        }
    }

    #[test]
    fn a_list_ends_at_its_commas() {
        let items: Vec<&str> = listed("a, f(b, 'x), y') DESC, \"c,d\"").collect();
        assert_eq!(items, ["a", "f(b, 'x), y') DESC", "\"c,d\""]);
    }
}
