//! Bytes to a reader, entries to a sum, in bounded memory.

use super::sum::Sum;
use crate::log::{End, MAX_ENTRY, Reader};
use memchr::{memchr_iter, memrchr};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

/// What is read at one time: small enough to stay in a cache of the processor, large enough that calls are few.
const BLOCK: usize = 256 << 10;
/// While an end is passed over, so much of the last line is kept to see a beginning in it.
const TAIL: usize = 64 << 10;

/// How far all threads are together, in bytes.
pub type Progress = AtomicU64;

/// Reads entries until one ends at `until` or behind it, or until the source ends. Gives where that was, counted
/// from where the source began.
pub fn feed(
    reader: &mut dyn Reader,
    source: &mut dyn Read,
    sum: &mut Sum,
    until: Option<u64>,
    progress: &Progress,
) -> io::Result<u64> {
    let mut feed = Feed::new(Bookmark::default(), MAX_ENTRY);
    while until.is_none_or(|until| feed.bookmark.at < until) {
        let end = if feed.ended { End::Closed } else { End::Open };
        if feed.step(reader, sum, end) {
            continue;
        }
        if feed.ended {
            break;
        }
        let read = feed.more(source)?;
        progress.fetch_add(read as u64, Ordering::Relaxed);
    }
    sum.bytes += feed.bookmark.at;
    sum.lines += feed.lines();
    Ok(feed.bookmark.at)
}

/// Between two entries of a source: all that must be kept to go on later.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    pub at: u64,
    /// What stands here is the end of an entry whose beginning is not to be had or was too much.
    pub passing: bool,
}

/// Bytes of a source on their way to a reader.
#[derive(Debug)]
pub struct Feed {
    buffer: Vec<u8>,
    start: usize,
    bookmark: Bookmark,
    /// The largest entry that is taken in whole.
    most: usize,
    /// Ends of lines before what is in the buffer.
    lines: u64,
    /// The source has no more, for now or for good.
    ended: bool,
}

impl Feed {
    pub fn new(bookmark: Bookmark, most: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, bookmark, most, lines: 0, ended: false }
    }

    pub fn bookmark(&self) -> Bookmark {
        self.bookmark
    }

    /// Bytes at hand that are no whole entry yet.
    pub fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Gives back memory before a pause.
    pub fn settle(&mut self) {
        if self.rest().is_empty() {
            self.lines = self.lines();
            (self.buffer, self.start) = (Vec::new(), 0);
        }
    }

    /// Hands over what can be: an entry, or what has to be passed over. False if that needs more bytes, or if there
    /// are none left.
    pub fn step(&mut self, reader: &mut dyn Reader, sum: &mut Sum, end: End) -> bool {
        if self.bookmark.passing {
            return self.pass_over(reader, end);
        }
        if let Some((length, entry)) = reader.next(self.rest(), End::Open) {
            sum.entry(&entry);
            self.advance(length);
            return true;
        }
        if self.rest().is_empty() || (end == End::Open && self.rest().len() < self.most) {
            return false;
        }
        let length = closed(reader, sum, self.rest());
        self.advance(length);
        if end == End::Open && self.rest().is_empty() {
            sum.cut += 1;
            // The end of what was taken may be the newline before the next entry.
            self.start = self.start.saturating_sub(1);
            self.bookmark = Bookmark { at: self.bookmark.at - 1, passing: true };
        }
        true
    }

    /// Ends of lines before where we are. All of a buffer are counted at once, which costs less than entry by entry.
    fn lines(&self) -> u64 {
        let taken = self.buffer.get(..self.start).unwrap_or_default();
        self.lines + memchr_iter(b'\n', taken).count() as u64
    }

    /// At least one byte, so that no reader can hold us up.
    fn advance(&mut self, length: usize) {
        let length = length.clamp(1, self.rest().len().max(1));
        self.start += length;
        self.bookmark.at += length as u64;
    }

    /// As much again as there is, so that an entry read again and again costs no more than twice its length. Gives
    /// how much there was.
    pub fn more(&mut self, source: &mut dyn Read) -> io::Result<usize> {
        self.lines = self.lines();
        self.buffer.drain(..self.start);
        self.start = 0;
        self.ended = false;
        let room = self.buffer.len().max(BLOCK);
        let have = self.buffer.len();
        self.buffer.resize(have + room, 0);
        let mut filled = have;
        while filled < self.buffer.len() {
            match source.read(self.buffer.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buffer.truncate(filled);
                    return Err(error);
                }
            }
        }
        self.buffer.truncate(filled);
        Ok(filled - have)
    }

    /// What is left of an entry that was too long.
    fn pass_over(&mut self, reader: &mut dyn Reader, end: End) -> bool {
        if let Some(next) = reader.seek(self.rest(), 0) {
            self.advance(next);
            self.bookmark.passing = false;
            return true;
        }
        let rest = self.rest();
        let line = memrchr(b'\n', rest).filter(|at| rest.len() - at < TAIL);
        let passed = line.map_or(rest.len().saturating_sub(1), |at| at.saturating_sub(1));
        if passed > 0 {
            self.advance(passed);
        }
        if end == End::Closed && !self.rest().is_empty() {
            let length = self.rest().len();
            self.advance(length);
        }
        false
    }
}

fn closed(reader: &mut dyn Reader, sum: &mut Sum, bytes: &[u8]) -> usize {
    let Some((length, entry)) = reader.next(bytes, End::Closed) else { return bytes.len() };
    sum.entry(&entry);
    length
}
