//! The long forms of the faults: minutes of freezing, networks that swallow, hundreds of resets, evictions, crashes and
//! failovers, on PostgreSQL, MySQL and MariaDB beside each other; and users who hoard columns and indexes.
//!
//! `cargo bench --bench endurance -- [freeze | swallow | upheaval | hoard] [--rounds N]`

// A measurement that cannot go on has nothing better to do than to panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/rig/mod.rs"]
mod rig;

mod outside;

use dbsonde::sql::{Dialect, normalise};
use outside::status_kb;
use rig::daemon::Daemon;
use rig::postgres::Stop;
use rig::proxy::{Mode, Proxy};
use rig::{mysql, postgres};
use std::time::{Duration, Instant};

const PACES: &str = "[pace]\npulse = \"1s\"\nbeat = \"5s\"\nslow = \"15s\"\nrare = \"60s\"\n";
const NAMES: [&str; 3] = ["postgres", "mysql", "mariadb"];
/// PostgreSQL tells statements apart by what they do, not by what they call it.
const COUNTED: &str = "select 1 as counted_by_us, 2 as twice, 3 as thrice";
const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let rounds = words.iter().position(|word| word == "--rounds");
    let rounds = rounds.and_then(|at| words.get(at + 1)?.parse().ok()).unwrap_or(100);
    let wants = |part: &str| words.iter().any(|word| word == part) || words.is_empty();
    if wants("freeze") {
        for seconds in [60, 300, 600] {
            freeze(Duration::from_secs(seconds)).await;
        }
    }
    if wants("swallow") {
        swallow().await;
    }
    if wants("upheaval") {
        upheaval(rounds).await;
    }
    if wants("hoard") {
        for name in NAMES.into_iter().filter(|name| wants(name) || !NAMES.iter().any(|name| wants(name))) {
            hoard(name, "many columns a table", of_columns).await;
            hoard(name, "sixty indexes a table", of_indexes).await;
        }
    }
}

/// One server of each family.
enum Any {
    Postgres(postgres::Server),
    Mysql(mysql::Server),
}

impl Any {
    async fn start(name: &str) -> Any {
        match name {
            "postgres" => {
                let server =
                    postgres::Server::start_own(postgres::any(), &[("pg_stat_statements.max", "100")]).await;
                server.sql("postgres", "create extension pg_stat_statements").await;
                Any::Postgres(server)
            }
            "mysql" => Any::Mysql(mysql::Server::start(mysql::Version::MySql97, &[]).await),
            _ => Any::Mysql(mysql::Server::start(mysql::Version::MariaDb118, &[]).await),
        }
    }

    fn port(&self) -> u16 {
        match self {
            Any::Postgres(server) => server.port,
            Any::Mysql(server) => server.port,
        }
    }

    fn freeze(&mut self) {
        match self {
            Any::Postgres(server) => server.freeze(),
            Any::Mysql(server) => server.freeze(),
        }
    }

    fn thaw(&mut self) {
        match self {
            Any::Postgres(server) => server.thaw(),
            Any::Mysql(server) => server.thaw(),
        }
    }

    async fn restart(&mut self, how: Stop) {
        match self {
            Any::Postgres(server) => server.restart(how).await,
            Any::Mysql(server) => server.restart(how).await,
        }
    }

    async fn sql(&self, script: &str) {
        match self {
            Any::Postgres(server) => drop(server.sql("postgres", script).await),
            Any::Mysql(server) => drop(server.sql("", script).await),
        }
    }

    /// Runs what is counted so many times.
    async fn run(&self, times: u64) {
        match self {
            Any::Postgres(server) => {
                let client = server.connect("postgres").await;
                for _ in 0..times {
                    client.simple_query(COUNTED).await.unwrap();
                }
            }
            Any::Mysql(server) => {
                let mut session = server.connect("").await;
                for _ in 0..times {
                    mysql::run(&mut session, COUNTED).await.unwrap();
                }
            }
        }
    }

    /// All statements are forgotten at once.
    async fn forget(&self) {
        self.sql(match self {
            Any::Postgres(_) => "select pg_stat_statements_reset()",
            Any::Mysql(_) => "truncate table performance_schema.events_statements_summary_by_digest",
        })
        .await;
    }

    /// Many others come by; where there is room for a hundred, most are forgotten.
    async fn evict(&self) {
        for nth in 0..150 {
            self.sql(&format!("select 1{}", " + 1 * 2".repeat(nth % 150))).await;
        }
    }

    /// One session dies, and the server with it or not.
    async fn crash(&mut self) {
        match self {
            Any::Postgres(server) => {
                let victim = server.connect("postgres").await;
                let row = victim.query_one("select pg_backend_pid()", &[]).await.unwrap();
                server.kill_backend(u32::try_from(row.get::<_, i32>(0)).unwrap());
                tokio::time::sleep(Duration::from_secs(1)).await;
                server.wait_for("postgres", "select true", Duration::from_secs(60)).await;
            }
            Any::Mysql(server) => server.restart(Stop::Immediate).await,
        }
    }
}

