//! What every lane does with a collector: read it, stamp it, and say what could not be read.

use super::collectors::{Began, Collector};
use super::connect::Failure;
use super::known::Known;
use super::link::{Link, Read, Server, locked};
use crate::engine::{EngineError, Reading, Visit};
use crate::model::{Epoch, Gap, Name, Part, Rows, Scope, Statement, Timestamp, Topic};
use crate::texts::Known as Text;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::Row;

/// Who answers now, and when the statistics began that tell no time of their own.
#[derive(Debug, Clone)]
pub struct Identity {
    pub server: Name,
    pub started: Option<Timestamp>,
    /// Of the server's statistics as a whole. A crash restart moves it, which the start time does not show.
    pub statistics: Option<Timestamp>,
    /// Of the statistics of the connected database.
    pub database: Option<Timestamp>,
    /// Of pg_stat_statements.
    pub statements: Option<Timestamp>,
}

impl Identity {
    pub async fn ask(link: &mut Link, known: &Known) -> Result<Identity, EngineError> {
        let rows = link.ask("identity", &[]).await?;
        let Some(row) = rows.first() else { return Err(EngineError::Unreachable("no identity".into())) };
        let role = if row.try_get("in_recovery").unwrap_or_default() { "standby" } else { "primary" };
        let number =
            |column| row.try_get::<_, i64>(column).map_or_else(|_| "?".to_owned(), |n| n.to_string());
        let timeline = row.try_get::<_, i32>("timeline").map_or_else(|_| "?".to_owned(), |n| n.to_string());
        let server =
            format!("{} timeline {timeline} {role} at {}", number("system_identifier"), known.address);
        Ok(Identity {
            server: Name::new(&server),
            started: time(row, "started"),
            statistics: time(row, "stats_reset"),
            database: None,
            statements: None,
        })
    }

    pub fn epoch(&self, began: Began) -> Epoch {
        let reset = match began {
            Began::Statements => self.statements.or(self.statistics),
            Began::Database => self.database.max(self.statistics),
            Began::Rows | Began::Process => None,
        };
        Epoch { server: self.server.clone(), started: self.started, reset, volatile: began == Began::Process }
    }
}

/// A timestamptz as Unix seconds.
pub fn time(row: &Row, column: &str) -> Option<Timestamp> {
    let at: Option<std::time::SystemTime> = row.try_get(column).ok()?;
    let since = at?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::new(since.as_secs_f64()))
}

/// Reads one collector into the visit. An error means that the connection is gone.
pub async fn collect(
    link: &mut Link,
    collector: &Collector,
    identity: &Identity,
    scope: &Scope,
    visit: &mut Visit,
) -> Result<(), EngineError> {
    let asked = Instant::now();
    let read = link.read(collector.topic, collector.file).await;
    let took = asked.elapsed();
    visit.cost += took;
    let reading = |success, rows| Reading { topic: collector.topic, took, success, rows };
    match read {
        Ok(Read { mut rows, misfits }) => {
            let hidden = understand(&mut rows, &link.server, visit) + misfits;
            if hidden > 0 {
                let seen = rows.len();
                let why = format!("{hidden} of {} rows are hidden from this login", hidden + seen);
                gap(visit, collector.topic, scope, why);
            }
            visit.readings.push(reading(true, rows.len()));
            let part = Part {
                taken: link.server.clock.now(),
                epoch: identity.epoch(collector.began),
                complete: hidden == 0,
                rows: Arc::new(rows),
            };
            visit.sample.parts.push((collector.topic, scope.clone(), part));
            Ok(())
        }
        Err(Failure::Lost(error)) => Err(error),
        Err(Failure::Refused { message, .. }) => {
            // What this version does not have is neither a gap nor a zero.
            if !message.ends_with("does not exist on this server") {
                visit.readings.push(reading(false, 0));
                gap(visit, collector.topic, scope, message);
            }
            Ok(())
        }
    }
}

pub fn gap(visit: &mut Visit, topic: Topic, scope: &Scope, reason: String) {
    visit.sample.gaps.push(Gap { topic, scope: scope.clone(), reason });
}

/// A part that we made ourselves from what we saw.
pub fn own_part(server: &Server, identity: &Identity, rows: Rows) -> Part {
    Part {
        taken: server.clock.now(),
        epoch: identity.epoch(Began::Process),
        complete: true,
        rows: Arc::new(rows),
    }
}

/// Puts names to oids and digests to the server's ids. Returns how many rows the login may not identify.
fn understand(rows: &mut Rows, server: &Server, visit: &mut Visit) -> usize {
    match rows {
        Rows::Statements(rows) => statements(rows, server, visit),
        Rows::Sessions(rows) => {
            let own = locked(&server.own);
            rows.retain(|row| !own.values().any(|pid| *pid == row.pid));
            let oids = locked(&server.oids);
            for row in rows {
                row.database =
                    row.dbid.and_then(|oid| oids.databases.get(&oid)).map(|found| found.name.clone());
                row.user = row.userid.and_then(|oid| oids.roles.get(&oid)).cloned();
            }
            0
        }
        Rows::PreparedTransactions(rows) => {
            rows.iter_mut().for_each(|row| row.database = database(server, Some(row.dbid)));
            0
        }
        Rows::Progress(rows) => {
            rows.iter_mut().for_each(|row| row.database = database(server, row.dbid));
            0
        }
        _ => 0,
    }
}

fn statements(rows: &mut Vec<Statement>, server: &Server, visit: &mut Visit) -> usize {
    let texts = locked(&server.texts).clone();
    let oids = locked(&server.oids);
    let before = rows.len();
    rows.retain(|row| row.server_digest.is_some());
    let hidden = before - rows.len();
    let mut own = [Duration::ZERO; 3];
    rows.retain_mut(|row| {
        row.database = oids.databases.get(&row.dbid).map(|database| database.name.clone());
        row.user = oids.roles.get(&row.userid).cloned();
        match row.server_digest.and_then(|id| texts.known(id)) {
            Some(Text::Ours(lane)) => {
                let spent = Duration::try_from_secs_f64(row.exec_seconds.float()).unwrap_or_default();
                if let Some(sum) = own.get_mut(lane as usize) {
                    *sum += spent;
                }
                return false;
            }
            Some(Text::Digest(digest)) => row.digest = Some(digest),
            Some(Text::Unnamed) | None => {}
        }
        true
    });
    visit.told_cost = Some(own);
    hidden
}

fn database(server: &Server, oid: Option<i64>) -> Option<Name> {
    locked(&server.oids).databases.get(&oid?).map(|database| database.name.clone())
}
