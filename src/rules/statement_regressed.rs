use crate::config::Span;
use crate::model::{Finding, Severity, Topic};
use crate::rule::statement::{self, Ran, Through};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use crate::workload::{Cost, Key, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Statement that became slower
///
/// A statement takes a multiple of the time that it used to take, because it goes through a multiple of the data.
///
/// ## Why it hurts
///
/// What was fast enough yesterday is not today. Most often its plan has changed: statistics are old, an index is gone or no
/// longer fits, or the data has grown past the point where another plan seems cheaper.
///
/// ## What to do
///
/// Compare what changed at that time: a deployment, a dropped index, a bulk load without ANALYZE. Then look at its plan.
///
/// ## When this page is wrong
///
/// When it is asked for more than before: the same words with a wider range. Where it returns as many times more rows as it
/// became slower the page is silent. When the slower pace has been the rule for most of a day it counts as what is usual, and
/// the page falls silent although nothing was mended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementRegressed {
    /// So many times slower, and going through so many times the data. Twice, as plan guards in other databases take it.
    min_factor: f64,
    /// Runs on both sides: thirty are the usual least for a mean to mean something.
    min_calls: f64,
    /// How many standard errors the difference of the means must be. Six are one chance in a thousand million, and there
    /// are thousands of statements to compare every 15 s.
    min_errors: f64,
    /// Seconds lost per second. Calibrated by us: a hundredth of a core is worth a look.
    min_lost: f64,
    /// How long it must have been watched before. A day sees the nightly jobs.
    min_before: Span,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementRegressed {
    fn default() -> Self {
        Self { min_factor: 2.0, min_calls: 30.0, min_errors: 6.0, min_lost: 0.01, min_before: Span::days(1), min_window: Span::secs(300) }
    }
}

impl Rule for StatementRegressed {
    const ID: &'static str = "statement-regressed";
    const NEEDS: &'static [Topic] = statement::TOPICS;
    const MENDED_WITH: &'static [&'static str] = &["statement-plan-flipped"];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        statement::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let before = seen.workload.before();
        let long_enough = before.seconds >= self.min_before.get().as_secs_f64();
        let slower = |key: &Key, now: &Cost, sum: &Sum| {
            let Some(then) = before.statements.get(key).filter(|_| long_enough && !sum.by_hearsay) else {
                return false;
            };
            let enough = now.calls >= self.min_calls && then.calls >= self.min_calls + now.calls;
            enough && self.is_slower(then, now) && sum.rate(lost(then, now)) >= self.min_lost
        };
        let found = statement::queries(seen, self.min_window, slower, |cost| cost.exec_seconds);
        let significant = found.into_iter().filter_map(|ran| {
            let then = before.statements.get(&ran.key)?;
            self.is_significant(then, &ran, seen).then(|| finding(then, &ran, before.seconds).into())
        });
        significant.collect::<Vec<_>>().into_iter()
    }
}

/// Time that it took beyond what it used to take.
fn lost(then: &Cost, now: &Cost) -> f64 {
    (now.mean_seconds() - then.mean_seconds()) * now.calls
}

fn ratio(then: f64, now: f64) -> f64 {
    if then > 0.0 { now / then } else { 0.0 }
}

/// So many times the data, or the rows, as before.
fn more_data(then: &Cost, now: &Cost) -> f64 {
    match (Through::of(then), Through::of(now)) {
        (Through::Bytes(then), Through::Bytes(now)) | (Through::Rows(then), Through::Rows(now)) => ratio(then, now),
        _ => 0.0,
    }
}

impl StatementRegressed {
    /// By its own work: one that waits longer goes through no more data, one that returns more is asked for more.
    fn is_slower(&self, then: &Cost, now: &Cost) -> bool {
        let slower = ratio(then.mean_seconds(), now.mean_seconds());
        let more_data = more_data(then, now);
        let more_rows = ratio(then.each(then.rows), now.each(now.rows));
        slower >= self.min_factor && more_data >= self.min_factor && more_rows < slower.min(more_data) / self.min_factor.max(1.0)
    }

    /// Is the difference of the means more than chance?
    fn is_significant(&self, then: &Cost, ran: &Ran<'_>, seen: &Seen<'_>) -> bool {
        let error = ran.deviation(seen) * (1.0 / then.calls + 1.0 / ran.cost.calls).sqrt();
        ran.cost.mean_seconds() - then.mean_seconds() >= self.min_errors * error
    }
}

fn finding(then: &Cost, ran: &Ran<'_>, before_seconds: f64) -> Finding {
    let now = &ran.cost;
    ran.finding(
        StatementRegressed::ID,
        Severity::Warning,
        format!(
            "{} took {} a run {}, where it used to take {}: {:.1} times as long, and {:.1} times the {}",
            ran.name(),
            script::moment(now.mean_seconds()),
            ran.when(),
            script::moment(then.mean_seconds()),
            ratio(then.mean_seconds(), now.mean_seconds()),
            more_data(then, now),
            if matches!(Through::of(now), Through::Bytes(_)) { "data" } else { "rows" },
        ),
        [
            ("mean_seconds", json!(now.mean_seconds())),
            ("mean_seconds_before", json!(then.mean_seconds())),
            ("touched_bytes_per_call", json!(now.each(now.touched_bytes).round())),
            ("touched_bytes_per_call_before", json!(then.each(then.touched_bytes).round())),
            ("examined_rows_per_call", json!(now.each(now.examined_rows).round())),
            ("examined_rows_per_call_before", json!(then.each(then.examined_rows).round())),
            ("calls_before", json!(then.calls)),
            ("window_before_seconds", json!(before_seconds.round())),
            ("lost_seconds", json!(lost(then, now))),
        ],
        "Find out what changed at that time, and look at its plan. Until the cause is known there is no script.".into(),
        None,
    )
}
