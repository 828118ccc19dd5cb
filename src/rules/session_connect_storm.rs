use crate::config::Span;
use crate::model::{Confidence, Finding, Flavour, LogEvent, Name, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word, log};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Clients that connect all the time
///
/// New sessions begin many times in a second, by the word of the log (`log_connections`).
///
/// ## Why it hurts
///
/// A session costs a process, its memory and its caches, the check of a password made slow on purpose, and a few
/// milliseconds before its first statement. A server can be busy with nothing else.
///
/// ## What to do
///
/// Keep connections: a pool in the program, or a pooler before the server.
///
/// ## When this page is wrong
///
/// When all of a fleet was just deployed and connects once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionConnectStorm {
    /// New sessions in a second, on average. Calibrated by us: some 5 ms each make a tenth of a core.
    min_rate: f64,
    /// The time over which they are counted.
    min_window: Span,
}

impl Default for SessionConnectStorm {
    fn default() -> Self {
        Self { min_rate: 20.0, min_window: Span::secs(300) }
    }
}

impl Rule for SessionConnectStorm {
    const ID: &'static str = "session-connect-storm";
    // No other log tells of connections.
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::LogEvents];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        log::has_seen_enough::<LogEvent>(seen, self.min_window) && are_told(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let lately = log::lately::<LogEvent>(seen, self.min_window).into_iter();
        let begun = lately.map(move |(stretch, rows)| {
            let all: f64 = rows.iter().filter(|row| begins(row)).map(|row| row.entries.float()).sum();
            (all, stretch.seconds)
        });
        begun.filter(|(all, seconds)| *all >= self.min_rate * seconds).map(|(all, seconds)| finding(all, seconds).into())
    }
}

/// Whoever is received may be turned away: that costs as well.
fn begins(row: &LogEvent) -> bool {
    &*row.class == "connection_received"
}

/// Would the log tell? PostgreSQL 18 lists the steps that are logged.
fn are_told(seen: &Seen<'_>) -> bool {
    let is_one = |word: &str| ["on", "true", "yes", "1", "all", "receipt"].contains(&word.trim());
    let is_asked_for = || log::setting(seen, "log_connections").is_some_and(|value| value.split(',').any(is_one));
    seen.now.rows::<LogEvent>().any(begins) || is_asked_for()
}

fn finding(all: f64, seconds: f64) -> Finding {
    Finding {
        rule: Name::new(SessionConnectStorm::ID),
        severity: Severity::Warning,
        database: None,
        subject: "connections".into(),
        because: format!(
            "{} sessions were begun in {}: {:.1} in a second",
            script::count(all),
            script::duration(seconds),
            all / seconds
        ),
        evidence: evidence([
            ("connections", json!(all)),
            ("window_seconds", json!(seconds.round())),
            ("per_second", json!(all / seconds)),
        ]),
        advice: "Keep connections: a pool in the program, or a pooler before the server.".into(),
        fix: None,
        confidence: Confidence::Measured,
    }
}
