//! One connection to PostgreSQL: its limits travel in the start-up packet, so there is no moment without them.

use super::demand::{Demand, Way};
use super::failure::{Refusal, failure, innermost, why};
use super::guard::Guarded;
use super::knocks::Heard;
use super::session::{self, Session, Wanted};
use super::tls;
use crate::config::{Secret, Target};
use crate::engine::presence::application;
use crate::engine::reading::Failure;
use crate::engine::turnstile::Turnstile;
use crate::engine::{EngineError, Lane};
use futures_util::TryStreamExt;
use secrecy::ExposeSecret;
use socket2::{SockRef, TcpKeepalive};
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation};
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, ToStatement};

/// How much longer than the server we wait before we cancel from outside.
const GRACE: Duration = Duration::from_secs(1);
/// All rows of an answer that is kept as it comes. The largest are texts of statements, 32 MB of them.
const MAX_ROWS: usize = 40 << 20;
/// What the driver needs for one cell beside its bytes, with the room that a growing list keeps.
const CELL: usize = 48;
/// How long a cancel request may take before the connection is closed instead.
const CANCEL: Duration = Duration::from_secs(1);
/// A machine that is gone without a word is found out, when it was asked nothing more, after 30 s and three tries. A
/// log-in that hangs has no other end.
const IDLE: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(10);
const TRIES: u32 = 3;

/// A live connection. Dropping it closes it and ends its driver task.
#[derive(Debug)]
pub struct Connection {
    pub client: Client,
    pub session: Session,
    driver: tokio::task::JoinHandle<()>,
    ended: Ended,
    statement_timeout: Duration,
    endpoint: Endpoint,
    turnstile: Arc<Turnstile>,
    /// How long its statements have waited for their turn, in nanoseconds.
    queued: AtomicU64,
}

/// Why the task that moves bytes has ended; whoever asks only hears that the connection is closed.
type Ended = Arc<OnceLock<String>>;

/// Where the server is: a cancel request travels on a connection of its own.
#[derive(Debug, Clone)]
pub enum Endpoint {
    Tcp { address: SocketAddr, host: String, tls: Option<tls::Connector>, socket: SocketOptions },
    Unix(PathBuf),
}

impl Endpoint {
    /// By which it is noted that the server has said something. Between us and a socket of this machine nothing is lost.
    pub fn heard(&self) -> Heard {
        match self {
            Endpoint::Tcp { socket, .. } => socket.heard.clone(),
            Endpoint::Unix(_) => Heard::already(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { address, .. } => address.fmt(f),
            Endpoint::Unix(path) => path.display().fmt(f),
        }
    }
}

/// libpq's parameters of the socket.
#[derive(Debug, Clone)]
pub struct SocketOptions {
    keepalive: Option<TcpKeepalive>,
    user_timeout: Option<Duration>,
    negotiation: SslNegotiation,
    demand: Demand,
    heard: Heard,
}

impl SocketOptions {
    pub fn of(target: &Target) -> SocketOptions {
        let number = |name: &str| target.url.param(name)?.trim().parse::<u32>().ok();
        let positive = |name: &str| number(name).filter(|number| *number > 0);
        let seconds = |name: &str| positive(name).map(|seconds| Duration::from_secs(seconds.into()));
        let mut keepalive = TcpKeepalive::new().with_time(IDLE).with_interval(INTERVAL).with_retries(TRIES);
        if let Some(idle) = seconds("keepalives_idle") {
            keepalive = keepalive.with_time(idle);
        }
        if let Some(interval) = seconds("keepalives_interval") {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(count) = positive("keepalives_count") {
            keepalive = keepalive.with_retries(count);
        }
        SocketOptions {
            keepalive: (number("keepalives") != Some(0)).then_some(keepalive),
            user_timeout: positive("tcp_user_timeout").map(|millis| Duration::from_millis(millis.into())),
            negotiation: tls::negotiation(target),
            demand: Demand::of(target, Way::Exposed),
            heard: Heard::default(),
        }
    }

    /// The same for one address, with ears of its own.
    pub fn for_one(&self) -> SocketOptions {
        SocketOptions { heard: Heard::default(), ..self.clone() }
    }

    async fn connect(&self, address: SocketAddr, is_tls: bool) -> std::io::Result<Guarded<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        if let Some(keepalive) = &self.keepalive {
            socket.set_tcp_keepalive(keepalive)?;
        }
        if self.user_timeout.is_some() {
            socket.set_tcp_user_timeout(self.user_timeout)?;
        }
        let guarded = match (is_tls, self.negotiation) {
            (true, SslNegotiation::Direct) => Guarded::blind(stream, self.demand),
            (is_tls, _) => Guarded::outside(stream, is_tls, self.demand),
        };
        Ok(guarded.telling(self.heard.clone()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A frozen server would keep the driver, and with it the socket, for ever.
        self.driver.abort();
    }
}

/// One try to get in.
#[derive(Debug, Clone)]
pub struct Knock {
    pub target: Arc<Target>,
    pub turnstile: Arc<Turnstile>,
    pub database: String,
    pub lane: Lane,
    pub wanted: Wanted,
    pub password: Option<Secret>,
    /// Limits go in the start-up packet; a pooler may not take them there.
    pub limits_first: bool,
}

impl Knock {
    pub async fn at(&self, endpoint: Endpoint) -> Result<Connection, Refusal> {
        let config = self.configuration(&endpoint);
        let (client, driver, ended) = match &endpoint {
            Endpoint::Tcp { address, host, tls, socket } => {
                let stream = socket.connect(*address, tls.is_some()).await?;
                match tls {
                    Some(connector) => log_in(&config, stream, connector.to(host)).await?,
                    None => log_in(&config, stream, NoTls).await?,
                }
            }
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                let demand = Demand::of(&self.target, Way::Safe);
                log_in(&config, Guarded::outside(stream, false, demand), NoTls).await?
            }
        };
        let asked = Session::ask(&client, self.lane).await;
        let session = asked.map_err(|refusal| refusal.because(ended.get()))?;
        let statement_timeout = session::statement_timeout(self.lane);
        let turnstile = self.turnstile.clone();
        let mut connection = Connection {
            client,
            session,
            driver,
            ended,
            statement_timeout,
            endpoint,
            turnstile,
            queued: AtomicU64::new(0),
        };
        if self.wanted.judges_writing() && self.limits_first {
            session::stop_writing(&connection.client, self.lane).await?;
            let is_read_only = connection.session.is_read_only;
            connection.session =
                Session { is_read_only, ..Session::ask(&connection.client, self.lane).await? };
        }
        Ok(connection)
    }

    fn configuration(&self, endpoint: &Endpoint) -> Config {
        let url = &self.target.url;
        let mut config = Config::new();
        config.user(url.user()).dbname(&self.database);
        if let Some(password) = &self.password {
            config.password(password.get().expose_secret());
        }
        config.application_name(application(&self.target));
        config.channel_binding(match url.param("channel_binding") {
            Some("disable") => ChannelBinding::Disable,
            Some("require") => ChannelBinding::Require,
            _ => ChannelBinding::Prefer,
        });
        if let Endpoint::Tcp { tls: Some(_), socket, .. } = endpoint {
            config.ssl_mode(tls::mode(&self.target)).ssl_negotiation(socket.negotiation);
        } else {
            config.ssl_mode(SslMode::Disable);
        }
        if self.limits_first {
            config.options(session::options(&self.target, self.lane, self.wanted.judges_writing()));
        }
        config
    }
}

impl Connection {
    /// Where it is connected to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// When the certificate ends that the server has shown, as Unix seconds.
    pub fn certificate_expires(&self) -> Option<f64> {
        match &self.endpoint {
            Endpoint::Tcp { tls: Some(connector), .. } => connector.certificate_expires(),
            _ => None,
        }
    }

