//! What is known of the wording of statements: fingerprints by digest, digests by the server's own id.
//! Bounded: a server can make up texts faster than anybody reads them.

use crate::engine::Lane;
use crate::remark::Hush;
use crate::sql::Digest;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Server ids remembered; above pg_stat_statements' largest sensible setting.
const MAX_KNOWN: usize = 100_000;
/// Bytes of one fingerprint kept for showing; the digest is always over the whole.
pub const MAX_SHOWN: usize = 2_000;
/// Bytes of all fingerprints together.
const MAX_BYTES: usize = 8 << 20;

/// What a server's own id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Digest(Digest),
    /// A statement of our own, sent by this lane: excluded from every number.
    Ours(Lane),
    /// Its text cannot be lexed or is not kept: it stays in `other`.
    Unnamed,
}

#[derive(Debug, Clone, Default)]
pub struct Texts {
    known: HashMap<i64, Known>,
    /// What comments in the texts behind these ids ask of us.
    hushes: HashMap<i64, Hush>,
    shown: HashMap<Digest, Arc<str>>,
    bytes: usize,
    /// Texts that found no room.
    pub dropped: u64,
}

impl Texts {
    pub fn known(&self, server_digest: i64) -> Option<Known> {
        self.known.get(&server_digest).copied()
    }

    pub fn fingerprint(&self, digest: Digest) -> Option<&str> {
        self.shown.get(&digest).map(|text| &**text)
    }

    /// The server's own ids of these statements.
    pub fn ids_of<'a>(&'a self, wanted: &'a HashSet<Digest>) -> impl Iterator<Item = (i64, Digest)> + 'a {
        self.known.iter().filter_map(|(id, known)| match known {
            Known::Digest(digest) if wanted.contains(digest) => Some((*id, *digest)),
            _ => None,
        })
    }

    pub fn learn(&mut self, server_digest: i64, known: Known, fingerprint: Option<&str>) {
        if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&server_digest) {
            self.dropped += 1;
            return;
        }
        self.known.insert(server_digest, known);
        if let (Known::Digest(digest), Some(text)) = (known, fingerprint) {
            self.show(digest, text);
        }
    }

    /// What comments in the text behind an id ask of us.
    pub fn heed(&mut self, server_digest: i64, hush: Hush) {
        if !hush.is_empty() && self.known.contains_key(&server_digest) {
            self.hushes.insert(server_digest, hush);
        }
    }

    /// Before all texts with a comment for us are read again.
    pub fn heed_nothing(&mut self) {
        self.hushes.clear();
    }

    /// What comments in the texts of a statement ask of us: the server may keep several.
    pub fn hush(&self, digest: Digest) -> impl Iterator<Item = &Hush> {
        let is_of = move |id: &i64| self.known(*id) == Some(Known::Digest(digest));
        self.hushes.iter().filter(move |(id, _)| is_of(id)).map(|(_, hush)| hush)
    }

    /// Has a text of this statement been read from the server?
    pub fn has_read(&self, digest: Digest) -> bool {
        self.known.values().any(|known| *known == Known::Digest(digest))
    }

    /// The wording of a statement that is known from elsewhere than the server's own list.
    pub fn show(&mut self, digest: Digest, text: &str) {
        if self.shown.contains_key(&digest) {
            return;
        }
        let text = crate::sql::shorten(text, MAX_SHOWN);
        if self.bytes + text.len() > MAX_BYTES {
            self.dropped += 1;
            return;
        }
        self.bytes += text.len();
        self.shown.insert(digest, text.into());
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub fn shown(&self) -> impl Iterator<Item = (Digest, &str)> {
        self.shown.iter().map(|(digest, text)| (*digest, &**text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_and_the_rest_stays() {
        let mut texts = Texts::default();
        let text = "x".repeat(MAX_SHOWN);
        let room = MAX_BYTES / MAX_SHOWN;
        for nth in 0..room as u64 + 10 {
            texts.learn(nth as i64, Known::Digest(Digest(nth)), Some(&text));
        }
        assert_eq!((texts.shown().count(), texts.dropped), (room, 10));
        assert!(texts.fingerprint(Digest(0)).is_some(), "who was there stays");
        assert_eq!(
            texts.known(room as i64 + 9),
            Some(Known::Digest(Digest(room as u64 + 9))),
            "and all are counted"
        );
        for nth in texts.len()..MAX_KNOWN + 10 {
            texts.learn(nth as i64, Known::Unnamed, None);
        }
        assert_eq!((texts.len(), texts.dropped), (MAX_KNOWN, 20));
    }
}
