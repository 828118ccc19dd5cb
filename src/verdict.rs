//! Whether it helped. While a finding about a statement is open, and after it is over, each stretch of the statement is a
//! sample of how long a run takes; what was done in between parts them. Pure: time is a value.

use crate::ledger::{Change, Entry, Ledger, State};
use crate::model::Name;
use crate::script;
use crate::sql::Digest;
use crate::workload::Key;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Samples and runs that each side needs: with fewer a deviation means nothing.
const ENOUGH_SAMPLES: usize = 8;
const ENOUGH_CALLS: f64 = 30.0;
/// A difference of the means that counts: a fifth, and four standard errors, one chance in fifteen thousand.
const MATERIAL: f64 = 1.2;
const ERRORS: f64 = 4.0;
/// Samples kept of a finding: an hour of beats on either side.
const MAX_SAMPLES: usize = 480;
/// Findings followed at a time; the ledger holds a thousand, few of them about statements.
const MAX_TRIALS: usize = 200;
/// Deeds remembered.
const MAX_DEEDS: usize = 100;
/// A statement that has not run often enough by then is not run any more.
const PATIENCE: f64 = 86_400.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Helped,
    NoDifference,
    Worse,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Helped => "helped",
            Outcome::NoDifference => "no difference",
            Outcome::Worse => "worse",
        }
    }
}

/// What became of the statement of a finding that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub outcome: Outcome,
    /// One sentence with the numbers.
    pub because: String,
    pub mean_seconds_before: f64,
    pub mean_seconds_after: f64,
    pub calls_before: f64,
    pub calls_after: f64,
    /// What was seen to be done.
    pub deed: Option<String>,
}

/// Something that somebody did to the server, seen between two readings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deed {
    pub after: f64,
    pub before: f64,
    /// Nothing for the server as a whole.
    pub database: Option<Name>,
    /// The table that it was done to.
    pub table: Option<Name>,
    /// `index public.orders_customer_idx was created`
    pub what: String,
}

/// What a statement did between two beats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Sample {
    at: f64,
    calls: f64,
    seconds: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Trial {
    key: Option<Key>,
    samples: VecDeque<Sample>,
}

/// The findings about statements that are open or were lately.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trials {
    trials: BTreeMap<String, Trial>,
    deeds: VecDeque<Deed>,
}

/// The statement that a finding is about: its subject, or the first of those that it names.
fn statement(entry: &Entry) -> Option<Key> {
    let finding = &entry.finding;
    let named = || finding.evidence.get("digests")?.get(0)?.as_str()?.parse::<Digest>().ok();
    let digest = finding.subject.parse::<Digest>().ok().or_else(named)?;
    Some(Key { digest, database: finding.database.clone()? })
}

impl Trials {
    /// What a former life left.
    pub fn restore(kept: Trials) -> Trials {
        let mut trials = Trials::default();
        trials.recall(kept);
        trials
    }

    /// The same heard of at any time: of what was seen since, that counts.
    pub fn recall(&mut self, kept: Trials) {
        for (id, trial) in kept.trials {
            self.trials.entry(id).or_insert(trial);
        }
        while self.trials.len() > MAX_TRIALS {
            self.trials.pop_last();
        }
        self.trials.values_mut().for_each(|trial| trial.samples.truncate(MAX_SAMPLES));
        let since = std::mem::replace(&mut self.deeds, kept.deeds);
        self.deeds.extend(since);
        let excess = self.deeds.len().saturating_sub(MAX_DEEDS);
        self.deeds.drain(..excess);
    }

    pub fn note(&mut self, deed: Deed) {
        if self.deeds.len() >= MAX_DEEDS {
            self.deeds.pop_front();
        }
        self.deeds.push_back(deed);
    }

    /// What ran since the last beat.
    pub fn run(&mut self, at: f64, ran: impl Fn(&Key) -> Option<(f64, f64)>) {
        for trial in self.trials.values_mut() {
            let Some((calls, seconds)) = trial.key.as_ref().and_then(&ran).filter(|(calls, _)| *calls > 0.0)
            else {
                continue;
            };
            if trial.samples.len() >= MAX_SAMPLES {
                trial.samples.pop_front();
            }
            trial.samples.push_back(Sample { at, calls, seconds });
        }
    }

    /// Begins to follow what has opened, and judges what has been over for long enough.
    pub fn follow(&mut self, ledger: &mut Ledger, at: f64) -> Vec<Change> {
        for entry in ledger.open() {
            if self.trials.len() < MAX_TRIALS
                && !self.trials.contains_key(&entry.id)
                && let Some(key) = statement(entry)
            {
                self.trials.insert(entry.id.clone(), Trial { key: Some(key), ..Trial::default() });
            }
        }
        let mut verdicts: Vec<(String, Verdict)> = Vec::new();
        let deeds = &self.deeds;
        self.trials.retain(|id, trial| {
            let Some(entry) = ledger.entries().find(|entry| entry.id == *id) else { return false };
            if entry.state != State::Resolved {
                return true;
            }
            let Some(over) = entry.resolved_at else { return false };
            if let Some(verdict) = trial.judge(entry, over, deeds) {
                verdicts.push((id.clone(), verdict));
                return false;
            }
            at - over <= PATIENCE
        });
        verdicts.into_iter().filter_map(|(id, verdict)| ledger.judge(&id, verdict)).collect()
    }
}

