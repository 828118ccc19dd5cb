use crate::config::Span;
use crate::model::{Blocker, Confidence, Finding, Fix, Name, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Session that keeps others waiting
///
/// One session holds a lock that others need, and they have waited for long, directly or one behind the other.
///
/// ## Why it hurts
///
/// Each of them holds a connection, and often locks of its own: the queue grows until connections run out. A
/// schema change that waits makes everybody wait who comes after it, readers too.
///
/// ## What to do
///
/// Look at the root, not at those who complain. If it is idle in a transaction, end it; if it is working, decide
/// whether its work is worth the wait, and cancel it if not.
///
/// ## When this page is wrong
///
/// During a planned change whose wait is accepted. Raise `warn_after` or silence it for that time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionBlocking {
    /// A victim that waits longer makes a warning. Calibrated by us: users have given up by then.
    warn_after: Span,
    /// A victim that waits longer makes it urgent.
    urgent_after: Span,
    /// So many victims make it urgent, however long they wait.
    urgent_victims: u64,
}

impl Default for SessionBlocking {
    fn default() -> Self {
        Self { warn_after: Span::secs(30), urgent_after: Span::secs(300), urgent_victims: 10 }
    }
}

impl Rule for SessionBlocking {
    const ID: &'static str = "session-blocking";
    const NEEDS: &'static [Topic] = &[Topic::Blockers];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let for_long = |blocker: &&Blocker| waited(blocker) >= self.warn_after.get().as_secs_f64();
        let by_many = |blocker: &&Blocker| blocker.victims.last.get() >= self.urgent_victims;

        seen.now
            .rows::<Blocker>()
            .filter(move |blocker| for_long(blocker) || by_many(blocker))
            .map(|blocker| self.finding(blocker).into())
    }
}

fn waited(blocker: &Blocker) -> f64 {
    blocker.longest_wait_seconds.float()
}

impl SessionBlocking {
    fn finding(&self, blocker: &Blocker) -> Finding {
        let victims = blocker.victims.last.get();
        let urgent =
            victims >= self.urgent_victims || waited(blocker) >= self.urgent_after.get().as_secs_f64();
        let is_idle = blocker.state.starts_with("idle");
        let state = if blocker.state.is_empty() { "in a state that this login may not see" } else { &blocker.state };
        let way = if is_idle { "pg_terminate_backend" } else { "pg_cancel_backend" };
        let through = if blocker.application.is_empty() {
            String::new()
        } else {
            format!(" ({})", blocker.application)
        };
        let noun = if victims == 1 { "session waits" } else { "sessions wait" };
        Finding {
            rule: Name::new(Self::ID),
            severity: if urgent { Severity::Urgent } else { Severity::Warning },
            database: Some(blocker.database.clone()),
            subject: format!("{}{through} pid {}", blocker.user, blocker.pid),
            because: format!(
                "{victims} {noun} for session {} of {}{through}, which is {state}; the longest for {}, {} lost so far",
                blocker.pid,
                blocker.user,
                script::duration(waited(blocker)),
                script::duration(blocker.lost_seconds.float()),
            ),
            evidence: evidence([
                ("pid", json!(blocker.pid)),
                ("victims", json!(victims)),
                ("longest_wait_seconds", json!(waited(blocker).round())),
                ("lost_seconds", json!(blocker.lost_seconds.float().round())),
                ("lock", json!(blocker.lock.as_str())),
                ("tree", json!(blocker.tree.as_str())),
                ("digest", json!(blocker.digest.map(|digest| digest.to_string()))),
            ]),
            advice: if is_idle {
                "It does nothing and holds the lock: end it.".into()
            } else {
                "It is at work: cancel it unless its work is worth the wait.".into()
            },
            fix: Some(Fix {
                sql: vec![format!("SELECT {way}({});", blocker.pid)],
                rollback: Vec::new(),
                lock: String::new(),
                blocks: "nobody; the session's own transaction is rolled back".into(),
                transactional: false,
                caution: "What it did in its transaction is lost; its program must be ready to try again."
                    .into(),
            }),
            confidence: Confidence::Measured,
        }
    }
}
