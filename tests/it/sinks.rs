//! Who is told, for real: a problem in a database becomes an alert in Alertmanager and ends there when it is mended;
//! a restart on either side loses nothing.

use crate::rig::certificates::closed;
use crate::rig::daemon::{Daemon, request_json};
use crate::rig::https::Authority;
use crate::rig::postgres::{Server, any};
use crate::rig::{Dir, free_port, prometheus};
use serde_json::Value;
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const PACES: &str = "[pace]\npulse = \"1s\"\nbeat = \"5s\"\nslow = \"15s\"\nrare = \"60s\"\n";
const LIMIT: Duration = Duration::from_secs(150);

async fn with_a_duplicate() -> Server {
    let server = Server::start(any(), &[]).await;
    let setup = "create table orders (id int primary key, note text);
        insert into orders select n, 'note ' || n from generate_series(1, 100000) n;
        create index orders_note on orders (note); create index orders_note_too on orders (note)";
    server.sql("postgres", setup).await;
    server.sql("postgres", "vacuum analyze orders").await;
    server
}

fn config(server: &Server, sink: &str) -> String {
    let url = server.url("postgres");
    format!(
        "{PACES}[[target]]\nname = \"db\"\nurl = \"{url}\"\nlabels = {{ team = \"shop\" }}\n\
         [rules]\nskip = [\"index-unused\", \"setting-loses-data\", \"server-watched-with-write-rights\"]\n[[sink]]\n{sink}\n"
    )
}

/// An Alertmanager that forgets everything with its process, ended when dropped.
struct Alertmanager {
    port: u16,
    child: Child,
    _dir: Dir,
}

