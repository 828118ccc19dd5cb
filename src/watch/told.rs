//! What a lane costs: the server's word on our statements, as far as it remembers them.

use std::time::Duration;

#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    last: Option<Duration>,
    waited: f64,
    pub sum: f64,
}

/// Of the time we wait, the server spends at least this much; a smaller word has forgotten some of our statements.
const LEAST_SHARE: f64 = 0.25;

impl Told {
    /// Seconds spent since the last word. `total` is the server's word, `waited` how long we have waited in all.
    pub fn take(&mut self, total: Duration, waited: f64) -> f64 {
        // A smaller sum follows a reset or an eviction of our own statements.
        let told = self.last.map_or(Duration::ZERO, |last| total.saturating_sub(last)).as_secs_f64();
        let bound = waited - self.waited;
        let spent = if told >= LEAST_SHARE * bound { told } else { bound };
        *self = Self { last: Some(total), waited, sum: self.sum + spent };
        spent
    }
}
