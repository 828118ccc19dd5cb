//! Somebody in between who speaks MySQL's protocol, as ProxySQL does. Where each client has a session of its own our
//! limits can be set there; where statements go to whichever session is free they would be lost, or worse, they would
//! bind whoever comes next.

use super::answer::Named;
use super::connect::Connection;
use crate::engine::reading::Failure;
use crate::engine::{EngineError, Lane};

/// Two clients ask in turn which session is theirs. Who passes statements on gives himself away at the first round,
/// unless others take and return sessions in between, each time at the right moment.
const ROUNDS: usize = 8;

const HANDED_ON: &str = "a proxy that passes statements from session to session (multiplexing, transaction mode) cannot keep our limits: \
     connect to the server itself, or let the proxy give us a session of our own (session mode)";
const UNLIMITED: &str = "the session does not keep our limits: connect to the server itself";

/// What holds of a session with our limits, by any of its names. 1 ms, and behind a proxy alone.
const LIMITS: &str = "show session variables where (variable_name = 'lock_wait_timeout' and value in ('0', '1')) \
     or (variable_name in ('transaction_read_only', 'tx_read_only') and value = 'ON')";

impl Connection {
    /// The number of our session by its own word, below 0.1 ms; who stands in between has given us another one.
    pub async fn asks_who(&mut self, lane: Lane) -> Result<i64, Failure> {
        let mut rows: Vec<Named> = Vec::new();
        let sql = format!("select /* dbsonde {0} */ connection_id() as dbsonde_{0}", lane.name());
        self.run(&mut rows, &sql).await?;
        let number = rows.first().and_then(|row| row.first()?.parse().ok());
        let silent = "the server does not say which session is ours".to_owned();
        number.ok_or(Failure::Lost(EngineError::Unreachable(silent)))
    }

    /// Is the session that was given to us ours to keep? `other` is a second client.
    pub async fn is_ours(&mut self, other: &mut Connection, lane: Lane) -> Result<(), EngineError> {
        let (own, its) = (self.asks_who(lane).await?, other.asks_who(lane).await?);
        for _ in 0..ROUNDS {
            if own == its || own != self.asks_who(lane).await? || its != other.asks_who(lane).await? {
                return Err(EngineError::Unsupported(HANDED_ON.to_owned()));
            }
        }
        Ok(())
    }

    /// Reads back what was set: a proxy answers what it likes.
    pub async fn keeps_limits(&mut self) -> Result<(), EngineError> {
        let mut rows: Vec<Named> = Vec::new();
        self.run(&mut rows, LIMITS).await?;
        let has = |name: &str| rows.iter().any(|row| row.first().is_some_and(|first| first.ends_with(name)));
        match has("lock_wait_timeout") && has("_read_only") {
            true => Ok(()),
            false => Err(EngineError::Unsupported(UNLIMITED.to_owned())),
        }
    }
}
