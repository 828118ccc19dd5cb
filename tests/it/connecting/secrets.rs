//! Passwords that change, passwords that are wrong, and certificates that end.

use crate::rig::Dir;
use crate::rig::certificates::{Certificates, closed};
use crate::rig::daemon::Daemon;
use crate::rig::mysql;
use crate::rig::postgres::{Server, Stop, any};
use crate::rig::shim::Shim;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SOON: Duration = Duration::from_secs(90);

fn failures(server: &Server) -> usize {
    server.log().matches("password authentication failed").count()
}

async fn is_up(daemon: &Daemon, wanted: u8) {
    let line = format!("dbsonde_target_up{{target=\"db\"}} {wanted}");
    daemon.wait_for("/metrics", |answer| answer.text().contains(&line), SOON).await;
}

/// Three lanes with a wrong password knock once in the first minute; a new password is tried soon.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_password_rests_and_a_new_one_is_found() {
    let server = Server::start(any(), &[]).await;
    server.sql("postgres", "create role sonde login password 'sesame'; grant pg_monitor to sonde").await;
    let dir = Dir::new();
    let file = dir.join("token");
    fs::write(&file, "wrong\n").unwrap();
    closed(&file);
    let url = format!("postgres://sonde@127.0.0.1:{}/postgres", server.port);
    let command = format!("password_command = [\"/bin/cat\", \"{}\"]", file.display());
    let daemon = Daemon::start(&format!(
        "[pace]\nbeat = \"5s\"\n[[target]]\nname = \"db\"\nurl = \"{url}\"\n{command}\n"
    ))
    .await;
    is_up(&daemon, 0).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(failures(&server), 1, "one knock for all lanes");
    fs::write(&file, "sesame\n").unwrap();
    is_up(&daemon, 1).await;
    // It is rotated, and whoever was in is thrown out.
    fs::write(&file, "open-says-me\n").unwrap();
    server.sql("postgres", "alter role sonde password 'open-says-me'").await;
    server
        .sql("postgres", "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'sonde'")
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    is_up(&daemon, 1).await;
    assert_eq!(failures(&server), 1, "the new one was read before knocking");
    for secret in ["sesame", "open-says-me"] {
        assert!(!daemon.log().contains(secret), "{}", daemon.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_certificate_is_a_metric() {
    let server = Server::start(any(), &[]).await;
    let certificates = Certificates::new();
    certificates.install("server", &server.data());
    server.sql("postgres", "alter system set ssl = on").await;
    server.sql("postgres", "select pg_reload_conf()").await;
    server.wait_for("postgres", "select current_setting('ssl') = 'on'", Duration::from_secs(20)).await;
    let root = certificates.path("ca.crt").display().to_string();
    let url = format!(
        "postgres://postgres@localhost:{}/postgres?sslmode=verify-full&sslrootcert={root}",
        server.port
    );
    let daemon = Daemon::start(&format!("[[target]]\nname = \"db\"\nurl = \"{url}\"\n")).await;
    let name = "dbsonde_target_certificate_expires_timestamp_seconds{target=\"db\"} ";
    let answer = daemon.wait_for("/metrics", |answer| answer.text().contains(name), SOON).await.text();
    let at: f64 = answer.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap();
    let days = (at - SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()) / 86_400.0;
    assert!((19.0..=20.1).contains(&days), "{days} days");
}

/// By our clock it has ended: no way in, no word in clear text, and back as soon as it holds again.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_ended_is_refused_with_a_sentence() {
    let [mysql, mariadb] = mysql::flavours().map(|version| mysql::Server::start(version, &[]));
    let (server, mysql, mariadb) = tokio::join!(Server::start(any(), &[]), mysql, mariadb);
    let mut others = [("my", mysql), ("ma", mariadb)];
    let certificates = Certificates::new();
    certificates.install("server", &server.data());
    server.sql("postgres", "alter system set ssl = on").await;
    server.sql("postgres", "select pg_reload_conf()").await;
    server.wait_for("postgres", "select current_setting('ssl') = 'on'", Duration::from_secs(20)).await;
    let root = certificates.path("ca.crt").display().to_string();
    let mut targets = format!(
        "[[target]]\nname = \"pg\"\nurl = \"postgres://postgres@localhost:{}/postgres?sslmode=verify-full&sslrootcert={root}\"\n",
        server.port
    );
    for (name, other) in &mut others {
        certificates.install("server", &other.data());
        for (setting, file) in [("ssl_cert", "server.crt"), ("ssl_key", "server.key")] {
            other.set(setting, &other.data().join(file).display().to_string());
        }
        other.restart(Stop::Fast).await;
        targets += &format!(
            "[[target]]\nname = \"{name}\"\nurl = \"mysql://root@localhost:{}/?ssl-mode=VERIFY_IDENTITY&ssl-ca={root}\"\n",
            other.port
        );
    }
    let shim = Shim::new(std::path::Path::new("/nowhere"));
    let environment = shim.environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let daemon = Daemon::start_with(&targets, &[], &environment).await;
    let up = |name: &str, wanted: u8| format!("dbsonde_target_up{{target=\"{name}\"}} {wanted}");
    for name in ["pg", "my", "ma"] {
        daemon.wait_for("/metrics", |answer| answer.text().contains(&up(name, 1)), SOON).await;
    }
    // The certificate is for twenty days.
    shim.clock(25 * 86_400);
    server
        .sql(
            "postgres",
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'dbsonde%'",
        )
        .await;
    for (_, other) in &mut others {
        other.restart(Stop::Fast).await;
    }
    for name in ["pg", "my", "ma"] {
        daemon.wait_for("/metrics", |answer| answer.text().contains(&up(name, 0)), SOON).await;
    }
    let is_said = |text: &str| text.to_lowercase().matches("expired").count() >= 3;
    daemon.wait_for("/api/v1/targets", |answer| is_said(&answer.text()), SOON).await;
    let plain = "select count(*) = 0 from pg_stat_ssl join pg_stat_activity using (pid)
        where not ssl and application_name like 'dbsonde%'";
    assert_eq!(
        server.sql("postgres", plain).await[0][0].as_deref(),
        Some("t"),
        "somebody came in without TLS"
    );
    shim.clock(0);
    daemon.wait_for("/metrics", |answer| answer.text().contains(&up("pg", 1)), SOON).await;
}
