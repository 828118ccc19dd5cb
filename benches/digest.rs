//! How much log a second of processor time digests, and in how much memory.
//!
//! `cargo bench --bench digest -- FILE… [--threads N]`: for each file the processor time (user and system, of the
//! kernel), the most memory, and what it comes to. `--peer NAME=COMMAND` runs something else over the same files;
//! `{}` in it is the file. `--peers` runs those that the machine has of pt-query-digest, pgbadger and grep. With `--runs N`
//! we run so many times and the best counts: neighbours on the machine can make a run slow, never fast.
//!
//! `cargo bench --bench digest -- --memory [MIB]` makes logs that want much memory, of so many mebibytes (1,024 if left out),
//! and holds the peak against its bound: a thousand statements, a million, and one line as long as the whole log twice.

// A measurement that cannot go on has nothing better to do than to panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Ticks of the kernel in a second; the same on every Linux that we run on.
const TICKS: f64 = 100.0;

fn main() {
    let mut files = Vec::new();
    let mut peers: Vec<(String, String)> = Vec::new();
    let mut threads = vec!["1".to_owned(), "2".to_owned()];
    let (mut known_peers, mut runs) = (false, 1);
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench").peekable();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--memory" => {
                let mebibytes = words.next_if(|word| word.parse::<u64>().is_ok());
                return memory_rows(mebibytes.map_or(1_024, |word| word.parse().unwrap()));
            }
            "--peers" => known_peers = true,
            "--runs" => runs = words.next().unwrap().parse().unwrap(),
            "--threads" => threads = vec![words.next().unwrap()],
            "--peer" => {
                let peer = words.next().unwrap();
                let (name, command) = peer.split_once('=').expect("--peer NAME=COMMAND");
                peers.push((name.to_owned(), command.to_owned()));
            }
            _ => files.push(word),
        }
    }
    println!("{HEAD}");
    for file in &files {
        let megabytes = fs::metadata(file).unwrap().len() as f64 / 1e6;
        for threads in &threads {
            let mut command = Command::new(env!("CARGO_BIN_EXE_dbsonde"));
            command.args(["digest", file, "--format", "json", "--threads", threads]);
            row(&format!("{file}, {threads} threads"), megabytes, runs, command);
        }
        let own = if known_peers { peers_of(file) } else { Vec::new() };
        for (name, peer) in peers.iter().chain(&own) {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("exec {}", peer.replace("{}", file)));
            row(&format!("{file}, {name}"), megabytes, 1, command);
        }
    }
}

const HEAD: &str =
    "| what | MB | wall s | CPU s | MB/CPU-s | MB/s | peak RSS MiB |\n|---|---|---|---|---|---|---|";

/// What else reads such a log, as far as it is installed.
fn peers_of(file: &str) -> Vec<(String, String)> {
    let mut head = vec![0; 4_096];
    let read = File::open(file).unwrap().read(&mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let pgbadger = |format: &str| {
        ("pgbadger", format!("pgbadger -q -f {format} -p '%m [%p] %q%u@%d/%a %h ' -x json -o - {{}}"))
    };
    // In a literal of another log it stands as well.
    let peer = if head.lines().any(|line| line.starts_with("# User@Host")) {
        ("pt-query-digest", "pt-query-digest --limit 100% --output json {}".to_owned())
    } else if head.starts_with('{') {
        pgbadger("jsonlog")
    } else if head.lines().next().is_some_and(|line| line.matches(',').count() > 15) {
        pgbadger("csv")
    } else {
        pgbadger("stderr")
    };
    // It looks no further than the first hit where nobody would read how many there are.
    let all = [peer, ("grep", "env LC_ALL=C grep -c 'duration: \\|# Query_time' {} | cat".to_owned())];
    let is_here =
        |name: &str| Command::new("which").arg(name).output().is_ok_and(|found| found.status.success());
    let (here, missing): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| is_here(name));
    missing.iter().for_each(|(name, _)| eprintln!("skip: {name} is not installed"));
    here.into_iter().map(|(name, command)| (name.to_owned(), command)).collect()
}

