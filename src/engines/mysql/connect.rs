//! One connection to the server, and its limits. MySQL takes none at the log-in, so they are the first statement.

use super::answer::{Column, Named, TextRow};
use super::door::{Door, Refusal};
use super::handshake::{Login, Session, shake};
use super::wire::{Fields, ServerError, absurd, unreachable};
#[cfg(any(test, fuzzing))]
use crate::config::Secret;
use crate::config::Target;
use crate::engine::presence;
use crate::engine::reading::Failure;
use crate::engine::trust::{self, Trust};
use crate::engine::verify::Expires;
use crate::engine::{EngineError, Lane};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// A name lookup and an open socket; longer means that nobody is there. The handshake has the door's patience.
const CONNECT: Duration = Duration::from_secs(5);
/// How much longer than the server we wait before the connection is given up.
const GRACE: Duration = Duration::from_secs(1);
/// What one cell weighs beside its bytes once it is read.
const CELL: usize = 32;
/// Bytes that describe the columns of an answer; ours take some 2 kB.
const MAX_DESCRIPTION: usize = 256 << 10;
/// Columns of one answer.
const MAX_COLUMNS: u64 = 300;
/// How many times of what we hold of an answer is read, for nothing but its end.
const PASSED_BY: usize = 8;
/// A session of ours that is silent for so long has lost us.
const IDLE: u32 = 600;

const COM_QUERY: u8 = 3;

/// A live connection. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    session: Session,
    id: i64,
    limit: Duration,
    most: usize,
    weighed: usize,
    expires: Option<Expires>,
    /// An answer was left in the middle: what comes next cannot be told apart.
    is_spoilt: bool,
}

/// What reads an answer as it arrives.
pub trait Sink: Send {
    fn columns(&mut self, _: &[Column]) -> Result<(), EngineError> {
        Ok(())
    }
    fn row(&mut self, row: &TextRow<'_>);
    /// It has no room for more, has let go of all, and will say so.
    fn is_full(&self) -> bool {
        false
    }
    /// Lets go of all rows: the answer is too large to hold.
    fn let_go(&mut self);
}

impl Sink for Vec<Named> {
    fn row(&mut self, row: &TextRow<'_>) {
        self.push(Named::of(row));
    }

    fn let_go(&mut self) {
        *self = Vec::new();
    }
}

/// What somebody says whom we have knocked at, up to an answer to what we ask.
#[cfg(any(test, fuzzing))]
pub fn hear(said: &[u8]) {
    let login = Login {
        user: "u".into(),
        password: Some(Secret::new("p".to_owned())),
        database: None,
        application: "dbsonde".into(),
        tls: None,
        tls_needed: false,
        host: "h".into(),
        is_local: true,
        is_verified: false,
    };
    let stream = tokio::io::join(std::io::Cursor::new(said.to_vec()), tokio::io::sink());
    let talk = async {
        if let Ok(session) = shake(stream, &login).await {
            let limit = Duration::from_secs(1);
            let mut connection = Connection {
                session,
                id: 0,
                limit,
                most: 1 << 20,
                weighed: 0,
                expires: None,
                is_spoilt: false,
            };
            while connection.run(&mut Vec::<Named>::new(), "select 1").await.is_ok() {}
        }
    };
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() {
        runtime.block_on(talk);
    }
}

/// The longest that one statement may take on the server.
fn limit(lane: Lane) -> Duration {
    match lane {
        Lane::Pulse | Lane::Beat => Duration::from_secs(1),
        Lane::Roam => Duration::from_secs(5),
    }
}

/// All cells of one answer, by their weight. So much that all lanes at once stay below what a server may make us take;
/// the beat's largest, of 20,000 digests, weighs 24 MB, the roaming lane's, of 30,000 indexes, 26 MB.
fn most(lane: Lane) -> usize {
    match lane {
        Lane::Pulse => 8 << 20,
        Lane::Beat | Lane::Roam => 32 << 20,
    }
}

impl Connection {
    pub async fn open(target: &Target, door: &Door, lane: Lane) -> Result<Self, EngineError> {
        let mut connection = Self::enter(target, door, lane).await?;
        let id = connection.asks_who(lane).await?;
        // Of a long number the greeting has the lower half. Asked each time: a proxy may come in between while we run.
        let is_direct = id & i64::from(u32::MAX) == i64::from(connection.session.id);
        if !is_direct {
            connection.is_ours(&mut Self::enter(target, door, lane).await?, lane).await?;
        }
        connection.limit_session().await?;
        if !is_direct {
            connection.keeps_limits().await?;
        }
        connection.id = id;
        Ok(connection)
    }

    /// A session as the server gives it.
    async fn enter(target: &Target, door: &Door, lane: Lane) -> Result<Self, EngineError> {
        let (login, expires) = login(target).await?;
        let patience = target.url.param("connect_timeout").and_then(|seconds| seconds.parse().ok());
        let patience =
            patience.filter(|seconds| (1..=60).contains(seconds)).map_or(CONNECT, Duration::from_secs);
        let place = Place::of(target);
        let session = door.enter(patience, || place.clone().knock(login.clone())).await?;
        let (limit, most) = (limit(lane), most(lane));
        Ok(Self { session, id: 0, limit, most, weighed: 0, expires, is_spoilt: false })
    }

