//! The clocks of this process, read in one place and handed on as values.

use crate::model::When;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[derive(Debug, Clone, Copy)]
pub struct Clock {
    run: u64,
    began: Instant,
}

impl Clock {
    pub fn start() -> Self {
        // Two lives of the process must not share a number; nanoseconds of the wall clock will not repeat.
        Self { run: since_1970().as_nanos() as u64, began: Instant::now() }
    }

    pub fn now(&self) -> When {
        When {
            run: self.run,
            monotonic: self.began.elapsed().as_secs_f64(),
            wall: since_1970().as_secs_f64(),
        }
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The next tick, which never comes where nobody wants one.
pub async fn due(interval: Option<&mut tokio::time::Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}
