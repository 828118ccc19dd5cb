//! What happens to servers and to us, on real ones: a sentence, the right exit code, a gap or `up` at 0 with a
//! growing age; never a hang, never a password, never an old value sold as new.

mod clock;
mod disk;
mod hostile;
mod hostile_mysql;
mod locks;
mod moves;
mod mysql;
mod names;
mod neighbours;
mod ourselves;
mod secrets;
mod waits;

use crate::rig::daemon::{Daemon, dbsonde};
use crate::rig::postgres::{Server, Stop, any};
use crate::rig::proxy::{Mode, Proxy};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PACES: &str = "[pace]\npulse = \"1s\"\nbeat = \"5s\"\nslow = \"15s\"\nrare = \"60s\"\n";
const SOON: Duration = Duration::from_secs(40);
const TARGET: &str = "target=\"db\"";

fn config(url: &str) -> String {
    format!("{PACES}\n[[target]]\nname = \"db\"\nurl = \"{url}\"\n")
}

async fn watched(server: &Server) -> Daemon {
    server.sql("postgres", "create extension if not exists pg_stat_statements").await;
    let daemon = Daemon::start(&config(&server.url("postgres"))).await;
    daemon
        .wait_for("/metrics", |answer| answer.text().contains("dbsonde_statement_calls_total{"), SOON)
        .await;
    daemon
}

/// The value of the first series of a metric whose labels contain all of `labels`.
fn value(metrics: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let is_it = |line: &&str| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
            && labels.iter().all(|l| line.contains(l))
    };
    metrics.lines().find(is_it)?.rsplit(' ').next()?.parse().ok()
}

