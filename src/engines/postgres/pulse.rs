//! The pulse: who is connected and what they wait for, every second; who blocks whom, only when somebody waits.

use super::beat::learn;
use super::blocking::{Tree, trees, waiting};
use super::collectors::COLLECTORS;
use super::connect::Failure;
use super::link::{Link, Server, locked};
use super::load::{Key, LoadMeter, seconds};
use super::visit::{Identity, collect, own_part};
use crate::engine::{Async, Due, EngineError, Pace, Probe, Visit};
use crate::model::{
    Blocker, Blocking, Count, InTopic, Level, Name, Noun, Rows, Scope, Seconds, Session, SessionGroup,
    Timestamp, Topic, Total,
};
use crate::sql::Digest;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// pg_blocking_pids() takes locks of the lock manager: never more often than this.
const BLOCKING_EVERY: Duration = Duration::from_secs(10);
/// Texts of running statements are asked this often, for so many sessions.
const TEXTS_EVERY: Duration = Duration::from_secs(10);
const MAX_TEXTS: usize = 50;
/// Characters of a text, as the SQL cuts it, and the bytes that a letter may have.
const MAX_TEXT: usize = 8_192;
const LONGEST_LETTER: usize = 4;
/// A pulse counts for the time since the last one, but a stall of ours is not load of theirs.
const MAX_STEP: f64 = 5.0;
/// The identity of the server is asked again this often.
const IDENTITY_EVERY: Duration = Duration::from_secs(15);
/// Roots of blocking whose losses are remembered.
const MAX_BLOCKERS: usize = 500;

#[derive(Debug)]
pub struct Pulse {
    link: Link,
    identity: Option<(Identity, Instant)>,
    last: Option<Instant>,
    load: LoadMeter,
    blocking_asked: Option<Instant>,
    trees: BTreeMap<i64, Tree>,
    wait_starts: HashMap<i64, f64>,
    /// Session time lost to each root, by pid and start of the session.
    lost: HashMap<(i64, Option<Timestamp>), f64>,
    texts_asked: Option<Instant>,
}

impl Probe for Pulse {
    fn visit<'a>(&'a mut self, _: &'a Due) -> Async<'a, Result<Visit, EngineError>> {
        Box::pin(self.pulse())
    }
}

impl Pulse {
    pub fn new(link: Link) -> Self {
        Self {
            link,
            identity: None,
            last: None,
            load: LoadMeter::default(),
            blocking_asked: None,
            trees: BTreeMap::new(),
            wait_starts: HashMap::new(),
            lost: HashMap::new(),
            texts_asked: None,
        }
    }

    async fn pulse(&mut self) -> Result<Visit, EngineError> {
        let known = self.link.ready(None).await?;
        let identity = match &self.identity {
            Some((identity, asked)) if asked.elapsed() < IDENTITY_EVERY => identity.clone(),
            _ => {
                let identity = Identity::ask(&mut self.link, &known).await?;
                self.identity = Some((identity.clone(), Instant::now()));
                identity
            }
        };
        let mut visit = Visit::default();
        for collector in COLLECTORS.iter().filter(|collector| collector.pace == Pace::Pulse) {
            collect(&mut self.link, collector, &identity, &Scope::Server, &mut visit).await?;
        }
        let now = Instant::now();
        let step = self.last.map_or(0.0, |last| (now - last).as_secs_f64().min(MAX_STEP));
        self.last = Some(now);
        let rows = visit
            .sample
            .parts
            .iter()
            .find(|(topic, ..)| *topic == Topic::Sessions)
            .map(|(.., p)| p.rows.clone());
        let Some(rows) = rows else { return Ok(visit) };
        let sessions = Session::of(&rows);
        self.blocked(sessions, step).await?;
        self.wording(sessions, known.activity_size).await?;
        let eyes = Eyes::open(&self.link.server);
        for session in sessions.iter().filter(|session| is_active(session)) {
            self.load.add(eyes.key(session), step);
        }
        let mut push = |topic, rows| {
            visit.sample.parts.push((topic, Scope::Server, own_part(&self.link.server, &identity, rows)));
        };
        push(Topic::SessionGroups, Rows::SessionGroups(eyes.groups(sessions)));
        push(Topic::Load, Rows::Load(self.load.rows()));
        push(Topic::Blockers, Rows::Blockers(self.blockers(sessions, &eyes)));
        Ok(visit)
    }

