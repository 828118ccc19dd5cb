//! The door of a server: one knock at a time, and one that is not answered goes on.
//!
//! MySQL counts handshakes that end in the middle, and after a hundred in a row (`max_connect_errors`) it blocks the
//! host for everybody on it. Each of ours costs one, whether we hang up or are cut off, until a log-in succeeds:
//!
//! - One that *hangs* keeps its socket for a thousand seconds. A server that is frozen and a network that has lost our
//!   words look the same from here, and only the first answers later: so once, after half a minute, there is a second
//!   knock. That is two in a thousand seconds, 86 in twelve hours.
//! - One that *breaks*, by an error or a cut, tells that the server lives and may be well in a moment. So it is tried
//!   again after five seconds, then after twice as long each time, up to ten minutes: seven in the first ten minutes,
//!   then six an hour, 79 in twelve hours.
//!
//! Whatever follows whatever, both together stay below a hundred in twelve hours: the steps from five seconds to ten
//! minutes are gone up once, and down again only by a success, with which the server forgets as well.

use super::handshake::Session;
use crate::engine::EngineError;
use crate::engine::bell::{Bell, Listener};
use futures_util::future::select_all;
use std::future::Future;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinError;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// How long after a broken handshake nobody knocks, and how long at most after many in a row.
const FIRST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(600);
/// How long one may hang.
const HOLD: Duration = Duration::from_secs(1_000);
/// How long one has hung when there is another.
const SECOND: Duration = Duration::from_secs(30);

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The server said so, or nobody listens: no handshake was left hanging.
    Said(EngineError),
    /// The handshake ended in the middle, which the server holds against this host.
    Broken(EngineError),
}

#[derive(Debug)]
pub struct Door<T = Session> {
    state: Mutex<State<T>>,
    bell: Bell,
}

type Knock<T> = AbortOnDropHandle<Result<T, Refusal>>;

#[derive(Debug)]
struct State<T> {
    knocking: Vec<Knock<T>>,
    /// When the first of them began, and how many there have been since nobody knocked.
    since: Instant,
    knocks: u32,
    /// Until when nobody knocks, and why.
    shut: Option<(Instant, EngineError)>,
    /// How many broke since somebody was let in.
    broken: u32,
}

impl<T> Default for Door<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                knocking: Vec::new(),
                since: Instant::now(),
                knocks: 0,
                shut: None,
                broken: 0,
            }),
            bell: Bell::default(),
        }
    }
}

impl<T: Send + 'static> Door<T> {
    /// Rings when somebody may come in, whether or not anybody waits for it.
    pub fn bell(&self) -> Listener {
        self.bell.listen()
    }

    /// A session, from a knock of ours or from one that is still unanswered.
    pub async fn enter<K>(&self, patience: Duration, knock: impl Fn() -> K) -> Result<T, EngineError>
    where
        K: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let end = Instant::now() + patience;
        let impatient = |_| EngineError::Hanging(format!("no answer within {patience:?}"));
        let mut state = timeout_at(end, self.state.lock()).await.map_err(impatient)?;
        let shut = state.shut.clone().filter(|(until, _)| Instant::now() < *until);
        let knocks = || AbortOnDropHandle::new(tokio::spawn(held(knock(), self.bell.clone())));
        if state.knocking.is_empty() {
            if let Some((_, why)) = shut {
                return Err(why);
            }
            (state.since, state.knocks) = (Instant::now(), 1);
            state.knocking.push(knocks());
        }
        let second = state.since + SECOND;
        if state.knocks == 1
            && shut.is_none()
            && second < end
            && let Some(only) = state.knocking.first_mut()
        {
            match timeout_at(second, only).await {
                Ok(answer) => return state.answered(0, answer),
                Err(_) => {
                    state.knocks += 1;
                    state.knocking.push(knocks());
                }
            }
        }
        let (answer, nth, _) =
            timeout_at(end, select_all(state.knocking.iter_mut())).await.map_err(impatient)?;
        state.answered(nth, answer)
    }
}

impl<T> State<T> {
    /// What one of them has come to. The other goes on, unless somebody is in: to hang up would cost one more.
    fn answered(
        &mut self,
        nth: usize,
        answer: Result<Result<T, Refusal>, JoinError>,
    ) -> Result<T, EngineError> {
        drop(self.knocking.swap_remove(nth));
        match answer.unwrap_or_else(|_| Err(Refusal::Broken(EngineError::Unreachable("we failed".into())))) {
            Ok(session) => {
                (self.broken, self.shut) = (0, None);
                self.knocking.clear();
                Ok(session)
            }
            Err(Refusal::Said(error)) => Err(error),
            Err(Refusal::Broken(error)) => {
                let rest = FIRST_REST.saturating_mul(1 << self.broken.min(16)).min(LONGEST_REST);
                let now = Instant::now();
                // Two that broke rest twice.
                let from = self.shut.as_ref().map_or(now, |(until, _)| now.max(*until));
                self.shut = Some((from + rest, error.clone()));
                self.broken += 1;
                Err(error)
            }
        }
    }
}

