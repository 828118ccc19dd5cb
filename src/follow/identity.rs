//! What makes a file the one that we know. Not its name: a name is given to the next one.

use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use xxhash_rust::xxh3::xxh3_64;

/// Enough of the beginning that it holds the time of an entry.
pub const HEAD: u64 = 1_024;
/// Enough of what was read last.
pub const BEHIND: u64 = 256;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Inode {
    pub device: u64,
    pub number: u64,
}

/// A file as its directory shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub inode: Inode,
    pub size: u64,
    pub modified: (i64, i64),
    /// Names that it has.
    pub links: u64,
}

impl Seen {
    pub fn of(about: &Metadata) -> Self {
        Self {
            inode: Inode { device: about.dev(), number: about.ino() },
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            links: about.nlink(),
        }
    }
}

/// Some bytes, by their hash.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Print {
    pub length: u64,
    hash: u64,
}

impl Print {
    pub fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len() as u64, hash: xxh3_64(bytes) }
    }

    /// Of what stands between two places.
    fn between(file: &File, from: u64, to: u64) -> io::Result<Self> {
        let mut bytes = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or_default()];
        file.read_exact_at(&mut bytes, from)?;
        Ok(Self::of(&bytes))
    }
}

/// By its content: how it begins, and what was read last. A beginning alone may be the same banner as in the file
/// before.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub head: Print,
    pub behind: Print,
}

impl Content {
    /// Of a file of so many bytes that was read up to a position.
    pub fn of(file: &File, size: u64, position: u64) -> io::Result<Self> {
        let head = Print::between(file, 0, size.min(HEAD))?;
        let behind = Print::between(file, position.saturating_sub(BEHIND), position)?;
        Ok(Self { head, behind })
    }

    /// Does the file hold what this is of?
    pub fn is_in(&self, file: &File, size: u64, position: u64) -> bool {
        let same = |print: &Print, from: u64| {
            Print::between(file, from, from + print.length).is_ok_and(|found| found == *print)
        };
        size >= position.max(self.head.length)
            && same(&self.head, 0)
            && same(&self.behind, position.saturating_sub(self.behind.length))
    }

    /// Of what begins so and was not read.
    pub fn beginning_with(head: &[u8]) -> Self {
        Self { head: Print::of(head), behind: Print::of(b"") }
    }

    /// Whether these bytes begin like it.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        let head = usize::try_from(self.head.length).ok().and_then(|length| bytes.get(..length));
        head.is_some_and(|head| Print::of(head) == self.head)
    }

    pub fn begins(&self, file: &File, size: u64) -> bool {
        size >= self.head.length
            && Print::between(file, 0, self.head.length).is_ok_and(|found| found == self.head)
    }
}
