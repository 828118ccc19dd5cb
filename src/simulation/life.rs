//! One life of the process: everything between its start and whatever ends it.

use super::disk::Disk;
use super::ear::{Ear, Listener};
use super::server::{Sim, World};
use super::trouble::{TARGET, Trouble};
use super::{Wall, open};
use crate::board::Report;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::ledger::{Change, Entry, Kind};
use crate::model::{Noun, Severity, Statement, Topic};
use crate::sinks::Listeners;
use crate::sinks::queue::Queue;
use crate::sinks::spool::Spool;
use crate::store::{Keeper, Past, Recall};
use crate::watch::{Outlets, Plan, Rules, Watch, watch};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// A finding opens while its trouble holds or shortly after: what was read may be three paces old.
const SEEN_WITHIN: f64 = 200.0;

pub struct Life {
    tasks: JoinSet<()>,
    pub keeper: Keeper,
    pub rules: tokio::sync::watch::Sender<Rules>,
    pub reports: tokio::sync::watch::Receiver<Arc<Report>>,
    pub queues: Vec<Arc<Queue>>,
    pub seen: Arc<Mutex<Seen>>,
}

/// What somebody who looks at every report has seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub wrong: Vec<String>,
    /// By series, those out of sight too.
    calls: BTreeMap<String, f64>,
    ran_before: u64,
    /// What the disk knew at the start, of what was open.
    known: BTreeMap<String, f64>,
    /// What the disk says later was open, until it is again.
    recalled: BTreeSet<String>,
    open: BTreeSet<String>,
}

pub fn plan(rules: &Rules) -> Plan {
    Plan {
        target: TARGET.into(),
        labels: Vec::new(),
        pulse: Duration::from_secs(10),
        beat: Duration::from_secs(20),
        slow: Duration::from_secs(60),
        rare: Duration::from_secs(3_600),
        series_budget: 1_000,
        room: 64 << 20,
        connections: 3,
        questions: 60,
        throttle: true,
        rules: rules.clone(),
    }
}

impl Life {
    pub async fn begin(
        nth: u64,
        wall: &'static Wall,
        disk: &Disk,
        world: &Arc<Mutex<World>>,
        ears: &[Arc<Mutex<Ear>>],
        rules: &Rules,
    ) -> Life {
        let clock = Clock::simulated(wall.seed.wrapping_add(nth), wall);
        let keeper = Keeper::inline(disk.opener(clock), clock);
        let mut tasks = JoinSet::new();
        let (listeners, mut queues) = (Listeners::default(), Vec::new());
        let mut waiting = BTreeMap::new();
        for (nth, ear) in ears.iter().enumerate() {
            let (spool, kept) = Spool::open(&disk.spools(), &format!("ear-{nth}")).unwrap();
            let old = |change: &Change| (change.entry.id.clone(), change.kind, change.entry.changed_at);
            open(ear).old = kept.iter().map(old).collect();
            for change in &kept {
                waiting.insert((nth, change.entry.id.clone()), (change.kind, change.entry.changed_at));
            }
            let queue = Queue::here(format!("ear-{nth}"), spool, kept);
            let listener = Listener { ear: ear.clone(), disk: disk.clone() };
            tasks.spawn(queue.clone().run(Box::new(listener), clock.jitter(&format!("ear-{nth}"))));
            queues.push(queue);
        }
        listeners.replace(queues.iter().map(|queue| (Severity::Note, queue.clone())).collect());

        let engine = Arc::new(Sim::new(world.clone(), clock));
        let mut state = Watch::new(plan(rules), engine.topics(), clock.now());
        let (past, later) = match keeper.past(&TARGET.into(), clock.now().wall).await {
            Recall::Here(past) => (past, None),
            Recall::Later(later) => (Past::default(), Some(later)),
        };
        let mut seen = Seen { ran_before: open(world).ran, ..Seen::default() };
        seen.reconcile(&past.ledger, ears, &waiting, nth, !wall.has_gone_back());
        state.remember(past);
        let seen = Arc::new(Mutex::new(seen));
        let later = later.map(|later| {
            let (tell, told) = tokio::sync::oneshot::channel();
            let seen = seen.clone();
            tasks.spawn(async move {
                let Ok(past) = later.await else { return };
                let was_open = past.ledger.iter().filter(|entry| entry.is_open());
                open(&seen).recalled.extend(was_open.map(|entry| entry.id.clone()));
                let _ = tell.send(past);
            });
            told
        });
        let (board, reports) = tokio::sync::watch::channel(Arc::new(state.report(clock.now())));
        let (give_rules, take_rules) = tokio::sync::watch::channel(rules.clone());
        let keeps = keeper.clone();
        let outlets =
            Outlets { board, listeners, keeper: keeps, follows_logs: false, past: later, tap: None };
        tasks.spawn(watch(engine, state, clock, take_rules, outlets));
        let ticks = keeper.clone();
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                ticks.try_again();
            }
        });
        tasks.spawn(look(reports.clone(), seen.clone(), world.clone(), give_rules.subscribe()));
        Life { tasks, keeper, rules: give_rules, reports, queues, seen }
    }

    /// As SIGKILL does it: whatever it was at.
    pub async fn end(self) -> Arc<Mutex<Seen>> {
        let Life { mut tasks, seen, .. } = self;
        tasks.shutdown().await;
        seen
    }
}

