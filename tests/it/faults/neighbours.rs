//! One of two servers freezes, and the other is watched as before.

use super::{PACES, SOON, TARGET, all_lanes_come_back, value};
use crate::rig::daemon::Daemon;
use crate::rig::{mysql, postgres};
use std::time::{Duration, Instant};

/// Something that answers nobody until it is thawed.
trait Freezes {
    fn freeze(&mut self);
    fn thaw(&mut self);
}

impl Freezes for postgres::Server {
    fn freeze(&mut self) {
        postgres::Server::freeze(self);
    }
    fn thaw(&mut self) {
        postgres::Server::thaw(self);
    }
}

impl Freezes for mysql::Server {
    fn freeze(&mut self) {
        mysql::Server::freeze(self);
    }
    fn thaw(&mut self) {
        mysql::Server::thaw(self);
    }
}

/// `topic` is one of the beat, which comes every five seconds.
async fn delays_nobody(frozen: &mut impl Freezes, bad: &str, good: &str, topic: &str) {
    let target = |name: &str, url: &str| format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n");
    let daemon = Daemon::start(&format!("{PACES}{}{}", target("frozen", bad), target("db", good))).await;
    let of = |text: &str, name: &str| value(text, "dbsonde_target_up", &[&format!("target=\"{name}\"")]);
    let both = |text: &str| of(text, "frozen") == Some(1.0) && of(text, "db") == Some(1.0);
    daemon.wait_for("/metrics", |answer| both(&answer.text()), SOON).await;
    frozen.freeze();
    daemon.wait_for("/metrics", |answer| of(&answer.text(), "frozen") == Some(0.0), SOON).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(15) {
        let metrics = daemon.get("/metrics").await.text();
        assert_eq!(of(&metrics, "db"), Some(1.0), "{}", daemon.log());
        let topic = format!("topic=\"{topic}\"");
        let age = value(&metrics, "dbsonde_snapshot_age_seconds", &[TARGET, &topic]);
        // Room for a busy machine.
        assert!(age.is_some_and(|age| age < 12.0), "{age:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    frozen.thaw();
    all_lanes_come_back(&daemon, "frozen").await;
    daemon.wait_for("/metrics", |answer| both(&answer.text()), SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_neighbour_delays_nobody() {
    use postgres::{Server, any};
    let (mut frozen, healthy) = tokio::join!(Server::start(any(), &[]), Server::start(any(), &[]));
    let (bad, good) = (frozen.url("postgres"), healthy.url("postgres"));
    delays_nobody(&mut frozen, &bad, &good, "databases").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_neighbour_of_mysql_delays_nobody() {
    let [mysql, mariadb] = mysql::flavours();
    let ((mut frozen, bad), (_healthy, good)) =
        tokio::join!(super::mysql::with_login(mysql, &[]), super::mysql::with_login(mariadb, &[]));
    delays_nobody(&mut frozen, &bad, &good, "statements").await;
}