/// All series of a metric added up.
fn sum(metrics: &str, name: &str) -> f64 {
    let lines =
        metrics.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

async fn up(daemon: &Daemon, wanted: f64) {
    let is = |metrics: &str| value(metrics, "dbsonde_target_up", &[TARGET]) == Some(wanted);
    daemon.wait_for("/metrics", |answer| is(&answer.text()), SOON).await;
}

/// Of a server that is well from now on each lane watches again at once, and none waits for its next try.
async fn all_lanes_come_back(daemon: &Daemon, target: &str) {
    let (well, of_target) = (Instant::now(), format!("target={target} "));
    let mut back: BTreeMap<&str, Duration> = BTreeMap::new();
    while back.len() < 3 {
        let log = daemon.log();
        // The pulse within two seconds, the beat of five seconds within two of its own, and what a busy machine takes.
        for (lane, limit) in [("pulse", 4), ("beat", 12), ("roam", 12)] {
            let of_lane = format!("lane=\"{lane}\"");
            let last = log.lines().rfind(|line| line.contains(&of_target) && line.contains(&of_lane));
            if last.is_none_or(|last| last.contains("watching again")) {
                back.entry(lane).or_insert_with(|| well.elapsed());
            }
            let is_late = !back.contains_key(lane) && well.elapsed() > Duration::from_secs(limit);
            assert!(!is_late, "{target}: the {lane} is not back, only {back:.1?}:\n{log}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eprintln!("{target}: back after {back:.1?}");
}

async fn connections(server: &Server) -> usize {
    let query = "select count(*) from pg_stat_activity where application_name like 'dbsonde%'";
    server.sql("postgres", query).await[0][0].as_deref().unwrap().parse().unwrap()
}

async fn gaps(daemon: &Daemon) -> Vec<Value> {
    let answer = daemon.get("/api/v1/findings").await.json();
    answer["gaps"].as_array().cloned().unwrap_or_default()
}

async fn gap_on(daemon: &Daemon, topic: &str, reason: &str) {
    let began = Instant::now();
    loop {
        let gaps = gaps(daemon).await;
        let is_it =
            |gap: &Value| gap["topic"] == topic && gap["reason"].as_str().is_some_and(|r| r.contains(reason));
        if gaps.iter().any(is_it) {
            return;
        }
        assert!(began.elapsed() < SOON, "no gap on {topic} about {reason:?}: {gaps:#?}\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_down_not_stale_and_gets_no_more_connections() {
    let mut server = Server::start(any(), &[]).await;
    let daemon = watched(&server).await;
    assert!(connections(&server).await <= 3);
    server.freeze();
    up(&daemon, 0.0).await;
    let frozen = Instant::now();
    while frozen.elapsed() < Duration::from_secs(60) {
        let asked = Instant::now();
        let metrics = daemon.get("/metrics").await.text();
        assert!(asked.elapsed() < Duration::from_secs(1), "scrapes do not wait for the server");
        assert!(!metrics.contains("\ndbsonde_statement_calls_total{"), "an old value sold as new");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!(
        value(&daemon.get("/metrics").await.text(), "dbsonde_snapshot_age_seconds", &[TARGET]).unwrap()
            > 50.0
    );
    server.thaw();
    all_lanes_come_back(&daemon, "db").await;
    up(&daemon, 1.0).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(connections(&server).await <= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_and_a_crash_make_no_spike() {
    let mut server = Server::start(any(), &[]).await;
    let daemon = watched(&server).await;
    let client = server.connect("postgres").await;
    for _ in 0..5_000 {
        client.simple_query("select 17").await.unwrap();
    }
    drop(client);
    tokio::time::sleep(Duration::from_secs(12)).await;
    let before = sum(&daemon.get("/metrics").await.text(), "dbsonde_statement_calls_total");
    for fault in ["immediate", "fast", "one backend"] {
        match fault {
            "immediate" => server.restart(Stop::Immediate).await,
            "fast" => server.restart(Stop::Fast).await,
            _ => {
                let victim = server.connect("postgres").await;
                let row = victim.query_one("select pg_backend_pid()", &[]).await.unwrap();
                server.kill_backend(u32::try_from(row.get::<_, i32>(0)).unwrap());
            }
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        up(&daemon, 1.0).await;
        tokio::time::sleep(Duration::from_secs(12)).await;
        let after = sum(&daemon.get("/metrics").await.text(), "dbsonde_statement_calls_total");
        // Nothing but our own few looks happened; a spike would bring the 5,000 again.
        assert!(after - before < 1_000.0, "{fault}: {before} became {after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_neither_falls_nor_jumps() {
    let server = Server::start(any(), &[]).await;
    let daemon = watched(&server).await;
    let client = server.connect("postgres").await;
    let mut last = 0.0;
    for round in 0..6 {
        for _ in 0..200 {
            client.simple_query("select 17").await.unwrap();
        }
        if round == 3 {
            client.simple_query("select pg_stat_statements_reset()").await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let now = sum(&daemon.get("/metrics").await.text(), "dbsonde_statement_calls_total");
        assert!(now >= last, "a total of ours never falls: {last} became {now}");
        assert!(now - last < 2_000.0, "a spike: {last} became {now}");
        last = now;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_holds_up_nothing() {
    let server = Server::start(any(), &[]).await;
    server.sql("postgres", "create table locked (id int primary key); insert into locked values (1)").await;
    let daemon = watched(&server).await;
    let holder = server.connect("postgres").await;
    holder.batch_execute("begin; lock table locked in access exclusive mode").await.unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(25) {
        let waits = "select count(*) from pg_stat_activity where application_name like 'dbsonde%'
            and wait_event_type = 'Lock' and now() - query_start > interval '1 second'";
        assert_eq!(server.sql("postgres", waits).await[0][0].as_deref(), Some("0"));
        let metrics = daemon.get("/metrics").await.text();
        assert!(value(&metrics, "dbsonde_snapshot_age_seconds", &["topic=\"statements\""]).unwrap() < 15.0);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(connections(&server).await <= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_extension_ends_its_lane_alone_and_comes_back() {
    let server = Server::start(any(), &[]).await;
    let daemon = watched(&server).await;
    server.sql("postgres", "drop extension pg_stat_statements").await;
    gap_on(&daemon, "statements", "pg_stat_statements").await;
    let metrics = daemon.get("/metrics").await.text();
    assert!(!metrics.contains("\ndbsonde_statement_calls_total{"), "its series go");
    assert!(metrics.contains("\ndbsonde_database_commits_total{"), "the others stay");
    assert_eq!(value(&metrics, "dbsonde_target_up", &[TARGET]), Some(1.0));
    server.sql("postgres", "create extension pg_stat_statements").await;
    let is_back = |text: String| text.contains("\ndbsonde_statement_calls_total{");
    daemon.wait_for("/metrics", |answer| is_back(answer.text()), Duration::from_secs(120)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_right_is_a_gap_with_a_reason() {
    let server = Server::start(any(), &[]).await;
    server.sql("postgres", "create extension pg_stat_statements").await;
    server.sql("postgres", "create role sonde login password 'sesame'; grant pg_monitor to sonde").await;
    let daemon = Daemon::start(&config(&server.url_as("sonde", "sesame", "postgres"))).await;
    daemon
        .wait_for("/metrics", |answer| answer.text().contains("dbsonde_statement_calls_total{"), SOON)
        .await;
    server.sql("postgres", "revoke pg_monitor from sonde").await;
    gap_on(&daemon, "statements", "hidden").await;
    assert_eq!(value(&daemon.get("/metrics").await.text(), "dbsonde_target_up", &[TARGET]), Some(1.0));
    assert!(!daemon.log().contains("sesame"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_rights_says_what_it_cannot_see() {
    let server = Server::start(any(), &[]).await;
    server
        .sql(
            "postgres",
            "create extension pg_stat_statements; create role nobody_much login password 'sesame'",
        )
        .await;
    let daemon = Daemon::start(&config(&server.url_as("nobody_much", "sesame", "postgres"))).await;
    gap_on(&daemon, "statements", "hidden").await;
    let targets = daemon.get("/api/v1/targets").await.json();
    assert_eq!(targets[0]["tier"], "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shot_commands_end_with_a_sentence_and_the_right_code() {
    let server = Server::start(any(), &[]).await;
    server.sql("postgres", "create role sonde login password 'sesame'").await;

    let nobody = dbsonde(&["inspect", "postgres://u@127.0.0.1:1/postgres", "--for", "1s"], &[]).await;
    assert_eq!(nobody.code, 69, "{}", nobody.stderr);
    assert!(nobody.stderr.contains("refused"), "{}", nobody.stderr);

    let wrong = server.url_as("sonde", "open-says-me", "postgres");
    let denied = dbsonde(&["inspect", &wrong, "--for", "1s"], &[]).await;
    assert_eq!(denied.code, 77, "{}", denied.stderr);
    assert!(!denied.stderr.contains("open-says-me") && !denied.stdout.contains("open-says-me"));

    let usage = dbsonde(&["inspect"], &[]).await;
    assert_eq!(usage.code, 2);

    let absent = dbsonde(&["check-config", "/nonexistent.toml"], &[]).await;
    assert_eq!(absent.code, 78, "{}", absent.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_half_open_or_cut_network_is_survived() {
    let server = Server::start(any(), &[]).await;
    server.sql("postgres", "create extension pg_stat_statements").await;
    let proxy = Proxy::start(server.port).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port);
    let daemon = Daemon::start(&config(&url)).await;
    up(&daemon, 1.0).await;
    for fault in [Mode::Stall, Mode::HalfOpen, Mode::Cut] {
        proxy.set(fault);
        up(&daemon, 0.0).await;
        let opened = proxy.opened();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(proxy.opened() - opened <= 30, "no storm of connections: {}", proxy.opened() - opened);
        proxy.set(Mode::Pass);
        let began = Instant::now();
        daemon
            .wait_for(
                "/metrics",
                |answer| value(&answer.text(), "dbsonde_target_up", &[TARGET]) == Some(1.0),
                Duration::from_secs(90),
            )
            .await;
        eprintln!("back {:?} after the network was well", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_never_answered_is_down_with_a_reason() {
    let daemon = Daemon::start(&config("postgres://u@127.0.0.1:1/postgres")).await;
    up(&daemon, 0.0).await;
    let targets = daemon.get("/api/v1/targets").await.json();
    assert_eq!(targets[0]["up"], false);
    assert!(daemon.log().contains("refused"), "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_never_replaces_a_good_one() {
    let server = Server::start(any(), &[]).await;
    let daemon = watched(&server).await;
    std::fs::write(daemon.config_file(), "[web]\nlisten = 7\n").unwrap();
    daemon.signal("HUP");
    daemon.wait_for_log("the last good one stays", SOON).await;
    assert_eq!(daemon.post("/-/reload").await.status, 500);
    assert_eq!(value(&daemon.get("/metrics").await.text(), "dbsonde_target_up", &[TARGET]), Some(1.0));
}
