//! The JSON spelling, read as it comes: as many steps below each other as a plan may have. What lies deeper is skipped
//! by the parser in a loop, so that no text, however it nests, uses up the stack.

use super::step::{Raw, Telling};
use super::{Explained, setting_off};
use crate::model::plan::{MAX_DEPTH, MAX_NODES, PlanNode, Trigger};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use std::borrow::Cow;
use std::fmt;

/// What auto_explain writes: the statement, its plan, and what it has set off.
pub fn logged(text: &[u8]) -> Option<Explained<'static>> {
    read(text, Logged)
}

/// The answer to an `EXPLAIN (FORMAT JSON)`, with the terms of its steps.
pub fn asked(text: &[u8]) -> Option<PlanNode> {
    read(text, Asked)
}

fn read<'a, S: DeserializeSeed<'a, Value = Option<T>>, T>(text: &'a [u8], seed: S) -> Option<T> {
    let mut json = serde_json::Deserializer::from_slice(text);
    // Its own limit is less than a plan may have. Here nothing goes down but `Step`, which knows how deep it is.
    json.disable_recursion_limit();
    let read = seed.deserialize(&mut json).ok()?;
    json.end().ok()?;
    read
}

/// A seed is its own visitor, and `null` is nothing of its kind.
macro_rules! seed {
    ($seed:ty, $value:ty, $what:literal, $($visit:tt)*) => {
        impl<'de> DeserializeSeed<'de> for $seed {
            type Value = $value;
            fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<$value, D::Error> {
                json.deserialize_any(self)
            }
        }
        impl<'de> Visitor<'de> for $seed {
            type Value = $value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($what)
            }
            fn visit_unit<E: Error>(self) -> Result<$value, E> {
                Ok(Default::default())
            }
            $($visit)*
        }
    };
}

struct Logged;

seed! { Logged, Option<Explained<'static>>, "a statement and its plan",
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut query, mut plan, mut triggers) = (None, None, Vec::new());
        let mut tree = Tree { room: MAX_NODES, telling: Telling::Steps };
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "Query Text" => query = Some(map.next_value::<String>()?),
                "Plan" => plan = map.next_value_seed(Step { tree: &mut tree, depth: 1 })?,
                "Triggers" => triggers = map.next_value_seed(Triggers)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let plan = plan.map(|plan| setting_off(plan, triggers));
        Ok(query.map(|query| Explained { query: Cow::Owned(query.into_bytes()), plan }))
    }
}

struct Asked;

seed! { Asked, Option<PlanNode>, "a list of one plan",
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let first = list.next_element_seed(AskedOne)?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.flatten())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        AskedOne.visit_map(map)
    }
}

struct AskedOne;

seed! { AskedOne, Option<PlanNode>, "a plan",
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut tree = Tree { room: MAX_NODES, telling: Telling::Terms };
        let (mut plan, mut triggers) = (None, Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "Plan" => plan = map.next_value_seed(Step { tree: &mut tree, depth: 1 })?,
                "Triggers" => triggers = map.next_value_seed(Triggers)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(plan.map(|plan| setting_off(plan, triggers)))
    }
}

/// How many more steps there is room for, and whether their terms are wanted.
struct Tree {
    room: usize,
    telling: Telling,
}

/// A step and all below it, to be read while there is room.
struct Step<'a> {
    tree: &'a mut Tree,
    depth: usize,
}

seed! { Step<'_>, Option<PlanNode>, "a step of a plan",
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Step { tree, depth } = self;
        let Some(room) = tree.room.checked_sub(1) else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(None);
        };
        tree.room = room;
        let mut raw = Raw::of(tree.telling);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "Plans" if depth < MAX_DEPTH => {
                    raw.node.children = map.next_value_seed(Steps { tree: &mut *tree, depth: depth + 1 })?;
                }
                "Workers" => map.next_value_seed(Workers(&mut raw))?,
                "Sort Key" if tree.telling == Telling::Terms => {
                    let keys = map.next_value::<Vec<Word>>()?.into_iter().filter_map(Word::text);
                    keys.for_each(|key| raw.sort_key(&key));
                }
                key => match map.next_value()? {
                    Word::Text(text) => raw.set(key, &text),
                    Word::Plain(plain) => raw.set(key, &plain),
                    Word::More => {}
                },
            }
        }
        Ok(Some(raw.settle()))
    }
}

struct Steps<'a> {
    tree: &'a mut Tree,
    depth: usize,
}

seed! { Steps<'_>, Vec<PlanNode>, "steps of a plan",
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut steps = Vec::new();
        while let Some(step) = list.next_element_seed(Step { tree: &mut *self.tree, depth: self.depth })? {
            steps.extend(step);
        }
        Ok(steps)
    }
}

struct Workers<'a>(&'a mut Raw);

seed! { Workers<'_>, (), "what workers tell",
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(told) = list.next_element_seed(Told)? {
            told.iter().for_each(|(key, value)| self.0.worker(key, value));
        }
        Ok(())
    }
}

struct Triggers;

seed! { Triggers, Vec<Trigger>, "what was set off",
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut triggers = Vec::new();
        while let Some(told) = list.next_element_seed(Told)? {
            let mut trigger = Trigger::default();
            told.iter().for_each(|(key, value)| trigger.set(key, value));
            triggers.push(trigger);
        }
        Ok(triggers)
    }
}

/// An object of words and numbers.
struct Told;

seed! { Told, Vec<(String, String)>, "words and numbers",
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut told = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Word>()? {
            told.extend(value.text().map(|text| (key, text)));
        }
        Ok(told)
    }
}

/// What stands behind a key.
#[derive(Default)]
enum Word {
    Text(String),
    /// A number or a truth, as it is written.
    Plain(String),
    /// A list, an object, or nothing.
    #[default]
    More,
}

impl Word {
    fn text(self) -> Option<String> {
        match self {
            Word::Text(text) | Word::Plain(text) => Some(text),
            Word::More => None,
        }
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Word, D::Error> {
        AnyWord.deserialize(json)
    }
}

struct AnyWord;

seed! { AnyWord, Word, "anything",
    fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
        Ok(Word::Text(text.to_owned()))
    }
    fn visit_bool<E: Error>(self, plain: bool) -> Result<Word, E> {
        Ok(Word::Plain(plain.to_string()))
    }
    fn visit_u64<E: Error>(self, plain: u64) -> Result<Word, E> {
        Ok(Word::Plain(plain.to_string()))
    }
    fn visit_i64<E: Error>(self, plain: i64) -> Result<Word, E> {
        Ok(Word::Plain(plain.to_string()))
    }
    fn visit_f64<E: Error>(self, plain: f64) -> Result<Word, E> {
        Ok(Word::Plain(plain.to_string()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Word, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Word::More)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Word, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Word::More)
    }
}
