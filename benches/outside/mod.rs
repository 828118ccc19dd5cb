//! What can be seen of a process and of the daemon from outside.

// No single bench uses all of it.
#![allow(dead_code)]

use crate::rig::daemon::Daemon;
use std::time::{Duration, Instant};

/// Nanoseconds on a processor, of all threads.
pub fn processor_ns(pid: u32) -> Option<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let times = tasks.filter_map(|task| thread_ns(pid, task.ok()?.file_name().to_str()?.parse().ok()?));
    Some(times.sum())
}

/// The same of one thread.
pub fn thread_ns(pid: u32, thread: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?;
    text.split(' ').next()?.parse::<u64>().ok()
}

pub fn status_kb(pid: u32, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// How fast `/metrics` answers, and how much.
pub async fn scrapes(daemon: &Daemon) {
    for (name, headers) in [("plain", &[][..]), ("gzip", &[("accept-encoding", "gzip")][..])] {
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..200 {
            let asked = Instant::now();
            bytes = daemon.get_with("/metrics", headers).await.body.len();
            times.push(asked.elapsed().as_secs_f64() * 1e3);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        times.sort_by(f64::total_cmp);
        println!("/metrics {name}: p50 {:.1} ms, p99 {:.1} ms, {bytes} bytes", times[100], times[198]);
    }
    let text = daemon.get("/metrics").await.text();
    println!("series: {}", text.lines().filter(|line| !line.starts_with('#')).count());
}
