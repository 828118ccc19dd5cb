//! What goes wrong with a server, and what the caller does about it.

use crate::engine::EngineError;
use crate::engine::reading::Failure;
use crate::model::is_disguise;
use tokio_postgres::error::{DbError, SqlState};

/// What the server's error means for what comes next.
pub fn failure(error: &tokio_postgres::Error) -> Failure {
    match error.as_db_error() {
        Some(db) if is_fatal(db.code()) => Failure::Lost(from_server(db)),
        // Our statements hold no literals and no names of users' objects, so neither does the message.
        Some(db) => Failure::Refused { message: said(db), changed: means_change(db.code()), no_room: false },
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

/// Why a place did not let us in.
#[derive(Debug)]
pub enum Refusal {
    /// Who we are or what we know is wrong: the next place would say the same, and too many tries lock an account.
    Login(EngineError),
    /// No rule of pg_hba.conf lets us in this way; another way may.
    Rule(EngineError),
    /// It does not take limits in the start-up packet: no PostgreSQL, but a pooler.
    Parameter(EngineError),
    /// TLS failed.
    Tls(EngineError),
    /// What a retry at the same server cannot change: no such database, no right to it.
    Final(EngineError),
    /// The next place may be better.
    Other(EngineError),
}

impl Refusal {
    pub fn of(error: &tokio_postgres::Error) -> Refusal {
        let Some(db) = error.as_db_error() else {
            if is_forbidden(error) {
                return Refusal::Final(EngineError::Denied(innermost(error)));
            }
            let said = EngineError::Unreachable(innermost(error));
            return if is_tls(error) { Refusal::Tls(said) } else { Refusal::Other(said) };
        };
        let said = from_server(db);
        match db.code().code() {
            // The only words of the message that no language translates.
            code if code.starts_with("28") && db.message().contains("pg_hba.conf") => Refusal::Rule(said),
            code if code.starts_with("28") => Refusal::Login(said),
            "08P01" if db.message().contains("startup parameter") => Refusal::Parameter(said),
            code if code.starts_with("3D") || code.starts_with("42") => Refusal::Final(said),
            _ => Refusal::Other(said),
        }
    }

    /// With the reason for which the connection was closed, where there is one.
    pub fn because(self, why: Option<&String>) -> Refusal {
        match (self, why) {
            (Refusal::Other(_), Some(why)) => Refusal::Other(EngineError::Unreachable(why.clone())),
            (refusal, _) => refusal,
        }
    }

    /// A log-in goes on.
    pub fn hangs(&self) -> bool {
        matches!(self, Refusal::Other(EngineError::Hanging(_)))
    }

    pub fn into_error(self) -> EngineError {
        match self {
            Refusal::Login(error)
            | Refusal::Rule(error)
            | Refusal::Parameter(error)
            | Refusal::Tls(error)
            | Refusal::Final(error)
            | Refusal::Other(error) => error,
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Refusal {
        Refusal::Other(EngineError::Unreachable(error.to_string()))
    }
}

/// One line of bounded length, whatever the server wrote: it goes to logs, pages and terminals.
fn said(db: &DbError) -> String {
    const MAX_CHARS: usize = 300;
    let plain = |char: char| if is_disguise(char) { ' ' } else { char };
    db.message().chars().take(MAX_CHARS).map(plain).collect()
}

/// Errors after which the server closes the connection, or never opened it.
fn is_fatal(code: &SqlState) -> bool {
    let class = code.code().get(..2).unwrap_or_default();
    *code != SqlState::QUERY_CANCELED && matches!(class, "08" | "28" | "3D" | "53" | "57" | "58" | "XX")
}

fn from_server(db: &DbError) -> EngineError {
    let said = said(db);
    match db.code().code().get(..2).unwrap_or_default() {
        // 28: authorisation; 3D: no such database; 42501 while connecting.
        "28" | "3D" | "42" => EngineError::Denied(said),
        "22" | "55" | "0A" => EngineError::Unsupported(said),
        _ => EngineError::Unreachable(said),
    }
}

/// The guard has refused to give what the server asked for.
fn is_forbidden(error: &tokio_postgres::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::PermissionDenied)
}

fn is_tls(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// In the server's bounded words, or in those of the last cause.
pub fn why(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| innermost(error), said)
}

/// The cause that a person can act on is the last in the chain; the first only says "error".
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
