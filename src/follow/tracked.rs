//! One file that is followed: which it is, how far it was read, and reading on.

use super::file::{Refused, open};
use super::identity::{Content, Inode, Seen};
use super::list::Wanted;
use super::stream::{MOST, SAMPLE, Stream, UNKNOWN, known_format};
use crate::digest::unpack::{is_packed, unpack};
use crate::digest::{Bookmark, Feed, Sum};
use crate::log::{End, Format};
use crate::logs;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

const MAGIC: usize = 16;
/// A file that has its successor is read to its end, and so much longer.
pub const LINGER: f64 = 2.0;

/// What of a file survives us.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Where it was seen last.
    pub path: PathBuf,
    /// `None` while it is not known where its content is.
    pub inode: Option<Inode>,
    pub content: Content,
    pub bookmark: Bookmark,
    pub size: u64,
    pub format: Option<Format>,
    /// Read to its end and followed by another. Remembered, so that a copy of it is known for one.
    pub finished: bool,
}

pub struct Held {
    pub file: File,
    stream: Stream,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

#[derive(Debug)]
pub struct Tracked {
    pub mark: Mark,
    pub held: Option<Held>,
    /// As it was when it was last known to be the same.
    pub seen: Option<Seen>,
    /// It stands where we look.
    pub listed: bool,
    pub missing_since: Option<f64>,
    pub searched: Option<f64>,
    /// When it grew last.
    pub grown: f64,
}

/// How a reading has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// All entries are read.
    End,
    /// The last entry may not be whole yet.
    Amid,
    /// There is more, and no more may be read now.
    Bound,
}

impl Tracked {
    pub fn new(mark: Mark) -> Self {
        Self { mark, held: None, seen: None, listed: false, missing_since: None, searched: None, grown: 0.0 }
    }

    pub fn has_begun(&self) -> bool {
        self.mark.bookmark.at > 0
    }

    pub fn behind(&self) -> u64 {
        if self.mark.finished { 0 } else { self.mark.size.saturating_sub(self.mark.bookmark.at) }
    }

    /// Its content is no longer where it was.
    pub fn lose_sight(&mut self) {
        self.mark.inode = None;
        self.held = None;
        self.seen = None;
        self.listed = false;
    }

    /// Whether what stands at `seen` is still what we know, and takes in that it has grown.
    pub fn is_still(&mut self, seen: Seen, now: f64) -> Result<bool, Refused> {
        if self.seen == Some(seen) {
            return Ok(true);
        }
        let taken = self.held.as_ref().map_or(self.mark.bookmark.at, |held| held.stream.taken());
        let opened;
        let file = match &self.held {
            Some(held) => &held.file,
            None => {
                let (file, found) = open(&self.mark.path)?;
                if found.inode != seen.inode {
                    // Switched between two looks of ours: the next one tells.
                    return Ok(true);
                }
                opened = file;
                &opened
            }
        };
        if seen.size < taken || !self.mark.content.is_in(file, seen.size, self.mark.bookmark.at) {
            return Ok(false);
        }
        self.mark.content = Content::of(file, seen.size, self.mark.bookmark.at)?;
        if seen.size != self.mark.size {
            self.grown = now;
        }
        self.mark.size = seen.size;
        self.seen = Some(seen);
        Ok(true)
    }

    pub fn hold(&mut self) -> Result<(), Refused> {
        if self.held.is_none() {
            let (mut file, seen) = open(&self.mark.path)?;
            if Some(seen.inode) != self.mark.inode {
                return Err(Refused::Gone);
            }
            file.seek(SeekFrom::Start(self.mark.bookmark.at))?;
            self.held = Some(Held { file, stream: Stream::at(self.mark.bookmark) });
        }
        Ok(())
    }

