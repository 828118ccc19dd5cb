//! What pages about single runs share: the plans that a log shows (`auto_explain`), whose numbers are not the planner's
//! but those of the run. One run may have met an accident, so a page speaks of what most of the last ones had.

use super::statement::{self, MAX_NAMED};
use super::{Seen, Word, log};
use crate::config::{ByteSize, Span};
use crate::model::plan::PlanNode;
use crate::model::{Confidence, Finding, Fix, Flavour, Name, Severity, Topic, evidence};
use crate::plans::logged::Run;
use crate::script;
use crate::workload::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Without a log nobody shows plans.
pub const TOPICS: &[Topic] = &[Topic::LogEvents];

/// When a fault is a habit of what is slow: one run may have met an accident.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Habit {
    /// Runs that are faster are nobody's worry. Calibrated by us.
    min_seconds: f64,
    /// In how many of the last four slow runs that were shown some seconds apart. Three are no accident.
    min_times: f64,
    /// Older runs are no longer believed: it may have been mended, and what is fast is not shown any more.
    max_age: Span,
}

impl Default for Habit {
    fn default() -> Self {
        Self { min_seconds: 0.1, min_times: 3.0, max_age: Span::secs(3_600) }
    }
}

/// A statement most of whose last slow runs had the same fault.
#[derive(Debug, Clone)]
pub struct Fault<'a, W> {
    pub key: Key,
    pub text: &'a str,
    /// The newest that had it.
    pub run: &'a Run,
    pub what: W,
    pub times: usize,
    pub of: usize,
}

impl Habit {
    /// The statements with this fault, the slowest first, as many as a page names.
    pub fn faults<'a, W>(&self, seen: &Seen<'a>, fault: impl Fn(&'a Run) -> Option<W>) -> Vec<Fault<'a, W>> {
        let mut found: Vec<Fault<'a, W>> =
            seen.plans.logged.each().filter_map(|(key, runs)| self.of(seen, key, runs, &fault)).collect();
        found.sort_by(|a, b| b.run.seconds.total_cmp(&a.run.seconds));
        found.truncate(MAX_NAMED);
        found
    }

    fn of<'a, W>(
        &self,
        seen: &Seen<'a>,
        key: &Key,
        runs: &'a [Run],
        fault: &impl Fn(&'a Run) -> Option<W>,
    ) -> Option<Fault<'a, W>> {
        let is_young = |run: &&Run| seen.at - run.at <= self.max_age.get().as_secs_f64();
        let slow = runs.iter().filter(is_young).filter(|run| run.seconds >= self.min_seconds);
        let slow: Vec<&'a Run> = slow.collect();
        let faulty = slow.iter().filter_map(|run| Some((*run, fault(run)?)));
        let mut faulty: Vec<(&'a Run, W)> = faulty.collect();
        let (times, of) = (faulty.len(), slow.len());
        if (times as f64) < self.min_times || 2 * times <= of {
            return None;
        }
        let (run, what) = faulty.pop()?;
        let text = seen.texts.fingerprint(key.digest)?;
        Some(Fault { key: in_database(seen, key)?, text, run, what, times, of })
    }

    /// Silence means something once there was a log for long enough, and plans of runs in it, or they would be in it.
    pub fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        let logged = &seen.plans.logged;
        let long = logged.since().is_some_and(|since| seen.at - since >= self.max_age.get().as_secs_f64());
        long && (logged.each().next().is_some() || shows_runs(seen))
    }
}

/// A line of the log may not tell the database: then it is the only one where the statement ran.
fn in_database(seen: &Seen<'_>, key: &Key) -> Option<Key> {
    if !key.database.is_empty() {
        return Some(key.clone());
    }
    let lately = seen.workload.lately();
    let mut known = lately.statements.keys().filter(|known| known.digest == key.digest);
    known.next().filter(|_| known.next().is_none()).cloned()
}

fn shows_runs(seen: &Seen<'_>) -> bool {
    let is_on = |name: &str| log::setting(seen, name).as_deref() == Some("on");
    if seen.flavour != Flavour::Postgres {
        let told = log::setting(seen, "log_slow_verbosity");
        return is_on("slow_query_log")
            && told.is_some_and(|told| told.split(',').any(|word| word == "explain"));
    }
    let least =
        log::setting(seen, "auto_explain.log_min_duration").and_then(|value| value.parse::<f64>().ok());
    is_on("auto_explain.log_analyze") && least.is_some_and(|millis| millis >= 0.0)
}

