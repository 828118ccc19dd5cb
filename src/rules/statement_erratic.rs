use crate::config::Span;
use crate::model::{Finding, Flavour, Latency, Severity, Topic, Unit, evidence};
use crate::rule::statement::{self, Ran};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use crate::workload::{Cost, Key, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// # Erratic statement
///
/// A statement is fast most of the time, and again and again it takes many times as long.
///
/// ## Why it hurts
///
/// Its mean looks well, and nobody ever sees a run that takes it: most are faster, and those that people wait for are far slower.
/// One connection of a pool that is held so long holds up everybody behind it.
///
/// ## What to do
///
/// Find out what the slow runs have in common. Usual causes: locks that it waits for; values that are common where the others
/// are rare, under one plan for both; data that is not in memory; checkpoints. `log_lock_waits` and `auto_explain` tell on
/// PostgreSQL, the slow log on MySQL.
///
/// ## When this page is wrong
///
/// A statement that is asked for a page by some and for a year by others is erratic by its nature. On PostgreSQL it is told by
/// the standard deviation, on MySQL by the server's histogram; MariaDB keeps neither.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementErratic {
    /// Standard deviation of its runs, as a multiple of their mean (PostgreSQL). Calibrated by us with pgbench: the longer its
    /// statements take, the less it is, two to five; of those below a tenth of a millisecond a busy machine makes ten, which
    /// `min_slow` leaves out.
    min_deviation: f64,
    /// What one in a hundred runs takes at least, as a multiple of what half of them take at most (MySQL). Calibrated by us:
    /// as much as the deviation asks for where one run in a hundred is slow.
    min_ratio: f64,
    /// How long a slow run takes. Calibrated by us: seven times what a busy machine makes of the statements of pgbench.
    min_slow: Span,
    /// Slow runs within the time looked at (PostgreSQL). Calibrated by us: fewer may be one accident.
    min_slow_runs: f64,
    /// Runs within the time looked at. Calibrated by us: of fewer the slow ones are too few to tell anything.
    min_calls: f64,
    /// Sessions that it keeps busy on average. Calibrated by us: a twentieth of a core is worth a look.
    min_load: f64,
    /// It must have been so before as well, for so long (PostgreSQL). Calibrated by us: an hour outlives an accident.
    min_before: Span,
    /// The time over which runs are counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementErratic {
    fn default() -> Self {
        Self {
            min_deviation: 5.0,
            min_ratio: 20.0,
            min_slow: Span::millis(100),
            min_slow_runs: 10.0,
            min_calls: 1_000.0,
            min_load: 0.05,
            min_before: Span::secs(3_600),
            min_window: Span::secs(300),
        }
    }
}

impl Rule for StatementErratic {
    const ID: &'static str = "statement-erratic";
    const OF: &'static [Flavour] = &[Flavour::Postgres, Flavour::Mysql];
    const NEEDS: &'static [Topic] = statement::TOPICS;
    const MENDED_WITH: &'static [&'static str] = &["plan-generic-worse"];
    const LOOKS_BACK_AT: &'static [Topic] = &[Topic::Statements, Topic::Latencies];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        let before = match seen.flavour {
            Flavour::Postgres => seen.workload.before().seconds >= self.min_before.get().as_secs_f64(),
            _ => seen.stretches_of::<Latency>(self.min_window).next().is_some(),
        };
        before && statement::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let words: Vec<Word> = match seen.flavour {
            Flavour::Postgres => self.by_deviation(seen),
            _ => self.by_histogram(seen),
        };
        words.into_iter()
    }
}

impl StatementErratic {
    fn matters(&self, cost: &Cost, sum: &Sum) -> bool {
        cost.calls >= self.min_calls && sum.rate(cost.exec_seconds) >= self.min_load && !sum.by_hearsay
    }