    pub fn queued(&self) -> Duration {
        Duration::from_nanos(self.queued.load(Ordering::Relaxed))
    }

    /// Runs one request with a deadline of our own, in case the server cannot keep its.
    pub async fn limited<T>(
        &self,
        request: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        let deadline = self.statement_timeout + GRACE;
        let (answer, queued) = self.turnstile.pass(timeout(deadline, request)).await;
        self.queued.fetch_add(u64::try_from(queued.as_nanos()).unwrap_or_default(), Ordering::Relaxed);
        match answer {
            Ok(result) => result.map_err(|error| match self.ended.get() {
                Some(why) if error.is_closed() => Failure::Lost(EngineError::Unreachable(why.clone())),
                _ => failure(&error),
            }),
            Err(_) => {
                self.cancel().await;
                Err(Failure::Lost(EngineError::Timeout(deadline)))
            }
        }
    }

    /// Asks, with a deadline, and keeps all rows. What may be large is read as it comes instead.
    pub async fn rows(
        &self,
        statement: &(impl ToStatement + ?Sized),
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let gathered = async {
            let stream = self.client.query_raw(statement, parameters.iter().copied()).await?;
            let (mut stream, mut rows, mut weight) = (pin!(stream), Vec::new(), 0);
            while let Some(row) = stream.try_next().await? {
                weight += row.raw_size_bytes() + CELL * row.len();
                if weight > MAX_ROWS {
                    return Ok(None);
                }
                rows.push(row);
            }
            Ok(Some(rows))
        };
        let endless = || Failure::Lost(EngineError::Unreachable("an answer without end".to_owned()));
        self.limited(gathered).await?.ok_or_else(endless)
    }

    /// Ends the query in the server: closing the socket alone would leave it running.
    async fn cancel(&self) {
        let token = self.client.cancel_token();
        let cancelled = async {
            let sent = match &self.endpoint {
                Endpoint::Tcp { address, host, tls, socket } => {
                    let stream = socket.connect(*address, tls.is_some()).await?;
                    match tls {
                        Some(connector) => token.cancel_query_raw(stream, connector.to(host)).await,
                        None => token.cancel_query_raw(stream, NoTls).await,
                    }
                }
                Endpoint::Unix(path) => token.cancel_query_raw(UnixStream::connect(path).await?, NoTls).await,
            };
            sent.map_err(|error| Refusal::Other(EngineError::Unreachable(innermost(&error))))
        };
        // Whatever comes of it: the caller closes the connection.
        let _ = timeout(CANCEL, cancelled).await;
    }
}

/// Logs in and starts the task that moves bytes. Notices are dropped unread: they may hold literals.
async fn log_in<S, T>(
    config: &Config,
    stream: S,
    tls: T,
) -> Result<(Client, tokio::task::JoinHandle<()>, Ended), Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsConnect<S>,
    T::Stream: Send + 'static,
{
    let entered = config.connect_raw(stream, tls).await;
    let (client, connection) = entered.map_err(|error| Refusal::of(&error))?;
    let ended = Ended::default();
    Ok((client, tokio::spawn(run(connection, ended.clone())), ended))
}

async fn run<S, T>(mut connection: tokio_postgres::Connection<S, T>, ended: Ended)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
        if let Err(error) = message {
            // Before the connection goes, and with it whoever waits for an answer.
            let _ = ended.set(why(&error));
            return;
        }
    }
}
