use crate::config::Span;
use crate::model::{Confidence, Finding, Flavour, LogStatement, Name, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word, log};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Statement that is cancelled again and again
///
/// The server ends a statement before it is done: it has reached a limit of time, has waited too long for a lock, or
/// somebody has asked for it.
///
/// ## Why it hurts
///
/// All the work up to then was for nothing, and mostly it is tried again at once. Counters of statements do not show it:
/// what did not end is not counted.
///
/// ## What to do
///
/// Make it faster, if it can be; else give it the time that it needs, for its own session alone. If it was a lock, look
/// for who held it.
///
/// ## When this page is wrong
///
/// When people search by typing and each letter cancels the search before it. MySQL tells it in its slow log, with
/// `log_slow_extra = ON`, of statements that were slow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementCancelled {
    /// Times it was cancelled. Calibrated by us: fewer are an accident.
    min_cancels: f64,
    /// The time over which they are counted.
    min_window: Span,
}

impl Default for StatementCancelled {
    fn default() -> Self {
        Self { min_cancels: 5.0, min_window: Span::secs(600) }
    }
}

/// Statements that are named at most, the most cancelled first.
const MAX_NAMED: usize = 5;

impl Rule for StatementCancelled {
    const ID: &'static str = "statement-cancelled";
    // The slow log of MariaDB does not say how a statement ended.
    const OF: &'static [Flavour] = &[Flavour::Postgres, Flavour::Mysql];
    const NEEDS: &'static [Topic] = &[Topic::LogStatements];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        log::has_seen_enough::<LogStatement>(seen, self.min_window) && are_told(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let again_and_again = |row: &&LogStatement| row.cancels.float() >= self.min_cancels;

        let lately = log::lately::<LogStatement>(seen, self.min_window).into_iter();
        lately.flat_map(move |(stretch, rows)| {
            let mut rows: Vec<&LogStatement> = rows.iter().filter(again_and_again).collect();
            rows.sort_by(|a, b| b.cancels.float().total_cmp(&a.cancels.float()));
            let named = rows.into_iter().take(MAX_NAMED);
            named.filter_map(move |row| finding(row, stretch.seconds, seen)).map(Word::from)
        })
    }
}

/// Would the log tell? MySQL's slow log names the error of a statement if it is asked to, and is in it if it was slow.
fn are_told(seen: &Seen<'_>) -> bool {
    let were_told = || seen.now.rows::<LogStatement>().any(|row| row.cancels.float() > 0.0);
    let has_errors = || log::setting(seen, "log_slow_extra").as_deref() == Some("on");
    seen.flavour == Flavour::Postgres || were_told() || has_errors()
}

/// `None` for what has no name.
fn finding(row: &LogStatement, seconds: f64, seen: &Seen<'_>) -> Option<Finding> {
    let digest = row.digest?;
    let text = seen.texts.fingerprint(digest).unwrap_or("of unknown wording");
    Some(Finding {
        rule: Name::new(StatementCancelled::ID),
        severity: Severity::Warning,
        database: None,
        subject: digest.to_string(),
        because: format!(
            "statement {digest} ({}) was cancelled {} times in {}",
            crate::sql::shorten(text, 60),
            script::count(row.cancels.float()),
            script::duration(seconds)
        ),
        evidence: evidence([
            ("cancels", json!(row.cancels.float())),
            ("errors", json!(row.errors.float())),
            ("window_seconds", json!(seconds.round())),
            ("statement", json!(crate::sql::shorten(text, 500))),
        ]),
        advice: "Make it faster, or give its own sessions the time that it needs.".into(),
        fix: None,
        confidence: Confidence::Measured,
    })
}
