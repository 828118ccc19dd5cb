//! Plans of the statements that matter, as JSON and for eyes.

use crate::board::Report;
use crate::model::Digest;
use crate::model::plan::PlanNode;
use crate::plans::logged::Run;
use crate::plans::{History, Ran, Shape};
use crate::workload::Key;
use serde::Serialize;
use std::collections::BTreeMap;

/// The plans of one statement.
#[derive(Debug, Serialize)]
pub struct Planned {
    target: String,
    pub database: String,
    pub digest: Digest,
    pub fingerprint: Option<String>,
    /// When the server was asked last, in unix seconds, and why it did not plan it then.
    asked_at: Option<f64>,
    pub refused: Option<String>,
    /// The present one first.
    pub shapes: Vec<Shown>,
    /// What single runs did, as the log shows it; the newest first.
    pub logged: Vec<Logged>,
}

#[derive(Debug, Serialize)]
pub struct Shown {
    pub shape: String,
    first_seen: f64,
    /// Since when it is, or was, the present one.
    pub since: f64,
    last_seen: f64,
    /// What is known to have run under it since then.
    pub calls: f64,
    pub mean_seconds: Option<f64>,
    /// The same steps, on lines of their own.
    pub steps: String,
    plan: PlanNode,
}

/// The slowest run of some seconds.
#[derive(Debug, Serialize)]
pub struct Logged {
    pub at: f64,
    /// Runs that the log has shown in these seconds.
    runs: f64,
    pub seconds: f64,
    pub steps: String,
    plan: PlanNode,
}

/// The statements whose plans are known, logged or were refused, the latest first.
pub fn planned(report: &Report) -> Vec<Planned> {
    let mut all: BTreeMap<&Key, Planned> = BTreeMap::new();
    let of = |key: &Key| Planned {
        target: report.target.to_string(),
        database: key.database.to_string(),
        digest: key.digest,
        fingerprint: report.texts.fingerprint(key.digest).map(str::to_owned),
        asked_at: None,
        refused: None,
        shapes: Vec::new(),
        logged: Vec::new(),
    };
    for (key, history) in report.plans.each() {
        let planned = all.entry(key).or_insert_with(|| of(key));
        planned.asked_at = Some(history.asked_at);
        planned.refused.clone_from(&history.refused);
        let shapes = history.shapes.iter().enumerate().rev();
        planned.shapes = shapes.map(|(nth, shape)| shown(history, nth, shape)).collect();
    }
    for (key, runs) in report.plans.logged.each() {
        all.entry(key).or_insert_with(|| of(key)).logged = runs.iter().rev().map(logged).collect();
    }
    let mut all: Vec<Planned> = all.into_values().collect();
    all.sort_by(|a, b| b.last().total_cmp(&a.last()).then_with(|| a.digest.cmp(&b.digest)));
    all
}

impl Planned {
    pub fn is_known(&self) -> bool {
        !(self.shapes.is_empty() && self.logged.is_empty())
    }

    /// When something was learned of it.
    fn last(&self) -> f64 {
        let logged = self.logged.first().map(|run| run.at);
        self.asked_at.into_iter().chain(logged).fold(f64::NEG_INFINITY, f64::max)
    }
}

fn shown(history: &History, nth: usize, shape: &Shape) -> Shown {
    let is_present = nth + 1 == history.shapes.len();
    let ran: Ran = if is_present { history.ran() } else { shape.ran };
    Shown {
        shape: format!("{:016x}", shape.fingerprint),
        first_seen: shape.first_seen,
        since: shape.since,
        last_seen: shape.last_seen,
        calls: ran.calls,
        mean_seconds: (ran.calls > 0.0).then(|| ran.mean_seconds()),
        steps: shape.plan.shape(),
        plan: (*shape.plan).clone(),
    }
}

fn logged(run: &Run) -> Logged {
    Logged {
        at: run.at,
        runs: run.runs,
        seconds: run.seconds,
        steps: run.plan.shape(),
        plan: (*run.plan).clone(),
    }
}
