//! Which of the places of a target lets us in, and how.

use super::connect::{Connection, Endpoint, Knock, SocketOptions};
use super::failure::Refusal;
use super::knocks::{Knocks, Purpose};
use super::session::Wanted;
use super::{pooler, tls};
use crate::config::{Place, Secret, Target};
use crate::engine::bell::Listener;
use crate::engine::door::Door;
use crate::engine::shared::locked;
use crate::engine::turnstile::Turnstile;
use crate::engine::{EngineError, Lane};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};
use tokio_postgres::config::SslMode;

/// A name lookup, a handshake and a log-in; longer means that nobody is there.
const CONNECT: Duration = Duration::from_secs(5);
/// A name may have more addresses than a visit has time for.
const MAX_ADDRESSES: usize = 8;

#[derive(Debug)]
pub struct Places {
    target: Arc<Target>,
    door: Door,
    knocks: Knocks<Connection>,
    turnstile: Arc<Turnstile>,
    /// Where the beat is; the others follow.
    current: Mutex<Option<usize>>,
    /// A pooler is in between: it wants to be asked without limits at once.
    is_pooled: AtomicBool,
}

impl Places {
    pub fn new(target: Target) -> Self {
        Self {
            target: Arc::new(target),
            door: Door::default(),
            knocks: Knocks::default(),
            turnstile: Arc::default(),
            current: Mutex::default(),
            is_pooled: AtomicBool::new(false),
        }
    }

    pub fn bell(&self) -> Listener {
        self.knocks.bell()
    }

    /// Which place the server was found at.
    pub fn current(&self) -> Option<usize> {
        *locked(&self.current)
    }

    pub async fn enter(
        self: &Arc<Self>,
        database: &str,
        lane: Lane,
    ) -> Result<(Connection, usize), EngineError> {
        let permit = self.door.permit(&self.target).await?;
        let entered = self.try_all(database, lane, &permit.passwords).await;
        if lane == Lane::Beat {
            *locked(&self.current) = entered.as_ref().ok().map(|(_, place)| *place);
        }
        match &entered {
            Ok(_) => permit.entered(),
            Err(Refusal::Login(EngineError::Denied(said))) => permit.refused(said),
            Err(_) => {}
        }
        entered.map_err(Refusal::into_error)
    }

    /// Tries one place after the other, as libpq does: the next one unless it would say the same.
    async fn try_all(
        self: &Arc<Self>,
        database: &str,
        lane: Lane,
        passwords: &[Option<Secret>],
    ) -> Result<(Connection, usize), Refusal> {
        let target = &self.target;
        let order = self.order(lane);
        let mut said: Vec<(usize, EngineError)> = Vec::new();
        for wanted in Wanted::rounds(target) {
            for nth in &order {
                let Some(place) = target.url.places().get(*nth) else { continue };
                let knock = Knock {
                    target: target.clone(),
                    turnstile: self.turnstile.clone(),
                    database: database.to_owned(),
                    lane,
                    wanted: *wanted,
                    password: passwords.get(*nth).cloned().flatten(),
                    limits_first: !self.is_pooled.load(Ordering::Relaxed),
                };
                match self.knock(place, &knock).await {
                    Ok(connection) => match wanted.fits(&connection.session) {
                        Ok(()) => return Ok((connection, *nth)),
                        Err(why) => said.push((*nth, EngineError::Unreachable(why.to_owned()))),
                    },
                    Err(last @ (Refusal::Login(_) | Refusal::Final(_))) => return Err(last),
                    Err(refusal) => said.push((*nth, refusal.into_error())),
                }
            }
        }
        Err(Refusal::Other(self.together(said)))
    }

    fn order(&self, lane: Lane) -> Vec<usize> {
        if lane != Lane::Beat
            && let Some(place) = self.current()
        {
            return vec![place];
        }
        let mut order: Vec<usize> = (0..self.target.url.places().len()).collect();
        if self.target.url.param("load_balance_hosts") == Some("random") {
            let noise = format!("{:?}{:?}", Instant::now(), std::thread::current().id());
            order.sort_by_cached_key(|nth| xxhash_rust::xxh3::xxh3_64(format!("{nth}{noise}").as_bytes()));
        }
        order
    }

