//! A lane's connection, kept, with its prepared statements; and what all lanes of a server share.

use super::connect::Connection;
use super::known::Known;
use super::places::Places;
use crate::config::Place;
use crate::engine::collector::TAG;
use crate::engine::layout::{Layout, Read, decoder};
use crate::engine::reading::Failure;
use crate::engine::shared::Shared;
pub use crate::engine::shared::locked;
use crate::engine::{EngineError, Lane};
use crate::model::{Name, Topic};
use futures_util::TryStreamExt;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Column, Row, Statement};

/// What the lanes of one server share.
pub type Server = Shared<Known, Oids>;

/// What the oids of databases and roles stand for.
#[derive(Debug, Default)]
pub struct Oids {
    pub databases: HashMap<i64, Database>,
    pub roles: HashMap<i64, Name>,
}

#[derive(Debug, Clone)]
pub struct Database {
    pub name: Name,
    /// May our login connect to it?
    pub enterable: bool,
}

impl Oids {
    pub fn oid_of(&self, database: &Name) -> Option<u32> {
        let found = self.databases.iter().find(|(_, known)| known.name == *database);
        found.and_then(|(oid, _)| u32::try_from(*oid).ok())
    }
}

async fn probe(server: &Server, connection: &Connection, place: usize) -> Result<Arc<Known>, Failure> {
    server.probing();
    let address = server.target.url.places().get(place).map(Place::to_string).unwrap_or_default();
    Ok(server.learn(Known::probe(connection, &address).await?))
}

#[derive(Debug)]
pub struct Link {
    pub server: Arc<Server>,
    places: Arc<Places>,
    lane: Lane,
    /// Bytes of rows that a reading may bring.
    pub room: usize,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// Which of the target's places it is connected to.
    place: usize,
    database: Name,
    known: Arc<Known>,
    /// The mark of our lane.
    tag: String,
    prepared: HashMap<&'static str, Prepared>,
}

#[derive(Debug)]
struct Prepared {
    statement: Statement,
    layout: Option<Layout>,
}

impl Link {
    pub fn new(server: Arc<Server>, places: Arc<Places>, lane: Lane) -> Self {
        Self { server, places, lane, room: usize::MAX, open: None }
    }

    /// How long the statements of this connection have waited for their turn.
    pub fn has_queued(&self) -> Duration {
        self.open.as_ref().map(|open| open.connection.queued()).unwrap_or_default()
    }

    pub fn database(&self) -> Option<&Name> {
        self.open.as_ref().map(|open| &open.database)
    }

    /// When the certificate of the server ends, as Unix seconds.
    pub fn certificate_expires(&self) -> Option<f64> {
        self.open.as_ref().and_then(|open| open.connection.certificate_expires())
    }

    /// A connection to `database`, the target's own if none is named, and what is known of the server.
    pub async fn ready(&mut self, database: Option<&Name>) -> Result<Arc<Known>, EngineError> {
        let wanted = database.map_or(self.server.target.url.database(), |name| name.as_str()).to_owned();
        let place = self.places.current();
        let is_elsewhere = |open: &Open| {
            // When the beat has moved on to another server, so do the others.
            *open.database != *wanted || place.is_some_and(|place| place != open.place)
        };
        if self.open.as_ref().is_some_and(|open| is_elsewhere(open) || open.connection.client.is_closed()) {
            self.open = None;
        }
        if self.open.is_none() {
            let (connection, place) = self.places.enter(&wanted, self.lane).await?;
            locked(&self.server.own).insert(self.lane, connection.session.pid);
            // Only the beat probes: one asks, all use. Before it has, a lane asks for itself.
            let known = match self.server.known().filter(|_| self.lane != Lane::Beat) {
                Some(known) => known,
                None => probe(&self.server, &connection, place).await?,
            };
            if known.has_jit {
                // Compiling our statements would cost more than running them; unknown to 10, so not a start-up option.
                connection
                    .limited(
                        connection
                            .client
                            .batch_execute(&format!("set /* dbsonde {} */ jit = off", self.lane.name())),
                    )
                    .await?;
            }
            self.open = Some(Open {
                connection,
                place,
                database: Name::new(&wanted),
                known,
                tag: format!("/* dbsonde {} */", self.lane.name()),
                prepared: HashMap::new(),
            });
        }
        let Some(open) = &mut self.open else { return Err(EngineError::Unreachable("not connected".into())) };
        let current = match self.server.believed(self.lane) {
            Some(known) => known,
            None => probe(&self.server, &open.connection, open.place).await?,
        };
        if !Arc::ptr_eq(&current, &open.known) {
            open.known = current;
            open.prepared.clear();
        }
        Ok(open.known.clone())
    }

