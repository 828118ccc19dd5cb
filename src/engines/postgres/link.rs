//! A lane's connection, kept, with its prepared statements; and what all lanes of a server share.

use super::connect::{Connection, Failure};
use super::known::Known;
use super::rows::Layout;
use crate::clock::Clock;
use crate::config::Target;
use crate::engine::{EngineError, Lane};
use crate::model::{InTopic, Name, Names, Rows, Topic, TopicVisitor};
use crate::texts::Texts;
use futures_util::TryStreamExt;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Column, Row, Statement};

/// What the lanes of one server share.
#[derive(Debug)]
pub struct Server {
    pub target: Target,
    pub clock: Clock,
    pub names: Mutex<Names>,
    pub oids: Mutex<Oids>,
    pub texts: Mutex<Arc<Texts>>,
    /// The sessions of our own lanes: left out of every number.
    pub own: Mutex<HashMap<Lane, i64>>,
    known: Mutex<Option<Arc<Known>>>,
    /// Set by whoever notices that the server is not as probing found it.
    changed: AtomicBool,
}

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

/// A lock is held for a few instructions and never across an await; a panic elsewhere does not spoil its value.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    pub fn new(target: Target, clock: Clock) -> Self {
        Self {
            target,
            clock,
            names: Mutex::default(),
            oids: Mutex::default(),
            texts: Mutex::default(),
            own: Mutex::default(),
            known: Mutex::default(),
            changed: AtomicBool::new(false),
        }
    }

    pub fn known(&self) -> Option<Arc<Known>> {
        locked(&self.known).clone()
    }

    pub fn oid_of(&self, database: &Name) -> Option<u32> {
        let oids = locked(&self.oids);
        let found = oids.databases.iter().find(|(_, known)| known.name == *database);
        found.and_then(|(oid, _)| u32::try_from(*oid).ok())
    }

    pub fn note_change(&self) {
        self.changed.store(true, Ordering::Relaxed);
    }

    async fn probe(&self, connection: &Connection) -> Result<Arc<Known>, Failure> {
        let url = &self.target.url;
        self.changed.store(false, Ordering::Relaxed);
        let known = Arc::new(Known::probe(connection, &format!("{}:{}", url.host(), url.port())).await?);
        *locked(&self.known) = Some(known.clone());
        Ok(known)
    }
}

#[derive(Debug)]
pub struct Link {
    pub server: Arc<Server>,
    lane: Lane,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    database: Name,
    known: Arc<Known>,
    prepared: HashMap<&'static str, Prepared>,
}

#[derive(Debug)]
struct Prepared {
    statement: Statement,
    layout: Option<Layout>,
}

/// What one collector's SQL brought.
#[derive(Debug)]
pub struct Read {
    pub rows: Rows,
    /// Rows that could not be understood, for the most part because the login may not see them whole.
    pub misfits: usize,
}

impl Link {
    pub fn new(server: Arc<Server>, lane: Lane) -> Self {
        Self { server, lane, open: None }
    }

    pub fn database(&self) -> Option<&Name> {
        self.open.as_ref().map(|open| &open.database)
    }

    /// A connection to `database`, the target's own if none is named, and what is known of the server.
    pub async fn ready(&mut self, database: Option<&Name>) -> Result<Arc<Known>, EngineError> {
        let wanted = database.map_or(self.server.target.url.database(), |name| name.as_str()).to_owned();
        if self
            .open
            .as_ref()
            .is_some_and(|open| *open.database != *wanted || open.connection.client.is_closed())
        {
            self.open = None;
        }
        if self.open.is_none() {
            let connection = Connection::open(&self.server.target, Some(&wanted), self.lane).await?;
            let tag = format!("/* dbsonde {} */", self.lane.name());
            let pid = connection
                .limited(connection.client.query_one(&format!("select {tag} pg_backend_pid()"), &[]))
                .await?;
            locked(&self.server.own).insert(self.lane, pid.try_get::<_, i32>(0).map_or(0, i64::from));
            // Only the beat probes: one asks, all use. Before it has, a lane asks for itself.
            let known = match self.server.known().filter(|_| self.lane != Lane::Beat) {
                Some(known) => known,
                None => self.server.probe(&connection).await?,
            };
            if known.has_jit {
                // Compiling our statements would cost more than running them; unknown to 10, so not a start-up option.
                connection.limited(connection.client.batch_execute(&format!("set {tag} jit = off"))).await?;
            }
            self.open =
                Some(Open { connection, database: Name::new(&wanted), known, prepared: HashMap::new() });
        }
        let Some(open) = &mut self.open else { return Err(EngineError::Unreachable("not connected".into())) };
        let current = match self.server.known() {
            Some(known) if !(self.lane == Lane::Beat && self.server.changed.load(Ordering::Relaxed)) => known,
            _ => self.server.probe(&open.connection).await?,
        };
        if !Arc::ptr_eq(&current, &open.known) {
            open.known = current;
            open.prepared.clear();
        }
        Ok(open.known.clone())
    }

