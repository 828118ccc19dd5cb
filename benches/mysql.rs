//! What watching costs a real MySQL and MariaDB, side by side with the distribution's mysqld_exporter in one run: on
//! the same server, with the same digests and tables, processor time as the kernel counts it.
//!
//! `cargo bench --bench mysql -- [mysql|mariadb] [--minutes N] [--tables N] [alone]`, where `alone` leaves mysqld_exporter
//! out.

// A measurement that cannot go on has nothing better to do than to panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/rig/mod.rs"]
mod rig;

mod each;
mod outside;

use outside::{processor_ns, scrapes, status_kb};
use rig::daemon::{Daemon, request};
use rig::mysql::{Server, Version, run};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DIGESTS: usize = 5_000;
/// As often as dbsonde's beat.
const SCRAPE_EVERY: Duration = Duration::from_secs(15);
/// What an operator switches on who wants what dbsonde's beat reads: statements, status, InnoDB, tables' and indexes' use.
const COMPARABLE: &[&str] = &[
    "--collect.perf_schema.eventsstatements",
    "--collect.perf_schema.eventsstatements.limit=5000",
    "--collect.info_schema.innodb_metrics",
    "--collect.perf_schema.tableiowaits",
    "--collect.perf_schema.indexiowaits",
    "--collect.perf_schema.file_events",
    "--collect.perf_schema.memory_events",
    "--collect.info_schema.processlist",
    "--collect.auto_increment.columns",
];
const DIGESTS_ONLY: &[&str] = &[
    "--no-collect.global_status",
    "--no-collect.global_variables",
    "--no-collect.slave_status",
    "--no-collect.info_schema.innodb_cmp",
    "--no-collect.info_schema.innodb_cmpmem",
    "--no-collect.info_schema.query_response_time",
    "--collect.perf_schema.eventsstatements",
    "--collect.perf_schema.eventsstatements.limit=5000",
];

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |name: &str, otherwise: usize| {
        let at = words.iter().position(|word| word == name);
        at.map_or(otherwise, |at| words[at + 1].parse().expect("a number"))
    };
    let (minutes, tables) = (number("--minutes", 2), number("--tables", 1_000));
    let is_alone = words.iter().any(|word| word == "alone");
    for (name, version) in [("mysql", Version::MySql97), ("mariadb", Version::MariaDb1011)] {
        if !words.iter().any(|word| word == "mysql" || word == "mariadb") || words.iter().any(|w| w == name) {
            measure(version, minutes as u64, tables, is_alone).await;
        }
    }
}