    /// May we leave for another database? Behind a lock on a catalogue nobody could get in there, and would wait.
    pub async fn may_move_to(&mut self, database: &Name) -> Result<bool, EngineError> {
        let can_ask = |open: &&Open| open.known.repertoire.sql("catalogue_locks").is_ok();
        if self.open.as_ref().filter(can_ask).is_none_or(|open| *open.database == **database) {
            return Ok(true);
        }
        let there = locked(&self.server.memory).oid_of(database).unwrap_or_default();
        let answer = Failure::forgive(self.ask("catalogue_locks", &[&there]).await)?;
        let locked = answer.as_ref().and_then(|rows| rows.first()?.try_get("is_locked").ok());
        Ok(!locked.unwrap_or(answer.is_none()))
    }

    /// Runs a collector's SQL and reads its rows into the nouns of `topic`.
    pub async fn read_with(
        &mut self,
        topic: Topic,
        file: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Read, Failure> {
        let Some(open) = &mut self.open else { return Err(Failure::closed()) };
        let read = open.read(&self.server, topic, file, parameters, self.room).await;
        self.keep_if_alive(read)
    }

    /// Runs a tool's SQL.
    pub async fn ask(
        &mut self,
        file: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let Some(open) = &mut self.open else { return Err(Failure::closed()) };
        let answer = open.ask(file, parameters).await;
        self.keep_if_alive(answer)
    }

    /// Runs a command that brings no rows, as a message of its own.
    pub async fn say(&mut self, command: &str) -> Result<(), Failure> {
        let Some(open) = &mut self.open else { return Err(Failure::closed()) };
        let said = open.connection.limited(open.connection.client.batch_execute(command)).await;
        self.keep_if_alive(said)
    }

    fn keep_if_alive<T>(&mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure) = &result {
            match failure {
                Failure::Lost(_) => self.open = None,
                Failure::Refused { changed: true, .. } => self.server.note_change(),
                Failure::Refused { .. } => {}
            }
        }
        result
    }
}

impl Open {
    async fn prepare(&mut self, file: &'static str) -> Result<&mut Prepared, Failure> {
        if !self.prepared.contains_key(file) {
            let sql = self.known.repertoire.sql(file).map_err(Failure::refused)?.replace(TAG, &self.tag);
            let statement = self.connection.limited(self.connection.client.prepare(&sql)).await?;
            self.prepared.insert(file, Prepared { statement, layout: None });
        }
        self.prepared.get_mut(file).ok_or_else(Failure::closed)
    }

    async fn ask(
        &mut self,
        file: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let statement = self.prepare(file).await?.statement.clone();
        self.connection.rows(&statement, parameters).await
    }

    async fn read(
        &mut self,
        server: &Server,
        topic: Topic,
        file: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
        room: usize,
    ) -> Result<Read, Failure> {
        let block_size = self.known.block_size;
        let prepared = self.prepare(file).await?;
        let statement = prepared.statement.clone();
        let layout = match prepared.layout.take() {
            Some(layout) => layout,
            None => {
                let aliases = statement.columns().iter().map(Column::name);
                Layout::of(topic, aliases, block_size).map_err(Failure::Lost)?
            }
        };
        let mut decoder = decoder(topic, room);
        let database = self.database.clone();
        let streamed = async {
            let parameters = parameters.iter().copied();
            let stream = self.connection.client.query_raw(&statement, parameters).await?;
            let mut stream = pin!(stream);
            while let Some(row) = stream.try_next().await? {
                // What finds no room is read on to its end: the next answer comes behind it.
                decoder.row(&row, &layout, &database, &mut locked(&server.names));
            }
            Ok(())
        };
        let outcome = self.connection.limited(streamed).await;
        if let Some(prepared) = self.prepared.get_mut(file) {
            prepared.layout = Some(layout);
        }
        outcome.and_then(|()| decoder.finish())
    }
}
