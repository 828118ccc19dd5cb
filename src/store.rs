//! The contract of a store: what survives a restart. Long windows need old snapshots, so a ladder of them is kept;
//! findings keep their age; what grows slowly is written down once an hour.

use crate::ledger::Entry;
use crate::model::{Name, Scope, Snapshot, Topic, When};
use crate::plans;
use crate::verdict::Trials;
use serde::{Deserialize, Serialize};

pub use crate::stores::keeper::{Keeper, Recall};

/// Topics that rules look back on for more than five minutes. The rest of a snapshot is of the moment.
pub const LADDER_TOPICS: &[&str] = &[
    "archive",
    "checkpoints",
    "databases",
    "functions",
    "indexes",
    "sequences",
    "statements",
    "statements_info",
    "tables",
    "wal",
];
/// Topics whose levels are written down hourly: what fills up, and how fast.
pub const LEVEL_TOPICS: &[&str] = &["database_sizes", "databases", "sequences", "sizes"];

/// What was learned of the statements of a target: their plans, and how those fare of which a finding speaks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lessons {
    pub plans: Vec<plans::Kept>,
    pub trials: Trials,
}

/// What a former life left of a target.
#[derive(Debug, Clone, Default)]
pub struct Past {
    pub ledger: Vec<Entry>,
    pub lessons: Lessons,
    /// Where windows may begin: at most one snapshot for each rung, shortest first.
    pub ladder: Vec<(Rung, Snapshot)>,
}

/// How far back a kept snapshot should reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    Hour,
    Day,
    Month,
}

impl Rung {
    /// Shortest first.
    pub const ALL: [Rung; 3] = [Rung::Hour, Rung::Day, Rung::Month];

    pub fn seconds(self) -> f64 {
        match self {
            Rung::Hour => 3_600.0,
            Rung::Day => 86_400.0,
            Rung::Month => 30.0 * 86_400.0,
        }
    }
}

/// One of the two places of a rung, and the wall clock when its snapshot was begun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    pub rung: Rung,
    pub nth: u8,
    pub taken: f64,
}

impl Step {
    fn age(&self, now: f64) -> f64 {
        now - self.taken
    }

    /// Written before the clock was set back; a little is a correction, more would block the rung for ever.
    fn is_usable(&self, now: f64) -> bool {
        self.age(now) >= -self.rung.seconds()
    }
}

/// Which places are overwritten now. Two places a rung are enough: the younger ages to the length of the rung
/// while the older goes on to twice that. The older is then overwritten, and never anything younger.
pub fn promote(now: f64, existing: &[Step]) -> Vec<(Rung, u8)> {
    Rung::ALL.into_iter().filter_map(|rung| Some((rung, due(now, rung, existing)?))).collect()
}

fn due(now: f64, rung: Rung, existing: &[Step]) -> Option<u8> {
    let usable =
        |nth: u8| existing.iter().find(|step| step.rung == rung && step.nth == nth && step.is_usable(now));
    match (usable(0), usable(1)) {
        (Some(one), Some(other)) => {
            let (older, younger) = if one.taken <= other.taken { (one, other) } else { (other, one) };
            (younger.age(now) >= rung.seconds()).then_some(older.nth)
        }
        (Some(only), None) | (None, Some(only)) => {
            (only.age(now) >= rung.seconds()).then_some(1 - only.nth.min(1))
        }
        (None, None) => Some(0),
    }
}

/// The snapshot that a window of this rung begins at: the youngest that is old enough, else the oldest there is.
pub fn beginning(now: f64, rung: Rung, existing: &[Step]) -> Option<Step> {
    let usable = || existing.iter().copied().filter(|step| step.rung == rung && step.is_usable(now));
    let old_enough = usable().filter(|step| step.age(now) >= rung.seconds());
    old_enough
        .max_by(|a, b| a.taken.total_cmp(&b.taken))
        .or_else(|| usable().min_by(|a, b| a.taken.total_cmp(&b.taken)))
}

/// One level of one row, as it was in one hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Hourly {
    pub scope: Scope,
    /// The labels of the row, `name=value`, comma-joined.
    pub key: String,
    pub field: String,
    /// Hours since 1970.
    pub hour: i64,
    pub value: f64,
}

/// What the caller does differently; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Try again later: full, read-only, not there.
    #[error("{0}")]
    Retry(String),
    /// What is there cannot be used. Put it out of the way under this name and begin anew.
    #[error("{why}")]
    SetAside { label: &'static str, why: String },
    /// Go on without state.
    #[error("{0}")]
    GiveUp(String),
}

