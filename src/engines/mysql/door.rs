//! The door of a server: at most one knock at a time, and one that is not answered goes on.
//!
//! MySQL counts handshakes that end in the middle, and after a hundred (`max_connect_errors`) it blocks the host
//! for everybody on it. So a handshake that hangs keeps its one socket for ten minutes, and one that broke is
//! not repeated sooner: at most 6 an hour, 72 in twelve hours, whatever the lanes want.

use super::handshake::Session;
use crate::engine::EngineError;
use std::future::Future;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

/// How long a handshake may hang, and how long after a broken one nobody knocks.
const HOLD: Duration = Duration::from_secs(600);

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

#[derive(Debug)]
struct State<T> {
    knocking: Option<AbortOnDropHandle<Result<T, Refusal>>>,
    /// Until when nobody knocks, and why.
    shut: Option<(Instant, EngineError)>,
}

impl<T> Default for Door<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { knocking: None, shut: None }) }
    }
}

impl<T: Send + 'static> Door<T> {
    /// A session, from a knock of ours or from one that is still unanswered.
    pub async fn enter<K>(&self, patience: Duration, knock: impl FnOnce() -> K) -> Result<T, EngineError>
    where
        K: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let impatient = |_| EngineError::Timeout(patience);
        let mut state = timeout(patience, self.state.lock()).await.map_err(impatient)?;
        if let Some((until, why)) = &state.shut
            && Instant::now() < *until
        {
            return Err(why.clone());
        }
        let knocking =
            state.knocking.get_or_insert_with(|| AbortOnDropHandle::new(tokio::spawn(held(knock()))));
        let answer = timeout(patience, knocking).await.map_err(impatient)?;
        state.knocking = None;
        match answer.unwrap_or_else(|_| Err(Refusal::Broken(EngineError::Unreachable("we failed".into())))) {
            Ok(session) => Ok(session),
            Err(Refusal::Said(error)) => Err(error),
            Err(Refusal::Broken(error)) => {
                state.shut = Some((Instant::now() + HOLD, error.clone()));
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
