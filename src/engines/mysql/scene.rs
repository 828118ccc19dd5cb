//! What the pulse sees beside the sessions themselves: what each thread runs, what it waits for, and InnoDB's
//! transactions. Read just before the sessions and laid over them; joins in the server would cost it more, since
//! older versions have no index on a thread's number there.

use super::answer::Named;
use super::link::Link;
use crate::engine::EngineError;
use crate::engine::layout::hash;
use crate::engine::reading::Failure;
use crate::model::{Name, Session, Timestamp};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub struct Scene {
    /// By number of the thread.
    running: HashMap<i64, Running>,
    waiting: HashMap<i64, String>,
    /// By number of the connection.
    transactions: HashMap<i64, Transaction>,
}

#[derive(Debug)]
struct Running {
    digest: Option<i64>,
    seconds: f64,
}

#[derive(Debug)]
struct Transaction {
    started: f64,
    waits_for_row: bool,
}

impl Scene {
    /// Looks again. What a server does not have or does not let us see leaves its part empty.
    pub async fn look(link: &mut Link) -> Result<Scene, EngineError> {
        let mut scene = Scene::default();
        for row in seen(link, "running").await? {
            if let (Some(thread), Some(seconds)) = (row.whole("thread_id"), row.number("seconds")) {
                scene.running.insert(thread, Running { digest: row.text("digest").map(hash), seconds });
            }
        }
        for row in seen(link, "waits").await? {
            if let (Some(thread), Some(event)) = (row.whole("thread_id"), row.text("event_name")) {
                scene.waiting.insert(thread, event.to_owned());
            }
        }
        for row in seen(link, "transactions").await? {
            if let (Some(pid), Some(started)) = (row.whole("pid"), row.number("started")) {
                let waits_for_row = row.text("state") == Some("LOCK WAIT");
                scene.transactions.insert(pid, Transaction { started, waits_for_row });
            }
        }
        Ok(scene)
    }

    /// What the pulse knows of a session beyond the list of sessions.
    pub fn complete(&self, session: &mut Session) {
        let transaction = self.transactions.get(&session.pid);
        session.transaction_start = transaction.map(|transaction| Timestamp::new(transaction.started));
        let state = std::mem::take(&mut session.wait_event);
        let doing = state.as_deref().unwrap_or_default();
        let command = session.state.as_deref().unwrap_or_default();
        session.state = Some(Name::new(match command {
            "Sleep" if transaction.is_some() => "idle in transaction",
            "Sleep" => "idle",
            "Daemon" | "Binlog Dump" | "Binlog Dump GTID" | "Slave_IO" | "Slave_SQL" | "Slave_worker"
            | "Connect" => "background",
            _ => "active",
        }));
        if session.state.as_deref() != Some("active") {
            return;
        }
        let thread = session.thread_id;
        if let Some(running) = thread.and_then(|thread| self.running.get(&thread)) {
            session.server_digest = running.digest;
            session.query_start = session.asked.map(|asked| Timestamp::new(asked.get() - running.seconds));
        }
        let waits = thread.and_then(|thread| self.waiting.get(&thread));
        let wait = match transaction {
            Some(transaction) if transaction.waits_for_row => Some(("Lock", "row")),
            _ => lock_in(doing).map(|lock| ("Lock", lock)).or_else(|| waits.and_then(|event| class(event))),
        };
        if let Some((class, event)) = wait {
            session.wait_class = Some(Name::new(class));
            session.wait_event = Some(Name::new(event));
        }
    }
}

async fn seen(link: &mut Link, file: &'static str) -> Result<Vec<Named>, EngineError> {
    Ok(Failure::forgive(link.ask(file).await)?.unwrap_or_default())
}

/// The lock that a session's state speaks of: `Waiting for table metadata lock`.
fn lock_in(state: &str) -> Option<&str> {
    let what = state.strip_prefix("Waiting for ")?;
    match what.strip_suffix(" lock") {
        Some("global read") => Some("global read"),
        Some(kind) => Some(kind),
        None if what == "table flush" => Some("table flush"),
        None => None,
    }
}

/// `wait/io/table/sql/handler` says what a session does, not what it waits for; the others are named as
/// `io:file/innodb/innodb_data_file`.
fn class(event: &str) -> Option<(&'static str, &str)> {
    let event = event.strip_prefix("wait/")?;
    let (kind, name) = event.split_once('/')?;
    match kind {
        "io" if name.starts_with("table/") => None,
        "io" => Some(("IO", name)),
        "lock" => Some(("Lock", name)),
        "synch" => Some(("Synch", name)),
        _ => None,
    }
}
