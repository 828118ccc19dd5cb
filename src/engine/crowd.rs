//! What the pulse makes of the sessions that it sees: groups, load, and who holds up whom at what cost.

use super::Visit;
use super::blocking::{Tree, trees, waiting, waits_for_lock};
use super::load::{Key, LoadMeter, seconds};
use super::reading::Identity;
use crate::clock::Clock;
use crate::model::{
    Blocker, Blocking, Count, Digest, Level, Name, Noun, Rows, Scope, Seconds, Session, SessionGroup,
    Timestamp, Topic, Total, Watcher,
};
use crate::texts::{Known, Texts};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// To ask who blocks whom takes locks of the lock manager: never more often than this.
const BLOCKING_EVERY: Duration = Duration::from_secs(10);
/// A pulse counts for the time since the last one, but a stall of ours is not load of theirs.
const MAX_STEP: f64 = 5.0;
/// Roots of blocking whose losses are remembered.
const MAX_BLOCKERS: usize = 500;
/// Others of our kind; more than a few are a flaw in somebody's deployment, and one number says so.
const MAX_WATCHERS: usize = 20;
/// A session that nobody has used for so long is left over from a process that is gone, or idles in a pool.
const LEFT_OVER: f64 = 120.0;

/// What the lanes make of what they see has no collector of its own.
pub const DERIVED: [(Topic, super::Pace); 4] = [
    (Topic::SessionGroups, super::Pace::Pulse),
    (Topic::Load, super::Pace::Pulse),
    (Topic::Blockers, super::Pace::Pulse),
    (Topic::Watchers, super::Pace::Pulse),
];

#[derive(Debug, Default)]
pub struct Crowd {
    last: Option<Instant>,
    step: f64,
    load: LoadMeter,
    blocking_asked: Option<Instant>,
    trees: BTreeMap<i64, Tree>,
    wait_starts: HashMap<i64, f64>,
    /// Session time lost to each root, by pid and start of the session.
    lost: HashMap<(i64, Option<Timestamp>), f64>,
    /// Since when others of our kind are seen.
    beside: HashMap<Name, Instant>,
}

impl Crowd {
    /// A look at the sessions begins. Returns who waits for a lock if it is time to ask for whom.
    pub fn look(&mut self, sessions: &[Session]) -> Option<BTreeSet<i64>> {
        let now = Instant::now();
        self.step = self.last.map_or(0.0, |last| (now - last).as_secs_f64().min(MAX_STEP));
        self.last = Some(now);
        let waiting = waiting(sessions);
        if waiting.is_empty() {
            self.trees.clear();
            self.wait_starts.clear();
            return None;
        }
        let due = self.blocking_asked.is_none_or(|asked| asked.elapsed() >= BLOCKING_EVERY);
        due.then(|| {
            self.blocking_asked = Some(now);
            waiting
        })
    }

    /// Who waits for whom, or nothing where that could not be read.
    pub fn learn(&mut self, waits: &[Blocking]) {
        self.trees = trees(waits);
        self.wait_starts = waits.iter().filter_map(|wait| Some((wait.pid, wait.wait_start?.get()))).collect();
    }

    /// Adds up what was seen since the last look, and tells it with what was read.
    pub fn report(
        &mut self,
        sessions: &[Session],
        texts: &Texts,
        identity: &Identity,
        clock: Clock,
        visit: &mut Visit,
    ) {
        for rows in self.tell(sessions, texts) {
            let part = identity.own_part(clock, rows);
            visit.sample.parts.push((part.rows.topic(), Scope::Server, part));
        }
    }

    /// Adds up what was seen since the last look, and tells it.
    pub fn tell(&mut self, sessions: &[Session], texts: &Texts) -> [Rows; 4] {
        self.charge(sessions);
        for session in sessions.iter().filter(|session| is_active(session)) {
            self.load.add(key(session, texts), self.step);
        }
        [
            Rows::SessionGroups(groups(sessions)),
            Rows::Load(self.load.rows()),
            Rows::Blockers(self.blockers(sessions, texts)),
            Rows::Watchers(self.watchers(sessions)),
        ]
    }

    /// Others of our kind that do something here. Our own sessions were left out before.
    fn watchers(&mut self, sessions: &[Session]) -> Vec<Watcher> {
        let mut found: BTreeMap<Name, Watcher> = BTreeMap::new();
        for session in sessions.iter().filter(|session| is_in_use(session)) {
            let Some(instance) = &session.instance else { continue };
            if found.len() >= MAX_WATCHERS && !found.contains_key(instance) {
                continue;
            }
            let since = *self.beside.entry(instance.clone()).or_insert_with(Instant::now);
            let watcher = found.entry(instance.clone()).or_insert_with(|| Watcher {
                watcher: instance.clone(),
                client: session.client.clone(),
                sessions: Level::default(),
                seen_seconds: Level::new(Seconds::new(since.elapsed().as_secs_f64())),
            });
            watcher.sessions = Level::new(Count::new(watcher.sessions.last.get() + 1));
        }
        self.beside.retain(|instance, _| found.contains_key(instance));
        found.into_values().collect()
    }

