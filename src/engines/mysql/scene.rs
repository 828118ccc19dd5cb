//! What the pulse sees beside the sessions themselves: what each thread runs, what it waits for, and InnoDB's
//! transactions. Read just after the sessions, as far as these show that there is something to see, and laid over
//! them; joins in the server would cost it more, since older versions have no index on a thread's number there.

use super::answer::Named;
use super::link::Link;
use crate::engine::EngineError;
use crate::engine::layout::hash;
use crate::engine::reading::Failure;
use crate::model::{Name, Session, Timestamp};
use crate::sql::{Dialect, Digest, SqlMode, normalise};
use crate::texts::Known;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// While everybody sleeps their transactions are looked at this often all the same: who sets the clock of a session
/// falsifies since when it sleeps.
const TRANSACTIONS_EVERY: Duration = Duration::from_secs(10);
/// Since when somebody sleeps is told in whole seconds, of which the first may have hardly begun.
const WHOLE_SECOND: f64 = 1.0;

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
    /// When the transactions were read.
    looked: Option<Instant>,
}

/// What a session is about, by the command that the server shows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// It is the server's own, or feeds a replica.
    Background,
    Sleeps,
    Works,
}

impl About {
    fn of(session: &Session) -> About {
        // Those that play what a source has sent call themselves at work while they wait for more of it.
        match session.state.as_deref().unwrap_or_default() {
            // It has no command of its own, and is gone when it has done what the event says.
            _ if session.backend_type.as_deref() == Some("event") => About::Works,
            _ if plays(session) => About::Background,
            "Sleep" => About::Sleeps,
            "Daemon" | "Binlog Dump" | "Binlog Dump GTID" | "Slave_IO" | "Slave_SQL" | "Slave_worker"
            | "Connect" => About::Background,
            _ => About::Works,
        }
    }
}

/// Is it a thread of the server's own, that plays what a source has sent?
fn plays(session: &Session) -> bool {
    let is_servant = session.user.as_deref().is_none_or(|user| user == "system user");
    // MySQL has one that packs its table of GTIDs, and bears no name either.
    let is_daemon = session.state.as_deref() == Some("Daemon");
    session.backend_type.as_deref() == Some("replication") || is_servant && !is_daemon
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
    /// Looks again, at what the sessions show to be worth it. What a server does not have or does not let us see leaves
    /// its part empty.
    pub async fn look(link: &mut Link, sessions: &[Session]) -> Result<Scene, EngineError> {
        let own = |session: &&Session| !link.server.shared.is_own(session.pid);
        let others: Vec<&Session> = sessions.iter().filter(own).collect();
        let is_at_work = others.iter().any(|session| About::of(session) == About::Works);
        let mut scene = Scene { no_digests: link.lack("running"), ..Scene::default() };
        if is_at_work {
            scene.look_at_work(link).await?;
        }
        let last = std::mem::take(&mut link.scene);
        if last.may_differ(&others, Instant::now()) {
            scene.looked = Some(Instant::now());
            let rows = seen(link, "transactions").await?;
            scene.transactions = rows.iter().filter_map(Transaction::read).collect();
            let places =
                scene.transactions.iter().enumerate().map(|(nth, transaction)| (transaction.pid, nth));
            scene.by_session = places.collect();
        } else {
            (scene.looked, scene.transactions, scene.by_session) =
                (last.looked, last.transactions, last.by_session);
        }
        Ok(scene)
    }

    async fn look_at_work(&mut self, link: &mut Link) -> Result<(), EngineError> {
        let running = match link.ask("running").await {
            Ok(rows) => rows,
            Err(Failure::Lost(error)) => return Err(error),
            Err(Failure::Refused { message, .. }) => {
                self.no_digests = Some(message);
                self.sampled = sample(link).await?;
                Vec::new()
            }
        };
        for row in running {
            if let (Some(thread), Some(seconds)) = (row.whole("thread_id"), row.number("seconds")) {
                self.running.insert(thread, Running { digest: row.text("digest").map(hash), seconds });
            }
        }
        for row in seen(link, "waits").await? {
            if let (Some(thread), Some(event)) = (row.whole("thread_id"), row.text("event_name")) {
                self.waiting.insert(thread, event.to_owned());
            }
        }
        Ok(())
    }

    /// May a transaction have begun, ended or begun to wait since they were read? Not if everybody slept then as now.
    fn may_differ(&self, others: &[&Session], now: Instant) -> bool {
        let Some(passed) = self.looked.map(|looked| now - looked) else { return true };
        let slept = |session: &&Session| {
            let asleep =
                session.asked.zip(session.state_change).map(|(asked, since)| asked.get() - since.get());
            asleep.is_some_and(|asleep| asleep > passed.as_secs_f64() + WHOLE_SECOND)
        };
        let is_as_it_was = |session: &&Session| match About::of(session) {
            About::Works => false,
            About::Sleeps => slept(session),
            // They wait for locks like everybody.
            About::Background => !plays(session),
        };
        passed >= TRANSACTIONS_EVERY || !others.iter().all(is_as_it_was)
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
        session.state = Some(Name::new(match About::of(session) {
            About::Background => "background",
            About::Sleeps if transaction.is_some() => "idle in transaction",
            About::Sleeps => "idle",
            About::Works => "active",
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
    use crate::rules::tests::made_up::row;
    use serde_json::json;

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

    fn session(pid: i64, command: &str, asleep: f64) -> Session {
        row(
            json!({"pid": pid, "user": "web", "backend_type": "foreground", "state": command, "asked": 1_000.0,
            "state_change": 1_000.0 - asleep}),
        )
    }

    #[test]
    fn who_sleeps_since_before_the_last_look_has_the_transactions_that_he_had() {
        let now = Instant::now();
        let looked = |seconds| Scene { looked: Some(now - Duration::from_secs(seconds)), ..Scene::default() };
        let differ = |scene: &Scene, sessions: &[&Session]| scene.may_differ(sessions, now);
        let (asleep, waking) = (session(1, "Sleep", 4.0), session(2, "Sleep", 2.0));
        assert!(differ(&Scene::default(), &[]), "nobody has looked");
        assert!(!differ(&looked(1), &[]) && !differ(&looked(2), &[&asleep]));
        assert!(
            differ(&looked(3), &[&asleep]),
            "he may have gone to sleep after that look: the second is not over"
        );
        assert!(differ(&looked(1), &[&asleep, &waking]));
        assert!(differ(&looked(1), &[&session(3, "Query", 4.0)]));
        assert!(differ(&looked(10), &[&session(1, "Sleep", 900.0)]), "now and then whatever they say");
        let daemon = row::<Session>(json!({"pid": 4, "backend_type": "foreground", "state": "Daemon"}));
        let player = row::<Session>(
            json!({"pid": 5, "user": "root", "backend_type": "replication", "state": "Query"}),
        );
        assert!(!differ(&looked(1), &[&daemon]) && differ(&looked(1), &[&player]));
    }
}
