//! What is written to one log, on its way to the sums, wherever its bytes come from.

use super::file::Refused;
use super::list::Wanted;
use crate::digest::{Bookmark, Feed, Sum};
use crate::log::{End, Format, Reader};
use crate::logs::{self, recognise};
use std::fmt;
use std::io::{self, Read};

/// The largest entry that is taken in whole while it is written. Its shape is known from its beginning; many targets
/// share our memory.
pub const MOST: usize = 1 << 20;
/// The beginning of a log, by which its format and prefix are known.
pub const SAMPLE: usize = 64 << 10;
/// An entry is over when nothing has followed it for so long. A short one was written at once.
const QUIET: f64 = 0.3;
const SHORT: usize = 4 << 10;
/// A long one may have been written in pieces.
const LONG_QUIET: f64 = 5.0;

pub const UNKNOWN: &str = "is no log that we know; [target.log] format says what it is";

pub struct Stream {
    feed: Feed,
    reader: Option<Box<dyn Reader + Send>>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.feed.fmt(f)
    }
}

impl Stream {
    pub fn at(bookmark: Bookmark) -> Self {
        Self { feed: Feed::new(bookmark, MOST), reader: None }
    }

    pub fn bookmark(&self) -> Bookmark {
        self.feed.bookmark()
    }

    /// Bytes at hand that are no whole entry yet.
    pub fn rest(&self) -> &[u8] {
        self.feed.rest()
    }

    /// Where the bytes begin that are wanted next.
    pub fn taken(&self) -> u64 {
        self.bookmark().at + self.rest().len() as u64
    }

    pub fn has_reader(&self) -> bool {
        self.reader.is_some()
    }

    /// Finds the reader by how the log begins, as soon as there is a line of it.
    pub fn begin(
        &mut self,
        format: &mut Option<Format>,
        wanted: &Wanted,
        sample: &[u8],
    ) -> Result<(), Refused> {
        if sample.contains(&b'\n') {
            let known = format.or(wanted.format).or_else(|| known_format(sample, wanted));
            let known = known.ok_or(Refused::Unfit(UNKNOWN))?;
            *format = Some(known);
            let at_start = self.bookmark().at == 0;
            self.reader = Some(logs::open(known, wanted.line_prefix.as_deref(), sample, at_start));
        }
        Ok(())
    }

    /// Adds up all whole entries at hand.
    pub fn run(&mut self, sum: &mut Sum) {
        if let Some(reader) = &mut self.reader {
            while self.feed.step(reader.as_mut(), sum, End::Open) {}
        }
    }

    /// Takes more bytes; gives how many there were.
    pub fn more(&mut self, source: &mut dyn Read, sum: &mut Sum) -> io::Result<u64> {
        let read = self.feed.more(source)? as u64;
        sum.bytes += read;
        Ok(read)
    }

    /// There is nothing more for now, and has not been for `quiet` seconds; `is_last` if there never will be. True if
    /// the last entry may not be whole yet.
    pub fn end(&mut self, sum: &mut Sum, quiet: f64, is_last: bool) -> bool {
        let rest = self.feed.rest();
        let patience = if rest.len() <= SHORT { QUIET } else { LONG_QUIET };
        let is_whole = rest.ends_with(b"\n") && quiet >= patience;
        if let Some(reader) = self.reader.as_mut().filter(|_| is_whole || is_last)
            && !self.feed.bookmark().passing
        {
            while self.feed.step(reader.as_mut(), sum, End::Closed) {}
        }
        !self.feed.rest().is_empty()
    }

    /// Gives back memory before a pause.
    pub fn settle(&mut self) {
        self.feed.settle();
    }
}

pub fn known_format(sample: &[u8], wanted: &Wanted) -> Option<Format> {
    let format = recognise::format(sample, wanted.line_prefix.as_deref())?;
    (format.dialect() == wanted.dialect).then_some(format)
}
