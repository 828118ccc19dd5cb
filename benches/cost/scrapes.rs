//! How long `/metrics` takes over HTTP, plain and packed: at the default budget, while the database stands still,
//! and with as many series as a large server fills.

use super::outside::{scrapes, status_kb};
use super::rig::daemon::Daemon;
use super::rig::postgres::Server;
use std::time::Duration;

pub async fn of_default_budget(daemon: &Daemon, server: &mut Server) {
    scrapes(daemon).await;
    server.freeze();
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("the same while the database is frozen:");
    scrapes(daemon).await;
    server.thaw();
}

pub async fn of_many_series(server: &Server) {
    let config = format!(
        "[budget]\nthrottle = false\nseries = 250000\n[[target]]\nname = \"db\"\nurl = \"{}\"\n",
        server.url("postgres")
    );
    let daemon = Daemon::start(&config).await;
    // Until the tables and indexes have been read twice.
    tokio::time::sleep(Duration::from_secs(240)).await;
    println!("# many series: the large server with room for all it can fill");
    scrapes(&daemon).await;
    let rss = status_kb(daemon.pid, "VmRSS:").unwrap_or(0);
    println!("dbsonde itself: {:.0} MB", rss as f64 / 1024.0);
}
