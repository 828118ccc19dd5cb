//! The counts of statements against a client that keeps its own: between two readings either exactly what it sent, or a
//! gap, whatever is forgotten or restarted meanwhile.

use crate::rig::daemon::Daemon;
use crate::rig::mysql::{self, Server, Version, flavours};
use crate::rig::postgres::Stop;
use crate::versions::engine;
use dbsonde::engine::{Due, Lane, Probe, Visit};
use dbsonde::model::{InTopic, Scope, Snapshot, Statement, Topic, Window};
use dbsonde::sql::{Dialect, Digest, normalise};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub const FORGET: &str = "truncate table performance_schema.events_statements_summary_by_digest";
/// Texts that no two have one digest.
const STATEMENTS: [&str; 5] = [
    "select 1 as alpha",
    "select count(*) as beta from counted where a = 5",
    "insert into counted (b) values (7)",
    "update counted set b = 8 where a = 1",
    "select 2 as never_called_after_the_first_time",
];

pub fn digest(text: &str) -> Digest {
    normalise(Dialect::MYSQL, text).expect("a statement").digest
}

/// A client and its books: what it has sent since the last reading.
struct Client {
    session: mysql_async::Conn,
    sent: BTreeMap<Digest, u64>,
}

impl Client {
    async fn of(server: &Server) -> Client {
        Client { session: server.connect("test").await, sent: BTreeMap::new() }
    }

    async fn send(&mut self, statement: &str, times: u64) {
        for _ in 0..times {
            mysql::run(&mut self.session, statement).await.expect("an answer");
        }
        *self.sent.entry(digest(statement)).or_default() += times;
        // The server counts a statement after its answer; once the next is answered, that has been done.
        mysql::run(&mut self.session, "do 0").await.expect("an answer");
    }
}

/// A reading by the lane that counts, as often as it takes until the server is there.
pub async fn read(beat: &mut Box<dyn Probe>) -> Snapshot {
    let began = Instant::now();
    loop {
        let due = Due::default();
        let visited: Result<Visit, _> = beat.visit(&due).await;
        match visited {
            Ok(visit) => {
                let mut snapshot = Snapshot::default();
                snapshot.merge(&visit.sample);
                return snapshot;
            }
            Err(error) => assert!(began.elapsed() < Duration::from_secs(60), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

pub fn counted(window: &Window) -> BTreeMap<Digest, u64> {
    let mut calls = BTreeMap::new();
    for row in window.rows::<Statement>() {
        if let Some(digest) = row.digest {
            *calls.entry(digest).or_default() += row.calls.0.get();
        }
    }
    calls
}

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

async fn every_window_is_true(version: Version, seed: u64) {
    let mut server = Server::start(version, &[]).await;
    server.sql("test", "create table counted (a int auto_increment primary key, b int)").await;
    let mut client = Client::of(&server).await;
    for statement in STATEMENTS {
        client.send(statement, 1).await;
    }
    let mut beat = engine(&server.url("test")).open(Lane::Beat);
    read(&mut beat).await;
    let mut before = read(&mut beat).await;
    let (mut dice, mut losses) = (Dice(seed), 0);
    client.sent.clear();
    for round in 0..14 {
        // The oldest digest is dated by the second on some servers, and nobody reads twice in one.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let mut is_lost = false;
        for step in 0..=dice.below(4) {
            let statement = STATEMENTS[dice.below(4) as usize];
            client.send(statement, 1 + dice.below(19)).await;
            // Some are forgotten with nothing called afterwards: what is gone leaves no row that tells.
            match (round, step) {
                (3 | 8, _) => {
                    mysql::run(&mut client.session, FORGET).await.expect("root may");
                    is_lost = true;
                }
                (5 | 11, 0) => {
                    server.restart(if round == 5 { Stop::Fast } else { Stop::Immediate }).await;
                    client.session = server.connect("test").await;
                    is_lost = true;
                }
                _ => {}
            }
        }
        let after = read(&mut beat).await;
        let window = Window::between(&before, &after);
        let gap = window.gaps.get(&(Topic::Statements, Scope::Server));
        assert_eq!(gap.is_some(), is_lost, "{version}, seed {seed}, round {round}: {gap:?}");
        if !is_lost {
            let found = counted(&window);
            for statement in STATEMENTS {
                let (sent, found) = (client.sent.get(&digest(statement)), found.get(&digest(statement)));
                let (sent, found) = (sent.copied().unwrap_or(0), found.copied().unwrap_or(0));
                assert_eq!(found, sent, "{version}, seed {seed}, round {round}: {statement}");
            }
        }
        losses += usize::from(is_lost);
        (before, client.sent) = (after, BTreeMap::new());
    }
    assert_eq!(losses, 4);
    assert!(!Statement::of(&before.parts[&(Topic::Statements, Scope::Server)].rows).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_window_counts_is_what_was_sent_on_mysql() {
    every_window_is_true(Version::MySql97, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_window_counts_is_what_was_sent_on_mariadb() {
    every_window_is_true(Version::MariaDb118, 2).await;
}

/// How many gaps of the statements were told.
pub fn breaks(metrics: &str) -> f64 {
    let mut lines = metrics.lines().filter(|line| line.starts_with("dbsonde_window_breaks_total{"));
    let line = lines.find(|line| line.contains("topic=\"statements\""));
    line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or_default()
}

/// The exported totals stay below what was sent, and each loss is told.
#[tokio::test(flavor = "multi_thread")]
async fn totals_never_exceed_what_was_sent_and_losses_are_counted() {
    for version in flavours() {
        let server = Server::start(version, &[]).await;
        let mut session = server.connect("test").await;
        mysql::run(&mut session, STATEMENTS[0]).await.unwrap();
        let (sent, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopped) = (sent.clone(), stop.clone());
        let target = format!("[[target]]\nname = \"db\"\nurl = \"{}\"\n", server.url("test"));
        let paces = "[pace]\npulse = \"1s\"\nbeat = \"5s\"\nslow = \"60s\"\nrare = \"15min\"\n";
        let client = tokio::spawn(async move {
            while !stopped.load(Ordering::SeqCst) {
                count.fetch_add(1, Ordering::SeqCst);
                mysql::run(&mut session, STATEMENTS[0]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let daemon = Daemon::start(&format!("{paces}{target}")).await;
        let wanted = digest(STATEMENTS[0]).to_string();
        let total = |text: &str| {
            let is_it = |line: &&str| {
                line.starts_with("dbsonde_statement_calls_total{")
                    && line.contains(&format!("digest=\"{wanted}\""))
            };
            text.lines()
                .filter(is_it)
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum::<f64>()
        };
        let limit = Duration::from_secs(90);
        daemon.wait_for("/metrics", |answer| total(&answer.text()) > 0.0, limit).await;
        for nth in 1..=2 {
            let so_far = total(&daemon.get("/metrics").await.text());
            server.sql("", FORGET).await;
            daemon.wait_for("/metrics", |answer| breaks(&answer.text()) >= f64::from(nth), limit).await;
            let goes_on = |text: &str| total(text) > so_far;
            daemon.wait_for("/metrics", |answer| goes_on(&answer.text()), limit).await;
        }
        let text = daemon.get("/metrics").await.text();
        let (total, sent) = (total(&text), sent.load(Ordering::SeqCst) as f64);
        assert!(total > 0.0 && total <= sent, "{version}: {total} of {sent}");
        assert_eq!(breaks(&text), 2.0, "{version}: {text}");
        stop.store(true, Ordering::SeqCst);
        client.await.unwrap();
    }
}
