//! Servers that only misbehave, all beside a healthy one: bounded memory, a sentence, back-off, and the healthy one
//! is watched as if it were alone.

use super::{PACES, SOON, value};
use crate::rig::daemon::Daemon;
use crate::rig::hostile::{Hostile, Malice};
use crate::rig::postgres::{Server, any};
use std::time::{Duration, Instant};

const ALL: [Malice; 23] = [
    Malice::Length(0),
    Malice::Length(1),
    Malice::Length(3),
    Malice::Length(0x7fff_fff0),
    Malice::Length(u32::MAX),
    Malice::PlainText,
    Malice::Silence,
    Malice::HalfMessage,
    Malice::CleartextPassword,
    Malice::EndlessScram,
    Malice::Notices,
    Malice::LongError,
    Malice::Columns(65_535, 23),
    Malice::Columns(3, 99_999),
    Malice::HugeRow,
    Malice::EndlessRows,
    Malice::ShortRow,
    Malice::LyingRow,
    Malice::CopyIn,
    Malice::CopyOut,
    Malice::OddProof,
    Malice::ProofAtOnce,
    Malice::BrokenError,
];
/// Those that fill memory, if anything does: each alone, and for longer.
const GREEDY: [Malice; 2] = [Malice::EmptyCells, Malice::Settings];
/// What nothing may make us take: the peak of the resident memory.
const MAX_MEMORY: u64 = 96 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_servers_cost_little_and_say_why() {
    let healthy = Server::start(any(), &[]).await;
    face(&healthy, &ALL, Duration::from_secs(20)).await;
    for greedy in GREEDY {
        face(&healthy, &[greedy], Duration::from_secs(30)).await;
    }
}

async fn face(healthy: &Server, malices: &[Malice], how_long: Duration) {
    let mut servers = Vec::new();
    let mut config = format!("{PACES}[[target]]\nname = \"db\"\nurl = \"{}\"\n", healthy.url("postgres"));
    for (nth, malice) in malices.iter().copied().enumerate() {
        let server = Hostile::start(malice).await;
        let url = format!("postgres://u:sesame@127.0.0.1:{}/d", server.port);
        config += &format!("[[target]]\nname = \"bad{nth}\"\nurl = \"{url}\"\n");
        servers.push((format!("bad{nth}"), malice, server));
    }
    let daemon = Daemon::start(&config).await;
    let began = Instant::now();
    let is_up = |text: &str| value(text, "dbsonde_target_up", &["target=\"db\""]) == Some(1.0);
    daemon.wait_for("/metrics", |answer| is_up(&answer.text()), SOON).await;
    let all_told = |text: &str| text.matches("\"down_because\":\"").count() == malices.len();
    daemon.wait_for("/api/v1/targets", |answer| all_told(&answer.text()), SOON).await;
    while began.elapsed() < how_long {
        let metrics = daemon.get("/metrics").await.text();
        assert!(is_up(&metrics), "the healthy one is down:\n{}", daemon.log());
        let age = value(&metrics, "dbsonde_snapshot_age_seconds", &["target=\"db\"", "topic=\"databases\""]);
        assert!(age.is_none_or(|age| age < 15.0), "the healthy one waits: {age:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let targets = daemon.get("/api/v1/targets").await.json();
    for (name, malice, server) in &servers {
        let target = targets.as_array().unwrap().iter().find(|target| target["name"] == **name).unwrap();
        let why = target["down_because"].as_str().unwrap_or_default();
        eprintln!("{malice:?}: {} connections, {why}", server.opened());
        let word = match malice {
            Malice::Length(_) | Malice::HugeRow => "message of",
            Malice::Columns(65_535, _) => "message of",
            Malice::Columns(..) => "unknown type",
            Malice::EndlessRows => "refused an answer",
            Malice::EndlessScram => "rounds of SCRAM",
            Malice::EmptyCells => "without end",
            Malice::Settings => "about settings",
            Malice::CleartextPassword => "require_auth",
            _ => "",
        };
        assert!(why.contains(word), "{malice:?}: {why}");
        assert!(target["up"] == false && !why.is_empty(), "{malice:?}: {target}");
        assert!(why.len() < 400 && !why.contains(|c: char| c.is_control()), "{malice:?}: {why:?}");
        // Three lanes, a back-off that doubles from one second, and a cancel for each query given up.
        assert!(server.opened() <= 40, "{malice:?}: {} connections", server.opened());
        assert!(!server.heard().contains("sesame"), "{malice:?} was given the password");
    }
    assert!(!daemon.log().contains("sesame") && !daemon.log().contains('\u{1b}'), "{}", daemon.log());
    assert!(!daemon.log().contains("panic"), "{}", daemon.log());
    let peak = daemon.peak_memory();
    eprintln!("{malices:?}: peak memory {} MiB", peak >> 20);
    assert!(peak <= MAX_MEMORY, "{peak} bytes");
}