    /// The number of the session on the server.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// When the certificate ends that the server has shown.
    pub fn certificate_expires(&self) -> Option<f64> {
        self.expires.as_ref().and_then(Expires::get)
    }

    /// What the last answer weighed, and how much of one we hold.
    pub fn weighed(&self) -> (usize, usize) {
        (self.weighed, self.most)
    }

    pub fn is_spoilt(&self) -> bool {
        self.is_spoilt
    }

    /// Makes the session harmless, before anything else is asked.
    async fn limit_session(&mut self) -> Result<(), Failure> {
        self.run(&mut Vec::<Named>::new(), "set session transaction read only").await?;
        let needed = format!(
            "set session autocommit = 1, session time_zone = '+00:00', session sql_mode = '', \
             session group_concat_max_len = 65536, session wait_timeout = {IDLE}"
        );
        self.run(&mut Vec::<Named>::new(), &needed).await?;
        // MariaDB then waits for no lock at all. MySQL makes a second of it, the least that it knows, without an error
        // now that its mode is not strict.
        let patience = "set session lock_wait_timeout = 0, session innodb_lock_wait_timeout = 0";
        self.run(&mut Vec::<Named>::new(), patience).await?;
        let milliseconds = self.limit.as_millis();
        let seconds = self.limit.as_secs();
        for wish in [
            // MariaDB's limit of a statement, and MySQL's: the server knows one of them.
            format!("set session max_statement_time = {seconds}"),
            format!("set session max_execution_time = {milliseconds}"),
            // Examining fewer rows than that keeps us out of the slow log; long_query_time would not everywhere.
            "set session min_examined_row_limit = 18446744073709551615".to_owned(),
            // The next number of a table as it is, not as it was when somebody asked before; it costs the same.
            "set session information_schema_stats_expiry = 0".to_owned(),
        ] {
            if let Err(Failure::Lost(error)) = self.run(&mut Vec::<Named>::new(), &wish).await {
                return Err(Failure::Lost(error));
            }
        }
        Ok(())
    }

    /// Asks and hands each row to `sink`, with a deadline of our own in case the server cannot keep its.
    pub async fn run(&mut self, sink: &mut impl Sink, sql: &str) -> Result<(), Failure> {
        let deadline = self.limit + GRACE;
        // A future that is dropped half-way leaves half an answer on the line.
        self.is_spoilt = true;
        let result = match timeout(deadline, self.exchange(sink, sql)).await {
            Ok(result) => result,
            // Our limits end the statement in the server, which cannot hear of a closed socket before.
            Err(_) => Err(Failure::Lost(EngineError::Timeout(deadline))),
        };
        self.is_spoilt = matches!(result, Err(Failure::Lost(_)));
        result
    }

