//! The one thread that owns a store, and the handle that everybody else has. Whatever happens to the disk,
//! nobody who watches a server waits for it.

use super::postbox::{Ask, Mail, Postbox, put};
use crate::clock::Clock;
use crate::ledger::Entry;
use crate::model::{Name, Snapshot, Topic, When};
use crate::store::{Health, Hourly, LADDER_TOPICS, LEVEL_TOPICS, Lessons, Opener, Past, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

const FIRST_RETRY: Duration = Duration::from_secs(5);
/// A disk that is full stays so for a while; a write storm would not help.
const LAST_RETRY: Duration = Duration::from_secs(300);
/// As long as anybody waits for an answer. To doubt a large file may take five seconds, to read it as long again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells the thread to end when the last handle is gone.
struct Handle {
    postbox: Arc<Postbox>,
    published: watch::Sender<Health>,
    clock: Clock,
    /// In a simulation there is no thread: whoever posts something has it done at once.
    here: Option<Mutex<Clerk>>,
}

impl Handle {
    fn arrived(&self) {
        self.postbox.arrived.notify_all();
        if let Some(clerk) = &self.here {
            let mail = self.postbox.open().collect();
            clerk.lock().unwrap_or_else(PoisonError::into_inner).work(mail);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.postbox.open().closed = true;
        self.postbox.arrived.notify_all();
    }
}

/// What is left of before, or where that will be told: the disk does not answer, or cannot be read now. Until it is
/// known nothing may be kept in its place.
#[derive(Debug)]
pub enum Recall<T> {
    Here(T),
    Later(oneshot::Receiver<T>),
}

/// Hands state to the thread that keeps it. Never waits, except for answers.
#[derive(Clone)]
pub struct Keeper {
    handle: Option<Arc<Handle>>,
    health: watch::Receiver<Health>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keeper({:?})", self.health.borrow())
    }
}

impl Keeper {
    /// Keeps nothing, as somebody wished.
    pub fn off() -> Self {
        Self { handle: None, health: watch::channel(Health::Off { why: None }).1 }
    }

    pub fn start(opener: Box<dyn Opener>, clock: Clock) -> Self {
        let (clerk, health) = Clerk::new(opener, clock);
        let (postbox, published) = (clerk.postbox.clone(), clerk.health.0.clone());
        let thread = std::thread::Builder::new().name("dbsonde-state".into());
        match thread.spawn(move || clerk.run()) {
            Ok(_) => {
                Self { handle: Some(Arc::new(Handle { postbox, published, clock, here: None })), health }
            }
            Err(error) => {
                let why = Some(format!("no thread to be had: {error}"));
                Self { handle: None, health: watch::channel(Health::Off { why }).1 }
            }
        }
    }

    /// The same without a thread, so that a simulation runs twice in the same way.
    #[cfg(test)]
    pub fn inline(opener: Box<dyn Opener>, clock: Clock) -> Self {
        let (clerk, health) = Clerk::new(opener, clock);
        let (postbox, published) = (clerk.postbox.clone(), clerk.health.0.clone());
        let handle = Handle { postbox, published, clock, here: Some(Mutex::new(clerk)) };
        Self { handle: Some(Arc::new(handle)), health }
    }

    /// What the thread does by itself when it is time to try again.
    #[cfg(test)]
    pub fn try_again(&self) {
        self.handle.iter().for_each(|handle| handle.arrived());
    }

    /// Looks whether it is at one thing for too long; from time to time, by whoever has nothing else to do.
    pub fn look(&self) {
        let late = self.handle.as_ref().filter(|handle| handle.postbox.is_late(PATIENCE));
        late.iter().for_each(|handle| handle.hangs());
    }

    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// What was superseded or given up before it could be written.
    pub fn dropped(&self) -> u64 {
        self.handle.as_ref().map_or(0, |handle| handle.postbox.dropped.load(Ordering::Relaxed))
    }

    /// Files put out of the way in this run.
    pub fn set_aside(&self) -> u64 {
        self.handle.as_ref().map_or(0, |handle| handle.postbox.set_aside.load(Ordering::Relaxed))
    }

    pub fn keep_snapshot(&self, target: &Name, now: When, mut snapshot: Snapshot) {
        // The rest would only hold memory while it waits.
        let lasts = |name: &str| LADDER_TOPICS.contains(&name) || LEVEL_TOPICS.contains(&name);
        snapshot.parts.retain(|(topic, _), _| lasts(topic.name()));
        snapshot.gaps.clear();
        self.post(|mail| put(&mut mail.snapshots, target, (now, snapshot)));
    }

    pub fn keep_ledger(&self, target: &Name, entries: Vec<Entry>) {
        self.post(|mail| put(&mut mail.ledgers, target, entries));
    }

    pub fn keep_lessons(&self, target: &Name, lessons: Lessons) {
        self.post(|mail| put(&mut mail.lessons, target, lessons));
    }

    /// What a former life left of a target.
    pub async fn past(&self, target: &Name, now: f64) -> Recall<Past> {
        self.recall(|reply| Ask::Past(target.clone(), now, reply)).await
    }

    pub async fn levels(&self, target: &Name, topic: Topic) -> Vec<Hourly> {
        self.ask(|reply| Ask::Levels(target.clone(), topic, reply)).await
    }

    /// Returns when it is on disk, or cannot be, which is told.
    pub async fn keep_logs(&self, target: &Name, now: f64, content: Vec<u8>) -> bool {
        self.ask(|reply| Ask::KeepLogs(target.clone(), now, content, reply)).await
    }

    pub async fn logs(&self, target: &Name) -> Recall<Option<Vec<u8>>> {
        self.recall(|reply| Ask::Logs(target.clone(), reply)).await
    }

    /// Returns when everything handed over so far is on disk, or cannot be.
    pub async fn flush(&self) {
        self.ask(Ask::Flush).await;
    }

    /// `put` says whether something was lost.
    fn post(&self, put: impl FnOnce(&mut Mail) -> bool) {
        let Some(handle) = &self.handle else { return };
        let mut mail = handle.postbox.open();
        // Closed while a handle is left: the thread is gone, and with it whoever would read this.
        if mail.closed || put(&mut mail) {
            handle.postbox.dropped.fetch_add(1, Ordering::Relaxed);
        }
        drop(mail);
        handle.arrived();
    }

    /// Nothing, where nobody answers.
    async fn ask<T: Default>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> T {
        let Some(handle) = self.handle.as_ref().filter(|handle| !handle.postbox.hangs()) else {
            return T::default();
        };
        let (reply, answer) = oneshot::channel();
        self.post(|mail| !mail.ask(ask(reply)));
        match timeout(PATIENCE, answer).await {
            Ok(answer) => answer.unwrap_or_default(),
            Err(_) => {
                handle.hangs();
                T::default()
            }
        }
    }

    /// Asks for what must not be taken for nothing only because nobody answers.
    async fn recall<T: Default>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Recall<T> {
        let Some(handle) = &self.handle else { return Recall::Here(T::default()) };
        let (reply, mut answer) = oneshot::channel();
        self.post(|mail| !mail.ask(ask(reply)));
        // What cannot be read now is told later, as what is not answered.
        let patience = if handle.postbox.hangs() { Duration::ZERO } else { PATIENCE };
        let cannot_read = async {
            let mut health = self.health();
            health.wait_for(|health| matches!(health, Health::Failing { .. })).await.map(drop)
        };
        tokio::select! {
            biased;
            // Its thread is gone, and with it whoever would write in its place.
            answer = &mut answer => Recall::Here(answer.unwrap_or_default()),
            _ = cannot_read => Recall::Later(answer),
            () = tokio::time::sleep(patience) => {
                handle.hangs();
                Recall::Later(answer)
            }
        }
    }
}

impl Handle {
    /// Nobody watches a server any later because a disk hangs: he goes on without what is there.
    fn hangs(&self) {
        if self.postbox.finds_it_hangs() {
            let why = "the disk does not answer".to_owned();
            tracing::warn!(why, "cannot keep state; profiling goes on");
            let since = self.clock.now().wall;
            self.published.send_if_modified(|health| {
                let was_well = matches!(health, Health::Ok);
                if was_well {
                    *health = Health::Failing { since, why };
                }
                was_well
            });
        }
    }
}

/// Says so when its thread is gone, however it went, and leaves nobody waiting for an answer.
struct Published(watch::Sender<Health>, Arc<Postbox>);

impl Drop for Published {
    fn drop(&mut self) {
        *self.1.open() = Mail { closed: true, ..Mail::default() };
        self.0.send_if_modified(|health| {
            let off = !matches!(health, Health::Off { .. });
            if off {
                *health = Health::Off { why: Some("the thread that keeps the state has ended".into()) };
            }
            off
        });
    }
}

struct Clerk {
    postbox: Arc<Postbox>,
    opener: Box<dyn Opener>,
    store: Option<Box<dyn Store>>,
    health: Published,
    clock: Clock,
    /// The last of each target, and whether it is on disk: a file that goes bad later takes it along.
    ledgers: BTreeMap<Name, (Vec<Entry>, bool)>,
    /// Who asked for what could not be read yet.
    unread: Vec<Ask>,
    retry_at: Option<Instant>,
    retry: Duration,
}

impl Clerk {
    fn new(opener: Box<dyn Opener>, clock: Clock) -> (Self, watch::Receiver<Health>) {
        let postbox = Arc::new(Postbox::default());
        let (health, seen) = watch::channel(Health::Ok);
        let clerk = Clerk {
            postbox: postbox.clone(),
            opener,
            store: None,
            health: Published(health, postbox),
            clock,
            ledgers: BTreeMap::new(),
            unread: Vec::new(),
            retry_at: None,
            retry: FIRST_RETRY,
        };
        (clerk, seen)
    }

    fn run(mut self) {
        // At once, so that everybody knows whether there is state.
        self.with(false, |_| Ok(()));
        loop {
            let behind = !self.unread.is_empty() || self.ledgers.values().any(|(_, written)| !written);
            let mail = self.postbox.take(self.retry_at.filter(|_| behind));
            let end = mail.closed && mail.is_empty();
            self.work(mail);
            if end {
                return;
            }
        }
    }

    fn work(&mut self, mail: Mail) {
        self.ledgers.extend(mail.ledgers.into_iter().map(|(target, entries)| (target, (entries, false))));
        self.write_ledgers();
        self.write(mail.snapshots, |store, target, (now, snapshot)| {
            store.keep_snapshot(target, now, snapshot)
        });
        self.write(mail.lessons, |store, target, lessons| store.keep_lessons(target, lessons));
        self.write_ledgers();
        let unread = std::mem::take(&mut self.unread);
        unread.into_iter().chain(mail.asks).for_each(|ask| self.answer(ask));
        // Whatever came of it: the disk answers.
        if self.postbox.answers() && self.retry_at.is_none() && !self.is_off() {
            tracing::info!("state is kept again");
            self.health.0.send_replace(Health::Ok);
        }
    }

    fn write_ledgers(&mut self) {
        if self.is_off() {
            self.ledgers.clear();
        }
        let behind = self.ledgers.iter().filter(|(_, (_, written))| !written);
        for target in behind.map(|(target, _)| target.clone()).collect::<Vec<_>>() {
            let Some((entries, _)) = self.ledgers.remove(&target) else { continue };
            let written = self.with(true, |store| store.keep_ledger(&target, &entries)).is_some();
            self.ledgers.insert(target, (entries, written));
        }
    }

    /// What comes anew within a minute, and so need not wait for better times.
    fn write<T>(
        &mut self,
        mail: BTreeMap<Name, T>,
        keep: impl Fn(&mut dyn Store, &Name, &T) -> Result<(), StoreError>,
    ) {
        for (target, kept) in mail {
            if self.with(true, |store| keep(store, &target, &kept)).is_none() {
                self.postbox.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn answer(&mut self, ask: Ask) {
        // Who asked may have left.
        match ask {
            Ask::Past(target, now, reply) => {
                let known = self.ledgers.get(&target).map(|(entries, _)| entries.clone());
                match (self.with(false, |store| store.past(&target, now)), known) {
                    (Some(past), known) => {
                        let _ = reply.send(Past { ledger: known.unwrap_or(past.ledger), ..past });
                    }
                    // Somebody in this life has read it before, and left this.
                    (None, Some(ledger)) => drop(reply.send(Past { ledger, ..Past::default() })),
                    (None, None) if self.is_off() => drop(reply.send(Past::default())),
                    (None, None) => self.unread.push(Ask::Past(target, now, reply)),
                }
            }
            Ask::Levels(target, topic, reply) => {
                let _ =
                    reply.send(self.with(false, |store| store.levels(&target, topic)).unwrap_or_default());
            }
            Ask::KeepLogs(target, now, content, reply) => {
                let _ =
                    reply.send(self.with(true, |store| store.keep_logs(&target, now, &content)).is_some());
            }
            Ask::Logs(target, reply) => match self.with(false, |store| store.logs(&target)) {
                Some(logs) => drop(reply.send(logs)),
                None if self.is_off() => drop(reply.send(None)),
                None => self.unread.push(Ask::Logs(target, reply)),
            },
            Ask::Flush(reply) => {
                let _ = reply.send(());
            }
        }
    }

    fn is_off(&self) -> bool {
        matches!(*self.health.0.borrow(), Health::Off { .. })
    }

    /// Does something with the store, which is opened, put aside or left alone as need be.
    fn with<T>(
        &mut self,
        writes: bool,
        work: impl FnMut(&mut dyn Store) -> Result<T, StoreError>,
    ) -> Option<T> {
        if self.is_off() || self.retry_at.is_some_and(|at| Instant::now() < at) {
            return None;
        }
        self.postbox.begins();
        let done = self.do_with(writes, work);
        self.postbox.ends();
        done
    }

    fn do_with<T>(
        &mut self,
        writes: bool,
        mut work: impl FnMut(&mut dyn Store) -> Result<T, StoreError>,
    ) -> Option<T> {
        loop {
            let opened = self.store.take().map_or_else(|| self.opener.open(), Ok);
            let outcome = opened.and_then(|mut store| {
                let value = work(store.as_mut())?;
                Ok((store, value))
            });
            // A store that failed has been closed here: the next attempt opens it anew.
            match outcome {
                Ok((store, value)) => {
                    self.store = Some(store);
                    if writes {
                        self.recovered();
                    }
                    return Some(value);
                }
                Err(StoreError::SetAside { label, why }) => {
                    tracing::warn!(%why, "the state cannot be used: it is set aside and begun anew");
                    // Ends, since the opener gives up after a few.
                    if let Err(error) = self.opener.set_aside(label) {
                        self.failed(error);
                        return None;
                    }
                    self.postbox.set_aside.fetch_add(1, Ordering::Relaxed);
                    self.ledgers.values_mut().for_each(|(_, written)| *written = false);
                }
                Err(error) => {
                    self.failed(error);
                    return None;
                }
            }
        }
    }

    fn recovered(&mut self) {
        if self.retry_at.take().is_some() {
            self.retry = FIRST_RETRY;
            tracing::info!("state is kept again");
            self.health.0.send_replace(Health::Ok);
        }
    }

    fn failed(&mut self, error: StoreError) {
        let since = match &*self.health.0.borrow() {
            Health::Failing { since, .. } => Some(*since),
            _ => None,
        };
        let why = error.to_string();
        if matches!(error, StoreError::GiveUp(_)) {
            tracing::warn!(%why, "going on without state");
            self.retry_at = None;
            self.health.0.send_replace(Health::Off { why: Some(why) });
            return;
        }
        if since.is_none() {
            tracing::warn!(%why, "cannot keep state; profiling goes on");
        }
        let since = since.unwrap_or_else(|| self.clock.now().wall);
        self.retry_at = Some(Instant::now() + self.retry);
        self.retry = (self.retry * 2).min(LAST_RETRY);
        self.health.0.send_replace(Health::Failing { since, why });
    }
}
