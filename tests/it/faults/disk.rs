//! Disks that hang, and a log that nobody reads: whoever watches a server waits for neither.

use super::{PACES, SOON, TARGET, config, up, value};
use crate::rig::Dir;
use crate::rig::daemon::Daemon;
use crate::rig::postgres::{Server, any};
use crate::rig::shim::Shim;
use std::fs;
use std::time::{Duration, Instant};

const SINK: &str = "sink=\"file-1\"";

async fn start(shim: &Shim, server: &Server, disk: &Dir) -> Daemon {
    let sink = format!("[[sink]]\nkind = \"file\"\npath = {:?}\n", disk.join("told.jsonl"));
    let settings = format!("{PACES}[[target]]\nname = \"db\"\nurl = \"{}\"\n{sink}", server.url("postgres"));
    let environment = shim.environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let state = disk.join("state");
    Daemon::start_with(&settings, &["--state.dir", state.to_str().unwrap()], &environment).await
}

/// Scrapes do not wait, and what the beat brings is new.
async fn goes_on(daemon: &Daemon, how_long: Duration) {
    let began = Instant::now();
    while began.elapsed() < how_long {
        let asked = Instant::now();
        let metrics = daemon.get("/metrics").await.text();
        assert!(asked.elapsed() < Duration::from_secs(2), "a scrape waits for the disk");
        assert_eq!(value(&metrics, "dbsonde_target_up", &[TARGET]), Some(1.0), "{}", daemon.log());
        let age = value(&metrics, "dbsonde_snapshot_age_seconds", &[TARGET, "topic=\"databases\""]);
        assert!(age.is_some_and(|age| age < 15.0), "{age:?}\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn says(daemon: &Daemon, line: &str) {
    daemon.wait_for("/metrics", |answer| answer.text().contains(line), SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_holds_nobody_up_and_is_caught_up_with() {
    let (server, disk) = (Server::start(any(), &[]).await, Dir::new());
    let shim = Shim::new(disk.path());
    let daemon = start(&shim, &server, &disk).await;
    up(&daemon, 1.0).await;
    says(&daemon, "\ndbsonde_store_healthy 1\n").await;
    shim.hang(true);
    // Something to tell: it is found although nobody can write it down.
    let holder = server.connect("postgres").await;
    let setup = "create table orders (id int primary key, note text);
        insert into orders select n, 'note ' || n from generate_series(1, 100000) n;
        create index orders_note on orders (note); create index orders_note_too on orders (note); analyze orders";
    holder.batch_execute(setup).await.unwrap();
    let is_found = |text: &str| text.contains("index-duplicate");
    daemon.wait_for("/api/v1/findings", |answer| is_found(&answer.text()), Duration::from_secs(60)).await;
    let is_unkept = |text: &str| value(text, "dbsonde_sink_unkept", &[SINK]).is_some_and(|many| many >= 1.0);
    daemon.wait_for("/metrics", |answer| is_unkept(&answer.text()), SOON).await;
    goes_on(&daemon, Duration::from_secs(20)).await;
    // What survives is handed over once a minute.
    let unhealthy = |text: &str| text.contains("\ndbsonde_store_healthy 0\n");
    daemon.wait_for("/metrics", |answer| unhealthy(&answer.text()), Duration::from_secs(90)).await;
    let stuck = shim.waiting();
    assert!((1..=4).contains(&stuck), "{stuck} threads wait for the disk");
    assert_eq!(daemon.post("/-/reload").await.status, 200, "settings are read from elsewhere");
    shim.hang(false);
    says(&daemon, "\ndbsonde_store_healthy 1\n").await;
    let is_kept = |text: &str| value(text, "dbsonde_sink_unkept", &[SINK]) == Some(0.0);
    daemon.wait_for("/metrics", |answer| is_kept(&answer.text()), SOON).await;
    let began = Instant::now();
    while !fs::read_to_string(disk.join("told.jsonl")).is_ok_and(|told| is_found(&told)) {
        assert!(began.elapsed() < Duration::from_secs(90), "{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let said = daemon.log().matches("does not answer").count();
    assert!((1..=6).contains(&said), "{said} times:\n{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_from_the_beginning_keeps_nobody_from_starting() {
    let (server, disk) = (Server::start(any(), &[]).await, Dir::new());
    let shim = Shim::new(disk.path());
    shim.hang(true);
    let daemon = start(&shim, &server, &disk).await;
    up(&daemon, 1.0).await;
    says(&daemon, "\ndbsonde_store_healthy 0\n").await;
    goes_on(&daemon, Duration::from_secs(10)).await;
    shim.hang(false);
    says(&daemon, "\ndbsonde_store_healthy 1\n").await;
    shim.hang(true);
    // It ends in time all the same.
    let began = Instant::now();
    daemon.signal("TERM");
    while daemon.try_get("/-/healthy", &[]).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_holds_nobody_up() {
    let server = Server::start(any(), &[]).await;
    let dir = Dir::new();
    let pipe = dir.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open at both ends, and never read.
    let _held = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let good = config(&server.url("postgres"));
    let shell = format!("exec 2>'{}'", pipe.display());
    let daemon = Daemon::start_after(&shell, &good, &[]).await;
    up(&daemon, 1.0).await;
    fs::write(daemon.config_file(), "[web\n").unwrap();
    // Each is a line of its own; a pipe and what we keep hold some two thousand.
    for _ in 0..3_000 {
        assert_eq!(daemon.post("/-/reload").await.status, 500);
    }
    goes_on(&daemon, Duration::from_secs(10)).await;
    let lost = |text: &str| value(text, "dbsonde_queue_dropped_total", &["queue=\"log\""]).unwrap_or(0.0);
    daemon.wait_for("/metrics", |answer| lost(&answer.text()) > 100.0, SOON).await;
}
