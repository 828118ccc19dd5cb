//! Whether the handbook is silent where nothing is wrong: every server that is installed side by side, each with a
//! well-kept database at work, watched with the settings as they come.
//!
//! `cargo bench --bench health -- [--minutes N]`

// A measurement that cannot go on has nothing better to do than to panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/rig/mod.rs"]
mod rig;

use rig::client::keeps_asking;
use rig::daemon::Daemon;
use rig::mysql::Version;
use rig::postgres::TIERS;
use rig::process::Process;
use rig::{Dir, mysql, postgres, shop};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// So many servers share the machine: each client waits so much longer.
const SLOWER: u64 = 4;
/// What is true of the rig: its servers do not flush, and we look as those who may do everything.
const TRUE_OF_THE_RIG: &str =
    "[rules]\nskip = [\"setting-loses-data\", \"server-watched-with-write-rights\"]\n";
/// MariaDB does not tell what sessions run unless it is asked to, which is worth a finding.
const INSTRUMENTS: [(&str, &str); 1] = [("performance_schema_consumer_events_statements_current", "ON")];
/// The oldest of them have neither documents nor SKIP LOCKED; of PostgreSQL, 10 has no keys on partitioned tables.
const AT_WORK: [Version; 3] = [Version::MySql97, Version::MariaDb1011, Version::MariaDb118];

/// What runs as long as the value lives.
enum Server {
    Postgres(postgres::Server),
    Mysql(mysql::Server),
}

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let minutes = words.iter().position(|word| word == "--minutes");
    let minutes: u64 = minutes.and_then(|at| words.get(at + 1)?.parse().ok()).unwrap_or(10);

    let dir = Dir::new();
    let mut servers = BTreeMap::new();
    let mut benches = Vec::new();
    let mut clients = Vec::new();
    for version in postgres::versions().into_iter().filter(|version| *version >= 11) {
        let server = postgres::Server::start(version, &[]).await;
        for script in TIERS.into_iter().chain([shop::POSTGRES, "vacuum analyze"]) {
            server.sql("postgres", script).await;
        }
        benches.extend(pgbench(&server).await);
        for (statements, pause) in shop::WORK_ON_POSTGRES {
            clients.push(keeps_asking(server.url("postgres"), statements, SLOWER * pause));
        }
        servers.insert(format!("postgres-{version}"), Server::Postgres(server));
    }
    for version in mysql::versions().into_iter().filter(|version| AT_WORK.contains(version)) {
        let server = mysql::Server::start(version, &INSTRUMENTS).await;
        for script in shop::mysql() {
            server.sql("test", &script).await;
        }
        benches.extend(sysbench(&server, &dir).await);
        for (statements, pause) in shop::WORK_ON_MYSQL {
            clients.push(keeps_asking(server.url("test"), statements, SLOWER * pause));
        }
        servers.insert(version.to_string(), Server::Mysql(server));
    }

    let mut config = TRUE_OF_THE_RIG.to_owned();
    for (name, server) in &servers {
        let url = match server {
            Server::Postgres(server) => server.url("postgres"),
            Server::Mysql(server) => server.url("test"),
        };
        config += &format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n");
    }
    let daemon = Daemon::start(&config).await;
    let began = Instant::now();
    println!("# {} servers side by side for {minutes} minutes", servers.len());
    let mut told = BTreeMap::new();
    while began.elapsed() < Duration::from_secs(minutes * 60) {
        tokio::time::sleep(LOOK_EVERY).await;
        let findings = daemon.get("/api/v1/findings").await.json();
        for finding in findings["findings"].as_array().unwrap() {
            let word = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
            let key = (word("target"), word("rule"), word("subject"));
            let minute = began.elapsed().as_secs_f64() / 60.0;
            told.entry(key).or_insert_with_key(|(target, rule, subject)| {
                println!("minute {minute:.1}, {target}: {rule} of {subject}: {}", word("because"));
            });
        }
    }
    let metrics = daemon.get("/metrics").await.text();
    println!("| server | calls counted | findings |\n|---|---|---|");
    for name in servers.keys() {
        let of_target = format!("target=\"{name}\"");
        let calls = metrics
            .lines()
            .filter(|line| line.starts_with("dbsonde_statement_calls_total{") && line.contains(&of_target));
        let calls: f64 = calls.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
        println!("| {name} | {calls:.0} | {} |", told.keys().filter(|(target, ..)| target == name).count());
    }
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(benches.iter_mut().all(|bench| !bench.has_ended()), "a bench gave up before the end");
}

async fn filled(mut fills: Process) {
    while !fills.has_ended() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn pgbench(server: &postgres::Server) -> Option<Process> {
    filled(server.pgbench("pgbench.fill", &["-i", "-q", "-s", "2"])?).await;
    server.pgbench("pgbench.run", &["-c", "2", "-M", "prepared", "-R", "20", "-T", "86400", "-n"])
}

async fn sysbench(server: &mysql::Server, dir: &Dir) -> Option<Process> {
    let run = |what: &str| {
        let mut command = Command::new("sysbench");
        command.args([
            "oltp_read_write",
            "--tables=2",
            "--table-size=10000",
            "--threads=2",
            "--rate=5",
            "--time=86400",
        ]);
        command.args(["--mysql-host=127.0.0.1", "--mysql-user=root", "--mysql-db=test"]);
        command.arg(format!("--mysql-port={}", server.port)).arg(what);
        Process::spawn(command, &dir.join(&format!("sysbench.{}.{what}", server.version)))
    };
    if Command::new("sysbench").arg("--version").output().is_err() {
        println!("skip: sysbench is not installed");
        return None;
    }
    filled(run("prepare")).await;
    Some(run("run"))
}
