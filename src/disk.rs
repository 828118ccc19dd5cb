//! Small files of the operator's: passwords, certificates, addresses. They are read anew whenever they are needed, and
//! a disk may hang. So whoever may wait for it is a thread of its own, nobody waits for that for long, and what hangs
//! is not read once more before it has ended.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

/// As long as anybody waits for a few kilobytes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Threads that may wait for disks: half of those that the runtime has, since names are looked up by them as well.
const MOST: usize = 256;

/// What is being read now, by a name. A disk hangs for the whole process, so this is the whole process's.
static READING: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static ENDED: Notify = Notify::const_new();

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk does not answer")]
pub struct Hangs;

/// The right to read something, which one has at a time.
struct Turn(String);

impl Turn {
    fn take(name: &str) -> Option<Turn> {
        let mut reading = READING.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = reading.len() < MOST && reading.insert(name.to_owned());
        is_free.then(|| Turn(name.to_owned()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        READING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        ENDED.notify_waiters();
    }
}

/// What `read` gives. `name` is the same for what lies in the same place.
pub async fn read<T: Send + 'static>(
    name: &str,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Hangs> {
    let end = Instant::now() + PATIENCE;
    let turn = loop {
        let ended = ENDED.notified();
        if let Some(turn) = Turn::take(name) {
            break turn;
        }
        timeout_at(end, ended).await.map_err(|_| Hangs)?;
    };
    let reading = spawn_blocking(move || {
        let _turn = turn;
        read()
    });
    timeout_at(end, reading).await.map_err(|_| Hangs)?.map_err(|_| Hangs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Instant as Now;

    #[tokio::test]
    async fn one_reads_at_a_time_and_other_places_are_read_meanwhile() {
        let (begin, begins) = mpsc::channel::<()>();
        let (first, second) = (read("one", move || begins.recv().is_ok()), read("one", || true));
        let other = async {
            assert_eq!(read("other", || 7).await, Ok(7));
            begin.send(()).unwrap();
        };
        assert_eq!(tokio::join!(first, second, other), (Ok(true), Ok(true), ()));
    }

    #[tokio::test]
    async fn what_hangs_is_waited_for_by_one_thread_and_by_nobody_for_long() {
        let (end, ends) = mpsc::channel::<()>();
        let began = Now::now();
        let (first, second) = tokio::join!(read("hung", move || ends.recv().is_ok()), read("hung", || true));
        assert_eq!((first, second), (Err(Hangs), Err(Hangs)));
        assert!(began.elapsed() < PATIENCE * 2, "{:?}", began.elapsed());
        assert!(READING.lock().unwrap().contains("hung"));
        end.send(()).unwrap();
        assert_eq!(read("hung", || true).await, Ok(true));
    }
}
