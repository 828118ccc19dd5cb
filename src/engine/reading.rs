//! What every lane of every engine does with a collector: read it, stamp it, and say what could not be read.

use super::collector::{Began, Collector};
use super::layout::Read;
use super::template::is_absent;
use super::{EngineError, Pace, Reading, Visit};
use crate::clock::Clock;
use crate::model::{Epoch, Gap, Name, Part, Place, Rows, Scope, Timestamp, Topic};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What went wrong with one request.
#[derive(Debug)]
pub enum Failure {
    /// The connection is of no more use.
    Lost(EngineError),
    /// This request failed, the next may not.
    Refused {
        message: String,
        /// The world is not as probing found it: an object, a column or a right came or went.
        changed: bool,
        /// It was answered, and there is no room for it.
        no_room: bool,
    },
}

impl Failure {
    pub fn refused(message: impl Into<String>) -> Failure {
        Failure::Refused { message: message.into(), changed: false, no_room: false }
    }

    /// So many rows had come when there was no room for more.
    pub fn no_room(rows: usize) -> Failure {
        Failure::Refused { message: no_room(rows), changed: false, no_room: true }
    }

    pub fn closed() -> Failure {
        Failure::Lost(EngineError::Unreachable("the connection is closed".into()))
    }

    /// What a request brought, `None` when the server refused it. An error means that the connection is gone.
    pub fn forgive<T>(result: Result<T, Failure>) -> Result<Option<T>, EngineError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Failure::Lost(error)) => Err(error),
            Err(Failure::Refused { .. }) => Ok(None),
        }
    }
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> EngineError {
        match failure {
            Failure::Lost(error) => error,
            Failure::Refused { message, .. } => EngineError::Refused(message),
        }
    }
}

/// Who answers now, and when the statistics began that tell no time of their own.
#[derive(Debug, Clone)]
pub struct Identity {
    pub server: Name,
    pub started: Option<Timestamp>,
    /// Of the server's statistics as a whole. A crash restart moves it, which the start time does not show.
    pub statistics: Option<Timestamp>,
    /// Of the statistics of the connected database.
    pub database: Option<Timestamp>,
    /// Of the statistics of statements.
    pub statements: Option<Timestamp>,
}

impl Identity {
    pub fn epoch(&self, began: Began) -> Epoch {
        let reset = match began {
            Began::Statements => self.statements.or(self.statistics),
            Began::Database => self.database.max(self.statistics),
            Began::Rows | Began::Process => None,
        };
        Epoch { server: self.server.clone(), started: self.started, reset, volatile: began == Began::Process }
    }

    /// A part that we made ourselves from what we saw.
    pub fn own_part(&self, clock: Clock, rows: Rows) -> Part {
        Part { taken: clock.now(), epoch: self.epoch(Began::Process), complete: true, rows: Arc::new(rows) }
    }
}

/// The pulse asks who answers this often; the beat asks each time.
const IDENTITY_EVERY: Duration = Duration::from_secs(15);

/// Who answered last, for a lane that does not ask each time.
#[derive(Debug, Default)]
pub struct LastIdentity(Option<(Identity, Instant)>);

impl LastIdentity {
    /// None when it is time to ask again.
    pub fn fresh(&self) -> Option<Identity> {
        let (identity, asked) = self.0.as_ref()?;
        (asked.elapsed() < IDENTITY_EVERY).then(|| identity.clone())
    }

    pub fn keep(&mut self, identity: Identity) -> Identity {
        self.0 = Some((identity.clone(), Instant::now()));
        identity
    }
}

/// Where a lane reads from: its connection and what the engine knows of the server.
pub trait Source: Send {
    /// Runs a collector's SQL and reads its rows into the nouns of `topic`.
    fn read(
        &mut self,
        topic: Topic,
        file: &'static str,
        scope: &Scope,
    ) -> impl Future<Output = Result<Read, Failure>> + Send;
    /// Puts names to the server's ids. Returns how many rows the login may not identify.
    fn understand(&self, rows: &mut Rows, visit: &mut Visit) -> usize;
    fn clock(&self) -> Clock;
    /// How many bytes of rows its readings may bring from now on: what is more is let go as it comes, and refused.
    fn give_room(&mut self, bytes: usize);
    /// Bytes of what it keeps of a place beside the rows.
    fn keeps(&self, _: &Place) -> usize {
        0
    }
    /// Forgets what it keeps of a place.
    fn let_go(&mut self, _: &Place) {}
    /// How long its statements have waited for other lanes so far, which is no answer that the server was slow with.
    fn queued(&self) -> Duration {
        Duration::ZERO
    }
}

/// How long the server has taken since `asked`, when the source had queued for so long.
pub fn took(source: &impl Source, asked: Instant, queued: Duration) -> Duration {
    asked.elapsed().saturating_sub(source.queued().saturating_sub(queued))
}

/// Reads all collectors of a pace that tell of the whole server.
pub async fn collect_all(
    source: &mut impl Source,
    collectors: &'static [Collector],
    pace: Pace,
    identity: &Identity,
    visit: &mut Visit,
) -> Result<(), EngineError> {
    for collector in collectors.iter().filter(|collector| collector.pace == pace) {
        collect(source, collector, identity, &Scope::Server, visit).await?;
    }
    Ok(())
}

/// Reads one collector into the visit. An error means that the connection is gone.
pub async fn collect(
    source: &mut impl Source,
    collector: &Collector,
    identity: &Identity,
    scope: &Scope,
    visit: &mut Visit,
) -> Result<(), EngineError> {
    let (asked, queued) = (Instant::now(), source.queued());
    let read = source.read(collector.topic, collector.file, scope).await;
    let took = took(source, asked, queued);
    visit.cost += took;
    let reading = |success, rows| Reading { topic: collector.topic, took, success, rows };
    match read {
        Ok(Read { mut rows, misfits }) => {
            let hidden = source.understand(&mut rows, visit) + misfits;
            if hidden > 0 {
                let seen = rows.len();
                let why = format!("{hidden} of {} rows are hidden from this login", hidden + seen);
                gap(visit, collector.topic, scope, why);
            }
            visit.readings.push(reading(true, rows.len()));
            let part = Part {
                taken: source.clock().now(),
                epoch: identity.epoch(collector.began),
                complete: hidden == 0,
                rows: Arc::new(rows),
            };
            visit.sample.parts.push((collector.topic, scope.clone(), part));
            Ok(())
        }
        Err(Failure::Lost(error)) => Err(error),
        Err(Failure::Refused { message, no_room, .. }) => {
            // What this version does not have is neither a gap nor a zero.
            if !is_absent(&message) {
                visit.readings.push(reading(false, 0));
                gap(visit, collector.topic, scope, message);
            }
            if no_room {
                visit.sample.dropped.push((collector.topic, scope.clone()));
            }
            Ok(())
        }
    }
}

/// Why what was read is not held: so many rows were read, if not more.
pub fn no_room(rows: usize) -> String {
    format!("its {rows} rows, if not more, find no room in what budget.memory_mib leaves for them")
}

pub fn gap(visit: &mut Visit, topic: Topic, scope: &Scope, reason: String) {
    visit.sample.gaps.push(Gap { topic, scope: scope.clone(), reason });
}
