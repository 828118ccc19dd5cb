//! Pages about what a log tells, on a server that writes one; it is found by itself.

use super::Story;
use crate::rig::mysql::{self, Server, Version};
use serde_json::Value;
use std::time::Duration;

const RULES: &str = "
[rules.server-errors]
min_errors = 3.0
min_window = \"10s\"
min_before = \"1s\"
[rules.statement-cancelled]
min_cancels = 2.0
min_window = \"10s\"
[rules.server-deadlocks]
min_deadlocks = 1.0
min_window = \"10s\"
[rules.session-connect-storm]
min_rate = 0.5
min_window = \"10s\"
[rules.server-checkpoint-storm]
min_complaints = 1.0
min_window = \"10s\"
[rules.plan-join-buffer]
habit = { min_seconds = 0.0005, min_times = 2.0 }
[rules.plan-key-partly-used]
min_entries = 2000.0
habit = { min_seconds = 0.0001, min_times = 2.0, max_age = \"20s\" }
";

/// One statement after the other in a session of its own, again and again, until it is said.
async fn provoked(story: &Story, subject: &str, statements: &[&str]) -> Value {
    let again = async {
        loop {
            let client = story.server.connect("postgres").await;
            for statement in statements {
                // To fail is what some of them are for.
                let _ = client.batch_execute(statement).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        finding = story.is_said(subject) => finding,
        () = again => unreachable!(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_log_tells() {
    let settings = [
        ("logging_collector", "on"),
        ("log_destination", "csvlog"),
        ("log_connections", "on"),
        ("deadlock_timeout", "100ms"),
        ("max_wal_size", "32MB"),
        ("min_wal_size", "32MB"),
    ];
    let prepare = ["create table rung (id int primary key, n int);
         insert into rung values (1, 0), (2, 0);
         create table written (note text)"];
    let mut story = Story::of_several("session-connect-storm", &settings, &prepare, RULES).await;
    provoked(&story, "connections", &["select 1"]).await;
    // There was time enough without it.
    story.turn_to("server-errors");
    provoked(&story, "22012", &["select 1 / 0"]).await;

    story.turn_to("statement-cancelled");
    let slow = ["set statement_timeout = '20ms'", "select pg_sleep(60) from rung"];
    let cancelled = provoked(&story, "", &slow).await;
    assert!(cancelled["because"].as_str().unwrap().contains("pg_sleep"), "{cancelled:#}");

    story.turn_to("server-checkpoint-storm");
    let load =
        ["insert into written select repeat('x', 1000) from generate_series(1, 40000)", "truncate written"];
    let storm = provoked(&story, "checkpoints", &load).await;
    story.run(&storm, "sql").await;

    story.turn_to("server-deadlocks");
    let rings = async {
        loop {
            let (one, other) =
                (story.server.connect("postgres").await, story.server.connect("postgres").await);
            one.batch_execute("begin; update rung set n = n + 1 where id = 1").await.unwrap();
            other.batch_execute("begin; update rung set n = n + 1 where id = 2").await.unwrap();
            let (_, _) = tokio::join!(
                one.batch_execute("update rung set n = n + 1 where id = 2"),
                other.batch_execute("update rung set n = n + 1 where id = 1"),
            );
        }
    };
    let deadlock = tokio::select! {
        finding = story.is_said("+") => finding,
        () = rings => unreachable!(),
    };
    let statements = deadlock["evidence"]["statements"].to_string();
    assert!(statements.to_lowercase().contains("update rung set"), "{deadlock:#}");
    story.resolves("+").await;
    story.turn_to("server-checkpoint-storm");
    story.resolves("checkpoints").await;
}

/// Two sessions that take the rows of a table in each other's order, again and again.
async fn rings(server: &Server) {
    let (mut one, mut other) = (server.connect("test").await, server.connect("test").await);
    loop {
        mysql::run(&mut one, "begin; update rung set n = n + 1 where id = 1").await.unwrap();
        mysql::run(&mut other, "begin; update rung set n = n + 1 where id = 2").await.unwrap();
        let (_, _) = tokio::join!(
            mysql::run(&mut one, "update rung set n = n + 1 where id = 2"),
            mysql::run(&mut other, "update rung set n = n + 1 where id = 1"),
        );
        for session in [&mut one, &mut other] {
            mysql::run(session, "rollback").await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A slow log and an error log that are found by themselves, and put aside as logrotate does it.
async fn what_the_logs_tell(version: Version) {
    let is_mysql = !version.is_mariadb();
    let settings = [
        ("innodb_print_all_deadlocks", "ON"),
        // MySQL tells of deadlocks in notes, which it leaves out by itself.
        (if is_mysql { "log_error_verbosity" } else { "log_warnings" }, "3"),
        ("event_scheduler", "ON"),
        ("slow_query_log", "ON"),
        ("long_query_time", "0"),
        ("log_output", "FILE"),
        // A name relative to the data, as most have it.
        ("slow_query_log_file", "slow.log"),
        ("log_error", "error.log"),
        (
            if is_mysql { "log_slow_extra" } else { "log_slow_verbosity" },
            if is_mysql { "ON" } else { "innodb,explain" },
        ),
    ];
    let prepare = ["create table rung (id int primary key, n int) engine = innodb;
         insert into rung values (1, 0), (2, 0)"];
    let server = Server::start(version, &settings).await;
    let mut story = Story::of(server, "server-deadlocks", &prepare, RULES).await;
    for aside in ["", "1", "2"] {
        if !aside.is_empty() {
            for log in ["slow.log", "error.log"] {
                let log = story.server.data().join(log);
                std::fs::rename(&log, log.with_extension(format!("log.{aside}"))).unwrap();
            }
            story.server.sql("", "flush slow logs; flush error logs").await;
        }
        let deadlock = tokio::select! {
            finding = story.is_said("+") => finding,
            () = rings(&story.server) => unreachable!(),
        };
        let statements = deadlock["evidence"]["statements"].to_string().to_lowercase();
        assert!(statements.contains("update rung set"), "{version}: {deadlock:#}");
        assert!(deadlock["because"].as_str().unwrap().contains("rung"), "{version}: {deadlock:#}");
        story.resolves("+").await;
    }

    story.turn_to("server-errors");
    // What fails in an event has nobody to tell it to but the log.
    story.server.sql("test", "create event lost on schedule every 1 second do select * from nowhere").await;
    story.is_said("error").await;
    story.server.sql("test", "drop event lost").await;
    story.resolves("error").await;

    if is_mysql {
        story.turn_to("statement-cancelled");
        let slow = "select /*+ max_execution_time(20) */ count(*) from information_schema.columns a, information_schema.columns b \
                    where a.column_name <> b.column_name";
        let hurried = async {
            loop {
                let mut session = story.server.connect("test").await;
                mysql::run(&mut session, slow).await.expect_err("it took longer than 20 ms");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let cancelled = tokio::select! {
            finding = story.is_said("") => finding,
            () = hurried => unreachable!(),
        };
        assert!(cancelled["because"].to_string().to_lowercase().contains("select"), "{cancelled:#}");
        story.resolves("").await;
    } else {
        joins_by_a_buffer(&mut story).await;
    }
    let logs = story.daemon.get("/api/v1/logs").await.json();
    let whole = &logs[0]["logs"][0];
    assert_eq!((&whole["lost_bytes"], &whole["noise"]), (&0.0.into(), &0.0.into()), "{version}: {logs:#}");
}

/// MariaDB shows with a slow statement by which plan it ran.
async fn joins_by_a_buffer(story: &mut Story<Server>) {
    story.turn_to("plan-join-buffer");
    let fill = "create table calls (caller int, note varchar(20)) select seq as caller, 'geheim' as note from seq_1_to_1500;
        create table callers (number int) select seq as number from seq_1_to_1500";
    story.server.sql("test", fill).await;
    let joins = async {
        let mut session = story.server.connect("test").await;
        loop {
            let join =
                "select count(*) from callers n join calls c on c.caller = n.number where c.note = 'geheim'";
            mysql::run(&mut session, join).await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let found = tokio::select! {
        finding = story.is_said("test.call") => finding,
        () = joins => unreachable!(),
    };
    assert_eq!(found["evidence"]["pairs"], 2_250_000.0, "{found:#}");
    assert!(!found.to_string().contains("geheim"), "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_logs_of_mysql_and_mariadb_tell() {
    for version in mysql::flavours() {
        what_the_logs_tell(version).await;
    }
}

/// Behind a column that is not compared an index is not in order.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_searched_by_its_first_column_only() {
    let settings = [
        ("slow_query_log", "ON"),
        ("long_query_time", "0"),
        ("log_output", "FILE"),
        ("slow_query_log_file", "slow.log"),
        ("log_slow_verbosity", "explain"),
    ];
    let fill = "create table steps (walk int not null, nth int not null, town int not null, note varchar(20), key walked (walk, nth, town))
            engine = innodb select seq div 5000 as walk, seq as nth, seq % 1000 as town, 'geheim' as note from seq_1_to_200000;
        analyze table steps";
    let server = Server::start(Version::MariaDb118, &settings).await;
    let story = Story::of(server, "plan-key-partly-used", &[fill], RULES).await;
    let walks = async {
        let mut session = story.server.connect("test").await;
        loop {
            mysql::run(&mut session, "select count(note) from steps where walk = 4 and town = 711")
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let subject = "test.steps (walk, town)";
    let tale = async {
        let found = story.appears(subject).await;
        assert!(found["because"].as_str().unwrap().contains("town stands behind nth"), "{found:#}");
        assert!(!found.to_string().contains("geheim") && !found.to_string().contains("711"), "{found:#}");
        story.run(&found, "sql").await;
        story.resolves(subject).await;
        story.run(&found, "rollback").await;
        story.appears(subject).await;
    };
    tokio::select! {
        () = tale => {}
        () = walks => unreachable!(),
    }
}
