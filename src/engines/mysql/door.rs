//! The door of a server: one knock at a time, and one that is not answered goes on.
//!
//! MySQL counts handshakes that end in the middle, and after a hundred (`max_connect_errors`) it blocks the host
//! for everybody on it. So a handshake that hangs keeps its socket for a quarter of an hour, and one that broke is
//! not repeated for ten minutes: at most 6 an hour, 72 in twelve hours, whatever the lanes want.
//!
//! A server that is frozen and a network that has lost our words look the same from here, and only the first answers
//! later. So once, after half a minute, there is a second knock: at most 8 an hour, 96 in twelve hours.

use super::handshake::Session;
use crate::engine::EngineError;
use futures_util::future::select_all;
use std::future::Future;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinError;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// How long after a broken handshake nobody knocks.
const SHUT: Duration = Duration::from_secs(600);
/// How long one may hang.
const HOLD: Duration = Duration::from_secs(900);
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
}

impl<T> Default for Door<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State { knocking: Vec::new(), since: Instant::now(), knocks: 0, shut: None }),
        }
    }
}

impl<T: Send + 'static> Door<T> {
    /// A session, from a knock of ours or from one that is still unanswered.
    pub async fn enter<K>(&self, patience: Duration, knock: impl Fn() -> K) -> Result<T, EngineError>
    where
        K: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let end = Instant::now() + patience;
        let impatient = |_| EngineError::Timeout(patience);
        let mut state = timeout_at(end, self.state.lock()).await.map_err(impatient)?;
        if let Some((until, why)) = &state.shut
            && Instant::now() < *until
        {
            return Err(why.clone());
        }
        let knocks = || AbortOnDropHandle::new(tokio::spawn(held(knock())));
        if state.knocking.is_empty() {
            (state.since, state.knocks) = (Instant::now(), 1);
            state.knocking.push(knocks());
        }
        let second = state.since + SECOND;
        if state.knocks == 1
            && second < end
            && let Some(only) = state.knocking.first_mut()
        {
            match timeout_at(second, only).await {
                Ok(answer) => return state.answered(answer),
                Err(_) => {
                    state.knocks += 1;
                    state.knocking.push(knocks());
                }
            }
        }
        let (answer, nth, _) =
            timeout_at(end, select_all(state.knocking.iter_mut())).await.map_err(impatient)?;
        // One that was given up in vain says nothing about the other.
        if matches!(answer, Ok(Err(Refusal::Said(EngineError::Timeout(_))))) && state.knocking.len() > 1 {
            drop(state.knocking.swap_remove(nth));
            return Err(EngineError::Timeout(patience));
        }
        state.answered(answer)
    }
}

impl<T> State<T> {
    fn answered(&mut self, answer: Result<Result<T, Refusal>, JoinError>) -> Result<T, EngineError> {
        self.knocking.clear();
        match answer.unwrap_or_else(|_| Err(Refusal::Broken(EngineError::Unreachable("we failed".into())))) {
            Ok(session) => Ok(session),
            Err(Refusal::Said(error)) => Err(error),
            Err(Refusal::Broken(error)) => {
                self.shut = Some((Instant::now() + SHUT, error.clone()));
                Err(error)
            }
        }
    }
}

/// One that took the whole time has already kept us from knocking that long.
async fn held<T>(knock: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    timeout(HOLD, knock).await.unwrap_or(Err(Refusal::Said(EngineError::Timeout(HOLD))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::time::sleep;

    /// Three lanes at their shortest back-off against a server that behaves as `answer` says, for twelve hours.
    async fn knocks(answer: fn() -> Result<(), Refusal>, hangs: bool) -> usize {
        let (door, count) = (Arc::new(Door::<()>::default()), Arc::new(AtomicUsize::new(0)));
        let began = Instant::now();
        let lanes = (0..3).map(|_| {
            let (door, count) = (door.clone(), count.clone());
            async move {
                while began.elapsed() < Duration::from_secs(12 * 3600) {
                    let knock = || {
                        count.fetch_add(1, Ordering::Relaxed);
                        async move {
                            if hangs {
                                std::future::pending::<()>().await;
                            }
                            answer()
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
    async fn a_server_that_never_answers_hears_fewer_than_a_hundred_handshakes_in_twelve_hours() {
        let heard = knocks(|| Ok(()), true).await;
        assert!((70..100).contains(&heard), "{heard}");
    }

    #[tokio::test(start_paused = true)]
    async fn neither_does_one_whose_handshakes_break() {
        let heard = knocks(|| Err(Refusal::Broken(EngineError::Unreachable("TLS".into()))), false).await;
        assert!((70..100).contains(&heard), "{heard}");
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
            Err(EngineError::Timeout(Duration::from_secs(5)))
        );
        sleep(Duration::from_secs(296)).await;
        let never = || async { unreachable!("nobody knocks twice") };
        assert_eq!(door.enter(Duration::from_secs(5), never).await, Ok(7));
        let no = || async { Err(Refusal::Said(EngineError::Denied("no".into()))) };
        assert_eq!(door.enter(Duration::from_secs(5), no).await, Err(EngineError::Denied("no".into())));
        assert_eq!(door.enter(Duration::from_secs(5), || async { Ok(8) }).await, Ok(8));
    }
}
