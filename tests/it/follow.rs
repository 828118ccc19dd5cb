//! Logs followed by the real binary, which is killed again and again while they are written and rotated: every event
//! is counted once.
//!
//! What `copytruncate` makes unavoidable: what the server writes between the copying and the cutting is in neither
//! file, for anybody. Here nothing is written then.

use crate::rig::Dir;
use crate::rig::daemon::Daemon;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const TABLES: u64 = 5;
const LIMIT: Duration = Duration::from_secs(60);

/// Events with numbers, which are their durations: a sum tells which are missing.
struct Log {
    path: PathBuf,
    file: File,
    next: u64,
    truth: BTreeMap<u64, (u64, u64)>,
}

impl Log {
    fn begin(path: PathBuf) -> Log {
        let file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        Log { path, file, next: 1, truth: BTreeMap::new() }
    }

    fn write(&mut self, count: u64) {
        for _ in 0..count {
            let (n, table) = (self.next, self.next % TABLES);
            self.next += 1;
            let entry = format!(
                "# Time: 2026-11-29T10:00:00.{n:06}Z\n# User@Host: app[app] @ localhost []  Id:     4\n\
                 # Query_time: 0.{n:06}  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 1\n\
                 SET timestamp=1796000000;\nselect * from t_{table} where secret = 'canary-{n}';\n"
            );
            self.file.write_all(entry.as_bytes()).unwrap();
            let (calls, micros) = self.truth.entry(table).or_default();
            (*calls, *micros) = (*calls + 1, *micros + n);
        }
    }

    fn aside(&self) -> PathBuf {
        self.path.with_extension(format!("log.{}", self.next))
    }

    /// The file after this one, made as logrotate does it, or by hand.
    fn rotate(&mut self, how: u64) {
        let aside = self.aside();
        let reopen = |path| OpenOptions::new().append(true).create(true).open(path).unwrap();
        match how % 4 {
            0 => {
                fs::rename(&self.path, &aside).unwrap();
                self.write(3);
                self.file = reopen(&self.path);
            }
            1 => {
                fs::copy(&self.path, &aside).unwrap();
                self.file.set_len(0).unwrap();
            }
            2 => {
                fs::rename(&self.path, &aside).unwrap();
                self.file = reopen(&self.path);
                let packed = File::create(aside.with_extension(format!("{}.gz", self.next))).unwrap();
                let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
                packed.write_all(&fs::read(&aside).unwrap()).unwrap();
                packed.finish().unwrap();
                fs::remove_file(&aside).unwrap();
            }
            // By a link that is switched to another file.
            _ => {
                if !self.path.is_symlink() {
                    fs::rename(&self.path, &aside).unwrap();
                }
                let next = self.path.with_file_name(format!("real-{}.log", self.next));
                self.file = reopen(&next);
                let link = self.path.with_extension("link");
                std::os::unix::fs::symlink(next.file_name().unwrap(), &link).unwrap();
                fs::rename(&link, &self.path).unwrap();
            }
        }
    }

    fn truth(&self) -> Vec<(u64, u64)> {
        let mut truth: Vec<(u64, u64)> = self.truth.values().copied().collect();
        truth.sort_unstable();
        truth
    }
}

fn counted(logs: &Value) -> Vec<(u64, u64)> {
    let micros = |seconds: &Value| (seconds.as_f64().unwrap() * 1e6).round() as u64;
    let rows = logs[0]["log_statements"].as_array().cloned().unwrap_or_default();
    let mut counted: Vec<(u64, u64)> = rows
        .iter()
        .map(|row| (row["calls"].as_f64().unwrap() as u64, micros(&row["exec_seconds"])))
        .collect();
    counted.sort_unstable();
    counted
}

async fn start(config: &str, state: &Dir) -> Daemon {
    Daemon::start_with(config, &["--state.dir", state.path().to_str().unwrap()], &[]).await
}

/// Its locks are gone with it, whether or not somebody has asked for its exit status.
async fn gone(pid: u32) {
    let is_there = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        !status.is_empty() && !status.contains("State:\tZ")
    };
    let began = Instant::now();
    while is_there() {
        assert!(began.elapsed() < LIMIT, "it survives a SIGKILL");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn counts(daemon: &Daemon, truth: &[(u64, u64)]) -> Value {
    let is_counted =
        |logs: Value| logs.as_array().is_some_and(|all| !all.is_empty()) && counted(&logs) == truth;
    daemon.wait_for("/api/v1/logs", |answer| is_counted(answer.json()), LIMIT).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_lost_or_doubled_over_kills_and_rotations() {
    let (home, state) = (Dir::new(), Dir::new());
    let mut log = Log::begin(home.join("slow.log"));
    // Nobody is there: logs are followed all the same.
    let config = format!(
        "[[target]]\nname = \"db\"\nurl = \"mysql://u@127.0.0.1:1/mysql\"\nlog = {{ path = {:?} }}\n",
        log.path
    );
    let mut daemon = start(&config, &state).await;
    counts(&daemon, &[]).await;
    for round in 0..8 {
        log.write(200);
        if round % 2 == 0 {
            counts(&daemon, &log.truth()).await;
        }
        daemon.signal("KILL");
        gone(daemon.pid).await;
        // What is written, and put aside, while nobody looks.
        log.write(70);
        log.rotate(round);
        log.write(30);
        drop(daemon);
        daemon = start(&config, &state).await;
        log.write(11);
        counts(&daemon, &log.truth()).await;
        log.rotate(round + 1);
        log.write(9);
        counts(&daemon, &log.truth()).await;
    }
    let logs = counts(&daemon, &log.truth()).await;
    let whole = &logs[0]["logs"][0];
    assert_eq!((&whole["lost_bytes"], &whole["noise"]), (&0.0.into(), &0.0.into()), "{logs:#}");
    let entries = log.truth().iter().map(|(calls, _)| calls).sum::<u64>() as f64;
    assert_eq!(whole["entries"], entries, "{logs:#}");
    assert_eq!(logs[0]["log_events"][0]["class"], "statement_duration");
    for path in ["/api/v1/logs", "/metrics", "/"] {
        assert!(!daemon.get(path).await.text().contains("canary-"), "{path} shows a literal");
    }
}
