//! One connection to PostgreSQL: its limits travel in the start-up packet, so there is no moment without them.

use super::guard::Guarded;
use super::tls;
use crate::config::Target;
use crate::engine::reading::Failure;
use crate::engine::{EngineError, Lane};
use std::future::poll_fn;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::{Client, Config, NoTls};

/// A name lookup, a handshake and a log-in; longer means that nobody is there.
const CONNECT: Duration = Duration::from_secs(5);
/// How much longer than the server we wait before we cancel from outside.
const GRACE: Duration = Duration::from_secs(1);
/// How long a cancel request may take before the connection is closed instead.
const CANCEL: Duration = Duration::from_secs(1);

/// A live connection. Dropping it closes it and ends its driver task.
#[derive(Debug)]
pub struct Connection {
    pub client: Client,
    driver: tokio::task::JoinHandle<()>,
    statement_timeout: Duration,
    endpoint: Endpoint,
}

/// Where the server is: a cancel request travels on a connection of its own.
#[derive(Debug, Clone)]
enum Endpoint {
    Tcp { host: String, port: u16, tls: Option<tls::Connector> },
    Unix(PathBuf),
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A frozen server would keep the driver, and with it the socket, for ever.
        self.driver.abort();
    }
}

/// The operator's `connect_timeout`, within reason: 0 means for ever to libpq, and to us our own limit.
fn patience(target: &Target) -> Duration {
    let asked = target.url.param("connect_timeout").and_then(|seconds| seconds.parse().ok());
    asked.filter(|seconds| (1..=60).contains(seconds)).map_or(CONNECT, Duration::from_secs)
}

/// What one statement may take on the server.
fn statement_timeout(lane: Lane) -> Duration {
    match lane {
        Lane::Pulse | Lane::Beat => Duration::from_secs(1),
        Lane::Roam => Duration::from_secs(5),
    }
}

impl Connection {
    pub async fn open(target: &Target, database: Option<&str>, lane: Lane) -> Result<Self, EngineError> {
        let config = configuration(target, database, lane)?;
        let patience = patience(target);
        let opened = timeout(patience, Self::connect(&config, target, lane)).await;
        opened.map_err(|_| EngineError::Timeout(patience))?
    }

    async fn connect(config: &Config, target: &Target, lane: Lane) -> Result<Self, EngineError> {
        let endpoint = Endpoint::of(target)?;
        let (client, driver) = match &endpoint {
            Endpoint::Tcp { host, port, tls } => {
                let stream = Guarded::outside(tcp(host, *port).await?, tls.is_some());
                match tls {
                    Some(connector) => log_in(config, stream, connector.to(host)).await?,
                    None => log_in(config, stream, NoTls).await?,
                }
            }
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(unreachable)?;
                log_in(config, Guarded::outside(stream, false), NoTls).await?
            }
        };
        Ok(Self { client, driver, statement_timeout: statement_timeout(lane), endpoint })
    }

    /// Runs one request with a deadline of our own, in case the server cannot keep its.
    pub async fn limited<T>(
        &self,
        request: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        let deadline = self.statement_timeout + GRACE;
        match timeout(deadline, request).await {
            Ok(result) => result.map_err(|error| failure(&error)),
            Err(_) => {
                self.cancel().await;
                Err(Failure::Lost(EngineError::Timeout(deadline)))
            }
        }
    }

    /// Ends the query in the server: closing the socket alone would leave it running.
    async fn cancel(&self) {
        let token = self.client.cancel_token();
        let cancelled = async {
            match &self.endpoint {
                Endpoint::Tcp { host, port, tls } => {
                    let stream = tcp(host, *port).await?;
                    let sent = match tls {
                        Some(connector) => token.cancel_query_raw(stream, connector.to(host)).await,
                        None => token.cancel_query_raw(stream, NoTls).await,
                    };
                    sent.map_err(|error| EngineError::Unreachable(innermost(&error)))
                }
                Endpoint::Unix(path) => {
                    let stream = UnixStream::connect(path).await.map_err(unreachable)?;
                    let sent = token.cancel_query_raw(stream, NoTls).await;
                    sent.map_err(|error| EngineError::Unreachable(innermost(&error)))
                }
            }
        };
        // Whatever comes of it: the caller closes the connection.
        let _ = timeout(CANCEL, cancelled).await;
    }
}

