//! The counts of statements against a client that is nobody of ours: sysbench, and what it says at its end that it sent.

use crate::counts::{FORGET, breaks, counted, digest, read};
use crate::rig::daemon::Daemon;
use crate::rig::mysql::{Server, Version, flavours};
use crate::rig::postgres::Stop;
use crate::versions::engine;
use dbsonde::engine::Lane;
use dbsonde::model::{Scope, Topic, Window};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// What one transaction of `oltp_read_write` sends to its one table, and how often.
const SENT: [(&str, u64); 9] = [
    ("select c from sbtest1 where id=?", 10),
    ("select c from sbtest1 where id between ? and ?", 1),
    ("select sum(k) from sbtest1 where id between ? and ?", 1),
    ("select c from sbtest1 where id between ? and ? order by c", 1),
    ("select distinct c from sbtest1 where id between ? and ? order by c", 1),
    ("update sbtest1 set k=k+1 where id=?", 1),
    ("update sbtest1 set c=? where id=?", 1),
    ("delete from sbtest1 where id=?", 1),
    ("insert into sbtest1 (id, k, c, pad) values (?, ?, ?, ?)", 1),
];
/// Threads of the server count the same statement without a lock between them: now and then one of ten thousand is lost.
const BELOW: f64 = 0.999;
/// By how much we may be above the client. A statement that fails is counted by the server and not by sysbench.
const ABOVE: f64 = 1.01;

/// What sysbench says that it did.
#[derive(Debug)]
struct Told {
    transactions: u64,
    reads: u64,
    writes: u64,
}

impl Told {
    fn of(report: &str) -> Told {
        let number = |name: &str| {
            let mut lines = report.lines().filter_map(|line| line.trim().strip_prefix(name));
            let number = lines.next().and_then(|rest| rest.split_whitespace().next());
            number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {name} in {report}"))
        };
        Told { transactions: number("transactions:"), reads: number("read:"), writes: number("write:") }
    }
}

/// How statements are sent: whole, or prepared once by each thread and then run by their number.
const WHOLE: &str = "--db-ps-mode=disable";
const PREPARED: &str = "--db-ps-mode=auto";

/// None where it is not installed.
async fn sysbench(server: &Server, what: &str, words: &[&str]) -> Option<Told> {
    let port = format!("--mysql-port={}", server.port);
    let mut command = Command::new("sysbench");
    command.args([
        "oltp_read_write",
        "--tables=1",
        "--table-size=10000",
        "--threads=4",
        "--rand-type=uniform",
    ]);
    command
        .args(["--mysql-host=127.0.0.1", &port, "--mysql-user=root", "--mysql-db=test"])
        .args(words)
        .arg(what);
    let child = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let Ok(done) = child else {
        println!("skip: sysbench is not installed");
        return None;
    };
    let report = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{report}{}", String::from_utf8_lossy(&done.stderr));
    Some(if what == "run" { Told::of(&report) } else { Told { transactions: 0, reads: 0, writes: 0 } })
}

/// Makes its table. What it sends later is new, and known by its wording as soon as it is counted.
async fn is_prepared(server: &Server) -> bool {
    sysbench(server, "prepare", &[WHOLE]).await.is_some()
}

/// How often the server says that the first of them has run.
async fn by_server(server: &Server) -> u64 {
    let sql =
        "select coalesce(sum(count_star), 0) from performance_schema.events_statements_summary_by_digest
        where schema_name = 'test' and replace(replace(lower(trim(digest_text)), '`', ''), '  ', ' ')
            in ('select c from sbtest1 where id = ?', 'execute select c from sbtest1 where id = ?')";
    server.sql("", sql).await[0][0].as_deref().unwrap().parse().unwrap()
}