    /// Runs a collector's SQL and reads its rows into the nouns of `topic`.
    pub async fn read(&mut self, topic: Topic, file: &'static str) -> Result<Read, Failure> {
        self.read_with(topic, file, &[]).await
    }

    pub async fn read_with(
        &mut self,
        topic: Topic,
        file: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Read, Failure> {
        let Some(open) = &mut self.open else { return Err(lost()) };
        let read = open.read(&self.server, topic, file, parameters).await;
        self.keep_if_alive(read)
    }

    /// Runs a tool's SQL.
    pub async fn ask(
        &mut self,
        file: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let Some(open) = &mut self.open else { return Err(lost()) };
        let answer = open.ask(file, parameters).await;
        self.keep_if_alive(answer)
    }

    fn keep_if_alive<T>(&mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure) = &result {
            match failure {
                Failure::Lost(_) => self.open = None,
                refused if refused.means_change() => self.server.note_change(),
                Failure::Refused { .. } => {}
            }
        }
        result
    }
}

fn lost() -> Failure {
    Failure::Lost(EngineError::Unreachable("the connection is closed".into()))
}

impl Open {
    async fn prepare(&mut self, file: &'static str) -> Result<&mut Prepared, Failure> {
        if !self.prepared.contains_key(file) {
            let sql = self.known.sql(file).map_err(|lack| Failure::Refused {
                code: tokio_postgres::error::SqlState::UNDEFINED_OBJECT,
                message: lack.to_owned(),
            })?;
            let statement = self.connection.limited(self.connection.client.prepare(sql)).await?;
            self.prepared.insert(file, Prepared { statement, layout: None });
        }
        self.prepared.get_mut(file).ok_or_else(lost)
    }

    async fn ask(
        &mut self,
        file: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let statement = self.prepare(file).await?.statement.clone();
        self.connection.limited(self.connection.client.query(&statement, parameters)).await
    }

    async fn read(
        &mut self,
        server: &Server,
        topic: Topic,
        file: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Read, Failure> {
        let block_size = self.known.block_size;
        let prepared = self.prepare(file).await?;
        let statement = prepared.statement.clone();
        let layout = match prepared.layout.take() {
            Some(layout) => layout,
            None => {
                topic.visit(Laying { columns: statement.columns(), block_size }).map_err(Failure::Lost)?
            }
        };
        let mut decoder = topic.visit(Decoding);
        let database = self.database.clone();
        let streamed = async {
            let parameters = parameters.iter().copied();
            let stream = self.connection.client.query_raw(&statement, parameters).await?;
            let mut stream = pin!(stream);
            while let Some(row) = stream.try_next().await? {
                decoder.row(&row, &layout, &database, &mut locked(&server.names));
            }
            Ok(())
        };
        let outcome = self.connection.limited(streamed).await;
        if let Some(prepared) = self.prepared.get_mut(file) {
            prepared.layout = Some(layout);
        }
        outcome.map(|()| decoder.finish())
    }
}

struct Laying<'a> {
    columns: &'a [Column],
    block_size: f64,
}

impl TopicVisitor for Laying<'_> {
    type Out = Result<Layout, EngineError>;
    fn visit<N: InTopic>(self) -> Self::Out {
        Layout::of::<N>(self.columns, self.block_size)
    }
}

/// Rows become nouns as they arrive: the driver's form of 20,000 of them would weigh more than ours.
trait Decode: Send {
    fn row(&mut self, row: &Row, layout: &Layout, database: &str, names: &mut Names);
    fn finish(self: Box<Self>) -> Read;
}

struct Decoding;

impl TopicVisitor for Decoding {
    type Out = Box<dyn Decode>;
    fn visit<N: InTopic>(self) -> Self::Out {
        Box::new(Decoder::<N> { rows: Vec::new(), misfits: 0 })
    }
}

struct Decoder<N> {
    rows: Vec<N>,
    misfits: usize,
}

impl<N: InTopic> Decode for Decoder<N> {
    fn row(&mut self, row: &Row, layout: &Layout, database: &str, names: &mut Names) {
        match layout.read::<N>(row, database, names) {
            Ok(row) => self.rows.push(row),
            Err(_) => self.misfits += 1,
        }
    }

    fn finish(mut self: Box<Self>) -> Read {
        self.rows.sort_unstable_by_key(N::key);
        self.rows.shrink_to_fit();
        Read { rows: N::into_rows(self.rows), misfits: self.misfits }
    }
}
