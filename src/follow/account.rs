//! What the logs have added up to, in our nouns. It only grows: who wants to know what happened lately takes a window.

use super::files::Fates;
use crate::digest::histogram::Histogram;
use crate::digest::locks::Deadlock;
use crate::digest::statements::Row;
use crate::digest::{Sum, sum};
use crate::log::Micros;
use crate::model::{
    Bytes, Count, Digest, InTopic, Level, Log, LogDeadlock, LogError, LogEvent, LogLock, LogStatement, Name,
    Rows, Seconds, Topic, TopicVisitor, Total,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// Statements that are told apart for good. The lightest of those that are not running make room; they begin anew
/// when they come back.
const MAX_STATEMENTS: usize = 2_000;
/// Kinds of deadlocks, likewise.
const MAX_DEADLOCKS: usize = 500;
/// Percentiles are of so many seconds, and of as many before.
const PERIOD: f64 = 300.0;
/// Participants that are named.
const MAX_NAMED: usize = 8;

pub const TOPICS: [Topic; 6] = [
    Topic::Logs,
    Topic::LogEvents,
    Topic::LogErrors,
    Topic::LogStatements,
    Topic::LogLocks,
    Topic::LogDeadlocks,
];

#[derive(Debug)]
pub struct Account {
    /// When counting began, in unix seconds.
    pub since: f64,
    rows: BTreeMap<Topic, Arc<Rows>>,
    /// Durations of this period and of the one before.
    recent: [HashMap<u64, Histogram>; 2],
    period: f64,
    /// The time of the newest entry.
    pub newest: Option<Micros>,
}

impl Account {
    pub fn new(since: f64, rows: Vec<Rows>) -> Self {
        let mut rows: BTreeMap<Topic, Arc<Rows>> =
            rows.into_iter().map(|rows| (rows.topic(), Arc::new(rows))).collect();
        // What comes first is new, not unknown.
        for topic in TOPICS {
            rows.entry(topic).or_insert_with(|| Arc::new(empty(topic)));
        }
        Self { since, rows, recent: Default::default(), period: 0.0, newest: None }
    }

    pub fn rows(&self) -> impl Iterator<Item = &Arc<Rows>> {
        self.rows.values()
    }

    /// Adds what was read since the last time. `behind` is what is known to be unread.
    pub fn add(&mut self, sum: &Sum, fates: Fates, path: Option<&Path>, behind: u64, now: f64) {
        self.newest = self.newest.max(sum.to);
        self.keep_durations(sum, now);
        let statements: Vec<LogStatement> =
            sum.statements.rows().iter().filter(|row| is_told(row)).map(statement).collect();
        let running: HashSet<Option<Digest>> = statements.iter().map(|row| row.digest).collect();
        self.put(Rows::Logs(vec![log(sum, fates, path)]));
        self.put(Rows::LogEvents(events(sum)));
        self.put(Rows::LogErrors(errors(sum)));
        self.put(Rows::LogStatements(statements.into_iter().chain(unnamed(sum)).collect()));
        self.put(Rows::LogLocks(locks(sum)));
        self.put(Rows::LogDeadlocks(sum.locks.deadlocks.values().map(deadlock).collect()));
        self.level(behind);
        self.make_room(&running);
    }

    /// Adds rows to those of their topic.
    fn put(&mut self, rows: Rows) {
        let topic = rows.topic();
        let sum = match self.rows.get(&topic) {
            Some(known) => topic.visit(Adding { first: known, second: &rows }),
            None => topic.visit(Adding { first: &empty(topic), second: &rows }),
        };
        self.rows.insert(topic, Arc::new(sum));
    }

    fn keep_durations(&mut self, sum: &Sum, now: f64) {
        if now - self.period >= PERIOD {
            self.period = now;
            self.recent.rotate_right(1);
            let [current, _] = &mut self.recent;
            current.clear();
        }
        let [current, _] = &mut self.recent;
        for row in sum.statements.rows().iter().filter(|row| row.calls > 0) {
            if current.len() < MAX_STATEMENTS || current.contains_key(&row.digest) {
                current.entry(row.digest).or_default().merge(&row.histogram);
            }
        }
    }

    /// What is true now, which is not added up.
    fn level(&mut self, behind: u64) {
        let [current, before] = &self.recent;
        let share = |digest: &Option<Digest>, share: f64| {
            let Digest(digest) = (*digest)?;
            let mut both = current.get(&digest).cloned().unwrap_or_default();
            before.get(&digest).into_iter().for_each(|earlier| both.merge(earlier));
            both.percentile(share).map(|micros| Level::new(seconds(micros)))
        };
        if let Some(Rows::LogStatements(rows)) = self.rows.get_mut(&Topic::LogStatements).map(Arc::make_mut) {
            for row in rows {
                row.p50_seconds = share(&row.digest, 0.50);
                row.p95_seconds = share(&row.digest, 0.95);
                row.p99_seconds = share(&row.digest, 0.99);
            }
        }
        self.falls_behind(behind);
    }

    /// How much is known to be unread.
    pub fn falls_behind(&mut self, bytes: u64) {
        if let Some(Rows::Logs(rows)) = self.rows.get_mut(&Topic::Logs).map(Arc::make_mut) {
            rows.iter_mut().for_each(|row| row.behind_bytes = Level::new(Bytes::new(bytes)));
        }
    }

    fn make_room(&mut self, running: &HashSet<Option<Digest>>) {
        if let Some(Rows::LogStatements(rows)) = self.rows.get_mut(&Topic::LogStatements).map(Arc::make_mut)
            && rows.len() > MAX_STATEMENTS
        {
            let mut weights: Vec<f64> = rows
                .iter()
                .filter(|row| !running.contains(&row.digest))
                .map(|row| row.exec_seconds.float())
                .collect();
            weights.sort_by(f64::total_cmp);
            // An eighth at a time, so that sorting is rare.
            let surplus = rows.len() - MAX_STATEMENTS * 7 / 8;
            let least = weights.get(surplus.min(weights.len()).saturating_sub(1)).copied().unwrap_or(-1.0);
            let stays = |row: &LogStatement| {
                row.digest.is_none() || running.contains(&row.digest) || row.exec_seconds.float() > least
            };
            rows.retain(stays);
        }
        if let Some(Rows::LogDeadlocks(rows)) = self.rows.get_mut(&Topic::LogDeadlocks).map(Arc::make_mut) {
            rows.truncate(MAX_DEADLOCKS);
        }
    }
}

fn empty(topic: Topic) -> Rows {
    struct Empty;
    impl TopicVisitor for Empty {
        type Out = Rows;
        fn visit<N: InTopic>(self) -> Rows {
            N::into_rows(Vec::new())
        }
    }
    topic.visit(Empty)
}

struct Adding<'a> {
    first: &'a Rows,
    second: &'a Rows,
}