/// One that took the whole time has already kept us from knocking that long.
async fn held<T>(knock: impl Future<Output = Result<T, Refusal>>, bell: Bell) -> Result<T, Refusal> {
    let answer = timeout(HOLD, knock).await.unwrap_or(Err(Refusal::Said(EngineError::Timeout(HOLD))));
    if answer.is_ok() {
        bell.ring();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::time::sleep;

    #[derive(Clone, Copy)]
    enum Fault {
        Hangs,
        Breaks,
        BreaksLate,
    }

    /// Three lanes at their shortest back-off, for twelve hours, against a server that does with each knock what
    /// `fault` says of it. Every knock costs one: none is let in.
    async fn knocks(fault: impl Fn(usize) -> Fault + Copy) -> usize {
        let (door, count) = (Arc::new(Door::<()>::default()), Arc::new(AtomicUsize::new(0)));
        let began = Instant::now();
        let lanes = (0..3).map(|_| {
            let (door, count) = (door.clone(), count.clone());
            async move {
                while began.elapsed() < Duration::from_secs(12 * 3600) {
                    let knock = || {
                        let fault = fault(count.fetch_add(1, Ordering::Relaxed));
                        async move {
                            match fault {
                                Fault::Hangs => std::future::pending().await,
                                Fault::Breaks => {}
                                Fault::BreaksLate => sleep(Duration::from_secs(31)).await,
                            }
                            Err(Refusal::Broken(EngineError::Unreachable("TLS".into())))
                        }
                    };
                    let _ = door.enter(Duration::from_secs(5), knock).await;
                    sleep(Duration::from_secs(1)).await;
                }
            }
        });
        futures_util::future::join_all(lanes).await;
        count.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_handshakes_come_to_twelve_hours_cost_fewer_than_a_hundred() {
        for (what, heard, about) in [
            ("hang", knocks(|_| Fault::Hangs).await, 80..=88),
            ("break", knocks(|_| Fault::Breaks).await, 75..=82),
            ("one and the other", knocks(|nth| [Fault::Hangs, Fault::Breaks][nth % 2]).await, 60..=99),
            (
                "some of one, then the other",
                knocks(|nth| [Fault::Breaks, Fault::Hangs][nth / 9 % 2]).await,
                60..=99,
            ),
            (
                "first break, then hang",
                knocks(|nth| if nth < 8 { Fault::Breaks } else { Fault::Hangs }).await,
                80..=99,
            ),
            ("break after a while", knocks(|_| Fault::BreaksLate).await, 60..=99),
        ] {
            assert!(about.contains(&heard), "{what}: {heard}");
        }
        for seed in 0..20_usize {
            let any = |nth: usize| {
                let dice = xxhash_rust::xxh3::xxh3_64(&[seed.to_be_bytes(), nth.to_be_bytes()].concat());
                [Fault::Hangs, Fault::Breaks, Fault::BreaksLate][dice as usize % 3]
            };
            let heard = knocks(any).await;
            assert!(heard < 100, "seed {seed}: {heard}");
        }
    }

    /// A proxy that is restarted, a certificate that is renewed: the server lives.
    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_broke_keeps_us_out_for_seconds() {
        let (door, began) = (Door::<u8>::default(), Instant::now());
        let knock = || {
            let is_well = began.elapsed() >= Duration::from_secs(20);
            async move {
                if is_well { Ok(7) } else { Err(Refusal::Broken(EngineError::Unreachable("cut".into()))) }
            }
        };
        while door.enter(Duration::from_secs(5), knock).await.is_err() {
            sleep(Duration::from_secs(1)).await;
        }
        assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
        // Whoever was let in begins anew, as the server does.
        assert!(
            door.enter(Duration::from_secs(5), || async {
                Err(Refusal::Broken(EngineError::Unreachable("cut".into())))
            })
            .await
            .is_err()
        );
        sleep(Duration::from_secs(6)).await;
        assert_eq!(door.enter(Duration::from_secs(5), || async { Ok(8) }).await, Ok(8));
    }

    /// What a network swallows for a while, and everything is well again.
    #[tokio::test(start_paused = true)]
    async fn a_handshake_whose_words_were_lost_does_not_keep_us_out() {
        let (door, began, count) = (Door::<u8>::default(), Instant::now(), AtomicUsize::new(0));
        let knock = || {
            count.fetch_add(1, Ordering::Relaxed);
            let is_lost = began.elapsed() < Duration::from_secs(24);
            async move {
                if is_lost {
                    std::future::pending::<()>().await;
                }
                Ok(7)
            }
        };
        while door.enter(Duration::from_secs(5), knock).await.is_err() {
            sleep(Duration::from_secs(8)).await;
        }
        assert!(began.elapsed() < Duration::from_secs(24 + 30), "{:?}", began.elapsed());
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    /// Ten minutes of a frozen server.
    #[tokio::test(start_paused = true)]
    async fn a_frozen_server_hears_two_handshakes() {
        let (door, began, count) = (Door::<u8>::default(), Instant::now(), AtomicUsize::new(0));
        let knock = || {
            count.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::time::sleep_until(began + Duration::from_secs(600)).await;
                Ok(7)
            }
        };
        while door.enter(Duration::from_secs(5), knock).await.is_err() {
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!((began.elapsed().as_secs(), count.load(Ordering::Relaxed)), (600, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_is_taken_and_a_refusal_may_be_asked_again() {
        let door = Door::<u8>::default();
        let late = || async {
            sleep(Duration::from_secs(300)).await;
            Ok(7)
        };
        assert_eq!(
            door.enter(Duration::from_secs(5), late).await,
            Err(EngineError::Hanging("no answer within 5s".into()))
        );
        sleep(Duration::from_secs(296)).await;
        let never = || async { unreachable!("nobody knocks twice") };
        assert_eq!(door.enter(Duration::from_secs(5), never).await, Ok(7));
        let no = || async { Err(Refusal::Said(EngineError::Denied("no".into()))) };
        assert_eq!(door.enter(Duration::from_secs(5), no).await, Err(EngineError::Denied("no".into())));
        assert_eq!(door.enter(Duration::from_secs(5), || async { Ok(8) }).await, Ok(8));
    }
}
