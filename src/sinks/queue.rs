//! What waits for one sink, and the patience with which it is told.

use super::spool::Spool;
use crate::clock::{self, Jitter};
use crate::ledger::Change;
use crate::sink::{Delivery, Sink, SinkError};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// A bad day of a few servers. Beyond it the newest changes matter more than the oldest.
const MAX_WAITING: usize = 256;
const DEADLINE: Duration = Duration::from_secs(10);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// What nobody took for an hour holds up what is behind it, and is no news any more.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// How a sink fares, since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub delivered: u64,
    pub retried: u64,
    pub given_up: u64,
    /// Found no room, or made some for what was newer.
    pub dropped: u64,
    pub waiting: usize,
}

#[derive(Debug)]
pub struct Queue {
    name: String,
    waiting: Mutex<Waiting>,
    arrived: Notify,
    closed: AtomicBool,
    delivered: AtomicU64,
    retried: AtomicU64,
    given_up: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: VecDeque<(u64, Change)>,
    next: u64,
    spool: Option<Spool>,
}

impl Waiting {
    fn of(spool: Option<Spool>) -> Waiting {
        let kept = spool.iter().flat_map(|spool| spool.live().clone());
        let changes: VecDeque<_> = kept.collect();
        let next = changes.back().map_or(0, |(nth, _)| nth + 1);
        Waiting { changes, next, spool }
    }

    /// The spool follows; what cannot be written is in memory all the same.
    fn note(&mut self, name: &str, write: impl FnOnce(&mut Spool) -> io::Result<()>) {
        if let Some(Err(error)) = self.spool.as_mut().map(write) {
            tracing::warn!(sink = name, %error, "what waits for it cannot be kept on disk; a restart would lose it");
            self.spool = None;
        }
    }
}

impl Queue {
    /// With a spool it begins with what waited there before.
    pub fn new(name: String, spool: Option<Spool>) -> Self {
        Self {
            name,
            waiting: Mutex::new(Waiting::of(spool)),
            arrived: Notify::new(),
            closed: AtomicBool::new(false),
            delivered: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            delivered: read(&self.delivered),
            retried: read(&self.retried),
            given_up: read(&self.given_up),
            dropped: read(&self.dropped),
            waiting: self.open().changes.len(),
        }
    }

