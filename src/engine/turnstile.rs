//! One lane at a time where a statement begins: that is where it waits for locks. So whatever is locked, one session of
//! ours waits and not three, and what comes up behind us waits for one.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// A statement that has gone on for so long has its locks, or was refused them: the next may begin. A little more than
/// what we let PostgreSQL wait for a lock.
const ENTRY: Duration = Duration::from_millis(150);

#[derive(Debug, Default)]
pub struct Turnstile(Mutex<()>);

impl Turnstile {
    /// Lets others begin when the statement has ended, or has gone on for a while. Also tells how long it had to wait for
    /// its turn, which cost the server nothing.
    pub async fn pass<T>(&self, statement: impl Future<Output = T>) -> (T, Duration) {
        let asked = Instant::now();
        let turn = self.0.lock().await;
        let queued = asked.elapsed();
        let mut statement = pin!(statement);
        if let Ok(answer) = timeout(ENTRY, &mut statement).await {
            return (answer, queued);
        }
        drop(turn);
        (statement.await, queued)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn statements_begin_one_after_the_other_and_a_long_one_holds_up_nobody() {
        let (turnstile, began) = (Turnstile::default(), Instant::now());
        let statement = async |millis: u64| {
            let ((), queued) = turnstile.pass(async { sleep(Duration::from_millis(millis)).await }).await;
            (began.elapsed().as_millis(), queued.as_millis())
        };
        let ended = tokio::join!(statement(5_000), statement(100), statement(100));
        assert_eq!(ended, ((5_000, 0), (250, 150), (350, 250)));
    }
}
