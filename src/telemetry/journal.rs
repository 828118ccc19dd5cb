//! What we say on standard error. Whoever reads it may stop reading, and a pipe that is full holds up whoever writes
//! to it, which would be the watch of a server. So a thread writes, and what it does not get rid of is dropped and
//! counted.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait: more than a bad minute of a hundred targets brings, some hundred kilobytes.
const MAX_LINES: usize = 1_000;
/// As long as the last lines may take on the way out.
const GOODBYE: Duration = Duration::from_secs(1);

enum Said {
    Line(Vec<u8>),
    Everything(SyncSender<()>),
}

/// A clone speaks with the same voice.
#[derive(Debug, Clone)]
pub struct Journal {
    lines: SyncSender<Said>,
    lost: Arc<Lost>,
}

#[derive(Debug, Default)]
struct Lost {
    lines: AtomicU64,
    /// Of those, how many no metric counts yet.
    uncounted: AtomicU64,
}

/// One event, written when it is whole.
#[derive(Debug)]
pub struct Line<'a> {
    journal: &'a Journal,
    bytes: Vec<u8>,
}

impl Journal {
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Journal> {
        let (lines, heard) = sync_channel(MAX_LINES);
        let lost = Arc::<Lost>::default();
        let own = lost.clone();
        std::thread::Builder::new().name("dbsonde-log".into()).spawn(move || run(&heard, out, &own))?;
        Ok(Journal { lines, lost })
    }

    /// Lines that were lost since this was asked last.
    pub fn newly_lost(&self) -> u64 {
        self.lost.uncounted.swap(0, Ordering::Relaxed)
    }

    /// Returns when everything is written, or cannot be.
    pub fn finish(&self) {
        let ((done, all), end) = (sync_channel(1), Instant::now() + GOODBYE);
        while self.lines.try_send(Said::Everything(done.clone())).is_err() {
            if Instant::now() >= end {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = all.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

fn run(heard: &Receiver<Said>, mut out: impl Write, lost: &Lost) {
    let mut told = 0;
    while let Ok(said) = heard.recv() {
        // Where it goes may be gone as well, and nobody is left who could be told.
        match said {
            Said::Line(bytes) => drop(out.write_all(&bytes)),
            Said::Everything(done) => {
                let _ = out.flush();
                let _ = done.try_send(());
            }
        }
        let now = lost.lines.load(Ordering::Relaxed);
        if now > told {
            tracing::warn!(lines = now - told, "lines of this log were dropped, because nobody read it");
            told = now;
        }
    }
}

impl<'a> MakeWriter<'a> for Journal {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { journal: self, bytes: Vec::new() }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let line = Said::Line(std::mem::take(&mut self.bytes));
        if let Err(TrySendError::Full(_)) = self.journal.lines.try_send(line) {
            self.journal.lost.lines.fetch_add(1, Ordering::Relaxed);
            self.journal.lost.uncounted.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    /// Takes a line each time it is told to.
    struct Pipe(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_stops_reading_holds_nobody_up() {
        let (read, reads) = channel();
        let written = Arc::default();
        let journal = Journal::start(Pipe(reads, Arc::clone(&written))).unwrap();
        let began = Instant::now();
        for nth in 0..3 * MAX_LINES {
            journal.make_writer().write_all(format!("line {nth}\n").as_bytes()).unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        let lost = journal.newly_lost();
        // One is in hand, perhaps.
        assert!((2 * MAX_LINES as u64 - 1..=2 * MAX_LINES as u64).contains(&lost), "{lost}");
        assert_eq!(journal.newly_lost(), 0);
        // From now on it reads all there is.
        drop(read);
        journal.finish();
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(written.starts_with("line 0\nline 1\n"), "{written}");
        assert_eq!(written.lines().count() as u64, 3 * MAX_LINES as u64 - lost);
    }
}
