//! The agents of others beside us, one after the other on one server in one run: what each costs the database and
//! itself when it is asked every fifteen seconds. `benches/peers.sh` fetches them.

use super::outside::{processor_ns, status_kb};
use super::rig::daemon::{Daemon, request};
use super::rig::postgres::Server;
use super::rig::{free_port, root};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(15);
/// Clock ticks of the kernel in a second, as Linux shows them to programs.
const TICKS: f64 = 100.0;

/// Name, program and further arguments; `PORT` stands for the port to listen on.
const PEERS: [(&str, &str, &[&str]); 4] = [
    (
        "postgres_exporter, as it comes",
        "prometheus-postgres-exporter",
        &["--web.listen-address=127.0.0.1:PORT"],
    ),
    (
        "postgres_exporter with statements",
        "prometheus-postgres-exporter",
        &["--web.listen-address=127.0.0.1:PORT", "--collector.stat_statements"],
    ),
    (
        "pg_exporter, as it comes",
        "pg_exporter",
        &["--web.listen-address=127.0.0.1:PORT", "--config=ROOT/peers/etc/pg_exporter/pg_exporter.yml"],
    ),
    (
        "pg_exporter without its cache",
        "pg_exporter",
        &[
            "--web.listen-address=127.0.0.1:PORT",
            "--config=ROOT/peers/etc/pg_exporter/pg_exporter.yml",
            "--disable-cache",
        ],
    ),
];

pub async fn side_by_side(server: &Server, minutes: u64) {
    server.sql("postgres", "create role peer login superuser password 'peer'").await;
    let quiet = idle(server, Duration::from_secs(60)).await;
    println!("the server alone: {quiet:.0} ms per minute (taken off below)");
    let config = format!(
        "[budget]\nthrottle = false\n[[target]]\nname = \"db\"\nurl = \"{}\"\n",
        server.url("postgres")
    );
    let daemon = Daemon::start(&config).await;
    watch("dbsonde", server, daemon.port, daemon.pid, minutes, quiet).await;
    daemon.stop().await;
    for (name, program, args) in PEERS {
        let path = root().join("peers/usr/bin").join(program);
        if !path.exists() {
            println!("skip: {name} is not here; benches/peers.sh fetches it");
            continue;
        }
        let port = free_port();
        let url = format!("{}?sslmode=disable", server.url_as("peer", "peer", "postgres"));
        let fill = |arg: &&str| {
            arg.replace("PORT", &port.to_string()).replace("ROOT", &root().display().to_string())
        };
        let child = Command::new(path)
            .args(args.iter().map(fill))
            .envs([("DATA_SOURCE_NAME", &url), ("PG_EXPORTER_URL", &url)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let peer = Running(child.unwrap_or_else(|e| panic!("{name}: {e}")));
        watch(name, server, port, peer.0.id(), minutes, quiet).await;
    }
}

/// Ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The first minute is a warm-up, as each of them reads some things only once.
async fn watch(name: &str, server: &Server, port: u16, pid: u32, minutes: u64, quiet: f64) {
    let mut scrapes = Vec::new();
    let (mut spent, mut own, mut series) = (0.0, 0, 0);
    for minute in 0..=minutes {
        let (mut meter, own_before) = (Meter::start(server), processor_ns(pid).unwrap_or(0));
        for _ in 0..4 {
            let asked = Instant::now();
            let answer = request(port, "GET", "/metrics", &[]).await;
            let took = asked.elapsed();
            if let Ok(answer) = answer {
                series = answer.text().lines().filter(|line| !line.starts_with('#')).count();
                if minute > 0 {
                    scrapes.push(took.as_secs_f64() * 1e3);
                }
            }
            meter.follow(server, EVERY.saturating_sub(asked.elapsed())).await;
        }
        if minute > 0 {
            spent += meter.spent(server);
            own += processor_ns(pid).unwrap_or(0) - own_before;
        }
    }
    scrapes.sort_by(f64::total_cmp);
    let minutes = minutes as f64;
    println!(
        "{name}: {:.0} ms in the database per minute, {:.0} ms itself, {:.0} MB, {series} series, scrape p50 {:.0} ms ({} answered)",
        spent / minutes - quiet,
        own as f64 / 1e6 / minutes,
        status_kb(pid, "VmRSS:").unwrap_or(0) as f64 / 1024.0,
        scrapes.get(scrapes.len() / 2).copied().unwrap_or(f64::NAN),
        scrapes.len(),
    );
}

async fn idle(server: &Server, how_long: Duration) -> f64 {
    let mut meter = Meter::start(server);
    meter.follow(server, how_long).await;
    meter.spent(server) * 60.0 / how_long.as_secs_f64()
}

/// Processor time of all processes of a server, of those that ended meanwhile as well: sessions of agents that
/// connect anew for each scrape live for milliseconds.
struct Meter {
    living: BTreeMap<u32, (u64, u64)>,
    ended_before: f64,
}

impl Meter {
    fn start(server: &Server) -> Self {
        let mut meter = Self { living: BTreeMap::new(), ended_before: ended(server) };
        meter.look(server, true);
        meter
    }

    fn look(&mut self, server: &Server, first: bool) {
        let pids = server.pids();
        for pid in &pids {
            if let Some(now) = processor_ns(*pid) {
                let entry = self.living.entry(*pid).or_insert((if first { now } else { 0 }, now));
                entry.1 = now;
            }
        }
        // Whoever has ended is in the sum of the ended with all its time, also that from before we looked.
        let ended: Vec<u32> = self.living.keys().copied().filter(|pid| !pids.contains(pid)).collect();
        for pid in ended {
            self.ended_before += self.living.remove(&pid).map_or(0.0, |(first, _)| first as f64 / 1e6);
        }
    }

    async fn follow(&mut self, server: &Server, how_long: Duration) {
        tokio::time::sleep(how_long).await;
        self.look(server, false);
    }

    fn spent(&mut self, server: &Server) -> f64 {
        self.look(server, false);
        let living: u64 = self.living.values().map(|(first, last)| last - first).sum();
        living as f64 / 1e6 + ended(server) - self.ended_before
    }
}

/// Milliseconds of the sessions that have ended, as their parent has been told.
fn ended(server: &Server) -> f64 {
    let parent = server.pids()[0];
    let text = std::fs::read_to_string(format!("/proc/{parent}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap();
    ticks * 1e3 / TICKS
}
