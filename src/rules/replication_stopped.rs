use crate::config::Span;
use crate::model::{Confidence, Finding, Fix, Flavour, Name, ReplicationReceiver, Severity, Stretch, Topic, evidence};
use crate::rule::replication::{long_enough, shortest, source_of};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Replication that stands still
///
/// A standby no longer receives what its source changes, or no longer applies it.
///
/// ## Why it hurts
///
/// Who reads from it reads the past. If the source fails now, all that has happened since is lost, or takes as long to catch up
/// as it has stood still. And the source may throw away the log that it would need.
///
/// ## What to do
///
/// If somebody stopped it, start it. If an error did, its number says what is in the way: a row that is there already or not
/// there at all means that somebody wrote on the copy. A log that the source no longer has may still be in an archive; else the
/// copy has to be built anew.
///
/// ## When this page is wrong
///
/// While a backup is taken from it, or when it is kept in the past on purpose. Then silence it by its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplicationStopped {
    /// How long it must have stood still. Calibrated by us: a restart of either side is over by then.
    min_window: Span,
}

impl Default for ReplicationStopped {
    fn default() -> Self {
        Self { min_window: Span::secs(60) }
    }
}

impl Rule for ReplicationStopped {
    const ID: &'static str = "replication-stopped";
    const NEEDS: &'static [Topic] = &[Topic::ReplicationReceiver];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        long_enough(seen, self.min_window).next().is_some()
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let applies_nothing = |row: &ReplicationReceiver| row.applying.is_some_and(|level| level.max.get() == 0);
        let receives_nothing = |row: &ReplicationReceiver| row.receiving.is_some_and(|level| level.max.get() == 0);

        shortest(seen, self.min_window).into_iter().flat_map(move |(stretch, rows)| {
            let stopped = rows.iter().filter_map(move |row| match () {
                () if applies_nothing(row) => Some((row, Part::Applying)),
                () if receives_nothing(row) => Some((row, Part::Receiving)),
                () => None,
            });
            stopped.map(move |(row, part)| finding(row, part, stretch, seen.flavour).into())
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Receiving,
    Applying,
}

fn finding(row: &ReplicationReceiver, part: Part, stretch: &Stretch, flavour: Flavour) -> Finding {
    let error = match part {
        Part::Receiving => row.receive_error,
        Part::Applying => row.apply_error,
    };
    let error = error.map_or(0, |error| error.last.get());
    let by_hand = error == 0 && row.state.as_deref() != Some("connecting");
    let source = source_of(row);
    let deed = if part == Part::Receiving { "received from" } else { "applied what comes from" };
    let waits = row.apply_lag_transactions.map(|level| level.last.get()).filter(|waiting| *waiting > 0);
    let waits = waits.map_or(String::new(), |waiting| format!(", {} transactions wait", script::count(waiting as f64)));
    let cause = match error {
        0 if by_hand => ": it was stopped".to_owned(),
        0 => ": it tries to connect".to_owned(),
        error => format!(": error {error}"),
    };
    Finding {
        rule: Name::new(ReplicationStopped::ID),
        severity: if by_hand { Severity::Warning } else { Severity::Urgent },
        database: None,
        subject: source.to_string(),
        because: format!("it has not {deed} {source} for {}{cause}{waits}", script::duration(stretch.seconds)),
        evidence: evidence([
            ("error_number", json!(error)),
            ("stopped_seconds", json!(stretch.seconds.round())),
            ("waiting_transactions", json!(row.apply_lag_transactions.map(|level| level.float()))),
            ("kept_bytes", json!(row.kept_bytes.map(|level| level.float()))),
        ]),
        advice: advice(error, by_hand).into(),
        fix: by_hand.then(|| start(row, part, flavour)),
        confidence: Confidence::Measured,
    }
}

/// By the numbers that both flavours share.
fn advice(error: u64, by_hand: bool) -> &'static str {
    match error {
        0 if by_hand => "If nobody needs it to stand still, start it.",
        1032 | 1062 => {
            "The copy differs from its source, most often because somebody wrote on it. The server's log names the row: make \
             both alike and start it again; if more differ, build the copy anew. There is no script for that."
        }
        1236 => {
            "The source cannot send what it needs, most often because that log is gone: build the copy anew, and have the \
             source keep its binary log for longer. There is no script for that."
        }
        0 | 1045 | 1129 | 1130 | 2002 | 2003 | 2005 | 2013 | 2026 => {
            "It cannot get to its source: look at the network, the login and its password. There is no script for that."
        }
        _ => "Look the error up in the server's log, which says what it could not do. There is no script for that.",
    }
}

fn start(row: &ReplicationReceiver, part: Part, flavour: Flavour) -> Fix {
    let channel = row.channel.as_deref().unwrap_or_default();
    let thread = if part == Part::Receiving { "IO_THREAD" } else { "SQL_THREAD" };
    let deed = |verb| script::replica(flavour, verb, channel, thread);
    let caution = match flavour {
        Flavour::Mysql => "Before MySQL 8.0.22 the word is SLAVE. It catches up as fast as it can, which takes disks and processors.",
        _ => "It catches up as fast as it can, which takes disks and processors.",
    };
    Fix {
        sql: vec![deed("START")],
        rollback: vec![deed("STOP")],
        lock: String::new(),
        blocks: "nobody".into(),
        transactional: false,
        caution: caution.into(),
    }
}
