//! Disks that hang or fail, and a log that nobody reads: whoever watches a server waits for neither.

use super::{PACES, SOON, TARGET, config, up, value};
use crate::rig::Dir;
use crate::rig::daemon::Daemon;
use crate::rig::mysql;
use crate::rig::postgres::{Server, any};
use crate::rig::proxy::{Mode, Proxy};
use crate::rig::shim::Shim;
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use tokio::sync::Barrier;

/// Two indexes of one kind, which is found.
const TWINS: &str = "create table orders (id int primary key, note text);
    insert into orders select n, 'note ' || n from generate_series(1, 100000) n;
    create index orders_note on orders (note); create index orders_note_too on orders (note); analyze orders";

const SINK: &str = "sink=\"file-1\"";

async fn start(shim: &Shim, server: &Server, disk: &Dir) -> Daemon {
    let sink = format!("[[sink]]\nkind = \"file\"\npath = {:?}\n", disk.join("told.jsonl"));
    let settings = format!("{PACES}[[target]]\nname = \"db\"\nurl = \"{}\"\n{sink}", server.url("postgres"));
    let environment = shim.environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let state = disk.join("state");
    Daemon::start_with(&settings, &["--state.dir", state.to_str().unwrap()], &environment).await
}

/// Scrapes do not wait, and what the beat brings is new.
async fn goes_on(daemon: &Daemon, how_long: Duration) {
    let began = Instant::now();
    while began.elapsed() < how_long {
        let asked = Instant::now();
        let metrics = daemon.get("/metrics").await.text();
        assert!(asked.elapsed() < Duration::from_secs(2), "a scrape waits for the disk");
        assert_eq!(value(&metrics, "dbsonde_target_up", &[TARGET]), Some(1.0), "{}", daemon.log());
        let age = value(&metrics, "dbsonde_snapshot_age_seconds", &[TARGET, "topic=\"databases\""]);
        assert!(age.is_some_and(|age| age < 15.0), "{age:?}\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn says(daemon: &Daemon, line: &str) {
    daemon.wait_for("/metrics", |answer| answer.text().contains(line), SOON).await;
}

/// What becomes of a disk, and what it is then to whoever writes to it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Hangs,
    Fails(Errno),
}

impl Fault {
    fn set(self, shim: &Shim, is_bad: bool) {
        match self {
            Fault::Hangs => shim.hang(is_bad),
            Fault::Fails(with) => shim.fails(is_bad.then_some(with)),
        }
    }
}

/// The state and the spool of a daemon that runs: what it finds is told all the same, and written down later.
async fn is_lived_with(fault: Fault, server: &Server, is_bad: &Barrier) {
    let disk = Dir::new();
    let shim = Shim::new(disk.path());
    let daemon = start(&shim, server, &disk).await;
    up(&daemon, 1.0).await;
    says(&daemon, "\ndbsonde_store_healthy 1\n").await;
    fault.set(&shim, true);
    if is_bad.wait().await.is_leader() {
        // Something to tell: it is found although nobody can write it down.
        server.connect("postgres").await.batch_execute(TWINS).await.unwrap();
    }
    let is_found = |text: &str| text.contains("index-duplicate");
    daemon.wait_for("/api/v1/findings", |answer| is_found(&answer.text()), Duration::from_secs(60)).await;
    let is_unkept = |text: &str| value(text, "dbsonde_sink_unkept", &[SINK]).is_some_and(|many| many >= 1.0);
    daemon.wait_for("/metrics", |answer| is_unkept(&answer.text()), SOON).await;
    goes_on(&daemon, Duration::from_secs(20)).await;
    // What survives is handed over once a minute.
    let unhealthy = |text: &str| text.contains("\ndbsonde_store_healthy 0\n");
    daemon.wait_for("/metrics", |answer| unhealthy(&answer.text()), Duration::from_secs(90)).await;
    if fault == Fault::Hangs {
        let stuck = shim.waiting();
        assert!((1..=4).contains(&stuck), "{stuck} threads wait for the disk");
    }
    assert_eq!(daemon.post("/-/reload").await.status, 200, "settings are read from elsewhere");
    fault.set(&shim, false);
    let well = |text: &str| text.contains("\ndbsonde_store_healthy 1\n");
    daemon.wait_for("/metrics", |answer| well(&answer.text()), Duration::from_secs(90)).await;
    let is_kept = |text: &str| value(text, "dbsonde_sink_unkept", &[SINK]) == Some(0.0);
    daemon.wait_for("/metrics", |answer| is_kept(&answer.text()), SOON).await;
    let began = Instant::now();
    while !fs::read_to_string(disk.join("told.jsonl")).is_ok_and(|told| is_found(&told)) {
        assert!(began.elapsed() < Duration::from_secs(90), "{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let log = daemon.log();
    let said = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count();
    assert!((1..=12).contains(&said), "{fault:?}: {said} warnings:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_or_fails_holds_nobody_up_and_is_caught_up_with() {
    let (server, is_bad) = (Server::start(any(), &[]).await, Barrier::new(3));
    let of = |fault| is_lived_with(fault, &server, &is_bad);
    tokio::join!(of(Fault::Hangs), of(Fault::Fails(Errno::ROFS)), of(Fault::Fails(Errno::IO)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_from_the_beginning_keeps_nobody_from_starting() {
    let (server, disk) = (Server::start(any(), &[]).await, Dir::new());
    let shim = Shim::new(disk.path());
    shim.hang(true);
    let daemon = start(&shim, &server, &disk).await;
    up(&daemon, 1.0).await;
    says(&daemon, "\ndbsonde_store_healthy 0\n").await;
    goes_on(&daemon, Duration::from_secs(10)).await;
    shim.hang(false);
    says(&daemon, "\ndbsonde_store_healthy 1\n").await;
    shim.hang(true);
    // It ends in time all the same.
    let began = Instant::now();
    daemon.signal("TERM");
    while daemon.try_get("/-/healthy", &[]).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What a former life knew is not overwritten because it could not be read in time.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_disk_that_hangs_holds_is_known_again_when_it_answers() {
    let (server, disk) = (Server::start(any(), &[]).await, Dir::new());
    server.sql("postgres", TWINS).await;
    let shim = Shim::new(disk.path());
    let opened = async |daemon: &Daemon| {
        let is_there = |text: &str| text.contains("index-duplicate");
        let answer = daemon.wait_for("/api/v1/findings", |answer| is_there(&answer.text()), SOON * 2).await;
        let found = answer.json()["findings"].as_array().unwrap().clone();
        let found = found.into_iter().find(|found| found["rule"] == "index-duplicate").unwrap();
        found["opened_at"].as_str().unwrap().to_owned()
    };
    let daemon = start(&shim, &server, &disk).await;
    let first = opened(&daemon).await;
    assert!(daemon.stop().await.success());
    shim.hang(true);
    let daemon = start(&shim, &server, &disk).await;
    assert!(opened(&daemon).await > first, "it knows nothing of before");
    // More than once what is known would have been kept in its place.
    goes_on(&daemon, Duration::from_secs(5)).await;
    shim.hang(false);
    daemon.wait_for_log("is known again", SOON).await;
    let began = Instant::now();
    while opened(&daemon).await != first {
        assert!(began.elapsed() < SOON, "{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(daemon.stop().await.success());
    let daemon = start(&shim, &server, &disk).await;
    assert_eq!(opened(&daemon).await, first);
}

/// Logins, addresses and certificates on a disk that hangs: who needs them waits, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn files_with_logins_that_hang_hold_up_nobody_else() {
    let [mysql, _] = mysql::flavours();
    let (server, mysql, disk) =
        tokio::join!(Server::start(any(), &[]), mysql::Server::start(mysql, &[]), async { Dir::new() });
    server.sql("postgres", "create role sonde login password 'sesame'; grant pg_monitor to sonde").await;
    mysql.sql("", "create user sonde@'%' identified by 'sesame'; grant process on *.* to sonde@'%'").await;
    let secret = |name: &str, text: &str| {
        let path = disk.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let (password, usual) = (secret("password", "sesame"), secret("pgpass", "*:*:*:*:sesame\n"));
    let url = secret("url", "http://127.0.0.1:9/");
    let headers = |value: &str| format!("http_server_config:\n  headers:\n    X-Frame-Options: {value}\n");
    let front = secret("web.yml", &headers("deny"));
    let proxies =
        [Proxy::start(server.port).await, Proxy::start(server.port).await, Proxy::start(mysql.port).await];
    let of = |name: &str, url: &str, more: &str| {
        format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n{more}\n")
    };
    let [pg, passfile, my] = [0, 1, 2].map(|nth: usize| proxies[nth].port);
    let file = format!("password_file = {password:?}");
    let settings = [
        PACES.to_owned(),
        format!("[web]\nconfig_file = {front:?}\n"),
        of("db", &server.url("postgres"), ""),
        of("pg", &format!("postgres://sonde@127.0.0.1:{pg}/postgres"), &file),
        of("passfile", &format!("postgres://sonde@127.0.0.1:{passfile}/postgres?passfile={usual}"), ""),
        of("my", &format!("mysql://sonde@127.0.0.1:{my}/"), &file),
        format!("[[sink]]\nkind = \"webhook\"\nurl_file = {url:?}\n"),
    ]
    .concat();
    let shim = Shim::new(disk.path());
    let environment = shim.environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let daemon = Daemon::start_with(&settings, &[], &environment).await;
    let all = |text: &str, wanted: f64| {
        let is =
            |name: &&str| value(text, "dbsonde_target_up", &[&format!("target=\"{name}\"")]) == Some(wanted);
        ["pg", "passfile", "my"].iter().all(is)
    };
    daemon.wait_for("/metrics", |answer| all(&answer.text(), 1.0), SOON).await;
    shim.hang(true);
    proxies.iter().for_each(|proxy| proxy.set(Mode::Cut));
    daemon.wait_for("/metrics", |answer| all(&answer.text(), 0.0), SOON).await;
    proxies.iter().for_each(|proxy| proxy.set(Mode::Pass));
    server.sql("postgres", TWINS).await;
    goes_on(&daemon, Duration::from_secs(15)).await;
    // Files of the front door are looked at every other second, and nobody waits for that.
    let asked = Instant::now();
    let refused = daemon.post("/-/reload").await;
    assert!(
        refused.status == 500 && refused.text().contains("the disk does not answer"),
        "{}",
        refused.text()
    );
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    goes_on(&daemon, Duration::from_secs(5)).await;
    let said = daemon.log().matches("the web configuration stays as it is").count();
    assert_eq!(said, 1, "{}", daemon.log());
    let framed = async || daemon.get("/").await.header("x-frame-options").map(str::to_lowercase);
    assert_eq!(framed().await.as_deref(), Some("deny"));
    secret("web.yml", &headers("sameorigin"));
    assert!(all(&daemon.get("/metrics").await.text(), 0.0), "they cannot get in");
    let why = daemon.get("/api/v1/targets").await.text();
    assert!(why.contains("the disk does not answer"), "{why}");
    let stuck = shim.waiting();
    // Three logins, an address, the front door, and the settings, which look at a file with a password.
    assert!((1..=6).contains(&stuck), "{stuck} threads wait for the disk");
    shim.hang(false);
    daemon.wait_for_log("certificates and users are read again", SOON).await;
    assert_eq!(framed().await.as_deref(), Some("sameorigin"));
    daemon.wait_for("/metrics", |answer| all(&answer.text(), 1.0), Duration::from_secs(120)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_holds_nobody_up() {
    let server = Server::start(any(), &[]).await;
    let dir = Dir::new();
    let pipe = dir.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open at both ends, and never read.
    let _held = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let good = config(&server.url("postgres"));
    let shell = format!("exec 2>'{}'", pipe.display());
    let daemon = Daemon::start_after(&shell, &good, &[]).await;
    up(&daemon, 1.0).await;
    fs::write(daemon.config_file(), "[web\n").unwrap();
    // Each is a line of its own; a pipe and what we keep hold some two thousand.
    for _ in 0..3_000 {
        assert_eq!(daemon.post("/-/reload").await.status, 500);
    }
    goes_on(&daemon, Duration::from_secs(10)).await;
    let lost = |text: &str| value(text, "dbsonde_queue_dropped_total", &["queue=\"log\""]).unwrap_or(0.0);
    daemon.wait_for("/metrics", |answer| lost(&answer.text()) > 100.0, SOON).await;
}
