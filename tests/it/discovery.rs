//! Targets that another program writes down, in files or as an answer over HTTP, come, change and go without a restart;
//! what is broken changes nothing.

use crate::rig::daemon::{Daemon, Response};
use crate::rig::hostile::{Hostile, Malice};
use crate::rig::https::Authority;
use crate::rig::mysql::flavours;
use crate::rig::{Dir, mysql, postgres};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const LIMIT: Duration = Duration::from_secs(30);
/// Where an address is asked each five seconds, and a server has to be reached.
const LONG: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn targets_come_and_go_with_their_files() {
    let dir = Dir::new();
    let put = |file: &str, text: String| {
        fs::write(dir.join("new"), text).unwrap();
        fs::rename(dir.join("new"), dir.join(file)).unwrap();
    };
    let group = json!([{
        "targets": ["postgres://sonde@127.0.0.1:1/postgres"], "labels": {"__name": "first", "team": "shop"},
    }]);
    put("a.json", group.to_string());
    let files = ["json", "yml"].map(|ending| format!("\"{}/*.{ending}\"", dir.path().display()));
    let config = format!("[discovery]\nfiles = [{}]\n", files.join(", "));
    let daemon = Daemon::start(&config).await;
    let names = |text: &str| ["first", "second"].map(|name| text.contains(&format!("\"{name}\"")));
    let shows = async |wanted: [bool; 2]| {
        daemon.wait_for("/api/v1/targets", |answer| names(&answer.text()) == wanted, LIMIT).await;
    };
    shows([true, false]).await;
    let yaml =
        "- targets:\n  - postgres://sonde@127.0.0.1:1/postgres\n  labels: {__name: second, team: shop}\n";
    put("b.yml", yaml.to_owned());
    shows([true, true]).await;
    fs::write(dir.join("b.yml"), "- targets: *oops\n").unwrap();
    daemon.wait_for_log("the last good one stays", LIMIT).await;
    shows([true, true]).await;
    fs::remove_file(dir.join("b.yml")).unwrap();
    shows([true, false]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_share_the_targets() {
    let target =
        |name: &str| format!("[[target]]\nname = \"{name}\"\nurl = \"postgres://a@127.0.0.1:1/b\"\n");
    let config: String = (0..20).map(|nth| target(&format!("db{nth}"))).collect();
    let mut all = Vec::new();
    for shard in ["1/2", "2/2"] {
        let daemon = Daemon::start_with(&config, &["--shard", shard], &[]).await;
        let targets = daemon.get("/api/v1/targets").await.json();
        let names =
            targets.as_array().unwrap().iter().map(|target| target["name"].as_str().unwrap().to_owned());
        let names: Vec<String> = names.collect();
        assert!(!names.is_empty() && names.len() < 20, "{names:?}");
        all.extend(names);
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 20);
}

/// Another program that knows which servers there are.
#[derive(Clone, Default)]
struct Inventory(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    status: u16,
    kind: &'static str,
    body: String,
    /// The heads of what it was asked.
    heads: Vec<String>,
}

impl Inventory {
    fn says(&self, status: u16, kind: &'static str, body: impl ToString) {
        let mut told = self.0.lock().unwrap();
        (told.status, told.kind, told.body) = (status, kind, body.to_string());
    }

    fn heads(&self) -> Vec<String> {
        self.0.lock().unwrap().heads.clone()
    }

    async fn serve(&self, tls: Option<TlsAcceptor>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let this = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (this, tls) = (this.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => this.answer(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => this.answer(stream).await,
                            Err(_) => Ok(()),
                        },
                    }
                });
            }
        });
        port
    }

    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let answer = {
            let mut told = self.0.lock().unwrap();
            told.heads.push(String::from_utf8_lossy(&head).into_owned());
            // In pieces, as a program sends it that does not know how much it will be.
            let piece = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
            let (kind, body) = (told.kind, piece(&told.body) + "0\r\n\r\n");
            format!(
                "HTTP/1.1 {} So\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n{body}",
                told.status
            )
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    }
}

