//! Files to sums: what a file is, how it is cut, and who reads which piece.

use super::feed::{Progress, feed};
use super::filter::Filter;
use super::sum::Sum;
use super::unpack::{Respelled, is_packed, spelling, unpack};
use crate::log::{Format, Reader};
use crate::logs::envelope::{Envelope, Opened};
use crate::logs::{self, moment, recognise};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;

/// The beginning of a log, by which its format and prefix are recognised.
const SAMPLE: usize = 256 << 10;
/// What tells how a file is packed.
const HEAD: usize = 16;
/// What programs of Windows put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// A file is not cut into smaller pieces than this: starting a thread would cost more.
const MIN_PIECE: u64 = 4 << 20;
/// How far behind a cut the beginning of an entry is looked for.
const MAX_SEEK: usize = 32 << 20;

/// What is to be digested, and how.
#[derive(Debug, Clone)]
pub struct Job {
    /// `-` is standard input.
    pub files: Vec<PathBuf>,
    /// `None`: each file is recognised.
    pub format: Option<Format>,
    pub line_prefix: Option<String>,
    pub filter: Filter,
    pub threads: usize,
}

/// What went wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    #[error("{0}: {1}")]
    Io(String, io::Error),
    #[error("{0}: neither a log of PostgreSQL nor of MySQL; --input says which it is")]
    Unknown(String),
    #[error("{0}: a {1} log cannot be added to one of another dialect")]
    Mixed(String, Format),
    #[error("the reading has ended by a fault of our own")]
    Panicked,
}

/// All files, one after the other.
pub fn digest(job: &Job, progress: &Progress) -> Result<Sum, DigestError> {
    let mut whole: Option<(Format, Sum)> = None;
    for path in &job.files {
        let name = path.display().to_string();
        let io = |error| DigestError::Io(name.clone(), error);
        let (format, sum) = match Input::open(path).map_err(io)? {
            Some(input) => {
                one(input, job, progress).map_err(io)?.ok_or(DigestError::Unknown(name.clone()))?
            }
            None => continue,
        };
        match &mut whole {
            None => whole = Some((format, sum)),
            Some((first, _)) if first.dialect() != format.dialect() => {
                return Err(DigestError::Mixed(name, format));
            }
            Some((_, whole)) => whole.merge(sum),
        }
    }
    let empty = || (Format::PostgresStderr, Sum::new(Format::PostgresStderr, job.filter.clone()));
    Ok(whole.unwrap_or_else(empty).1)
}

/// A file, opened.
struct Input {
    source: Box<dyn Read>,
    sample: Vec<u8>,
    /// A plain file that can be read from anywhere, and its length.
    plain: Option<(PathBuf, u64)>,
}

impl Input {
    /// `None` if there is nothing in it.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let (mut source, plain): (Box<dyn Read>, Option<(PathBuf, u64)>) = if path == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path)?;
            let about = file.metadata()?;
            if about.is_dir() {
                return Err(io::Error::other("a directory"));
            }
            (Box::new(file), about.is_file().then(|| (path.to_owned(), about.len())))
        };
        let head = beginning(&mut source, HEAD)?;
        let packed = is_packed(&head);
        let mut source = unpack(head, source);
        let mut sample = beginning(&mut source, SAMPLE)?;
        let spelling = spelling(&sample);
        if let Some(spelling) = spelling {
            source = Box::new(Respelled::new(io::Cursor::new(sample).chain(source), spelling));
            sample = beginning(&mut source, SAMPLE)?;
        }
        let envelope = Envelope::of(&sample);
        if let Some(envelope) = envelope {
            let wrapped = BufReader::new(io::Cursor::new(sample).chain(source));
            source = Box::new(Opened::new(wrapped, envelope, moment::this_month()));
            sample = beginning(&mut source, SAMPLE)?;
        }
        let marked = sample.starts_with(BYTE_ORDER_MARK);
        if marked {
            sample.drain(..BYTE_ORDER_MARK.len());
        }
        let plain = plain.filter(|_| !packed && !marked && spelling.is_none() && envelope.is_none());
        Ok((!sample.is_empty()).then_some(Self { source, sample, plain }))
    }
}