impl Trial {
    fn judge(&self, entry: &Entry, over: f64, deeds: &VecDeque<Deed>) -> Option<Verdict> {
        let deed = deeds
            .iter()
            .rev()
            .find(|deed| deed.is_about(entry) && deed.before >= entry.opened_at && deed.after <= over);
        // Without a deed that was seen, the finding ended as its window left the bad time behind.
        let window =
            entry.finding.evidence.get("window_seconds").and_then(serde_json::Value::as_f64).unwrap_or(0.0);
        let (until, from) = deed.map_or((over - window, over), |deed| (deed.after, deed.before));
        let before = Side::of(self.samples.iter().filter(|sample| sample.at <= until))?;
        let after = Side::of(self.samples.iter().filter(|sample| sample.at > from))?;
        let error = (before.variance / before.samples + after.variance / after.samples).sqrt();
        let is_sure = (before.middle - after.middle).abs() >= ERRORS * error;
        let factor = before.mean / after.mean.max(f64::MIN_POSITIVE);
        let outcome = match factor {
            factor if is_sure && factor >= MATERIAL => Outcome::Helped,
            factor if is_sure && factor <= 1.0 / MATERIAL => Outcome::Worse,
            _ => Outcome::NoDifference,
        };
        let since = deed.map_or_else(|| "now".to_owned(), |deed| format!("since {}", deed.what));
        let digest = self.key.as_ref()?.digest;
        let (now, then) = (script::moment(after.mean), script::moment(before.mean));
        let because = match outcome {
            Outcome::Helped => format!(
                "statement {digest} takes {now} a run {since}, where it took {then}: {factor:.1} times as fast"
            ),
            Outcome::Worse => format!(
                "statement {digest} takes {now} a run {since}, where it took {then}: {:.1} times as long",
                1.0 / factor
            ),
            Outcome::NoDifference => {
                format!("statement {digest} takes {now} a run {since}, as it took {then} before")
            }
        };
        Some(Verdict {
            outcome,
            because,
            mean_seconds_before: before.mean,
            mean_seconds_after: after.mean,
            calls_before: before.calls,
            calls_after: after.calls,
            deed: deed.map(|deed| deed.what.clone()),
        })
    }
}

impl Deed {
    /// To the server, or to a table that the finding speaks of.
    fn is_about(&self, entry: &Entry) -> bool {
        let finding = &entry.finding;
        let statement =
            finding.evidence.get("statement").and_then(serde_json::Value::as_str).unwrap_or_default();
        let names = |table: &Name| {
            [&*finding.subject, &*finding.because, statement].iter().any(|text| text.contains(&**table))
        };
        let is_here = self.database.is_none() || self.database == finding.database;
        is_here && self.table.as_ref().is_none_or(names)
    }
}

/// The samples of one side.
struct Side {
    samples: f64,
    calls: f64,
    /// Of all runs.
    mean: f64,
    /// Of the means of the samples, and how much these differ.
    middle: f64,
    variance: f64,
}