async fn measure(version: Version, minutes: u64, tables: usize, is_alone: bool) {
    let time = Duration::from_secs(60 * minutes);
    let server = filled(version, tables).await;
    let row =
        server.sql("", "select count(*) from performance_schema.events_statements_summary_by_digest").await;
    println!("# {version}: {} digests, {tables} tables", row[0][0].as_deref().unwrap());
    rest(&server).await;
    let idle = busy(&server, time).await / minutes as f64;
    println!("the server alone, at rest: {idle:.0} ms a minute");
    println!("bare SELECT of the digests' counters: {:.1} ms each", bare_select(&server).await);

    let peers = [("digests alone", DIGESTS_ONLY), ("the comparable set", COMPARABLE)];
    for (what, flags) in peers.into_iter().filter(|_| !is_alone) {
        let exporter = Exporter::start(&server, flags);
        exporter.scrape().await;
        let before = connections(&server).await;
        let (spent, times) = exporter.scrape_for(&server, time).await;
        let each = (spent - idle * minutes as f64) / times as f64;
        let opened = connections(&server).await - before - 1;
        println!("mysqld_exporter, {what}: {each:.1} ms a scrape, {opened} connections for {times} scrapes");
    }

    let config =
        format!("[budget]\nthrottle = false\n[[target]]\nname = \"db\"\nurl = \"{}\"\n", server.url(""));
    let daemon = Daemon::start(&config).await;
    // The first minute reads everything once: texts, schema, sizes.
    let first = busy(&server, Duration::from_secs(60)).await - idle;
    println!("dbsonde, the first minute: {first:.0} ms");
    let lanes = each::lanes(&server).await;
    let open_before = open_tables(&server).await;
    let before =
        (connections(&server).await, opened_tables(&server).await, processor_ns(daemon.pid).unwrap());
    let by_lane = each::spent(&server, &lanes);
    let spent = busy(&server, time).await / minutes as f64 - idle;
    let of_lanes: Vec<f64> = each::spent(&server, &lanes)
        .iter()
        .zip(&by_lane)
        .map(|(now, then)| (now - then) / minutes as f64)
        .collect();
    let own = (processor_ns(daemon.pid).unwrap() - before.2) as f64 / 1e6 / minutes as f64;
    println!("dbsonde, steady: {spent:.0} ms a minute in the server, over all lanes");
    println!("the same by the threads of its sessions: {:.0} ms a minute", of_lanes.iter().sum::<f64>());
    for (lane, spent) in lanes.iter().zip(&of_lanes) {
        println!("  {spent:6.1} ms  {}", lane.name);
    }
    // Two looks of our own are among them.
    println!("connections opened meanwhile: {}", connections(&server).await - before.0 - 2);
    println!("tables opened meanwhile: {}", opened_tables(&server).await - before.1);
    let open_now = open_tables(&server).await;
    println!("open now and not before: {:?}", open_now.difference(&open_before).collect::<Vec<_>>());
    let rss = status_kb(daemon.pid, "VmRSS:").unwrap() as f64 / 1024.0;
    println!("dbsonde itself: {own:.0} ms a minute, {rss:.1} MB");
    each::statements(&server, Duration::from_secs(60)).await;
    scrapes(&daemon).await;
    held_up(server, &daemon).await;
    println!();
}

/// How fast `/metrics` answers while the server cannot.
async fn held_up(mut server: Server, daemon: &Daemon) {
    for lock in ["flush tables with read lock", "lock tables bench.t0 write, bench.t1 write"] {
        let mut session = server.connect("").await;
        run(&mut session, lock).await.unwrap();
        println!("under {lock}:");
        scrapes(daemon).await;
    }
    server.freeze();
    println!("frozen:");
    scrapes(daemon).await;
    server.thaw();
}

/// A server with as many statements and tables as asked.
async fn filled(version: Version, tables: usize) -> Server {
    let size = (2 * DIGESTS).to_string();
    let settings = [
        ("performance_schema_digests_size", size.as_str()),
        ("innodb_buffer_pool_size", "256M"),
        ("table_open_cache", "4000"),
    ];
    let server = Server::start(version, &settings).await;
    server.sql("", "create database bench").await;
    let mut session = server.connect("bench").await;
    for n in 0..tables {
        let table =
            format!("create table t{n} (id int auto_increment primary key, a int, b int, key (a), key (b))");
        run(&mut session, &table).await.unwrap();
    }
    run(&mut session, "truncate performance_schema.events_statements_summary_by_digest").await.unwrap();
    let depth = (DIGESTS / tables).max(1);
    for n in 0..DIGESTS {
        let mut statement = "select a".to_owned();
        (0..n % depth).for_each(|_| statement.push_str(" + b"));
        write!(statement, ", id as wide_enough_to_be_like_a_statement_of_an_application from t{}", n / depth)
            .unwrap();
        run(&mut session, &format!("{statement} where id = 7 and b < 9")).await.unwrap();
    }
    server
}

/// Waits until the server has cleaned up and written what it was filled with: until two looks in a row tell the same.
async fn rest(server: &Server) {
    let mut last = f64::INFINITY;
    for _ in 0..30 {
        let now = busy(server, Duration::from_secs(10)).await;
        if now >= last * 0.8 {
            return;
        }
        last = now;
    }
}

