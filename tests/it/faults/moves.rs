//! What stands behind an address becomes another: a failover, an upgrade; or it comes through a thin line.

use super::{PACES, SOON, TARGET, config, sum, up, value};
use crate::rig::daemon::Daemon;
use crate::rig::mysql;
use crate::rig::postgres::{Server, Stop, any, versions};
use crate::rig::proxy::{Mode, Proxy};
use crate::rig::shim::Shim;
use std::time::Duration;

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

/// The standby has the identity of its primary and counts on its own; it takes the address over.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_promoted_takes_the_address_over() {
    let mut primary = Server::start_own(any(), &[]).await;
    loaded(&primary, 3_000).await;
    let standby = primary.replica().await;
    let proxy = Proxy::start(primary.port).await;
    let daemon =
        Daemon::start(&config(&format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port))).await;
    let before = counted(&daemon).await;
    primary.stop(Stop::Immediate);
    up(&daemon, 0.0).await;
    standby.promote().await;
    proxy.retarget(standby.port);
    proxy.set(Mode::Cut);
    proxy.set(Mode::Pass);
    let is_up = |text: &str| value(text, "dbsonde_target_up", &[TARGET]) == Some(1.0);
    daemon.wait_for("/metrics", |answer| is_up(&answer.text()), Duration::from_secs(90)).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    let after = counted(&daemon).await;
    assert!(after >= before && after - before < 300.0, "{before} became {after}");
    let targets = daemon.get("/api/v1/targets").await.json();
    assert_eq!(targets[0]["role"], "primary", "{targets}");
}

/// A name is looked up at each connect: who moves behind it is found without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_moves_is_looked_up_again() {
    let (first, second) = tokio::join!(Server::start_own(any(), &[]), Server::start_own(any(), &[]));
    let [mysql, mariadb] = mysql::flavours();
    let started = |version| mysql::Server::start(version, &[]);
    let (my_first, my_second, ma_first, ma_second) =
        tokio::join!(started(mysql), started(mysql), started(mariadb), started(mariadb));
    let mut pairs = Vec::new();
    let shim = Shim::new(std::path::Path::new("/nowhere"));
    let mut settings = PACES.to_owned();
    for (name, url, from, to) in [
        ("postgres", "postgres://postgres@moving.rig:{}/postgres", first.port, second.port),
        ("mysql", "mysql://root@moving.rig:{}/", my_first.port, my_second.port),
        ("mariadb", "mysql://root@moving.rig:{}/", ma_first.port, ma_second.port),
    ] {
        let here = Proxy::start(from).await;
        let there = Proxy::start_at("127.0.0.2".parse().unwrap(), here.port, to).await;
        let url = url.replace("{}", &here.port.to_string());
        settings += &format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n");
        pairs.push((here, there));
    }
    shim.moving_rig(1);
    let environment = shim.environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let daemon = Daemon::start_with(&settings, &[], &environment).await;
    let all_up = |text: &str| {
        ["postgres", "mysql", "mariadb"]
            .iter()
            .all(|name| value(text, "dbsonde_target_up", &[&format!("target=\"{name}\"")]) == Some(1.0))
    };
    daemon.wait_for("/metrics", |answer| all_up(&answer.text()), SOON).await;
    assert!(pairs.iter().all(|(here, there)| here.opened() > 0 && there.opened() == 0));
    shim.moving_rig(2);
    pairs.iter().for_each(|(here, _)| here.set(Mode::Cut));
    let moved = |_: &str| pairs.iter().all(|(_, there)| there.opened() >= 3);
    daemon.wait_for("/metrics", |answer| moved(&answer.text()), Duration::from_secs(90)).await;
    daemon.wait_for("/metrics", |answer| all_up(&answer.text()), Duration::from_secs(90)).await;
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

/// A kilobyte a second, and two seconds each way.
#[tokio::test(flavor = "multi_thread")]
async fn a_thin_line_and_a_long_one_give_whole_rows_or_none() {
    let server = Server::start(any(), &[]).await;
    server.sql("postgres", "create extension if not exists pg_stat_statements").await;
    let lines = [
        ("thin", Mode::Thin(1_000), Proxy::start(server.port).await),
        ("long", Mode::Delay(Duration::from_secs(2)), Proxy::start(server.port).await),
    ];
    let mut settings = PACES.to_owned();
    for (name, _, proxy) in &lines {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port);
        settings += &format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n");
    }
    let daemon = Daemon::start(&settings).await;
    let of = |text: &str, name: &str| {
        let of_target = format!("target=\"{name}\"");
        let is_up = value(text, "dbsonde_target_up", &[&of_target]) == Some(1.0);
        let mine = text.lines().filter(|line| line.starts_with(CALLS) && line.contains(&of_target));
        let calls: f64 = mine.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
        (is_up, calls)
    };
    let counted = async |name: &str, limit: Duration| {
        let is_there = |(is_up, calls): (bool, f64)| is_up && calls > 0.0;
        let answer = daemon.wait_for("/metrics", |answer| is_there(of(&answer.text(), name)), limit).await;
        of(&answer.text(), name).1
    };
    let before = [counted("thin", SOON).await, counted("long", SOON).await];
    let opened: Vec<usize> = lines.iter().map(|(.., proxy)| proxy.opened()).collect();
    lines.iter().for_each(|(_, mode, proxy)| proxy.set(*mode));
    let is_down = |text: &str| !of(text, "long").0;
    daemon.wait_for("/metrics", |answer| is_down(&answer.text()), SOON).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    for ((name, _, proxy), before) in lines.iter().zip(opened) {
        assert!(proxy.opened() - before <= 30, "{name}: {} connections", proxy.opened() - before);
    }
    assert_eq!(daemon.get("/metrics").await.status, 200);
    lines.iter().for_each(|(.., proxy)| proxy.set(Mode::Pass));
    for ((name, ..), before) in lines.iter().zip(before) {
        let after = counted(name, Duration::from_secs(90)).await;
        assert!(after >= before && after - before < 2_000.0, "{name}: {before} became {after}");
    }
}
