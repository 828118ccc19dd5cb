//! One log-in at a time, and one that is not answered goes on.
//!
//! Behind a lock on `pg_authid` or `pg_database` a log-in waits before any limit of ours holds, and it goes on waiting
//! when we have hung up: whoever tries again adds one session more to those that wait. So while one hangs at an
//! address nobody tries another there. Where nothing was ever heard of it the network may have lost our words, and the
//! server knows of none: then there is a second one after half a minute, and both may be given up.
//!
//! Whoever is let in after nobody waited any longer is taken by his lane, which the bell calls back.

use super::failure::Refusal;
use super::session::Wanted;
use crate::engine::bell::{Bell, Listener};
use crate::engine::{EngineError, Lane};
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

/// What a session is for: another lane has other limits in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    pub lane: Lane,
    pub database: String,
    pub wanted: Wanted,
}

/// The log-ins of one target.
#[derive(Debug)]
pub struct Knocks<T> {
    state: Mutex<State<T>>,
    bell: Bell,
}

#[derive(Debug)]
struct State<T> {
    /// At most two for each address.
    hanging: Vec<Hanging<T>>,
    /// Sessions that wait for their lanes.
    let_in: Vec<(String, Purpose, T)>,
}

#[derive(Debug)]
struct Hanging<T> {
    at: String,
    purpose: Purpose,
    since: Instant,
    heard: Heard,
    log_in: AbortOnDropHandle<()>,
    /// What it comes to; nobody asks when the lane has another session, and then whoever is let in leaves at once.
    told: Option<oneshot::Receiver<Result<T, Refusal>>>,
}

impl<T> Default for Knocks<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { hanging: Vec::new(), let_in: Vec::new() }), bell: Bell::default() }
    }
}

impl<T> Hanging<T> {
    fn is_given_up(&self) -> bool {
        !self.heard.get() && self.since.elapsed() >= HOLD
    }

    fn may_be_lost(&self) -> bool {
        !self.heard.get() && self.since.elapsed() >= SECOND
    }
}

impl<T> State<T> {
    /// What log-ins have come to in the meantime. A refusal is old by now.
    fn look(&mut self) {
        for mut ended in self.hanging.extract_if(.., |one| one.log_in.is_finished() || one.is_given_up()) {
            if let Some(Ok(Ok(session))) = ended.told.as_mut().map(oneshot::Receiver::try_recv) {
                self.let_in.push((ended.at, ended.purpose, session));
            }
        }
    }

    /// The session of a lane that comes back for it; it may as well come for another by now.
    fn take(&mut self, at: &str, purpose: &Purpose) -> Option<T> {
        self.let_in.retain(|(_, other, _)| other.lane != purpose.lane || other == purpose);
        let ours = self.let_in.iter().position(|(place, of, _)| place == at && of == purpose)?;
        Some(self.let_in.swap_remove(ours).2)
    }

    /// A lane that has a session needs no second one.
    fn entered(&mut self, lane: Lane) {
        self.let_in.retain(|(_, of, _)| of.lane != lane);
        self.hanging.iter_mut().filter(|one| one.purpose.lane == lane).for_each(|one| one.told = None);
    }
}

