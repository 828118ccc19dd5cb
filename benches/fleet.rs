//! A hundred targets in one process, through proxies to a few real servers, some of them frozen, hostile or flapping:
//! whether every beat is on time, what a target costs in memory, and whether memory grows.
//!
//! `cargo bench --bench fleet -- [--targets N] [--digests N] [--minutes N | --hours N]`

// A measurement that cannot go on has nothing better to do than to panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/rig/mod.rs"]
mod rig;

mod outside;

use outside::{processor_ns, scrapes, status_kb};
use rig::daemon::Daemon;
use rig::hostile::{Hostile, Malice};
use rig::proxy::{Mode, Proxy};
use rig::{mysql, postgres};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The default pace, and how often it is looked whether it is kept.
const BEAT: f64 = 15.0;
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A topic that each family brings with every beat.
const BEATS: [&str; 2] = ["databases", "activity"];
/// One in this many is bad in the second part.
const ONE_IN: usize = 10;

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |name: &str| {
        words.iter().position(|word| word == name).and_then(|at| words.get(at + 1)?.parse().ok())
    };
    let targets = number("--targets").unwrap_or(100) as usize;
    let digests = number("--digests").unwrap_or(5_000) as usize;
    let minutes = number("--hours").map_or(number("--minutes").unwrap_or(5), |hours: u64| hours * 60);

    let servers = Servers::start(targets, digests).await;
    let fleet = Fleet::of(&servers, targets).await;
    let daemon = Daemon::start(&fleet.config()).await;
    println!(
        "# {targets} targets, half of them PostgreSQL, a quarter MySQL, a quarter MariaDB; {digests} digests each"
    );
    println!(
        "| part | up | beats a minute: least, median | oldest beat | MB resident, most | MB a target beyond 32 | of a core |"
    );
    println!("|---|---|---|---|---|---|---|");
    let started = Watched::for_minutes(&daemon, 2, None).await;
    println!("{}", started.line("the first two minutes, which read all once", targets, |_| true));
    let well = Watched::for_minutes(&daemon, minutes.min(10), None).await;
    println!("{}", well.line("all well", targets, |_| true));
    let bad = fleet.spoil().await;
    let spoilt = Watched::for_minutes(&daemon, minutes, Some(fleet.clone())).await;
    println!(
        "{}",
        spoilt
            .line(&format!("{} of them bad: the others", bad.len()), targets, |target| !bad.contains(target))
    );
    println!("memory over this part: {:+.0} kB an hour ({} looks)", spoilt.slope_kb(), spoilt.memory.len());
    scrapes(&daemon).await;
    fleet.mend().await;
    let mended = Watched::for_minutes(&daemon, 3, None).await;
    println!("{}", mended.line("all mended", targets, |target| !fleet.is_hostile(target)));
}

struct Servers {
    postgres: Vec<postgres::Server>,
    mysql: mysql::Server,
    mariadb: mysql::Server,
}

impl Servers {
    async fn start(targets: usize, digests: usize) -> Servers {
        let connections = (3 * targets + 20).to_string();
        let mut servers = Vec::new();
        for _ in 0..2 {
            let max = (digests + 1_000).to_string();
            let settings =
                [("max_connections", connections.as_str()), ("pg_stat_statements.max", max.as_str())];
            let server = postgres::Server::start(postgres::any(), &settings).await;
            server.sql("postgres", "create extension pg_stat_statements; create table t (a int)").await;
            let client = server.connect("postgres").await;
            for nth in 0..digests {
                client
                    .simple_query(&format!("select 1{} from t", " + a".repeat(nth % 300 + nth / 300 * 2)))
                    .await
                    .ok();
            }
            servers.push(server);
        }
        let size = (2 * digests).to_string();
        let settings =
            [("max_connections", connections.as_str()), ("performance_schema_digests_size", size.as_str())];
        let family = async |version| {
            let server = mysql::Server::start(version, &settings).await;
            server.sql("test", "create table t (a int)").await;
            let mut session = server.connect("test").await;
            for nth in 0..digests {
                mysql::run(&mut session, &format!("select a as c{nth} from t")).await.unwrap();
            }
            server
        };
        let (mysql, mariadb) =
            (family(mysql::Version::MySql97).await, family(mysql::Version::MariaDb1011).await);
        Servers { postgres: servers, mysql, mariadb }
    }

    fn of(&self, nth: usize) -> (&'static str, u16) {
        match nth % 4 {
            0 => ("postgres", self.postgres[0].port),
            2 => ("postgres", self.postgres[1].port),
            1 => ("mysql", self.mysql.port),
            _ => ("mysql", self.mariadb.port),
        }
    }
}

/// The ways to the servers, one for each target.
struct Fleet {
    ways: Vec<(&'static str, u16, Arc<Proxy>)>,
    hostile: Hostile,
}

impl Fleet {
    async fn of(servers: &Servers, targets: usize) -> Arc<Fleet> {
        let mut ways = Vec::new();
        for nth in 0..targets {
            let (scheme, port) = servers.of(nth);
            ways.push((scheme, port, Arc::new(Proxy::start(port).await)));
        }
        Arc::new(Fleet { ways, hostile: Hostile::start(Malice::EndlessRows).await })
    }

    fn config(&self) -> String {
        // A throttle would take the rest of the fleet, all on these few servers, for what we cost each.
        let mut text = "[budget]\nseries = 300\nthrottle = false\n".to_owned();
        for (nth, (scheme, _, proxy)) in self.ways.iter().enumerate() {
            let (user, db) = if *scheme == "mysql" { ("root", "") } else { ("postgres", "postgres") };
            let url = format!("{scheme}://{user}@127.0.0.1:{}/{db}", proxy.port);
            writeln!(text, "[[target]]\nname = \"t{nth}\"\nurl = \"{url}\"").unwrap();
        }
        text
    }