/// Logs that want memory, and how much of it they may get.
fn memory_rows(mebibytes: u64) {
    let home = std::env::temp_dir().join(format!("dbsonde-memory-{}", std::process::id()));
    fs::create_dir_all(&home).unwrap();
    let bytes = mebibytes << 20;
    println!("{HEAD}");
    for (what, most, make) in [
        ("slow log, 1,000 statements", 64, slow as fn(&Path, u64)),
        ("PostgreSQL, 1,000 statements", 64, |path, bytes| plain(path, bytes, 1_000)),
        ("PostgreSQL, one million statements", 256, |path, bytes| plain(path, bytes, 1_000_000)),
        ("PostgreSQL, one line", 256, |path, bytes| one_line(path, 2 * bytes)),
    ] {
        let log = home.join("log");
        make(&log, bytes);
        let megabytes = fs::metadata(&log).unwrap().len() as f64 / 1e6;
        for threads in ["1", "2"] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_dbsonde"));
            command.arg("digest").arg(&log).args(["--format", "json", "--threads", threads]);
            let peak = row(&format!("{what}, {threads} threads"), megabytes, 1, command);
            if peak > most {
                println!("over its bound of {most} MiB");
            }
        }
        fs::remove_file(log).unwrap();
    }
    fs::remove_dir(home).unwrap();
}

fn slow(path: &Path, bytes: u64) {
    let mut log = BufWriter::new(File::create(path).unwrap());
    let mut written = 0;
    for n in 0u64.. {
        let entry = format!(
            "# Time: 2026-11-29T10:00:00.{:06}Z\n# User@Host: app[app] @ localhost []  Id:     4\n# Query_time: 0.{:06}  \
             Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 1\nSET timestamp=1796000000;\n\
             select * from t_{} where secret = 'x-{n}' and n in ({n}, 2, 3);\n",
            n % 1_000_000,
            n * 7919 % 1_000_000,
            n * 31 % 1_000,
        );
        log.write_all(entry.as_bytes()).unwrap();
        written += entry.len() as u64;
        if written >= bytes {
            break;
        }
    }
    log.flush().unwrap();
}

fn plain(path: &Path, bytes: u64, statements: u64) {
    let mut log = BufWriter::new(File::create(path).unwrap());
    let mut written = 0;
    for n in 0u64.. {
        // Of a million each comes once at least, and few often.
        let statement = if n % 3 == 0 { n % 97 } else { n } % statements;
        let entry = format!(
            "2026-11-29 10:00:{:02}.{:03} UTC [{}] app@shop/web 10.0.0.7 LOG:  duration: {}.{:03} ms  statement: \
             select * from t_{statement} where secret = 'x-{n}' and n in ({n}, 2, 3)\n",
            n / 1_000 % 60,
            n % 1_000,
            n % 50,
            n * 7919 % 1_000,
            n % 1_000,
        );
        log.write_all(entry.as_bytes()).unwrap();
        written += entry.len() as u64;
        if written >= bytes {
            break;
        }
    }
    log.flush().unwrap();
}

fn one_line(path: &Path, bytes: u64) {
    let mut log = BufWriter::new(File::create(path).unwrap());
    let head = "2026-11-29 10:00:00.000 UTC [7] app@shop/web 10.0.0.7 LOG:  duration: 5.000 ms  statement: ";
    write!(log, "{head}select 1\n{head}insert into t values ('").unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..bytes >> 20 {
        log.write_all(&block).unwrap();
    }
    write!(log, "')\n{head}select 1\n").unwrap();
    log.flush().unwrap();
}

/// Runs it and tells what the best run took, by processor time; returns the most memory of any.
fn row(what: &str, megabytes: f64, runs: usize, mut command: Command) -> u64 {
    let took: Vec<_> = (0..runs.max(1)).map(|_| run(what, &mut command)).collect();
    let (cpu, wall, _) = took.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    let peak = took.iter().map(|took| took.2).max().unwrap() / 1024;
    println!(
        "| {what} | {megabytes:.0} | {wall:.2} | {cpu:.2} | {:.0} | {:.0} | {peak} |",
        megabytes / cpu.max(1.0 / TICKS),
        megabytes / wall,
    );
    peak
}

/// Seconds of processor time and by the clock, and the most memory in KiB.
fn run(what: &str, command: &mut Command) -> (f64, f64, u64) {
    let before = children();
    let began = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(memory(child.id()));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    };
    assert!(status.success(), "{what}: {status}");
    (children() - before, began.elapsed().as_secs_f64(), peak)
}

/// Processor time of all our children that have ended, in seconds.
fn children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // The 16th and 17th of all, of which two stand before the parenthesis.
    let ticks = |nth: usize| fields[nth - 3].parse::<f64>().unwrap();
    (ticks(16) + ticks(17)) / TICKS
}

/// The most memory of a process so far, in KiB.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
