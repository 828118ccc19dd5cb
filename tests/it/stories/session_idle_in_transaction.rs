use super::Story;
use crate::rig::mysql::{self, Version};

async fn forget_to_commit(story: &Story) -> tokio_postgres::Client {
    let client = story.server.connect("postgres").await;
    client.batch_execute("begin; create temp table t (a int); insert into t values (1)").await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_transaction_is_found_ended_and_found_again() {
    let story = Story::begin("session-idle-in-transaction", &[], &[], "warn_after = \"3s\"").await;
    let _forgotten = forget_to_commit(&story).await;
    let finding = story.appears("pid").await;
    assert_eq!(finding["severity"], "warning");
    story.run(&finding, "sql").await;
    story.resolves("pid").await;
    // The fix also limits the role; the way back takes the limit away, and the next to forget is found again.
    story.run(&finding, "rollback").await;
    let limit = story.server.sql("postgres", "select count(*) from pg_db_role_setting").await;
    assert_eq!(limit[0][0].as_deref(), Some("0"));
    let _again = forget_to_commit(&story).await;
    story.appears("pid").await;
}

async fn tell(version: Version) {
    let setup = ["create table t (a int primary key)"];
    let story = Story::on(version, "session-idle-in-transaction", &[], &setup, "warn_after = \"3s\"").await;
    for _ in 0..2 {
        let mut forgotten = story.server.connect("test").await;
        mysql::run(&mut forgotten, "begin; insert into t values (1)").await.unwrap();
        let finding = story.appears("pid").await;
        assert_eq!(finding["severity"], "warning");
        story.run(&finding, "sql").await;
        story.resolves("pid").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_transaction_is_found_on_mysql() {
    tell(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_transaction_is_found_on_mariadb() {
    tell(Version::MariaDb118).await;
}