    /// What all places said. Of one it is its own error, and one at which we hang may let us in.
    fn together(&self, mut said: Vec<(usize, EngineError)>) -> EngineError {
        let hangs = said.iter().any(|(_, error)| matches!(error, EngineError::Hanging(_)));
        match said.pop() {
            None => EngineError::Unreachable("there is no place to try".to_owned()),
            Some((_, error)) if said.is_empty() => error,
            Some(last) => {
                said.push(last);
                let name =
                    |nth: usize| self.target.url.places().get(nth).map(Place::to_string).unwrap_or_default();
                let all = said.iter().map(|(nth, error)| format!("{}: {error}", name(*nth)));
                let all = all.collect::<Vec<_>>().join("; ");
                if hangs { EngineError::Hanging(all) } else { EngineError::Unreachable(all) }
            }
        }
    }

    /// Every address of a place, each with its own patience.
    async fn knock(self: &Arc<Self>, place: &Place, knock: &Knock) -> Result<Connection, Refusal> {
        let patience = patience(&knock.target);
        let purpose = Purpose { lane: knock.lane, database: knock.database.clone(), wanted: knock.wanted };
        let mut last = Refusal::Other(EngineError::Unreachable("the name has no address".to_owned()));
        for endpoint in endpoints(&knock.target, place, patience).await? {
            let (at, heard) = (endpoint.to_string(), endpoint.heard());
            let attempt = self.clone().attempt(knock.clone(), endpoint);
            match self.knocks.knock(&at, &purpose, patience, heard, attempt).await {
                // Where we hang we may be let in; another address that has nobody does not change that.
                Err(Refusal::Other(_) | Refusal::Tls(_)) if last.hangs() => {}
                Err(refusal @ (Refusal::Other(_) | Refusal::Tls(_))) => last = refusal,
                decided => return decided,
            }
        }
        Err(last)
    }

    /// One address: as asked, and then as it can be had.
    async fn attempt(self: Arc<Self>, knock: Knock, endpoint: Endpoint) -> Result<Connection, Refusal> {
        let plain = match &endpoint {
            Endpoint::Tcp { tls: Some(_), address, host, socket }
                if tls::mode(&knock.target) == SslMode::Prefer =>
            {
                Some(Endpoint::Tcp {
                    tls: None,
                    address: *address,
                    host: host.clone(),
                    socket: socket.clone(),
                })
            }
            _ => None,
        };
        let mut tried = knock.at(endpoint.clone()).await;
        if let (Err(Refusal::Rule(_) | Refusal::Tls(_)), Some(plain)) = (&tried, plain) {
            tried = knock.at(plain).await;
        }
        if let Err(Refusal::Parameter(_)) = tried {
            tried = Knock { limits_first: false, ..knock.clone() }.at(endpoint).await;
        }
        let mut connection = tried?;
        if !connection.session.is_limited {
            pooler::settle(&knock, &mut connection).await?;
            self.is_pooled.store(true, Ordering::Relaxed);
        }
        Ok(connection)
    }
}

/// The operator's `connect_timeout`, within reason: 0 means for ever to libpq, and to us our own limit.
fn patience(target: &Target) -> Duration {
    let asked = target.url.param("connect_timeout").and_then(|seconds| seconds.trim().parse().ok());
    asked.filter(|seconds| (1..=60).contains(seconds)).map_or(CONNECT, Duration::from_secs)
}

/// Asks the name service each time: after a failover the name has another address.
async fn endpoints(target: &Target, place: &Place, patience: Duration) -> Result<Vec<Endpoint>, Refusal> {
    if let Some(directory) = place.socket_directory() {
        return Ok(vec![Endpoint::Unix(directory.join(format!(".s.PGSQL.{}", place.port)))]);
    }
    let addresses: Vec<SocketAddr> = match place.address {
        Some(address) => vec![SocketAddr::new(address, place.port)],
        None => {
            let found = timeout(patience, lookup_host((place.host.as_str(), place.port))).await;
            let found = found.map_err(|_| Refusal::Other(EngineError::Timeout(patience)))?;
            found?.take(MAX_ADDRESSES).collect()
        }
    };
    let tls = tls::Connector::of(target).await.map_err(Refusal::Final)?;
    let socket = SocketOptions::of(target);
    let endpoint = |address| Endpoint::Tcp {
        address,
        host: place.host.clone(),
        tls: tls.clone(),
        socket: socket.for_one(),
    };
    Ok(addresses.into_iter().map(endpoint).collect())
}
