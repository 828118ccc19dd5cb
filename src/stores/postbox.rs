//! What waits for the thread that keeps the state, and how that fares.

use crate::ledger::Entry;
use crate::model::{Name, Snapshot, Topic, When};
use crate::store::{Hourly, Lessons, Past};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// As many as may be configured.
const MAX_TARGETS: usize = 1_000;
/// Each target asks for its past once at the start and rarely later.
const MAX_ASKS: usize = 4_000;

pub enum Ask {
    Past(Name, f64, oneshot::Sender<Past>),
    Levels(Name, Topic, oneshot::Sender<Vec<Hourly>>),
    KeepLogs(Name, f64, Vec<u8>, oneshot::Sender<bool>),
    Logs(Name, oneshot::Sender<Option<Vec<u8>>>),
    Flush(oneshot::Sender<()>),
}

impl Ask {
    /// Nobody waits for the answer any more.
    fn is_given_up(&self) -> bool {
        match self {
            Ask::Past(.., reply) => reply.is_closed(),
            Ask::Levels(.., reply) => reply.is_closed(),
            Ask::Logs(.., reply) => reply.is_closed(),
            Ask::KeepLogs(..) | Ask::Flush(..) => false,
        }
    }
}

/// What waits for the thread. Of state only the newest counts: what replaces it makes it superfluous, so this is
/// a pigeonhole for each target and not a queue.
#[derive(Default)]
pub struct Mail {
    pub snapshots: BTreeMap<Name, (When, Snapshot)>,
    pub ledgers: BTreeMap<Name, Vec<Entry>>,
    pub lessons: BTreeMap<Name, Lessons>,
    pub asks: VecDeque<Ask>,
    pub closed: bool,
}

impl Mail {
    pub fn is_empty(&self) -> bool {
        self.snapshots.is_empty()
            && self.ledgers.is_empty()
            && self.lessons.is_empty()
            && self.asks.is_empty()
    }

    /// False if there was no room.
    pub fn ask(&mut self, ask: Ask) -> bool {
        if self.asks.len() >= MAX_ASKS {
            self.asks.retain(|ask| !ask.is_given_up());
        }
        let has_room = self.asks.len() < MAX_ASKS;
        if has_room {
            self.asks.push_back(ask);
        }
        has_room
    }

    pub fn collect(&mut self) -> Mail {
        let closed = self.closed;
        std::mem::replace(self, Mail { closed, ..Mail::default() })
    }
}

#[derive(Default)]
pub struct Postbox {
    mail: Mutex<Mail>,
    pub arrived: Condvar,
    pub dropped: AtomicU64,
    pub set_aside: AtomicU64,
    /// Somebody has waited in vain: the disk does not answer. Until it does, nobody waits again.
    hangs: AtomicBool,
    /// Since when the thread has been at what it does.
    since: Mutex<Option<Instant>>,
}

impl Postbox {
    pub fn hangs(&self) -> bool {
        self.hangs.load(Ordering::Acquire)
    }

    /// True for whoever finds it out.
    pub fn finds_it_hangs(&self) -> bool {
        !self.hangs.swap(true, Ordering::AcqRel)
    }

    /// True if somebody thought that it hung.
    pub fn answers(&self) -> bool {
        self.hangs.swap(false, Ordering::AcqRel)
    }

    pub fn begins(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub fn ends(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub fn is_late(&self, patience: Duration) -> bool {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() >= patience)
    }

    pub fn open(&self) -> MutexGuard<'_, Mail> {
        // Mail is whole after every statement; a thread that died with it in hand has not spoilt it.
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for mail, or until it is time to try again.
    pub fn take(&self, until: Option<Instant>) -> Mail {
        let mut mail = self.open();
        while mail.is_empty() && !mail.closed {
            let Some(until) = until else {
                mail = self.arrived.wait(mail).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            mail = self.arrived.wait_timeout(mail, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        mail.collect()
    }
}

pub fn put<T>(holes: &mut BTreeMap<Name, T>, target: &Name, value: T) -> bool {
    if holes.len() >= MAX_TARGETS && !holes.contains_key(target) {
        return true;
    }
    holes.insert(target.clone(), value).is_some()
}
