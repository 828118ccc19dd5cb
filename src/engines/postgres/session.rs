//! The limits of a session, and what it is told of itself at its beginning.

use super::failure::Refusal;
use crate::config::Target;
use crate::engine::{EngineError, Lane};
use std::time::Duration;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

/// What one statement may take on the server.
pub fn statement_timeout(lane: Lane) -> Duration {
    match lane {
        Lane::Pulse | Lane::Beat => Duration::from_secs(1),
        Lane::Roam => Duration::from_secs(5),
    }
}

const READ_ONLY: &str = "default_transaction_read_only";

/// The session's limits. Read DESIGN section 5 before you touch them: they are what makes us harmless.
fn limits(lane: Lane) -> [(&'static str, String); 10] {
    [
        ("statement_timeout", format!("{}s", statement_timeout(lane).as_secs())),
        // Never queue behind a lock, for whoever comes next would queue behind us.
        ("lock_timeout", "100ms".to_owned()),
        ("idle_in_transaction_session_timeout", "2s".to_owned()),
        (READ_ONLY, "on".to_owned()),
        // What keeps the largest file of texts that is read out of temporary files, and 50,000 statements without texts; nothing
        // else of ours comes near it.
        ("work_mem", "64MB".to_owned()),
        ("search_path", "pg_catalog".to_owned()),
        ("client_encoding", "UTF8".to_owned()),
        ("max_parallel_workers_per_gather", "0".to_owned()),
        ("client_min_messages", "error".to_owned()),
        ("bytea_output", "hex".to_owned()),
    ]
}

/// Of the limits those that keep us harmless: a session is ours only when they hold.
const VITAL: [&str; 4] =
    ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", READ_ONLY];

/// libpq's `options` of the operator, then our limits: what is said last wins.
pub fn options(target: &Target, lane: Lane, judges_writing: bool) -> String {
    let ours = limits(lane).into_iter().filter(|(name, _)| !(judges_writing && *name == READ_ONLY));
    let ours = ours.map(|(name, value)| format!("-c {name}={value}"));
    let theirs = target.url.param("options").map(str::to_owned);
    theirs.into_iter().chain(ours).collect::<Vec<_>>().join(" ")
}

/// Which of several servers is wanted: libpq's target_session_attrs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
}

impl Wanted {
    /// What to look for in a first round, and in a second.
    pub fn rounds(target: &Target) -> &'static [Wanted] {
        match target.url.param("target_session_attrs") {
            Some("read-write") => &[Wanted::ReadWrite],
            Some("read-only") => &[Wanted::ReadOnly],
            Some("primary") => &[Wanted::Primary],
            Some("standby") => &[Wanted::Standby],
            Some("prefer-standby") => &[Wanted::Standby, Wanted::Any],
            _ => &[Wanted::Any],
        }
    }

    /// Whether the server would let others write is hidden by our own read-only transactions.
    pub fn judges_writing(self) -> bool {
        matches!(self, Wanted::ReadWrite | Wanted::ReadOnly)
    }

    pub fn fits(self, session: &Session) -> Result<(), &'static str> {
        let is_read_only = session.is_standby || session.is_read_only;
        match self {
            Wanted::ReadWrite if is_read_only => Err("it is read-only"),
            Wanted::ReadOnly if !is_read_only => Err("it is not read-only"),
            Wanted::Primary if session.is_standby => Err("it is a standby"),
            Wanted::Standby if !session.is_standby => Err("it is no standby"),
            _ => Ok(()),
        }
    }
}

/// What a session says of itself.
#[derive(Debug, Clone)]
pub struct Session {
    pub pid: i64,
    pub is_standby: bool,
    pub is_read_only: bool,
    /// Our limits hold.
    pub is_limited: bool,
}

impl Session {
    /// One plain query, so that it works through any pooler: no prepared statement.
    pub async fn ask(client: &Client, lane: Lane) -> Result<Session, Refusal> {
        let settings = VITAL.map(|name| format!("current_setting('{name}')")).join(", ");
        let sql = format!(
            "select /* dbsonde {} */ pg_backend_pid(), pg_is_in_recovery(), current_setting('transaction_read_only'), {settings}",
            lane.name()
        );
        let answer = client.simple_query(&sql).await.map_err(|error| Refusal::of(&error))?;
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.ok_or_else(|| Refusal::Other(EngineError::Unreachable("no answer".to_owned())))?;
        let said = |nth: usize| text(row, nth).to_owned();
        let limits = limits(lane);
        let holds = |(nth, name): (usize, &&str)| {
            limits.iter().any(|(limit, value)| limit == name && *value == text(row, nth + 3))
        };
        Ok(Session {
            pid: said(0).parse().unwrap_or_default(),
            is_standby: said(1) == "t",
            is_read_only: said(2) == "on",
            is_limited: VITAL.iter().enumerate().all(holds),
        })
    }
}

fn text(row: &SimpleQueryRow, nth: usize) -> &str {
    row.try_get(nth).ok().flatten().unwrap_or_default()
}

/// Sets the limits in a session that could not begin with them.
pub async fn limit(client: &Client, lane: Lane) -> Result<(), Refusal> {
    let tag = lane.name();
    let sets =
        limits(lane).map(|(name, value)| format!("set /* dbsonde {tag} */ {name} = '{value}'")).join("; ");
    client.batch_execute(&sets).await.map_err(|error| Refusal::of(&error))
}

/// Begins what [`options`] left out.
pub async fn stop_writing(client: &Client, lane: Lane) -> Result<(), Refusal> {
    let set = format!("set /* dbsonde {} */ {READ_ONLY} = on", lane.name());
    client.batch_execute(&set).await.map_err(|error| Refusal::of(&error))
}