/// The step that has most of something, and how much.
pub fn most<'a>(plan: &'a PlanNode, of: impl Fn(&'a PlanNode) -> Option<f64>) -> Option<(&'a PlanNode, f64)> {
    let mut found: Option<(&PlanNode, f64)> = None;
    plan.each(&mut |step| {
        if let Some(amount) = of(step).filter(|amount| found.is_none_or(|(_, most)| *amount > most)) {
            found = Some((step, amount));
        }
    });
    found
}

/// Of the time of a run, what a step takes at least if it is worth mending: where a known reader of plans begins to look.
const MIN_WEIGHT: f64 = 0.1;

/// Does a step take its part of the run? Where the log shows no times nobody knows, and it may.
pub fn weighs(step: &PlanNode, plan: &PlanNode) -> bool {
    step.seconds.zip(plan.seconds).is_none_or(|(step, run)| step >= MIN_WEIGHT * run)
}

/// The same where a plan tells no times but an amount, of which so much is done in a second.
pub fn amount_weighs(amount: f64, a_second: f64, run: &Run) -> bool {
    amount / a_second >= MIN_WEIGHT * run.seconds
}

/// So much memory that a step keeps what it works at in it.
#[derive(Debug)]
pub struct Memory {
    pub mebibytes: f64,
    /// For the sessions that send the statement, where it is known who does.
    pub fix: Option<Fix>,
}

impl Memory {
    /// What `work_mem` must be for so many bytes: the next power of two, so that two statements do not ask for two
    /// settings. None where it is more than a page may offer.
    pub fn for_bytes(bytes: f64, most: ByteSize, seen: &Seen<'_>, key: &Key) -> Option<Memory> {
        const MIB: f64 = 1_048_576.0;
        let mebibytes = (bytes / MIB).ceil().max(8.0).log2().ceil().exp2();
        let caution = "Each sort and each hash of each session may take as much: times the connections at work it must fit \
                       the memory.";
        let value = format!("'{mebibytes}MB'");
        let set = |user: Name| statement::setting_of_user(&user, &key.database, "work_mem", &value, caution);
        (mebibytes * MIB <= most.get() as f64)
            .then(|| Memory { mebibytes, fix: statement::user_of(seen, key).map(set) })
    }
}

/// Of the findings about one thing the first: one mending serves all statements that meet it, and the slowest of them,
/// which comes first, speaks for it.
pub fn one_for_each_subject(findings: impl Iterator<Item = Finding>) -> Vec<Word> {
    let mut told = BTreeMap::new();
    for finding in findings {
        told.entry((finding.database.clone(), finding.subject.clone())).or_insert(finding);
    }
    told.into_values().map(Word::from).collect()
}

impl<W> Fault<'_, W> {
    /// As a sentence names it.
    pub fn name(&self) -> String {
        statement::name_of(&self.key, self.text)
    }

    /// "in 3 of the last 4 slow runs that the log has shown, the newest of 1.2 s".
    pub fn when(&self) -> String {
        format!(
            "in {} of the last {} slow runs that the log has shown, the newest of {}",
            self.times,
            self.of,
            script::moment(self.run.seconds)
        )
    }

    /// About the statement, unless the page says of what else.
    pub fn finding<const N: usize>(
        &self,
        rule: &str,
        because: String,
        numbers: [(&str, Value); N],
        advice: String,
        fix: Option<Fix>,
    ) -> Finding {
        let mut all: BTreeMap<Name, Value> = evidence(numbers);
        all.extend(evidence([
            ("run_seconds", json!(self.run.seconds)),
            ("runs_at_fault", json!(self.times)),
            ("runs_looked_at", json!(self.of)),
            ("plan", json!(self.run.plan.shape())),
            ("statement", json!(statement::shown(self.text))),
            ("digest", json!(self.key.digest.to_string())),
        ]));
        Finding {
            rule: Name::new(rule),
            severity: Severity::Note,
            database: Some(self.key.database.clone()),
            subject: self.key.digest.to_string(),
            because,
            evidence: all,
            advice,
            fix,
            confidence: Confidence::Measured,
        }
    }
}
