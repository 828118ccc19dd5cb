//! What time it is for the reports. They carry the clock of the daemon that made them; ours began a little later.

use crate::board::Report;
use crate::clock::Clock;
use crate::model::When;
use std::sync::{Arc, OnceLock};

/// Ages are measured by monotonic clocks, so that a stepped wall clock neither hides what is old nor what is new.
/// Two such clocks differ by a constant. It is read once, from the wall clock at the first report we see.
#[derive(Debug)]
pub struct Moments {
    clock: Clock,
    theirs: OnceLock<(u64, f64)>,
}

impl Moments {
    pub fn start() -> Self {
        Self { clock: Clock::start(), theirs: OnceLock::new() }
    }

    pub fn now(&self, reports: &[Arc<Report>]) -> When {
        let ours = self.clock.now();
        // The newest word on their clock.
        let newest =
            reports.iter().map(|report| report.made).max_by(|a, b| a.monotonic.total_cmp(&b.monotonic));
        let theirs = newest.map(|made| {
            let began = |when: &When| when.wall - when.monotonic;
            self.theirs.get_or_init(|| (made.run, began(&ours) - began(&made)))
        });
        match theirs {
            Some((run, ahead)) => When { run: *run, monotonic: ours.monotonic + ahead, wall: ours.wall },
            None => ours,
        }
    }
}
