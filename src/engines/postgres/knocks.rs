//! One log-in at a time, and one that is not answered goes on.
//!
//! Behind a lock on `pg_authid` or `pg_database` a log-in waits before any limit of ours holds, and it goes on waiting
//! when we have hung up: whoever tries again adds one session more to those that wait. So while one hangs at an
//! address nobody tries another there. Where nothing was ever heard of it the network may have lost our words, and the
//! server knows of none: then there is a second one after half a minute, and both may be given up.

use super::failure::Refusal;
use crate::engine::EngineError;
use futures_util::future::select_all;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

/// How long nothing was heard of a log-in when there is another.
const SECOND: Duration = Duration::from_secs(30);
/// When it is given up. One of which something was heard never is: the end of its connection ends it.
const HOLD: Duration = Duration::from_secs(900);

/// Has the server said anything?
#[derive(Debug, Clone, Default)]
pub struct Heard(Arc<AtomicBool>);

impl Heard {
    pub fn already() -> Heard {
        Heard(Arc::new(AtomicBool::new(true)))
    }

    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The log-ins of one target that hang, at most two for each of its addresses.
#[derive(Debug, Default)]
pub struct Knocks(Mutex<Vec<Hanging>>);

#[derive(Debug)]
struct Hanging {
    at: String,
    since: Instant,
    heard: Heard,
    log_in: AbortOnDropHandle<()>,
}

impl Hanging {
    fn goes_on(&self) -> bool {
        !self.log_in.is_finished() && (self.heard.get() || self.since.elapsed() < HOLD)
    }

    fn may_be_lost(&self) -> bool {
        !self.heard.get() && self.since.elapsed() >= SECOND
    }
}

impl Knocks {
    /// Logs in at an address, unless somebody hangs there.
    pub async fn knock<T: Send + 'static>(
        &self,
        at: &str,
        patience: Duration,
        heard: Heard,
        log_in: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let late = |_| Refusal::Other(EngineError::Timeout(patience));
        let mut hanging = timeout(patience, self.0.lock()).await.map_err(late)?;
        hanging.retain(Hanging::goes_on);
        let here = || hanging.iter().filter(|one| one.at == at);
        if here().count() > 1 || here().any(|one| !one.may_be_lost()) {
            let here = hanging.iter_mut().filter(|one| one.at == at);
            let ended = select_all(here.map(|one| &mut one.log_in));
            let _ended = timeout(patience, ended).await.map_err(late)?;
            hanging.retain(Hanging::goes_on);
        }
        let (tell, told) = oneshot::channel();
        let since = Instant::now();
        // Whoever gets in when nobody waits for it any more leaves at once.
        let log_in = AbortOnDropHandle::new(tokio::spawn(async move { drop(tell.send(log_in.await)) }));
        match timeout(patience, told).await {
            Ok(answer) => answer
                .unwrap_or_else(|_| Err(Refusal::Other(EngineError::Unreachable("we failed".to_owned())))),
            Err(elapsed) => {
                hanging.push(Hanging { at: at.to_owned(), since, heard, log_in });
                Err(late(elapsed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::time::sleep;

    /// Three lanes at their shortest back-off; how often a server is knocked at that is well again after so long.
    async fn knocked(well_after: Duration, is_heard: bool, how_long: Duration) -> usize {
        let (knocks, count) = (Arc::new(Knocks::default()), Arc::new(AtomicUsize::new(0)));
        let began = Instant::now();
        let lanes = (0..3).map(|_| {
            let (knocks, count) = (knocks.clone(), count.clone());
            async move {
                while began.elapsed() < how_long {
                    let heard = Heard::default();
                    let server = (count.clone(), heard.clone());
                    let log_in = async move {
                        server.0.fetch_add(1, Ordering::Relaxed);
                        if is_heard {
                            server.1.note();
                        }
                        tokio::time::sleep_until(began + well_after).await;
                        Ok(())
                    };
                    let entered = knocks.knock("here", Duration::from_secs(5), heard, log_in).await;
                    if entered.is_ok() {
                        return;
                    }
                    sleep(Duration::from_secs(1)).await;
                }
            }
        });
        futures_util::future::join_all(lanes).await;
        count.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_lock_one_waits_however_long_it_is_held() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(knocked(hour * 9, true, hour * 8).await, 1);
        // Then each lane gets in.
        assert_eq!(knocked(hour, true, hour * 2).await, 1 + 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_frozen_server_hears_two_in_a_quarter_of_an_hour() {
        let hour = Duration::from_secs(3_600);
        assert!((2..=10).contains(&knocked(hour * 2, false, hour).await));
        assert_eq!(knocked(hour, false, Duration::from_secs(600)).await, 2);
    }

    /// What the network loses for a while, and everything is well again.
    #[tokio::test(start_paused = true)]
    async fn words_that_were_lost_keep_nobody_out() {
        let (knocks, began) = (Knocks::default(), Instant::now());
        loop {
            let is_lost = began.elapsed() < Duration::from_secs(24);
            let log_in = async move {
                if is_lost {
                    std::future::pending::<()>().await;
                }
                Ok(7)
            };
            if knocks.knock("here", Duration::from_secs(5), Heard::default(), log_in).await.is_ok() {
                break;
            }
            // Another address is another server.
            let other =
                knocks.knock("there", Duration::from_secs(5), Heard::default(), async { Ok(8) }).await;
            assert!(other.is_ok());
            sleep(Duration::from_secs(8)).await;
        }
        assert!(began.elapsed() < Duration::from_secs(24 + 30), "{:?}", began.elapsed());
    }
}