    fn bad(&self) -> impl Iterator<Item = (usize, &(&'static str, u16, Arc<Proxy>))> {
        self.ways.iter().enumerate().filter(|(nth, _)| nth % ONE_IN == 0)
    }

    /// A third each is frozen, flaps, or is another server that sends rows without end.
    async fn spoil(&self) -> BTreeSet<String> {
        for (nth, (_, _, proxy)) in self.bad() {
            match nth / ONE_IN % 3 {
                0 => proxy.set(Mode::Stall),
                1 => proxy.set(Mode::Cut),
                _ => proxy.move_to(self.hostile.port).await,
            }
        }
        self.bad().map(|(nth, _)| format!("t{nth}")).collect()
    }

    /// Now there, now gone.
    fn flap(&self, there: bool) {
        for (_, (_, _, proxy)) in self.bad().filter(|(nth, _)| nth / ONE_IN % 3 == 1) {
            proxy.set(if there { Mode::Pass } else { Mode::Cut });
        }
    }

    async fn mend(&self) {
        for (_, (_, port, proxy)) in self.bad() {
            proxy.move_to(*port).await;
        }
    }

    /// Its back-off may be a minute old when it is mended.
    fn is_hostile(&self, target: &str) -> bool {
        self.bad().any(|(nth, _)| nth / ONE_IN % 3 == 2 && format!("t{nth}") == target)
    }
}

/// What was seen from outside over some minutes.
struct Watched {
    seconds: f64,
    /// By target: when its beats were taken, to the second.
    beats: BTreeMap<String, BTreeSet<i64>>,
    /// By target: the oldest that its newest beat was while it was up.
    oldest: BTreeMap<String, f64>,
    up: BTreeSet<String>,
    /// Hours, and kB resident.
    memory: Vec<(f64, f64)>,
    processor: f64,
}

impl Watched {
    async fn for_minutes(daemon: &Daemon, minutes: u64, flapping: Option<Arc<Fleet>>) -> Watched {
        let (began, spent) = (Instant::now(), processor_ns(daemon.pid).unwrap());
        let (mut beats, mut oldest, mut memory) =
            (BTreeMap::<String, BTreeSet<i64>>::new(), BTreeMap::new(), Vec::new());
        let mut up = BTreeSet::new();
        while began.elapsed() < Duration::from_secs(60 * minutes) {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Some(fleet) = &flapping {
                fleet.flap(began.elapsed().as_secs() / 20 % 2 == 0);
            }
            let now = began.elapsed().as_secs_f64();
            let text = daemon.get("/metrics").await.text();
            up.clear();
            for line in text.lines() {
                if let Some(target) = line.strip_prefix("dbsonde_target_up{").filter(|_| line.ends_with(" 1"))
                {
                    up.extend(label(target, "target"));
                }
                let Some(of) = line.strip_prefix("dbsonde_snapshot_age_seconds{") else { continue };
                let (Some(target), Some(topic)) = (label(of, "target"), label(of, "topic")) else { continue };
                if !BEATS.contains(&topic.as_str()) {
                    continue;
                }
                let age: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
                // A second either way is the same beat.
                let taken = (now - age).round() as i64;
                let known = beats.entry(target.clone()).or_default();
                if known.range(taken - 2..=taken + 2).next().is_none() {
                    known.insert(taken);
                }
                let most: &mut f64 = oldest.entry(target).or_default();
                *most = most.max(age);
            }
            memory.push((now / 3_600.0, status_kb(daemon.pid, "VmRSS:").unwrap() as f64));
        }
        let seconds = began.elapsed().as_secs_f64();
        let processor = (processor_ns(daemon.pid).unwrap() - spent) as f64 / 1e9;
        Watched { seconds, beats, oldest, up, memory, processor }
    }

    fn line(&self, part: &str, targets: usize, counts: impl Fn(&String) -> bool) -> String {
        let mut rates: Vec<f64> = self
            .beats
            .iter()
            .filter(|(target, _)| counts(target))
            .map(|(_, beats)| beats.len() as f64 * 60.0 / self.seconds)
            .collect();
        rates.sort_by(f64::total_cmp);
        let oldest =
            self.oldest.iter().filter(|(target, _)| counts(target)).map(|(_, age)| *age).fold(0.0, f64::max);
        let (least, median) =
            (rates.first().copied().unwrap_or(0.0), rates.get(rates.len() / 2).copied().unwrap_or(0.0));
        let most = self.memory.iter().map(|(_, kb)| *kb).fold(0.0, f64::max) / 1024.0;
        let now = self.memory.last().map_or(0.0, |(_, kb)| *kb) / 1024.0;
        format!(
            "| {part} | {} | {least:.1}, {median:.1} (of {:.1}) | {oldest:.0} s | {now:.0}, {most:.0} | {:.1} | {:.2} |",
            self.up.len(),
            60.0 / BEAT,
            (most - 32.0) / targets as f64,
            self.processor / self.seconds,
        )
    }

    /// The line of least squares through what was resident.
    fn slope_kb(&self) -> f64 {
        let n = self.memory.len() as f64;
        let (mean_at, mean_kb) = (
            self.memory.iter().map(|(at, _)| at).sum::<f64>() / n,
            self.memory.iter().map(|(_, kb)| kb).sum::<f64>() / n,
        );
        let along: f64 = self.memory.iter().map(|(at, kb)| (at - mean_at) * (kb - mean_kb)).sum();
        along / self.memory.iter().map(|(at, _)| (at - mean_at).powi(2)).sum::<f64>()
    }
}

fn label(labels: &str, name: &str) -> Option<String> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}
