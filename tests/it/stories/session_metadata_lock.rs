use super::Story;
use crate::rig::mysql::{self, Server, Version};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A reader that stays in its transaction, a schema change behind it, and a reader behind that.
async fn queue(server: &Server, column: &str) -> (mysql_async::Conn, Vec<JoinHandle<()>>) {
    let mut holder = server.connect("test").await;
    mysql::run(&mut holder, "begin; select count(*) from stock").await.unwrap();
    let mut waiting = Vec::new();
    let change = format!("alter table stock add column {column} int");
    for statement in [change, "select count(*) from stock".to_owned()] {
        let mut session = server.connect("test").await;
        waiting.push(tokio::spawn(async move {
            // Whoever is ended by the fix has done its part.
            let _ = mysql::run(&mut session, &statement).await;
        }));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    (holder, waiting)
}

async fn tell(version: Version) {
    let prepare = ["create table stock (id int primary key)"];
    let story = Story::on(version, "session-metadata-lock", &[], &prepare, "warn_after = \"3s\"").await;
    let (holder, waiting) = queue(&story.server, "note").await;
    let finding = story.appears("").await;
    assert!(finding["evidence"]["waiting_sessions"].as_u64().unwrap() >= 1, "{finding:#}");
    story.run(&finding, "sql").await;
    story.resolves("").await;
    for session in waiting {
        session.await.unwrap();
    }
    drop(holder);
    let _again = queue(&story.server, "more").await;
    story.appears("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_behind_a_schema_change_is_found_on_mysql() {
    tell(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_behind_a_schema_change_is_found_on_mariadb() {
    tell(Version::MariaDb118).await;
}
