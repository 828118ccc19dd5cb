//! How much log a second of processor time digests, and in how much memory.
//!
//! `cargo bench --bench digest -- FILE… [--threads N]`: for each file the processor time (user and system, of the
//! kernel), the most memory, and what it comes to. `--peer NAME=COMMAND` runs something else over the same files;
//! `{}` in it is the file.

// A measurement that cannot go on has nothing better to do than to panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Ticks of the kernel in a second; the same on every Linux that we run on.
const TICKS: f64 = 100.0;

fn main() {
    let mut files = Vec::new();
    let mut peers: Vec<(String, String)> = Vec::new();
    let mut threads = vec!["1".to_owned(), "2".to_owned()];
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        match word.as_str() {
            "--threads" => threads = vec![words.next().unwrap()],
            "--peer" => {
                let peer = words.next().unwrap();
                let (name, command) = peer.split_once('=').expect("--peer NAME=COMMAND");
                peers.push((name.to_owned(), command.to_owned()));
            }
            _ => files.push(word),
        }
    }
    println!(
        "| what | MB | wall s | CPU s | MB/CPU-s | MB/s | peak RSS MiB |\n|---|---|---|---|---|---|---|"
    );
    for file in &files {
        let megabytes = std::fs::metadata(file).unwrap().len() as f64 / 1e6;
        for threads in &threads {
            let mut command = Command::new(env!("CARGO_BIN_EXE_dbsonde"));
            command.args(["digest", file, "--format", "json", "--threads", threads]);
            row(&format!("{file}, {threads} threads"), megabytes, command);
        }
        for (name, peer) in &peers {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("exec {}", peer.replace("{}", file)));
            row(&format!("{file}, {name}"), megabytes, command);
        }
    }
}

fn row(what: &str, megabytes: f64, mut command: Command) {
    let before = children();
    let began = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(memory(child.id()));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let (wall, cpu) = (began.elapsed().as_secs_f64(), children() - before);
    assert!(status.success(), "{what}: {status}");
    let cpu_rate = megabytes / cpu.max(1.0 / TICKS);
    println!(
        "| {what} | {megabytes:.0} | {wall:.2} | {cpu:.2} | {cpu_rate:.0} | {:.0} | {} |",
        megabytes / wall,
        peak / 1024
    );
}

/// Processor time of all our children that have ended, in seconds.
fn children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // The 16th and 17th of all, of which two stand before the parenthesis.
    let ticks = |nth: usize| fields[nth - 3].parse::<f64>().unwrap();
    (ticks(16) + ticks(17)) / TICKS
}

/// The most memory of a process so far, in KiB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
