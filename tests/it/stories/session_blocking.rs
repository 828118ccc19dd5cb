use super::Story;
use crate::rig::mysql::{self, Version};
use serde_json::Value;
use std::time::Duration;
use tokio::task::JoinHandle;

/// A chain of three: the holder sits idle, the first waits for it, the second for the first.
async fn block(story: &Story) -> (tokio_postgres::Client, Vec<JoinHandle<()>>) {
    let holder = story.server.connect("postgres").await;
    holder.batch_execute("begin; lock table accounts in access share mode").await.unwrap();
    let mut victims = Vec::new();
    for statement in
        ["lock table accounts in access exclusive mode", "lock table accounts in access share mode"]
    {
        let client = story.server.connect("postgres").await;
        victims.push(tokio::spawn(async move {
            client.batch_execute(&format!("begin; {statement}; commit")).await.ok();
        }));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    (holder, victims)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_blocks_is_found_ended_and_found_again() {
    let setup = ["create table accounts (id int)"];
    let rules = "warn_after = \"3s\"\n[rules.session-idle-in-transaction]\nwarn_after = \"3s\"";
    let mut story = Story::begin("session-blocking", &[], &setup, rules).await;
    let (holder, victims) = block(&story).await;
    // The server is asked who blocks whom every ten seconds; the second victim came after the first was seen.
    let mut finding = story.appears("pid").await;
    while finding["evidence"]["victims"] != 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        finding = story.appears("pid").await;
        assert!(finding["evidence"]["longest_wait_seconds"].as_f64().unwrap() < 60.0, "{finding:#}");
    }
    assert!(finding["evidence"]["lost_seconds"].as_f64().unwrap() > 0.0);
    // The root sits idle, which is all that has to be mended.
    story.turn_to("session-idle-in-transaction");
    let idle = story.appears("pid").await;
    story.turn_to("session-blocking");
    story.is_said_where(|blocking| blocking["part_of"] == idle["id"]).await;
    story.run(&idle, "sql").await;
    story.resolves("pid").await;
    for victim in victims {
        victim.await.unwrap();
    }
    drop(holder);
    let _again = block(&story).await;
    story.appears("pid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_transaction_that_blocks_is_found_and_resolves_when_it_is_rolled_back() {
    let setup = ["create table accounts (id int)"];
    let settings = [("max_prepared_transactions", "5")];
    let story = Story::begin("session-blocking", &settings, &setup, "warn_after = \"3s\"").await;
    let forgotten = "begin; lock table accounts; prepare transaction 'half of something'";
    story.server.connect("postgres").await.batch_execute(forgotten).await.unwrap();
    let client = story.server.connect("postgres").await;
    let victim = tokio::spawn(async move { client.batch_execute("table accounts").await.unwrap() });
    let finding = story.appears("prepared transaction").await;
    let id = &story.server.sql("postgres", "select transaction from pg_prepared_xacts").await[0][0];
    assert_eq!(finding["evidence"]["prepared_transaction"].to_string(), *id.as_ref().unwrap(), "{finding:#}");
    assert!(!finding.to_string().contains("half of something"), "its name is a literal: {finding:#}");
    story
        .server
        .connect("postgres")
        .await
        .batch_execute("rollback prepared 'half of something'")
        .await
        .unwrap();
    victim.await.unwrap();
    story.resolves("prepared transaction").await;
}

/// A depth of three: one that sits idle holds a row, the second waits for it and holds another, the third for that.
async fn rows(server: &mysql::Server) -> (mysql_async::Conn, Vec<JoinHandle<()>>) {
    let mut holder = server.connect("test").await;
    mysql::run(&mut holder, "begin; update stock set n = 1 where id = 1").await.unwrap();
    let mut waiting = Vec::new();
    for script in [
        "begin; update stock set n = 1 where id = 2; update stock set n = 1 where id = 1; commit",
        "begin; update stock set n = 2 where id = 2; commit",
    ] {
        waiting.push(waits(server, script).await);
    }
    (holder, waiting)
}

/// The same with a schema change and a reader behind the last: both kinds of locks in one tree.
async fn rows_and_shapes(server: &mysql::Server) -> (mysql_async::Conn, Vec<JoinHandle<()>>) {
    let (holder, mut waiting) = rows(server).await;
    for script in ["alter table stock add column note int", "select count(*) from stock"] {
        waiting.push(waits(server, script).await);
    }
    (holder, waiting)
}

async fn waits(server: &mysql::Server, script: &'static str) -> JoinHandle<()> {
    let mut session = server.connect("test").await;
    let task = tokio::spawn(async move {
        // Whoever is ended or has waited too long has done its part.
        let _ = mysql::run(&mut session, script).await;
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    task
}

/// MariaDB has performance_schema off and the instrument of metadata locks as well, until somebody asks for them.
const TOLD: [(&str, &str); 2] = [
    ("performance_schema_instrument", "'wait/lock/metadata/sql/mdl=ON'"),
    ("innodb_lock_wait_timeout", "600"),
];

async fn tell(version: Version) {
    let setup = [
        "create table stock (id int primary key, n int) engine=innodb",
        "insert into stock values (1, 0), (2, 0)",
    ];
    let story = Story::on(version, "session-blocking", &TOLD, &setup, "warn_after = \"3s\"").await;
    let (holder, waiting) = rows(&story.server).await;
    let with = |victims: u64| move |finding: &Value| finding["evidence"]["victims"] == victims;
    let finding = story.is_said_where(with(2)).await;
    let told = &finding["evidence"];
    assert_eq!((&told["object"], &told["locked_rows"]), (&"test.stock".into(), &1.into()), "{finding:#}");
    assert!(told["lock"].as_str().unwrap().starts_with("row X"), "{finding:#}");
    assert_eq!(told["tree"].as_str().unwrap().matches('<').count(), 2, "{finding:#}");
    assert!(finding["because"].as_str().unwrap().contains("idle in transaction"), "{finding:#}");
    story.run(&finding, "sql").await;
    story.resolves("pid").await;
    for waiting in waiting {
        waiting.await.unwrap();
    }
    drop(holder);
    let (_holder, _waiting) = rows_and_shapes(&story.server).await;
    let finding = story.is_said_where(with(4)).await;
    assert_eq!(story.found().await.len(), 1, "one tree: {finding:#}");
    story.run(&finding, "sql").await;
    story.resolves("pid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_of_rows_and_of_metadata_are_one_tree_on_mysql() {
    tell(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_of_rows_and_of_metadata_are_one_tree_on_mariadb() {
    tell(Version::MariaDb118).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_transaction_without_a_session_is_the_root_on_mysql_and_mariadb() {
    for version in mysql::flavours() {
        let setup = [
            "create table stock (id int primary key, n int) engine=innodb",
            "insert into stock values (1, 0)",
        ];
        let story = Story::on(version, "session-blocking", &TOLD, &setup, "warn_after = \"3s\"").await;
        let mut left = story.server.connect("test").await;
        let script = "xa start 'half of something'; update stock set n = 1 where id = 1; xa end 'half of something'; \
                      xa prepare 'half of something'";
        mysql::run(&mut left, script).await.unwrap();
        drop(left);
        let waiting = [
            waits(&story.server, "update stock set n = 2 where id = 1").await,
            waits(&story.server, "alter table stock add column note int").await,
        ];
        let finding = story.is_said_where(|finding| finding["evidence"]["victims"] == 2).await;
        assert!(finding["subject"].as_str().unwrap().starts_with("prepared transaction"), "{finding:#}");
        assert!(!finding.to_string().contains("half of something"), "its name is a literal: {finding:#}");
        story.server.sql("", "xa rollback 'half of something'").await;
        story.resolves("prepared transaction").await;
        for waiting in waiting {
            waiting.await.unwrap();
        }
    }
}