/// Between two readings each digest has run as often as sysbench sent it, or there is a gap that says why not.
async fn each_digest_is_counted(version: Version) {
    let mut server = Server::start(version, &[]).await;
    if !is_prepared(&server).await {
        return;
    }
    let mut beat = engine(&server.url("test")).open(Lane::Beat);
    read(&mut beat).await;
    let mut before = read(&mut beat).await;
    let mut served = by_server(&server).await;
    let rounds = [("", WHOLE), ("forgotten", WHOLE), ("", PREPARED), ("restarted", WHOLE), ("", WHOLE)];
    for (round, (loss, how)) in rounds.into_iter().enumerate() {
        // The oldest digest is dated by the second on some servers, and nobody reads twice in one.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let words = [how, "--time=3", "--events=0"];
        let run = sysbench(&server, "run", &words);
        let forget = async {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            if loss == "forgotten" {
                server.sql("", FORGET).await;
            }
        };
        let (told, ()) = tokio::join!(run, forget);
        let told = told.expect("it was here before");
        assert!(told.transactions > 20, "{version}: {told:?}");
        if loss == "restarted" {
            server.restart(Stop::Fast).await;
        }
        let after = read(&mut beat).await;
        let window = Window::between(&before, &after);
        let gap = window.gaps.get(&(Topic::Statements, Scope::Server));
        if how == PREPARED && version.is_mariadb() {
            // It makes no digest of what is prepared so: what is not counted is said.
            assert!(gap.is_some_and(|why| why.contains("prepare")), "round {round}: {gap:?}");
            (before, served) = (after, by_server(&server).await);
            continue;
        }
        assert_eq!(gap.is_some(), !loss.is_empty(), "{version}, round {round}: {gap:?}");
        let found = counted(&window);
        let now = by_server(&server).await;
        if loss.is_empty() {
            // Exactly what the server itself has counted meanwhile, whatever it lost.
            assert_eq!(found.get(&digest(SENT[0].0)), Some(&(now - served)), "{version}, round {round}");
        }
        served = now;
        if loss.is_empty() {
            let (mut reads, mut writes) = (0, 0);
            for (text, times) in SENT {
                let count = found.get(&digest(text)).copied().unwrap_or_default();
                let sent = times * told.transactions;
                let (least, most) = ((sent as f64 * BELOW) as u64, (sent as f64 * ABOVE).ceil() as u64);
                assert!(
                    (least..=most).contains(&count),
                    "{version}, round {round}: {count} of {sent}: {text}"
                );
                *(if text.starts_with("select") { &mut reads } else { &mut writes }) += count;
            }
            assert!(
                reads as f64 >= told.reads as f64 * BELOW && reads as f64 <= told.reads as f64 * ABOVE,
                "{version}: {reads} of {told:?}"
            );
            assert!(
                writes as f64 >= told.writes as f64 * BELOW && writes as f64 <= told.writes as f64 * ABOVE,
                "{version}: {writes} of {told:?}"
            );
        } else {
            assert_eq!(found.len(), 0, "{version}, round {round}: a window that is a gap has no numbers");
        }
        before = after;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_digest_is_counted_as_often_as_sysbench_sent_it_on_mysql() {
    each_digest_is_counted(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_digest_is_counted_as_often_as_sysbench_sent_it_on_mariadb() {
    each_digest_is_counted(Version::MariaDb118).await;
}

/// What is exported while sysbench goes on and all is forgotten now and then: never less than before, at the end never
/// more than was sent, and every loss is counted.
#[tokio::test(flavor = "multi_thread")]
async fn totals_never_exceed_what_sysbench_sent() {
    for version in flavours() {
        let server = Server::start(version, &[]).await;
        if !is_prepared(&server).await {
            return;
        }
        let target = format!("[[target]]\nname = \"db\"\nurl = \"{}\"\n", server.url("test"));
        let paces = "[pace]\npulse = \"1s\"\nbeat = \"5s\"\nslow = \"60s\"\nrare = \"15min\"\n";
        let daemon = Daemon::start(&format!("{paces}{target}")).await;
        let limit = Duration::from_secs(90);
        let total = |text: &str, wanted: &str| {
            let digest = format!("digest=\"{}\"", digest(wanted));
            let is_it =
                |line: &&str| line.starts_with("dbsonde_statement_calls_total{") && line.contains(&digest);
            text.lines()
                .filter(is_it)
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum::<f64>()
        };
        let watched = async {
            let mut seen = [0.0; SENT.len()];
            for nth in 1..=2 {
                daemon.wait_for("/metrics", |answer| total(&answer.text(), SENT[0].0) > seen[0], limit).await;
                server.sql("", FORGET).await;
                daemon.wait_for("/metrics", |answer| breaks(&answer.text()) >= f64::from(nth), limit).await;
                let text = daemon.get("/metrics").await.text();
                for (before, (statement, _)) in seen.iter_mut().zip(SENT) {
                    let now = total(&text, statement);
                    assert!(now >= *before, "{version}: {now} after {before}: {statement}");
                    *before = now;
                }
            }
        };
        let (told, ()) =
            tokio::join!(sysbench(&server, "run", &[WHOLE, "--time=45", "--events=0", "--rate=40"]), watched);
        let told = told.expect("it was here before");
        // What was sent last is read by the beat after it.
        tokio::time::sleep(Duration::from_secs(7)).await;
        let text = daemon.get("/metrics").await.text();
        for (statement, times) in SENT {
            let (found, sent) = (total(&text, statement), (times * told.transactions) as f64);
            assert!(found > 0.0 && found <= sent * ABOVE, "{version}: {found} of {sent}: {statement}");
        }
        assert_eq!(breaks(&text), 2.0, "{version}: {text}");
    }
}