    /// Keeps the trees of blocking up to date and adds up what they cost.
    async fn blocked(&mut self, sessions: &[Session], step: f64) -> Result<(), EngineError> {
        let waiting = waiting(sessions);
        if waiting.is_empty() {
            self.trees.clear();
            self.wait_starts.clear();
            return Ok(());
        }
        if self.blocking_asked.is_none_or(|asked| asked.elapsed() >= BLOCKING_EVERY) {
            self.blocking_asked = Some(Instant::now());
            match self.link.read_with(Topic::Blocking, "blocking", &[&waiting]).await {
                Ok(read) => {
                    let waits = Blocking::of(&read.rows);
                    self.trees = trees(waits);
                    self.wait_starts =
                        waits.iter().filter_map(|w| Some((w.pid, w.wait_start?.get()))).collect();
                }
                Err(Failure::Lost(error)) => return Err(error),
                Err(Failure::Refused { .. }) => self.trees.clear(),
            }
        }
        let waiting: HashSet<i64> = waiting.into_iter().map(i64::from).collect();
        let starts: HashMap<i64, Option<Timestamp>> =
            sessions.iter().map(|session| (session.pid, session.backend_start)).collect();
        for (root, tree) in &mut self.trees {
            tree.victims.retain(|pid| waiting.contains(pid));
            if let Some(start) = starts.get(root)
                && (self.lost.len() < MAX_BLOCKERS || self.lost.contains_key(&(*root, *start)))
            {
                *self.lost.entry((*root, *start)).or_default() += step * tree.victims.len() as f64;
            }
        }
        self.trees.retain(|_, tree| !tree.victims.is_empty());
        self.lost.retain(|(pid, start), _| starts.get(pid) == Some(start));
        Ok(())
    }

    fn blockers(&self, sessions: &[Session], eyes: &Eyes) -> Vec<Blocker> {
        let by_pid: HashMap<i64, &Session> = sessions.iter().map(|session| (session.pid, session)).collect();
        let mut rows: Vec<Blocker> = self
            .trees
            .iter()
            .filter_map(|(root, tree)| {
                let session = by_pid.get(root)?;
                let asked = session.asked.map(Timestamp::get).unwrap_or_default();
                // Before 14 the server does not say since when they wait; their statement began no later.
                let waited = tree.victims.iter().filter_map(|pid| {
                    let began = self.wait_starts.get(pid).copied();
                    began.or_else(|| by_pid.get(pid).and_then(|s| s.query_start).map(Timestamp::get))
                });
                let longest = waited.map(|began| asked - began).fold(0.0, f64::max);
                let lost = self.lost.get(&(*root, session.backend_start)).copied().unwrap_or_default();
                Some(Blocker {
                    pid: *root,
                    backend_start: session.backend_start,
                    database: named(&session.database),
                    user: named(&session.user),
                    application: named(&session.application),
                    state: named(&session.state),
                    digest: eyes.digest(session),
                    transaction_start: session.transaction_start,
                    lock: Name::new(&tree.lock),
                    relation: tree.relation,
                    tree: Name::new(&tree.shown),
                    victims: Level::new(Count::new(tree.victims.len() as u64)),
                    longest_wait_seconds: Level::new(Seconds::new(longest)),
                    lost_seconds: Total(Seconds::new(lost)),
                })
            })
            .collect();
        rows.sort_unstable_by_key(Noun::key);
        rows
    }

