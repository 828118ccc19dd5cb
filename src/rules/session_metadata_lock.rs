use crate::config::Span;
use crate::model::{Blocker, Confidence, Finding, Fix, Name, Session, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// # Schema change that everybody waits behind
///
/// Sessions wait for the metadata lock of a table: most often a schema change waits for a transaction that once read
/// the table, and everybody who came to the table after it waits for the schema change.
///
/// ## Why it hurts
///
/// A transaction keeps the shape of every table that it has touched until it ends, also of those that it only read.
/// A schema change needs that shape for itself, and while it waits nobody is let past it, not even readers. MySQL and
/// MariaDB let it wait for a year or a day unless told otherwise, and no lock of a row shows any of it.
///
/// ## What to do
///
/// End the transaction at the root if it does nothing. If it works, take the schema change back: the queue behind it
/// is gone at once. Then try again with a short `lock_wait_timeout`, so that next time it gives up before it hurts.
///
/// ## When this page is wrong
///
/// During a change in a maintenance window, when nobody minds. Raise `warn_after` or silence it for that time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionMetadataLock {
    /// A session that waits longer makes a warning. Calibrated by us: a schema change that is let in at all is let in
    /// within a second.
    warn_after: Span,
    /// A session that waits longer makes it urgent.
    urgent_after: Span,
    /// So many that wait make it urgent, however long they wait.
    urgent_waiting: usize,
}

impl Default for SessionMetadataLock {
    fn default() -> Self {
        Self { warn_after: Span::secs(10), urgent_after: Span::secs(60), urgent_waiting: 10 }
    }
}

impl Rule for SessionMetadataLock {
    const ID: &'static str = "session-metadata-lock";
    const NEEDS: &'static [Topic] = &[Topic::Sessions];
    const MENDED_WITH: &'static [&'static str] = &["session-idle-in-transaction", "session-blocking"];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let for_long = |queue: &Queue<'_>| queue.longest() >= self.warn_after.get().as_secs_f64();
        let crowded = |queue: &Queue<'_>| queue.waiting.len() >= self.urgent_waiting;

        queues(seen)
            .filter(move |queue| for_long(queue) || crowded(queue))
            .map(|queue| self.finding(&queue, seen).into())
    }
}

/// Who blocks whom is asked at most every ten seconds, and the answer is seen with the next pulse.
const NAMED_WITHIN: f64 = 15.0;

/// Those who wait for metadata locks behind one session, the longest first.
struct Queue<'a> {
    /// None where the server does not tell who holds the lock.
    root: Option<&'a Blocker>,
    waiting: Vec<&'a Session>,
}

fn queues<'a>(seen: &Seen<'a>) -> impl Iterator<Item = Queue<'a>> + use<'a> {
    let mut roots: BTreeMap<i64, &Blocker> = BTreeMap::new();
    for root in seen.now.rows::<Blocker>() {
        let pids = root.tree.split(['<', ' ']).filter_map(|pid| pid.parse().ok());
        roots.extend(pids.map(|pid: i64| (pid, root)));
    }
    let mut queues: BTreeMap<Option<i64>, Queue<'_>> = BTreeMap::new();
    for session in seen.now.rows::<Session>().filter(|session| waits_for_metadata(session)) {
        let root = roots.get(&session.pid).copied();
        // The server does tell, but was not asked since this one came.
        if root.is_none() && !roots.is_empty() && waited(session) < NAMED_WITHIN {
            continue;
        }
        let queue = queues.entry(root.map(|root| root.pid));
        queue.or_insert_with(|| Queue { root, waiting: Vec::new() }).waiting.push(session);
    }
    queues.into_values().map(|mut queue| {
        queue.waiting.sort_by(|a, b| waited(b).total_cmp(&waited(a)));
        queue
    })
}

fn waits_for_metadata(session: &Session) -> bool {
    session.wait_class.as_deref() == Some("Lock")
        && session.wait_event.as_deref().is_some_and(|event| event.contains("metadata"))
}

/// Since its statement began; the server counts no wait of its own.
fn waited(session: &Session) -> f64 {
    let began = session.query_start.or(session.state_change);
    session.asked.zip(began).map_or(0.0, |(asked, began)| asked.get() - began.get())
}

