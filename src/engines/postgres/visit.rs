//! Who answers, and what the rows of PostgreSQL mean: names for oids, digests for the server's ids.

use super::known::Known;
use super::link::{Link, Server, locked};
use crate::clock::Clock;
use crate::engine::layout::Read;
use crate::engine::presence;
use crate::engine::reading::{Failure, Identity, Source};
use crate::engine::shared::name_statements;
use crate::engine::{EngineError, Visit};
use crate::model::{Name, Rows, Scope, Session, Statement, Timestamp, Topic};
use crate::remark;
use crate::texts::Known as Text;
use std::time::Duration;
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

    fn give_room(&mut self, bytes: usize) {
        self.room = bytes;
    }

    fn queued(&self) -> Duration {
        self.has_queued()
    }
}

fn understand(rows: &mut Rows, server: &Server, visit: &mut Visit) -> usize {
    match rows {
        Rows::Statements(rows) => statements(rows, server, visit),
        Rows::Sessions(rows) => {
            recognise_own(rows, server);
            rows.iter_mut().for_each(presence::note);
            rows.retain(|row| !server.is_own(row.pid) && !presence::is_ours(row, &server.target));
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
        Rows::Remarks(rows) => {
            remark::understand(rows);
            0
        }
        Rows::Progress(rows) => {
            rows.iter_mut().for_each(|row| row.database = database(server, row.dbid));
            0
        }
        _ => 0,
    }
}

/// Where texts may not be read, our own statements are known by what the server says of our own sessions: its id of
/// what each runs, or ran last. The pulse looks every second, so what costs most is found soonest. 14 and later.
fn recognise_own(sessions: &[Session], server: &Server) {
    let (own, application) = (locked(&server.own).clone(), presence::application(&server.target));
    for (lane, pid) in own {
        // A number that we had may be somebody else's by now, while a lane is not connected.
        let ours =
            |row: &&Session| row.pid == pid && row.application.as_deref() == Some(application.as_str());
        let id = sessions.iter().find(ours).and_then(|row| row.server_digest);
        if let Some(id) = id.filter(|id| server.texts().known(*id).is_none()) {
            server.teach(|texts| texts.learn(id, Text::Ours(lane), None));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Lane;
    use crate::model::{Cell, Names, Noun};

    fn session(pid: i64, application: &str, id: i64) -> Session {
        let mut names = Names::default();
        let mut cell = |nth: usize| match Session::COLUMNS[nth] {
            "pid" => Cell::Int(pid),
            "application" => Cell::Text(application.into()),
            "server_digest" => Cell::Int(id),
            _ => Cell::Null,
        };
        Session::read(&mut cell, &mut names).unwrap()
    }

    #[test]
    fn our_statements_are_known_by_our_sessions() {
        let config =
            crate::config::Config::from_text("[[target]]\nurl = \"postgres://u@h/db\"\n", "test").unwrap();
        let server = Server::new(config.target[0].clone(), Clock::start());
        locked(&server.own).extend([(Lane::Beat, 10), (Lane::Roam, 11)]);
        let mut rows = Rows::Sessions(vec![
            session(10, "dbsonde", 1),
            session(11, "somebody with an old number of ours", 2),
            session(12, "dbsonde", 3),
        ]);
        understand(&mut rows, &server, &mut Visit::default());
        assert_eq!(server.texts().known(1), Some(Text::Ours(Lane::Beat)));
        assert_eq!((server.texts().known(2), server.texts().known(3)), (None, None));
        assert_eq!(rows.len(), 1, "what carries a number of ours is left out");
    }
}