    /// Whoever still waits has lost the time since the last look.
    fn charge(&mut self, sessions: &[Session]) {
        let waiting = waiting(sessions);
        let mut starts: HashMap<i64, Option<Timestamp>> =
            sessions.iter().map(|session| (session.pid, session.backend_start)).collect();
        // A prepared transaction is nobody's session and lasts as long as its tree.
        starts.extend(self.trees.keys().filter(|root| **root <= 0).map(|root| (*root, None)));
        self.trees.values_mut().for_each(|tree| tree.victims.retain(|pid| waiting.contains(pid)));
        // Who waits for several at once loses its time once: they share it.
        let mut roots: HashMap<i64, f64> = HashMap::new();
        self.trees
            .values()
            .flat_map(|tree| &tree.victims)
            .for_each(|pid| *roots.entry(*pid).or_default() += 1.0);
        for (root, tree) in &self.trees {
            if let Some(start) = starts.get(root)
                && (self.lost.len() < MAX_BLOCKERS || self.lost.contains_key(&(*root, *start)))
            {
                let share: f64 = tree.victims.iter().filter_map(|pid| Some(roots.get(pid)?.recip())).sum();
                *self.lost.entry((*root, *start)).or_default() += self.step * share;
            }
        }
        self.trees.retain(|_, tree| !tree.victims.is_empty());
        self.lost.retain(|(pid, start), _| starts.get(pid) == Some(start));
    }

    fn blockers(&self, sessions: &[Session], texts: &Texts) -> Vec<Blocker> {
        let by_pid: HashMap<i64, &Session> = sessions.iter().map(|session| (session.pid, session)).collect();
        let rows = self.trees.iter().filter_map(|(root, tree)| {
            let of_victims: Vec<&Session> =
                tree.victims.iter().filter_map(|pid| by_pid.get(pid).copied()).collect();
            let session = by_pid.get(root).copied();
            // A prepared transaction has no session; what it holds is in the database of those who wait for it.
            let place = session.or_else(|| of_victims.first().copied().filter(|_| *root <= 0))?;
            let asked = place.asked.map(Timestamp::get).unwrap_or_default();
            // Where the server does not say since when they wait: their statement began no later.
            let waited = of_victims.iter().filter_map(|victim| {
                let began = self.wait_starts.get(&victim.pid).copied();
                began.or_else(|| victim.query_start.map(Timestamp::get))
            });
            let longest = waited.map(|began| asked - began).fold(0.0, f64::max);
            let backend_start = session.and_then(|session| session.backend_start);
            let lost = self.lost.get(&(*root, backend_start)).copied().unwrap_or_default();
            let of_session = |name: fn(&Session) -> &Option<Name>| session.and_then(|it| name(it).clone());
            let state =
                of_session(|it| &it.state).or_else(|| session.is_none().then(|| Name::new("prepared")));
            Some(Blocker {
                pid: *root,
                backend_start,
                database: named(&place.database),
                user: named(&of_session(|it| &it.user)),
                application: named(&of_session(|it| &it.application)),
                state: named(&state),
                digest: session.and_then(|session| digest(session, texts)),
                transaction_start: session.and_then(|session| session.transaction_start),
                locked_rows: session.and_then(|session| session.locked_rows),
                lock: Name::new(&tree.lock),
                relation: tree.relation,
                object: tree.object.clone(),
                tree: Name::new(&tree.shown),
                victims: Level::new(Count::new(tree.victims.len() as u64)),
                longest_wait_seconds: Level::new(Seconds::new(longest)),
                lost_seconds: Total(Seconds::new(lost)),
            })
        });
        let mut rows: Vec<Blocker> = rows.collect();
        rows.sort_unstable_by_key(Noun::key);
        rows
    }
}

/// At work on something of a client's. A sender of the log calls itself active all its life, whether there is anything to send
/// or not.
pub fn is_active(session: &Session) -> bool {
    let only_sends =
        session.backend_type.as_deref() == Some("walsender") && session.transaction_start.is_none();
    session.state.as_deref() == Some("active") && !only_sends
}

/// Did it do something lately? Where that is hidden from us, nobody knows.
fn is_in_use(session: &Session) -> bool {
    let idle = session.asked.zip(session.state_change).map(|(asked, since)| asked.get() - since.get());
    is_active(session) || idle.is_some_and(|idle| idle < LEFT_OVER)
}

/// What has no name has the empty one.
fn named(name: &Option<Name>) -> Name {
    name.clone().unwrap_or_else(|| Name::new(""))
}

fn digest(session: &Session, texts: &Texts) -> Option<Digest> {
    match texts.known(session.server_digest?) {
        Some(Known::Digest(digest)) => Some(digest),
        _ => None,
    }
}

fn key(session: &Session, texts: &Texts) -> Key {
    let wait = match (&session.wait_class, &session.wait_event) {
        (Some(class), Some(event)) => Name::new(&format!("{class}:{event}")),
        _ => Name::new("cpu"),
    };
    Key {
        database: named(&session.database),
        user: named(&session.user),
        application: named(&session.application),
        wait,
        digest: digest(session, texts),
    }
}

fn groups(sessions: &[Session]) -> Vec<SessionGroup> {
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

fn count(group: &mut SessionGroup, session: &Session) {
    let one_more = |level: Level<Count>| Level::new(Count::new(level.last.get() + 1));
    group.open = one_more(group.open);
    if waits_for_lock(session) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::made_up::row;
    use serde_json::json;

    #[test]
    fn who_only_sends_the_log_is_not_at_work() {
        let session = |changes: &[(&str, serde_json::Value)]| {
            let mut told = json!({"pid": 7, "state": "active", "backend_type": "walsender"});
            changes.iter().for_each(|(name, value)| told[*name] = value.clone());
            is_active(&row::<Session>(told))
        };
        assert!(!session(&[]));
        assert!(session(&[("transaction_start", json!(5.0))]), "it runs a statement");
        assert!(session(&[("backend_type", json!("client backend"))]));
        assert!(session(&[("backend_type", json!(null))]), "what it is may be hidden");
        assert!(!session(&[("backend_type", json!(null)), ("state", json!("idle"))]));
    }
}
