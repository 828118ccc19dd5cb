//! Where a text lies: in the bytes that were given, or, freed from its escapes, in a buffer of the reader.

/// Offsets instead of slices, because the buffer may move while an entry is being read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    #[default]
    Nowhere,
    Given(usize, usize),
    Kept(usize, usize),
}

impl Place {
    pub fn of<'a>(self, given: &'a [u8], kept: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Nowhere => None,
            Self::Given(from, to) => given.get(from..to),
            Self::Kept(from, to) => kept.get(from..to),
        }
        .unwrap_or_default()
    }
}
