//! Through somebody who speaks MySQL's protocol: refused where statements go from session to session, at home where a
//! session stays.

use crate::rig::daemon::{Daemon, dbsonde};
use crate::rig::mysql::pool::Pool;
use crate::rig::mysql::{Server, flavours};
use std::time::Duration;

/// Sessions whose limits are not the server's own.
const LEFT: &str = "select count(*) from performance_schema.variables_by_thread
    where variable_name = 'lock_wait_timeout' and variable_value = '1'";

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_hands_statements_on_is_refused_and_left_as_it_was() {
    for version in flavours() {
        let server = Server::start(version, &[]).await;
        let pool = Pool::start(server.port, true).await;
        let before = server.sql("", "show global status like 'Com_set_option'").await;
        let said = dbsonde(&["inspect", &pool.url(), "--for", "1s"], &[]).await;
        assert_eq!(said.code, 69, "{version}: {}", said.stderr);
        assert!(said.stderr.contains("session mode"), "{version}: {}", said.stderr);
        // Not one SET went to a session that somebody else may be given.
        let after = server.sql("", "show global status like 'Com_set_option'").await;
        assert_eq!(before, after, "{version}");
        let daemon = Daemon::start(&format!("[[target]]\nname = \"db\"\nurl = \"{}\"\n", pool.url())).await;
        let is_told = |text: &str| text.contains("multiplexing") && text.contains("\"up\":false");
        daemon.wait_for("/api/v1/targets", |answer| is_told(&answer.text()), Duration::from_secs(40)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_keeps_sessions_serves() {
    for version in flavours() {
        let server = Server::start(version, &[]).await;
        let pool = Pool::start(server.port, false).await;
        let config = format!("[pace]\nbeat = \"5s\"\n[[target]]\nname = \"db\"\nurl = \"{}\"\n", pool.url());
        let daemon = Daemon::start(&config).await;
        let is_read = |text: String| text.contains("\ndbsonde_statement_calls_total{");
        daemon.wait_for("/metrics", |answer| is_read(answer.text()), Duration::from_secs(60)).await;
        if !version.is_mariadb() {
            let limited = server.sql("", LEFT).await;
            assert!(limited[0][0].as_deref().is_some_and(|many| many != "0"), "{version}: {limited:?}");
        }
        let metrics = daemon.get("/metrics").await.text();
        assert!(!metrics.contains("dbsonde_watcher_sessions{"), "it takes itself for another: {metrics}");
    }
}
