//! Logs that the server reads for us, because they lie where we cannot.
//!
//! It shows the names, sizes and times of its files, and pieces of them; so a file is known by its name, by how it
//! begins and by what was read of it last. The server's own rotation is by name: a new one, or an old one anew. What
//! vanishes or is cut before it was read is lost, and told.

use super::file::Refused;
use super::files::Fates;
use super::identity::{BEHIND, HEAD, Print};
use super::list::Wanted;
use super::stream::{SAMPLE, Stream};
use super::tracked::{LINGER, Mark};
use crate::config::Glob;
use crate::digest::{Bookmark, Sum};
use crate::engine::errand::{Errand, Fetched, LogFile, Piece};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Read in one piece: some 0.2 ms of the server, and what a message to us may hold.
const PIECE: u32 = 512 << 10;
/// Files remembered, the newest.
const MAX_LOGS: usize = 256;
/// A loss is shown for so long, and so many; all are counted for good.
const SAID: f64 = 300.0;
const MAX_SAID: usize = 8;

/// What survives us.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shelf {
    /// The directory and the pattern of names, by which it is known for the same.
    pub pattern: PathBuf,
    /// When the newest of the files was written to, by the server's clock.
    pub newest: f64,
    pub marks: Vec<Mark>,
}

#[derive(Debug)]
pub struct Served {
    pattern: PathBuf,
    newest: f64,
    logs: Vec<Log>,
    /// Nothing is known of what stood here before us: we begin where it ends.
    begins: bool,
    /// Of the logs by name, those that are to be read before the next look at the directory.
    queue: VecDeque<PathBuf>,
    lost: VecDeque<(f64, String)>,
    trouble: Option<String>,
    pub fates: Fates,
}

#[derive(Debug)]
struct Log {
    mark: Mark,
    /// As it was listed last, by the server's clock.
    modified: Option<f64>,
    size: u64,
    stream: Option<Stream>,
    /// The last that was taken, up to where the next piece begins.
    recent: Vec<u8>,
    /// When it grew last, by our clock.
    grown: f64,
    /// Changed since it was read to its end.
    is_due: bool,
    /// Why it cannot be read as it is.
    unfit: Option<Refused>,
}

impl Log {
    fn new(path: PathBuf, bookmark: Bookmark, now: f64) -> Self {
        let (inode, content, size, format, finished) = Default::default();
        Self::of(Mark { path, inode, content, bookmark, size, format, finished }, now)
    }

    fn of(mark: Mark, now: f64) -> Self {
        let (is_due, size) = (!mark.finished, mark.size);
        Self { mark, modified: None, size, stream: None, recent: Vec::new(), grown: now, is_due, unfit: None }
    }

    /// What stands in it already is not ours to count. The last byte may be the newline before the next entry.
    fn where_it_ends(path: PathBuf, file: &LogFile, finished: bool, now: f64) -> Self {
        let bookmark = Bookmark { at: file.size.saturating_sub(1), passing: file.size > 0 };
        let mut log = Self::new(path, bookmark, now);
        (log.mark.size, log.size, log.mark.finished, log.is_due) =
            (file.size, file.size, finished, !finished);
        log
    }

    /// Where the bytes begin that are wanted next.
    fn taken(&self) -> u64 {
        self.stream.as_ref().map_or(self.mark.bookmark.at, Stream::taken)
    }

    /// What stands before them, to be seen again.
    fn behind(&self) -> Print {
        if self.stream.is_none() {
            return self.mark.content.behind;
        }
        Print::of(tail(&self.recent, BEHIND))
    }

    fn unread(&self) -> u64 {
        if self.mark.finished { 0 } else { self.size.saturating_sub(self.mark.bookmark.at) }
    }

    fn errand(&self) -> Errand {
        let has_reader = self.stream.as_ref().is_some_and(Stream::has_reader);
        let head = if has_reader { HEAD } else { SAMPLE as u64 };
        Errand::LogBytes {
            path: self.mark.path.display().to_string(),
            head: u32::try_from(head).unwrap_or_default(),
            from: self.taken() - self.behind().length,
            length: PIECE,
        }
    }

    /// Is what has come of the file that we know?
    fn is_same(&self, piece: &Piece) -> bool {
        let begins = |print: Print, bytes: &[u8]| {
            let length = usize::try_from(print.length).ok().and_then(|length| bytes.get(..length));
            print.length == 0 || length.is_some_and(|bytes| Print::of(bytes) == print)
        };
        begins(self.mark.content.head, &piece.head) && begins(self.behind(), &piece.bytes)
    }