/// Milliseconds of processor time that the server took meanwhile.
async fn busy(server: &Server, how_long: Duration) -> f64 {
    let pid = server.pids()[0];
    let before = processor_ns(pid).unwrap();
    tokio::time::sleep(how_long).await;
    (processor_ns(pid).unwrap() - before) as f64 / 1e6
}

/// The same columns as mysqld_exporter and dbsonde want, and nothing done with them.
async fn bare_select(server: &Server) -> f64 {
    const TIMES: u32 = 20;
    let mut session = server.connect("").await;
    let pid = server.pids()[0];
    let before = processor_ns(pid).unwrap();
    for _ in 0..TIMES {
        let select = "select schema_name, digest, count_star, sum_timer_wait, min_timer_wait, max_timer_wait, sum_lock_time,
            sum_errors, sum_warnings, sum_rows_affected, sum_rows_sent, sum_rows_examined, sum_created_tmp_disk_tables,
            sum_created_tmp_tables, sum_select_full_join, sum_select_scan, sum_sort_rows, sum_sort_merge_passes,
            sum_no_index_used, sum_no_good_index_used, first_seen
            from performance_schema.events_statements_summary_by_digest";
        run(&mut session, select).await.unwrap();
    }
    (processor_ns(pid).unwrap() - before) as f64 / 1e6 / f64::from(TIMES)
}

async fn status(server: &Server, name: &str) -> i64 {
    let row = server.sql("", &format!("show global status like '{name}'")).await;
    row[0][1].as_deref().unwrap().parse().unwrap()
}

async fn connections(server: &Server) -> i64 {
    status(server, "Connections").await
}

/// Every table that the server has open, its own among them.
async fn open_tables(server: &Server) -> BTreeSet<String> {
    let rows = server.sql("", "show open tables").await;
    let name = |cell: &Option<String>| cell.clone().unwrap_or_default();
    rows.iter().map(|row| format!("{}.{}", name(&row[0]), name(&row[1]))).collect()
}

async fn opened_tables(server: &Server) -> i64 {
    status(server, "Opened_tables").await
}

/// mysqld_exporter, ended when dropped.
struct Exporter {
    child: Child,
    port: u16,
    _dir: rig::Dir,
}

impl Exporter {
    fn start(server: &Server, flags: &[&str]) -> Exporter {
        let dir = rig::Dir::new();
        let port = rig::free_port();
        let file = dir.join("my.cnf");
        std::fs::write(&file, format!("[client]\nuser=root\nhost=127.0.0.1\nport={}\n", server.port))
            .unwrap();
        let own = rig::root().join("prometheus/usr/bin/prometheus-mysqld-exporter");
        let mut command = Command::new(own);
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).args(flags);
        command.arg(format!("--config.my-cnf={}", file.display()));
        command.env("DATA_SOURCE_NAME", format!("root@tcp(127.0.0.1:{})/", server.port));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("mysqld_exporter is not installed: run tests/rig/install.sh");
        Exporter { child, port, _dir: dir }
    }

    /// Waits until it listens.
    async fn scrape(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match request(self.port, "GET", "/metrics", &[]).await {
                Ok(answer) => {
                    assert!(
                        answer.text().contains("mysql_up 1"),
                        "mysqld_exporter does not reach the server"
                    );
                    return;
                }
                Err(error) => assert!(Instant::now() < end, "mysqld_exporter: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Milliseconds that the server took, and how many scrapes there were.
    async fn scrape_for(&self, server: &Server, how_long: Duration) -> (f64, u32) {
        let pid = server.pids()[0];
        let before = processor_ns(pid).unwrap();
        let times = (how_long.as_secs() / SCRAPE_EVERY.as_secs()) as u32;
        for _ in 0..times {
            let next = Instant::now() + SCRAPE_EVERY;
            self.scrape().await;
            tokio::time::sleep_until(next.into()).await;
        }
        ((processor_ns(pid).unwrap() - before) as f64 / 1e6, times)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
