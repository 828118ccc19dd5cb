//! The rig: real servers, a bad network and the real binary, for the one integration test binary.
//!
//! Everything lives in a private directory under `$DBSONDE_RIG` (`target/rig` by default), listens on a free port of
//! 127.0.0.1 and ends with the value that stands for it, also when a test panics. Do not keep such a value in a
//! `static`: those are never dropped. What a killed test run left behind is ended by the next one, see [`Dir::new`].
//!
//! A rig that cannot do what it was asked panics with a sentence: a test has no other use for the error.

// Helpers outside `#[test]` functions are test code all the same, and no single test file uses all of them.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod certificates;
pub mod client;
pub mod daemon;
pub mod hostile;
pub mod https;
pub mod mysql;
pub mod pgbouncer;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod shim;
pub mod shop;

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where installed servers, templates and running servers live.
pub fn root() -> PathBuf {
    match std::env::var_os("DBSONDE_RIG") {
        Some(dir) => PathBuf::from(dir),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/rig"),
    }
}

/// A program that came with Prometheus: the one of the machine, or the one that `install.sh` unpacked.
pub fn prometheus(program: &str) -> Command {
    let unpacked = root().join("prometheus/usr/bin").join(program);
    if unpacked.exists() { Command::new(unpacked) } else { Command::new(program) }
}

/// A private directory, `run/<pid>-<n>`, removed when dropped.
#[derive(Debug)]
pub struct Dir(PathBuf);

impl Dir {
    /// The first call also ends what test runs that were killed have left behind.
    pub fn new() -> Dir {
        static SWEEP: Once = Once::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        SWEEP.call_once(sweep);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = root().join("run").join(format!("{}-{n}", std::process::id()));
        // A run of the same pid in an earlier life may have left one.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap_or_else(|e| panic!("cannot create {}: {e}", path.display()));
        Dir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port that nobody listens on just now. Whoever binds it later may come too late, and has to be able to retry.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).expect("a free port").port()
}

/// Asks again until the first value of the answer is as wanted, for at most the given time.
async fn until_it_is(
    wanted: &str,
    query: &str,
    limit: Duration,
    ask: impl AsyncFn() -> Vec<Vec<Option<String>>>,
) {
    let end = Instant::now() + limit;
    loop {
        let rows = ask().await;
        if rows.first().and_then(|row| row.first()).is_some_and(|value| value.as_deref() == Some(wanted)) {
            return;
        }
        assert!(Instant::now() < end, "not within {limit:?}: {query}\nlast answer: {rows:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Holds an exclusive lock on a file until dropped: between threads and between processes.
fn lock(path: &Path) -> File {
    let file = File::create(path).unwrap_or_else(|e| panic!("cannot create {}: {e}", path.display()));
    file.lock().expect("a file lock");
    file
}

/// Sends a signal by pid. The package forbids unsafe code, so it is the shell's own `kill` that makes the system call.
/// False if one of the processes was gone.
fn kill(signal: &str, pids: &[u32]) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", "for pid; do kill -s \"$0\" \"$pid\" || bad=1; done; exit ${bad:-0}", signal]);
    command.args(pids.iter().map(u32::to_string));
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("sh").success()
}

/// The processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let parent = |stat: &str| -> Option<u32> {
        // pid (name, which may hold blanks and brackets) state ppid …
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    processes()
        .filter(|child| {
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            parent(&stat) == Some(pid)
        })
        .collect()
}

/// Ends what test processes that no longer exist have started, and removes their directories.
fn sweep() {
    let run = root().join("run");
    fs::create_dir_all(&run).unwrap_or_else(|e| panic!("cannot create {}: {e}", run.display()));
    let _lock = lock(&run.join("sweep.lock"));
    for entry in fs::read_dir(&run).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some((owner, _)) = name.to_str().and_then(|n| n.split_once('-')) else { continue };
        if owner == std::process::id().to_string() || Path::new("/proc").join(owner).exists() {
            continue;
        }
        // A private path on a command line is proof enough of whose process it is; backends rename themselves.
        let started = naming(&entry.path());
        let forked: Vec<u32> = started.iter().flat_map(|pid| children(*pid)).collect();
        kill("KILL", &started);
        kill("KILL", &forked);
        let _ = fs::remove_dir_all(entry.path());
    }
}

/// The processes that have a path below this directory on their command line.
fn naming(dir: &Path) -> Vec<u32> {
    let below = format!("{}/", dir.display());
    processes()
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&below)
        })
        .collect()
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}
