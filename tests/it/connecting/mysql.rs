//! Connecting as MySQL's own programs do: option files, TLS and proofs of every kind.

use crate::rig::Dir;
use crate::rig::certificates::{Certificates, closed};
use crate::rig::daemon::dbsonde;
use crate::rig::mysql::{Server, Version, flavours};
use std::fs;
use std::path::Path;

/// Whether `check-targets` gets in, and what it says.
async fn tries(url: &str) -> (bool, String) {
    let dir = Dir::new();
    let file = dir.join("dbsonde.toml");
    let url = serde_json::to_string(url).unwrap();
    fs::write(&file, format!("[[target]]\nname = \"street\"\nurl = {url}\n")).unwrap();
    let done = dbsonde(&["check-targets", file.to_str().unwrap()], &[]).await;
    (done.code == 0, format!("{}{}", done.stdout, done.stderr))
}

async fn gets_in(url: &str) {
    let (is_in, said) = tries(url).await;
    assert!(is_in, "{url}: {said}");
}

/// What it says then.
async fn stays_out(url: &str) -> String {
    let (is_in, said) = tries(url).await;
    assert!(!is_in, "{url}: {said}");
    said
}

/// What MySQL's own reader of option files makes of one.
fn judged(file: &Path) -> String {
    let printed = Version::MySql97
        .tool("my_print_defaults")
        .arg(format!("--defaults-file={}", file.display()))
        .args(["--show", "client"])
        .output()
        .unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let mut options =
        printed.lines().rev().map(|line| line.strip_prefix("--loose-").or(line.strip_prefix("--")));
    options.find_map(|line| line?.strip_prefix("password=")).unwrap_or_default().to_owned()
}

/// Each line as a password, where it was meant to be read and where a slip cut it short.
const PASSWORDS: [&str; 12] = [
    "password=plain",
    "password = a#b",
    "password = 'a#b' # quoted",
    "password=\"a#b\"",
    "password=\"it's\"",
    "password='say \\\"hi\\\"'",
    "password=two words",
    "password=back\\\\slash\\s\\q",
    "password = ends=with=",
    "PassWord=p\npassword=the last counts",
    "loose-password='loose'",
    "password='p'\n[other]\npassword=not ours",
];

#[tokio::test(flavor = "multi_thread")]
async fn option_files_are_read_as_mysql_reads_them() {
    let server = Server::start(Version::MySql97, &[]).await;
    server.sql("", "create user sonde@'%' identified by 'x'").await;
    let dir = Dir::new();
    let file = dir.join("my.cnf");
    let url = format!("mysql://?defaults_file={}", file.display());
    for line in PASSWORDS {
        let port = server.port;
        let text = format!("[client]\nuser = sonde\nhost=127.0.0.1\nport={port}\nno-such-option\n{line}\n");
        fs::write(&file, text).unwrap();
        closed(&file);
        let password = judged(&file).replace('\\', "\\\\").replace('\'', "\\'");
        assert!(!password.is_empty(), "{line}");
        server.sql("", &format!("alter user sonde@'%' identified by '{password}'")).await;
        gets_in(&url).await;
    }
    // The socket, a group of one's own, a file within the file, and what the URL says before all of them.
    let (socket, more) = (server.socket(), dir.join("more.cnf"));
    server.sql("", "alter user sonde@'%' identified by 'sesame'").await;
    fs::write(&more, "[client.here]\npassword=sesame\n").unwrap();
    let text = format!(
        "[client]\nuser=nobody\npassword=wrong\nsocket={}\n!include {}\n",
        socket.display(),
        more.display()
    );
    fs::write(&file, text).unwrap();
    closed(&file);
    gets_in(&format!("mysql://sonde@/?defaults_file={}&defaults_group=client.here", file.display())).await;
    stays_out(&url).await;
    // A secret that others may read, and a file that is not there.
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(stays_out(&url).await.contains("can be read by others"));
    fs::remove_file(&file).unwrap();
    assert!(stays_out(&url).await.contains("defaults_file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_believed_as_far_as_was_said() {
    let certificates = Certificates::new();
    let path = |name: &str| certificates.path(name).display().to_string();
    for version in flavours() {
        let mut server = Server::start(version, &[]).await;
        certificates.install("server", &server.data());
        fs::copy(certificates.path("ca.crt"), server.data().join("ca.crt")).unwrap();
        crate::rig::process::give(&server.data());
        for (name, file) in [("ssl_ca", "ca.crt"), ("ssl_cert", "server.crt"), ("ssl_key", "server.key")] {
            server.set(name, &server.data().join(file).display().to_string());
        }
        server.restart(crate::rig::postgres::Stop::Fast).await;
        server
            .sql(
                "",
                "create user tls@'%' identified by 'sesame' require ssl;
                 create user certain@'%' identified by 'sesame' require x509",
            )
            .await;
        let url = |user: &str, host: &str, more: &str| {
            format!("mysql://{user}:sesame@{host}:{}/?{more}", server.port)
        };
        let (ca, other) = (path("ca.crt"), path("other-ca.crt"));
        let pair = format!("ssl-cert={}&ssl-key={}", path("client.crt"), path("client.key"));
        for (user, host, more) in [
            ("tls", "127.0.0.1", String::new()),
            ("tls", "127.0.0.1", "ssl-mode=PREFERRED".into()),
            ("tls", "127.0.0.1", "ssl-mode=REQUIRED".into()),
            ("tls", "127.0.0.1", "sslmode=require".into()),
            ("tls", "127.0.0.1", format!("ssl-mode=VERIFY_CA&ssl-ca={ca}")),
            ("tls", "localhost", format!("ssl_mode=verify_identity&ssl_ca={ca}")),
            ("tls", "127.0.0.1", format!("ssl-ca={ca}")),
            ("certain", "127.0.0.1", format!("ssl-mode=REQUIRED&{pair}")),
        ] {
            gets_in(&url(user, host, &more)).await;
        }
        for (user, host, more) in [
            ("tls", "127.0.0.1", "ssl-mode=DISABLED".to_owned()),
            ("tls", "127.0.0.1", "ssl-mode=VERIFY_EVERYTHING".to_owned()),
            ("tls", "127.0.0.1", format!("ssl-mode=VERIFY_CA&ssl-ca={other}")),
            ("tls", "127.0.0.1", format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}")),
            ("tls", "127.0.0.1", format!("ssl-ca={other}")),
            ("certain", "127.0.0.1", "ssl-mode=REQUIRED".to_owned()),
        ] {
            let said = stays_out(&url(user, host, &more)).await;
            assert!(!said.contains("sesame"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_proof_of_a_password_is_known() {
    // Without TLS the server's own key hides the password, until its cache knows us.
    let server = Server::start(Version::MySql97, &[("tls_version", "")]).await;
    server.sql("", "create user caching@'%' identified with caching_sha2_password by 'sésame'").await;
    server.sql("", "create user old@'%' identified with sha256_password by 'sésame'").await;
    for user in ["caching", "caching", "old"] {
        gets_in(&server.url_as(user, "s%C3%A9same", "")).await;
        stays_out(&server.url_as(user, "wrong", "")).await;
    }
    let server = Server::start(Version::MariaDb1011, &[("plugin_load_add", "auth_ed25519")]).await;
    server.sql("", "create user signs@'%' identified via ed25519 using password('sesame')").await;
    server
        .sql("", "create user native@'%' identified via mysql_native_password using password('sesame')")
        .await;
    for user in ["signs", "native"] {
        gets_in(&server.url_as(user, "sesame", "")).await;
        stays_out(&server.url_as(user, "wrong", "")).await;
    }
}