    /// Reads what is there, at most `room` bytes, which is taken from it.
    pub fn read(
        &mut self,
        wanted: &Wanted,
        sum: &mut Sum,
        room: &mut u64,
        now: f64,
    ) -> Result<Reached, Refused> {
        self.hold()?;
        if !self.has_reader(wanted)? {
            return self.read_packed(wanted, sum);
        }
        let Self { mark, held: Some(held), grown, listed, .. } = self else { return Err(Refused::Gone) };
        // Nothing in it yet.
        if !held.stream.has_reader() {
            return Ok(Reached::End);
        }
        let before = held.stream.bookmark();
        let reached = loop {
            held.stream.run(sum);
            if *room == 0 {
                break Reached::Bound;
            }
            let read = held.stream.more(&mut (&held.file).take(*room), sum)?;
            *room -= read;
            if read == 0 {
                break Reached::End;
            }
            *grown = now;
        };
        let quiet = now - *grown;
        let is_last = !*listed && quiet >= LINGER;
        let amid = reached == Reached::End && held.stream.end(sum, quiet, is_last);
        held.stream.settle();
        mark.bookmark = held.stream.bookmark();
        if mark.bookmark != before {
            let size = held.file.metadata()?.len();
            mark.size = mark.size.max(mark.bookmark.at);
            mark.content = Content::of(&held.file, size, mark.bookmark.at)?;
        }
        Ok(if amid { Reached::Amid } else { reached })
    }

    /// Sees to it that there is a reader as soon as there is something to read. False if the file is compressed.
    fn has_reader(&mut self, wanted: &Wanted) -> Result<bool, Refused> {
        let Self { mark, held: Some(held), .. } = self else { return Ok(true) };
        if held.stream.has_reader() {
            return Ok(true);
        }
        let sample = beginning(&held.file)?;
        if is_packed(&sample) {
            return Ok(false);
        }
        held.stream.begin(&mut mark.format, wanted, &sample)?;
        Ok(true)
    }

    /// A compressed successor, at once and to its end: nobody writes to it any more.
    fn read_packed(&mut self, wanted: &Wanted, sum: &mut Sum) -> Result<Reached, Refused> {
        let Some(held) = &self.held else { return Err(Refused::Gone) };
        let mut file = held.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        let mut source = unpacked(file)?;
        let mut sample = Vec::new();
        (&mut source).take(SAMPLE as u64).read_to_end(&mut sample)?;
        let Some(format) = self.mark.format.or_else(|| known_format(&sample, wanted)) else {
            return Err(Refused::Unfit(UNKNOWN));
        };
        let mut reader = logs::open(format, wanted.line_prefix.as_deref(), &sample, !self.has_begun());
        let mut source = io::Cursor::new(sample).chain(source);
        io::copy(&mut (&mut source).take(self.mark.bookmark.at), &mut io::sink())?;
        let mut feed = Feed::new(self.mark.bookmark, MOST);
        loop {
            while feed.step(reader.as_mut(), sum, End::Open) {}
            let read = feed.more(&mut source)?;
            sum.bytes += read as u64;
            if read == 0 {
                break;
            }
        }
        while feed.step(reader.as_mut(), sum, End::Closed) {}
        self.mark.bookmark = feed.bookmark();
        self.mark.size = self.mark.bookmark.at;
        self.mark.finished = true;
        self.held = None;
        Ok(Reached::End)
    }
}

fn beginning(file: &File) -> io::Result<Vec<u8>> {
    let mut sample = vec![0; SAMPLE];
    let mut have = 0;
    while have < SAMPLE {
        match file.read_at(sample.get_mut(have..).unwrap_or_default(), have as u64)? {
            0 => break,
            read => have += read,
        }
    }
    sample.truncate(have);
    Ok(sample)
}

/// The plain bytes of a file, from its beginning.
fn unpacked(mut file: File) -> io::Result<Box<dyn Read>> {
    let mut magic = Vec::new();
    (&mut file).take(MAGIC as u64).read_to_end(&mut magic)?;
    Ok(unpack(magic, Box::new(file)))
}

/// What a compressed file begins with, as much as is asked for; `None` if it is not compressed.
pub fn unpacked_beginning(file: &File, length: u64) -> Option<Vec<u8>> {
    let mut magic = [0; MAGIC];
    let read = file.read_at(&mut magic, 0).ok()?;
    if !is_packed(magic.get(..read)?) {
        return None;
    }
    let mut file = file.try_clone().ok()?;
    file.seek(SeekFrom::Start(0)).ok()?;
    let mut bytes = Vec::new();
    unpacked(file).ok()?.take(length).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
