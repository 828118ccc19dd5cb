//! What watching costs a real server, measured from outside: processor time of our sessions as the kernel
//! counts it, their memory, the longest statement, what applications feel, and what we need ourselves.
//!
//! `cargo bench --bench cost -- small|large|series|peers [--minutes N]`

// A measurement that cannot go on has nothing better to do than to panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "cost/peers.rs"]
mod peers;
#[path = "../tests/rig/mod.rs"]
mod rig;
#[path = "cost/scrapes.rs"]
mod scrapes;

mod outside;

use outside::{processor_ns, status_kb};
use rig::daemon::Daemon;
use rig::postgres::{Server, any};
use std::collections::HashMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

struct Size {
    name: &'static str,
    digests: usize,
    text_bytes: usize,
    tables: usize,
}

const SMALL: Size = Size { name: "small", digests: 5_000, text_bytes: 100, tables: 1_000 };
const LARGE: Size = Size { name: "large", digests: 20_000, text_bytes: 10_000, tables: 10_000 };

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let minutes = words.iter().position(|w| w == "--minutes").and_then(|at| words.get(at + 1)?.parse().ok());
    let minutes: u64 = minutes.unwrap_or(3);
    let is_asked = |name: &str| words.iter().any(|word| word == name);
    let named = ["small", "large", "series", "peers"].into_iter().any(is_asked);
    for size in [SMALL, LARGE].into_iter().filter(|size| !named || is_asked(size.name)) {
        measure(&size, minutes).await;
    }
    if is_asked("series") {
        scrapes::of_many_series(&filled(&LARGE).await).await;
    }
    if is_asked("peers") {
        peers::side_by_side(&filled(&SMALL).await, minutes).await;
    }
}

async fn measure(size: &Size, minutes: u64) {
    let mut server = filled(size).await;
    println!(
        "# {}: {} digests of {} bytes, {} tables",
        size.name, size.digests, size.text_bytes, size.tables
    );
    let quiet = new_statement_waits(&server, "1", Duration::from_secs(20)).await;
    println!("a new statement of an application, unwatched: p99 {:.1} ms, max {:.1} ms", quiet.0, quiet.1);
    let config = format!(
        "[budget]\nthrottle = false\n[[target]]\nname = \"db\"\nurl = \"{}\"\n",
        server.url("postgres")
    );
    let daemon = Daemon::start(&config).await;
    // The first minute reads everything once: texts, schema, sizes. It is reported apart.
    let first = watch_processes(&server, &daemon, Duration::from_secs(60)).await;
    println!("first minute: {}", first.line());
    let temp_before = temp_bytes(&server).await;
    let told_before = told(&daemon).await;
    let steady = watch_processes(&server, &daemon, Duration::from_secs(60 * minutes)).await;
    println!("steady, per minute: {}", steady.per_minute(minutes).line());
    let told = told(&daemon).await - told_before;
    println!("told by ourselves over the same minutes: {:.0} ms, {:.2} of it", told, told / steady.sum());
    println!("temporary bytes: {}", temp_bytes(&server).await - temp_before);
    println!("connections at once: {}, opened in {minutes} min: {}", steady.most, steady.opened);
    println!("our session's memory beyond its first: {} kB", steady.grown_kb);
    longest(&server).await;
    let busy = new_statement_waits(&server, "1.5", Duration::from_secs(40)).await;
    println!("a new statement of an application, watched: p99 {:.1} ms, max {:.1} ms", busy.0, busy.1);
    scrapes::of_default_budget(&daemon, &mut server).await;
    println!();
}

/// A server with as many statements and tables as asked.
async fn filled(size: &Size) -> Server {
    let max = size.digests.to_string();
    let settings = [
        ("pg_stat_statements.max", max.as_str()),
        ("shared_buffers", "256MB"),
        ("max_locks_per_transaction", "1024"),
        ("autovacuum", "off"),
    ];
    let server = Server::start(any(), &settings).await;
    server.sql("postgres", "create extension pg_stat_statements").await;
    let client = server.connect("postgres").await;
    for from in (0..size.tables).step_by(200) {
        let mut script = String::new();
        for n in from..(from + 200).min(size.tables) {
            write!(script, "create table t{n} (id int primary key, a int, b text);").unwrap();
            write!(script, "create index t{n}_a on t{n} (a); create index t{n}_b on t{n} (b);").unwrap();
        }
        client.batch_execute(&script).await.unwrap();
    }
    client.batch_execute("select pg_stat_statements_reset()").await.unwrap();
    let padding = "x".repeat(size.text_bytes.saturating_sub(60));
    // Names of columns are nothing to the server's digest; tables and the shape of expressions are.
    for n in 0..size.digests {
        let (table, depth) = (n % size.tables, n / size.tables);
        let sum = " + 1".repeat(depth);
        client.simple_query(&format!("select /* {padding} */ a{sum} from t{table}")).await.unwrap();
    }
    server
}

