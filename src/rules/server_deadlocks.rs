use crate::config::Span;
use crate::model::{Confidence, Digest, Finding, Flavour, LogDeadlock, Name, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word, log};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Statements that deadlock
///
/// The same statements wait for each other in a ring, again and again, and the server ends one of them each time. The
/// log tells which.
///
/// ## Why it hurts
///
/// A transaction is lost each time, after everybody in the ring has waited for as long as the server takes to notice.
/// Programs that do not try again show an error to a user.
///
/// ## What to do
///
/// Have all of them lock in one order: sort the rows by key before they are changed, take the parent before the child.
/// Shorter transactions meet less often. Try again where it cannot be avoided.
///
/// ## When this page is wrong
///
/// When the program tries again and nobody minds the wait. MySQL and MariaDB log deadlocks with
/// `innodb_print_all_deadlocks = ON` alone, MySQL only with `log_error_verbosity = 3` beside it: they are notes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerDeadlocks {
    /// Deadlocks of the same statements that make a warning. Calibrated by us: two may be chance.
    min_deadlocks: f64,
    /// The time over which they are counted.
    min_window: Span,
}

impl Default for ServerDeadlocks {
    fn default() -> Self {
        Self { min_deadlocks: 3.0, min_window: Span::secs(1_800) }
    }
}

impl Rule for ServerDeadlocks {
    const ID: &'static str = "server-deadlocks";
    const NEEDS: &'static [Topic] = &[Topic::LogDeadlocks];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        log::has_seen_enough::<LogDeadlock>(seen, self.min_window) && are_told(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let again_and_again = |row: &&LogDeadlock| row.seen.float() >= self.min_deadlocks;

        let lately = log::lately::<LogDeadlock>(seen, self.min_window).into_iter();
        lately.flat_map(move |(stretch, rows)| {
            rows.iter().filter(again_and_again).map(move |row| finding(row, stretch.seconds, seen).into())
        })
    }
}

/// Would the log tell? PostgreSQL always does.
fn are_told(seen: &Seen<'_>) -> bool {
    let is = |name: &str, wanted: &str| log::setting(seen, name).is_none_or(|value| value == wanted);
    let are_printed = || is("innodb_print_all_deadlocks", "on") && is("log_error_verbosity", "3");
    seen.flavour == Flavour::Postgres || seen.now.rows::<LogDeadlock>().next().is_some() || are_printed()
}

fn finding(row: &LogDeadlock, seconds: f64, seen: &Seen<'_>) -> Finding {
    let wording = |digest: &str| {
        let known = digest.parse::<Digest>().ok().and_then(|digest| seen.texts.fingerprint(digest));
        known.unwrap_or("a statement of unknown wording").to_owned()
    };
    let statements: Vec<String> = row.statements.split('+').map(wording).collect();
    Finding {
        rule: Name::new(ServerDeadlocks::ID),
        severity: Severity::Warning,
        database: None,
        subject: row.statements.to_string(),
        because: format!(
            "{} deadlocks of the same {} statements in {}, over {}",
            script::count(row.seen.float()),
            statements.len(),
            script::duration(seconds),
            row.objects
        ),
        evidence: evidence([
            ("deadlocks", json!(row.seen.float())),
            ("window_seconds", json!(seconds.round())),
            ("statements", json!(statements)),
            ("objects", json!(row.objects.as_str())),
        ]),
        advice: "Have these statements lock their rows in one order. Which of them to change is for a person to decide, \
                 so there is no script."
            .into(),
        fix: None,
        confidence: Confidence::Measured,
    }
}
