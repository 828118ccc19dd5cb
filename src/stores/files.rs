//! Where the SQLite file lives: a directory and a lock of our own. A file that cannot be used is renamed and a
//! new one begun.

use super::sqlite::Sqlite;
use crate::clock::Clock;
use crate::store::{Opener, Store, StoreError};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

pub const FILE: &str = "state.sqlite";
const LOCK: &str = "state.lock";
/// How long somebody else may keep the lock before he is another dbsonde, and not the last of one that has ended.
const PATIENCE: Duration = Duration::from_secs(2);
/// A disk that ruins one file after another is not to be filled with ruins.
pub(super) const MAX_SET_ASIDE: u32 = 5;

/// A directory with one file in use, and perhaps some that were set aside.
#[derive(Debug)]
pub struct Files {
    dir: PathBuf,
    max_bytes: u64,
    clock: Clock,
    set_aside: u32,
    /// Held as long as we live: two writers would each believe in their own ladder.
    lock: Option<File>,
}

impl Files {
    pub fn new(dir: PathBuf, max_bytes: u64, clock: Clock) -> Self {
        Self { dir, max_bytes, clock, set_aside: 0, lock: None }
    }

    fn prepare(&mut self) -> Result<(), StoreError> {
        let failed = |what: &str, error: &std::io::Error| {
            StoreError::Retry(format!("cannot {what} {}: {}", self.dir.display(), error.kind()))
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(|error| failed("make the directory", &error))?;
        if self.lock.is_none() {
            let lock = ours(&self.dir.join(LOCK)).map_err(|error| failed("write to", &error))?;
            match patiently(&lock) {
                // A file system without locks is one without a second dbsonde, as far as we can tell.
                Ok(()) | Err(TryLockError::Error(_)) => self.lock = Some(lock),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::GiveUp(format!(
                        "another dbsonde keeps its state in {}",
                        self.dir.display()
                    )));
                }
            }
        }
        ours(&self.dir.join(FILE)).map(drop).map_err(|error| failed("write to", &error))
    }
}

/// Whoever was killed a moment ago still lets go of its files.
fn patiently(lock: &File) -> Result<(), TryLockError> {
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => thread::sleep(PATIENCE / 40),
            done => return done,
        }
    }
}

/// Opens or makes a file that nobody else may read.
fn ours(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

impl Opener for Files {
    fn open(&mut self) -> Result<Box<dyn Store>, StoreError> {
        self.prepare()?;
        Ok(Box::new(Sqlite::open(&self.dir.join(FILE), self.max_bytes)?))
    }

    fn set_aside(&mut self, label: &str) -> Result<(), StoreError> {
        if self.set_aside >= MAX_SET_ASIDE {
            return Err(StoreError::GiveUp(format!("{MAX_SET_ASIDE} files of state went bad in this run")));
        }
        self.set_aside += 1;
        let now = self.clock.now().wall as u64;
        let free = |stem: &String| !self.dir.join(stem).exists();
        let stem = (now..now + 1_000).map(|at| format!("{FILE}.{label}-{at}")).find(free);
        let stem = stem.ok_or_else(|| StoreError::GiveUp("too many files were set aside".into()))?;
        // The log goes first: a log that belongs to no file, or to the next one, would be believed.
        for suffix in ["-wal", "-shm", ""] {
            let (from, to) =
                (self.dir.join(format!("{FILE}{suffix}")), self.dir.join(format!("{stem}{suffix}")));
            match std::fs::rename(&from, &to) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::Retry(format!(
                        "cannot rename {}: {}",
                        from.display(),
                        error.kind()
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
