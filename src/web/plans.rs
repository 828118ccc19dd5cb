//! Plans of the statements that matter, as JSON and for eyes.

use crate::board::Report;
use crate::model::Digest;
use crate::model::plan::PlanNode;
use crate::plans::{History, Ran, Shape};
use serde::Serialize;

/// The plans of one statement.
#[derive(Debug, Serialize)]
pub struct Planned {
    target: String,
    pub database: String,
    pub digest: Digest,
    pub fingerprint: Option<String>,
    /// When the server was asked last, in unix seconds, and why it did not plan it then.
    asked_at: f64,
    pub refused: Option<String>,
    /// The present one first.
    pub shapes: Vec<Shown>,
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

/// The statements whose plans are known or were refused, the most recently asked about first.
pub fn planned(report: &Report) -> Vec<Planned> {
    let mut all: Vec<Planned> = report
        .plans
        .each()
        .map(|(key, history)| Planned {
            target: report.target.to_string(),
            database: key.database.to_string(),
            digest: key.digest,
            fingerprint: report.texts.fingerprint(key.digest).map(str::to_owned),
            asked_at: history.asked_at,
            refused: history.refused.clone(),
            shapes: history
                .shapes
                .iter()
                .enumerate()
                .rev()
                .map(|(nth, shape)| shown(history, nth, shape))
                .collect(),
        })
        .collect();
    all.sort_by(|a, b| b.asked_at.total_cmp(&a.asked_at).then_with(|| a.digest.cmp(&b.digest)));
    all
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
