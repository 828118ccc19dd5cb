//! A lane's connection, kept, and what all lanes of a server share.

use super::answer::{Column, Named, TextRow};
use super::columns::Columns;
use super::connect::{Connection, Sink};
use super::digests::Digests;
use super::door::Door;
use super::elsewhere::Elsewhere;
use super::known::{Known, tagged};
use super::latencies::{Latencies, Packed, Wanted};
use super::life::Life;
use super::numbering::Numbering;
use super::pieces::Pieces;
use super::pivot::Pivot;
use super::receiver;
use super::reread::Reread;
use super::scene::Scene;
use super::survey::Survey;
use crate::engine::layout::{Decode, Layout, Read, decoder};
use crate::engine::reading::Failure;
use crate::engine::shared::{Shared, locked};
use crate::engine::{EngineError, Lane};
use crate::model::{BinaryLog, Bytes, Count, InTopic, Level, Name, Names, Scope, Topic};
use crate::script::mysql::identifier;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// While something is lacking it is looked again whether it still is.
const LACKS_FOR: Duration = Duration::from_secs(120);

/// What the lanes of one server share.
#[derive(Debug)]
pub struct Server {
    pub shared: Shared<Known, Memory>,
    pub door: Door,
}

/// What the lanes of one server have found out beside what probing tells.
#[derive(Debug, Default)]
pub struct Memory {
    pub life: Life,
    /// How often a statement was run that had been prepared.
    pub executes: u64,
    /// Does it copy another server?
    pub has_source: Option<bool>,
    /// The statements that took most time lately, as the beat saw it: how long they take, the roaming lane looks up.
    pub dear: Vec<(Wanted, u64)>,
    pub latencies: Latencies,
}

#[derive(Debug)]
pub struct Link {
    pub server: Arc<Server>,
    /// What the pulse sees beside the sessions themselves.
    pub scene: Scene,
    /// The sessions of processes of our kind, and what these are called.
    pub watchers: HashMap<i64, Name>,
    /// What the roaming lane knows of a schema beside the statistics of its tables.
    pub survey: Survey,
    pub elsewhere: Elsewhere,
    pub numbering: Numbering,
    pub columns: Columns,
    pub pieces: Pieces,
    /// The server's own names of statements, by the numbers that stand for them.
    pub server_digests: HashMap<i64, Packed>,
    pub reread: Reread,
    /// The server's clock when the visit began, in whole seconds.
    pub clock: Option<f64>,
    /// The last answer of names and values, until all its topics have told.
    pub pivot: Option<Pivot>,
    /// What the server copies, as it was read to know its role: the same visit tells of it.
    pub sources: Option<Vec<Named>>,
    /// Bytes of rows that a reading may bring.
    pub room: usize,
    lane: Lane,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    known: Arc<Known>,
    probed: Instant,
    layouts: HashMap<&'static str, Layout>,
}

impl Link {
    pub fn new(server: Arc<Server>, lane: Lane) -> Self {
        let (scene, watchers, survey, elsewhere, numbering, columns, server_digests) = Default::default();
        let (pieces, reread, clock, pivot, sources, open) = Default::default();
        Self {
            server,
            scene,
            watchers,
            survey,
            elsewhere,
            numbering,
            columns,
            pieces,
            server_digests,
            reread,
            clock,
            pivot,
            sources,
            room: usize::MAX,
            lane,
            open,
        }
    }

