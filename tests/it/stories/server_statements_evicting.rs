use super::Story;
use crate::rig::postgres::Stop;
use std::fmt::Write;

/// Statements of so many shapes that a hundred places do not hold them.
async fn flood(story: &Story) {
    let client = story.server.connect("postgres").await;
    for round in 0..20 {
        let mut script = String::new();
        for n in 0..100 {
            // Names of columns are nothing to the server's digest, the shape of an expression is.
            write!(script, "select 1{}, 1{};", " + 1".repeat(round), " + 1".repeat(n)).unwrap();
        }
        client.batch_execute(&script).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evictions_are_found_ended_and_found_again() {
    let settings = [("pg_stat_statements.max", "100")];
    let setup = ["create extension pg_stat_statements"];
    let mut story =
        Story::begin("server-statements-evicting", &settings, &setup, "min_window = \"10s\"").await;
    let (finding, ()) = tokio::join!(story.appears("pg_stat_statements"), async {
        for _ in 0..4 {
            flood(&story).await;
        }
    });
    story.run(&finding, "sql").await;
    story.server.restart(Stop::Fast).await;
    story.resolves("pg_stat_statements").await;
    flood(&story).await;
    assert!(story.found().await.is_empty(), "there is room now");
    story.run(&finding, "rollback").await;
    story.server.restart(Stop::Fast).await;
    tokio::join!(story.appears("pg_stat_statements"), async {
        for _ in 0..4 {
            flood(&story).await;
        }
    });
}
