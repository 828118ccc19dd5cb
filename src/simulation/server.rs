//! A server with its books, and ours about what really happened to it: what ran, and when which trouble held.

use super::dice::Dice;
use super::trouble::Trouble;
use crate::engine::{Async, Due, Engine, EngineError, Lane, Pace, Probe, ServerFacts, Visit};
use crate::follow::Wanted;
use crate::model::{
    Blocker, Count, Database, Digest, Epoch, Gap, InTopic, Index, Level, Name, Noun, Part, Sample, Scope,
    Seconds, Server as ServerRow, Session, Statement, Timestamp, Topic, Total, When,
};
use crate::rules::tests::made_up::{index, row, shop};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const ADMITS: u64 = 100;
const CROWDED: u64 = 90;
/// How long a request waits for an answer at most, as real engines do it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Unix seconds by the server's own clock when everything begins. It never jumps; ours does.
const BEGAN: f64 = 1.8e9;

/// How the way to the server is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Network {
    Fine,
    /// Answers come after seconds.
    Slow,
    /// Nobody listens.
    Refused,
    /// Somebody listens and says no.
    Denied,
    /// Requests get no answer, and are given up.
    Frozen,
    /// Nothing comes back, not even to a request that should have been given up.
    Stuck,
    /// Now one, now the other.
    Flapping,
}

/// The truth.
#[derive(Debug)]
pub struct World {
    pub dice: Dice,
    began: Instant,
    pub network: Network,
    identity: u32,
    /// Counts restarts: connections of a former one are dead.
    generation: u32,
    started: f64,
    reset: f64,
    hidden: bool,
    tells_stats_since: bool,
    /// By statement: calls since it began, and when it began.
    counters: BTreeMap<i64, (u64, f64)>,
    /// Calls that really ran, on whichever server was ours.
    pub ran: u64,
    /// Since when, of what is wrong now.
    troubles: BTreeMap<Trouble, f64>,
    /// When something held: from, to.
    held: Vec<(Trouble, f64, f64)>,
    /// Every connection: its lane, when, and how many failures went before.
    pub connects: Vec<(Lane, f64, u32)>,
}

impl World {
    pub fn new(mut dice: Dice) -> Self {
        let tells_stats_since = dice.chance(70);
        Self {
            dice,
            began: Instant::now(),
            network: Network::Fine,
            identity: 1,
            generation: 1,
            started: BEGAN - 1_000.0,
            reset: BEGAN - 900.0,
            hidden: false,
            tells_stats_since,
            counters: (0..4).map(|nth| (nth, (100, BEGAN - 800.0))).collect(),
            ran: 0,
            troubles: BTreeMap::new(),
            held: Vec::new(),
            connects: Vec::new(),
        }
    }

