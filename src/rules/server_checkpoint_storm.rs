use crate::config::Span;
use crate::model::{Confidence, Finding, Flavour, LogEvent, Name, Setting, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word, log};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Checkpoints that come one after the other
///
/// The write-ahead log fills up sooner than the next checkpoint is due, so the server makes one ahead of time, and says in
/// its log that they come too often.
///
/// ## Why it hurts
///
/// Each checkpoint writes all changed pages, at once instead of spread out; and each page that is changed after it goes
/// into the write-ahead log whole, so that the log fills up even sooner.
///
/// ## What to do
///
/// Raise `max_wal_size` so far that `checkpoint_timeout` decides. The disk must hold it, and recovery after a crash takes
/// longer.
///
/// ## When this page is wrong
///
/// While data is loaded once, which no setting for every day should follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerCheckpointStorm {
    /// Complaints of the server. Calibrated by us: one or two are a load of data.
    min_complaints: f64,
    /// The time over which they are counted.
    min_window: Span,
}

impl Default for ServerCheckpointStorm {
    fn default() -> Self {
        Self { min_complaints: 5.0, min_window: Span::secs(900) }
    }
}

impl Rule for ServerCheckpointStorm {
    const ID: &'static str = "server-checkpoint-storm";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::LogEvents];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        log::has_seen_enough::<LogEvent>(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let complains = |row: &&LogEvent| &*row.class == "checkpoint_too_frequent";

        let lately = log::lately::<LogEvent>(seen, self.min_window).into_iter();
        let complaints = lately.map(move |(stretch, rows)| {
            let all: f64 = rows.iter().filter(complains).map(|row| row.entries.float()).sum();
            (all, stretch.seconds)
        });
        let many = complaints.filter(|(all, _)| *all >= self.min_complaints);
        many.map(|(all, seconds)| finding(all, seconds, seen).into())
    }
}

fn finding(all: f64, seconds: f64, seen: &Seen<'_>) -> Finding {
    let setting = seen.now.rows::<Setting>().find(|setting| &*setting.setting == "max_wal_size");
    let megabytes = setting.and_then(|setting| setting.value.as_deref()?.parse::<u64>().ok());
    let wanted = megabytes.map(|megabytes| format!("{}MB", megabytes.saturating_mul(2)));
    let fix = setting.zip(wanted.as_ref()).and_then(|(setting, wanted)| {
        let former = format!("{}MB", megabytes?);
        script::setting_of_server(&Setting { value: Some(Name::new(&former)), ..setting.clone() }, wanted)
    });
    Finding {
        rule: Name::new(ServerCheckpointStorm::ID),
        severity: Severity::Warning,
        database: None,
        subject: "checkpoints".into(),
        because: format!(
            "the server has complained {} times in {} that checkpoints come too often",
            script::count(all),
            script::duration(seconds)
        ),
        evidence: evidence([
            ("complaints", json!(all)),
            ("window_seconds", json!(seconds.round())),
            ("max_wal_size_mb", json!(megabytes)),
        ]),
        advice: "Raise max_wal_size until checkpoint_timeout decides when they come; the disk must hold it.".into(),
        fix,
        confidence: Confidence::Measured,
    }
}