/// What survives a restart. Each call is whole or has not happened.
pub trait Store: Send {
    /// Takes from the snapshot what the ladder needs now, and the levels of this hour.
    fn keep_snapshot(&mut self, target: &Name, now: &When, snapshot: &Snapshot) -> Result<(), StoreError>;
    /// At most one snapshot for each rung, shortest first. `now` is the wall clock.
    fn ladder(&mut self, target: &Name, now: f64) -> Result<Vec<(Rung, Snapshot)>, StoreError>;
    fn keep_ledger(&mut self, target: &Name, entries: &[Entry]) -> Result<(), StoreError>;
    fn ledger(&mut self, target: &Name) -> Result<Vec<Entry>, StoreError>;
    fn keep_lessons(&mut self, target: &Name, lessons: &Lessons) -> Result<(), StoreError>;
    fn lessons(&mut self, target: &Name) -> Result<Lessons, StoreError>;
    /// How far its logs were followed, and what they added up to.
    fn keep_logs(&mut self, target: &Name, now: f64, content: &[u8]) -> Result<(), StoreError>;
    fn logs(&mut self, target: &Name) -> Result<Option<Vec<u8>>, StoreError>;
    fn levels(&mut self, target: &Name, topic: Topic) -> Result<Vec<Hourly>, StoreError>;

    /// All that is left of a target, by the wall clock.
    fn past(&mut self, target: &Name, now: f64) -> Result<Past, StoreError> {
        let (ledger, lessons) = (self.ledger(target)?, self.lessons(target)?);
        Ok(Past { ledger, lessons, ladder: self.ladder(target, now)? })
    }
}

/// Where stores come from, and where bad ones go. Both are asked again after a failure.
pub trait Opener: Send {
    fn open(&mut self) -> Result<Box<dyn Store>, StoreError>;
    /// Renames what is there. It is never deleted.
    fn set_aside(&mut self, label: &str) -> Result<(), StoreError>;
}

/// How it goes with the state; profiling goes on in any case.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "health", rename_all = "lowercase")]
pub enum Health {
    Ok,
    /// `since` in unix seconds.
    Failing {
        since: f64,
        why: String,
    },
    /// Nothing is kept: by wish, or for a reason that will not go away in this run.
    Off {
        why: Option<String>,
    },
}

impl Health {
    /// `None` where nobody wants state.
    pub fn is_healthy(&self) -> Option<bool> {
        match self {
            Health::Ok => Some(true),
            Health::Failing { .. } | Health::Off { why: Some(_) } => Some(false),
            Health::Off { why: None } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Begins what is due.
    fn tick(now: f64, steps: &mut Vec<Step>) {
        for (rung, nth) in promote(now, steps) {
            steps.retain(|step| (step.rung, step.nth) != (rung, nth));
            steps.push(Step { rung, nth, taken: now });
        }
        assert!(steps.len() <= 6);
    }

    fn ages(now: f64, rung: Rung, steps: &[Step]) -> Vec<f64> {
        steps.iter().filter(|step| step.rung == rung).map(|step| now - step.taken).collect()
    }

    proptest! {
        /// Lives of the process with pauses between them: once a rung's length has been lived through, there is
        /// always a snapshot that old, and none that begins a window is older than twice the rung, plus a tick,
        /// plus the time that nobody was there to take one.
        #[test]
        fn every_rung_reaches_far_enough(
            lives in proptest::collection::vec((1u32..400, 0.0..200_000.0f64), 1..12),
            every in 30.0..900.0f64,
        ) {
            let (mut now, mut steps, mut first, mut away) = (1.7e9, Vec::new(), None, 0.0);
            for (ticks, pause) in lives {
                for _ in 0..ticks {
                    tick(now, &mut steps);
                    let first = *first.get_or_insert(now);
                    for rung in Rung::ALL {
                        let begin = beginning(now, rung, &steps);
                        prop_assert!(begin.is_some());
                        let age = now - begin.map_or(0.0, |step| step.taken);
                        if now - first > rung.seconds() + every {
                            prop_assert!(age >= rung.seconds(), "{rung:?} {age}");
                        }
                        prop_assert!(age <= 2.0 * rung.seconds() + 2.0 * every + away, "{rung:?} {age}");
                    }
                    now += every;
                }
                now += pause;
                away += pause;
            }
        }

        /// The clock may jump anywhere: within two lengths of quiet time the rung is as it should be.
        #[test]
        fn a_jumping_clock_is_survived(jumps in proptest::collection::vec(-1e9..1e9f64, 1..8)) {
            let (mut now, mut steps) = (1.7e9, Vec::new());
            for jump in jumps {
                (0..200).for_each(|nth| tick(now + f64::from(nth) * 60.0, &mut steps));
                now += 12_000.0 + jump;
            }
            for nth in 0..=124 {
                tick(now + f64::from(nth) * 60.0, &mut steps);
            }
            now += 124.0 * 60.0;
            let wanted = 3_600.0..=7_320.0;
            prop_assert!(ages(now, Rung::Hour, &steps).iter().any(|age| wanted.contains(age)), "{steps:?}");
            let begin = beginning(now, Rung::Hour, &steps).map(|step| now - step.taken);
            prop_assert!(begin.is_some_and(|age| wanted.contains(&age)));
        }

        /// A short way back, as clocks are corrected, costs nothing.
        #[test]
        fn a_corrected_clock_loses_nothing(back in 0.0..1_000.0f64) {
            let mut steps = Vec::new();
            (0..100).for_each(|nth| tick(1.7e9 + f64::from(nth) * 60.0, &mut steps));
            let before = steps.clone();
            tick(1.7e9 + 99.0 * 60.0 - back, &mut steps);
            prop_assert_eq!(before, steps);
        }
    }
}