impl Side {
    fn of<'a>(samples: impl Iterator<Item = &'a Sample>) -> Option<Side> {
        let (mut means, mut calls, mut seconds) = (Vec::new(), 0.0, 0.0);
        for sample in samples {
            means.push(sample.seconds / sample.calls);
            calls += sample.calls;
            seconds += sample.seconds;
        }
        let count = means.len() as f64;
        let middle = means.iter().sum::<f64>() / count;
        let variance = means.iter().map(|mean| (mean - middle).powi(2)).sum::<f64>() / (count - 1.0);
        let enough = means.len() >= ENOUGH_SAMPLES && calls >= ENOUGH_CALLS;
        enough.then(|| Side { samples: count, calls, mean: seconds / calls, middle, variance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::finding;
    use crate::ledger::{Kind, RESOLVE_AFTER};
    use crate::model::{Finding, Severity};
    use serde_json::json;

    const TARGET: &str = "db1";

    fn slow() -> Finding {
        let mut finding = finding("00000000000000aa", Severity::Warning, 1.0);
        finding.database = Some("shop".into());
        finding.because = "it reads all of public.orders".into();
        finding.evidence.insert("window_seconds".into(), json!(60.0));
        finding
    }

    fn index_at(after: f64, table: &str) -> Deed {
        let what = "index public.i was created".to_owned();
        Deed { after, before: after + 15.0, database: Some("shop".into()), table: Some(table.into()), what }
    }

    /// A finding that is open for ten minutes and over for ten; runs of these lengths before and after `at`.
    fn lived(at: f64, mean: impl Fn(f64) -> f64, calls: f64, deed: Option<Deed>) -> (Ledger, Vec<Change>) {
        let (mut ledger, mut trials, mut told) = (Ledger::default(), Trials::default(), Vec::new());
        deed.into_iter().for_each(|deed| trials.note(deed));
        for beat in 0..80 {
            let now = f64::from(beat) * 15.0;
            let found = if now < at { vec![slow()] } else { Vec::new() };
            trials.run(now, |key| (key.digest == Digest(0xaa)).then_some((calls, calls * mean(now))));
            told.extend(ledger.apply(now, &TARGET.into(), found, |_, _| true, |_| None));
            told.extend(trials.follow(&mut ledger, now));
        }
        (ledger, told)
    }

    fn verdict(mean: impl Fn(f64) -> f64, calls: f64, deed: Option<Deed>) -> Option<Verdict> {
        lived(600.0, mean, calls, deed).0.entries().next().unwrap().verdict.clone()
    }

    fn stepping(before: f64, after: f64, at: f64) -> impl Fn(f64) -> f64 {
        move |now| if now <= at { before } else { after } * if (now / 15.0) % 2.0 < 1.0 { 1.05 } else { 0.95 }
    }

    #[test]
    fn a_fix_that_was_seen_parts_the_runs() {
        let deed = || Some(index_at(570.0, "orders"));
        let helped = verdict(stepping(0.2, 0.001, 580.0), 10.0, deed()).unwrap();
        assert_eq!(
            (helped.outcome, helped.deed.as_deref()),
            (Outcome::Helped, Some("index public.i was created"))
        );
        assert!(
            helped
                .because
                .contains("since index public.i was created, where it took 200 ms: 200.0 times as fast"),
            "{}",
            helped.because
        );
        assert_eq!(verdict(stepping(0.2, 0.21, 580.0), 10.0, deed()).unwrap().outcome, Outcome::NoDifference);
        assert_eq!(verdict(stepping(0.2, 0.4, 580.0), 10.0, deed()).unwrap().outcome, Outcome::Worse);
        let swinging =
            |now: f64| if (now / 15.0) % 3.0 < 1.0 { 0.9 } else { 0.1 } * if now < 580.0 { 1.3 } else { 1.0 };
        assert_eq!(
            verdict(swinging, 10.0, deed()).unwrap().outcome,
            Outcome::NoDifference,
            "it swings more by itself"
        );
    }

    #[test]
    fn without_a_deed_the_window_of_the_finding_is_left_out() {
        let ended = 600.0 + 15.0 * f64::from(RESOLVE_AFTER - 1);
        let after =
            verdict(stepping(0.2, 0.1, ended - 30.0), 10.0, Some(index_at(570.0, "customers"))).unwrap();
        assert_eq!(
            (after.outcome, after.deed.clone()),
            (Outcome::Helped, None),
            "another table's index is none of it"
        );
        assert!((after.mean_seconds_before - 0.2).abs() < 0.001, "{after:?}");
    }

    #[test]
    fn what_is_followed_survives_restarts() {
        let (mut ledger, mut trials) = (Ledger::default(), Trials::default());
        trials.note(index_at(570.0, "orders"));
        for beat in 0..80 {
            let now = f64::from(beat) * 15.0;
            let found = if now < 600.0 { vec![slow()] } else { Vec::new() };
            let mean = stepping(0.2, 0.001, 580.0)(now);
            trials.run(now, |_| Some((10.0, 10.0 * mean)));
            ledger.apply(now, &TARGET.into(), found, |_, _| true, |_| None);
            trials.follow(&mut ledger, now);
            // Once while it is open, once while the runs after it are counted.
            if [20, 46].contains(&beat) {
                ledger = Ledger::restore(ledger.to_vec());
                let text = serde_json::to_vec(&trials).unwrap();
                trials = Trials::restore(serde_json::from_slice(&text).unwrap());
            }
        }
        let lived = verdict(stepping(0.2, 0.001, 580.0), 10.0, Some(index_at(570.0, "orders")));
        assert!(lived.is_some());
        assert_eq!(ledger.entries().next().unwrap().verdict, lived);
    }

    #[test]
    fn nothing_is_said_of_what_no_longer_runs_or_hardly_ran() {
        assert_eq!(verdict(stepping(0.2, 0.1, 580.0), 0.0, None), None);
        assert_eq!(verdict(stepping(0.2, 0.1, 580.0), 0.5, Some(index_at(570.0, "orders"))), None);
    }

    #[test]
    fn who_heard_of_the_end_hears_of_the_verdict_once() {
        let (_, told) = lived(600.0, stepping(0.2, 0.001, 580.0), 10.0, Some(index_at(570.0, "orders")));
        let kinds: Vec<Kind> = told.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [Kind::Opened, Kind::Resolved, Kind::Verified]);
        assert!(told[2].entry.verdict.is_some());
    }
}