    fn open(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never waits: the oldest makes room.
    pub fn push(&self, change: Change) {
        let mut waiting = self.open();
        if waiting.changes.len() >= MAX_WAITING
            && let Some((oldest, _)) = waiting.changes.pop_front()
        {
            waiting.note(&self.name, |spool| spool.done(oldest));
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        let nth = waiting.next;
        waiting.next += 1;
        waiting.note(&self.name, |spool| spool.came(nth, &change));
        waiting.changes.push_back((nth, change));
        self.arrived.notify_one();
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    async fn next(&self) -> Option<(u64, Change)> {
        loop {
            // Asked first: what came before the end is still delivered.
            let closed = self.closed.load(Ordering::Acquire);
            if let Some(next) = self.open().changes.pop_front() {
                return Some(next);
            }
            if closed {
                return None;
            }
            self.arrived.notified().await;
        }
    }

    pub async fn run(self: Arc<Self>, sink: Box<dyn Sink>, mut jitter: Jitter) {
        let mut reminders = sink.reminds().map(tokio::time::interval);
        loop {
            let next = tokio::select! {
                // In this order, so that a simulation runs twice in the same way.
                biased;
                next = self.next() => next,
                () = clock::due(reminders.as_mut()) => {
                    self.remind(sink.as_ref()).await;
                    continue;
                }
            };
            let Some((nth, change)) = next else { return };
            let count = match self.deliver(sink.as_ref(), &change, &mut jitter).await {
                Ok(()) => &self.delivered,
                Err(why) => {
                    tracing::warn!(sink = self.name, %why, "a change of a finding was not delivered");
                    &self.given_up
                }
            };
            count.fetch_add(1, Ordering::Relaxed);
            self.open().note(&self.name, |spool| spool.done(nth));
        }
    }

    /// What fails is tried again with the next reminder.
    async fn remind(&self, sink: &dyn Sink) {
        if let Err(why) = in_time(sink.remind()).await {
            tracing::warn!(sink = self.name, %why, "cannot be reminded of what is open");
        }
    }

    async fn deliver(&self, sink: &dyn Sink, change: &Change, jitter: &mut Jitter) -> Result<(), String> {
        let (begun, mut pause, mut troubled) = (Instant::now(), FIRST_RETRY, false);
        loop {
            match in_time(sink.deliver(change)).await {
                Ok(()) => return Ok(()),
                Err(SinkError::GiveUp(why)) => return Err(why),
                Err(SinkError::Retry(why)) if begun.elapsed() >= MAX_AGE => return Err(why),
                Err(SinkError::Retry(why)) if !troubled => {
                    troubled = true;
                    tracing::warn!(sink = self.name, %why, "cannot deliver now; trying again");
                }
                Err(SinkError::Retry(_)) => {}
            }
            self.retried.fetch_add(1, Ordering::Relaxed);
            // So that many of us do not knock together.
            sleep(jitter.of(pause, 0.5, 1.0)).await;
            pause = (pause * 2).min(LAST_RETRY);
        }
    }
}

/// A sink that does not answer is one that may answer later.
async fn in_time(delivery: Delivery<'_>) -> Result<(), SinkError> {
    let late = |_| Err(SinkError::Retry(format!("no answer within {DEADLINE:?}")));
    timeout(DEADLINE, delivery).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::ledger::Ledger;
    use crate::ledger::tests::finding;
    use crate::model::Severity;

    fn change(subject: &str) -> Change {
        Ledger::default()
            .apply(1e9, &"db1".into(), vec![finding(subject, Severity::Warning, 1.5)], |_, _| true, &[])
            .remove(0)
    }

    /// Answers as told, then takes everything.
    struct Scripted(Mutex<VecDeque<Option<SinkError>>>, Arc<Mutex<Vec<String>>>);

    impl Sink for Scripted {
        fn deliver<'a>(&'a self, change: &'a Change) -> Delivery<'a> {
            let answer = self.0.lock().unwrap().pop_front();
            Box::pin(async move {
                match answer {
                    Some(Some(error)) => return Err(error),
                    Some(None) => std::future::pending().await,
                    None => self.1.lock().unwrap().push(change.entry.finding.subject.clone()),
                }
                Ok(())
            })
        }
    }

    async fn told(answers: Vec<Option<SinkError>>, changes: &[&str]) -> (Vec<String>, Counts, Duration) {
        let (queue, heard) = (Arc::new(Queue::new("test".into(), None)), Arc::default());
        let sink = Scripted(Mutex::new(answers.into()), Arc::clone(&heard));
        changes.iter().for_each(|subject| queue.push(change(subject)));
        queue.close();
        let begun = Instant::now();
        queue.clone().run(Box::new(sink), Clock::start().jitter("test")).await;
        let heard = heard.lock().unwrap().clone();
        (heard, queue.counts(), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_is_told_again_until_it_listens() {
        let busy = || Some(SinkError::Retry("busy".into()));
        let (heard, counts, took) = told(vec![busy(), None, busy(), busy()], &["a", "b"]).await;
        assert_eq!(heard, ["a", "b"]);
        assert_eq!((counts.delivered, counts.retried), (2, 4));
        // Pauses of 1, 2, 4 and 8 s less jitter, and one deadline.
        assert!((17.5..25.1).contains(&took.as_secs_f64()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_or_too_old_is_given_up() {
        let (heard, counts, _) = told(vec![Some(SinkError::GiveUp("no".into()))], &["a", "b"]).await;
        assert_eq!((heard, counts.given_up), (vec!["b".to_owned()], 1));
        let forever = std::iter::repeat_n(Some(SinkError::Retry("busy".into())), 5_000).collect();
        let (heard, counts, took) = told(forever, &["a"]).await;
        assert_eq!((heard.len(), counts.given_up), (0, 1));
        assert!(took >= MAX_AGE && took < MAX_AGE + LAST_RETRY * 2, "{took:?}");
    }

    #[tokio::test]
    async fn the_oldest_makes_room() {
        let subjects: Vec<String> = (0..MAX_WAITING + 10).map(|nth| nth.to_string()).collect();
        let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
        let (heard, counts, _) = told(Vec::new(), &subjects).await;
        assert_eq!((heard[0].as_str(), heard.len(), counts.dropped), ("10", MAX_WAITING, 10));
    }
}
