//! The disk: a real directory with real files, which fail when the dice say so; and the end of the process, at the
//! moment when something was written or just was not.

use crate::clock::Clock;
use crate::ledger::Entry;
use crate::model::{Name, Snapshot, Topic, When};
use crate::store::{Hourly, Lessons, Opener, Rung, Store, StoreError};
use crate::stores::files::Files;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

const MAX_STATE: u64 = 16 << 20;

/// When the process is to end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Death {
    BeforeAWrite,
    AfterAWrite,
    /// The sink has it, and we do not know yet.
    AfterADelivery,
}

#[derive(Debug)]
struct Platter {
    /// Why it cannot be written to at present.
    fails: Option<&'static str>,
    is_damaged: bool,
    death: Option<Death>,
    /// What the spools held when we died: what the rest of a dying process writes was never written.
    relics: Option<Vec<(PathBuf, Vec<u8>)>>,
}

/// A handle to it; also how the process is killed.
#[derive(Debug, Clone)]
pub struct Disk {
    pub dir: PathBuf,
    platter: Arc<Mutex<Platter>>,
    pub died: Arc<Notify>,
}

impl Disk {
    pub fn new(dir: PathBuf) -> Self {
        let platter = Platter { fails: None, is_damaged: false, death: None, relics: None };
        Self { dir, platter: Arc::new(Mutex::new(platter)), died: Arc::default() }
    }

    fn open(&self) -> MutexGuard<'_, Platter> {
        self.platter.lock().unwrap()
    }

    pub fn spools(&self) -> PathBuf {
        self.dir.join("sinks")
    }

    pub fn fail(&self, why: Option<&'static str>) {
        self.open().fails = why;
    }

    pub fn damage(&self) {
        self.open().is_damaged = true;
    }

    pub fn kill_at(&self, death: Option<Death>) {
        self.open().death = death;
    }

    pub fn is_dead(&self) -> bool {
        self.open().relics.is_some()
    }

    /// Ends the process if it was to end here.
    pub fn may_die(&self, here: Death) {
        if self.open().death == Some(here) {
            self.die();
        }
    }

    pub fn die(&self) {
        let mut platter = self.open();
        if platter.relics.is_none() {
            platter.relics = Some(files(&self.spools()));
            self.died.notify_one();
        }
    }

    /// The next process finds what there was at the moment of death.
    pub fn rise(&self) {
        let mut platter = self.open();
        platter.death = None;
        let Some(relics) = platter.relics.take() else { return };
        let _ = fs::remove_dir_all(self.spools());
        fs::create_dir_all(self.spools()).unwrap();
        relics.iter().for_each(|(path, content)| fs::write(path, content).unwrap());
    }

    pub fn opener(&self, clock: Clock) -> Box<dyn Opener> {
        Box::new(Drive { disk: self.clone(), files: Files::new(self.dir.clone(), MAX_STATE, clock) })
    }

    /// A write, or why it cannot be.
    fn write<T>(&self, write: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.may_die(Death::BeforeAWrite);
        self.access()?;
        if let Some(why) = self.open().fails {
            return Err(StoreError::Retry(why.into()));
        }
        let written = write()?;
        self.may_die(Death::AfterAWrite);
        Ok(written)
    }

    fn access(&self) -> Result<(), StoreError> {
        let platter = self.open();
        if platter.relics.is_some() {
            return Err(StoreError::Retry("nobody lives here".into()));
        }
        if platter.is_damaged {
            return Err(StoreError::SetAside { label: "damaged", why: "as the dice say".into() });
        }
        Ok(())
    }
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

struct Drive {
    disk: Disk,
    files: Files,
}

impl Opener for Drive {
    fn open(&mut self) -> Result<Box<dyn Store>, StoreError> {
        self.disk.access()?;
        if let Some(why) = self.disk.open().fails {
            return Err(StoreError::Retry(why.into()));
        }
        Ok(Box::new(Sectors { disk: self.disk.clone(), store: self.files.open()? }))
    }

    fn set_aside(&mut self, label: &str) -> Result<(), StoreError> {
        self.disk.open().is_damaged = false;
        self.files.set_aside(label)
    }
}

struct Sectors {
    disk: Disk,
    store: Box<dyn Store>,
}

impl Store for Sectors {
    fn keep_snapshot(&mut self, target: &Name, now: &When, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.disk.clone().write(|| self.store.keep_snapshot(target, now, snapshot))
    }
    fn ladder(&mut self, target: &Name, now: f64) -> Result<Vec<(Rung, Snapshot)>, StoreError> {
        self.disk.access()?;
        self.store.ladder(target, now)
    }
    fn keep_ledger(&mut self, target: &Name, entries: &[Entry]) -> Result<(), StoreError> {
        self.disk.clone().write(|| self.store.keep_ledger(target, entries))
    }
    fn ledger(&mut self, target: &Name) -> Result<Vec<Entry>, StoreError> {
        self.disk.access()?;
        self.store.ledger(target)
    }
    fn keep_lessons(&mut self, target: &Name, lessons: &Lessons) -> Result<(), StoreError> {
        self.disk.clone().write(|| self.store.keep_lessons(target, lessons))
    }
    fn lessons(&mut self, target: &Name) -> Result<Lessons, StoreError> {
        self.disk.access()?;
        self.store.lessons(target)
    }
    fn keep_logs(&mut self, target: &Name, now: f64, content: &[u8]) -> Result<(), StoreError> {
        self.disk.clone().write(|| self.store.keep_logs(target, now, content))
    }
    fn logs(&mut self, target: &Name) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.access()?;
        self.store.logs(target)
    }
    fn levels(&mut self, target: &Name, topic: Topic) -> Result<Vec<Hourly>, StoreError> {
        self.disk.access()?;
        self.store.levels(target, topic)
    }
}