fn scheme(name: &str) -> (&'static str, &'static str, &'static str) {
    if name == "postgres" { ("postgres", "postgres", "postgres") } else { ("mysql", "root", "") }
}

async fn behind(proxies: &[Proxy]) -> Daemon {
    let mut config = PACES.to_owned();
    for (name, proxy) in NAMES.iter().zip(proxies) {
        let (scheme, user, database) = scheme(name);
        let url = format!("{scheme}://{user}@127.0.0.1:{}/{database}", proxy.port);
        config += &format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n");
    }
    let daemon = Daemon::start(&config).await;
    for name in NAMES {
        is_up(&daemon, name, 1).await;
    }
    daemon
}

async fn is_up(daemon: &Daemon, name: &str, wanted: u8) -> Duration {
    let began = Instant::now();
    let line = format!("dbsonde_target_up{{target=\"{name}\"}} {wanted}\n");
    daemon.wait_for("/metrics", |answer| answer.text().contains(&line), PATIENCE).await;
    began.elapsed()
}

async fn set_up() -> (Vec<Any>, Vec<Proxy>, Daemon) {
    let (mut servers, mut proxies) = (Vec::new(), Vec::new());
    for name in NAMES {
        let server = Any::start(name).await;
        proxies.push(Proxy::start(server.port()).await);
        servers.push(server);
    }
    let daemon = behind(&proxies).await;
    (servers, proxies, daemon)
}

