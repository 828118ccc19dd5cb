//! What comes beside the counters of digests: the server's own names of them, and the wording of those that are new. The
//! server makes each text for each reading anyway, so it costs nothing to take it along.

use super::answer::{Column, TextRow};
use super::known::{Known, our_lane};
use super::latencies::Packed;
use super::link::Memory;
use crate::engine::layout::{Record, hash};
use crate::engine::shared::{Shared, learn_text};
use crate::model::Cell;
use crate::remark::Hush;
use crate::sql::{Dialect, normalise_cut};
use crate::texts::Texts;
use std::collections::HashMap;

/// More than any server keeps; beyond it they are learnt anew.
const MAX_DIGESTS: usize = 50_000;

#[derive(Debug)]
pub struct Digests {
    /// The server's names of statements by the numbers that stand for them, where they serve.
    names: Option<HashMap<i64, Packed>>,
    texts: Vec<(i64, String)>,
    /// The places of a name and of a text in a row.
    places: (Option<usize>, Option<usize>),
}

impl Digests {
    pub fn new(names: Option<HashMap<i64, Packed>>) -> Digests {
        Digests { names, texts: Vec::new(), places: (None, None) }
    }

    pub fn columns(&mut self, columns: &[Column]) {
        let place = |begin: &str| columns.iter().position(|column| column.name.starts_with(begin));
        self.places = (place("server_digest"), place("dbsonde_text"));
    }

    pub fn learn(&mut self, row: &TextRow<'_>) {
        let cell = |place: Option<usize>| match place.map(|place| row.cell(place)) {
            Some(Cell::Text(text)) => Some(text),
            _ => None,
        };
        let Some(digest) = cell(self.places.0) else { return };
        if let Some(names) = &mut self.names {
            if names.len() >= MAX_DIGESTS {
                names.clear();
            }
            if let Some(packed) = Packed::of(&digest) {
                names.insert(hash(&digest), packed);
            }
        }
        if let Some(text) = cell(self.places.1) {
            self.texts.push((hash(&digest), text.into_owned()));
        }
    }

    pub fn let_go(&mut self) {
        self.texts = Vec::new();
    }

    /// Tells the wording to all, and gives back the names.
    pub fn finish(self, shared: &Shared<Known, Memory>) -> HashMap<i64, Packed> {
        if !self.texts.is_empty() {
            shared.teach(|texts| self.texts.iter().for_each(|(id, text)| learn(texts, *id, text)));
        }
        self.names.unwrap_or_default()
    }
}

/// What comments ask of us in a run of a statement. Its text may have lost its end, and goes no further.
pub fn heed(texts: &mut Texts, id: i64, text: &str) {
    if normalise_cut(Dialect::MYSQL, text).is_ok() {
        texts.heed(id, Hush::in_text(Dialect::MYSQL, text));
    }
}

/// What the server says of a digest that is new to us.
pub fn learn(texts: &mut Texts, id: i64, text: &str) {
    if texts.known(id).is_none() {
        // The server says itself that it kept only the beginning.
        learn_text(texts, Dialect::MYSQL, id, text, text.ends_with("..."), our_lane(text));
    }
}
