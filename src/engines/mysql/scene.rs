//! What the pulse sees beside the sessions themselves: what each thread runs, what it waits for, and InnoDB's
//! transactions. Read just before the sessions and laid over them; joins in the server would cost it more, since
//! older versions have no index on a thread's number there.

use super::answer::Named;
use super::link::Link;
use crate::engine::EngineError;
use crate::engine::layout::hash;
use crate::engine::reading::Failure;
use crate::model::{Name, Session, Timestamp};
use crate::sql::{Dialect, Digest, SqlMode, normalise};
use crate::texts::Known;
use std::collections::HashMap;

#[derive(Debug, Default)]
pub struct Scene {
    /// By number of the thread.
    running: HashMap<i64, Running>,
    waiting: HashMap<i64, String>,
    /// By number of the connection: ids of what they run, where the server does not tell a digest.
    sampled: HashMap<i64, i64>,
    /// Why it does not.
    pub no_digests: Option<String>,
    transactions: Vec<Transaction>,
    /// Their places by number of the connection.
    by_session: HashMap<i64, usize>,
}

#[derive(Debug)]
struct Running {
    digest: Option<i64>,
    seconds: f64,
}

/// A transaction of InnoDB.
#[derive(Debug)]
pub struct Transaction {
    /// MariaDB has none for one that has changed nothing yet.
    id: i64,
    /// 0 for one that has no session: it was prepared for a commit in two phases.
    pub pid: i64,
    started: f64,
    pub wait_started: Option<f64>,
    locked_rows: Option<i64>,
    waits_for_row: bool,
}

impl Transaction {
    fn read(row: &Named) -> Option<Transaction> {
        Some(Transaction {
            id: row.whole("id").unwrap_or_default(),
            pid: row.whole("pid")?,
            started: row.number("started")?,
            wait_started: row.number("wait_started"),
            locked_rows: row.whole("locked_rows"),
            waits_for_row: row.text("state") == Some("LOCK WAIT"),
        })
    }
}

impl Scene {
    /// Looks again. What a server does not have or does not let us see leaves its part empty.
    pub async fn look(link: &mut Link) -> Result<Scene, EngineError> {
        let mut scene = Scene::default();
        let running = match link.ask("running").await {
            Ok(rows) => rows,
            Err(Failure::Lost(error)) => return Err(error),
            Err(Failure::Refused { message, .. }) => {
                scene.no_digests = Some(message);
                scene.sampled = sample(link).await?;
                Vec::new()
            }
        };
        for row in running {
            if let (Some(thread), Some(seconds)) = (row.whole("thread_id"), row.number("seconds")) {
                scene.running.insert(thread, Running { digest: row.text("digest").map(hash), seconds });
            }
        }
        for row in seen(link, "waits").await? {
            if let (Some(thread), Some(event)) = (row.whole("thread_id"), row.text("event_name")) {
                scene.waiting.insert(thread, event.to_owned());
            }
        }
        scene.transactions = seen(link, "transactions").await?.iter().filter_map(Transaction::read).collect();
        let places = scene.transactions.iter().enumerate().map(|(nth, transaction)| (transaction.pid, nth));
        scene.by_session = places.collect();
        Ok(scene)
    }

    /// The transaction that InnoDB's locks name so. Of those without a number it is the only one that holds any.
    pub fn transaction(&self, id: i64) -> Option<&Transaction> {
        let holds = |it: &&Transaction| it.id == id && (id != 0 || it.locked_rows > Some(0));
        let mut found = self.transactions.iter().filter(holds);
        found.next().filter(|_| found.next().is_none())
    }

    /// The number of the transaction that has no session, if there is but one.
    pub fn only_prepared(&self) -> Option<i64> {
        let mut found = self.transactions.iter().filter(|it| it.pid == 0);
        found.next().filter(|_| found.next().is_none()).map(|it| it.id)
    }

