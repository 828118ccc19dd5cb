//! The same for servers that speak MySQL's protocol: nothing they ask for is given, nothing they send fills our memory.

use super::{PACES, SOON, value};
use crate::rig::daemon::Daemon;
use crate::rig::mysql::hostile::Malice;
use crate::rig::mysql::{Server, Version};
use std::time::{Duration, Instant};

const ALL: [(Malice, &str); 19] = [
    (Malice::Length(0xff_ffff), "packet of"),
    (Malice::Length(0), "not a MySQL server"),
    (Malice::OutOfOrder, "out of sequence"),
    (Malice::PlainText, "packet of"),
    (Malice::Silence, "no answer"),
    (Malice::HalfGreeting, "no answer"),
    (Malice::LongError, "all is lost"),
    (Malice::Ancient, "older than"),
    (Malice::ClearAtOnce, "bare password"),
    (Malice::ClearLater, "bare password"),
    (Malice::OldPassword, "before MySQL 4.1"),
    (Malice::EndlessProof, "never stops asking"),
    (Malice::EndlessHandshake, "never stops asking"),
    (Malice::LocalFile, "nobody asked"),
    (Malice::Columns(65_535), "nobody asked"),
    (Malice::MadeUp, ""),
    (Malice::HugeRow, "packet of"),
    (Malice::LyingRow, "row cannot be read"),
    (Malice::Shuffled, "out of sequence"),
];
/// Those that fill memory, if anything does: each alone.
const GREEDY: [(Malice, &str); 3] = [
    (Malice::LongNames, "nobody asked"),
    (Malice::EndlessRows, "without end"),
    (Malice::EndlessCells, "without end"),
];
/// What nothing may make us take: the peak of the resident memory.
const MAX_MEMORY: u64 = 96 << 20;

/// Those that do their harm after the log-in.
fn is_let_in(malice: Malice) -> bool {
    use Malice::{
        Columns, EndlessCells, EndlessRows, HugeRow, LocalFile, LongNames, LyingRow, MadeUp, Shuffled,
    };
    matches!(
        malice,
        LocalFile
            | Columns(_)
            | LongNames
            | MadeUp
            | HugeRow
            | EndlessRows
            | EndlessCells
            | LyingRow
            | Shuffled
    )
}

async fn face(healthy: &Server, malices: &[(Malice, &str)]) {
    let mut servers = Vec::new();
    let mut config = format!("{PACES}[[target]]\nname = \"db\"\nurl = \"{}\"\n", healthy.url(""));
    for (nth, (malice, word)) in malices.iter().enumerate() {
        let server = malice.start().await;
        let url = format!("mysql://u:sesame@127.0.0.1:{}/d", server.port);
        config += &format!("[[target]]\nname = \"bad{nth}\"\nurl = \"{url}\"\n");
        servers.push((format!("bad{nth}"), *malice, *word, server));
    }
    let began = Instant::now();
    let daemon = Daemon::start(&config).await;
    let is_up = |text: &str| value(text, "dbsonde_target_up", &["target=\"db\""]) == Some(1.0);
    daemon.wait_for("/metrics", |answer| is_up(&answer.text()), SOON).await;
    let all_told = |text: &str| text.matches("\"down_because\":\"").count() == malices.len();
    daemon.wait_for("/api/v1/targets", |answer| all_told(&answer.text()), SOON).await;
    while began.elapsed() < Duration::from_secs(15) {
        let metrics = daemon.get("/metrics").await.text();
        assert!(is_up(&metrics), "the healthy one is down:\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let targets = daemon.get("/api/v1/targets").await.json();
    for (name, malice, word, server) in &servers {
        let target = targets.as_array().unwrap().iter().find(|target| target["name"] == **name).unwrap();
        let why = target["down_because"].as_str().unwrap_or_default();
        eprintln!("{malice:?}: {} connections, {why}", server.opened());
        assert!(why.contains(word), "{malice:?}: {why}");
        assert!(target["up"] == false && !why.is_empty(), "{malice:?}: {target}");
        assert!(why.len() < 400 && !why.contains(|c: char| c.is_control()), "{malice:?}: {why:?}");
        // Who hangs up in a handshake is counted, and a host that did so a hundred times is blocked: what breaks there is
        // tried again after five seconds and then after twice as long each time. What comes later is so sooner.
        let doublings = (began.elapsed().as_secs_f64() / 5.0 + 1.0).log2() as usize;
        let most = if why.contains("all is lost") || is_let_in(*malice) { 40 } else { 1 + doublings };
        assert!(server.opened() <= most, "{malice:?}: {} connections", server.opened());
        let heard = server.heard();
        assert!(!heard.contains("sesame"), "{malice:?} was given the password");
        assert!(!heard.contains("root:"), "{malice:?} was given a file");
    }
    let log = daemon.log();
    assert!(!log.contains("sesame") && !log.contains('\u{1b}') && !log.contains("panic"), "{log}");
    let peak = daemon.peak_memory();
    eprintln!("{malices:?}: peak memory {} MiB", peak >> 20);
    assert!(peak <= MAX_MEMORY, "{malices:?}: {peak} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_servers_cost_little_and_say_why() {
    let healthy = Server::start(Version::MariaDb118, &[]).await;
    face(&healthy, &ALL).await;
    for greedy in GREEDY {
        face(&healthy, &[greedy]).await;
    }
}
