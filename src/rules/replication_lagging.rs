use crate::config::{ByteSize, Span};
use crate::model::{Confidence, Finding, Flavour, Name, ReplicationReceiver, Severity, Stretch, Topic, evidence};
use crate::rule::replication::{long_enough, shortest, source_of};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Replication that lags
///
/// A standby applies what its source changes, but does not keep up.
///
/// ## Why it hurts
///
/// Who reads from it reads the past. When it has to take over, it must first apply what has piled up, and until then nobody
/// works. A lag that grows all the time ends when the disk is full of log.
///
/// ## What to do
///
/// Find out what it does while it lags. One large transaction passes by itself; split the next one. Readers that hold locks on
/// the standby keep it from applying. Rows of a table without a primary key are searched one by one. Else it needs more hands:
/// more threads that apply in parallel, or a faster disk.
///
/// ## When this page is wrong
///
/// On a standby that only has to be there in the morning: raise the threshold. What it is told to stay behind is not counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplicationLagging {
    /// Lag that makes a warning. Calibrated by us: a minute is more than readers of a standby expect.
    warn_after: Span,
    /// Lag that makes it urgent.
    urgent_after: Span,
    /// Log that waits to be applied, or it does not move at all. PostgreSQL only. Calibrated by us: a segment of the log.
    min_waiting: ByteSize,
    /// How long it must have been so: one large transaction is over by then.
    min_window: Span,
}

impl Default for ReplicationLagging {
    fn default() -> Self {
        Self { warn_after: Span::secs(60), urgent_after: Span::secs(3_600), min_waiting: ByteSize::mib(16), min_window: Span::secs(60) }
    }
}

impl Rule for ReplicationLagging {
    const ID: &'static str = "replication-lagging";
    const NEEDS: &'static [Topic] = &[Topic::ReplicationReceiver];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        long_enough(seen, self.min_window).next().is_some()
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        // One that stands still has a page of its own.
        let applies = |row: &ReplicationReceiver| row.applying.is_none_or(|level| level.last.get() > 0);
        let all_the_time = |row: &ReplicationReceiver| least_lag(row).is_some_and(|lag| lag >= self.warn_after.get().as_secs_f64());
        let is_behind = |row: &ReplicationReceiver| seen.flavour != Flavour::Postgres || self.has_much_to_do(row);

        shortest(seen, self.min_window).into_iter().flat_map(move |(stretch, rows)| {
            let lagging = rows.iter().filter(move |row| applies(row) && all_the_time(row) && is_behind(row));
            lagging.map(move |row| self.finding(row, stretch, seen.flavour).into())
        })
    }
}

impl ReplicationLagging {
    /// PostgreSQL knows the age of the last transaction that it applied, and that grows as well while its source is at work on
    /// a long one and at nothing else. Then little waits and it moves on.
    fn has_much_to_do(&self, row: &ReplicationReceiver) -> bool {
        let waits = row.apply_lag_bytes.is_none_or(|level| level.min.get().min(level.last.get()) >= self.min_waiting.get());
        waits || row.replayed_bytes.is_some_and(|moved| moved.float() == 0.0)
    }
}

/// At its least within the window, beyond what is wanted.
fn least_lag(row: &ReplicationReceiver) -> Option<f64> {
    let lag = row.apply_lag_seconds?;
    Some(lag.min.get().min(lag.last.get()) - wanted(row))
}

fn wanted(row: &ReplicationReceiver) -> f64 {
    row.delay_seconds.map_or(0.0, |delay| delay.float())
}

impl ReplicationLagging {
    fn finding(&self, row: &ReplicationReceiver, stretch: &Stretch, flavour: Flavour) -> Finding {
        let lag = row.apply_lag_seconds.map_or(0.0, |lag| lag.float()) - wanted(row);
        let source = source_of(row);
        let transactions = row.apply_lag_transactions.map(|level| level.float());
        let waiting = transactions.map_or(String::new(), |count| format!(", {} transactions", script::count(count)));
        Finding {
            rule: Name::new(Self::ID),
            severity: if lag >= self.urgent_after.get().as_secs_f64() { Severity::Urgent } else { Severity::Warning },
            database: None,
            subject: source.to_string(),
            because: format!("it is {}{waiting} behind {source}, and was for {}", script::duration(lag), script::duration(stretch.seconds)),
            evidence: evidence([
                ("lag_seconds", json!(lag)),
                ("lag_transactions", json!(transactions)),
                ("lag_bytes", json!(row.apply_lag_bytes.map(|level| level.float()))),
                ("window_seconds", json!(stretch.seconds.round())),
            ]),
            advice: match flavour {
                Flavour::Postgres => "See what its readers do: long queries on a standby hold up what would change under them.",
                Flavour::Mysql => "See what its threads wait for; replica_parallel_workers says how many may apply at once.",
                Flavour::Mariadb => "See what its threads wait for; slave_parallel_threads says how many may apply at once, and is 0 by default.",
            }
            .into(),
            fix: None,
            confidence: Confidence::Measured,
        }
    }
}
