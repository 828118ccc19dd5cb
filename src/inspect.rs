//! One look at one server: watch it for a while, read the handbook, say what was found, leave.

use crate::board::Report;
use crate::clock::Clock;
use crate::config::{Budget, Paces, Target};
use crate::engine::{Due, EngineError, Lane, ServerFacts};
use crate::engines;
use crate::ledger::Entry;
use crate::model::{Gap, Name, StatementsInfo};
use crate::plans::Plans;
use crate::recording::Recorded;
use crate::rules::Handbook;
use crate::sinks::Listeners;
use crate::store::Keeper;
use crate::watch::{Outlets, Plan, Rules, Watch, watch};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// The reading at the end may come this much late, for a beat that was under way.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Inspection {
    pub target: Name,
    pub server: ServerFacts,
    pub findings: Vec<Entry>,
    pub gaps: Vec<Gap>,
    /// Pages that look further back than this could, and how far.
    pub longer_look: Vec<(&'static str, Duration)>,
    /// Of the statements that matter.
    pub plans: Arc<Plans>,
    /// Where the server keeps several statements for one of ours.
    pub splits: Option<Splits>,
}

/// How many of our statements the server tells apart, and how many of its own they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Splits {
    pub split: u64,
    pub lumped: u64,
}

/// A plan with short paces: a look is short.
pub fn bare_plan(target: Name, handbook: &Handbook) -> Plan {
    let paces = Paces::default();
    Plan {
        target,
        labels: Vec::new(),
        pulse: paces.pulse.get(),
        beat: Duration::from_secs(5),
        slow: paces.slow.get(),
        rare: paces.rare.get(),
        series_budget: 5_000,
        connections: 3,
        room: Budget::default().room(),
        questions: 60,
        throttle: true,
        rules: Rules { handbook: Arc::new(handbook.clone()), silences: Arc::default() },
    }
}

pub async fn inspect(
    target: &Target,
    handbook: &Handbook,
    how_long: Duration,
    tap: Option<mpsc::Sender<Recorded>>,
) -> Result<Inspection, EngineError> {
    let clock = Clock::start();
    let engine = engines::open(target, clock)?;
    // Asked once by hand, so that a wrong password is an error and not a gap.
    let due = Due { every: Duration::from_secs(5), ..Due::default() };
    engine.open(Lane::Beat).visit(&due).await?;
    let state =
        Watch::new(bare_plan(target.name.clone(), handbook), engine.topics(), clock.now()).at_first_sight();
    let (board, mut reports) = watch::channel(Arc::new(state.report(clock.now())));
    let (listeners, keeper) = (Listeners::default(), Keeper::off());
    let outlets = Outlets { board, listeners, keeper, follows_logs: false, past: None, tap };
    let (_keep, rules) = watch::channel(state.rules());
    let task = tokio::spawn(watch(engine, state, clock, rules, outlets));
    tokio::time::sleep(how_long).await;
    // One more report, so that the last thing read counts.
    let _ = tokio::time::timeout(PATIENCE, reports.changed()).await;
    let report = reports.borrow().clone();
    task.abort();
    if !report.up {
        let why = report.down_because.clone().unwrap_or_else(|| "the server stopped answering".into());
        return Err(EngineError::Unreachable(why));
    }
    Ok(conclude(&report))
}

pub fn conclude(report: &Report) -> Inspection {
    let gaps = report.snapshot.gaps.iter().map(|((topic, scope), reason)| Gap {
        topic: *topic,
        scope: scope.clone(),
        reason: reason.clone(),
    });
    Inspection {
        target: report.target.clone(),
        server: report.server.clone(),
        findings: report.findings.to_vec(),
        gaps: gaps.collect(),
        longer_look: report.longer_look.to_vec(),
        plans: report.plans.clone(),
        splits: report.snapshot.rows::<StatementsInfo>().find_map(splits),
    }
}

fn splits(info: &StatementsInfo) -> Option<Splits> {
    Some(Splits { split: info.split?.last.get(), lumped: info.lumped?.last.get() })
}