impl Alertmanager {
    async fn start(port: u16) -> Alertmanager {
        let it = Self::spawn(port, "");
        let end = Instant::now() + LIMIT;
        while request_json(port, "/api/v2/status").await.is_err() {
            assert!(Instant::now() < end, "Alertmanager does not start");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        it
    }

    /// With a front door as the exporter toolkit has it.
    fn spawn(port: u16, door: &str) -> Alertmanager {
        let dir = Dir::new();
        fs::write(dir.join("am.yml"), "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n")
            .unwrap();
        fs::write(dir.join("door.yml"), door).unwrap();
        let child = prometheus("prometheus-alertmanager")
            .arg(format!("--config.file={}", dir.join("am.yml").display()))
            .arg(format!("--web.config.file={}", dir.join("door.yml").display()))
            .arg(format!("--storage.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--cluster.listen-address=", "--log.level=error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus-alertmanager: run tests/rig/install.sh");
        Alertmanager { port, child, _dir: dir }
    }

    /// The alerts of a page that are active.
    async fn alerts(&self, page: &str) -> Vec<Value> {
        let all = request_json(self.port, "/api/v2/alerts?active=true").await.unwrap();
        let all = all.as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|alert| alert["labels"]["alertname"] == page).collect()
    }

    async fn has(&self, page: &str, wanted: bool, daemon: &Daemon) -> Option<Value> {
        let end = Instant::now() + LIMIT;
        loop {
            let alerts = self.alerts(page).await;
            if alerts.is_empty() != wanted {
                return alerts.into_iter().next();
            }
            assert!(Instant::now() < end, "alert {page}: not {wanted}\n{}", daemon.log());
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_becomes_an_alert_that_ends_when_it_is_mended() {
    let (server, port) = (with_a_duplicate().await, free_port());
    let alertmanager = Alertmanager::start(port).await;
    let sink = format!("kind = \"alertmanager\"\nurl = \"http://127.0.0.1:{port}\"");
    let daemon = Daemon::start(&config(&server, &sink)).await;
    let alert = alertmanager.has("index-duplicate", true, &daemon).await.unwrap();
    assert_eq!((&alert["labels"]["team"], &alert["labels"]["target"]), (&"shop".into(), &"db".into()));
    let fix = alert["annotations"]["fix"].as_str().unwrap().to_owned();
    assert!(fix.contains("DROP INDEX CONCURRENTLY"), "{alert:#}");

    // It forgets; it is told again, because the finding is still open.
    drop(alertmanager);
    let alertmanager = Alertmanager::start(port).await;
    alertmanager.has("index-duplicate", true, &daemon).await;
    let client = server.connect("postgres").await;
    for statement in fix.lines() {
        client.batch_execute(statement).await.unwrap();
    }
    alertmanager.has("index-duplicate", false, &daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alertmanager_behind_tls_and_a_login_is_told_once_the_login_is_right() {
    let (server, port, dir) = (with_a_duplicate().await, free_port(), Dir::new());
    let authority = Authority::new("operator");
    authority.issue("localhost", &["localhost"]).write(&dir, "am");
    fs::write(dir.join("ca.pem"), authority.pem()).unwrap();
    let at = |file: &str| dir.join(file).display().to_string();
    let (cert, key) = (at("am.pem"), at("am.key"));
    let door = format!(
        "tls_server_config: {{ cert_file: {cert}, key_file: {key} }}\nbasic_auth_users: {{ sonde: '{}' }}\n",
        bcrypt::hash("open sesame", 4).unwrap()
    );
    let _alertmanager = Alertmanager::spawn(port, &door);
    fs::write(dir.join("password"), "open barley").unwrap();
    closed(&dir.join("password"));
    let sink = format!(
        "kind = \"alertmanager\"\nurl = \"https://localhost:{port}\"\nca_file = {:?}\nuser = \"sonde\"\npassword_file = {:?}",
        at("ca.pem"),
        at("password")
    );
    let daemon = Daemon::start(&config(&server, &sink)).await;
    daemon.wait_for_log("answered 401: it does not take our login", LIMIT).await;
    fs::write(dir.join("password"), "open sesame").unwrap();
    let delivered = |text: &str| {
        text.lines().any(|line| line.starts_with("dbsonde_sink_delivered_total") && !line.ends_with(" 0"))
    };
    daemon.wait_for("/metrics", |answer| delivered(&answer.text()), LIMIT).await;
    for secret in ["open barley", "open sesame"] {
        assert!(!daemon.log().contains(secret), "{}", daemon.log());
    }
}

/// Takes requests on a port and returns their bodies, until as many have come as are wanted.
async fn hear(port: u16, wanted: usize) -> Vec<Value> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < wanted {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        let body = loop {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "a request without an end");
            let text = String::from_utf8_lossy(&read).into_owned();
            if let Some((_, body)) = text.split_once("\r\n\r\n")
                && let Ok(body) = serde_json::from_str(body)
            {
                break body;
            }
        };
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        heard.push(body);
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_sink_survives_our_own_death() {
    let (server, port, state) = (with_a_duplicate().await, free_port(), Dir::new());
    let sink = format!("kind = \"webhook\"\nurl = \"http://127.0.0.1:{port}/hook\"");
    let args = ["--state.dir", state.path().to_str().unwrap()];
    let daemon = Daemon::start_with(&config(&server, &sink), &args, &[]).await;
    let is_found = |answer: &Value| answer["findings"].as_array().is_some_and(|all| !all.is_empty());
    daemon.wait_for("/api/v1/findings", |answer| is_found(&answer.json()), LIMIT).await;
    daemon.wait_for_log("cannot deliver now", LIMIT).await;
    // The ledger is written once a minute: only then does the next life hold the finding for told.
    daemon.signal("KILL");
    drop(daemon);
    let daemon = Daemon::start_with(&config(&server, &sink), &args, &[]).await;
    let heard = tokio::time::timeout(LIMIT, hear(port, 1)).await.expect("nothing was delivered");
    assert_eq!(heard[0]["change"]["entry"]["rule"], "index-duplicate", "{heard:#?}");
    assert_eq!(heard[0]["change"]["kind"], "opened");
    let gone = Instant::now() + LIMIT;
    let is_empty = |path: &std::path::Path| fs::metadata(path).is_ok_and(|about| about.len() == 0);
    let spools: Vec<_> = fs::read_dir(state.join("sinks")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(spools.len(), 1);
    while !is_empty(&spools[0]) && Instant::now() < gone {
        tokio::time::sleep(Duration::from_millis(100)).await;
        // The next life may find the same anew, when its ledger had not been written: at least once, not exactly.
        tokio::time::timeout(Duration::from_millis(500), hear(port, 1)).await.ok();
    }
    assert!(is_empty(&spools[0]), "{:?}\n{}", fs::read_to_string(&spools[0]), daemon.log());
}
