//! Pages about what a log tells, on a server that writes one; it is found by itself.

use super::Story;
use serde_json::Value;
use std::time::Duration;

const RULES: &str = "
[rules.server-errors]
min_errors = 3.0
min_window = \"10s\"
min_before = \"1s\"
[rules.statement-cancelled]
min_cancels = 2.0
min_window = \"10s\"
[rules.server-deadlocks]
min_deadlocks = 1.0
min_window = \"10s\"
[rules.session-connect-storm]
min_rate = 0.5
min_window = \"10s\"
[rules.server-checkpoint-storm]
min_complaints = 1.0
min_window = \"10s\"
";

/// One statement after the other in a session of its own, again and again, until it is said.
async fn provoked(story: &Story, subject: &str, statements: &[&str]) -> Value {
    let again = async {
        loop {
            let client = story.server.connect("postgres").await;
            for statement in statements {
                // To fail is what some of them are for.
                let _ = client.batch_execute(statement).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        finding = story.is_said(subject) => finding,
        () = again => unreachable!(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_log_tells() {
    let settings = [
        ("logging_collector", "on"),
        ("log_destination", "csvlog"),
        ("log_connections", "on"),
        ("deadlock_timeout", "100ms"),
        ("max_wal_size", "32MB"),
        ("min_wal_size", "32MB"),
    ];
    let prepare = ["create table rung (id int primary key, n int);
         insert into rung values (1, 0), (2, 0);
         create table written (note text)"];
    let mut story = Story::of_several("session-connect-storm", &settings, &prepare, RULES).await;
    provoked(&story, "connections", &["select 1"]).await;
    // There was time enough without it.
    story.turn_to("server-errors");
    provoked(&story, "22012", &["select 1 / 0"]).await;

    story.turn_to("statement-cancelled");
    let slow = ["set statement_timeout = '20ms'", "select pg_sleep(60) from rung"];
    let cancelled = provoked(&story, "", &slow).await;
    assert!(cancelled["because"].as_str().unwrap().contains("pg_sleep"), "{cancelled:#}");

    story.turn_to("server-checkpoint-storm");
    let load =
        ["insert into written select repeat('x', 1000) from generate_series(1, 40000)", "truncate written"];
    let storm = provoked(&story, "checkpoints", &load).await;
    story.run(&storm, "sql").await;

    story.turn_to("server-deadlocks");
    let rings = async {
        loop {
            let (one, other) =
                (story.server.connect("postgres").await, story.server.connect("postgres").await);
            one.batch_execute("begin; update rung set n = n + 1 where id = 1").await.unwrap();
            other.batch_execute("begin; update rung set n = n + 1 where id = 2").await.unwrap();
            let (_, _) = tokio::join!(
                one.batch_execute("update rung set n = n + 1 where id = 2"),
                other.batch_execute("update rung set n = n + 1 where id = 1"),
            );
        }
    };
    let deadlock = tokio::select! {
        finding = story.is_said("+") => finding,
        () = rings => unreachable!(),
    };
    let statements = deadlock["evidence"]["statements"].to_string();
    assert!(statements.to_lowercase().contains("update rung set"), "{deadlock:#}");
    story.resolves("+").await;
    story.turn_to("server-checkpoint-storm");
    story.resolves("checkpoints").await;
}
