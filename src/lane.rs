//! One lane of one target: it owns its connection, visits when it is time, and tells what it brought.
//! One visit is in flight, a late one is skipped, a failed one is followed by back-off.

use crate::clock::Jitter;
use crate::engine::errand::Call;
use crate::engine::{Due, Engine, EngineError, Lane, Visit};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// The longest that a visit may take in all; single requests have their own, shorter limits.
const VISIT: Duration = Duration::from_secs(60);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// What the watch wants of its lanes; `None` lets a lane rest.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    pub pulse: Option<Duration>,
    pub beat: Option<Duration>,
    pub roam: Option<Due>,
}

impl Orders {
    fn due(&self, lane: Lane) -> Option<Due> {
        let every = |pace: Option<Duration>| pace.map(|every| Due { every, ..Due::default() });
        match lane {
            Lane::Pulse => every(self.pulse),
            Lane::Beat => every(self.beat),
            Lane::Roam => self.roam.clone(),
        }
    }
}

#[derive(Debug)]
pub struct News {
    pub lane: Lane,
    pub brought: Result<Visit, EngineError>,
}

/// Runs until its receiver is gone or it is dropped. Between visits it goes on errands, where it takes `calls`.
pub async fn run(
    engine: Arc<dyn Engine>,
    lane: Lane,
    mut orders: watch::Receiver<Orders>,
    news: mpsc::Sender<News>,
    mut calls: Option<mpsc::Receiver<Call>>,
    mut jitter: Jitter,
) {
    // What errands cost is told with the next visit.
    let mut errands = Duration::ZERO;
    let mut probe = engine.open(lane);
    let mut retry = FIRST_RETRY;
    // The beat probes the server for all; the others come when there is something to know.
    let head_start = match lane {
        Lane::Beat => Duration::ZERO,
        Lane::Pulse => Duration::from_millis(300),
        Lane::Roam => Duration::from_millis(600),
    };
    let mut next = Instant::now() + head_start;
    loop {
        loop {
            tokio::select! {
                biased;
                () = sleep_until(next) => break,
                call = called(&mut calls) => errands += call.run(probe.as_mut()).await,
            }
        }
        let Some(due) = orders.borrow_and_update().due(lane) else {
            if orders.changed().await.is_err() {
                return;
            }
            continue;
        };
        let visited = timeout(VISIT, probe.visit(&due)).await;
        let mut brought = visited.unwrap_or(Err(EngineError::Timeout(VISIT)));
        let now = Instant::now();
        match &mut brought {
            Ok(visit) => {
                visit.cost += std::mem::take(&mut errands);
                retry = FIRST_RETRY;
                // A late visit is skipped, not made up for.
                next += due.every;
                if next < now {
                    next = now + due.every / 2;
                }
            }
            Err(error) => {
                // To come anew where only an answer was refused would cost the server more than it helps.
                if !matches!(error, EngineError::Refused(_)) {
                    probe = engine.open(lane);
                }
                // So that a hundred agents do not return in step.
                next = now + jitter.of(retry, 0.75, 1.25);
                retry = (retry * 2).min(LAST_RETRY);
            }
        }
        if news.send(News { lane, brought }).await.is_err() {
            return;
        }
    }
}

/// Nobody calls a lane that takes no calls, nor one whose callers are gone.
async fn called(calls: &mut Option<mpsc::Receiver<Call>>) -> Call {
    if let Some(open) = calls
        && let Some(call) = open.recv().await
    {
        return call;
    }
    *calls = None;
    std::future::pending().await
}
