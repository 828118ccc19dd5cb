//! JSON that we wrote ourselves: what survives us, and recordings. It may hold plans, which are deeper than what the
//! parser takes of strangers.

use crate::model::plan::MAX_DEPTH;
use serde::de::DeserializeOwned;

/// Lists and objects in each other: two for each step of a plan, one more step where we have put it above, and what
/// plans lie in.
const LEVELS: usize = 2 * (MAX_DEPTH + 1) + 30;

pub fn read<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    let mut json = serde_json::Deserializer::from_slice(text);
    // Whatever is deeper has the parser's own limit, and so an end.
    if levels(text) <= LEVELS {
        json.disable_recursion_limit();
    }
    let read = T::deserialize(&mut json)?;
    json.end()?;
    Ok(read)
}

/// How deep it is, or would be if it were JSON.
fn levels(text: &[u8]) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' if !is_text => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn as_deep_as_a_plan_and_no_deeper() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read::<Value>(nested(LEVELS).as_bytes()).is_ok());
        for levels in [LEVELS + 1, 1_000_000] {
            let error = read::<Value>(nested(levels).as_bytes()).unwrap_err();
            assert!(error.to_string().contains("recursion limit"), "{error}");
        }
        assert!(read::<Value>("[".repeat(1_000_000).as_bytes()).is_err());
    }

    /// Brackets in texts nest nothing, and no text hides a bracket behind it.
    #[test]
    fn levels_are_those_of_the_parser() {
        for (text, deep) in [
            (r#"{"a": "[[[[", "b": [1, {"c": 2}]}"#, 3),
            (r#"["\"[[[", "\\", [1]]"#, 2),
            (r#"["\\\"[", []]"#, 2),
            ("7", 0),
        ] {
            assert!(serde_json::from_str::<Value>(text).is_ok());
            assert_eq!(levels(text.as_bytes()), deep, "{text}");
        }
    }
}
