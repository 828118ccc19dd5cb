//! Since when the server runs and counts statements. It tells its uptime in whole seconds of a clock that may be set, so the time of
//! its start is only believed anew when both say that there was another start: the uptime, which stands still or falls behind when
//! the clock is set back, and the clock less the uptime, which moves when it is set and the uptime does not follow.

use crate::model::Timestamp;
use tokio::time::Instant;

/// By how much uptime and our clock may disagree over a while before it must be another life.
const SLACK: f64 = 5.0;
/// Whole seconds of two answers.
const ROUNDED: f64 = 2.0;

#[derive(Debug, Default)]
pub struct Life {
    last: Option<Seen>,
    /// When the oldest of its digests was first seen, our own among them. It forgets none but all at once, so this
    /// is when it began to count them.
    pub oldest_digest: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    now: f64,
    uptime: f64,
    at: Instant,
    started: f64,
}

impl Life {
    /// When the server started, by its answer `now` and `uptime` at our `at`.
    pub fn started(&mut self, now: f64, uptime: f64, at: Instant) -> f64 {
        let same = |last: &Seen| {
            let passed = at.saturating_duration_since(last.at).as_secs_f64();
            let began = |now: f64, uptime: f64| now - uptime;
            uptime + SLACK >= last.uptime + passed
                || (began(now, uptime) - began(last.now, last.uptime)).abs() <= ROUNDED
        };
        let started = self.last.filter(same).map_or(now - uptime, |last| last.started);
        self.last = Some(Seen { now, uptime, at, started });
        started
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_clock_that_is_set_is_no_restart_and_a_short_life_is() {
        let (mut life, zero) = (Life::default(), Instant::now());
        let at = |seconds| zero + Duration::from_secs(seconds);
        assert_eq!(life.started(1_000.0, 100.0, at(0)), 900.0);
        assert_eq!(life.started(1_016.0, 115.0, at(15)), 900.0, "whole seconds");
        assert_eq!(life.started(5_000.0, 130.0, at(30)), 900.0, "its clock was set");
        // MySQL takes the uptime from that clock as well.
        assert_eq!(life.started(4_990.0, 120.0, at(45)), 900.0, "it was set back");
        assert_eq!(life.started(5_060.0, 2.0, at(90)), 5_058.0, "it was started again");
        assert_eq!(life.started(9_060.0, 80.0, at(4_090)), 8_980.0, "and again, and ran on for a while");
    }
}
