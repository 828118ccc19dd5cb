use crate::config::Span;
use crate::model::{Blocker, Confidence, Finding, Fix, Flavour, Name, Session, Severity, Timestamp, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Session idle in a transaction
///
/// A session began a transaction and went away: it does nothing, and the server must keep everything that it
/// might still want to see.
///
/// ## Why it hurts
///
/// Its locks stay, so others wait for it. Vacuum cannot remove any row that died after its snapshot, in any
/// table of the database, so tables and indexes swell and queries slow down until it ends. With InnoDB the
/// history of changed rows grows instead, and no schema change of a table that it has read gets through.
///
/// ## What to do
///
/// Find the program that forgot to commit. Until it is mended, end the session, and give its role a limit so
/// that the server does so by itself. Where the server is managed, a procedure stands for `KILL`: `CALL mysql.rds_kill(id)`
/// on Amazon RDS and Aurora, `CALL mysql.az_kill(id)` on Azure.
///
/// ## When this page is wrong
///
/// A person thinks inside a transaction on purpose, in a migration for example. Raise `warn_after`, or silence
/// the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionIdleInTransaction {
    /// Idle for longer is a warning. Calibrated by us: no request of a user waits so long.
    warn_after: Span,
    /// Idle for longer is urgent, as is a shorter one that keeps others waiting.
    urgent_after: Span,
}

impl Default for SessionIdleInTransaction {
    fn default() -> Self {
        Self { warn_after: Span::secs(300), urgent_after: Span::secs(3_600) }
    }
}

impl Rule for SessionIdleInTransaction {
    const ID: &'static str = "session-idle-in-transaction";
    const NEEDS: &'static [Topic] = &[Topic::Sessions];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let forgotten = |session: &&Session| {
            session.state.as_deref().is_some_and(|state| state.starts_with("idle in transaction"))
        };
        let for_long = |session: &&Session| idle(session) >= self.warn_after.get().as_secs_f64();

        seen.now
            .rows::<Session>()
            .filter(forgotten)
            .filter(for_long)
            .map(move |session| self.finding(session, seen).into())
    }
}

/// How long it has been idle, by the server's clock.
fn idle(session: &Session) -> f64 {
    let since = |since: Option<Timestamp>| Some(session.asked?.get() - since?.get());
    since(session.state_change).unwrap_or(0.0)
}

impl SessionIdleInTransaction {
    fn finding(&self, session: &Session, seen: &Seen<'_>) -> Finding {
        let (user, database) = (session.user.clone(), session.database.clone());
        let who = format!("{} on {}", shown(&user), shown(&database));
        let application = session.application.as_deref().filter(|name| !name.is_empty());
        let victims = seen.now.rows::<Blocker>().find(|blocker| (blocker.pid, blocker.backend_start) == (session.pid, session.backend_start));
        let waiting = victims.map_or(0.0, |blocker| blocker.victims.float());
        let idle = idle(session);
        let urgent = waiting > 0.0 || idle >= self.urgent_after.get().as_secs_f64();
        let holds = session.xmin_age.map_or(String::new(), |age| {
            format!(", holding back vacuum by {} transactions", script::count(age as f64))
        });
        let noun = if waiting == 1.0 { "session waits" } else { "sessions wait" };
        let blocks = if waiting > 0.0 { format!(", while {waiting} {noun} for it") } else { String::new() };
        let through = application.map_or(String::new(), |name| format!(" ({name})"));
        // Only PostgreSQL can limit a single role, and not on a standby, where the session is.
        let can_limit = seen.flavour == Flavour::Postgres && !seen.is_standby();
        let role = user.as_deref().filter(|_| can_limit).map(script::identifier);
        let place = database.as_deref().map(|name| format!(" IN DATABASE {}", script::identifier(name)));
        let limit =
            role.as_ref().map(|role| format!("ALTER ROLE {role}{}", place.clone().unwrap_or_default()));
        let set =
            limit.as_ref().map(|alter| format!("{alter} SET idle_in_transaction_session_timeout = '10min';"));
        let reset = limit.map(|alter| format!("{alter} RESET idle_in_transaction_session_timeout;"));
        let is_limited = set.is_some();
        let end = script::end_session(seen.flavour, session.pid);
        Finding {
            rule: Name::new(Self::ID),
            severity: if urgent { Severity::Urgent } else { Severity::Warning },
            database,
            subject: format!("{}{through} pid {}", shown(&user), session.pid),
            because: format!(
                "session {} of {who}{through} has done nothing inside its transaction for {}{holds}{blocks}",
                session.pid,
                script::duration(idle),
            ),
            evidence: evidence([
                ("pid", json!(session.pid)),
                ("idle_seconds", json!(idle.round())),
                ("xmin_age_transactions", json!(session.xmin_age)),
                ("locked_rows", json!(session.locked_rows)),
                ("waiting_sessions", json!(waiting)),
                ("application", json!(application)),
            ]),
            advice: if is_limited {
                "Mend the program that forgot to commit; limit its role; end this session.".into()
            } else {
                "Mend the program that forgot to commit; end this session.".into()
            },
            fix: Some(Fix {
                sql: set.into_iter().chain([end]).collect(),
                rollback: reset.into_iter().collect(),
                lock: String::new(),
                blocks: "nobody; the session's own transaction is rolled back".into(),
                transactional: false,
                caution: if is_limited {
                    "The work of that transaction is lost. The limit holds for new sessions of the role; the way back \
                     removes it, whatever it was before."
                } else {
                    "The work of that transaction is lost."
                }
                .into(),
            }),
            confidence: Confidence::Measured,
        }
    }
}

fn shown(name: &Option<Name>) -> &str {
    name.as_deref().unwrap_or("?")
}
