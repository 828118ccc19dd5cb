//! What is done to us: settings that change faster than they can be read, a disk without room.

use super::{PACES, SOON, TARGET, config, up, value};
use crate::rig::daemon::Daemon;
use crate::rig::mysql;
use crate::rig::postgres::{Server, any};
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_reloads_ends_with_the_last_good_settings() {
    let good = config("postgres://u@127.0.0.1:1/postgres");
    let daemon = Daemon::start(&good).await;
    up(&daemon, 0.0).await;
    let before = daemon.descriptors().await;
    for nth in 0..120 {
        let text = match nth % 4 {
            0 => "[web\n".to_owned(),
            1 => good.replace("\"db\"", "\"other\""),
            2 => good[..good.len() / 2].to_owned(),
            _ => good.clone(),
        };
        fs::write(daemon.config_file(), text).unwrap();
        daemon.signal("HUP");
        if nth % 30 == 0 {
            assert_eq!(daemon.get("/metrics").await.status, 200);
        }
    }
    fs::write(daemon.config_file(), good.replace("\"db\"", "\"last\"")).unwrap();
    daemon.signal("HUP");
    let last = |text: &str| value(text, "dbsonde_target_up", &["target=\"last\""]).is_some();
    let answer = daemon.wait_for("/metrics", |answer| last(&answer.text()), SOON).await.text();
    assert_eq!(value(&answer, "dbsonde_target_up", &[TARGET]), None, "what is gone leaves no series");
    assert!(answer.contains("\ndbsonde_config_last_reload_successful 1\n"), "{answer}");
    let after = daemon.descriptors().await;
    assert!(after <= before + 10, "{before} descriptors became {after}");
    assert!(!daemon.log().contains("panic"), "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_once_and_profiling_goes_on() {
    let server = Server::start(any(), &[]).await;
    let daemon = Daemon::start_without_room(&config(&server.url("postgres"))).await;
    up(&daemon, 1.0).await;
    let is_told = |text: &str| text.contains("\ndbsonde_store_healthy 0\n");
    let metrics = daemon.wait_for("/metrics", |answer| is_told(&answer.text()), SOON).await.text();
    assert_eq!(value(&metrics, "dbsonde_target_up", &[TARGET]), Some(1.0));
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    up(&daemon, 1.0).await;
    let said = daemon.log().lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count();
    assert!(said <= 12, "{said} warnings:\n{}", daemon.log());
}

/// Either it watches and serves, or it says that there is not enough and ends: it never goes on half alive.
#[tokio::test(flavor = "multi_thread")]
async fn a_cap_on_memory_is_lived_with_or_said() {
    let [mysql, mariadb] = mysql::flavours().map(|version| mysql::Server::start(version, &[]));
    let (server, mysql, mariadb) = tokio::join!(Server::start(any(), &[]), mysql, mariadb);
    server.sql("postgres", "create extension pg_stat_statements").await;
    let mut settings = PACES.to_owned();
    for (name, url) in [("pg", server.url("postgres")), ("my", mysql.url("")), ("ma", mariadb.url(""))] {
        settings += &format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n");
    }
    let all_up = async |daemon: &Daemon| {
        let is_up = |text: &str, name| {
            value(text, "dbsonde_target_up", &[&format!("target=\"{name}\"")]) == Some(1.0)
        };
        let all = |text: &str| ["pg", "my", "ma"].iter().all(|name| is_up(text, name));
        daemon.wait_for("/metrics", |answer| all(&answer.text()), SOON).await;
    };
    let mut lived = 0;
    for megabytes in [32, 64, 96, 128, 192, 256, 384, 512, 1_024] {
        let shell = format!("ulimit -v {}", megabytes << 10);
        match Daemon::tries_after(&shell, &settings).await {
            Err((status, said)) => {
                eprintln!("{megabytes} MB: {status}: {}", said.trim());
                // Whom the system's loader ends has had no chance to speak.
                let is_loader = std::os::unix::process::ExitStatusExt::signal(&status).is_some();
                assert!(
                    !status.success() && (is_loader || !said.trim().is_empty()),
                    "{megabytes} MB: {status}"
                );
                assert_eq!(lived, 0, "less was enough");
            }
            Ok(daemon) => {
                all_up(&daemon).await;
                tokio::time::sleep(std::time::Duration::from_secs(if lived == 0 { 20 } else { 3 })).await;
                all_up(&daemon).await;
                assert!(!daemon.log().contains("panic"), "{megabytes} MB:\n{}", daemon.log());
                eprintln!("{megabytes} MB: {} MB resident at most", daemon.peak_memory() >> 20);
                lived += 1;
            }
        }
    }
    assert!(lived > 0, "not even a gigabyte is enough");
}

/// Who may create tables does not fill our memory: what finds no room is told, and the rest is read as before.
#[tokio::test(flavor = "multi_thread")]
async fn what_users_hoard_is_read_no_further_than_there_is_room() {
    let [mysql, mariadb] = mysql::flavours().map(|version| mysql::Server::start(version, &[]));
    let (server, mysql, mariadb) = tokio::join!(Server::start(any(), &[]), mysql, mariadb);
    let name = |table: usize, nth: usize| format!("a{table:02}_{nth:03}_{}", "x".repeat(50));
    let tables: Vec<String> = (0..40)
        .map(|table| {
            let columns: Vec<String> = (0..500).map(|nth| format!("{} int", name(table, nth))).collect();
            format!("create table {} ({})", name(table, 0), columns.join(", "))
        })
        .collect();
    server
        .sql(
            "postgres",
            &format!("create table small as select 1 as id; analyze small; {}", tables.join("; ")),
        )
        .await;
    for server in [&mysql, &mariadb] {
        server
            .sql(
                "",
                &format!(
                    "create database shop; use shop; create table small (id int); {}",
                    tables.join("; ")
                ),
            )
            .await;
        // MariaDB tells the columns of tables that are open.
        server
            .sql(
                "shop",
                &(0..40)
                    .map(|table| format!("select count(*) from {}; ", name(table, 0)))
                    .collect::<String>(),
            )
            .await;
    }
    let mut settings = format!("{PACES}[budget]\nmemory_mib = 3\n");
    for (name, url) in [("pg", server.url("postgres")), ("my", mysql.url("")), ("ma", mariadb.url(""))] {
        settings += &format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n");
    }
    let daemon = Daemon::start(&settings).await;
    let told = |gaps: &serde_json::Value, target: &str, words: &[&str]| {
        let all = gaps.as_array().into_iter().flatten();
        let mut of_columns = all.filter(|gap| gap["target"] == target && gap["topic"] == "columns");
        of_columns
            .any(|gap| words.iter().all(|word| gap["reason"].as_str().is_some_and(|why| why.contains(word))))
    };
    let all_told = |gaps: &serde_json::Value| {
        told(gaps, "pg", &["no room", "budget.memory_mib"])
            && told(gaps, "my", &["no room", "budget.memory_mib"])
            && told(gaps, "ma", &["41 tables not known", "room for what they tell"])
    };
    daemon.wait_for("/api/v1/gaps", |answer| all_told(&answer.json()), SOON * 3).await;
    let all_sized = |metrics: &str| {
        let size = |target| value(metrics, "dbsonde_table_size_bytes", &[target, "table=\"small\""]);
        ["target=\"pg\"", "target=\"my\"", "target=\"ma\""].into_iter().all(|target| size(target).is_some())
    };
    daemon.wait_for("/metrics", |answer| all_sized(&answer.text()), SOON).await;
}