impl Endpoint {
    fn of(target: &Target) -> Result<Endpoint, EngineError> {
        let url = &target.url;
        Ok(match url.socket_directory() {
            Some(directory) => Endpoint::Unix(directory.join(format!(".s.PGSQL.{}", url.port()))),
            None => Endpoint::Tcp {
                host: url.host().to_owned(),
                port: url.port(),
                tls: tls::Connector::of(target)?,
            },
        })
    }
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, EngineError> {
    let stream = TcpStream::connect((host, port)).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    Ok(stream)
}

/// What the server's error means for what comes next.
fn failure(error: &tokio_postgres::Error) -> Failure {
    match error.as_db_error() {
        Some(db) if is_fatal(db.code()) => Failure::Lost(from_server(db)),
        // Our statements hold no literals and no names of users' objects, so neither does the message.
        Some(db) => Failure::Refused { message: db.message().to_owned(), changed: means_change(db.code()) },
        None => Failure::Lost(EngineError::Unreachable(innermost(error))),
    }
}

/// The world is not as probing found it: an object, a column or a right came or went.
fn means_change(code: &SqlState) -> bool {
    let changed = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
        SqlState::UNDEFINED_FUNCTION,
        SqlState::UNDEFINED_OBJECT,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::INSUFFICIENT_PRIVILEGE,
    ];
    changed.contains(code)
}

/// Errors after which the server closes the connection, or never opened it.
fn is_fatal(code: &SqlState) -> bool {
    let class = code.code().get(..2).unwrap_or_default();
    *code != SqlState::QUERY_CANCELED && matches!(class, "08" | "28" | "3D" | "53" | "57" | "58" | "XX")
}

fn from_server(db: &tokio_postgres::error::DbError) -> EngineError {
    let said = db.message().to_owned();
    match db.code().code().get(..2).unwrap_or_default() {
        // 28: authorisation; 3D: no such database; 42501 while connecting.
        "28" | "3D" | "42" => EngineError::Denied(said),
        "22" | "55" | "0A" => EngineError::Unsupported(said),
        _ => EngineError::Unreachable(said),
    }
}

fn unreachable(error: std::io::Error) -> EngineError {
    EngineError::Unreachable(error.to_string())
}

/// The cause that a person can act on is the last in the chain; the first only says "error".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn configuration(target: &Target, database: Option<&str>, lane: Lane) -> Result<Config, EngineError> {
    let url = &target.url;
    let mut config = Config::new();
    config.user(url.user());
    if let Some(password) = target.password().map_err(|error| EngineError::Denied(error.to_string()))? {
        config.password(secrecy::ExposeSecret::expose_secret(&password));
    }
    match url.socket_directory() {
        Some(directory) => config.host_path(directory),
        None => config.host(url.host()),
    };
    config.port(url.port());
    config.dbname(database.unwrap_or(url.database()));
    config.application_name(url.param("application_name").unwrap_or("dbsonde"));
    config.ssl_mode(tls::mode(target)?);
    config.options(limits(lane));
    Ok(config)
}

/// The session's limits. Read DESIGN section 5 before you touch them: they are what makes us harmless.
fn limits(lane: Lane) -> String {
    let limits = [
        ("statement_timeout", format!("{}ms", statement_timeout(lane).as_millis())),
        // Never queue behind a lock, for whoever comes next would queue behind us.
        ("lock_timeout", "100ms".to_owned()),
        ("idle_in_transaction_session_timeout", "2s".to_owned()),
        ("default_transaction_read_only", "on".to_owned()),
        // The smallest that keeps a read of 20,000 statements out of temporary files.
        ("work_mem", "16MB".to_owned()),
        ("search_path", "pg_catalog".to_owned()),
        ("client_encoding", "UTF8".to_owned()),
        ("max_parallel_workers_per_gather", "0".to_owned()),
        ("client_min_messages", "error".to_owned()),
        ("bytea_output", "hex".to_owned()),
    ];
    limits.iter().map(|(name, value)| format!("-c {name}={value}")).collect::<Vec<_>>().join(" ")
}

/// Logs in and starts the task that moves bytes. Notices are dropped unread: they may hold literals.
async fn log_in<S, T>(
    config: &Config,
    stream: S,
    tls: T,
) -> Result<(Client, tokio::task::JoinHandle<()>), EngineError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsConnect<S>,
    T::Stream: Send + 'static,
{
    let (client, connection) =
        config.connect_raw(stream, tls).await.map_err(|error| match error.as_db_error() {
            Some(db) => from_server(db),
            None => EngineError::Unreachable(innermost(&error)),
        })?;
    Ok((client, tokio::spawn(run(connection))))
}

async fn run<S, T>(mut connection: tokio_postgres::Connection<S, T>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(_notice)) = poll_fn(|cx| connection.poll_message(cx)).await {}
}
