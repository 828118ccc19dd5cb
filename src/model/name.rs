//! Names are shared: ten thousand tables say `public`, and every sample says it again.

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;

/// A label, cut to what scrapers accept: Prometheus fails the whole scrape over one long label.
const MAX_BYTES: usize = 256;
/// Bytes of a name beside its letters, and of its place among all names.
const BESIDE_ITS_LETTERS: usize = 32;
/// Bytes of one letter; what is cut ends up to one short of it.
const LONGEST_LETTER: usize = 4;

/// Its length lies beside its letters: a row has a dozen names, and eight bytes less of each.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(ArcStr);

impl Name {
    pub fn new(text: &str) -> Self {
        Self(ArcStr::from(bounded(text)))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Bytes that it takes, however many have it.
    pub fn bytes(&self) -> usize {
        BESIDE_ITS_LETTERS + self.0.len()
    }
    /// Where it lies: names of one `Names` lie in one place if they are equal.
    pub fn place(&self) -> usize {
        self.0.as_ptr().addr()
    }
    /// So long that its end may be lost: it is equal to others by its beginning only.
    pub fn may_be_cut(&self) -> bool {
        self.0.len() + LONGEST_LETTER > MAX_BYTES
    }
}

/// Controls, and what turns the direction of writing: a name must not rearrange what stands around it.
pub fn is_disguise(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Every name of one server once.
#[derive(Debug, Default)]
pub struct Names {
    known: HashSet<Name>,
    prune_at: usize,
    bytes: usize,
}

impl Names {
    pub fn intern(&mut self, text: &str) -> Name {
        let text = bounded(text);
        if let Some(name) = self.known.get(text) {
            return name.clone();
        }
        if self.known.len() >= self.prune_at {
            self.forget_dropped();
        }
        let name = Name::new(text);
        self.bytes += name.bytes();
        self.known.insert(name.clone());
        name
    }

    /// Bytes that all of them take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the names that only we have: everybody else has dropped them.
    pub fn forget_dropped(&mut self) {
        self.known.retain(|name| ArcStr::strong_count(&name.0).is_some_and(|held| held > 1));
        self.bytes = self.known.iter().map(Name::bytes).sum();
        // Half as many again keep the walk rare.
        self.prune_at = (self.known.len() + self.known.len() / 2).max(4096);
    }
}
