//! Names that come again and again, each kept once.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// So many users, databases and applications are told apart; the rest share one name. A log with more has names
/// that are made up for each session.
const MAX_NAMES: usize = 4096;
/// The longest name that is kept: NAMEDATALEN and some room.
const MAX_NAME: usize = 160;
/// So many names of one statement are listed.
const MAX_LISTED: usize = 32;

/// For keys that are hashes already.
#[derive(Debug, Default, Clone, Copy)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64(bytes);
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

pub type ByHash<K, V> = HashMap<K, V, BuildHasherDefault<Identity>>;

/// A name, as a number.
pub type Name = u16;

#[derive(Debug, Clone, Default)]
pub struct Names {
    by_hash: ByHash<u64, Name>,
    texts: Vec<String>,
}

/// What stands for all names beyond the bound.
const MANY: &str = "…";

impl Names {
    pub fn of(&mut self, name: &[u8]) -> Name {
        let hash = xxhash_rust::xxh3::xxh3_64(name);
        if let Some(known) = self.by_hash.get(&hash) {
            return *known;
        }
        let full = self.texts.len() >= MAX_NAMES;
        let text = if full { MANY.to_owned() } else { clean(name) };
        let hash = if full { xxhash_rust::xxh3::xxh3_64(MANY.as_bytes()) } else { hash };
        let next = Name::try_from(self.texts.len()).unwrap_or(Name::MAX);
        *self.by_hash.entry(hash).or_insert_with(|| {
            self.texts.push(text);
            next
        })
    }

    /// All of them, in the order of their numbers.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    pub fn text(&self, name: Name) -> &str {
        self.texts.get(usize::from(name)).map_or(MANY, String::as_str)
    }
}

/// Names come from outside: without control characters they harm no terminal.
fn clean(name: &[u8]) -> String {
    let head = name.get(..MAX_NAME.min(name.len())).unwrap_or_default();
    let text = String::from_utf8_lossy(head);
    text.chars().map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

/// Adds a name to a short list of names.
pub fn add(list: &mut Vec<Name>, name: Name) {
    if !list.contains(&name) && list.len() < MAX_LISTED {
        list.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_names_share_one() {
        let mut names = Names::default();
        let first = names.of(b"a\x1b[2J");
        for nth in 0..MAX_NAMES + 10 {
            names.of(nth.to_string().as_bytes());
        }
        assert_eq!(names.text(first), "a\u{fffd}[2J");
        let late = names.of(b"late");
        assert_eq!(names.text(late), MANY);
        assert!(names.texts.len() <= MAX_NAMES + 1);
    }
}