    /// A connection, and what is known of the server.
    pub async fn ready(&mut self) -> Result<Arc<Known>, EngineError> {
        let Server { shared, door } = &*self.server;
        if self.open.as_ref().is_some_and(|open| open.connection.is_spoilt()) {
            self.open = None;
        }
        if self.open.is_none() {
            let mut connection = Connection::open(&shared.target, door, self.lane).await?;
            self.end_last(&mut connection).await?;
            locked(&shared.own).insert(self.lane, connection.id());
            let known = match shared.known().filter(|_| self.lane != Lane::Beat) {
                Some(known) => known,
                None => probe(shared, &mut connection).await?,
            };
            self.open = Some(Open { connection, known, probed: Instant::now(), layouts: HashMap::new() });
        }
        let Some(open) = &mut self.open else { return Err(EngineError::Unreachable("not connected".into())) };
        // What is granted later says nothing: nobody asks any more for what was refused.
        if self.lane == Lane::Beat && !open.known.facts.lacks.is_empty() && open.probed.elapsed() >= LACKS_FOR
        {
            open.probed = Instant::now();
            if open.known.may_have_gained(&mut open.connection).await? {
                shared.note_change();
            }
        }
        let current = match shared.believed(self.lane) {
            Some(known) => known,
            None => probe(shared, &mut open.connection).await?,
        };
        if !Arc::ptr_eq(&current, &open.known) {
            open.probed = Instant::now();
            open.known = current;
            open.layouts.clear();
        }
        Ok(open.known.clone())
    }

    pub fn lane(&self) -> Lane {
        self.lane
    }

    pub fn certificate_expires(&self) -> Option<f64> {
        self.open.as_ref().and_then(|open| open.connection.certificate_expires())
    }

    /// A connection that was given up may still run its last statement; whoever comes next ends it.
    async fn end_last(&self, connection: &mut Connection) -> Result<(), EngineError> {
        let last = locked(&self.server.shared.own).remove(&self.lane);
        let Some(id) = last else { return Ok(()) };
        // After a restart its number may be somebody else's, whose statement does not bear our mark.
        let find = format!(
            "select /* dbsonde {lane} */ id as dbsonde_{lane} from information_schema.processlist \
             where id = {id} and info like '%/* dbsonde {lane} */%'",
            lane = self.lane.name()
        );
        let mut found: Vec<Named> = Vec::new();
        Failure::forgive(connection.run(&mut found, &find).await)?;
        if !found.is_empty() {
            Failure::forgive(connection.run(&mut Vec::<Named>::new(), &format!("kill {id}")).await)?;
        }
        Ok(())
    }

    /// Runs a tool's SQL.
    pub async fn ask(&mut self, file: &'static str) -> Result<Vec<Named>, Failure> {
        let mut rows = Vec::new();
        self.run_in(&mut rows, file, &Scope::Server).await?;
        Ok(rows)
    }

    /// The same, with what stands for each `{name}` in it.
    pub async fn ask_with(
        &mut self,
        file: &'static str,
        fill: &[(&str, &str)],
    ) -> Result<Vec<Named>, Failure> {
        let sql = self.sql(file, &Scope::Server)?;
        let sql = fill.iter().fold(sql, |sql, (name, value)| sql.replace(name, value));
        let mut rows = Vec::new();
        self.send(&mut rows, &sql).await?;
        Ok(rows)
    }

    /// Forgets what it knew of a schema that is no more.
    pub fn forget(&mut self, schema: &Name) {
        self.survey.forget(schema);
        self.elsewhere.forget(schema);
        self.numbering.forget(schema);
        self.columns.forget(schema);
        self.pieces.forget(schema);
    }