    /// Adds what has come. True if there may be more.
    fn take(&mut self, piece: &Piece, wanted: &Wanted, sum: &mut Sum, now: f64) -> Result<bool, Refused> {
        let behind = usize::try_from(self.behind().length).unwrap_or_default();
        let (known, mut fresh) = piece.bytes.split_at_checked(behind).unwrap_or_default();
        let Self { mark, stream, recent, .. } = self;
        let stream = stream.get_or_insert_with(|| {
            *recent = known.to_vec();
            Stream::at(mark.bookmark)
        });
        if !stream.has_reader() {
            stream.begin(&mut mark.format, wanted, &piece.head)?;
        }
        // No line of it is whole yet.
        if !stream.has_reader() {
            return Ok(false);
        }
        if !fresh.is_empty() {
            self.grown = now;
            recent.extend_from_slice(fresh);
        }
        loop {
            stream.run(sum);
            if stream.more(&mut fresh, sum)? == 0 {
                break;
            }
        }
        let head = piece.head.get(..HEAD as usize).unwrap_or(&piece.head);
        mark.content.head = Print::of(head);
        mark.size = mark.size.max(stream.taken());
        self.size = self.size.max(mark.size);
        self.note();
        Ok(piece.bytes.len() >= PIECE as usize)
    }

    /// Nothing has come for some time.
    fn rest(&mut self, sum: &mut Sum, now: f64, is_last: bool) {
        let quiet = now - self.grown;
        if let Some(stream) = &mut self.stream {
            stream.end(sum, quiet, is_last && quiet >= LINGER);
            self.note();
        }
        let is_read = self.mark.bookmark.at >= self.size;
        if is_last && is_read && quiet >= LINGER {
            self.mark.finished = true;
            (self.stream, self.recent) = (None, Vec::new());
        }
    }

    /// How far the stream has come, as what survives us.
    fn note(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        stream.settle();
        self.mark.bookmark = stream.bookmark();
        let rest = stream.rest().len();
        self.recent.drain(..self.recent.len() - tail(&self.recent, BEHIND + rest as u64).len());
        let read = self.recent.get(..self.recent.len().saturating_sub(rest)).unwrap_or_default();
        self.mark.content.behind = Print::of(tail(read, BEHIND));
    }
}

fn tail(bytes: &[u8], most: u64) -> &[u8] {
    let from = bytes.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
    bytes.get(from..).unwrap_or_default()
}

impl Served {
    /// From what a former life has kept of the same place.
    pub fn new(kept: Option<Shelf>, pattern: PathBuf, now: f64) -> Self {
        let kept = kept.filter(|shelf| shelf.pattern == pattern);
        let begins = kept.is_none();
        let shelf = kept.unwrap_or_default();
        let logs = shelf.marks.into_iter().map(|mark| Log::of(mark, now)).collect();
        Self {
            pattern,
            newest: shelf.newest,
            logs,
            begins,
            queue: VecDeque::new(),
            lost: VecDeque::new(),
            trouble: None,
            fates: Fates::default(),
        }
    }

    pub fn has_begun(&self) -> bool {
        !self.begins
    }

    /// `None` while it is not known yet where we begin.
    pub fn shelf(&self) -> Option<Shelf> {
        let marks = self.logs.iter().map(|log| log.mark.clone()).collect();
        (!self.begins).then(|| Shelf { pattern: self.pattern.clone(), newest: self.newest, marks })
    }

    pub fn behind(&self) -> u64 {
        self.logs.iter().map(Log::unread).sum()
    }

    /// The file that was written to last.
    pub fn newest(&self) -> Option<&Path> {
        self.logs.last().map(|log| log.mark.path.as_path())
    }

