//! Names and texts that try to be something else: a metric, a line of a log, markup, the end of a quoted name.

use super::{PACES, SOON};
use crate::rig::daemon::{Daemon, Response};
use crate::rig::mysql;
use crate::rig::postgres::{Server, any};
use crate::rig::prometheus;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;
use tokio_postgres::Client;

/// Each is a database, a role, an application, a table with indexes and a column.
const NAMES: [&str; 8] = [
    "a\"; drop table x; --",
    "b\n# HELP dbsonde_target_up lies\ndbsonde_target_up{target=\"db\"} 7",
    "c\\\"\\n\\",
    "d</td><script>alert(1)</script>",
    "e\u{202e}gnitirw\u{2066}",
    "f{g=\"h\",i=~\".*\"} 1\r\n",
    "j\u{1b}[2J\u{7}k",
    "l'\u{0}m",
];

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\0', "").replace('"', "\"\""))
}

async fn populate(server: &Server) -> Vec<Client> {
    let owner = server.connect("postgres").await;
    owner.batch_execute("create extension pg_stat_statements").await.unwrap();
    let mut sessions = Vec::new();
    for name in NAMES {
        // Newer servers allow no line breaks in the names of roles and databases.
        let flat = quoted(&name.replace(['\r', '\n'], " "));
        let name = quoted(name);
        owner.batch_execute(&format!("create role {flat} superuser login")).await.unwrap();
        owner.batch_execute(&format!("create database {flat}")).await.unwrap();
        let table = format!(
            "create schema {name}; create table {name}.{name} ({name} int);
             insert into {name}.{name} select generate_series(1, 20000);
             create index {name} on {name}.{name} ({name}); create index on {name}.{name} ({name})"
        );
        // Two indexes of one name cannot be: the first takes another's.
        let table = table.replacen(&format!("create index {name}"), "create index \"i\"\"\n1\"", 1);
        owner.batch_execute(&table).await.unwrap();
        let session = server.connect("postgres").await;
        let application = NAMES.iter().find(|known| quoted(known) == name).unwrap().replace('\0', "");
        let application = application.replace('\'', "''").replace('\\', "\\\\");
        let set =
            format!("set application_name = E'{application}'; set role {flat}; begin; select 1 as {name}");
        session.batch_execute(&set).await.unwrap();
        sessions.push(session);
    }
    // A text of a megabyte, and one made of a name.
    let _ = owner.simple_query(&format!("select 1 as a, {}", "2 + ".repeat(250_000) + "3")).await;
    let _ = owner.simple_query(&format!("select {}", vec!["1"; 1_600].join(", "))).await;
    sessions
}

/// One that knows nothing but the classic text format, and believes nothing.
fn strictly(metrics: &str) {
    for line in metrics.lines() {
        if line.starts_with("# HELP ") || line.starts_with("# TYPE ") {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line:?}"));
        assert!(value.parse::<f64>().is_ok() || value == "NaN", "{line:?}");
        let name = series.split('{').next().unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{line:?}");
        if let Some(labels) = series.strip_prefix(name).and_then(|rest| rest.strip_prefix('{')) {
            let mut rest = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line:?}"));
            while !rest.is_empty() {
                let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line:?}"));
                assert!(label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{line:?}");
                let mut end = None;
                let mut escaped = false;
                for (at, char) in value.char_indices() {
                    match char {
                        _ if escaped => {
                            assert!(matches!(char, 'n' | '"' | '\\'), "{line:?}");
                            escaped = false;
                        }
                        '\\' => escaped = true,
                        '"' => {
                            end = Some(at);
                            break;
                        }
                        _ => {}
                    }
                }
                let end = end.unwrap_or_else(|| panic!("no end: {line:?}"));
                assert!(end <= 1_024, "a label of {end} bytes");
                rest = value[end + 1..].trim_start_matches(',');
            }
        }
    }
}

async fn all_views_are_sound(daemon: &Daemon) {
    let metrics = daemon.get("/metrics").await.text();
    assert!(metrics.contains("\ndbsonde_target_up{target=\"db\"} 1\n"), "a name has become a metric");
    strictly(&metrics);
    let mut tool = prometheus("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool: run tests/rig/install.sh");
    tool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let said = tool.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));

    for path in ["/api/v1/targets", "/api/v1/statements", "/api/v1/gaps"] {
        daemon.get(path).await.json();
    }
    let page = daemon.get("/").await.text();
    assert!(!page.contains("<script") && !page.contains('\u{202e}') && !page.contains('\u{1b}'));
    for line in daemon.log().lines() {
        assert!(line.starts_with("20") && !line.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{line:?}");
    }
}