fn beginning(source: &mut dyn Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn one(input: Input, job: &Job, progress: &Progress) -> io::Result<Option<(Format, Sum)>> {
    let Input { source, sample, plain } = input;
    let Some(format) = job.format.or_else(|| recognise::format(&sample, job.line_prefix.as_deref())) else {
        return Ok(None);
    };
    let task = Task { format, job, sample: &sample, progress };
    if let Some((path, length)) = plain
        && task.threads(length) > 1
    {
        return task.in_pieces(&path, length).map(|sum| Some((format, sum)));
    }
    let mut source = sample.as_slice().chain(source);
    let mut sum = task.sum();
    feed(&mut *task.reader(true), &mut source, &mut sum, None, progress)?;
    Ok(Some((format, sum)))
}

struct Task<'a> {
    format: Format,
    job: &'a Job,
    sample: &'a [u8],
    progress: &'a Progress,
}

impl Task<'_> {
    fn sum(&self) -> Sum {
        Sum::new(self.format, self.job.filter.clone())
    }

    fn reader(&self, at_start: bool) -> Box<dyn Reader + Send> {
        logs::open(self.format, self.job.line_prefix.as_deref(), self.sample, at_start)
    }

    /// Which database an entry belongs to may be known only from the piece before, so a filter on it reads in one.
    fn threads(&self, length: u64) -> usize {
        let inherits = self.format == Format::MysqlSlow && self.job.filter.database.is_some();
        let most = usize::try_from(length / MIN_PIECE).unwrap_or(usize::MAX);
        // A deadlock is told over several entries.
        if inherits || self.format == Format::MysqlError { 1 } else { self.job.threads.min(most).max(1) }
    }

    fn in_pieces(&self, path: &Path, length: u64) -> io::Result<Sum> {
        let starts = self.cuts(path, length)?;
        let ends = starts.iter().skip(1).copied().chain([length]);
        let pieces: Vec<(u64, u64)> = starts.iter().copied().zip(ends).collect();
        let read: Vec<io::Result<(Sum, u64)>> = thread::scope(|scope| {
            let work: Vec<_> =
                pieces.iter().map(|(from, to)| scope.spawn(|| self.piece(path, *from, *to))).collect();
            let ended = |_| Err(io::Error::other("a thread ended early"));
            work.into_iter().map(|thread| thread.join().unwrap_or_else(ended)).collect()
        });
        let mut whole: Option<Sum> = None;
        let mut reached = 0;
        for ((from, to), piece) in pieces.into_iter().zip(read) {
            let (mut sum, mut end) = piece?;
            if from != reached && reached < to {
                // The cut was within an entry.
                (sum, end) = self.piece(path, reached, to)?;
            } else if from != reached {
                continue;
            }
            reached = end;
            match &mut whole {
                None => whole = Some(sum),
                Some(whole) => whole.merge(sum),
            }
        }
        Ok(whole.unwrap_or_else(|| self.sum()))
    }

    /// Where pieces of about one length seem to begin.
    fn cuts(&self, path: &Path, length: u64) -> io::Result<Vec<u64>> {
        let mut file = File::open(path)?;
        let threads = self.threads(length) as u64;
        let mut cuts = vec![0];
        for nth in 1..threads {
            let nominal = length / threads * nth;
            if let Some(cut) = self.cut(&mut file, nominal)?
                && cuts.last().is_some_and(|last| *last < cut)
            {
                cuts.push(cut);
            }
        }
        Ok(cuts)
    }

    fn cut(&self, file: &mut File, nominal: u64) -> io::Result<Option<u64>> {
        let mut reader = self.reader(false);
        let mut bytes = Vec::new();
        let mut room = SAMPLE;
        while room <= MAX_SEEK {
            bytes.clear();
            file.seek(SeekFrom::Start(nominal))?;
            file.by_ref().take(room as u64).read_to_end(&mut bytes)?;
            if let Some(at) = reader.seek(&bytes, 0) {
                return Ok(Some(nominal + at as u64));
            }
            if bytes.len() < room {
                break;
            }
            room *= 4;
        }
        Ok(None)
    }

    /// Reads from `from` until an entry ends at `to` or behind it; gives where that was.
    fn piece(&self, path: &Path, from: u64, to: u64) -> io::Result<(Sum, u64)> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut sum = self.sum();
        let end = feed(&mut *self.reader(from == 0), &mut file, &mut sum, Some(to - from), self.progress)?;
        Ok((sum, from + end))
    }
}
