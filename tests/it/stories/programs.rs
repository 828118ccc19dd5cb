//! Pages about what a server keeps beside data, and by what it keeps the data.

use super::Story;
use crate::rig::mysql::{self, Version};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Does something over and over, as an application would, whatever becomes of it.
fn busy(mut session: mysql_async::Conn, statement: &'static str, pause: Duration) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let _ = mysql::run(&mut session, statement).await;
            tokio::time::sleep(pause).await;
        }
    })
}

async fn tell_of_engines(version: Version) {
    let prepare = [
        "create table notes (id int auto_increment primary key, note varchar(20)) engine=myisam",
        "create table safe (id int auto_increment primary key, note varchar(20)) engine=innodb",
        "create table `read` (id int primary key) engine=myisam",
        "insert into `read` values (1), (2)",
    ];
    let story = Story::on(version, "table-not-crash-safe", &[], &prepare, "").await;
    let rows = "insert into notes (note) select 'a' from information_schema.collations limit 30;
        insert into safe (note) select 'a' from information_schema.collations limit 30;
        select count(*) from `read`";
    let writer = busy(story.server.connect("test").await, rows, Duration::from_millis(300));
    story.of_an_object("test.notes").await;
    let found = story.found().await;
    assert_eq!(found.len(), 1, "neither InnoDB's nor the one that is only read: {found:#?}");
    writer.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_a_crash_can_damage_is_found_on_mysql() {
    tell_of_engines(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_a_crash_can_damage_is_found_on_mariadb() {
    tell_of_engines(Version::MariaDb118).await;
}

async fn tell_of_events(version: Version) {
    let prepare = [
        "create event nightly on schedule every 1 day do set @done = 1",
        "create event left_behind on schedule every 1 day disable on slave do set @done = 1",
        "create event unwanted on schedule every 1 day disable do set @done = 1",
    ];
    let story = Story::on(version, "event-never-runs", &[("event_scheduler", "OFF")], &prepare, "").await;
    let subjects = ["event_scheduler", "test.left_behind"];
    let mut findings = Vec::new();
    for subject in subjects {
        findings.push(story.appears(subject).await);
    }
    assert_eq!(story.found().await.len(), 2, "{:#?}", story.found().await);
    for part in ["sql", "rollback"] {
        for finding in &findings {
            story.run(finding, part).await;
        }
        for subject in subjects {
            if part == "sql" {
                story.resolves(subject).await;
            } else {
                story.appears(subject).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_never_runs_is_found_on_mysql() {
    tell_of_events(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_never_runs_is_found_on_mariadb() {
    tell_of_events(Version::MariaDb118).await;
}

const HARD: &str = "min_window = \"12s\"";

async fn tell_of_triggers(version: Version) {
    let prepare = [
        "create table orders (id int auto_increment primary key) engine=innodb",
        "create table audit (id int primary key, many int) engine=innodb",
        "create trigger count_orders after insert on orders for each row insert into audit select new.id, sleep(0.2)",
    ];
    let story = Story::on(version, "function-dominant", &[], &prepare, HARD).await;
    let clerk =
        busy(story.server.connect("test").await, "insert into orders values ()", Duration::from_millis(50));
    let found = story.is_said("test.count_orders").await;
    assert!(found["because"].as_str().unwrap().starts_with("trigger test.count_orders kept "), "{found:#}");
    // MariaDB does not count them: that is no zero.
    let statements = found["evidence"]["statements_per_call"].as_f64();
    assert_eq!(statements, (!version.is_mariadb()).then_some(1.0), "{found:#}");
    clerk.abort();
    story.resolves("test.count_orders").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_works_hard_is_found_on_mysql() {
    tell_of_triggers(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_works_hard_is_found_on_mariadb() {
    tell_of_triggers(Version::MariaDb118).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_works_hard_is_found_on_postgres() {
    let prepare = ["create table orders (id serial primary key);
        create function count_orders() returns trigger language plpgsql as $$
        begin perform pg_sleep(0.2); return new; end $$;
        create trigger count_orders after insert on orders for each row execute procedure count_orders()"];
    let story = Story::begin("function-dominant", &[("track_functions", "all")], &prepare, HARD).await;
    let session = story.server.connect("postgres").await;
    let clerk = tokio::spawn(async move {
        loop {
            let _ = session.batch_execute("insert into orders default values").await;
        }
    });
    let found = story.is_said("public.count_orders").await;
    assert!(found["because"].as_str().unwrap().starts_with("trigger public.count_orders kept "), "{found:#}");
    clerk.abort();
    story.resolves("public.count_orders").await;
}
