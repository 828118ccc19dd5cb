//! Whether following loses or doubles anything, and what it costs.
//!
//! `cargo bench --bench follow -- truth [--events N] [--kills N] [--rotations N]`: numbered events, written while the
//! real binary is killed and the log is rotated, so many times in each way. `cargo bench --bench follow -- pace
//! [--seconds N]`: the processor time of following at 1 MB/s, and whether 30 MB/s is followed. `… -- served [--seconds N]`:
//! whether a real MariaDB that logs 17,000 statements a second is.

// A measurement that cannot go on has nothing better to do than to panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/rig/mod.rs"]
mod rig;

mod outside;
mod served;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ticks of the kernel in a second; the same on every Linux that we run on.
const TICKS: f64 = 100.0;
const TABLES: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |name: &str, otherwise: u64| {
        let at = words.iter().position(|word| word == name);
        at.map_or(otherwise, |at| words[at + 1].parse().expect("a number"))
    };
    match words.first().map(String::as_str) {
        Some("truth") => {
            truth(number("--events", 1_000_000), number("--kills", 200), number("--rotations", 100));
        }
        Some("pace") => pace(number("--seconds", 60)),
        Some("served") => served::measure(number("--seconds", 60)).await,
        _ => println!("say what is to be measured: truth, pace or served; `benches/follow.rs` tells more"),
    }
}

/// The directory of one measurement, gone afterwards.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let home = std::env::temp_dir().join(format!("dbsonde-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        Self(home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Events with numbers, which are their durations: a sum tells which are missing.
struct Log {
    path: PathBuf,
    file: File,
    next: u64,
    bytes: u64,
    truth: BTreeMap<u64, (u64, u64)>,
}

fn append(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).unwrap()
}

impl Log {
    fn new(path: PathBuf) -> Self {
        let file = append(&path);
        Self { path, file, next: 1, bytes: 0, truth: BTreeMap::new() }
    }

    fn write(&mut self, count: u64) {
        let mut text = String::new();
        for _ in 0..count {
            let (n, table) = (self.next, self.next % TABLES);
            self.next += 1;
            text += &format!(
                "# Time: 2026-11-29T10:{:02}:{:02}.{:06}Z\n# User@Host: app[app] @ localhost []  Id:     4\n\
                 # Query_time: {}.{:06}  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 1\n\
                 SET timestamp=1796000000;\nselect * from t_{table} where id = {n};\n",
                n / 60 % 60,
                n % 60,
                n % 1_000_000,
                n / 1_000_000,
                n % 1_000_000,
            );
            let (calls, micros) = self.truth.entry(table).or_default();
            (*calls, *micros) = (*calls + 1, *micros + n);
        }
        self.bytes += text.len() as u64;
        self.file.write_all(text.as_bytes()).unwrap();
    }

    fn rotate(&mut self, kind: Kind) {
        let aside = self.path.with_extension(format!("log.{}", self.next));
        match kind {
            Kind::Rename => {
                fs::rename(&self.path, &aside).unwrap();
                self.write(3);
                self.file = append(&self.path);
            }
            Kind::CopyTruncate => {
                fs::copy(&self.path, &aside).unwrap();
                self.file.set_len(0).unwrap();
            }
            Kind::Compress => {
                fs::rename(&self.path, &aside).unwrap();
                self.file = append(&self.path);
                let packed = File::create(aside.with_extension(format!("{}.gz", self.next))).unwrap();
                let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
                packed.write_all(&fs::read(&aside).unwrap()).unwrap();
                packed.finish().unwrap();
                fs::remove_file(&aside).unwrap();
            }
            Kind::Link => {
                if !self.path.is_symlink() {
                    fs::rename(&self.path, &aside).unwrap();
                }
                let next = self.path.with_file_name(format!("real-{}.log", self.next));
                self.file = append(&next);
                let link = self.path.with_extension("link");
                std::os::unix::fs::symlink(next.file_name().unwrap(), &link).unwrap();
                fs::rename(&link, &self.path).unwrap();
            }
        }
    }

    fn sums(&self) -> Vec<(u64, u64)> {
        let mut sums: Vec<(u64, u64)> = self.truth.values().copied().collect();
        sums.sort_unstable();
        sums
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Rename,
    CopyTruncate,
    Compress,
    Link,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Rename, Self::CopyTruncate, Self::Compress, Self::Link];

    fn name(self) -> &'static str {
        match self {
            Self::Rename => "rename and create",
            Self::CopyTruncate => "copy and truncate",
            Self::Compress => "rename and compress",
            Self::Link => "switch a link",
        }
    }
}

