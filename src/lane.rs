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
    let (mut bell, mut hangs) = (engine.bell(), false);
    loop {
        loop {
            tokio::select! {
                biased;
                () = sleep_until(next) => break,
                // Without it a lane would see a minute later that a server has woken.
                () = bell.rings(), if hangs => {
                    hangs = false;
                    next = next.min(Instant::now() + head_start);
                }
                call = called(&mut calls) => errands += call.run(probe.as_mut()).await,
            }
        }
        let Some(due) = orders.borrow_and_update().due(lane) else {
            if orders.changed().await.is_err() {
                return;
            }
            continue;
        };
        bell.forget();
        let visited = timeout(VISIT, probe.visit(&due)).await;
        let mut brought = visited.unwrap_or(Err(EngineError::Timeout(VISIT)));
        let now = Instant::now();
        hangs = matches!(brought, Err(EngineError::Hanging(_)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::engine::bell::{Bell, Listener};
    use crate::engine::{Async, Pace, Probe};
    use crate::follow::Wanted;
    use crate::model::{Digest, Topic};
    use std::sync::Mutex;
    use tokio::time::sleep;

    const FROZEN: u64 = 600;

    /// Frozen at first, then well. Each visit is written down with the second in which it began.
    #[derive(Clone)]
    struct Server {
        says: EngineError,
        bell: Bell,
        began: Instant,
        visits: Arc<Mutex<Vec<u64>>>,
    }

    impl Probe for Server {
        fn visit<'a>(&'a mut self, _: &'a Due) -> Async<'a, Result<Visit, EngineError>> {
            Box::pin(async {
                let second = self.began.elapsed().as_secs();
                self.visits.lock().unwrap().push(second);
                if second >= FROZEN {
                    return Ok(Visit::default());
                }
                sleep(Duration::from_secs(5)).await;
                Err(self.says.clone())
            })
        }
    }

    impl Engine for Server {
        fn name(&self) -> &'static str {
            "made up"
        }
        fn topics(&self) -> Vec<(Topic, Pace)> {
            Vec::new()
        }
        fn logs(&self) -> Option<Wanted> {
            None
        }
        fn teach(&self, _: &[(Digest, String)]) {}
        fn open(&self, _: Lane) -> Box<dyn Probe> {
            Box::new(self.clone())
        }
        fn bell(&self) -> Listener {
            self.bell.listen()
        }
    }

    /// When the beat came by that heard this, of a bell that rings from a second on, every second.
    async fn visits(says: EngineError, rings_from: u64) -> Vec<u64> {
        let (bell, began, visits) = (Bell::default(), Instant::now(), Arc::default());
        let server = Server { says, bell: bell.clone(), began, visits: Arc::clone(&visits) };
        let (give, orders) = watch::channel(Orders::default());
        give.send_replace(Orders { beat: Some(Duration::from_secs(15)), ..Orders::default() });
        let (send, mut news) = mpsc::channel(8);
        let jitter = Clock::start().jitter("db beat");
        let lane = run(Arc::new(server), Lane::Beat, orders, send, None, jitter);
        let rings = async {
            sleep_until(began + Duration::from_secs(rings_from)).await;
            loop {
                bell.ring();
                sleep(Duration::from_secs(1)).await;
            }
        };
        let well = async { while news.recv().await.is_some_and(|fresh| fresh.brought.is_err()) {} };
        tokio::select! { () = lane => {}, () = rings => {}, () = well => {} }
        visits.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_hung_at_the_door_comes_when_the_bell_rings_and_nobody_else() {
        let hung = visits(EngineError::Hanging("no answer".into()), FROZEN).await;
        // A visit that is on its way when it rings has five seconds to go.
        assert!(hung.last().is_some_and(|last| (FROZEN..=FROZEN + 5).contains(last)), "{hung:?}");
        let late = visits(EngineError::Timeout(Duration::from_secs(5)), 0).await;
        // Its rest alone counts: 1, 2, 4 up to 60 s, and each visit takes five.
        assert!((12..=18).contains(&late.len()) && late.last() >= Some(&FROZEN), "{late:?}");
    }
}