impl<T: Send + 'static> Knocks<T> {
    /// Rings when somebody is let in, whether or not anybody waits for it.
    pub fn bell(&self) -> Listener {
        self.bell.listen()
    }

    /// Logs in at an address, unless somebody hangs there.
    pub async fn knock(
        &self,
        at: &str,
        purpose: &Purpose,
        patience: Duration,
        heard: Heard,
        log_in: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let late = |_| Refusal::Other(EngineError::Hanging(format!("no answer within {patience:?}")));
        let mut state = timeout(patience, self.state.lock()).await.map_err(late)?;
        state.look();
        if let Some(session) = state.take(at, purpose) {
            state.entered(purpose.lane);
            return Ok(session);
        }
        let here = || state.hanging.iter().filter(|one| one.at == at);
        if here().count() > 1 || here().any(|one| !one.may_be_lost()) {
            let here = state.hanging.iter_mut().filter(|one| one.at == at);
            let ended = select_all(here.map(|one| &mut one.log_in));
            let _ended = timeout(patience, ended).await.map_err(late)?;
            state.look();
        }
        let (tell, mut told) = oneshot::channel();
        let (since, bell) = (Instant::now(), self.bell.clone());
        let log_in = AbortOnDropHandle::new(tokio::spawn(async move {
            let answer = log_in.await;
            let is_in = answer.is_ok();
            // Whoever is let in when nobody asks for it any more leaves at once.
            drop(tell.send(answer));
            if is_in {
                bell.ring();
            }
        }));
        match timeout(patience, &mut told).await {
            Ok(answer) => {
                let failed = || Err(Refusal::Other(EngineError::Unreachable("we failed".to_owned())));
                let session = answer.unwrap_or_else(|_| failed())?;
                state.entered(purpose.lane);
                Ok(session)
            }
            Err(elapsed) => {
                let (at, purpose) = (at.to_owned(), purpose.clone());
                state.hanging.push(Hanging { at, purpose, since, heard, log_in, told: Some(told) });
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

    const PATIENCE: Duration = Duration::from_secs(5);

    fn of(lane: Lane) -> Purpose {
        Purpose { lane, database: "shop".into(), wanted: Wanted::Any }
    }

    /// Three lanes at their shortest back-off; how often a server is knocked at that is well again after so long.
    async fn knocked(well_after: Duration, is_heard: bool, how_long: Duration) -> usize {
        let (knocks, count) = (Arc::new(Knocks::default()), Arc::new(AtomicUsize::new(0)));
        let began = Instant::now();
        let lanes = Lane::ALL.map(|lane| {
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
                    let entered = knocks.knock("here", &of(lane), PATIENCE, heard, log_in).await;
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

    /// Whoever hung gets in without a second log-in, the others each by one of their own; nobody else takes it.
    #[tokio::test(start_paused = true)]
    async fn a_late_session_is_its_lanes_and_the_bell_rings_for_all() {
        let knocks = Knocks::default();
        let (mut bell, began) = (knocks.bell(), Instant::now());
        let late = async {
            sleep(Duration::from_secs(300)).await;
            Ok("late")
        };
        let refused = knocks.knock("here", &of(Lane::Roam), PATIENCE, Heard::default(), late).await;
        assert!(matches!(refused, Err(Refusal::Other(EngineError::Hanging(_)))), "{refused:?}");
        bell.rings().await;
        assert_eq!(began.elapsed().as_secs(), 300);
        let heard = Heard::default;
        let beat = knocks.knock("here", &of(Lane::Beat), PATIENCE, heard(), async { Ok("new") }).await;
        let never = async { unreachable!("nobody logs in twice") };
        let roam = knocks.knock("here", &of(Lane::Roam), PATIENCE, heard(), never).await;
        assert_eq!((beat.unwrap(), roam.unwrap()), ("new", "late"));
        // Who has one in hand leaves nothing behind.
        let late = async {
            sleep(Duration::from_secs(300)).await;
            Ok("later")
        };
        assert!(knocks.knock("here", &of(Lane::Roam), PATIENCE, heard(), late).await.is_err());
        assert!(knocks.knock("there", &of(Lane::Roam), PATIENCE, heard(), async { Ok("new") }).await.is_ok());
        sleep(Duration::from_secs(300)).await;
        let again = knocks.knock("here", &of(Lane::Roam), PATIENCE, heard(), async { Ok("anew") }).await;
        assert_eq!(again.unwrap(), "anew");
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_lock_one_waits_however_long_it_is_held() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(knocked(hour * 9, true, hour * 8).await, 1);
        // Then each lane gets in, the first by the log-in that hung.
        assert_eq!(knocked(hour, true, hour * 2).await, 3);
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
            if knocks.knock("here", &of(Lane::Beat), PATIENCE, Heard::default(), log_in).await.is_ok() {
                break;
            }
            // Another address is another server.
            let other =
                knocks.knock("there", &of(Lane::Pulse), PATIENCE, Heard::default(), async { Ok(8) }).await;
            assert!(other.is_ok());
            sleep(Duration::from_secs(8)).await;
        }
        assert!(began.elapsed() < Duration::from_secs(24 + 30), "{:?}", began.elapsed());
    }
}
