//! The contract of an engine: a database we know how to watch. One folder each in `engines/`.
//!
//! What every engine does the same way is here: SQL that fits the server (`template`, `collector`), results that
//! become nouns (`layout`, `reading`), what the pulse makes of sessions (`crowd`), the round of the roaming lane
//! (`round`) and what may be held of it (`room`), what a lane fetches between its visits (`errand`), what the lanes of one server share (`shared`), whom
//! TLS trusts (`trust`, `verify`), when to knock (`door`), when to come back (`bell`), who may begin a statement
//! (`turnstile`).

pub mod bell;
pub mod blocking;
pub mod collector;
pub mod crowd;
pub mod door;
pub mod errand;
pub mod layout;
pub mod load;
pub mod presence;
pub mod reading;
pub mod room;
pub mod round;
pub mod shared;
pub mod template;
pub mod trust;
pub mod turnstile;
pub mod verify;

use self::bell::{Bell, Listener};
use self::errand::{Errand, Fetched};
use self::reading::Failure;
use crate::follow::Wanted;
use crate::model::question::{Answer, Question};
use crate::model::{Digest, Name, Sample, Topic};
use crate::plans::logged::Shown;
use crate::texts::Texts;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub type Async<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the caller does differently; the text is for people and never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Try again later, with back-off.
    #[error("cannot reach the server: {0}")]
    Unreachable(String),
    /// Trying again does not help before somebody changes rights, password or host rules.
    #[error("the server refuses us: {0}")]
    Denied(String),
    /// It answers, but not this: the connection is as good as before.
    #[error("the server refuses an answer: {0}")]
    Refused(String),
    /// The connection was given up; the server may be frozen or locked.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// A log-in of ours hangs there and goes on: worth a visit as soon as somebody is let in.
    #[error("cannot get in: {0}")]
    Hanging(String),
    /// This will not work here at all.
    #[error("not supported: {0}")]
    Unsupported(String),
}

/// How often a topic is read. Every pace can be stretched, none shortened below its floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pace {
    Pulse,
    Beat,
    Slow,
    Rare,
}

impl Pace {
    pub const ALL: [Pace; 4] = [Pace::Pulse, Pace::Beat, Pace::Slow, Pace::Rare];

    pub fn name(self) -> &'static str {
        match self {
            Pace::Pulse => "pulse",
            Pace::Beat => "beat",
            Pace::Slow => "slow",
            Pace::Rare => "rare",
        }
    }
}

/// A lane is one connection and the task that owns it, so that nothing slow delays the pulse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Sessions, waits and blocking, every second.
    Pulse,
    /// Counters of statements and server.
    Beat,
    /// Walks from database to database for tables, indexes and schema.
    Roam,
}

impl Lane {
    pub const ALL: [Lane; 3] = [Lane::Pulse, Lane::Beat, Lane::Roam];

    pub fn name(self) -> &'static str {
        match self {
            Lane::Pulse => "pulse",
            Lane::Beat => "beat",
            Lane::Roam => "roam",
        }
    }
}

/// What a visit is for.
#[derive(Debug, Clone)]
pub struct Due {
    /// How often this lane is visited now.
    pub every: Duration,
    /// How often the roaming lane reads what is slow, and what is rare; it counts for itself.
    pub slow: Duration,
    pub rare: Duration,
    /// Bytes that what the roaming lane reads may fill.
    pub room: usize,
    pub questions: Vec<Question>,
}

impl Default for Due {
    fn default() -> Self {
        let (every, slow, rare, questions) = Default::default();
        Self { every, slow, rare, room: usize::MAX, questions }
    }
}

impl Due {
    pub fn asks_about(&self, database: &Name) -> bool {
        self.questions.iter().any(|question| question.database() == database)
    }
}

/// What a visit brought home.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    pub sample: Sample,
    pub answers: Vec<(Question, Answer)>,
    /// Plans of single runs that a log has shown, whose numbers are those of the run.
    pub logged: Vec<Shown>,
    /// How long we waited for the target's answers: an upper bound of what reading it cost.
    pub cost: Duration,
    /// What our statements have cost since the server counts, by lane: its own word, where it gives one.
    pub told_cost: Option<[Duration; 3]>,
    /// What each collector did, for our own telemetry.
    pub readings: Vec<Reading>,
    pub server: Option<ServerFacts>,
    pub texts: Option<Arc<Texts>>,
    /// Topics that are read less often now than their configured pace, and how often.
    pub paces: Vec<(Topic, Duration)>,
}

#[derive(Debug, Clone)]
pub struct Reading {
    pub topic: Topic,
    pub took: Duration,
    pub success: bool,
    pub rows: usize,
}

/// What a reader wants to know about a target before any number.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ServerFacts {
    pub engine: &'static str,
    pub version: String,
    /// `primary` or `standby`.
    pub role: &'static str,
    /// Unix seconds of the server's start.
    pub since: f64,
    /// Unix seconds at which the certificate ends that it showed us.
    pub certificate_expires: Option<f64>,
    /// Which of the three tiers of rights the login has, and what it lacks.
    pub tier: &'static str,
    pub lacks: Vec<Lack>,
}

/// Something that the login or the server does not give, what that disables, and how to mend it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lack {
    pub what: String,
    pub disables: String,
    pub mend: String,
}

/// One connection's worth of watching. Dropping it closes the connection.
pub trait Probe: Send {
    fn visit<'a>(&'a mut self, due: &'a Due) -> Async<'a, Result<Visit, EngineError>>;
    /// Fetches something between two visits.
    fn fetch<'a>(&'a mut self, _: &'a Errand) -> Async<'a, Result<Fetched, Failure>> {
        Box::pin(async { Err(Failure::refused("this lane runs no errands")) })
    }
}

/// One watched server. Its lanes share what is known of it.
pub trait Engine: Send + Sync {
    fn name(&self) -> &'static str;
    fn topics(&self) -> Vec<(Topic, Pace)>;
    /// The logs that it writes where we can read them, as far as it has told.
    fn logs(&self) -> Option<Wanted>;
    /// The wording of statements that a log has shown.
    fn teach(&self, wording: &[(Digest, String)]);
    fn open(&self, lane: Lane) -> Box<dyn Probe>;
    /// Rings when a lane is let in.
    fn bell(&self) -> Listener {
        Bell::default().listen()
    }
}