/// Without the blanks that it allows at no end of a name.
fn quoted_for_mysql(name: &str) -> String {
    format!("`{}`", name.trim_end().replace('\0', "").replace('`', "``"))
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_mysql_and_mariadb_stay_names() {
    for version in mysql::flavours() {
        let server = mysql::Server::start(version, &[]).await;
        let mut sessions = Vec::new();
        for name in NAMES {
            let it = quoted_for_mysql(name);
            let user = name.trim_end().replace('\0', "").chars().take(30).collect::<String>();
            for statement in [
                format!("create database {it}"),
                format!("create table {it}.{it} ({it} int primary key, n int, key {it} (n), key again (n))"),
                format!("insert into {it}.{it} values (1, 1), (2, 2)"),
                format!("analyze table {it}.{it}"),
            ] {
                server.sql("", &statement).await;
            }
            server.sql("", &format!("create user {}@'%'", quoted_for_mysql(&user))).await;
            let mut session = server.try_connect(&user, "", "").await.unwrap();
            mysql::run(&mut session, &format!("select 1 as {it}, '{}' as text", name.escape_default()))
                .await
                .unwrap();
            let mut root = server.connect("").await;
            mysql::run(&mut root, &format!("begin; select * from {it}.{it} where {it} = 1 for update"))
                .await
                .unwrap();
            sessions.push((session, root));
        }
        let mut owner = server.connect("").await;
        let _ = mysql::run(&mut owner, &format!("select 1 as a, {}", "2 + ".repeat(250_000) + "3")).await;
        let config = format!("{PACES}[[target]]\nname = \"db\"\nurl = \"{}\"\n", server.url(""));
        let daemon = Daemon::start_with(&config, &["--log.level", "trace"], &[]).await;
        let sees_all = |answer: &Response| {
            let text = answer.text();
            text.contains("\ndbsonde_statement_calls_total{")
                && text.matches("\ndbsonde_table_rows{").count() >= NAMES.len()
        };
        // One database is looked at every ten seconds.
        daemon.wait_for("/metrics", sees_all, Duration::from_secs(240)).await;
        all_views_are_sound(&daemon).await;
        drop(sessions);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_try_to_be_something_else_stay_names() {
    let server = Server::start(any(), &[]).await;
    let sessions = populate(&server).await;
    let target = format!("[[target]]\nname = \"db\"\nurl = \"{}\"\n", server.url("postgres"));
    let rules = "[rules.index-duplicate]\nmin_bytes = \"64KiB\"\n";
    let args = ["--log.level", "trace"];
    let daemon = Daemon::start_with(&format!("{PACES}{rules}{target}"), &args, &[]).await;
    let all_found =
        |answer: &Response| answer.text().matches("\"rule\":\"index-duplicate\"").count() >= NAMES.len();
    let found = daemon.wait_for("/api/v1/findings", all_found, Duration::from_secs(120)).await.json();

    all_views_are_sound(&daemon).await;
    drop(sessions);
    for finding in found["findings"].as_array().unwrap() {
        if finding["rule"] != "index-duplicate" {
            continue;
        }
        for script in ["sql", "rollback"] {
            for step in finding["fix"][script].as_array().unwrap() {
                let step = step.as_str().unwrap();
                let ran = server.try_sql("postgres", step).await;
                assert!(ran.is_ok(), "{step:?}: {ran:?}");
            }
        }
    }
    let tables = server
        .sql(
            "postgres",
            "select count(*) from pg_class where relkind = 'r' and relname ~ '[a-l]'
        and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)",
        )
        .await;
    assert_eq!(tables[0][0].as_deref(), Some("8"), "a script has dropped more than its index");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_no_text_at_all_blind_nobody() {
    let server = Server::start(any(), &[]).await;
    server.sql("postgres", "create extension pg_stat_statements").await;
    server
        .sql(
            "postgres",
            "create database raw template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'",
        )
        .await;
    let client = server.connect("raw").await;
    // Bytes that are no UTF-8, made on the server: a client could not send them.
    let script = "do $$ begin set client_encoding = 'SQL_ASCII';
        execute convert_from('\\x637265617465207461626c652022'::bytea || '\\xfffec328'::bytea
            || '\\x222028696420696e7429'::bytea, 'SQL_ASCII'); end $$";
    client.batch_execute(script).await.unwrap();
    let target = format!("[[target]]\nname = \"db\"\nurl = \"{}\"\n", server.url("raw"));
    let daemon = Daemon::start(&format!("{PACES}{target}")).await;
    let sees_tables = |answer: &Response| answer.text().contains("topic=\"tables\"");
    daemon.wait_for("/metrics", sees_tables, SOON).await;
    let metrics = daemon.get("/metrics").await.text();
    strictly(&metrics);
    assert!(metrics.contains("\ndbsonde_target_up{target=\"db\"} 1\n"), "{}", daemon.log());
}
