//! What survives: a finding over a restart of ours, and everything seen in a recording.

use crate::rig::Dir;
use crate::rig::daemon::{Daemon, dbsonde};
use crate::rig::postgres::{Server, TIERS, any};
use serde_json::Value;
use std::time::Duration;

const PACES: &str = "[pace]\npulse = \"1s\"\nbeat = \"5s\"\nslow = \"15s\"\nrare = \"60s\"\n";

async fn with_a_duplicate() -> Server {
    let server = Server::start(any(), &[]).await;
    let setup = "create extension pg_stat_statements;
        create table orders (id int primary key, note text);
        insert into orders select n, 'note ' || n from generate_series(1, 100000) n;
        create index orders_note on orders (note); create index orders_note_too on orders (note)";
    server.sql("postgres", setup).await;
    server.sql("postgres", "vacuum analyze orders").await;
    server
}

async fn duplicate(daemon: &Daemon) -> Value {
    let is_found = |answer: &Value| {
        let all = answer["findings"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|finding| finding["rule"] == "index-duplicate")
    };
    let limit = Duration::from_secs(60);
    let answer =
        daemon.wait_for("/api/v1/findings", |answer| is_found(&answer.json()).is_some(), limit).await;
    is_found(&answer.json()).unwrap()
}

/// Reads all of a table for one of its rows, all the time.
fn asks_for_notes(server: &Server) -> tokio::task::JoinHandle<()> {
    let url = server.url("postgres");
    tokio::spawn(async move {
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        loop {
            client.batch_execute("select count(*) from orders where note like '%4711'").await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

/// The statement whose plan is known.
async fn plan(daemon: &Daemon) -> Value {
    let is_known = |answer: &Value| {
        let all = answer.as_array().cloned().unwrap_or_default();
        all.into_iter().find(|planned| planned["shapes"][0]["steps"].to_string().contains("orders"))
    };
    let limit = Duration::from_secs(150);
    let answer = daemon.wait_for("/api/v1/plans", |answer| is_known(&answer.json()).is_some(), limit).await;
    is_known(&answer.json()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_keep_their_age_and_plans_are_known_over_a_restart_of_ours() {
    let server = with_a_duplicate().await;
    for tier in TIERS {
        server.sql("postgres", tier).await;
    }
    let asking = asks_for_notes(&server);
    let config = format!("{PACES}\n[[target]]\nname = \"db\"\nurl = \"{}\"\n", server.url("postgres"));
    let state = Dir::new();
    let args = ["--state.dir", state.path().to_str().unwrap()];
    let daemon = Daemon::start_with(&config, &args, &[]).await;
    let before = duplicate(&daemon).await;
    let plan_before = plan(&daemon).await;
    assert!(daemon.stop().await.success());
    asking.abort();
    assert!(state.join("state.sqlite").exists());
    let daemon = Daemon::start_with(&config, &args, &[]).await;
    let plan_after = plan(&daemon).await;
    let after = duplicate(&daemon).await;
    assert_eq!(before["id"], after["id"]);
    assert_eq!(before["opened_at"], after["opened_at"]);
    // Nobody asks any more, so it is not a second answer.
    assert_eq!(plan_before["digest"], plan_after["digest"]);
    assert_eq!(plan_before["shapes"][0]["last_seen"], plan_after["shapes"][0]["last_seen"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_replays_to_the_same_findings_and_holds_no_literal() {
    let server = with_a_duplicate().await;
    server.sql("postgres", "select count(*) from orders where note = 'canary-4711'").await;
    let folder = Dir::new();
    let directory = folder.join("recording");
    let directory = directory.to_str().unwrap();
    let recorded = dbsonde(&["record", &server.url("postgres"), directory, "--for", "25s"], &[]).await;
    assert_eq!(recorded.code, 0, "{}", recorded.stderr);
    let replayed = dbsonde(&["replay", directory, "--format", "json"], &[]).await;
    // To run without fsync is urgent.
    assert_eq!(replayed.code, 1, "{}", replayed.stderr);
    let seen: Value = serde_json::from_str(&replayed.stdout).unwrap();
    // What the rig is blamed for comes on top: it runs without fsync, and lets us in as superuser.
    let findings = seen["findings"].as_array().unwrap();
    assert!(recorded.stdout.contains(&format!("{} findings", findings.len())), "{}", recorded.stdout);
    let about = |rule: &str| findings.iter().filter(|finding| finding["rule"] == rule).count();
    assert_eq!(about("index-duplicate"), 1, "{seen:#}");
    let packed = std::fs::File::open(std::path::Path::new(directory).join("recording.jsonl.gz")).unwrap();
    let text = std::io::read_to_string(flate2::read::GzDecoder::new(packed)).unwrap();
    assert!(text.contains("orders_note") && !text.contains("canary-4711"));
}