    /// Seconds since everything began.
    pub fn at(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    pub fn run(&mut self) {
        for _ in 0..self.dice.below(4) {
            let (statement, calls) = (self.dice.below(6) as i64, 1 + self.dice.below(50));
            let now = BEGAN + self.at();
            self.counters.entry(statement).or_insert((0, now)).0 += calls;
            self.ran += calls;
        }
    }

    pub fn evict(&mut self) {
        let statement = self.dice.below(6) as i64;
        self.counters.remove(&statement);
    }

    pub fn lose_statistics(&mut self) {
        self.counters.clear();
        self.reset = BEGAN + self.at();
    }

    /// A clean stop saves the statistics.
    pub fn restart(&mut self) {
        self.started = BEGAN + self.at();
        self.generation += 1;
        for trouble in Trouble::ALL.into_iter().filter(|trouble| trouble.dies_with_the_process()) {
            self.end(trouble);
        }
    }

    /// The start time does not move when one backend's crash restarts the others.
    pub fn crash(&mut self) {
        let started = self.started;
        self.restart();
        self.started = started;
        self.lose_statistics();
    }

    /// Another server answers at the address, with counters of its own.
    pub fn fail_over(&mut self) {
        self.restart();
        self.identity += 1;
        self.counters.values_mut().for_each(|(calls, _)| *calls *= 7);
    }

    pub fn hide(&mut self, hidden: bool) {
        self.hidden = hidden;
    }

    pub fn begin(&mut self, trouble: Trouble) {
        let at = self.at();
        self.troubles.entry(trouble).or_insert(at);
    }

    pub fn end(&mut self, trouble: Trouble) {
        let Some(since) = self.troubles.remove(&trouble) else { return };
        let (from, to) = (since + trouble.after(), self.at());
        if from <= to {
            self.held.push((trouble, from, to));
        }
    }

    pub fn holds(&self, trouble: Trouble) -> bool {
        self.troubles.get(&trouble).is_some_and(|since| since + trouble.after() <= self.at())
    }

    /// Did it hold at some moment of these last seconds?
    pub fn held_within(&self, trouble: Trouble, seconds: f64) -> bool {
        let from = self.at() - seconds;
        self.holds(trouble) || self.held.iter().any(|(of, _, to)| *of == trouble && *to >= from)
    }

    /// Was it absent at some moment of these last seconds?
    pub fn absent_within(&self, trouble: Trouble, seconds: f64) -> bool {
        let from = self.at() - seconds;
        self.troubles.get(&trouble).is_none_or(|since| since + trouble.after() > from)
    }

    fn epoch(&self, volatile: bool) -> Epoch {
        Epoch {
            server: Name::new(&self.identity.to_string()),
            started: Some(Timestamp::new(self.started)),
            reset: Some(Timestamp::new(self.reset)),
            volatile,
        }
    }

    fn part<N: InTopic>(
        &self,
        taken: When,
        scope: Scope,
        complete: bool,
        mut rows: Vec<N>,
    ) -> (Topic, Scope, Part) {
        rows.sort_by_key(Noun::key);
        let rows = Arc::new(N::into_rows(rows));
        (N::IN, scope, Part { taken, epoch: self.epoch(false), complete, rows })
    }

    fn read(&mut self, lane: Lane, taken: When, made: &Templates) -> Visit {
        self.run();
        let mut sample = Sample::default();
        match lane {
            Lane::Pulse => {
                sample.parts.push(self.part(taken, Scope::Server, true, self.sessions(made)));
                sample.parts.push(self.part(taken, Scope::Server, true, self.blockers(made)));
            }
            Lane::Beat => {
                sample.parts.push(self.part(taken, Scope::Server, !self.hidden, self.statements(made)));
                sample.parts.push(self.part(taken, Scope::Server, true, vec![made.server.clone()]));
                let connected = if self.troubles.contains_key(&Trouble::Crowded) { CROWDED } else { 7 };
                let mut database = made.database.clone();
                database.connections = Level::new(Count::new(connected));
                sample.parts.push(self.part(taken, Scope::Server, true, vec![database]));
            }
            // What somebody has locked is a gap.
            Lane::Roam if self.dice.chance(10) => {
                sample.gaps.push(Gap { topic: Topic::Indexes, scope: shop(), reason: "it is locked".into() });
            }
            Lane::Roam => {
                let mut index = made.index.clone();
                index.is_valid = !self.troubles.contains_key(&Trouble::BrokenIndex);
                sample.parts.push(self.part(taken, shop(), true, vec![index]));
            }
        }
        let server = (lane == Lane::Beat).then(|| ServerFacts {
            engine: "postgres",
            version: "17.0".into(),
            role: "primary",
            since: self.started,
            tier: "stats",
            ..ServerFacts::default()
        });
        Visit { sample, server, cost: Duration::from_millis(1), ..Visit::default() }
    }

    fn since(&self) -> impl Iterator<Item = (Trouble, f64)> + '_ {
        self.troubles.iter().map(|(trouble, since)| (*trouble, BEGAN + since))
    }

    fn sessions(&self, made: &Templates) -> Vec<Session> {
        let asked = Some(Timestamp::new(BEGAN + self.at()));
        let idle = self.since().filter_map(|(trouble, since)| match trouble {
            Trouble::Idle(pid) => Some((pid, since)),
            _ => None,
        });
        let session = |(pid, since)| Session {
            pid,
            state_change: Some(Timestamp::new(since)),
            asked,
            ..made.session.clone()
        };
        idle.map(session).collect()
    }

    fn blockers(&self, made: &Templates) -> Vec<Blocker> {
        let now = BEGAN + self.at();
        let blocking = self.since().filter_map(|(trouble, since)| match trouble {
            Trouble::Blocking(pid) => Some((pid, Level::new(Seconds::new(now - since)))),
            _ => None,
        });
        blocking
            .map(|(pid, longest_wait_seconds)| Blocker { pid, longest_wait_seconds, ..made.blocker.clone() })
            .collect()
    }

    fn statements(&self, made: &Templates) -> Vec<Statement> {
        let visible = self.counters.iter().filter(|(statement, _)| !self.hidden || **statement < 2);
        let statement = |(statement, (calls, began)): (&i64, &(u64, f64))| Statement {
            server_digest: Some(*statement),
            digest: Some(Digest(*statement as u64)),
            stats_since: self.tells_stats_since.then(|| Timestamp::new(*began)),
            calls: Total(Count::new(*calls)),
            exec_seconds: Total(Seconds::new(*calls as f64 * 0.25)),
            ..made.statement.clone()
        };
        visible.map(statement).collect()
    }
}

/// Rows to be filled in.
struct Templates {
    session: Session,
    blocker: Blocker,
    statement: Statement,
    server: ServerRow,
    database: Database,
    index: Index,
}

