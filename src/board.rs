//! The latest report of every target: what readers read. Each report is whole and never changes.

use crate::engine::{Lane, Pace, Reading, ServerFacts};
use crate::ledger::Entry;
use crate::model::{Name, Scope, Snapshot, Topic, When, Window};
use crate::plans::Plans;
use crate::tally::Tally;
use crate::texts::Texts;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

#[derive(Debug, Clone)]
pub struct Report {
    pub target: Name,
    /// The operator's own labels, added by views only.
    pub labels: Vec<(Name, Name)>,
    pub server: ServerFacts,
    pub up: bool,
    /// Why it is down, in a sentence without secrets.
    pub down_because: Option<String>,
    /// When we began to watch: the birth of every total that we export.
    pub began: When,
    /// When this report was made, by both clocks of this process.
    pub made: When,
    /// Everything last known, old parts included: readers ask their age.
    pub snapshot: Snapshot,
    /// The newest stretch of every topic.
    pub window: Window,
    /// Longer windows, shortest first.
    pub ladder: Arc<Vec<Window>>,
    /// What we have counted since we began watching: the exported totals.
    pub tally: Arc<Tally>,
    /// Open findings.
    pub findings: Arc<Vec<Entry>>,
    /// Findings that are over and of which it was measured whether it helped, the newest first.
    pub verified: Arc<Vec<Entry>>,
    /// Pages that have not seen enough yet, and how far back they look.
    pub longer_look: Arc<[(&'static str, Duration)]>,
    /// Plans of the statements that matter.
    pub plans: Arc<Plans>,
    /// The pace in force for each topic; a part older than three of them is withheld.
    pub paces: BTreeMap<Topic, Duration>,
    pub readings: BTreeMap<(Topic, Scope), Reading>,
    /// Seconds that we cost the target, by lane, since this process began.
    pub cost: BTreeMap<Lane, f64>,
    /// How many times longer than configured each pace is now; zero rests.
    pub stretched: BTreeMap<Pace, f64>,
    /// Fingerprints by digest.
    pub texts: Arc<Texts>,
}

impl Report {
    /// Older than three of its paces: true once, not true now.
    pub fn is_stale(&self, topic: Topic, taken: &When, now: &When) -> bool {
        let pace = self.paces.get(&topic).copied().unwrap_or(Duration::from_secs(15));
        now.seconds_since(taken) > 3.0 * pace.as_secs_f64()
    }
}

/// Readers get whole reports; writers replace them.
#[derive(Debug, Clone, Default)]
pub struct Board {
    targets: BTreeMap<Name, watch::Receiver<Arc<Report>>>,
    /// What is found about ourselves.
    pub own: Arc<[Entry]>,
}

impl Board {
    pub fn new(targets: impl IntoIterator<Item = (Name, watch::Receiver<Arc<Report>>)>) -> Self {
        Self { targets: targets.into_iter().collect(), own: Arc::default() }
    }

    pub fn reports(&self) -> impl Iterator<Item = Arc<Report>> {
        self.targets.values().map(|report| report.borrow().clone())
    }

    pub fn report(&self, target: &str) -> Option<Arc<Report>> {
        self.targets.get(target).map(|report| report.borrow().clone())
    }
}
