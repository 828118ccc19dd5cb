//! Through PgBouncer: refused where sessions go from hand to hand, at home where they stay.

use crate::rig::daemon::{Daemon, dbsonde};
use crate::rig::pgbouncer::{Pgbouncer, program};
use crate::rig::postgres::{Server, any};
use std::time::Duration;

/// What others would find in the sessions of the pool.
async fn left_behind(server: &Server, bouncer: &Pgbouncer) -> Vec<String> {
    let others = server.connect_url(&bouncer.url()).await.unwrap();
    let mut left = Vec::new();
    for setting in ["lock_timeout", "statement_timeout", "default_transaction_read_only"] {
        let answer = others.simple_query(&format!("show {setting}")).await.unwrap();
        for message in answer {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                left.push(row.get(0).unwrap_or_default().to_owned());
            }
        }
    }
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_hands_sessions_on_is_refused_and_left_as_it_was() {
    if program().is_none() {
        eprintln!("skip: pgbouncer is not installed");
        assert!(std::env::var_os("CI").is_none(), "pgbouncer");
        return;
    }
    let server = Server::start(any(), &[]).await;
    for mode in ["transaction", "statement"] {
        for more in ["", "ignore_startup_parameters = options", "server_round_robin = 1"] {
            let bouncer = Pgbouncer::start(&server, mode, more).await;
            let said = dbsonde(&["inspect", &bouncer.url(), "--for", "1s"], &[]).await;
            assert_eq!(said.code, 69, "{mode} {more}: {}", said.stderr);
            assert!(said.stderr.contains("in session mode"), "{mode} {more}: {}", said.stderr);
            assert_eq!(left_behind(&server, &bouncer).await, ["0", "0", "off"], "{mode} {more}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_keeps_sessions_serves() {
    if program().is_none() {
        eprintln!("skip: pgbouncer is not installed");
        return;
    }
    let server = Server::start(any(), &[]).await;
    server.sql("postgres", "create extension pg_stat_statements").await;
    for more in ["", "ignore_startup_parameters = options"] {
        let bouncer = Pgbouncer::start(&server, "session", more).await;
        let config =
            format!("[pace]\nbeat = \"5s\"\n[[target]]\nname = \"db\"\nurl = \"{}\"\n", bouncer.url());
        let daemon = Daemon::start(&config).await;
        let is_read = |text: String| {
            text.contains("dbsonde_statement_calls_total{") && text.contains("dbsonde_table_index_bytes{")
        };
        daemon.wait_for("/metrics", |answer| is_read(answer.text()), Duration::from_secs(60)).await;
        let ours = "select count(*) <= 3 from pg_stat_activity where application_name like 'dbsonde%'";
        server.wait_for("postgres", ours, Duration::from_secs(20)).await;
        let metrics = daemon.get("/metrics").await.text();
        assert!(!metrics.contains("dbsonde_watcher_sessions{"), "it takes itself for another: {metrics}");
        drop(daemon);
        // Its own reset between clients brings back what was.
        server.wait_for("postgres", "select count(*) = 0 from pg_stat_activity where application_name like 'dbsonde%' and state <> 'idle'", Duration::from_secs(20)).await;
        assert_eq!(left_behind(&server, &bouncer).await, ["0", "0", "off"], "{more}");
    }
}
