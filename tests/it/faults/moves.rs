//! What stands behind an address becomes another: a failover, an upgrade; or it comes through a thin line, and its
//! neighbour freezes.

use super::{PACES, SOON, TARGET, config, sum, up, value};
use crate::rig::daemon::Daemon;
use crate::rig::postgres::{Server, any, versions};
use crate::rig::proxy::{Mode, Proxy};
use std::time::{Duration, Instant};

const CALLS: &str = "dbsonde_statement_calls_total";

async fn counted(daemon: &Daemon) -> f64 {
    let is_there = |text: &str| text.contains("\ndbsonde_statement_calls_total{");
    let answer = daemon.wait_for("/metrics", |answer| is_there(&answer.text()), SOON).await;
    sum(&answer.text(), CALLS)
}

async fn loaded(server: &Server, calls: usize) {
    server.sql("postgres", "create extension if not exists pg_stat_statements").await;
    let client = server.connect("postgres").await;
    for _ in 0..calls {
        client.simple_query("select 17").await.unwrap();
    }
}

/// The other server has its own numbers, larger and smaller ones; none of them may look like an event here.
async fn moved(first: &Server, second: &Server) {
    loaded(first, 300).await;
    loaded(second, 4_000).await;
    let proxy = Proxy::start(first.port).await;
    let daemon =
        Daemon::start(&config(&format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port))).await;
    let mut before = counted(&daemon).await;
    for port in [second.port, first.port, second.port] {
        proxy.retarget(port);
        proxy.set(Mode::Cut);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        proxy.set(Mode::Pass);
        up(&daemon, 1.0).await;
        tokio::time::sleep(Duration::from_secs(11)).await;
        up(&daemon, 1.0).await;
        let after = counted(&daemon).await;
        assert!(after >= before && after - before < 300.0, "{before} became {after}");
        before = after;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_flips_between_servers_makes_no_spike() {
    let (first, second) = tokio::join!(Server::start_own(any(), &[]), Server::start_own(any(), &[]));
    moved(&first, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_in_place_is_another_server() {
    let (oldest, newest) = (versions()[0], *versions().last().unwrap());
    let (old, new) = tokio::join!(Server::start(oldest, &[]), Server::start(newest, &[]));
    let proxy = Proxy::start(old.port).await;
    let daemon =
        Daemon::start(&config(&format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port))).await;
    let version = |major: u32| {
        let wanted = format!("\"version\":\"{major}");
        move |text: &str| text.contains(&wanted)
    };
    let (is_old, is_new) = (version(oldest), version(newest));
    daemon.wait_for("/api/v1/targets", |answer| is_old(&answer.text()), SOON).await;
    proxy.retarget(new.port);
    proxy.set(Mode::Cut);
    up(&daemon, 0.0).await;
    proxy.set(Mode::Pass);
    daemon.wait_for("/api/v1/targets", |answer| is_new(&answer.text()), Duration::from_secs(90)).await;
    up(&daemon, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_neighbour_delays_nobody() {
    let (mut frozen, healthy) = tokio::join!(Server::start(any(), &[]), Server::start(any(), &[]));
    let target = |name: &str, server: &Server| {
        format!("[[target]]\nname = \"{name}\"\nurl = \"{}\"\n", server.url("postgres"))
    };
    let config = format!("{PACES}{}{}", target("frozen", &frozen), target("db", &healthy));
    let daemon = Daemon::start(&config).await;
    let of = |text: &str, name: &str| value(text, "dbsonde_target_up", &[&format!("target=\"{name}\"")]);
    let both = |text: &str| of(text, "frozen") == Some(1.0) && of(text, "db") == Some(1.0);
    daemon.wait_for("/metrics", |answer| both(&answer.text()), SOON).await;
    frozen.freeze();
    daemon.wait_for("/metrics", |answer| of(&answer.text(), "frozen") == Some(0.0), SOON).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(15) {
        let metrics = daemon.get("/metrics").await.text();
        assert_eq!(of(&metrics, "db"), Some(1.0), "{}", daemon.log());
        // Of the beat, at five seconds; the bound leaves room for a busy machine.
        let age = value(&metrics, "dbsonde_snapshot_age_seconds", &[TARGET, "topic=\"databases\""]);
        assert!(age.is_some_and(|age| age < 12.0), "{age:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    frozen.thaw();
    daemon.wait_for("/metrics", |answer| both(&answer.text()), Duration::from_secs(90)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thin_line_gives_whole_rows_or_none() {
    let server = Server::start(any(), &[]).await;
    server.sql("postgres", "create extension if not exists pg_stat_statements").await;
    let proxy = Proxy::start(server.port).await;
    let daemon =
        Daemon::start(&config(&format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port))).await;
    let before = counted(&daemon).await;
    proxy.set(Mode::Thin(1_000));
    let opened = proxy.opened();
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(proxy.opened() - opened <= 30, "{} connections in 15 s", proxy.opened() - opened);
    let metrics = daemon.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    proxy.set(Mode::Pass);
    let is_up = |text: &str| value(text, "dbsonde_target_up", &[TARGET]) == Some(1.0);
    daemon.wait_for("/metrics", |answer| is_up(&answer.text()), Duration::from_secs(90)).await;
    let after = counted(&daemon).await;
    assert!(after >= before && after - before < 2_000.0, "{before} became {after}");
}