fn milliseconds(mut all: Vec<Duration>, share: f64) -> f64 {
    all.sort();
    all[((all.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
}

/// All three are frozen at once.
async fn freeze(how_long: Duration) {
    let (mut servers, proxies, daemon) = set_up().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let before: Vec<usize> = proxies.iter().map(Proxy::opened).collect();
    servers.iter_mut().for_each(Any::freeze);
    let (frozen, mut scrapes, mut old) = (Instant::now(), Vec::new(), 0);
    while frozen.elapsed() < how_long {
        let asked = Instant::now();
        let answer = daemon.get("/metrics").await;
        scrapes.push(asked.elapsed());
        assert_eq!(answer.status, 200);
        let is_late = frozen.elapsed() > Duration::from_secs(20);
        old += usize::from(is_late && answer.text().contains("\ndbsonde_statement_calls_total{"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!(
        "frozen for {how_long:?}: {} scrapes, all 200, p50 {:.1} ms, p99 {:.1} ms, the longest {:.1} ms; {old} with old values; {} kB resident",
        scrapes.len(),
        milliseconds(scrapes.clone(), 0.5),
        milliseconds(scrapes.clone(), 0.99),
        milliseconds(scrapes, 1.0),
        status_kb(daemon.pid, "VmRSS:").unwrap(),
    );
    for ((name, proxy), before) in NAMES.iter().zip(&proxies).zip(before) {
        println!("  {name}: {} connections opened meanwhile", proxy.opened() - before);
    }
    servers.iter_mut().for_each(Any::thaw);
    let thawed = Instant::now();
    for name in NAMES {
        is_up(&daemon, name, 1).await;
        println!("  {name}: back {:.1} s after it went on", thawed.elapsed().as_secs_f64());
    }
}

/// Whatever is said in these seconds is lost, and then everything is well.
async fn swallow() {
    let (_servers, proxies, daemon) = set_up().await;
    for round in 1..=3 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        proxies.iter().for_each(|proxy| proxy.set(Mode::HalfOpen));
        tokio::time::sleep(Duration::from_secs(24)).await;
        proxies.iter().for_each(|proxy| proxy.set(Mode::Pass));
        let well = Instant::now();
        for name in NAMES {
            is_up(&daemon, name, 1).await;
            println!(
                "swallowed for 24 s, round {round}: {name} back after {:.1} s",
                well.elapsed().as_secs_f64()
            );
        }
    }
}

/// What is exported of the statement that is counted, and how many gaps were told.
async fn told(daemon: &Daemon, name: &str) -> (f64, f64) {
    let dialect = if name == "postgres" { Dialect::Postgres } else { Dialect::MYSQL };
    let digest = normalise(dialect, COUNTED).unwrap().digest.to_string();
    let text = daemon.get("/metrics").await.text();
    let of = |metric: &str, labels: &[String]| {
        let mine = text
            .lines()
            .filter(|line| line.starts_with(metric) && labels.iter().all(|label| line.contains(label)));
        mine.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    let target = format!("target=\"{name}\"");
    let calls = of("dbsonde_statement_calls_total{", &[target.clone(), format!("digest=\"{digest}\"")]);
    (calls, of("dbsonde_window_breaks_total{", &[target, "topic=\"statements\"".to_owned()]))
}

async fn upheaval(rounds: u64) {
    let (mut servers, proxies, daemon) = set_up().await;
    let mut others = Vec::new();
    for name in NAMES {
        others.push(Any::start(name).await);
    }
    let mut dice = 7_u64;
    let mut truth = [0_u64; 3];
    let (mut last, mut wrong) = ([(0.0, 0.0); 3], 0);
    for round in 0..rounds {
        for nth in 0..NAMES.len() {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let times = 20 + (dice >> 40) % 100;
            servers[nth].run(times).await;
            truth[nth] += times;
            let what = (dice >> 33) % 5;
            match what {
                0 => servers[nth].forget().await,
                1 => servers[nth].evict().await,
                2 => servers[nth].crash().await,
                3 => servers[nth].restart(if round % 2 == 0 { Stop::Fast } else { Stop::Immediate }).await,
                _ => {
                    std::mem::swap(&mut servers[nth], &mut others[nth]);
                    proxies[nth].retarget(servers[nth].port());
                    proxies[nth].set(Mode::Cut);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    proxies[nth].set(Mode::Pass);
                }
            }
            let times = 20 + (dice >> 50) % 100;
            servers[nth].run(times).await;
            truth[nth] += times;
        }
        tokio::time::sleep(Duration::from_secs(11)).await;
        for (nth, name) in NAMES.iter().enumerate() {
            is_up(&daemon, name, 1).await;
            let (calls, breaks) = told(&daemon, name).await;
            let (before, _) = last[nth];
            // While a part is withheld its series are too.
            if calls > 0.0 && (calls < before || calls > truth[nth] as f64 * 1.01) {
                wrong += 1;
                println!("round {round}, {name}: {before} became {calls} of {}", truth[nth]);
            }
            last[nth] = (calls.max(before), breaks);
        }
    }
    println!("{rounds} rounds of resets, evictions, crashes, restarts and failovers on each: {wrong} wrong");
    for (nth, name) in NAMES.iter().enumerate() {
        let (calls, breaks) = last[nth];
        println!("  {name}: {calls} of {} told, {breaks} gaps", truth[nth]);
        assert!(calls > 0.0, "who tells nothing is never wrong");
    }
    assert_eq!(wrong, 0);
}

/// A name as long as they get, 63 letters, that nobody else has.
fn long_name(table: u64, nth: u64) -> String {
    format!("a{table:06}_{nth:05}_{}", "x".repeat(49))
}

/// A thousand columns; MariaDB has room for fewer names in what it writes of a table.
fn of_columns(table: u64, family: &str) -> String {
    let many = if family == "mariadb" { 600 } else { 1_000 };
    let columns: Vec<String> = (0..many).map(|nth| format!("{} int", long_name(table, nth))).collect();
    format!("create table {} ({})", long_name(table, 0), columns.join(", "))
}

/// Sixty indexes of eight columns each. One by one MySQL would write the table anew for each of them.
fn of_indexes(table: u64, family: &str) -> String {
    let mut columns: Vec<String> = (0..60).map(|nth| format!("{} int", long_name(table, nth))).collect();
    let called = long_name(table, 0);
    let indexes = (0..60).map(|nth| {
        let parts: Vec<String> = (0..8).map(|part| long_name(table, (nth + part * 7) % 60)).collect();
        (long_name(table, 1_000 + nth), parts.join(", "))
    });
    if family != "postgres" {
        columns.extend(indexes.map(|(name, parts)| format!("index {name} ({parts})")));
        return format!("create table {called} ({})", columns.join(", "));
    }
    let each: String =
        indexes.map(|(name, parts)| format!("; create index {name} on {called} ({parts})")).collect();
    format!("create table {called} ({}){each}", columns.join(", "))
}

/// Who may create tables makes as many as he likes: five databases of 240 tables.
async fn hoard(name: &str, what: &str, table: fn(u64, &str) -> String) {
    const TABLES: u64 = 240;
    let server = Any::start(name).await;
    let databases = ["one", "two", "three", "four", "five"];
    for (nth, database) in databases.into_iter().enumerate() {
        server.sql(&format!("create database {database}")).await;
        for number in 0..TABLES {
            let script = table(nth as u64 * TABLES + number, name);
            match &server {
                Any::Postgres(server) => drop(server.sql(database, &script).await),
                Any::Mysql(server) => drop(server.sql(database, &script).await),
            }
        }
    }
    let (scheme, user, first) = scheme(name);
    let url = format!("{scheme}://{user}@127.0.0.1:{}/{first}", server.port());
    let daemon = Daemon::start(&format!("{PACES}[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n")).await;
    is_up(&daemon, name, 1).await;
    tokio::time::sleep(Duration::from_secs(180)).await;
    is_up(&daemon, name, 1).await;
    let gaps = daemon.get("/api/v1/gaps").await.text();
    println!(
        "{name}, {what}: {} MB resident, {} MB at most; {} readings find no room",
        status_kb(daemon.pid, "VmRSS:").unwrap() >> 10,
        daemon.peak_memory() >> 20,
        gaps.matches("budget.memory_mib").count(),
    );
}