    /// Does the server know its tables without opening them?
    pub fn has_dictionary(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.known.has_dictionary)
    }

    /// Bytes of a whole page of InnoDB.
    pub fn page_size(&self) -> f64 {
        self.open.as_ref().map_or(0.0, |open| open.known.page_size)
    }

    /// Are statements that were prepared in the protocol counted by none of its digests?
    pub fn digests_no_executes(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.known.is_mariadb)
    }

    /// Why not all events of the server may be shown to us.
    pub fn hides_events(&self) -> Option<String> {
        self.open.as_ref()?.known.hides_events.clone()
    }

    /// What the last answer weighed, and how much of one we hold.
    pub fn weighed(&self) -> (usize, usize) {
        self.open.as_ref().map_or((0, 0), |open| open.connection.weighed())
    }

    /// Why a file's SQL cannot be run here.
    pub fn lack(&self, file: &'static str) -> Option<String> {
        let open = self.open.as_ref()?;
        open.known.repertoire.sql(file).err().map(str::to_owned)
    }

    /// The tables of a schema that are open and used by nobody now: to ask about these opens none.
    pub async fn open_tables(&mut self, schema: &str) -> Result<Vec<String>, Failure> {
        let mut rows: Vec<Named> = Vec::new();
        // Some 0.1 ms, at most `table_open_cache` rows; the lock of the cache is held while they are copied.
        let sql = format!(
            "show open tables from {} where in_use = 0 and (select 0 as dbsonde_{}) = 0",
            identifier(schema),
            self.lane.name()
        );
        self.send(&mut rows, &sql).await?;
        Ok(rows.iter().filter_map(|row| row.text("Table").map(str::to_owned)).collect())
    }

    /// Runs a file's SQL in a scope.
    pub async fn run_in(
        &mut self,
        sink: &mut impl Sink,
        file: &'static str,
        scope: &Scope,
    ) -> Result<(), Failure> {
        if let Scope::Database(schema) = scope {
            return self.run_in_schema(sink, file, schema).await;
        }
        let sql = self.reread.fill(&self.sql(file, scope)?);
        self.send(sink, &sql).await
    }

    /// Runs a file's SQL for some tables of a schema, each by its name: servers without a dictionary understand
    /// only an equality, else they open every table.
    pub async fn run_of_tables(
        &mut self,
        sink: &mut impl Sink,
        file: &'static str,
        schema: &Name,
        tables: &[String],
    ) -> Result<(), Failure> {
        if tables.is_empty() {
            return Ok(());
        }
        let sql = self.sql(file, &Scope::Database(schema.clone()))?;
        let of = |table: &String| {
            let condition = format!("and table_name = {}", literal(table));
            format!("({})", sql.replace("{of_table}", &condition))
        };
        let each: Vec<String> = tables.iter().map(of).collect();
        self.send(sink, &each.join(" union all ")).await
    }

    /// Runs a file's SQL for some statements, by their keys.
    pub async fn ask_each(&mut self, file: &'static str, wanted: &[Wanted]) -> Result<Vec<Named>, Failure> {
        let sql = self.sql(file, &Scope::Server)?;
        let (mut pairs, mut alone) = (Vec::new(), Vec::new());
        for Wanted { schema, server_digest, .. } in wanted {
            match &**schema {
                "" => alone.push(format!("'{server_digest}'")),
                schema => pairs.push(format!("({}, '{server_digest}')", literal(schema))),
            }
        }
        // No list may be empty.
        let or = |list: Vec<String>, none: &str| if list.is_empty() { none.into() } else { list.join(", ") };
        let sql = sql.replace("{in_schemas}", &or(pairs, "('', '')")).replace("{in_none}", &or(alone, "''"));
        let mut rows = Vec::new();
        if !wanted.is_empty() {
            self.send(&mut rows, &sql).await?;
        }
        Ok(rows)
    }

    pub fn sql(&self, file: &'static str, scope: &Scope) -> Result<String, Failure> {
        let Some(open) = &self.open else { return Err(Failure::closed()) };
        let sql = open.known.repertoire.sql(file).map_err(Failure::refused)?;
        let sql = tagged(sql, self.lane);
        Ok(match scope {
            Scope::Server => sql,
            Scope::Database(name) => sql.replace("{database}", &literal(name)),
        })
    }

    pub async fn send(&mut self, sink: &mut impl Sink, sql: &str) -> Result<(), Failure> {
        let Some(open) = &mut self.open else { return Err(Failure::closed()) };
        let result = open.connection.run(sink, sql).await;
        match &result {
            Err(Failure::Lost(_)) => self.open = None,
            Err(Failure::Refused { changed: true, .. }) => self.server.shared.note_change(),
            _ => {}
        }
        result
    }

    /// Runs a collector's SQL and reads its rows into the nouns of `topic`.
    pub async fn read_in(
        &mut self,
        topic: Topic,
        file: &'static str,
        scope: &Scope,
    ) -> Result<Read, Failure> {
        self.read_of(topic, file, scope, None).await
    }

    /// The same of some tables alone.
    pub async fn read_of(
        &mut self,
        topic: Topic,
        file: &'static str,
        scope: &Scope,
        tables: Option<&[String]>,
    ) -> Result<Read, Failure> {
        let Some(open) = &mut self.open else { return Err(Failure::closed()) };
        let block_size = open.known.page_size;
        let database = match scope {
            Scope::Server => "",
            Scope::Database(name) => name,
        };
        // What SHOW says is not in our words.
        match topic {
            Topic::ReplicationReceiver => {
                let rows = match self.sources.take() {
                    Some(rows) => rows,
                    None => self.ask(file).await?,
                };
                return Ok(receiver::read(&rows, &mut locked(&self.server.shared.names)));
            }
            Topic::BinaryLogs => return Ok(binary_log(&self.ask(file).await?)),
            _ => {}
        }
        if let Some(mut pivot) = Pivot::of(file, open.known.repertoire.fields(file)) {
            match self.pivot.take().filter(|last| last.tells(file, topic)) {
                Some(last) => pivot = last,
                None => self.run_in(&mut pivot, file, scope).await?,
            }
            let read = pivot.read(topic, block_size, &mut locked(&self.server.shared.names));
            self.pivot = Some(pivot);
            return read;
        }
        let (layout, room) = (open.layouts.remove(file), self.room);
        let server = self.server.clone();
        let names = &server.shared.names;
        // Only where it serves: to ask how long they take.
        let names_them = open.known.repertoire.sql("latencies").is_ok();
        let digests = (topic == Topic::Statements)
            .then(|| Digests::new(names_them.then(|| std::mem::take(&mut self.server_digests))));
        let mut reader = Reader {
            topic,
            block_size,
            database,
            layout,
            decoder: decoder(topic, room),
            room,
            names,
            digests,
        };
        match (scope, tables) {
            (Scope::Database(schema), Some(tables)) => {
                self.run_of_tables(&mut reader, file, schema, tables).await?;
            }
            _ => self.run_in(&mut reader, file, scope).await?,
        }
        let Reader { layout, decoder, digests, .. } = reader;
        if let Some(digests) = digests {
            self.server_digests = digests.finish(&self.server.shared);
        }
        if let (Some(open), Some(layout)) = (&mut self.open, layout) {
            open.layouts.insert(file, layout);
        }
        decoder.finish()
    }
}

