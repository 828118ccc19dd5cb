//! The faults of servers and networks on MySQL and MariaDB: the same promises as on PostgreSQL.

use super::waits::{self, Storm};
use super::{SOON, TARGET, all_lanes_come_back, config, sum, up, value};
use crate::rig::daemon::Daemon;
use crate::rig::mysql::{Server, Version, flavours, run};
use crate::rig::postgres::{self, Stop};
use crate::rig::proxy::{Mode, Proxy};
use std::time::{Duration, Instant};

const CALLS: &str = "dbsonde_statement_calls_total";
const OURS: &str = "select count(*) from information_schema.processlist where id <> connection_id() and \
    id in (select processlist_id from performance_schema.session_connect_attrs \
           where attr_name = 'program_name' and attr_value like 'dbsonde%')";
/// The longest that one of ours may wait for a lock: the smallest `lock_wait_timeout` of MySQL is a second.
fn patience(version: Version) -> Duration {
    Duration::from_millis(if version.is_mariadb() { 300 } else { 1_200 })
}

async fn number(server: &Server, query: &str) -> f64 {
    let rows = server.sql("", query).await;
    rows[0].last().unwrap().as_deref().unwrap().parse().unwrap()
}

async fn status(server: &Server, name: &str) -> f64 {
    number(server, &format!("show global status like '{name}'")).await
}

pub async fn with_login(version: Version, settings: &[(&str, &str)]) -> (Server, String) {
    let server = Server::start(version, settings).await;
    server
        .sql(
            "test",
            "create user sonde@'%' identified by 'sesame'; grant process, replication client on *.* to sonde@'%';
             grant select on performance_schema.* to sonde@'%'; create table busy (id int primary key, note int);
             insert into busy values (1, 1)",
        )
        .await;
    let url = server.url_as("sonde", "sesame", "");
    (server, url)
}

async fn counted(daemon: &Daemon) -> f64 {
    let is_there = |text: &str| text.contains("\ndbsonde_statement_calls_total{");
    sum(&daemon.wait_for("/metrics", |answer| is_there(&answer.text()), SOON).await.text(), CALLS)
}

async fn watched(url: &str) -> Daemon {
    let daemon = Daemon::start(&config(url)).await;
    counted(&daemon).await;
    daemon
}

