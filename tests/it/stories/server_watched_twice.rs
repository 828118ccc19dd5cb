//! Two processes on the same servers: each notices the other, and not itself. What ends it is to stop one.

use super::{LIMIT, PACES};
use crate::rig::daemon::{Daemon, Response};
use crate::rig::mysql::{self, flavours};
use crate::rig::postgres::{self, any};

const PAGE: &str = "server-watched-twice";

/// On which targets it is open.
fn told(answer: &Response) -> Vec<String> {
    let answer = answer.json();
    let all = answer["findings"].as_array().unwrap().iter();
    let mut open: Vec<String> = all
        .filter(|entry| entry["rule"] == PAGE)
        .map(|entry| entry["target"].as_str().unwrap().to_owned())
        .collect();
    open.sort();
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_us_notice_each_other_on_every_engine() {
    let [mysql, mariadb] = flavours();
    let (postgres, mysql, mariadb) = tokio::join!(
        postgres::Server::start(any(), &[]),
        mysql::Server::start(mysql, &[]),
        mysql::Server::start(mariadb, &[])
    );
    let all =
        [("mariadb", mariadb.url("")), ("mysql", mysql.url("")), ("postgres", postgres.url("postgres"))];
    let targets: String =
        all.iter().map(|(name, url)| format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n")).collect();
    let config = format!("{PACES}[rules.{PAGE}]\nmin_seen = \"10s\"\n{targets}");
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();

    let first = Daemon::start(&config).await;
    let second = Daemon::start(&config).await;
    for daemon in [&first, &second] {
        let entry = daemon.wait_for("/api/v1/findings", |answer| told(answer) == names, LIMIT).await.json();
        let because = entry["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["rule"] == PAGE)
            .unwrap()["because"]
            .to_string();
        assert!(because.contains("Another dbsonde watches this server beside us, from "), "{because}");
    }
    let metrics = first.get("/metrics").await.text();
    let others = metrics.lines().filter(|line| line.starts_with("dbsonde_watcher_sessions{")).count();
    assert_eq!(others, 3, "{metrics}");

    // Its own three sessions stay, and are nobody else's.
    second.stop().await;
    first.wait_for("/api/v1/findings", |answer| told(answer).is_empty(), LIMIT).await;
    let again = Daemon::start(&config).await;
    first.wait_for("/api/v1/findings", |answer| told(answer) == names, LIMIT).await;
    drop(again);
}