    pub fn gaps(&self) -> impl Iterator<Item = String> + '_ {
        let unfit = |log: &Log| Some(format!("{}: {}", log.mark.path.display(), log.unfit.as_ref()?));
        let lost = self.lost.iter().map(|(_, said)| said.clone());
        self.trouble.iter().cloned().chain(lost).chain(self.logs.iter().filter_map(unfit))
    }

    /// What is to be fetched next.
    pub fn errand(&self) -> Errand {
        let next = self.queue.front().and_then(|path| self.logs.iter().find(|log| log.mark.path == *path));
        next.map_or(Errand::LogFiles, Log::errand)
    }

    /// Takes in what was fetched. True if there is more to fetch.
    pub fn take(
        &mut self,
        fetched: Result<Fetched, String>,
        wanted: &Wanted,
        sum: &mut Sum,
        now: f64,
    ) -> bool {
        while self.lost.front().is_some_and(|(said, _)| now - said > SAID) {
            self.lost.pop_front();
        }
        match fetched {
            Ok(Fetched::LogFiles(files)) => {
                self.list(files, sum, now);
                if self.queue.is_empty() {
                    self.trouble = None;
                }
            }
            Ok(Fetched::LogBytes(piece)) => self.read(piece.as_ref(), wanted, sum, now),
            Ok(_) => {}
            Err(why) => {
                self.queue.clear();
                self.trouble = Some(why);
            }
        }
        !self.queue.is_empty()
    }

    fn list(&mut self, files: Vec<LogFile>, sum: &mut Sum, now: f64) {
        let home = self.pattern.parent().unwrap_or(Path::new("")).to_owned();
        let name = self.pattern.file_name().unwrap_or_default().to_string_lossy().parse::<Glob>();
        let is_wanted = |file: &LogFile| name.as_ref().is_ok_and(|glob| glob.matches(&file.name));
        let mut found: Vec<LogFile> = files.into_iter().filter(is_wanted).collect();
        found.sort_by(|a, b| a.modified.total_cmp(&b.modified).then_with(|| a.name.cmp(&b.name)));
        found.drain(..found.len().saturating_sub(MAX_LOGS));
        let mut known = std::mem::take(&mut self.logs);
        let (newest, since) = (found.len().saturating_sub(1), self.newest);
        for (nth, file) in found.into_iter().enumerate() {
            let path = home.join(&file.name);
            self.newest = self.newest.max(file.modified);
            let at = known.iter().position(|log| log.mark.path == path);
            let mut log = match at.map(|at| known.swap_remove(at)) {
                Some(log) => log,
                None if self.begins => Log::where_it_ends(path, &file, nth != newest, now),
                None if file.modified >= since => {
                    self.fates.begun += u64::from(file.size > 0);
                    Log::new(path, Bookmark::default(), now)
                }
                // From before us.
                None => continue,
            };
            if file.size < log.taken() {
                self.lose(&log, "was cut", !log.mark.finished, now);
                log = Log::new(log.mark.path, Bookmark::default(), now);
                self.fates.begun += u64::from(file.size > 0);
            }
            let has_changed = file.size != log.size || log.modified.is_some_and(|at| at != file.modified);
            if has_changed {
                (log.is_due, log.mark.finished, log.unfit) = (true, false, None);
            }
            (log.size, log.modified) = (file.size, Some(file.modified));
            if !log.is_due && !log.mark.finished {
                log.rest(sum, now, nth != newest);
            }
            self.logs.push(log);
        }
        for log in known.iter().filter(|log| !log.mark.finished) {
            self.lose(log, "has vanished", log.unread() > 0, now);
        }
        self.begins = false;
        self.queue = self.logs.iter().filter(|log| log.is_due).map(|log| log.mark.path.clone()).collect();
    }

    fn read(&mut self, piece: Option<&Piece>, wanted: &Wanted, sum: &mut Sum, now: f64) {
        let Some(path) = self.queue.pop_front() else { return };
        let Some(at) = self.logs.iter().position(|log| log.mark.path == path) else { return };
        // The next look at the directory tells what has become of one that is not there.
        let (Some(log), Some(piece)) = (self.logs.get_mut(at), piece) else { return };
        if !log.is_same(piece) {
            let mut anew = Log::new(path.clone(), Bookmark::default(), now);
            (anew.modified, anew.size) = (log.modified, log.size);
            let mut old = std::mem::replace(log, anew);
            // What is listed is the size of the new one.
            old.size = old.mark.size;
            self.fates.begun += 1;
            self.lose(&old, "was begun anew", !old.mark.finished, now);
            return self.queue.push_front(path);
        }
        match log.take(piece, wanted, sum, now) {
            Ok(true) => self.queue.push_front(path),
            Ok(false) => (log.is_due, self.trouble) = (false, None),
            Err(why) => {
                (log.is_due, log.unfit) = (false, Some(why));
            }
        }
    }

    /// What was not read of it is lost. It is said where we cannot know that this was nothing.
    fn lose(&mut self, log: &Log, what: &str, is_said: bool, now: f64) {
        let bytes = log.unread();
        self.fates.lost += u64::from(bytes > 0);
        self.fates.lost_bytes += bytes;
        if is_said {
            if self.lost.len() >= MAX_SAID {
                self.lost.pop_front();
            }
            let path = log.mark.path.display();
            self.lost.push_back((now, format!("{path} {what} before it was read to its end")));
        }
    }
}

#[cfg(test)]
mod tests;