async fn back(daemon: &Daemon) -> Duration {
    let began = Instant::now();
    let is_up = |text: &str| value(text, "dbsonde_target_up", &[TARGET]) == Some(1.0);
    daemon.wait_for("/metrics", |answer| is_up(&answer.text()), Duration::from_secs(90)).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_down_and_hears_at_most_two_handshakes() {
    for version in flavours() {
        let (mut server, _) = with_login(version, &[]).await;
        let proxy = Proxy::start(server.port).await;
        let daemon = watched(&format!("mysql://sonde:sesame@127.0.0.1:{}/", proxy.port)).await;
        assert!(number(&server, OURS).await <= 3.0, "{version}");
        let (opened, aborted) = (proxy.opened(), status(&server, "Aborted_connects").await);
        server.freeze();
        up(&daemon, 0.0).await;
        let frozen = Instant::now();
        while frozen.elapsed() < Duration::from_secs(40) {
            let asked = Instant::now();
            let metrics = daemon.get("/metrics").await.text();
            assert!(asked.elapsed() < Duration::from_secs(1), "{version}: scrapes wait for the server");
            assert!(
                !metrics.contains("\ndbsonde_statement_calls_total{"),
                "{version}: an old value sold as new"
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let age = value(&daemon.get("/metrics").await.text(), "dbsonde_snapshot_age_seconds", &[TARGET]);
        assert!(age.is_some_and(|age| age > 30.0), "{version}: {age:?}");
        let handshakes = proxy.opened() - opened;
        assert!(handshakes <= 2, "{version}: {handshakes} handshakes");
        server.thaw();
        eprintln!("{version}: {handshakes} handshakes while frozen");
        all_lanes_come_back(&daemon, "db").await;
        up(&daemon, 1.0).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(number(&server, OURS).await <= 3.0, "{version}");
        let aborted = status(&server, "Aborted_connects").await - aborted;
        assert!(aborted <= 2.0, "{version}: {aborted} aborted handshakes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_crashes_and_failovers_make_no_spike() {
    for version in flavours() {
        let ((mut first, _), (second, _)) = tokio::join!(with_login(version, &[]), with_login(version, &[]));
        for (server, calls) in [(&first, 300), (&second, 3_000)] {
            let mut session = server.connect("test").await;
            for _ in 0..calls {
                run(&mut session, "select 17").await.unwrap();
            }
        }
        let proxy = Proxy::start(first.port).await;
        let daemon = watched(&format!("mysql://sonde:sesame@127.0.0.1:{}/", proxy.port)).await;
        let mut before = counted(&daemon).await;
        for fault in ["killed", "stopped", "there", "back", "there again"] {
            match fault {
                "killed" => first.restart(Stop::Immediate).await,
                "stopped" => first.restart(Stop::Fast).await,
                _ => {
                    proxy.retarget(if fault == "back" { first.port } else { second.port });
                    proxy.set(Mode::Cut);
                    tokio::time::sleep(Duration::from_millis(1_500)).await;
                    proxy.set(Mode::Pass);
                }
            }
            back(&daemon).await;
            tokio::time::sleep(Duration::from_secs(11)).await;
            back(&daemon).await;
            let after = counted(&daemon).await;
            assert!(after >= before && after - before < 300.0, "{version}, {fault}: {before} became {after}");
            before = after;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn used_up_slots_are_said_and_not_fought_for() {
    for version in flavours() {
        let (server, url) = with_login(version, &[("max_connections", "12")]).await;
        let early = watched(&url).await;
        // Its three connections are there, and one of the administrator's; applications take what is left.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mut observer = server.connect("").await;
        let refusals = "show global status like 'Connection_errors_max_connections'";
        let mut applications = Vec::new();
        while let Ok(session) = server.try_connect("sonde", "sesame", "").await {
            applications.push(session);
        }
        let late = Daemon::start(&config(&url)).await;
        up(&late, 0.0).await;
        let count = async |observer: &mut mysql_async::Conn| {
            let rows = run(observer, refusals).await.unwrap();
            rows[0][1].as_deref().unwrap().parse::<u64>().unwrap()
        };
        let refused = count(&mut observer).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        let refused = count(&mut observer).await - refused;
        assert!(refused <= 15, "{version}: {refused} refusals in 10 s");
        let why = late.get("/api/v1/targets").await.json()[0]["down_because"].to_string();
        assert!(why.to_lowercase().contains("too many connections"), "{version}: {why}");
        up(&early, 1.0).await;
        applications.truncate(1);
        back(&late).await;
        up(&early, 1.0).await;
    }
}

/// Locks of every reach, and a change of a table queued behind a reader.
#[tokio::test(flavor = "multi_thread")]
async fn locks_that_are_held_make_us_wait_a_moment_and_nobody_for_us() {
    for version in flavours() {
        let (server, url) = with_login(version, &[]).await;
        let daemon = watched(&url).await;
        for storm in [
            "lock tables test.busy write",
            "flush tables with read lock",
            "lock instance for backup",
            "begin; select * from test.busy",
        ] {
            let mut holder = server.connect("test").await;
            if run(&mut holder, storm).await.is_err() {
                assert!(storm.contains("instance") && version.is_mariadb(), "{version}: {storm}");
                continue;
            }
            let mut changer = server.connect("test").await;
            let change = tokio::spawn(async move {
                run(&mut changer, "alter table busy add column more int").await.map(drop)
            });
            let how_long = Duration::from_secs(8);
            let scrapes = async {
                let began = Instant::now();
                while began.elapsed() < how_long {
                    let asked = Instant::now();
                    let metrics = daemon.get("/metrics").await.text();
                    assert!(asked.elapsed() < Duration::from_secs(2), "{version}: {storm}: a scrape waits");
                    let age =
                        value(&metrics, "dbsonde_snapshot_age_seconds", &[TARGET, "topic=\"statements\""]);
                    assert!(age.is_some_and(|age| age < 15.0), "{version}: {storm}: {age:?}");
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            };
            let (waits, ()) = tokio::join!(waits::of_mysql(&server, how_long), scrapes);
            waits.are_short(&format!("{version}: {storm}"), patience(version));
            assert!(number(&server, OURS).await <= 3.0, "{version}: {storm}");
            let _ = run(&mut holder, "unlock tables; rollback").await;
            drop(holder);
            tokio::time::timeout(SOON, change).await.expect("the change goes through").unwrap().unwrap();
            server.sql("test", "alter table busy drop column more").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_network_is_survived_and_gives_whole_rows_or_none() {
    for version in flavours() {
        let (server, _) = with_login(version, &[]).await;
        let proxy = Proxy::start(server.port).await;
        let daemon = watched(&format!("mysql://sonde:sesame@127.0.0.1:{}/", proxy.port)).await;
        let mut before = counted(&daemon).await;
        for fault in
            [Mode::Stall, Mode::HalfOpen, Mode::Cut, Mode::Thin(1_000), Mode::Delay(Duration::from_secs(2))]
        {
            let opened = proxy.opened();
            proxy.set(fault);
            up(&daemon, 0.0).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
            assert_eq!(daemon.get("/metrics").await.status, 200);
            assert!(proxy.opened() - opened <= 30, "{version}: {} connections", proxy.opened() - opened);
            proxy.set(Mode::Pass);
            eprintln!("{version}: back {:?} after {fault:?}", back(&daemon).await);
            let after = counted(&daemon).await;
            assert!(
                after >= before && after - before < 2_000.0,
                "{version}: {fault:?}: {before} became {after}"
            );
            before = after;
        }
    }
}

/// All that is said in 24 s is lost, on sockets that stay open; then everything is well.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_swallowed_words_keeps_us_out_for_two_intervals() {
    let postgres = postgres::Server::start(postgres::any(), &[]).await;
    let [mysql, mariadb] = flavours();
    let ((mysql, _), (mariadb, _)) = tokio::join!(with_login(mysql, &[]), with_login(mariadb, &[]));
    let mut proxies = Vec::new();
    // Of the usual paces: an interval is fifteen seconds.
    let mut config = String::new();
    for (name, port, url) in [
        ("pg", postgres.port, "postgres://postgres@127.0.0.1:{}/postgres"),
        ("my", mysql.port, "mysql://sonde:sesame@127.0.0.1:{}/"),
        ("ma", mariadb.port, "mysql://sonde:sesame@127.0.0.1:{}/"),
    ] {
        let proxy = Proxy::start(port).await;
        let url = url.replace("{}", &proxy.port.to_string());
        config += &format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n");
        proxies.push(proxy);
    }
    let daemon = Daemon::start(&config).await;
    let all = |text: &str, wanted: f64| {
        ["pg", "my", "ma"]
            .iter()
            .all(|name| value(text, "dbsonde_target_up", &[&format!("target=\"{name}\"")]) == Some(wanted))
    };
    daemon.wait_for("/metrics", |answer| all(&answer.text(), 1.0), SOON).await;
    proxies.iter().for_each(|proxy| proxy.set(Mode::HalfOpen));
    tokio::time::sleep(Duration::from_secs(24)).await;
    assert!(all(&daemon.get("/metrics").await.text(), 0.0), "{}", daemon.log());
    proxies.iter().for_each(|proxy| proxy.set(Mode::Pass));
    let began = Instant::now();
    daemon.wait_for("/metrics", |answer| all(&answer.text(), 1.0), Duration::from_secs(90)).await;
    eprintln!("all back {:?} after the network was well", began.elapsed());
    // Two intervals, and what a busy machine takes.
    assert!(began.elapsed() < Duration::from_secs(35), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_is_a_gap_and_the_others_go_on() {
    for version in flavours() {
        let (server, url) = with_login(version, &[]).await;
        let daemon = watched(&url).await;
        server.sql("", "revoke select on performance_schema.* from sonde@'%'").await;
        super::gap_on(&daemon, "statements", "").await;
        let metrics = daemon.get("/metrics").await.text();
        assert!(!metrics.contains("\ndbsonde_statement_calls_total{"), "{version}: its series go");
        assert_eq!(value(&metrics, "dbsonde_target_up", &[TARGET]), Some(1.0), "{version}");
        server.sql("", "grant select on performance_schema.* to sonde@'%'").await;
        let is_back = |text: &str| text.contains("\ndbsonde_statement_calls_total{");
        daemon.wait_for("/metrics", |answer| is_back(&answer.text()), Duration::from_secs(180)).await;
    }
}

/// A server whose handshakes break is there: whoever restarts a proxy, or renews a certificate, is not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_are_cut_keep_us_out_for_seconds() {
    for version in flavours() {
        let (server, _) = with_login(version, &[]).await;
        let proxy = Proxy::start(server.port).await;
        // The greeting passes, and not much of what comes after it.
        proxy.set(Mode::Breaks(120));
        let daemon = Daemon::start(&config(&format!("mysql://sonde:sesame@127.0.0.1:{}/", proxy.port))).await;
        up(&daemon, 0.0).await;
        tokio::time::sleep(Duration::from_secs(18)).await;
        let knocks = proxy.opened();
        assert!((2..=4).contains(&knocks), "{version}: {knocks} handshakes were cut");
        proxy.set(Mode::Pass);
        let after = back(&daemon).await;
        eprintln!("{version}: {knocks} handshakes cut, back after {after:?}");
        // The next rest is twenty seconds, and the lanes have a back-off of their own.
        assert!(after < Duration::from_secs(75), "{version}: {after:?}");
    }
}

/// The programs are replaced and the data stays, on the same port: MariaDB alone goes from one of ours to the other.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_in_place_needs_no_restart_of_ours() {
    if !crate::rig::mysql::versions().contains(&Version::MariaDb1011) {
        println!("skip: {} is not installed", Version::MariaDb1011);
        return;
    }
    let (mut server, url) = with_login(Version::MariaDb1011, &[]).await;
    let daemon = watched(&url).await;
    let is_it = |major: &str| {
        let wanted = format!("\"version\":\"{major}");
        move |text: &str| text.contains(&wanted)
    };
    let (old, new) = (is_it("10.11"), is_it("11.8"));
    daemon.wait_for("/api/v1/targets", |answer| old(&answer.text()), SOON).await;
    let before = counted(&daemon).await;
    server.upgrade(Version::MariaDb118).await;
    daemon.wait_for("/api/v1/targets", |answer| new(&answer.text()), Duration::from_secs(120)).await;
    back(&daemon).await;
    let after = counted(&daemon).await;
    assert!(after >= before && after - before < 2_000.0, "{before} became {after}");
}

/// Locks of every reach that come and go, looked at from outside.
#[tokio::test(flavor = "multi_thread")]
async fn storms_of_locks_keep_one_of_ours_waiting_for_a_moment() {
    for version in flavours() {
        let (server, url) = with_login(version, &[]).await;
        let daemon = watched(&url).await;
        for script in [
            "lock tables test.busy write; select sleep(0.7); unlock tables; select sleep(0.1)",
            "alter table busy add column more int; alter table busy drop column more; flush tables",
            "lock tables mysql.innodb_index_stats write, mysql.innodb_table_stats write; select sleep(0.7); unlock tables",
            "truncate performance_schema.events_statements_summary_by_digest; flush tables with read lock; select sleep(0.5); unlock tables",
            "backup stage start; backup stage block_commit; select sleep(0.7); backup stage end",
        ] {
            let storm = Storm::over_mysql(&server, script).await;
            let waits = waits::of_mysql(&server, Duration::from_secs(5)).await;
            drop(storm);
            waits.are_short(&format!("{version}: {script}"), patience(version));
        }
        let said = daemon.log();
        assert!(!said.contains("cannot watch"), "{version}: {said}");
    }
}
