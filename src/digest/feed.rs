//! Bytes to a reader, entries to a sum, in bounded memory.

use super::sum::Sum;
use crate::log::{End, MAX_ENTRY, Reader};
use memchr::{memchr_iter, memrchr};
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
    let mut feed =
        Feed { source, progress, buffer: Vec::new(), start: 0, position: 0, lines: 0, ended: false };
    while until.is_none_or(|until| feed.position < until) {
        if let Some((length, entry)) = reader.next(feed.rest(), End::Open) {
            sum.entry(&entry);
            feed.advance(length);
        } else if !feed.ended && feed.rest().len() < MAX_ENTRY {
            feed.more()?;
        } else if feed.rest().is_empty() {
            break;
        } else {
            let cut = !feed.ended;
            let length = closed(reader, sum, feed.rest());
            feed.advance(length);
            if cut && feed.rest().is_empty() {
                feed.pass_over(reader)?;
            }
        }
    }
    sum.bytes += feed.position;
    sum.lines += feed.lines;
    Ok(feed.position)
}

fn closed(reader: &mut dyn Reader, sum: &mut Sum, bytes: &[u8]) -> usize {
    let Some((length, entry)) = reader.next(bytes, End::Closed) else { return bytes.len() };
    sum.entry(&entry);
    length
}

struct Feed<'a> {
    source: &'a mut dyn Read,
    progress: &'a Progress,
    buffer: Vec<u8>,
    start: usize,
    /// Of `start`, in the source.
    position: u64,
    lines: u64,
    ended: bool,
}

impl Feed<'_> {
    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// At least one byte, so that no reader can hold us up.
    fn advance(&mut self, length: usize) {
        let length = length.clamp(1, self.rest().len().max(1));
        let taken = self.rest().get(..length).unwrap_or_default();
        self.lines += memchr_iter(b'\n', taken).count() as u64;
        self.start += length;
        self.position += length as u64;
    }

    /// As much again as there is, so that an entry read again and again costs no more than twice its length.
    fn more(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let room = self.buffer.len().max(BLOCK);
        let have = self.buffer.len();
        self.buffer.resize(have + room, 0);
        let mut filled = have;
        while filled < self.buffer.len() {
            match self.source.read(self.buffer.get_mut(filled..).unwrap_or_default()) {
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
        self.progress.fetch_add((filled - have) as u64, Ordering::Relaxed);
        Ok(())
    }

    /// What is left of an entry that was too long.
    fn pass_over(&mut self, reader: &mut dyn Reader) -> io::Result<()> {
        // The end of what was taken may be the newline before the next entry.
        self.start = self.start.saturating_sub(1);
        self.position -= 1;
        self.lines -= u64::from(self.rest().first() == Some(&b'\n'));
        loop {
            if let Some(next) = reader.seek(self.rest(), 0) {
                self.advance(next);
                return Ok(());
            }
            let rest = self.rest();
            let line = memrchr(b'\n', rest).filter(|at| rest.len() - at < TAIL);
            let passed = line.map_or(rest.len().saturating_sub(1), |at| at.saturating_sub(1));
            if passed > 0 {
                self.advance(passed);
            }
            if self.ended {
                let length = self.rest().len();
                if length > 0 {
                    self.advance(length);
                }
                return Ok(());
            }
            self.more()?;
        }
    }
}