impl Seen {
    /// What the ledger on disk says was told must have been heard, or wait on disk. What it does not know yet, a kill
    /// came between.
    fn reconcile(
        &mut self,
        known: &[Entry],
        ears: &[Arc<Mutex<Ear>>],
        waiting: &BTreeMap<(usize, String), (Kind, f64)>,
        life: u64,
        times_compare: bool,
    ) {
        self.known = known
            .iter()
            .filter(|entry| entry.is_open())
            .map(|entry| (entry.id.clone(), entry.opened_at))
            .collect();
        let told: BTreeMap<&str, (Kind, f64)> =
            known.iter().filter_map(|entry| Some((&*entry.id, (entry.told?, entry.changed_at)))).collect();
        for (nth, ear) in ears.iter().enumerate() {
            let mut ear = open(ear);
            ear.life = life;
            for trouble in Trouble::ALL {
                let id = trouble.id();
                let heard = ear.heard.get(&id).map(|heard| (heard.kind, heard.at));
                let (ledger, last) =
                    (told.get(&*id).copied(), waiting.get(&(nth, id.clone())).copied().or(heard));
                if ledger.map(|told| told.0) == last.map(|last| last.0) || ear.excused.contains_key(&id) {
                    continue;
                }
                match (ledger, last) {
                    (Some((kind, at)), Some((heard, before))) if times_compare && at > before + 0.002 => {
                        self.wrong.push(format!(
                            "{trouble:?}: {} after {}: lost for ear {nth}",
                            kind.name(),
                            heard.name()
                        ));
                    }
                    (Some((kind, _)), None) => {
                        self.wrong.push(format!("{trouble:?}: {} is lost for ear {nth}", kind.name()));
                    }
                    // Ended between the sink's disk and the ledger's, or before the ledger's disk was well again.
                    _ => drop(ear.excused.insert(id, "the ledger had not been kept")),
                }
            }
        }
    }

    fn look(&mut self, report: &Report, world: &World, rules: &Rules) {
        for (series, calls) in calls(report) {
            let known = self.calls.entry(series).or_default();
            if calls < *known {
                self.wrong.push(format!("{known} calls became {calls}"));
            }
            *known = calls;
        }
        let (ran, told) = (world.ran - self.ran_before, self.calls.values().sum::<f64>());
        if told > ran as f64 + 0.5 {
            self.wrong.push(format!("{told} calls are told where {ran} ran"));
        }
        let now: BTreeSet<String> = report.findings.iter().map(|entry| entry.id.clone()).collect();
        for trouble in Trouble::ALL {
            let id = trouble.id();
            let (is_open, was_open) = (
                now.contains(&id),
                self.open.contains(&id) || self.known.contains_key(&id) || self.recalled.contains(&id),
            );
            if is_open && !was_open && !world.held_within(trouble, SEEN_WITHIN) {
                self.wrong.push(format!("{trouble:?} was found and does not hold"));
            }
            // Of a page that is left out from now on nothing is open any more, whatever holds.
            let is_left_out = rules.handbook.skip.iter().any(|page| page == trouble.page());
            let is_over = !is_open && self.open.contains(&id);
            if is_over && !is_left_out && !world.absent_within(trouble, SEEN_WITHIN) {
                self.wrong.push(format!("{trouble:?} is over for us and holds"));
            }
        }
        for entry in report.findings.iter() {
            if let Some(opened_at) = self.known.get(&entry.id)
                && (entry.opened_at - opened_at).abs() > 0.002
            {
                self.wrong.push(format!(
                    "{} opened at {opened_at} and, after a kill, at {}",
                    entry.finding.rule, entry.opened_at
                ));
            }
        }
        // Once it is over it may open anew.
        self.known.retain(|id, _| now.contains(id));
        self.recalled.retain(|id| !now.contains(id));
        self.open = now;
    }
}

/// By series, and by what has none.
fn calls(report: &Report) -> Vec<(String, f64)> {
    let nth = Statement::METRICS.iter().position(|metric| metric.field == "calls").unwrap();
    let series = report.tally.series(Topic::Statements);
    let shown = series.filter_map(|series| Some((format!("{:?}", series.labels), series.value(nth)?)));
    let other = report.tally.other(Topic::Statements).and_then(|other| other.value(nth));
    shown.chain(other.map(|calls| (String::new(), calls))).collect()
}

async fn look(
    mut reports: tokio::sync::watch::Receiver<Arc<Report>>,
    seen: Arc<Mutex<Seen>>,
    world: Arc<Mutex<World>>,
    rules: tokio::sync::watch::Receiver<Rules>,
) {
    while reports.changed().await.is_ok() {
        let report = reports.borrow_and_update().clone();
        open(&seen).look(&report, &open(&world), &rules.borrow());
    }
}
