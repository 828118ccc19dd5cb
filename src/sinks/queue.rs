//! What waits for one sink, and the patience with which it is told.

use super::desk::{AGAIN, Desk, Page, Stage, Task};
use super::spool::Line;
#[cfg(test)]
use super::spool::Spool;
use crate::clock::{self, Jitter};
use crate::ledger::Change;
use crate::sink::{Delivery, Sink, SinkError};
use std::collections::VecDeque;
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
    /// Of those and the one that is being delivered, how many are not on disk; where nobody wants them there, unknown.
    pub unkept: Option<usize>,
}

#[derive(Debug)]
pub struct Queue {
    name: String,
    waiting: Mutex<Waiting>,
    pub(super) desk: Desk,
    arrived: Notify,
    closed: AtomicBool,
    delivered: AtomicU64,
    retried: AtomicU64,
    given_up: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    changes: VecDeque<(u64, Change)>,
    /// Is being delivered.
    in_hand: Option<(u64, Change)>,
    next: u64,
    pub page: Page,
}

impl Waiting {
    fn live(&self) -> impl Iterator<Item = &(u64, Change)> {
        self.in_hand.iter().chain(&self.changes)
    }

    /// Puts these before all others.
    fn adopt(&mut self, kept: Vec<Change>) {
        let shift = kept.len() as u64;
        self.changes.iter_mut().chain(&mut self.in_hand).for_each(|(nth, _)| *nth += shift);
        self.next += shift;
        for (nth, change) in kept.into_iter().enumerate().rev() {
            self.changes.push_front((nth as u64, change));
        }
        self.page.stage = Stage::Open;
        self.page.write_anew();
    }

    fn done(&mut self, nth: u64) {
        self.page.note(Line::Done(nth));
        if self.changes.is_empty() && self.in_hand.is_none() {
            // So it takes no room.
            self.page.write_anew();
        }
    }
}

impl Queue {
    /// `is_kept` if what waits is to survive us: then it is opened before it is run.
    pub fn new(name: String, is_kept: bool) -> Self {
        Self::with(name, Waiting { page: Page::new(is_kept), ..Waiting::default() }, Desk::new())
    }

    /// With what waited there before, and nothing is ever late.
    #[cfg(test)]
    pub fn here(name: String, spool: Spool, kept: Vec<Change>) -> Arc<Self> {
        let mut waiting = Waiting { page: Page::new(true), ..Waiting::default() };
        waiting.adopt(kept);
        let queue = Arc::new(Self::with(name, waiting, Desk::here(spool)));
        queue.write();
        queue
    }

