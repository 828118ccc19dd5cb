//! Locks, slots and readers: whatever applications do to each other, we neither wait long nor make anybody wait.

use super::{SOON, TARGET, config, connections, up, value, watched};
use crate::rig::daemon::Daemon;
use crate::rig::postgres::{Server, any};
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// Ours that wait for a lock for longer than `lock_timeout` and a busy machine explain.
const WAITING: &str = "select count(*) from pg_stat_activity where application_name like 'dbsonde%'
    and wait_event_type = 'Lock' and now() - query_start > interval '1 second'";

/// Looks from a connection that was there before, for as long as it takes.
async fn nobody_of_ours_waits(observer: &Client, daemon: &Daemon, seconds: u64) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(seconds) {
        let waiting: i64 = observer.query_one(WAITING, &[]).await.unwrap().get(0);
        assert_eq!(waiting, 0, "we wait for a lock");
        let asked = Instant::now();
        assert_eq!(daemon.get("/metrics").await.status, 200);
        assert!(asked.elapsed() < Duration::from_secs(2), "a scrape waits for the server");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn fresh(daemon: &Daemon, topic: &str) -> f64 {
    let topic = format!("topic=\"{topic}\"");
    value(&daemon.get("/metrics").await.text(), "dbsonde_snapshot_age_seconds", &[TARGET, &topic]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_queued_behind_a_reader_is_not_held_up_by_us() {
    let server = Server::start(any(), &[]).await;
    server.sql("postgres", "create table busy (id int); insert into busy values (1)").await;
    let daemon = watched(&server).await;
    let (reader, changer) = (server.connect("postgres").await, server.connect("postgres").await);
    let observer = server.connect("postgres").await;
    reader.batch_execute("begin; select * from busy").await.unwrap();
    let change =
        tokio::spawn(async move { changer.batch_execute("alter table busy add column more int").await });
    nobody_of_ours_waits(&observer, &daemon, 18).await;
    assert!(fresh(&daemon, "statements").await < 15.0 && fresh(&daemon, "tables").await < 45.0);
    reader.batch_execute("commit").await.unwrap();
    tokio::time::timeout(SOON, change).await.expect("the change goes through").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_catalogue_is_a_gap_and_not_a_queue() {
    let server = Server::start(any(), &[]).await;
    let daemon = watched(&server).await;
    let (holder, observer) = (server.connect("postgres").await, server.connect("postgres").await);
    // What the observer needs of the catalogue is read before it is locked.
    observer.query_one(WAITING, &[]).await.unwrap();
    let ours: i64 = observer.query_one(OURS, &[]).await.unwrap().get(0);
    holder.batch_execute("begin; lock table pg_class, pg_statistic in access exclusive mode").await.unwrap();
    nobody_of_ours_waits(&observer, &daemon, 18).await;
    let now: i64 = observer.query_one(OURS, &[]).await.unwrap().get(0);
    assert!(now <= ours.max(3), "{ours} sessions became {now}");
    holder.batch_execute("rollback").await.unwrap();
    up(&daemon, 1.0).await;
    let is_fresh = |text: &str| {
        value(text, "dbsonde_snapshot_age_seconds", &[TARGET, "topic=\"statements\""])
            .is_some_and(|age| age < 10.0)
    };
    daemon.wait_for("/metrics", |answer| is_fresh(&answer.text()), SOON).await;
}

const OURS: &str = "select count(*) from pg_stat_activity where application_name like 'dbsonde%'";

#[tokio::test(flavor = "multi_thread")]
async fn used_up_slots_are_said_and_not_fought_for() {
    let settings = [("max_connections", "12"), ("superuser_reserved_connections", "3")];
    let server = Server::start(any(), &settings).await;
    server.sql("postgres", "create role sonde login password 'sesame'; grant pg_monitor to sonde").await;
    let url = server.url_as("sonde", "sesame", "postgres");
    let early = Daemon::start(&config(&url)).await;
    up(&early, 1.0).await;
    // Its three connections are there; the application takes all that is left.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut applications = Vec::new();
    while let Ok(client) = server.connect_url(&url).await {
        applications.push(client);
    }
    let late = Daemon::start(&config(&url)).await;
    up(&late, 0.0).await;
    let refused = server.log().matches("FATAL").count();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let refused = server.log().matches("FATAL").count() - refused;
    assert!(refused <= 15, "{refused} refusals in 10 s");
    let why = late.get("/api/v1/targets").await.json()[0]["down_because"].to_string();
    assert!(why.contains("connection") || why.contains("client"), "{why}");
    up(&early, 1.0).await;
    assert!(connections(&server).await <= 3);
    applications.truncate(1);
    late.wait_for(
        "/metrics",
        |answer| value(&answer.text(), "dbsonde_target_up", &[TARGET]) == Some(1.0),
        Duration::from_secs(90),
    )
    .await;
}
