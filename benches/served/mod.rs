//! A real MariaDB that logs each of its statements, as many as sysbench can have from it, and dbsonde that follows its log.

use crate::outside::processor_ns;
use crate::rig::daemon::Daemon;
use crate::rig::mysql::{Server, Version, run};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(120);

pub async fn measure(seconds: u64) {
    println!(
        "| statements a second | for | written MB | server | dbsonde, of a core | until all is counted | off |"
    );
    println!("|---|---|---|---|---|---|---|");
    let settings = [("slow_query_log", "ON"), ("long_query_time", "0"), ("slow_query_log_file", "slow.log")];
    let server = Server::start(Version::MariaDb118, &settings).await;
    sysbench(&server, "prepare", &[]).await;
    let log = server.data().join("slow.log");
    let mut session = server.connect("").await;
    // Preparing is in another file.
    std::fs::rename(&log, log.with_extension("before")).unwrap();
    run(&mut session, "flush slow logs").await.unwrap();
    let target = format!("[[target]]\nname = \"db\"\nurl = \"{}\"\n", server.url(""));
    let daemon = Daemon::start(&format!("{target}log = {{ path = {log:?} }}\n")).await;
    let before = settled(&daemon).await;
    let written = || std::fs::metadata(&log).unwrap().len();
    let (began, at_first) = (Instant::now(), written());
    let (own, theirs) = (processor_ns(daemon.pid).unwrap(), of_server(&server));
    let sent = sysbench(&server, "run", &[&format!("--time={seconds}"), "--events=0"]).await;
    let wrote = began.elapsed().as_secs_f64();
    let counted = loop {
        let counted = selected(&daemon).await - before;
        if counted >= sent || began.elapsed() > Duration::from_secs_f64(wrote) + PATIENCE {
            break counted;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let all = began.elapsed().as_secs_f64();
    let of_a_core = |before: u64, now: u64| (now - before) as f64 / 1e9 / all * 100.0;
    println!(
        "| {:.0} | {wrote:.0} s | {:.0} | {:.0} % | {:.1} % | {:.1} s | {} |",
        sent as f64 / wrote,
        (written() - at_first) as f64 / 1e6,
        of_a_core(theirs, of_server(&server)),
        of_a_core(own, processor_ns(daemon.pid).unwrap()),
        all - wrote,
        counted - sent,
    );
}

fn of_server(server: &Server) -> u64 {
    server.pids().into_iter().filter_map(processor_ns).sum()
}

/// How often the log has told of the one statement that sysbench sends.
async fn selected(daemon: &Daemon) -> i64 {
    let logs = daemon.get("/api/v1/logs").await.json();
    let rows = logs[0]["log_statements"].as_array().cloned().unwrap_or_default();
    let is_it = |row: &&serde_json::Value| row["fingerprint"] == "select c from sbtest1 where id = ?";
    rows.iter().filter(is_it).map(|row| row["calls"].as_f64().unwrap_or_default() as i64).sum()
}

/// Once the log is followed and nothing comes any more.
async fn settled(daemon: &Daemon) -> i64 {
    let mut before = selected(daemon).await;
    loop {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let now = selected(daemon).await;
        if now == before && daemon.get("/api/v1/logs").await.json()[0]["logs"][0].is_object() {
            return now;
        }
        before = now;
    }
}

/// How many statements it says that it has sent.
async fn sysbench(server: &Server, what: &str, words: &[&str]) -> i64 {
    let port = format!("--mysql-port={}", server.port);
    let mut command = Command::new("sysbench");
    command.args(["oltp_point_select", "--tables=1", "--table-size=10000", "--threads=4"]);
    command.args(["--db-ps-mode=disable", "--skip-trx=on", "--mysql-host=127.0.0.1", &port]);
    command.args(["--mysql-user=root", "--mysql-db=test"]).args(words).arg(what);
    let done = command.stdin(Stdio::null()).output().await.expect("sysbench");
    let report = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{report}");
    let total = report.lines().find_map(|line| line.trim().strip_prefix("total:"));
    total.and_then(|total| total.trim().parse().ok()).unwrap_or_default()
}