impl Queue<'_> {
    fn longest(&self) -> f64 {
        self.waiting.first().map_or(0.0, |session| waited(session))
    }
}

/// Does who stands behind this one want the lock for itself alone, so that it keeps others out while it waits?
fn wants_all(root: &Blocker) -> bool {
    // Where the mode is not told: who waits first waits for one who was let in, and readers let each other in.
    !root.lock.ends_with("SHARED_READ")
}

impl SessionMetadataLock {
    fn finding(&self, queue: &Queue<'_>, seen: &Seen<'_>) -> Finding {
        let count = queue.waiting.len();
        let longest = queue.longest();
        let urgent = count >= self.urgent_waiting || longest >= self.urgent_after.get().as_secs_f64();
        let noun = if count == 1 { "session waits" } else { "sessions wait" };
        let holder = queue.root.map_or("somebody whom the server does not name".to_owned(), |root| {
            format!("session {} of {}, which is {}", root.pid, root.user, root.state)
        });
        let first = queue.waiting.first();
        Finding {
            rule: Name::new(Self::ID),
            severity: if urgent { Severity::Urgent } else { Severity::Warning },
            database: first.and_then(|session| session.database.clone()),
            subject: queue.root.map_or("metadata lock".into(), |root| format!("{} pid {}", root.user, root.pid)),
            because: format!(
                "{count} {noun} for the metadata lock of a table, held by {holder}; the longest for {}",
                script::duration(longest),
            ),
            evidence: evidence([
                ("waiting_sessions", json!(count)),
                ("longest_wait_seconds", json!(longest.round())),
                ("holder_pid", json!(queue.root.map(|root| root.pid))),
                ("object", json!(queue.root.and_then(|root| root.object.as_deref()))),
                ("first_in_queue_pid", json!(first.map(|session| session.pid))),
                ("tree", json!(queue.root.map(|root| root.tree.as_str()))),
            ]),
            advice: match queue.root {
                Some(root) if root.state.starts_with("idle") => {
                    "The holder does nothing: end it. Then give schema changes a short lock_wait_timeout.".into()
                }
                Some(root) if first.is_some_and(|first| first.is_servers_own()) && !root.is_servers_own() => {
                    "The first in the queue plays the changes of the source: end the holder, and split its work or take it \
                     elsewhere."
                        .into()
                }
                Some(_) => "The holder is at work: take back the first in the queue, or wait for the holder.".into(),
                None => "Take back the first in the queue, and let the server tell who holds such locks: the \
                         instrument wait/lock/metadata/sql/mdl costs about a thousandth of a statement."
                    .into(),
            },
            fix: first.and_then(|first| fix(queue.root, first, seen)),
            confidence: Confidence::Measured,
        }
    }
}

fn fix(root: Option<&Blocker>, first: &Session, seen: &Seen<'_>) -> Option<Fix> {
    let is_idle = root.is_some_and(|root| root.state.starts_with("idle"));
    let (deed, blocks, caution) = match root {
        Some(root) if root.is_servers_own() => return None,
        Some(root) if is_idle => (
            script::end_session(seen.flavour, root.pid),
            "nobody; the session's own transaction is rolled back",
            "What it did in its transaction is lost; its program must be ready to try again.",
        ),
        // The schema change is the one that is at work.
        Some(root) if !wants_all(root) => (
            script::cancel(seen.flavour, root.pid),
            "nobody; what the statement did is rolled back, which can take as long as it has run",
            "Only if its work is not worth the wait.",
        ),
        Some(root) if first.is_servers_own() => (
            script::cancel(seen.flavour, root.pid),
            "nobody; what the statement did is rolled back, which can take as long as it has run",
            "Whoever sent it has to send it again.",
        ),
        None if first.is_servers_own() => return None,
        _ => (
            script::cancel(seen.flavour, first.pid),
            "nobody; who waits behind it goes on",
            "The schema change is not made: run it again with a short lock_wait_timeout at a quiet hour.",
        ),
    };
    Some(Fix {
        sql: vec![deed],
        rollback: Vec::new(),
        lock: String::new(),
        blocks: blocks.into(),
        transactional: false,
        caution: caution.into(),
    })
}
