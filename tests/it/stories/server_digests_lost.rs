use super::Story;
use crate::rig::mysql::{self, Server, Version};
use crate::rig::postgres::Stop;
use serde_json::Value;
use std::time::Duration;

/// Statements of so many shapes that a hundred places do not hold them.
async fn flood(server: &Server) {
    let mut session = server.connect("test").await;
    for n in 0..150 {
        let sum = vec!["1"; n + 1].join(" + ");
        mysql::run(&mut session, &format!("select {sum}")).await.unwrap();
    }
}

/// Again and again, until the finding is there.
async fn found_in_a_flood(story: &Story<Server>) -> Value {
    let flood = async {
        loop {
            flood(&story.server).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::select! {
        finding = story.appears("digests") => finding,
        () = flood => unreachable!(),
    }
}

async fn tell(version: Version) {
    let settings = [("performance_schema_digests_size", "100")];
    let rules = "min_window = \"10s\"";
    let mut story = Story::on(version, "server-digests-lost", &settings, &[], rules).await;
    let finding = found_in_a_flood(&story).await;
    story.run(&finding, "sql").await;
    if version.is_mariadb() {
        story.server.set("performance_schema_digests_size", "10000");
    }
    story.server.restart(Stop::Fast).await;
    assert_eq!(
        story.server.sql("", "select @@performance_schema_digests_size").await[0][0].as_deref(),
        Some("10000")
    );
    story.resolves("digests").await;
    flood(&story.server).await;
    assert!(story.found().await.is_empty(), "there is room now");
    story.run(&finding, "rollback").await;
    if version.is_mariadb() {
        story.server.set("performance_schema_digests_size", "100");
    }
    story.server.restart(Stop::Fast).await;
    found_in_a_flood(&story).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_digests_are_found_on_mysql() {
    tell(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_digests_are_found_on_mariadb() {
    tell(Version::MariaDb118).await;
}
