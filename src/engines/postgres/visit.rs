//! Who answers, and what the rows of PostgreSQL mean: names for oids, digests for the server's ids.

use super::known::Known;
use super::link::{Link, Server, locked};
use crate::clock::Clock;
use crate::engine::layout::Read;
use crate::engine::reading::{Failure, Identity, Source};
use crate::engine::shared::name_statements;
use crate::engine::{EngineError, Visit};
use crate::model::{Name, Rows, Scope, Statement, Timestamp, Topic};
use tokio_postgres::Row;

pub async fn ask_identity(link: &mut Link, known: &Known) -> Result<Identity, EngineError> {
    let rows = link.ask("identity", &[]).await?;
    let Some(row) = rows.first() else { return Err(EngineError::Unreachable("no identity".into())) };
    let role = if row.try_get("in_recovery").unwrap_or_default() { "standby" } else { "primary" };
    let number = |column| row.try_get::<_, i64>(column).map_or_else(|_| "?".to_owned(), |n| n.to_string());
    let timeline = row.try_get::<_, i32>("timeline").map_or_else(|_| "?".to_owned(), |n| n.to_string());
    let server = format!("{} timeline {timeline} {role} at {}", number("system_identifier"), known.address);
    Ok(Identity {
        server: Name::new(&server),
        started: time(row, "started"),
        statistics: time(row, "stats_reset"),
        database: None,
        statements: None,
    })
}

/// A timestamptz as Unix seconds.
pub fn time(row: &Row, column: &str) -> Option<Timestamp> {
    let at: Option<std::time::SystemTime> = row.try_get(column).ok()?;
    let since = at?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::new(since.as_secs_f64()))
}

impl Source for Link {
    /// A connection sees one database; whoever asks for another has moved there before.
    async fn read(&mut self, topic: Topic, file: &'static str, _: &Scope) -> Result<Read, Failure> {
        self.read_with(topic, file, &[]).await
    }

    fn understand(&self, rows: &mut Rows, visit: &mut Visit) -> usize {
        understand(rows, &self.server, visit)
    }

    fn clock(&self) -> Clock {
        self.server.clock
    }
}

fn understand(rows: &mut Rows, server: &Server, visit: &mut Visit) -> usize {
    match rows {
        Rows::Statements(rows) => statements(rows, server, visit),
        Rows::Sessions(rows) => {
            rows.retain(|row| !server.is_own(row.pid));
            let oids = locked(&server.memory);
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
    let oids = locked(&server.memory);
    let before = rows.len();
    rows.retain(|row| row.server_digest.is_some());
    let hidden = before - rows.len();
    for row in rows.iter_mut() {
        row.database = oids.databases.get(&row.dbid).map(|database| database.name.clone());
        row.user = oids.roles.get(&row.userid).cloned();
    }
    name_statements(rows, &server.texts(), visit);
    hidden
}

fn database(server: &Server, oid: Option<i64>) -> Option<Name> {
    locked(&server.memory).databases.get(&oid?).map(|database| database.name.clone())
}