async fn probe(shared: &Shared<Known, Memory>, connection: &mut Connection) -> Result<Arc<Known>, Failure> {
    shared.probing();
    Ok(shared.learn(Known::probe(connection, &shared.address()).await?))
}

/// The files added up: how many and how big is what matters of them.
fn binary_log(files: &[Named]) -> Read {
    let bytes =
        files.iter().filter_map(|file| file.whole("File_size")).filter_map(|size| u64::try_from(size).ok());
    let row = BinaryLog {
        files: Level::new(Count::new(files.len() as u64)),
        bytes: Level::new(Bytes::new(bytes.sum())),
    };
    Read { rows: BinaryLog::into_rows(vec![row]), misfits: 0 }
}

/// A name as a literal that no setting of the session and no letter in it can break.
pub fn literal(name: &str) -> String {
    let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("convert(0x{hex} using utf8)")
}

struct Reader<'a> {
    topic: Topic,
    block_size: f64,
    database: &'a str,
    layout: Option<Layout>,
    decoder: Box<dyn Decode>,
    room: usize,
    names: &'a Mutex<Names>,
    digests: Option<Digests>,
}

impl Sink for Reader<'_> {
    fn columns(&mut self, columns: &[Column]) -> Result<(), EngineError> {
        if self.layout.is_none() {
            let aliases = columns.iter().map(|column| column.name.as_str());
            self.layout = Some(Layout::of(self.topic, aliases, self.block_size)?);
        }
        if let Some(digests) = &mut self.digests {
            digests.columns(columns);
        }
        Ok(())
    }

    fn row(&mut self, row: &TextRow<'_>) {
        if let Some(digests) = &mut self.digests {
            digests.learn(row);
        }
        if let Some(layout) = &self.layout {
            self.decoder.row(row, layout, self.database, &mut locked(self.names));
        }
    }

    fn is_full(&self) -> bool {
        self.decoder.is_full()
    }

    fn let_go(&mut self) {
        self.decoder = decoder(self.topic, self.room);
        self.digests.iter_mut().for_each(Digests::let_go);
    }
}