impl TopicVisitor for Adding<'_> {
    type Out = Rows;

    fn visit<N: InTopic>(self) -> Rows {
        let mut sum: BTreeMap<N::Key, N> = BTreeMap::new();
        for row in N::of(self.first).iter().chain(N::of(self.second)) {
            sum.entry(row.key()).and_modify(|known| *known = known.then(row)).or_insert_with(|| row.clone());
        }
        N::into_rows(sum.into_values().collect())
    }
}

fn count(n: u64) -> Total<Count> {
    Total(Count::new(n))
}

fn bytes(n: u64) -> Total<Bytes> {
    Total(Bytes::new(n))
}

fn seconds(micros: u64) -> Seconds {
    Seconds::new(micros as f64 / 1e6)
}

fn time(micros: u64) -> Total<Seconds> {
    Total(seconds(micros))
}

fn log(sum: &Sum, fates: Fates, path: Option<&Path>) -> Log {
    Log {
        path: Name::new(&path.map(|path| path.display().to_string()).unwrap_or_default()),
        entries: count(sum.entries),
        unclassified: count(sum.unclassified()),
        own_entries: Some(count(sum.ours)),
        noise: count(sum.noise),
        cut: count(sum.cut),
        unjoined: count(sum.unjoined()),
        read_bytes: bytes(sum.bytes),
        files: count(fates.begun),
        lost_files: count(fates.lost),
        lost_bytes: bytes(fates.lost_bytes),
        behind_bytes: Level::default(),
    }
}

