//! The clocks of this process, read in one place and handed on as values; and the noise that keeps many of us from
//! moving in step.

use crate::model::When;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

#[derive(Debug, Clone, Copy)]
pub struct Clock {
    run: u64,
    began: Instant,
    wall: Wall,
}

/// Who tells the time of day. Nobody promises that it only goes forward.
#[derive(Debug, Clone, Copy)]
enum Wall {
    System,
    #[cfg(test)]
    Simulated(&'static crate::simulation::Wall),
}

impl Wall {
    fn since_1970(self) -> Duration {
        match self {
            Wall::System => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            #[cfg(test)]
            Wall::Simulated(wall) => wall.since_1970(),
        }
    }
}

impl Clock {
    pub fn start() -> Self {
        // Two lives of the process must not share a number; nanoseconds of the wall clock will not repeat.
        Self { run: Wall::System.since_1970().as_nanos() as u64, began: Instant::now(), wall: Wall::System }
    }

    #[cfg(test)]
    pub fn simulated(run: u64, wall: &'static crate::simulation::Wall) -> Self {
        Self { run, began: Instant::now(), wall: Wall::Simulated(wall) }
    }

    pub fn now(&self) -> When {
        When {
            run: self.run,
            monotonic: self.began.elapsed().as_secs_f64(),
            wall: self.wall.since_1970().as_secs_f64(),
        }
    }

    /// Noise of its own for whoever bears this name, another in every life of the process.
    pub fn jitter(&self, name: &str) -> Jitter {
        Jitter { seed: xxh3_64_with_seed(name.as_bytes(), self.run), nth: 0 }
    }
}

/// Shares of a wait, so that many who wait for the same thing do not come back together.
#[derive(Debug)]
pub struct Jitter {
    seed: u64,
    nth: u64,
}

impl Jitter {
    /// Between `least` and `most` of it.
    pub fn of(&mut self, wait: Duration, least: f64, most: f64) -> Duration {
        self.nth += 1;
        let share = (xxh3_64_with_seed(&self.nth.to_le_bytes(), self.seed) % 1_024) as f64 / 1_024.0;
        wait.mul_f64(least + share * (most - least))
    }
}

/// The next tick, which never comes where nobody wants one.
pub async fn due(interval: Option<&mut tokio::time::Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}