const JSON: &str = "application/json; charset=utf-8";

fn secret(dir: &Dir, name: &str, text: &str) {
    fs::write(dir.join(name), text).unwrap();
    fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_come_and_go_with_what_an_address_answers() {
    let server = postgres::Server::start(postgres::any(), &[]).await;
    let other = mysql::Server::start(flavours()[1], &[]).await;
    server.sql("postgres", "create role listed login password 'of a file'; grant pg_monitor to listed").await;
    let (dir, state, inventory) = (Dir::new(), Dir::new(), Inventory::default());
    secret(&dir, "shop", "of a file\n");
    let url = server.url_as("listed", "", "postgres").replace("listed:@", "listed@");
    let shop = json!({"targets": [url], "labels": {"__name": "shop", "__password_file": "shop", "team": "checkout"}});
    let crm = json!({"targets": [other.url("")], "labels": {"__name": "crm", "team": "sales"}});
    inventory.says(200, JSON, json!([shop]));
    let port = inventory.serve(None).await;
    let config = format!(
        "[discovery]\nhttp = [{{ url = \"http://127.0.0.1:{port}/targets?key=s3cret\", refresh = \"5s\", timeout = \"5s\", password_dir = \"{}\" }}]\n",
        dir.path().display()
    );
    let args = ["--state.dir", state.path().to_str().unwrap()];
    let daemon = Daemon::start_with(&config, &args, &[]).await;
    let is_up = |target: &str, team: &str| {
        let labels = [format!("target=\"{target}\""), format!("team=\"{team}\"")];
        move |answer: &Response| {
            let text = answer.text();
            let mut up =
                text.lines().filter(|line| line.starts_with("dbsonde_target_up{") && line.ends_with(" 1"));
            up.any(|line| labels.iter().all(|label| line.contains(label)))
        }
    };
    daemon.wait_for("/metrics", is_up("shop", "checkout"), LONG).await;
    let head = inventory.heads()[0].clone();
    for line in ["GET /targets?key=s3cret HTTP/1.1\r\n", "\r\nX-Prometheus-Refresh-Interval-Seconds: 5\r\n"] {
        assert!(head.contains(line), "{head}");
    }

    inventory.says(200, JSON, json!([shop, crm]));
    daemon.wait_for("/metrics", is_up("crm", "sales"), LONG).await;

    // Whatever it answers now, what was watched is.
    let twice = json!([shop, shop]);
    let far = json!([{"targets": [url], "labels": {"__name": "shop", "__password_file": "/etc/hostname"}}]);
    for (status, kind, body) in [
        (500, JSON, json!([])),
        (200, "text/html", json!([])),
        (200, JSON, json!({"targets": []})),
        (200, JSON, far),
        (200, JSON, twice),
    ] {
        let before = inventory.heads().len();
        inventory.says(status, kind, body);
        daemon.wait_for("/metrics", |_| inventory.heads().len() > before + 1, LONG).await;
    }
    let failing = |answer: &Response| answer.text().contains("\"discovery-failing\"");
    let answer = daemon.wait_for("/api/v1/findings", failing, LONG).await.text();
    assert!(
        answer.contains("The 2 targets of its last one are still watched") && !answer.contains("s3cret"),
        "{answer}"
    );
    let metrics = daemon.get("/metrics").await;
    assert!(is_up("shop", "checkout")(&metrics) && is_up("crm", "sales")(&metrics));
    let list = format!("{{list=\"http://127.0.0.1:{port}/targets\"}}");
    assert!(metrics.text().contains(&format!("dbsonde_discovery_targets{list} 2\n")), "{}", metrics.text());

    // A restart meanwhile goes on with it.
    inventory.says(503, JSON, "");
    drop(daemon);
    let daemon = Daemon::start_with(&config, &args, &[]).await;
    daemon.wait_for("/metrics", is_up("shop", "checkout"), LONG).await;
    inventory.says(200, JSON, json!([crm]));
    let one = format!("dbsonde_discovery_targets{list} 1\n");
    let gone = |answer: &Response| !answer.text().contains("target=\"shop\"") && answer.text().contains(&one);
    daemon.wait_for("/metrics", gone, LONG).await;
    daemon.wait_for("/api/v1/findings", |answer| !failing(answer), LONG).await;
    assert!(!daemon.log().contains("s3cret"), "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_asked_over_tls_with_a_login_from_a_file() {
    let (dir, inventory, authority) = (Dir::new(), Inventory::default(), Authority::new("inventory"));
    let issued = authority.issue("inventory", &["localhost"]);
    fs::write(dir.join("ca.pem"), authority.pem()).unwrap();
    fs::write(dir.join("other.pem"), Authority::new("other").pem()).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let port = inventory.serve(Some(TlsAcceptor::from(Arc::new(tls)))).await;
    let target =
        json!([{"targets": ["postgres://sonde@127.0.0.1:1/postgres"], "labels": {"__name": "listed"}}]);
    inventory.says(200, JSON, target);
    secret(&dir, "token", "first\n");
    secret(&dir, "password", "open sesame\n");
    let list = |path: &str, rest: &str| {
        format!(
            "[[discovery.http]]\nurl = \"https://localhost:{port}/{path}\"\nrefresh = \"5s\"\ntimeout = \"5s\"\n{rest}\n"
        )
    };
    fs::write(
        dir.join("dbsonde.toml"),
        list("a", "ca_file = \"ca.pem\"\ntoken_file = \"token\"") + &list("b", "ca_file = \"other.pem\""),
    )
    .unwrap();
    let daemon = Daemon::start_on(&dir.join("dbsonde.toml"), &[], &[]).await;
    daemon.wait_for("/api/v1/targets", |answer| answer.text().contains("\"listed\""), LONG).await;
    let has = |wanted: &str| inventory.heads().iter().any(|head| head.contains(wanted));
    assert!(has("GET /a ") && has("Authorization: Bearer first\r\n"), "{:?}", inventory.heads());
    secret(&dir, "token", "second\n");
    daemon.wait_for("/-/healthy", |_| has("Authorization: Bearer second\r\n"), LONG).await;
    daemon.wait_for_log("/b", LONG).await;
    assert!(!has("GET /b "), "whom we do not trust learns nothing");

    let config = list("a", "ca_file = \"ca.pem\"\nuser = \"sonde\"\npassword_file = \"password\"");
    fs::write(dir.join("dbsonde.toml"), config).unwrap();
    daemon.wait_for("/-/healthy", |_| has("Authorization: Basic c29uZGU6b3BlbiBzZXNhbWU=\r\n"), LONG).await;
}

/// Whoever answers may name a server of his own, and that a password goes there in clear text.
#[tokio::test(flavor = "multi_thread")]
async fn servers_of_a_list_from_elsewhere_get_no_password_that_lies_around() {
    let (home, inventory) = (Dir::new(), Inventory::default());
    secret(&home, ".pgpass", "*:*:*:*:Kn4ry-file\n");
    let thief = Hostile::start(Malice::CleartextPassword).await;
    let url = format!("postgres://u@127.0.0.1:{}/d?require_auth=password", thief.port);
    inventory.says(200, JSON, json!([{"targets": [url], "labels": {"__name": "thief"}}]));
    let port = inventory.serve(None).await;
    let config = format!(
        "[discovery]\nhttp = [{{ url = \"http://127.0.0.1:{port}/\", refresh = \"5s\", timeout = \"5s\" }}]\n"
    );
    for environment in [
        [("PGPASSWORD", "Kn4ry-word"), ("HOME", "/nowhere")],
        [("PGUSER", "u"), ("HOME", home.path().to_str().unwrap())],
    ] {
        let before = thief.opened();
        let daemon = Daemon::start_with(&config, &[], &environment).await;
        let is_told = |answer: &Response| answer.text().contains("\"down_because\":\"");
        daemon.wait_for("/api/v1/targets", is_told, LONG).await;
        assert!(thief.opened() > before, "{}", daemon.log());
        assert!(!thief.heard().contains("Kn4ry"), "it was given {}", thief.heard());
    }
}
