//! The front door of the real binary: TLS, users, names, and what strangers do to an HTTP server.

use crate::rig::daemon::{Daemon, dbsonde, request};
use crate::rig::https::{Authority, ask};
use crate::rig::{Dir, prometheus};
use std::fs;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A target that is down serves as well: the door is about us.
const CONFIG: &str = "[[target]]\nname = \"t\"\nurl = \"postgres://u@127.0.0.1:1/postgres\"\n";
/// alice, with "open sesame"; of the lowest cost, so that a debug build checks it quickly.
const USERS: &str = "basic_auth_users:\n  alice: $2b$04$HASH\n";
const ALICE: (&str, &str) = ("authorization", "Basic YWxpY2U6b3BlbiBzZXNhbWU=");
const MALLORY: (&str, &str) = ("authorization", "Basic bWFsbG9yeTpvcGVuIHNlc2FtZQ==");
const SOON: Duration = Duration::from_secs(30);

fn users() -> String {
    let hash = bcrypt::hash("open sesame", 4).unwrap();
    USERS.replace("$2b$04$HASH", &hash)
}

async fn behind(dir: &Dir, web_config: &str) -> Daemon {
    let file = dir.join("web-config.yml");
    fs::write(&file, web_config).unwrap();
    Daemon::start_with(CONFIG, &["--web.config.file", file.to_str().unwrap()], &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_but_the_probes_asks_for_a_user() {
    let dir = Dir::new();
    let daemon = behind(&dir, &users()).await;
    for path in [
        "/",
        "/metrics",
        "/style.css",
        "/api/v1/targets",
        "/nothing",
        "//-/healthy",
        "/-/healthy/",
        "/%2d/healthy",
        "/-/ready/../../metrics",
    ] {
        let stranger = daemon.get(path).await;
        assert_eq!(stranger.status, 401, "{path}");
        assert!(stranger.header("www-authenticate").is_some_and(|how| how.starts_with("Basic")));
        assert_eq!(daemon.get_with(path, &[MALLORY]).await.status, 401, "{path}");
    }
    assert_eq!(request(daemon.port, "POST", "/-/reload", &[]).await.unwrap().status, 401);
    assert_eq!(daemon.get("/-/healthy").await.status, 200);
    assert_ne!(daemon.get("/-/ready").await.status, 401);
    for path in ["/metrics", "/api/v1/findings"] {
        assert_eq!(daemon.get_with(path, &[ALICE]).await.status, 200, "{path}");
    }
    assert_eq!(daemon.get_with("/%2d/healthy", &[ALICE]).await.status, 404);
    assert!(!daemon.log().contains("sesame") && !daemon.log().contains("$2b$"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_takes_effect_and_a_broken_one_does_not() {
    let dir = Dir::new();
    let daemon = behind(&dir, "").await;
    assert_eq!(daemon.get("/metrics").await.status, 200);
    let file = dir.join("web-config.yml");
    fs::write(&file, users()).unwrap();
    daemon.wait_for("/metrics", |answer| answer.status == 401, SOON).await;
    fs::write(&file, "basic_auth_users:\n  alice: open sesame\n").unwrap();
    daemon.wait_for_log("the last good one stays", SOON).await;
    assert!(daemon.log().contains("web-config.yml:2:3"), "{}", daemon.log());
    assert!(!daemon.log().contains("sesame"), "a password in the wrong place is not repeated");
    assert_eq!(daemon.get("/metrics").await.status, 401);
    assert_eq!(request(daemon.port, "POST", "/-/reload", &[ALICE]).await.unwrap().status, 500);
    assert_eq!(daemon.get_with("/metrics", &[ALICE]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_cannot_be_understood_keeps_dbsonde_from_starting() {
    let dir = Dir::new();
    let (config, web) = (dir.join("dbsonde.toml"), dir.join("web-config.yml"));
    fs::write(&config, format!("[web]\nconfig_file = \"web-config.yml\"\n{CONFIG}")).unwrap();
    for (text, said) in [
        ("tls_server_config:\n  cert_file: none.pem\n", "web-config.yml:2:14"),
        ("basic_auth_user: {}\n", "did you mean `basic_auth_users`?"),
    ] {
        fs::write(&web, text).unwrap();
        for command in ["check-config", "run"] {
            let flag = if command == "run" { "--config.file" } else { "--" };
            let done = dbsonde(&[command, flag, config.to_str().unwrap()], &[]).await;
            assert_eq!(done.code, 78, "{command}: {}", done.stderr);
            assert!(done.stderr.contains(said), "{command}: {}", done.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_client_certificates_and_a_renewed_one() {
    let dir = Dir::new();
    let ours = Authority::new("ours");
    ours.issue("server", &["localhost"]).write(&dir, "server");
    fs::write(dir.join("ca.pem"), ours.pem()).unwrap();
    let web_config = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  \
        client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  \
        client_allowed_sans: [prometheus.example]\n  min_version: TLS12\n  max_version: TLS13\n  \
        cipher_suites:\n    - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\n  curve_preferences: [CurveP256, X25519]\n\
        http_server_config:\n  http2: false\n  headers:\n    Strict-Transport-Security: max-age=60\n";
    fs::write(dir.join("web-config.yml"), web_config).unwrap();
    let file = dir.join("web-config.yml");
    // Older promtools do not know of allowed names.
    let known = web_config.lines().filter(|line| !line.contains("client_allowed_sans"));
    let sample = dir.join("sample.yml");
    fs::write(&sample, known.collect::<Vec<_>>().join("\n")).unwrap();
    let promtool = prometheus("promtool").args(["check", "web-config"]).arg(&sample).output().unwrap();
    assert!(promtool.status.success(), "{}", String::from_utf8_lossy(&promtool.stderr));

    let scraper = ours.issue("scraper", &["prometheus.example"]);
    let args = ["--web.config.file", file.to_str().unwrap()];
    let daemon = Daemon::start_behind_tls(CONFIG, &args).await;
    let get = |client, trusted: &Authority| ask(daemon.port, "/metrics", client, trusted.certificate());
    let answer = get(Some(&scraper), &ours).await;
    let answer = answer.unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
    assert_eq!((answer.status, answer.header("strict-transport-security")), (200, Some("max-age=60")));
    let stranger = Authority::new("theirs").issue("scraper", &["prometheus.example"]);
    let other = ours.issue("other", &["other.example"]);
    for (who, client) in [("nobody", None), ("a stranger", Some(&stranger)), ("another name", Some(&other))] {
        assert!(get(client, &ours).await.is_err(), "{who} came in");
    }
    assert!(daemon.try_get("/metrics", &[]).await.is_err(), "plain text is no way in");

    let renewed = Authority::new("renewed");
    renewed.issue("server", &["localhost"]).write(&dir, "server");
    let end = std::time::Instant::now() + SOON;
    while get(Some(&scraper), &renewed).await.is_err() {
        assert!(std::time::Instant::now() < end, "the renewed certificate is not shown:\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_door_is_said_and_found_and_a_closed_one_is_not() {
    let dir = Dir::new();
    let daemon = Daemon::start_with(CONFIG, &["--web.listen-address", "0.0.0.0:0"], &[]).await;
    assert!(daemon.log().contains("anybody who reaches this address"), "{}", daemon.log());
    let found = |answer: &crate::rig::daemon::Response| answer.text().contains("\"door-open\"");
    let answer = daemon.wait_for("/api/v1/findings", found, SOON).await.json();
    assert_eq!(answer["findings"][0]["target"], "dbsonde");
    assert!(daemon.get("/metrics").await.text().contains("\ndbsonde_http_open_to_others 1\n"));
    assert!(daemon.get("/").await.text().contains("door-open"));
    drop(dir);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strange_name_or_method_gets_nothing() {
    let daemon = Daemon::start(&format!("[web]\nhosts = [\"db1.example\"]\n{CONFIG}")).await;
    for (host, status) in [("evil.example", 403), ("db1.example:9909", 200), ("localhost", 200)] {
        let head = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(raw(daemon.port, head.as_bytes()).await, Some(status), "{host}");
    }
    for (method, status) in [("TRACE", 405), ("OPTIONS", 405), ("DELETE", 405), ("BREW", 405), ("HEAD", 200)]
    {
        let answer = request(daemon.port, method, "/metrics", &[]).await.unwrap();
        assert_eq!(answer.status, status, "{method}");
    }
    // What a page of the web has a browser here do.
    let own = format!("http://127.0.0.1:{}", daemon.port);
    for (origin, status) in [("http://evil.example", 403), ("null", 403), (own.as_str(), 200)] {
        let answer = request(daemon.port, "POST", "/-/reload", &[("origin", origin)]).await.unwrap();
        assert_eq!(answer.status, status, "{origin}");
    }
    let broken: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    ];
    for head in broken {
        let status = raw(daemon.port, head).await;
        assert!(status.is_none_or(|status| (400..500).contains(&status)), "{status:?}");
    }
    let long = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    assert_eq!(raw(daemon.port, long.as_bytes()).await, Some(431));
    assert_eq!(daemon.get("/metrics").await.status, 200);
}

/// Sends these bytes and reads a status, if there is one.
async fn raw(port: u16, bytes: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(bytes).await.ok()?;
    let mut answer = vec![0; 32];
    let read =
        tokio::time::timeout(SOON, stream.read(&mut answer)).await.expect("an answer or an end").ok()?;
    std::str::from_utf8(answer.get(..read)?).ok()?.split(' ').nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_only_sits_there_keeps_nobody_out() {
    let daemon = Daemon::start(CONFIG).await;
    let mut crowd = Vec::new();
    for nth in 0..600 {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", daemon.port)).await else { continue };
        // Half say nothing, half never end their request.
        if nth % 2 == 0 {
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ").await;
        }
        crowd.push(stream);
        if nth % 50 == 0 {
            assert_eq!(daemon.get("/metrics").await.status, 200, "after {nth} strangers");
        }
    }
    let descriptors = daemon.descriptors().await;
    assert!(descriptors < 350, "{descriptors} descriptors are open");
    assert_eq!(daemon.get("/metrics").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_too_often_waits() {
    let dir = Dir::new();
    let daemon = behind(&dir, "rate_limit:\n  interval: 10m\n  burst: 40\n").await;
    let mut last = daemon.get("/metrics").await;
    for _ in 0..60 {
        last = daemon.get("/metrics").await;
    }
    assert_eq!((last.status, last.header("retry-after").is_some()), (429, true));
}

/// Slow heads, readers that do not read, connections by the thousand, pipelines and nonsense, all at once.
#[tokio::test(flavor = "multi_thread")]
async fn abuse_of_every_kind_leaves_a_good_client_its_metrics() {
    let daemon = Daemon::start(CONFIG).await;
    let port = daemon.port;
    let calm = latencies(&daemon, 100).await;
    let connect = move || TcpStream::connect(("127.0.0.1", port));
    let mut abuse = tokio::task::JoinSet::new();
    // Ten thousand that come and go, a few at a time. Without optimisation we take them in more slowly than they come, and the
    // good client's turn would be after all who wait: so they come a little more slowly too.
    let breath = Duration::from_millis(if cfg!(debug_assertions) { 5 } else { 0 });
    for _ in 0..8 {
        abuse.spawn(async move {
            for nth in 0..1_250 {
                tokio::time::sleep(breath).await;
                let Ok(mut stream) = connect().await else { continue };
                if nth % 3 == 0 {
                    let _ = stream.write_all(b"BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
                }
            }
        });
    }
    // Those that send a byte a second, and those that ask for everything and read nothing.
    for nth in 0..60 {
        abuse.spawn(async move {
            let Ok(mut stream) = connect().await else { return };
            let head = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
            for byte in head {
                if nth % 2 == 0 {
                    let _ = stream.write_all(&head.repeat(50)).await;
                    tokio::time::sleep(Duration::from_secs(15)).await;
                    return;
                }
                let _ = stream.write_u8(*byte).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
    let mut stormy = Vec::new();
    while stormy.len() < 400 {
        stormy.extend(latencies(&daemon, 20).await);
    }
    abuse.abort_all();
    let p99 = |mut all: Vec<Duration>| {
        all.sort();
        all[all.len() * 99 / 100]
    };
    let (calm, stormy) = (p99(calm), p99(stormy));
    eprintln!("p99 of /metrics: {calm:?} in peace, {stormy:?} amid abuse");
    // The goal is 100 ms; without optimisation, beside other tests, all take longer.
    assert!(stormy < Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 100 }), "{stormy:?}");
    let descriptors = daemon.descriptors().await;
    assert!(descriptors < 350, "{descriptors} descriptors are open");
    assert!(daemon.peak_memory() < 96 << 20, "{} bytes", daemon.peak_memory());
}

async fn latencies(daemon: &Daemon, many: usize) -> Vec<Duration> {
    let mut all = Vec::new();
    for _ in 0..many {
        let asked = std::time::Instant::now();
        assert_eq!(daemon.get("/metrics").await.status, 200);
        all.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    all
}
