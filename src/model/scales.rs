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
                N::of(self.0).iter().for_each(|row| scales.put(row));
                scales.bytes()
            }
        }
        self.topic().visit(Weighing(self))
    }
}

/// Adds up what rows take while they are known. What is measured is held three times: as it is, as it changed lately, and
/// as it changed since we watch. A name is shared by all that have it: it counts where the row before has another.
#[derive(Debug, Default)]
pub struct Scales {
    bytes: usize,
    /// Where the names of the last row lie.
    last: Vec<usize>,
}

impl Scales {
    pub fn put<N: Noun>(&mut self, row: &N) {
        self.bytes += row.bytes() * if N::METRICS.is_empty() { 1 } else { 3 };
        let mut nth = 0;
        row.names(&mut |name| {
            match self.last.get_mut(nth) {
                Some(last) if *last == name.place() => {}
                Some(last) => {
                    self.bytes += name.bytes();
                    *last = name.place();
                }
                None => {
                    self.bytes += name.bytes();
                    self.last.push(name.place());
                }
            }
            nth += 1;
        });
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