/// What `watch_processes` saw of our sessions in the server and of ourselves.
#[derive(Default)]
struct Seen {
    /// Milliseconds of processor time by lane.
    lanes: HashMap<String, f64>,
    own_ms: f64,
    own_rss_kb: u64,
    most: usize,
    opened: usize,
    grown_kb: u64,
}

impl Seen {
    fn per_minute(&self, minutes: u64) -> Seen {
        let minutes = minutes as f64;
        Seen {
            lanes: self.lanes.iter().map(|(lane, ms)| (lane.clone(), ms / minutes)).collect(),
            own_ms: self.own_ms / minutes,
            ..*self
        }
    }

    fn sum(&self) -> f64 {
        self.lanes.values().sum()
    }

    fn line(&self) -> String {
        let mut lanes: Vec<_> = self.lanes.iter().collect();
        lanes.sort_by(|a, b| a.0.cmp(b.0));
        let split: Vec<String> = lanes.iter().map(|(lane, ms)| format!("{lane} {ms:.0}")).collect();
        format!(
            "{:.0} ms in the database ({}); dbsonde itself {:.0} ms, {:.1} MB",
            self.sum(),
            split.join(", "),
            self.own_ms,
            self.own_rss_kb as f64 / 1024.0
        )
    }
}

async fn watch_processes(server: &Server, daemon: &Daemon, how_long: Duration) -> Seen {
    let client = server.connect("postgres").await;
    let query = "select pid, coalesce(substring(query from '/\\* dbsonde ([a-z]+)'), 'connecting')
        from pg_stat_activity where application_name like 'dbsonde%'";
    let mut last: HashMap<u32, u64> = HashMap::new();
    let mut memory: HashMap<u32, (u64, u64)> = HashMap::new();
    let mut lane_of: HashMap<u32, String> = HashMap::new();
    let mut seen = Seen::default();
    let (began, own_before) = (Instant::now(), processor_ns(daemon.pid).unwrap_or(0));
    let mut first = true;
    while began.elapsed() < how_long {
        let rows = client.query(query, &[]).await.unwrap();
        seen.most = seen.most.max(rows.len());
        for row in &rows {
            let (pid, lane) = (row.get::<_, i32>(0) as u32, row.get::<_, String>(1));
            if lane != "connecting" {
                lane_of.insert(pid, lane);
            }
            let Some(now) = processor_ns(pid) else { continue };
            // A session that came while we watched began at nothing; its start counts as well.
            let before = match last.insert(pid, now) {
                Some(before) => before,
                None if first => now,
                None => {
                    seen.opened += 1;
                    0
                }
            };
            let lane = lane_of.get(&pid).cloned().unwrap_or("connecting".into());
            *seen.lanes.entry(lane).or_default() += (now - before) as f64 / 1e6;
            if let Some(kb) = status_kb(pid, "RssAnon:") {
                let entry = memory.entry(pid).or_insert((kb, kb));
                entry.1 = entry.1.max(kb);
            }
        }
        first = false;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    seen.own_ms = (processor_ns(daemon.pid).unwrap_or(0) - own_before) as f64 / 1e6;
    seen.own_rss_kb = status_kb(daemon.pid, "VmRSS:").unwrap_or(0);
    seen.grown_kb = memory.values().map(|(first, most)| most - first).max().unwrap_or(0);
    seen
}

async fn temp_bytes(server: &Server) -> i64 {
    let rows = server.sql("postgres", "select sum(temp_bytes)::bigint from pg_stat_database").await;
    rows[0][0].as_deref().unwrap().parse().unwrap()
}

async fn longest(server: &Server) {
    let query = "select substring(query from 1 for 400), round(max_exec_time::numeric, 1), calls
        from pg_stat_statements where query like '%/* dbsonde %' order by max_exec_time desc limit 3";
    for row in server.sql("postgres", query).await {
        let name = row[0].as_deref().unwrap_or("?").lines().last().unwrap_or("?").trim().to_owned();
        println!("longest: {} ms ({} calls) {name}", row[1].as_deref().unwrap(), row[2].as_deref().unwrap());
    }
}

/// p99 and maximum, in milliseconds, of statements that the server has never seen: sums of `number`s.
async fn new_statement_waits(server: &Server, number: &str, how_long: Duration) -> (f64, f64) {
    let client = server.connect("postgres").await;
    let sum = |terms: usize| vec![number; terms + 1].join(" + ");
    let mut waits = Vec::new();
    let began = Instant::now();
    while began.elapsed() < how_long {
        let statement = format!("select {}, {}", sum(waits.len() / 80), sum(waits.len() % 80));
        let asked = Instant::now();
        client.simple_query(&statement).await.unwrap();
        waits.push(asked.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    waits.sort_by(f64::total_cmp);
    (waits[waits.len() * 99 / 100], *waits.last().unwrap())
}

/// Our own word on what we cost, in milliseconds.
async fn told(daemon: &Daemon) -> f64 {
    let text = daemon.get("/metrics").await.text();
    let lines = text.lines().filter(|line| line.starts_with("dbsonde_watch_cost_seconds_total{"));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum::<f64>() * 1e3
}
