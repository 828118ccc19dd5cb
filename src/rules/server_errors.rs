use crate::config::Span;
use crate::model::{Confidence, Finding, LogError, Name, Severity, Stretch, Topic, evidence};
use crate::rule::{Rule, Seen, Word, log};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Errors that are new or more than before
///
/// Statements end with an error of a kind that the log has not shown before, or far more often than it used to.
///
/// ## Why it hurts
///
/// Somebody does not get what they asked for. What begins all at once is mostly a deployment, a migration that one side
/// has not heard of, or a disk that fills up.
///
/// ## What to do
///
/// Look up the SQLSTATE, and which statements it ends: `dbsonde_log_statement_errors_total` tells that by digest. Ask what
/// was changed when it began.
///
/// ## When this page is wrong
///
/// When the errors are a part of the program: a unique key that is tried, a lock that is not waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerErrors {
    /// Errors with one SQLSTATE that make a warning. Calibrated by us: a person at a prompt makes fewer.
    min_errors: f64,
    /// How many times as often as before. Calibrated by us: the load of a day goes up and down by less.
    min_factor: f64,
    /// The time over which they are counted.
    min_window: Span,
    /// The log was followed for so long before, so that there is something to compare with.
    min_before: Span,
}

impl Default for ServerErrors {
    fn default() -> Self {
        Self { min_errors: 20.0, min_factor: 5.0, min_window: Span::secs(600), min_before: Span::secs(3_600) }
    }
}

/// How often something happened lately, and before that.
struct Rising<'a> {
    row: &'a LogError,
    seconds: f64,
    /// In an hour.
    now: f64,
    before: f64,
}

impl Rule for ServerErrors {
    const ID: &'static str = "server-errors";
    const NEEDS: &'static [Topic] = &[Topic::LogErrors];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.lately(seen).is_some()
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let is_an_error = |row: &&LogError| matches!(&*row.severity, "error" | "fatal" | "panic");
        let many = |row: &&LogError| row.entries.float() >= self.min_errors;
        let new_or_rising = |rising: &Rising<'_>| rising.now >= self.min_factor * rising.before;

        let lately = self.lately(seen).into_iter();
        lately.flat_map(move |(stretch, rows, before)| {
            let rows = rows.iter().filter(is_an_error).filter(many);
            let rising = rows.map(move |row| rising(row, stretch, before, seen));
            rising.filter(new_or_rising).map(|rising| finding(&rising).into())
        })
    }
}

impl ServerErrors {
    /// What happened lately, and for how long the log was followed before that.
    fn lately<'a>(&self, seen: &Seen<'a>) -> Option<(&'a Stretch, &'a [LogError], f64)> {
        let (stretch, rows) = log::lately::<LogError>(seen, self.min_window)?;
        let since = seen.now.parts_of(Topic::LogErrors).find_map(|(_, part)| part.epoch.reset)?;
        let before = stretch.from.wall - since.get();
        (before >= self.min_before.get().as_secs_f64()).then_some((stretch, rows, before))
    }
}

fn rising<'a>(row: &'a LogError, stretch: &Stretch, before: f64, seen: &Seen<'_>) -> Rising<'a> {
    let mut all = seen.now.rows::<LogError>().filter(|all| (&all.severity, &all.sqlstate) == (&row.severity, &row.sqlstate));
    let total = all.next().map_or(0.0, |all| all.entries.float());
    let hour = |entries: f64, seconds: f64| entries / seconds.max(1.0) * 3_600.0;
    Rising {
        row,
        seconds: stretch.seconds,
        now: hour(row.entries.float(), stretch.seconds),
        before: hour((total - row.entries.float()).max(0.0), before),
    }
}

fn finding(rising: &Rising<'_>) -> Finding {
    let Rising { row, seconds, now, before } = rising;
    let state = if row.sqlstate.is_empty() { "without SQLSTATE" } else { &row.sqlstate };
    let compared = if *before == 0.0 { "none before".to_owned() } else { format!("{before:.1} an hour before") };
    Finding {
        rule: Name::new(ServerErrors::ID),
        // Out of resources, the operating system, the server itself: everybody is concerned.
        severity: match state.get(..2) {
            Some("53" | "58" | "XX") => Severity::Urgent,
            _ => Severity::Warning,
        },
        database: None,
        subject: format!("{} {state}", row.severity),
        because: format!(
            "{} entries of severity {} with SQLSTATE {state} in {}: {} an hour, {compared}",
            script::count(row.entries.float()),
            row.severity,
            script::duration(*seconds),
            script::count(now.round()),
        ),
        evidence: evidence([
            ("errors", json!(row.entries.float())),
            ("window_seconds", json!(seconds.round())),
            ("per_hour", json!(now.round())),
            ("per_hour_before", json!(before)),
        ]),
        advice: "Ask what was changed when it began; the statements that end with errors are in \
                 dbsonde_log_statement_errors_total."
            .into(),
        fix: None,
        confidence: Confidence::Measured,
    }
}