/// The real binary, killed when dropped.
struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    fn start(home: &Path, log: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = home.join("dbsonde.toml");
        // Nobody is there: logs are followed all the same.
        let text = format!(
            "[[target]]\nname = \"db\"\nurl = \"mysql://u@127.0.0.1:1/mysql\"\nlog = {{ path = {log:?} }}\n"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dbsonde"));
        command.arg("run").arg("--config.file").arg(config);
        command.arg("--state.dir").arg(home.join("state"));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        Self { child: command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(), port }
    }

    fn die(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What was counted of each statement; `None` while nobody answers.
    fn counted(&self) -> Option<Vec<(u64, u64)>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream
            .write_all(b"GET /api/v1/logs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let json: Value = serde_json::from_str(answer.get(answer.find("[")?..=answer.rfind(']')?)?).ok()?;
        let micros = |seconds: &Value| (seconds.as_f64().unwrap_or_default() * 1e6).round() as u64;
        json[0]["logs"][0].as_object()?;
        let rows = json[0]["log_statements"].as_array().cloned().unwrap_or_default();
        let row =
            |row: &Value| (row["calls"].as_f64().unwrap_or_default() as u64, micros(&row["exec_seconds"]));
        let mut counted: Vec<(u64, u64)> = rows.iter().map(row).collect();
        counted.sort_unstable();
        Some(counted)
    }

    /// Waits until all is counted; what was counted when patience ended.
    fn counts(&self, log: &Log) -> Vec<(u64, u64)> {
        let (began, wanted) = (Instant::now(), log.sums());
        loop {
            let counted = self.counted();
            if counted.as_ref() == Some(&wanted) || began.elapsed() > PATIENCE {
                return counted.unwrap_or_default();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// User and system, in seconds.
    fn processor(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn total(sums: &[(u64, u64)]) -> (i128, i128) {
    let sum = |of: fn(&(u64, u64)) -> u64| sums.iter().map(|sums| i128::from(of(sums))).sum();
    (sum(|sums| sums.0), sum(|sums| sums.1))
}

fn truth(events: u64, kills: u64, rotations: u64) {
    println!("| rotation | rotations | kill -9 | events | events off | sum of numbers off | seconds |");
    println!("|---|---|---|---|---|---|---|");
    for kind in Kind::ALL {
        let began = Instant::now();
        let home = Home::new("follow");
        let mut log = Log::new(home.0.join("slow.log"));
        let mut daemon = Daemon::start(&home.0, &log.path);
        daemon.counts(&log);
        let (each, mut killed, share) = (events / 4 / rotations.max(1), 0, kills / 4);
        for nth in 0..rotations {
            log.write(each / 2);
            // Half of the deaths are beside a rotation, the others anywhere.
            let dies = killed < share && (nth + 1) * share / rotations > killed;
            if dies {
                daemon.die();
                killed += 1;
            }
            log.write(each / 4);
            log.rotate(kind);
            log.write(each - each / 2 - each / 4);
            if dies {
                daemon = Daemon::start(&home.0, &log.path);
            } else {
                // One that is cut must have been read by then, or be found in its copy: wait for neither.
                std::thread::sleep(Duration::from_millis(20));
            }
            if daemon.counts(&log) != log.sums() {
                break;
            }
        }
        let (counted, wanted) = (total(&daemon.counts(&log)), total(&log.sums()));
        println!(
            "| {} | {rotations} | {killed} | {} | {} | {} | {:.0} |",
            kind.name(),
            wanted.0,
            counted.0 - wanted.0,
            counted.1 - wanted.1,
            began.elapsed().as_secs_f64()
        );
    }
}

fn pace(seconds: u64) {
    println!("| written | for | written MB | processor time of a core | until all is counted | off |");
    println!("|---|---|---|---|---|---|");
    for megabytes in [1, 30] {
        let home = Home::new("pace");
        let mut log = Log::new(home.0.join("slow.log"));
        let daemon = Daemon::start(&home.0, &log.path);
        daemon.counts(&log);
        let (began, before) = (Instant::now(), daemon.processor());
        while began.elapsed().as_secs() < seconds {
            log.write(500);
            let due = log.bytes as f64 / (f64::from(megabytes) * 1e6);
            let ahead = due - began.elapsed().as_secs_f64();
            std::thread::sleep(Duration::from_secs_f64(ahead.max(0.0)));
        }
        let wrote = began.elapsed().as_secs_f64();
        let counted = daemon.counts(&log);
        let all = began.elapsed().as_secs_f64();
        let spent = daemon.processor() - before;
        println!(
            "| {:.1} MB/s | {wrote:.0} s | {:.0} | {:.1} % | {:.1} s | {} |",
            log.bytes as f64 / 1e6 / wrote,
            log.bytes as f64 / 1e6,
            spent / all * 100.0,
            all - wrote,
            total(&counted).0 - total(&log.sums()).0
        );
    }
}