    /// Learns the wording of running statements that are new to us. What users typed is normalised at once.
    async fn wording(&mut self, sessions: &[Session], activity_size: usize) -> Result<(), EngineError> {
        if self.texts_asked.is_some_and(|asked| asked.elapsed() < TEXTS_EVERY) {
            return Ok(());
        }
        let texts = locked(&self.link.server.texts).clone();
        let is_new = |session: &&Session| {
            is_active(session) && session.server_digest.is_some_and(|id| texts.known(id).is_none())
        };
        let pids: Vec<i32> = sessions
            .iter()
            .filter(is_new)
            .filter_map(|s| i32::try_from(s.pid).ok())
            .take(MAX_TEXTS)
            .collect();
        if pids.is_empty() {
            return Ok(());
        }
        self.texts_asked = Some(Instant::now());
        let rows = match self.link.ask("session_texts", &[&pids]).await {
            Ok(rows) => rows,
            Err(Failure::Lost(error)) => return Err(error),
            Err(Failure::Refused { .. }) => return Ok(()),
        };
        // The server ends each text with a zero byte; ours are cut by the SQL as well, and some letters are longer.
        let full = activity_size.min(MAX_TEXT).saturating_sub(LONGEST_LETTER);
        let mut texts = locked(&self.link.server.texts);
        let texts = Arc::make_mut(&mut texts);
        for row in &rows {
            if let (Ok(Some(id)), Ok(Some(text))) =
                (row.try_get::<_, Option<i64>>("server_digest"), row.try_get::<_, Option<&str>>("query"))
            {
                learn(texts, id, text, full);
            }
        }
        Ok(())
    }
}

/// Active, and not one of the server's own processes.
fn is_active(session: &Session) -> bool {
    session.state.as_deref() == Some("active")
}

/// What has no name has the empty one.
fn named(name: &Option<Name>) -> Name {
    name.clone().unwrap_or_else(|| Name::new(""))
}

/// What turns numbers of a session into names.
struct Eyes {
    texts: Arc<crate::texts::Texts>,
}

impl Eyes {
    fn open(server: &Server) -> Self {
        Self { texts: locked(&server.texts).clone() }
    }

    fn digest(&self, session: &Session) -> Option<Digest> {
        match self.texts.known(session.server_digest?) {
            Some(crate::texts::Known::Digest(digest)) => Some(digest),
            _ => None,
        }
    }

    fn key(&self, session: &Session) -> Key {
        let wait = match (&session.wait_class, &session.wait_event) {
            (Some(class), Some(event)) => Name::new(&format!("{class}:{event}")),
            _ => Name::new("cpu"),
        };
        Key {
            database: named(&session.database),
            user: named(&session.user),
            application: named(&session.application),
            wait,
            digest: self.digest(session),
        }
    }

    fn groups(&self, sessions: &[Session]) -> Vec<SessionGroup> {
        let mut groups: BTreeMap<(Name, Name, Name), SessionGroup> = BTreeMap::new();
        for session in sessions {
            let state = session.state.clone().unwrap_or_else(|| Name::new("hidden"));
            let key = (named(&session.database), named(&session.user), state);
            let group = groups.entry(key).or_insert_with_key(|(database, user, state)| SessionGroup {
                database: database.clone(),
                user: user.clone(),
                state: state.clone(),
                open: Level::default(),
                lock_waiting: Level::default(),
                oldest_transaction_seconds: None,
                longest_in_state_seconds: None,
                oldest_xmin_transactions: None,
            });
            count(group, session);
        }
        groups.into_values().collect()
    }
}

fn count(group: &mut SessionGroup, session: &Session) {
    let one_more = |level: Level<Count>| Level::new(Count::new(level.last.get() + 1));
    group.open = one_more(group.open);
    if session.wait_class.as_deref() == Some("Lock") {
        group.lock_waiting = one_more(group.lock_waiting);
    }
    let age = |since: Option<Timestamp>| seconds(session.asked?.get() - since?.get());
    let older = |level: Option<Level<Seconds>>, age: Option<Seconds>| match (level, age) {
        (Some(level), Some(age)) if level.last >= age => Some(level),
        (level, age) => age.map(Level::new).or(level),
    };
    group.oldest_transaction_seconds =
        older(group.oldest_transaction_seconds, age(session.transaction_start));
    group.longest_in_state_seconds = older(group.longest_in_state_seconds, age(session.state_change));
    let held = session.xmin_age.and_then(|age| u64::try_from(age).ok()).map(Count::new);
    group.oldest_xmin_transactions = match (group.oldest_xmin_transactions, held) {
        (Some(level), Some(age)) if level.last >= age => Some(level),
        (level, age) => age.map(Level::new).or(level),
    };
}
