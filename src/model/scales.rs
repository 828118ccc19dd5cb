//! What rows weigh: how much of our memory they take.

use super::noun::Noun;
use super::snapshot::{InTopic, Rows, TopicVisitor};

impl Rows {
    /// Bytes that these rows take while they are known, about.
    pub fn bytes(&self) -> usize {
        struct Weighing<'a>(&'a Rows);
        impl TopicVisitor for Weighing<'_> {
            type Out = usize;
            fn visit<N: InTopic>(self) -> usize {
                let mut scales = Scales::default();
                N::of(self.0).iter().for_each(|row| scales.put(row, COPIES));
                scales.bytes()
            }
        }
        self.topic().visit(Weighing(self))
    }
}

/// What is measured is held several times: as it is, as it changed lately, and as it changed since we watch.
const COPIES: usize = 3;
/// Where no name lies.
const NOWHERE: usize = 0;

/// Adds up what rows take. A name is shared by all that have it: it counts where the row before has another.
#[derive(Debug, Default)]
pub struct Scales {
    bytes: usize,
    /// Where the names of the last row lie.
    last: Vec<usize>,
}

impl Scales {
    /// Puts a row on, so many times if it is one that measures.
    pub fn put<N: Noun>(&mut self, row: &N, copies: usize) {
        self.bytes += row.bytes() * if N::METRICS.is_empty() { 1 } else { copies };
        let mut nth = 0;
        row.names(&mut |name| {
            if nth == self.last.len() {
                self.last.push(NOWHERE);
            }
            if let Some(last) = self.last.get_mut(nth).filter(|last| **last != name.place()) {
                self.bytes += name.bytes();
                *last = name.place();
            }
            nth += 1;
        });
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