    async fn exchange(&mut self, sink: &mut impl Sink, sql: &str) -> Result<(), Failure> {
        let lost = |error| Failure::Lost(unreachable(error));
        let Session { wire, has_eof, .. } = &mut self.session;
        self.weighed = 0;
        wire.command(COM_QUERY, sql).await.map_err(lost)?;
        let packet = wire.receive().await.map_err(lost)?;
        let mut fields = Fields(packet);
        let count = match packet.first() {
            Some(0) => return Ok(()),
            Some(0xFF) => return Err(refused(packet)),
            // 0xFB would ask for a file of this machine.
            _ => fields.number().filter(|count| (1..=MAX_COLUMNS).contains(count)),
        };
        let count = count.ok_or_else(|| lost(absurd("the server answers what nobody asked")))?;
        let (mut columns, mut bytes) = (Vec::new(), 0);
        for _ in 0..count {
            let packet = wire.receive().await.map_err(lost)?;
            bytes += packet.len();
            if bytes > MAX_DESCRIPTION {
                return Err(lost(absurd("the server answers what nobody asked")));
            }
            let column = Column::read(Fields(packet));
            columns.push(column.ok_or_else(|| lost(absurd("a column cannot be read")))?);
        }
        if *has_eof {
            wire.receive().await.map_err(lost)?;
        }
        sink.columns(&columns).map_err(Failure::Lost)?;
        let columns: Arc<[Column]> = columns.into();
        let mut is_whole = true;
        loop {
            let packet = wire.receive().await.map_err(lost)?;
            self.weighed += packet.len() + CELL * columns.len();
            match packet.first() {
                Some(0xFE) if is_whole => return Ok(()),
                Some(0xFE) => {
                    let most = self.most >> 20;
                    return Err(Failure::refused(format!(
                        "the answer is larger than the {most} MiB that we hold"
                    )));
                }
                Some(0xFF) => return Err(refused(packet)),
                _ if self.weighed > PASSED_BY * self.most => {
                    return Err(lost(absurd("an answer without end")));
                }
                // What is too much to hold is read on to its end, so that the connection goes on to serve.
                _ if sink.is_full() => {}
                _ if self.weighed > self.most => {
                    if is_whole {
                        sink.let_go();
                    }
                    is_whole = false;
                }
                _ => match TextRow::read(packet, &columns) {
                    Some(row) => sink.row(&row),
                    None => return Err(lost(absurd("a row cannot be read"))),
                },
            }
        }
    }
}

/// What an error packet means for what comes next.
fn refused(packet: &[u8]) -> Failure {
    let error = ServerError::read(Fields(packet.get(1..).unwrap_or_default()));
    match error.code {
        // Shutdown, killed, idle for too long, out of memory or threads: the connection is going.
        1053 | 1077 | 1079 | 1152 | 1184 | 1927 | 4031 => {
            Failure::Lost(EngineError::Unreachable(error.message))
        }
        // No such database, table, column, function or variable; no right to it.
        1044 | 1049 | 1054 | 1109 | 1142 | 1143 | 1146 | 1193 | 1227 | 1305 => {
            Failure::Refused { message: error.message, changed: true, no_room: false }
        }
        _ => Failure::refused(error.message),
    }
}

async fn login(target: &Target) -> Result<(Login, Option<Expires>), EngineError> {
    let url = &target.url;
    let Some(place) = url.places().first() else {
        return Err(EngineError::Unsupported("the target names no host".into()));
    };
    let password = target.password(place).await.map_err(|error| EngineError::Denied(error.to_string()))?;
    let is_local = url.socket_directory().is_some();
    let tls = if is_local { None } else { trust::client(target).await? };
    let expires = tls.as_ref().map(|client| client.expires.clone());
    let login = Login {
        user: url.user().to_owned(),
        password,
        database: Some(url.database().to_owned()).filter(|database| !database.is_empty()),
        application: presence::application(target),
        tls: tls.map(|client| client.config),
        tls_needed: !is_local && matches!(trust::mode(target), "require" | "verify-ca" | "verify-full"),
        host: url.host().to_owned(),
        is_local,
        is_verified: matches!(trust::of(target), Some(Trust::Chain | Trust::Full)),
    };
    Ok((login, expires))
}

/// Where the server listens.
#[derive(Debug, Clone)]
enum Place {
    Tcp(String, u16),
    Socket(std::path::PathBuf),
}

impl Place {
    fn of(target: &Target) -> Place {
        match target.url.socket_directory() {
            Some(path) => Place::Socket(path.to_owned()),
            None => Place::Tcp(target.url.host().to_owned(), target.url.port()),
        }
    }

    async fn knock(self, login: Login) -> Result<Session, Refusal> {
        let nobody = |error: std::io::Error| Refusal::Said(EngineError::Unreachable(error.to_string()));
        let late = |_| Refusal::Said(EngineError::Timeout(CONNECT));
        match self {
            Place::Tcp(host, port) => {
                let stream = timeout(CONNECT, TcpStream::connect((host.as_str(), port))).await;
                let stream = stream.map_err(late)?.map_err(nobody)?;
                stream.set_nodelay(true).map_err(nobody)?;
                shake(stream, &login).await
            }
            Place::Socket(path) => {
                let stream = timeout(CONNECT, UnixStream::connect(path)).await;
                shake(stream.map_err(late)?.map_err(nobody)?, &login).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Wire;
    use super::*;

    /// As the server numbers them.
    fn packets(payloads: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
        let packet = |(nth, payload): (usize, Vec<u8>)| {
            let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
            let number = u8::try_from((nth + 1) % 256).unwrap();
            [&length[..3], &[number], &payload].concat()
        };
        payloads.into_iter().enumerate().flat_map(packet).collect()
    }

    /// One column, and so many rows of a thousand bytes.
    fn answer(rows: usize) -> Vec<u8> {
        let column = b"\x03def\0\0\0\x01a\0\x0c\x21\0\0\0\0\0\xfd\0\0\0\0\0".to_vec();
        let end = b"\xfe\0\0\0\0".to_vec();
        let row = [&b"\xfc\xe8\x03"[..], &[b'x'; 1_000]].concat();
        let head = [vec![1], column, end.clone()];
        packets(head.into_iter().chain(std::iter::repeat_n(row, rows)).chain([end]))
    }

    #[tokio::test]
    async fn what_is_too_much_to_hold_is_refused_and_what_never_ends_is_cut_off() {
        let said = [answer(2_000), answer(3), answer(9_000)].concat();
        let stream = tokio::io::join(std::io::Cursor::new(said), tokio::io::sink());
        let session = Session { wire: Wire::new(stream), id: 1, has_eof: true };
        let limit = Duration::from_secs(60);
        let mut connection =
            Connection { session, id: 1, limit, most: 1 << 20, weighed: 0, expires: None, is_spoilt: false };
        let mut rows: Vec<Named> = Vec::new();
        let larger = connection.run(&mut rows, "select").await;
        assert!(matches!(larger, Err(Failure::Refused { .. })) && rows.is_empty(), "{larger:?}");
        assert!(connection.run(&mut rows, "select").await.is_ok() && rows.len() == 3, "it serves on");
        let endless = connection.run(&mut rows, "select").await;
        assert!(matches!(endless, Err(Failure::Lost(_))) && connection.is_spoilt, "{endless:?}");
    }
}