impl Templates {
    fn new() -> Self {
        Self {
            session: row(json!({
                "pid": 1, "backend_start": 5, "database": "shop", "user": "app", "application": "web",
                "state": "idle in transaction", "state_change": 5, "asked": 5,
            })),
            blocker: row(json!({
                "pid": 1, "backend_start": 5, "database": "shop", "user": "app", "application": "web", "state": "active",
                "lock": "relation AccessShareLock", "tree": "1<2", "victims": 1, "longest_wait_seconds": 0, "lost_seconds": 1,
            })),
            statement: row(
                json!({"dbid": 1, "userid": 1, "database": "shop", "user": "app", "toplevel": true}),
            ),
            server: row(json!({"version": "17.0", "connections_max": ADMITS, "reserved_connections": 0})),
            database: row(json!({"dbid": 1, "database": "shop", "allows_connections": true})),
            index: index(json!({"index": "note_idx", "is_being_built": false})),
        }
    }
}

/// The server as dbsonde sees it.
pub struct Sim {
    pub world: Arc<Mutex<World>>,
    clock: crate::clock::Clock,
    templates: Arc<Templates>,
    /// In a row, by lane.
    failures: Arc<Mutex<BTreeMap<Lane, u32>>>,
}

impl Sim {
    pub fn new(world: Arc<Mutex<World>>, clock: crate::clock::Clock) -> Self {
        Self { world, clock, templates: Arc::new(Templates::new()), failures: Arc::default() }
    }
}

impl Engine for Sim {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn topics(&self) -> Vec<(Topic, Pace)> {
        vec![
            (Topic::Sessions, Pace::Pulse),
            (Topic::Blockers, Pace::Pulse),
            (Topic::Statements, Pace::Beat),
            (Topic::Server, Pace::Beat),
            (Topic::Databases, Pace::Beat),
            (Topic::Indexes, Pace::Slow),
        ]
    }

    fn logs(&self) -> Option<Wanted> {
        None
    }

    fn teach(&self, _: &[(Digest, String)]) {}

    fn open(&self, lane: Lane) -> Box<dyn Probe> {
        Box::new(Connection {
            lane,
            world: self.world.clone(),
            clock: self.clock,
            templates: self.templates.clone(),
            failures: self.failures.clone(),
            generation: None,
        })
    }
}

struct Connection {
    lane: Lane,
    world: Arc<Mutex<World>>,
    clock: crate::clock::Clock,
    templates: Arc<Templates>,
    failures: Arc<Mutex<BTreeMap<Lane, u32>>>,
    /// Of the server that it is connected to.
    generation: Option<u32>,
}

fn open<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap()
}

impl Connection {
    fn world(&self) -> MutexGuard<'_, World> {
        open(&self.world)
    }

    async fn ask(&mut self) -> Result<Visit, EngineError> {
        if self.generation.is_none() {
            let failures = open(&self.failures).get(&self.lane).copied().unwrap_or(0);
            let mut world = self.world();
            let at = world.at();
            world.connects.push((self.lane, at, failures));
        }
        let (network, wait) = {
            let mut world = self.world();
            let flips = world.dice.chance(50);
            let network = match world.network {
                Network::Flapping if flips => Network::Refused,
                other => other,
            };
            let most = if network == Network::Slow { 4.9 } else { 0.2 };
            (network, world.dice.seconds(0.001, most))
        };
        match network {
            Network::Refused => {
                sleep(wait).await;
                return Err(EngineError::Unreachable("connection refused".into()));
            }
            Network::Denied if self.generation.is_none() => {
                sleep(wait).await;
                return Err(EngineError::Denied("no such login".into()));
            }
            Network::Frozen => return late().await,
            Network::Stuck => return std::future::pending().await,
            _ => sleep(wait).await,
        }
        // It may have gone while we waited.
        let network = self.world().network;
        if matches!(network, Network::Frozen | Network::Stuck) {
            return late().await;
        }
        let mut world = open(&self.world);
        if *self.generation.get_or_insert(world.generation) != world.generation {
            return Err(EngineError::Unreachable("the connection was cut".into()));
        }
        Ok(world.read(self.lane, self.clock.now(), &self.templates))
    }
}

async fn late() -> Result<Visit, EngineError> {
    sleep(PATIENCE).await;
    Err(EngineError::Timeout(PATIENCE))
}

impl Probe for Connection {
    fn visit<'a>(&'a mut self, _: &'a Due) -> Async<'a, Result<Visit, EngineError>> {
        Box::pin(async move {
            let before = open(&self.failures).get(&self.lane).copied().unwrap_or(0);
            let failed = Failed(self.failures.clone(), self.lane, Some(before));
            let brought = self.ask().await;
            if brought.is_ok() {
                failed.well();
            }
            brought
        })
    }
}

/// A visit that did not come to a good end, however it ended.
struct Failed(Arc<Mutex<BTreeMap<Lane, u32>>>, Lane, Option<u32>);

impl Failed {
    fn well(mut self) {
        self.2 = None;
    }
}

impl Drop for Failed {
    fn drop(&mut self) {
        open(&self.0).insert(self.1, self.2.map_or(0, |before| before + 1));
    }
}
