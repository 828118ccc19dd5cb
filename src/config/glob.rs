//! Patterns for names: `*` is any run of characters, `?` is any one. Nothing else is special.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Matching costs at most pattern × name; with patterns this short it is linear in the name.
const MAX_CHARS: usize = 256;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob(String);

impl Glob {
    pub fn any() -> Self {
        Self("*".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.chars(), name.chars());
        // Where to go on when the newest star has to take one more character. Older stars never need to move.
        let mut star = None;
        loop {
            let mut ahead = pattern.clone();
            match ahead.next() {
                Some('*') => {
                    star = Some((ahead.clone(), rest.clone()));
                    pattern = ahead;
                    continue;
                }
                Some(wanted) => {
                    let mut after = rest.clone();
                    if after.next().is_some_and(|found| wanted == '?' || wanted == found) {
                        (pattern, rest) = (ahead, after);
                        continue;
                    }
                }
                None if rest.as_str().is_empty() => return true,
                None => {}
            }
            let Some((after_star, taken)) = &mut star else { return false };
            if taken.next().is_none() {
                return false;
            }
            (pattern, rest) = (after_star.clone(), taken.clone());
        }
    }
}

impl FromStr for Glob {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty pattern matches nothing\nwrite \"*\" to match everything".to_owned());
        }
        if text.chars().count() > MAX_CHARS {
            return Err(format!("the pattern is longer than {MAX_CHARS} characters"));
        }
        // People who know other globs would expect these to be special; better refused than misread.
        if text.contains(['[', ']', '{', '}']) {
            return Err(format!(
                "{text:?} is not a pattern that we know\nonly * (any run) and ? (any one) are special"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Pattern)
    }
}

/// A visitor, so that an error points at this very item of a list.
struct Pattern;

impl de::Visitor<'_> for Pattern {
    type Value = Glob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pattern in quotes")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Glob, E> {
        text.parse().map_err(E::custom)
    }
}

impl JsonSchema for Glob {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Glob".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "title": "a pattern: * is any run of characters, ? any one" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        let cases = [
            ("*", "", true),
            ("*", "shop", true),
            ("shop", "shop", true),
            ("shop", "shops", false),
            ("template*", "template0", true),
            ("template*", "my_template", false),
            ("*_idx", "orders_note_idx", true),
            ("public.audit_*", "public.audit_2024", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-c-", false),
            ("?", "é", true),
            ("?", "", false),
            ("a?c*", "abc", true),
            ("**", "x", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(pattern.parse::<Glob>().unwrap().matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let pattern: Glob = format!("{}b", "a*".repeat(120)).parse().unwrap();
        assert!(!pattern.matches(&"a".repeat(10_000)));
    }
}