    /// What the pulse knows of a session beyond the list of sessions.
    pub fn complete(&self, session: &mut Session) {
        let place = self.by_session.get(&session.pid);
        let transaction = place.and_then(|nth| self.transactions.get(*nth));
        session.transaction_start = transaction.map(|transaction| Timestamp::new(transaction.started));
        session.locked_rows = transaction.and_then(|transaction| transaction.locked_rows);
        let state = std::mem::take(&mut session.wait_event);
        let doing = state.as_deref().unwrap_or_default();
        let command = session.state.as_deref().unwrap_or_default();
        // Those that play what a source has sent call themselves at work while they wait for more of it.
        let is_of_the_server = session.backend_type.as_deref() == Some("replication")
            || session.user.as_deref().is_none_or(|user| user == "system user");
        session.state = Some(Name::new(match command {
            _ if is_of_the_server => "background",
            "Sleep" if transaction.is_some() => "idle in transaction",
            "Sleep" => "idle",
            "Daemon" | "Binlog Dump" | "Binlog Dump GTID" | "Slave_IO" | "Slave_SQL" | "Slave_worker"
            | "Connect" => "background",
            _ => "active",
        }));
        // Those of the server's own, that play what a source has sent, wait for locks like everybody.
        let lock = match transaction {
            Some(transaction) if transaction.waits_for_row => Some(("Lock", "row")),
            _ => lock_in(doing).map(|lock| ("Lock", lock)),
        };
        let mut wait = lock;
        let thread = session.thread_id;
        if session.state.as_deref() == Some("active") {
            if let Some(running) = thread.and_then(|thread| self.running.get(&thread)) {
                session.server_digest = running.digest;
                session.query_start =
                    session.asked.map(|asked| Timestamp::new(asked.get() - running.seconds));
            }
            if let Some(id) = self.sampled.get(&session.pid) {
                session.server_digest = Some(*id);
            }
            let event = thread.and_then(|thread| self.waiting.get(&thread));
            wait = lock.or_else(|| event.and_then(|event| class(event)));
        }
        if let Some((class, event)) = wait {
            session.wait_class = Some(Name::new(class));
            session.wait_event = Some(Name::new(event));
        }
    }
}

async fn seen(link: &mut Link, file: &'static str) -> Result<Vec<Named>, EngineError> {
    Ok(Failure::forgive(link.ask(file).await)?.unwrap_or_default())
}

/// What sessions run, by what they typed: known by the digest of its fingerprint, the text goes no further.
async fn sample(link: &mut Link) -> Result<HashMap<i64, i64>, EngineError> {
    let rows = seen(link, "session_texts").await?;
    let shared = &link.server.shared;
    let mut ids = HashMap::new();
    shared.teach(|texts| {
        for row in &rows {
            let (Some(pid), Some(text)) = (row.whole("pid"), row.text("query")) else { continue };
            let is_cut = row.whole("is_cut") == Some(1);
            if let Some((id, fingerprint)) = read_as_typed(text).filter(|_| !is_cut && !shared.is_own(pid)) {
                texts.learn(id, Known::Digest(Digest(id.cast_unsigned())), Some(&fingerprint));
                ids.insert(pid, id);
            }
        }
    });
    Ok(ids)
}

/// A statement by its digest as a number. Where its strings end differently in another mode of SQL than the usual, it
/// is nobody's: we do not know the session's.
fn read_as_typed(text: &str) -> Option<(i64, String)> {
    let normal = normalise(Dialect::MYSQL, text).ok()?;
    let other = SqlMode { no_backslash_escapes: true, ..SqlMode::DEFAULT };
    let is_sure = !text.contains('\\') || normalise(Dialect::Mysql(other), text).as_ref() == Ok(&normal);
    let digest = normal.key().filter(|_| is_sure)?;
    Some((digest.0.cast_signed(), normal.fingerprint))
}

/// The lock that a session's state speaks of: `Waiting for table metadata lock`.
fn lock_in(state: &str) -> Option<&str> {
    if state == "User lock" {
        return Some("user level");
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_session_typed_is_read_only_where_every_mode_reads_it_so() {
        let read = |text| read_as_typed(text).map(|(_, fingerprint)| fingerprint);
        assert_eq!(read("SELECT 1 FROM t WHERE a = 'it''s'").as_deref(), Some("select ? from t where a = ?"));
        assert_eq!(
            read(r"select 1 from t where a = 'new\nline'").as_deref(),
            Some("select ? from t where a = ?")
        );
        assert_eq!(read(r"select 1 from t where a = 'x\' and b = 'secret' and c = ' \''"), None);
        assert_eq!(read("select 'half"), None);
    }
}