    fn with(name: String, waiting: Waiting, desk: Desk) -> Self {
        Self {
            name,
            waiting: Mutex::new(waiting),
            desk,
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
        let waiting = self.waiting();
        let is_unkept = |(nth, _): &&(u64, Change)| *nth >= waiting.page.kept_below;
        let is_wanted = waiting.page.stage != Stage::Unwanted;
        Counts {
            delivered: read(&self.delivered),
            retried: read(&self.retried),
            given_up: read(&self.given_up),
            dropped: read(&self.dropped),
            waiting: waiting.changes.len(),
            unkept: is_wanted.then(|| waiting.live().filter(is_unkept).count()),
        }
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn adopt(&self, kept: Vec<Change>) {
        self.waiting().adopt(kept);
    }

    /// The next that is to be written down.
    pub(super) fn task(&self) -> Option<Task> {
        let mut waiting = self.waiting();
        let Waiting { changes, in_hand, next, page } = &mut *waiting;
        let line = |(nth, change): &(u64, Change)| Line::Came(*nth, Box::new(change.clone()));
        page.take(*next, || in_hand.iter().chain(&*changes).map(line).collect())
    }

    /// Never waits: the oldest makes room. Gives what [`Queue::written`] waits for.
    pub fn push(self: &Arc<Self>, change: Change) -> u64 {
        let mut waiting = self.waiting();
        if waiting.changes.len() >= MAX_WAITING
            && let Some((oldest, _)) = waiting.changes.pop_front()
        {
            waiting.done(oldest);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        let nth = waiting.next;
        waiting.next += 1;
        waiting.page.note(Line::Came(nth, Box::new(change.clone())));
        waiting.changes.push_back((nth, change));
        let noted = waiting.page.noted();
        drop(waiting);
        self.write();
        self.arrived.notify_one();
        noted
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    async fn next(&self) -> Option<Change> {
        loop {
            // Asked first: what came before the end is still delivered.
            let closed = self.closed.load(Ordering::Acquire);
            {
                let mut waiting = self.waiting();
                if let Some(next) = waiting.changes.pop_front() {
                    waiting.in_hand = Some(next.clone());
                    return Some(next.1);
                }
            }
            if closed {
                return None;
            }
            self.arrived.notified().await;
        }
    }

    /// What was in hand is over.
    fn finished(self: &Arc<Self>) {
        let mut waiting = self.waiting();
        if let Some((nth, _)) = waiting.in_hand.take() {
            waiting.done(nth);
        }
        drop(waiting);
        self.write();
    }

    pub async fn run(self: Arc<Self>, sink: Box<dyn Sink>, mut jitter: Jitter) {
        let mut reminders = sink.reminds().map(tokio::time::interval);
        let mut again = tokio::time::interval(AGAIN);
        loop {
            let next = tokio::select! {
                // In this order, so that a simulation runs twice in the same way.
                biased;
                next = self.next() => next,
                () = clock::due(reminders.as_mut()) => {
                    self.remind(sink.as_ref()).await;
                    continue;
                }
                // What could not be written then.
                _ = again.tick() => {
                    self.write();
                    continue;
                }
            };
            let Some(change) = next else {
                let noted = self.waiting().page.noted();
                return self.written(noted).await;
            };
            let count = match self.deliver(sink.as_ref(), &change, &mut jitter).await {
                Ok(()) => &self.delivered,
                Err(why) => {
                    tracing::warn!(sink = self.name, %why, "a change of a finding was not delivered");
                    &self.given_up
                }
            };
            count.fetch_add(1, Ordering::Relaxed);
            self.finished();
        }
    }

    /// What fails is tried again with the next reminder.
    async fn remind(&self, sink: &dyn Sink) {
        if let Err(why) = in_time(sink.remind()).await {
            tracing::warn!(sink = self.name, %why, "cannot be reminded of what is open");
        }
    }

    async fn deliver(
        self: &Arc<Self>,
        sink: &dyn Sink,
        change: &Change,
        jitter: &mut Jitter,
    ) -> Result<(), String> {
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
            self.write();
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
            .apply(1e9, &"db1".into(), vec![finding(subject, Severity::Warning, 1.5)], |_, _| true, |_| None)
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
        let (queue, heard) = (Arc::new(Queue::new("test".into(), false)), Arc::default());
        let sink = Scripted(Mutex::new(answers.into()), Arc::clone(&heard));
        changes.iter().for_each(|subject| {
            queue.push(change(subject));
        });
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

    #[tokio::test]
    async fn what_waits_survives_and_what_is_done_does_not() {
        let dir = std::env::temp_dir().join(format!("dbsonde-queue-{}", std::process::id()));
        let begun = |queue: &Arc<Queue>| {
            let (queue, dir) = (queue.clone(), dir.clone());
            async move { queue.open(dir, "sink".into()).await }
        };
        let first = Arc::new(Queue::new("test".into(), true));
        // Before it is known what waited there.
        first.push(change("a"));
        begun(&first).await;
        let noted = first.push(change("b"));
        first.written(noted).await;
        assert_eq!(first.counts().unkept, Some(0));
        drop(first);
        let second = Arc::new(Queue::new("test".into(), true));
        second.push(change("c"));
        begun(&second).await;
        let heard = Arc::default();
        let sink = Scripted(Mutex::default(), Arc::clone(&heard));
        second.close();
        second.clone().run(Box::new(sink), Clock::start().jitter("test")).await;
        assert_eq!(*heard.lock().unwrap(), ["a", "b", "c"]);
        assert_eq!(std::fs::metadata(dir.join("sink.jsonl")).unwrap().len(), 0);
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// A pipe that nobody reads takes some and then hangs, as a disk may.
    #[tokio::test]
    async fn a_disk_that_hangs_holds_nobody_up_and_is_caught_up_with() {
        let dir = std::env::temp_dir().join(format!("dbsonde-hung-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (pipe, file) = (dir.join("pipe"), dir.join("sink.jsonl"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let queue = Arc::new(Queue::new("test".into(), true));
        queue.open(dir.clone(), "sink".into()).await;
        let noted = queue.push(change("well"));
        queue.written(noted).await;
        // Both ends are ours, so that to open it does not hang already.
        let mut other_end = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        queue.desk.writes_to(&pipe);
        let subjects: Vec<String> = (0..MAX_WAITING * 3).map(|nth| format!("{nth:0>900}")).collect();
        let began = std::time::Instant::now();
        for subject in &subjects {
            let noted = queue.push(change(subject));
            queue.written(noted).await;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        let counts = queue.counts();
        assert!(counts.unkept.is_some_and(|unkept| unkept > 100), "{counts:?}");
        assert_eq!((counts.waiting, counts.dropped), (MAX_WAITING, 2 * MAX_WAITING as u64 + 1));
        // It is well again: what it took too late goes nowhere, and all that waits is written anew.
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 65_536];
            while !stopped.load(Ordering::Relaxed) {
                std::io::Read::read(&mut other_end, &mut piece).unwrap();
            }
        });
        while queue.counts().unkept != Some(0) {
            assert!(began.elapsed() < Duration::from_secs(30), "{:?}", queue.counts());
            sleep(Duration::from_millis(20)).await;
        }
        let kept = std::fs::read_to_string(&file).unwrap();
        assert_eq!(kept.lines().count(), MAX_WAITING);
        stop.store(true, Ordering::Relaxed);
        std::fs::write(&pipe, "x").unwrap();
        reader.join().unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }
}