    fn by_deviation(&self, seen: &Seen<'_>) -> Vec<Word> {
        let before = seen.workload.before();
        let erratic = |key: &Key, cost: &Cost, sum: &Sum| {
            let earlier = || {
                let all = before.statements.get(key)?;
                let is_long = before.seconds - sum.seconds >= self.min_before.get().as_secs_f64();
                is_long.then(|| without(all, cost))
            };
            self.matters(cost, sum) && self.is_erratic(cost) && earlier().is_some_and(|cost| self.is_erratic(&cost))
        };
        let found = statement::queries(seen, self.min_window, erratic, |cost| cost.exec_seconds);
        let word = |ran: Ran<'_>| {
            let told = format!(
                "with a standard deviation of {}: as if about {} of them had taken {} each, and the others nothing",
                script::moment(ran.cost.deviation()),
                script::count(slow_runs(&ran.cost)),
                script::moment(slow(&ran.cost)),
            );
            let numbers = [
                ("deviation_seconds", json!(ran.cost.deviation())),
                ("slow_runs", json!(slow_runs(&ran.cost).round())),
                ("slow_seconds", json!(slow(&ran.cost))),
            ];
            finding(&ran, &told, numbers).into()
        };
        found.into_iter().map(word).collect()
    }

    fn is_erratic(&self, cost: &Cost) -> bool {
        cost.calls >= self.min_calls
            && cost.deviation() >= self.min_deviation * cost.mean_seconds()
            && slow_runs(cost) >= self.min_slow_runs
            && slow(cost) >= self.min_slow.get().as_secs_f64()
    }

    fn by_histogram(&self, seen: &Seen<'_>) -> Vec<Word> {
        let stretches = seen.stretches_of::<Latency>(self.min_window);
        let erratic: BTreeMap<Key, &Latency> = stretches
            .flat_map(|(_, rows)| rows)
            .filter(|latency| {
                // At both ends of the time.
                let (fast, slow) = (latency.p50_seconds.max.float(), latency.p99_seconds.min.float());
                slow >= self.min_ratio * fast && slow >= self.min_slow.get().as_secs_f64()
            })
            .filter_map(|latency| Some((Key { digest: latency.digest?, database: latency.database.clone()? }, latency)))
            .collect();
        let is_erratic = |key: &Key, cost: &Cost, sum: &Sum| self.matters(cost, sum) && erratic.contains_key(key);
        let found = statement::queries(seen, self.min_window, is_erratic, |cost| cost.exec_seconds);
        let word = |ran: Ran<'_>| {
            let latency = erratic.get(&ran.key)?;
            let (fast, slow) = (latency.p50_seconds.float(), latency.p99_seconds.float());
            let told =
                format!("half of them no longer than {}, and one in a hundred {} or more", script::moment(fast), script::moment(slow));
            Some(finding(&ran, &told, [("p50_seconds", json!(fast)), ("p99_seconds", json!(slow))]).into())
        };
        found.into_iter().filter_map(word).collect()
    }
}

/// What a statement cost but for the latest of it.
fn without(all: &Cost, latest: &Cost) -> Cost {
    Cost {
        calls: all.calls - latest.calls,
        exec_seconds: all.exec_seconds - latest.exec_seconds,
        square_seconds: all.square_seconds - latest.square_seconds,
        ..Cost::default()
    }
}

/// If all of its time were that of a few runs which take the same: how long each, and how many. Where most runs take next to
/// nothing, those are its slow ones.
fn slow(cost: &Cost) -> f64 {
    if cost.exec_seconds > 0.0 { cost.square_seconds / cost.exec_seconds } else { 0.0 }
}

fn slow_runs(cost: &Cost) -> f64 {
    if cost.square_seconds > 0.0 { cost.exec_seconds * cost.exec_seconds / cost.square_seconds } else { 0.0 }
}

fn finding<const N: usize>(ran: &Ran<'_>, told: &str, numbers: [(&str, Value); N]) -> Finding {
    let mut finding = ran.finding(
        StatementErratic::ID,
        Severity::Note,
        format!(
            "{} ran {} times {}, {} each on average, {told}",
            ran.name(),
            script::count(ran.cost.calls),
            ran.when(),
            script::moment(ran.cost.mean_seconds()),
        ),
        [("mean_seconds", json!(ran.cost.mean_seconds())), ("load", json!(ran.load()))],
        "Find out what the slow runs have in common. Until that is known there is no script.".into(),
        None,
    );
    finding.evidence.extend(evidence(numbers));
    finding
}
