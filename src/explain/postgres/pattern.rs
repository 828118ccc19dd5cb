//! What a step looks for by `LIKE`, read from its filter as the server words it. Of the pattern itself nothing is kept
//! but where it can be begun.

use crate::model::plan::Pattern;

/// The pattern of a filter that is nothing but one: of several conditions nobody knows which one leaves the rows out.
///
/// `(sku ~~ 'abc%'::text)`, `((o.note)::text ~~* '%abc%'::text)`
pub fn pattern(filter: &str) -> Option<Pattern> {
    let condition = filter.strip_prefix('(')?.strip_suffix(')')?;
    let (column, rest) = column(condition)?;
    let (folds_case, rest) = match rest.strip_prefix(" ~~* ") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix(" ~~ ")?),
    };
    let text = literal(rest)?;
    let mut letters = text.chars().peekable();
    let begins = letters.peek().is_some_and(|first| !matches!(first, '%' | '_'));
    Some(Pattern { column, begins, folds_case, has_trigram: has_trigram(&text) })
}

/// The column at the beginning, whatever it is qualified with, and what follows it.
fn column(condition: &str) -> Option<(String, &str)> {
    if let Some(cast) = condition.strip_prefix('(') {
        let (column, rest) = column(cast)?;
        return Some((column, rest.strip_prefix(")::text")?));
    }
    let (name, rest) = match condition.strip_prefix('"') {
        Some(quoted) => super::quoted_name(quoted)?,
        None => {
            let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
            let end = condition.find(|letter| !is_name(letter))?;
            (condition.get(..end).filter(|name| !name.is_empty())?.to_owned(), condition.get(end..)?)
        }
    };
    match rest.strip_prefix('.') {
        Some(rest) => column(rest),
        None => Some((name, rest)),
    }
}

/// What stands between the quotes of `'abc%'::text`, if that is all there is.
fn literal(text: &str) -> Option<String> {
    let (escapes, quoted) = match text.strip_prefix("E'") {
        Some(quoted) => (true, quoted),
        None => (false, text.strip_prefix('\'')?),
    };
    let inner = quoted.strip_suffix("'::text")?.replace("''", "\u{0}");
    (!inner.contains('\'')).then_some(())?;
    let inner = inner.replace('\u{0}', "'");
    Some(if escapes { inner.replace("\\\\", "\\") } else { inner })
}

/// Three letters or digits beside each other, by which `pg_trgm` finds a text.
fn has_trigram(pattern: &str) -> bool {
    let (mut run, mut letters) = (0, pattern.chars());
    while let Some(letter) = letters.next() {
        let letter = if letter == '\\' {
            letters.next()
        } else {
            Some(letter).filter(|letter| !matches!(letter, '%' | '_'))
        };
        run = if letter.is_some_and(char::is_alphanumeric) { run + 1 } else { 0 };
        if run == 3 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_told_by_where_it_begins() {
        let told = |filter: &str| {
            let pattern = pattern(filter)?;
            let bits = [pattern.begins, pattern.folds_case, pattern.has_trigram];
            Some((pattern.column, bits.map(u8::from)))
        };
        for (filter, column, bits) in [
            ("(sku ~~ 'abc%'::text)", "sku", [1, 0, 1]),
            ("(p.sku ~~ '%abc'::text)", "sku", [0, 0, 1]),
            ("((sku)::text ~~ '%ab_c'::text)", "sku", [0, 0, 0]),
            ("((p.\"S\"\"ku.x\")::text ~~* 'it''s%'::text)", "S\"ku.x", [1, 1, 0]),
            (r"(sku ~~ E'\\%abc%'::text)", "sku", [1, 0, 1]),
            (r"(sku ~~ E'%a\\_bc%'::text)", "sku", [0, 0, 0]),
            ("(sku ~~ '_bcd%'::text)", "sku", [0, 0, 1]),
            ("(sku ~~ ''::text)", "sku", [0, 0, 0]),
        ] {
            assert_eq!(told(filter), Some((column.to_owned(), bits)), "{filter}");
        }
        for filter in [
            "(sku !~~ 'abc%'::text)",
            "(sku ~~ $1)",
            "(lower(sku) ~~ 'abc%'::text)",
            "((sku ~~ 'abc%'::text) AND (id > 7))",
            "((sku ~~ 'abc%'::text) OR (sku ~~ 'x'::text))",
            "(sku ~~ ANY ('{abc%,%x}'::text[]))",
            "(sku ~~ ('abc'::text || note))",
            "(sku = 'a ~~ b'::text)",
            "((sku || 'x'::text) ~~ 'abc%'::text)",
            "(sku ~~ 'abc",
            "",
        ] {
            assert_eq!(told(filter), None, "{filter}");
        }
    }
}
