use crate::config::{ByteSize, Span};
use crate::model::{Flavour, Checkpoints, Confidence, Finding, Name, Severity, Setting, Topic, Wal, Window, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Checkpoints that come too early
///
/// Most checkpoints come because the write-ahead log has filled `max_wal_size`, not because it was time for one.
///
/// ## Why it hurts
///
/// Each checkpoint writes all changed pages, and the first change of each page afterwards puts the whole page into the log. So
/// early checkpoints make more log, which makes the next one come earlier still.
///
/// ## What to do
///
/// Raise `max_wal_size` until checkpoints come by `checkpoint_timeout`. It takes as much disk, and recovery after a crash
/// takes as long as replaying it.
///
/// ## When this page is wrong
///
/// During a bulk load, for as long as that takes. Checkpoints by command and for backups are left out as well as they can be
/// told apart: by how little was written between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerCheckpointsRequested {
    /// Share of all checkpoints that were requested. A half, as the server's own hint in the log has it for short distances.
    min_share: f64,
    /// How many of them within the time looked at. Calibrated by us: fewer are a bulk load.
    min_requested: f64,
    /// For how long it must have been watched, at least. Calibrated by us: an hour shows more than one rush.
    min_window: Span,
    /// Enough for anybody: above it the page is silent. Calibrated by us: recovery would take too long.
    max_size: ByteSize,
}

impl Default for ServerCheckpointsRequested {
    fn default() -> Self {
        Self { min_share: 0.5, min_requested: 6.0, min_window: Span::hours(1), max_size: ByteSize::mib(64 << 10) }
    }
}

/// Of max_wal_size, the share that is written between two checkpoints that come by size: a checkpoint is begun so early that
/// it ends in time.
const LEAST_BETWEEN: f64 = 0.25;

impl Rule for ServerCheckpointsRequested {
    const ID: &'static str = "server-checkpoints-requested";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Checkpoints, Topic::Wal, Topic::Settings];
    const LOOKS_BACK_AT: &'static [Topic] = &[Topic::Checkpoints, Topic::Wal];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.window(seen).is_some()
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        self.found(seen).into_iter()
    }
}

impl ServerCheckpointsRequested {
    /// The nearest window that is long enough.
    fn window<'a>(&self, seen: &Seen<'a>) -> Option<&'a Window> {
        let long_enough = |window: &&Window| {
            let mut stretches = window.stretches_of::<Checkpoints>();
            stretches.next().is_some_and(|(_, stretch, _)| stretch.seconds >= self.min_window.get().as_secs_f64())
        };
        seen.ladder.iter().chain(std::iter::once(seen.latest)).find(long_enough)
    }

    fn found(&self, seen: &Seen<'_>) -> Option<Word> {
        let setting = seen.now.rows::<Setting>().find(|setting| &*setting.setting == "max_wal_size")?;
        let size = in_bytes(setting)?;
        let window = self.window(seen)?;
        let (_, stretch, rows) = window.stretches_of::<Checkpoints>().next()?;
        let counted = rows.first()?;
        let (requested, timed) = (counted.requested?.float(), counted.timed?.float());
        let (.., log) = window.stretches_of::<Wal>().next()?;
        let written = log.first()?.position_bytes?.float();
        let too_often = requested >= self.min_requested && requested >= self.min_share * (requested + timed);
        let by_size = written / requested.max(1.0) >= LEAST_BETWEEN * size;
        let is_small = size < self.max_size.get() as f64;
        (too_often && by_size && is_small).then(|| finding(setting, size, requested, timed, written, stretch.seconds).into())
    }
}

/// The server counts it in megabytes, unless it says otherwise.
fn in_bytes(setting: &Setting) -> Option<f64> {
    let number: f64 = setting.value.as_deref()?.parse().ok()?;
    let unit = match setting.unit.as_deref() {
        None | Some("MB") => 1_048_576.0,
        Some("16MB") => 16.0 * 1_048_576.0,
        Some(_) => return None,
    };
    Some(number * unit)
}

fn finding(setting: &Setting, size: f64, requested: f64, timed: f64, written: f64, seconds: f64) -> Finding {
    let doubled = format!("{:.0}MB", 2.0 * size / 1_048_576.0);
    Finding {
        rule: Name::new(ServerCheckpointsRequested::ID),
        severity: Severity::Note,
        database: None,
        subject: "max_wal_size".into(),
        because: format!(
            "{} of {} checkpoints in {} came because the log had filled max_wal_size ({}): {} were written to it",
            script::count(requested),
            script::count(requested + timed),
            script::duration(seconds),
            script::bytes(size),
            script::bytes(written),
        ),
        evidence: evidence([
            ("requested", json!(requested)),
            ("timed", json!(timed)),
            ("written_bytes", json!(written)),
            ("max_wal_size_bytes", json!(size)),
            ("window_seconds", json!(seconds.round())),
        ]),
        advice: "Raise max_wal_size, and again until checkpoints come by time.".into(),
        fix: script::setting_of_server(setting, &doubled),
        confidence: Confidence::Measured,
    }
}
