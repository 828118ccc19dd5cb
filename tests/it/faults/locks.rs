//! Locks, slots and readers: whatever applications do to each other, we neither wait long nor make anybody wait.

use super::waits::{self, Storm};
use super::{SOON, TARGET, config, connections, up, value, watched};
use crate::rig::daemon::Daemon;
use crate::rig::postgres::{Server, any};
use std::time::{Duration, Instant};

/// The longest that one of ours may wait for a lock.
const PATIENCE: Duration = Duration::from_millis(150);

/// Looks for so long whether one of ours waits, and whether scrapes do.
async fn nobody_waits_long(what: &str, server: &Server, daemon: &Daemon, how_long: Duration) {
    let scrapes = async {
        let began = Instant::now();
        while began.elapsed() < how_long {
            let asked = Instant::now();
            assert_eq!(daemon.get("/metrics").await.status, 200);
            assert!(asked.elapsed() < Duration::from_secs(2), "a scrape waits for the server");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let (waits, ()) = tokio::join!(waits::of_postgres(server, how_long), scrapes);
    waits.are_short(what, PATIENCE);
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
    let (reader, changer) = (waits::rig(&server, "postgres").await, waits::rig(&server, "postgres").await);
    reader.batch_execute("begin; select * from busy").await.unwrap();
    let change =
        tokio::spawn(async move { changer.batch_execute("alter table busy add column more int").await });
    nobody_waits_long("a queued change", &server, &daemon, Duration::from_secs(15)).await;
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
    let ours: i64 = observer.query_one(OURS, &[]).await.unwrap().get(0);
    holder.batch_execute("begin; lock table pg_class, pg_statistic in access exclusive mode").await.unwrap();
    nobody_waits_long("a locked catalogue", &server, &daemon, Duration::from_secs(15)).await;
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

/// Locks of every reach that come and go, looked at from outside.
#[tokio::test(flavor = "multi_thread")]
async fn storms_of_locks_keep_one_of_ours_waiting_for_a_moment() {
    let server = Server::start(any(), &[]).await;
    for name in ["shop", "forum"] {
        server.sql("postgres", &format!("create database {name}")).await;
        server
            .sql(
                name,
                "create table busy (id int primary key); insert into busy select generate_series(1, 1000)",
            )
            .await;
    }
    let daemon = watched(&server).await;
    for (what, database, script) in [
        (
            "tables",
            "shop",
            "begin; lock table busy in access exclusive mode; select pg_sleep(0.4); commit; select pg_sleep(0.05)",
        ),
        (
            "catalogues",
            "postgres",
            "begin; lock table pg_class, pg_attribute, pg_index, pg_statistic, pg_proc in access exclusive mode;
             select pg_sleep(0.7); commit; select pg_sleep(0.3)",
        ),
        (
            "catalogues rewritten",
            "shop",
            "vacuum full pg_class; vacuum full pg_attribute; vacuum full pg_index; vacuum full busy",
        ),
        (
            "shared catalogues",
            "forum",
            "begin; lock table pg_database, pg_authid, pg_db_role_setting in access exclusive mode; select pg_sleep(2); commit; select pg_sleep(1)",
        ),
    ] {
        let storm = Storm::over(&server, database, script).await;
        nobody_waits_long(what, &server, &daemon, Duration::from_secs(8)).await;
        drop(storm);
    }
    up(&daemon, 1.0).await;
}

/// Behind a lock on who may log in a session waits before any limit of ours holds, and it does not hear that we left.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_that_hangs_behind_a_lock_is_not_repeated() {
    let server = Server::start(any(), &[]).await;
    let daemon = watched(&server).await;
    let (holder, observer) = (waits::rig(&server, "postgres").await, waits::rig(&server, "postgres").await);
    let ours = "select pg_terminate_backend(pid) from pg_stat_get_activity(null) who where application_name like 'dbsonde%'";
    holder
        .simple_query(&format!("begin; lock table pg_authid in access exclusive mode; {ours}"))
        .await
        .unwrap();
    let began = Instant::now();
    let waits = waits::seen_by(&observer, Duration::from_secs(15)).await;
    eprintln!("{} of {} looks saw one wait, {} at once", waits.waiting, waits.looks, waits.at_once);
    // One log-in hangs all the time, however often three lanes would like to try.
    assert!(waits.waiting * 10 > waits.looks * 5, "nobody waited");
    assert_eq!(waits.at_once, 1, "{:?}\n{}", began.elapsed(), daemon.log());
    holder.simple_query("commit").await.unwrap();
    up(&daemon, 1.0).await;
    assert!(connections(&server).await <= 3);
}
