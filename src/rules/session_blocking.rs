use crate::config::Span;
use crate::model::{Blocker, Confidence, Finding, Fix, Flavour, Name, Severity, Timestamp, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Session that keeps others waiting
///
/// One session, or a transaction prepared for a two-phase commit, holds a lock that others need, and they have waited
/// for long, directly or one behind the other.
///
/// ## Why it hurts
///
/// Each of them holds a connection, and often locks of its own: the queue grows until connections run out. A
/// schema change that waits makes everybody wait who comes after it, readers too.
///
/// ## What to do
///
/// Look at the root, not at those who complain. If it is idle in a transaction, end it; if it is working, decide
/// whether its work is worth the wait, and cancel it if not. A prepared transaction has no session any more: ask its
/// transaction manager, and commit it or roll it back by hand only when that has forgotten it.
///
/// On MySQL and MariaDB this is about locks of rows and of metadata alike: a chain goes through both. Where the server is
/// managed, a procedure stands for `KILL`: on Amazon RDS and Aurora `CALL mysql.rds_kill(id)` and
/// `CALL mysql.rds_kill_query(id)`, on Azure `CALL mysql.az_kill(id)` and `CALL mysql.az_kill_query(id)`.
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
    const MENDED_WITH: &'static [&'static str] = &["session-idle-in-transaction"];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let for_long = |blocker: &&Blocker| waited(blocker) >= self.warn_after.get().as_secs_f64();
        let by_many = |blocker: &&Blocker| blocker.victims.last.get() >= self.urgent_victims;

        seen.now
            .rows::<Blocker>()
            .filter(move |blocker| for_long(blocker) || by_many(blocker))
            .map(|blocker| self.finding(blocker, seen.flavour).into())
    }
}

fn waited(blocker: &Blocker) -> f64 {
    blocker.longest_wait_seconds.float()
}

impl SessionBlocking {
    fn finding(&self, blocker: &Blocker, flavour: Flavour) -> Finding {
        let victims = blocker.victims.last.get();
        let urgent =
            victims >= self.urgent_victims || waited(blocker) >= self.urgent_after.get().as_secs_f64();
        let root = Root::of(blocker, flavour);
        let noun = if victims == 1 { "session waits" } else { "sessions wait" };
        Finding {
            rule: Name::new(Self::ID),
            severity: if urgent { Severity::Urgent } else { Severity::Warning },
            database: Some(blocker.database.clone()),
            subject: root.subject,
            because: format!(
                "{victims} {noun} for {}; the longest for {}, {} lost so far",
                root.named,
                script::duration(waited(blocker)),
                script::duration(blocker.lost_seconds.float()),
            ),
            evidence: evidence([
                ("pid", json!(blocker.prepared().is_none().then_some(blocker.pid))),
                ("prepared_transaction", json!(blocker.prepared().filter(|id| *id > 0))),
                ("victims", json!(victims)),
                ("longest_wait_seconds", json!(waited(blocker).round())),
                ("lost_seconds", json!(blocker.lost_seconds.float().round())),
                ("lock", json!(blocker.lock.as_str())),
                ("object", json!(blocker.object.as_deref())),
                ("locked_rows", json!(blocker.locked_rows)),
                ("transaction_started", json!(blocker.transaction_start.map(Timestamp::get))),
                ("tree", json!(blocker.tree.as_str())),
                ("digest", json!(blocker.digest.map(|digest| digest.to_string()))),
            ]),
            advice: root.advice.into(),
            fix: root.fix,
            confidence: Confidence::Measured,
        }
    }
}

/// Who it is that keeps the others waiting, and what can be done about it.
struct Root {
    subject: String,
    named: String,
    advice: &'static str,
    fix: Option<Fix>,
}

impl Root {
    fn of(blocker: &Blocker, flavour: Flavour) -> Root {
        match blocker.prepared() {
            Some(id) if flavour == Flavour::Postgres => Root::prepared(id),
            Some(id) => Root::prepared_xa(id, flavour),
            None => Root::session(blocker, flavour),
        }
    }

    fn session(blocker: &Blocker, flavour: Flavour) -> Root {
        let (is_idle, is_servers_own) = (blocker.state.starts_with("idle"), blocker.is_servers_own());
        let state = if blocker.state.is_empty() { "in a state that this login may not see" } else { &blocker.state };
        let way = if is_idle { script::end_session } else { script::cancel };
        let through = if blocker.application.is_empty() {
            String::new()
        } else {
            format!(" ({})", blocker.application)
        };
        // What plays a primary's changes on PostgreSQL has no user.
        let (of, user) = match blocker.user.as_str() {
            "" => (String::new(), String::new()),
            user => (format!(" of {user}{through}"), format!("{user}{through} ")),
        };
        Root {
            subject: format!("{user}pid {}", blocker.pid),
            named: format!("session {}{of}, which is {state}", blocker.pid),
            advice: if is_servers_own {
                "It plays what a source has sent, and ending it would stop that: it is over when that transaction is."
            } else if is_idle {
                "It does nothing and holds the lock: end it."
            } else {
                "It is at work: cancel it unless its work is worth the wait."
            },
            fix: (!is_servers_own).then(|| {
                harmless(
                    vec![way(flavour, blocker.pid)],
                    "nobody; the session's own transaction is rolled back",
                    "What it did in its transaction is lost; its program must be ready to try again.",
                )
            }),
        }
    }

    /// InnoDB's own number of it is not the name by which it is ended.
    fn prepared_xa(id: i64, flavour: Flavour) -> Root {
        let list = if flavour == Flavour::Mariadb { "XA RECOVER FORMAT='SQL';" } else { "XA RECOVER CONVERT XID;" };
        let which =
            if id > 0 { format!("prepared transaction {id}") } else { "a prepared transaction".to_owned() };
        Root {
            named: format!("{which}, which belongs to no session"),
            subject: which,
            advice: "Ask its transaction manager first; commit it or roll it back by hand when that has forgotten it.",
            fix: Some(harmless(
                vec![
                    list.to_owned(),
                    "-- then, with what it lists: XA COMMIT 'gtrid','bqual',formatID; or XA ROLLBACK the same;"
                        .to_owned(),
                ],
                "nobody",
                "The other halves of it may have been committed elsewhere: both ways can tear it apart.",
            )),
        }
    }

    /// Its name may hold what a program wrote there: the number finds it.
    fn prepared(id: i64) -> Root {
        let (which, filter) = if id > 0 {
            (format!("prepared transaction {id}"), format!("WHERE transaction = '{id}' "))
        } else {
            ("a prepared transaction".to_owned(), String::new())
        };
        Root {
            named: format!("{which}, which belongs to no session"),
            subject: which,
            advice: "Ask its transaction manager first; commit it or roll it back by hand when that has forgotten it.",
            fix: Some(harmless(
                vec![
                    format!("SELECT gid, prepared, owner, database FROM pg_prepared_xacts {filter}ORDER BY prepared;"),
                    "-- then, in its database: COMMIT PREPARED 'gid'; or ROLLBACK PREPARED 'gid';".to_owned(),
                ],
                "nobody",
                "The other halves of it may have been committed elsewhere: both ways can tear it apart.",
            )),
        }
    }
}

fn harmless(sql: Vec<String>, blocks: &str, caution: &str) -> Fix {
    let (blocks, caution) = (blocks.to_owned(), caution.to_owned());
    Fix { sql, rollback: Vec::new(), lock: String::new(), blocks, transactional: false, caution }
}
