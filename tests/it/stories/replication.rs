//! Standbys that stand still or do not keep up, on pairs of every engine.

use super::{Stage, Story};
use crate::rig::mysql::{self, Server, Version};
use crate::rig::postgres;
use std::time::Duration;

const RULES: &str = "
    [rules.replication-stopped]
    min_window = \"5s\"
    [rules.replication-lagging]
    min_window = \"5s\"
    warn_after = \"3s\"
    [rules.session-blocking]
    warn_after = \"3s\"
    [rules.index-duplicate]
    min_bytes = \"1KiB\"";

/// A source, and the story of its replica.
async fn pair(version: Version, rule: &'static str) -> (Server, Story<Server>) {
    let source = Server::start(version, &[]).await;
    source.sql("test", "create table orders (id int primary key, note text)").await;
    let replica = source.replica(&[]).await;
    (source, Story::of(replica, rule, &[], RULES).await)
}

async fn stands_still(version: Version) {
    let (source, story) = pair(version, "replication-stopped").await;
    let word = if version.is_mariadb() { "slave" } else { "replica" };
    story.server.sql("", &format!("stop {word} sql_thread")).await;
    let stopped = story.appears("127.0.0.1").await;
    assert_eq!(stopped["evidence"]["error_number"], 0, "{stopped:#}");
    story.run(&stopped, "sql").await;
    story.resolves("127.0.0.1").await;
    story.run(&stopped, "rollback").await;
    story.appears("127.0.0.1").await;
    story.run(&stopped, "sql").await;
    story.resolves("127.0.0.1").await;

    // Somebody writes on the copy what the source will write as well.
    let mut session = story.server.connect("test").await;
    mysql::run(&mut session, "set session sql_log_bin = 0").await.unwrap();
    mysql::run(&mut session, "insert into orders values (7, 'hunter2')").await.unwrap();
    source.sql("test", "insert into orders values (7, 'sesame')").await;
    let broken = story.is_said_where(|finding| finding["evidence"]["error_number"] == 1062).await;
    assert_eq!(broken["severity"], "urgent", "{broken:#}");
    let said = broken.to_string();
    assert!(broken["fix"].is_null() && !said.contains("hunter2") && !said.contains("sesame"), "{broken:#}");
    mysql::run(&mut session, "delete from orders where id = 7").await.unwrap();
    story.server.sql("", &format!("start {word} sql_thread")).await;
    story.resolves("127.0.0.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_mysql_that_stands_still_is_found() {
    stands_still(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_mariadb_that_stands_still_is_found() {
    stands_still(Version::MariaDb118).await;
}

async fn does_not_keep_up(version: Version) {
    let (source, story) = pair(version, "replication-lagging").await;
    let mut backup = story.server.connect("test").await;
    mysql::run(&mut backup, "flush tables with read lock").await.unwrap();
    source.sql("test", "insert into orders values (1, 'a')").await;
    let lagging = story.is_said("127.0.0.1").await;
    assert!(lagging["evidence"]["lag_seconds"].as_f64().unwrap() >= 3.0, "{lagging:#}");
    mysql::run(&mut backup, "unlock tables").await.unwrap();
    story.resolves("127.0.0.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_mysql_that_lags_is_found() {
    does_not_keep_up(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_mariadb_that_lags_is_found() {
    does_not_keep_up(Version::MariaDb118).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_of_postgres_that_stands_still_or_lags_is_found() {
    let primary = postgres::Server::start(postgres::any(), &[("max_standby_streaming_delay", "-1")]).await;
    primary.sql("postgres", "create table orders (id int); insert into orders values (1); create index orders_id on orders (id)").await;
    primary.sql("postgres", "create index orders_id_again on orders (id)").await;
    let standby = primary.replica().await;
    let is_there = "select to_regclass('orders') is not null";
    standby.wait_for("postgres", is_there, Duration::from_secs(30)).await;
    let mut story = Story::of(standby, "replication-stopped", &[], RULES).await;
    story.server.sql("postgres", "select pg_wal_replay_pause()").await;
    let stopped = story.appears("").await;
    story.run(&stopped, "sql").await;
    story.resolves("").await;
    story.run(&stopped, "rollback").await;
    story.appears("").await;
    story.run(&stopped, "sql").await;
    story.resolves("").await;

    story.turn_to("replication-lagging");
    // How old its newest change is, a standby knows from the first that it applies.
    primary.sql("postgres", "insert into orders values (2)").await;
    story.server.wait_for("postgres", "select count(*) = 2 from orders", Duration::from_secs(30)).await;
    let reader = story.server.connect("postgres").await;
    reader.batch_execute("begin; select * from orders").await.unwrap();
    primary.sql("postgres", "truncate orders").await;
    let lagging = story.is_said("").await;
    assert!(lagging["evidence"]["lag_seconds"].as_f64().unwrap() >= 3.0, "{lagging:#}");
    // Whoever comes now waits for the process that plays the truncation, which waits for the reader.
    let victim = story.server.connect("postgres").await;
    let victim = tokio::spawn(async move { victim.batch_execute("select * from orders").await });
    story.turn_to("session-blocking");
    let blocking = story.is_said_where(|blocking| blocking["evidence"]["victims"] == 2).await;
    assert!(blocking["because"].as_str().unwrap().contains("idle in transaction"), "{blocking:#}");
    reader.batch_execute("commit").await.unwrap();
    story.resolves("").await;
    victim.await.unwrap().unwrap();
    story.turn_to("replication-lagging");
    story.resolves("").await;

    // What it copies is mended where it copies it from.
    story.turn_to("index-duplicate");
    let twin = story.appears("public.orders_id").await;
    let head = twin["fix"]["sql"][0].as_str().unwrap();
    assert!(head.starts_with("-- On the primary, not here: this server is a standby"), "{twin:#}");
    let steps = |part: &str| -> Vec<String> { serde_json::from_value(twin["fix"][part].clone()).unwrap() };
    for (part, left) in [("sql", 1), ("rollback", 2)] {
        primary.run(&steps(part).iter().map(String::as_str).collect::<Vec<_>>()).await;
        let copied = format!("select count(*) = {left} from pg_indexes where tablename = 'orders'");
        story.server.wait_for("postgres", &copied, Duration::from_secs(30)).await;
    }
}
