//! JSON that somebody else wrote, as values, up to what a plan can hold. What lies deeper, or is more, is skipped by the
//! parser in a loop, so that no text uses up the stack or the memory.

use crate::model::plan::{MAX_DEPTH, MAX_NODES};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Lists and objects in each other: MySQL needs up to three of them for a step, and few plans are deep.
const MAX_LEVELS: usize = 3 * MAX_DEPTH;
/// Values of all kinds; a step has some thirty.
const MAX_VALUES: usize = 64 * MAX_NODES;

#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`, or what there was no room for.
    Nothing,
    Truth(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    /// In its order. MariaDB writes one key several times.
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn read(text: &str) -> Option<Json> {
        let mut json = serde_json::Deserializer::from_str(text);
        json.disable_recursion_limit();
        let mut room = MAX_VALUES;
        let read = Value { level: 0, room: &mut room }.deserialize(&mut json).ok()?;
        json.end().ok()?;
        Some(read)
    }

    pub fn members(&self) -> &[(String, Json)] {
        match self {
            Json::Object(members) => members,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Json] {
        match self {
            Json::List(items) => items,
            _ => &[],
        }
    }

    pub fn get(&self, key: &str) -> Option<&Json> {
        self.members().iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// MySQL writes some of its numbers as texts.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Json::Number(number) => Some(*number),
            Json::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    pub fn is(&self, key: &str) -> bool {
        self.get(key) == Some(&Json::Truth(true))
    }
}

struct Value<'a> {
    level: usize,
    room: &'a mut usize,
}

impl Value<'_> {
    fn inner(&mut self) -> Value<'_> {
        Value { level: self.level + 1, room: self.room }
    }

    fn has_room(&mut self) -> bool {
        *self.room = self.room.saturating_sub(1);
        *self.room > 0 && self.level < MAX_LEVELS
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Json, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Nothing)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Truth(truth))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while self.has_room() {
            match list.next_element_seed(self.inner())? {
                Some(item) => items.push(item),
                None => return Ok(Json::List(items)),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while self.has_room() {
            let Some(key) = map.next_key::<String>()? else { return Ok(Json::Object(members)) };
            members.push((key, map.next_value_seed(self.inner())?));
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deeper_or_more_is_skipped() {
        let nested = |levels: usize| format!("{}{}", r#"{"a":["#.repeat(levels), "]}".repeat(levels));
        for levels in [10, MAX_LEVELS, 100_000] {
            assert!(Json::read(&nested(levels)).is_some(), "{levels}");
        }
        assert_eq!(Json::read(&"[".repeat(1_000_000)), None);
        let long = format!("[{}0]", "1,".repeat(2 * MAX_VALUES));
        assert!(Json::read(&long).unwrap().items().len() < MAX_VALUES);
        assert_eq!(Json::read(r#"{"a":1,"a":2}"#).unwrap().members().len(), 2);
    }
}