fn events(sum: &Sum) -> Vec<LogEvent> {
    let mut events: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for ((class, severity), entries) in &sum.classes {
        *events.entry((class.name(), severity.name())).or_default() += entries;
    }
    for ((severity, _), entries) in &sum.unclassified {
        *events.entry(("unclassified", severity.name())).or_default() += entries;
    }
    let event = |((class, severity), entries): ((&str, &str), u64)| LogEvent {
        class: class.into(),
        severity: severity.into(),
        entries: count(entries),
    };
    events.into_iter().map(event).collect()
}

fn errors(sum: &Sum) -> Vec<LogError> {
    let error = |((severity, state), entries): (&sum::State, &u64)| LogError {
        severity: severity.name().into(),
        sqlstate: Name::new(&state.map(|state| state.to_string()).unwrap_or_default()),
        entries: count(*entries),
    };
    sum.states.iter().map(error).collect()
}

/// Has the log said anything that counts? A statement that waits for its duration has nothing yet.
fn is_told(row: &Row) -> bool {
    row.calls + row.errors + row.temp_files + row.lock_waits > 0
}

fn statement(row: &Row) -> LogStatement {
    LogStatement {
        digest: Some(Digest(row.digest)),
        calls: count(row.calls),
        exec_seconds: time(row.total),
        lock_waits: count(row.lock_waits),
        lock_seconds: time(row.lock_time),
        rows: count(row.rows_sent),
        rows_examined: count(row.rows_examined),
        errors: count(row.errors),
        cancels: count(row.cancels),
        temp_files: count(row.temp_files),
        temp_bytes: bytes(row.temp_bytes),
        p50_seconds: None,
        p95_seconds: None,
        p99_seconds: None,
    }
}

/// Everything without a name, our own statements left out.
fn unnamed(sum: &Sum) -> Option<LogStatement> {
    use crate::digest::statements::Why;
    let others = sum.statements.others.iter().filter(|(why, _)| **why != Why::Ours);
    let (calls, total) =
        others.fold((0, 0), |(calls, total), (_, rest)| (calls + rest.calls, total + rest.total));
    let row = Row { calls, total, ..Row::default() };
    (calls > 0).then(|| LogStatement { digest: None, ..statement(&row) })
}

fn locks(sum: &Sum) -> Vec<LogLock> {
    let lock = |((mode, object), waits): (&(String, String), &crate::digest::locks::Waits)| LogLock {
        mode: Name::new(mode),
        object: Name::new(object),
        waits: count(waits.waited),
        wait_seconds: time(waits.time),
    };
    sum.locks.kinds.iter().map(lock).collect()
}

fn deadlock(deadlock: &Deadlock) -> LogDeadlock {
    let some = || deadlock.participants.iter().take(MAX_NAMED);
    let mut digests: Vec<String> = some()
        .map(|one| one.digest.map_or("unnamed".to_owned(), |digest| Digest(digest).to_string()))
        .collect();
    digests.sort_unstable();
    let mut objects: Vec<String> = some().map(|one| format!("{} on {}", one.mode, one.object)).collect();
    objects.sort_unstable();
    objects.dedup();
    LogDeadlock {
        statements: Name::new(&digests.join("+")),
        objects: Name::new(&objects.join(", ")),
        seen: count(deadlock.count),
    }
}
