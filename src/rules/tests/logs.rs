//! Pages about what a log tells.

use super::made_up::*;
use super::statements::spills;
use crate::model::{Flavour, InTopic, LogDeadlock, LogError, LogEvent, LogStatement, Scope, Setting, Window};
use serde_json::json;

/// A log that has been followed for a day, and what came in the last seconds.
fn told<N: InTopic>(seconds: f64, before: Vec<N>, after: Vec<N>) -> World {
    const DAY: f64 = 86_400.0;
    let now = snapshot::<N>(DAY + seconds, Scope::Server, after);
    let latest = Window::between(&snapshot::<N>(DAY, Scope::Server, before), &now);
    World { now, latest, ..World::default() }
}

pub fn deadlocked(times: i64) -> World {
    let statements = "00000000000000aa+00000000000000bb";
    let row = row(json!({"statements": statements, "objects": "ShareLock on transaction", "seen": times}));
    told::<LogDeadlock>(1_800.0, Vec::new(), vec![row])
}

pub fn failing(before: i64, lately: i64, state: &str) -> World {
    let rows = |entries: i64| vec![row(json!({"severity": "error", "sqlstate": state, "entries": entries}))];
    told::<LogError>(600.0, rows(before), rows(before + lately))
}

pub fn cancelled(times: i64) -> World {
    let row = row(json!({"digest": "00000000000000aa", "cancels": times, "errors": times}));
    told::<LogStatement>(600.0, Vec::new(), vec![row])
}

fn events(class: &str, seconds: f64, entries: i64) -> World {
    let row = row(json!({"class": class, "severity": "log", "entries": entries}));
    told::<LogEvent>(seconds, Vec::new(), vec![row])
}

pub fn connecting(sessions: i64) -> World {
    events("connection_received", 300.0, sessions)
}

pub fn complaining(times: i64) -> World {
    events("checkpoint_too_frequent", 900.0, times)
}

#[test]
fn deadlocks_and_cancels() {
    assert_eq!(deadlocked(2).said("server-deadlocks"), NOTHING);
    assert_eq!(
        deadlocked(3).said("server-deadlocks"),
        [
            "Warning 00000000000000aa+00000000000000bb: 3 deadlocks of the same 2 statements in 30 min, over ShareLock on transaction"
        ]
    );
    assert_eq!(cancelled(4).said("statement-cancelled"), NOTHING);
    assert_eq!(
        cancelled(5).said("statement-cancelled"),
        [
            "Warning 00000000000000aa: statement 00000000000000aa (of unknown wording) was cancelled 5 times in 10 min"
        ]
    );
}

#[test]
fn errors_that_are_new_or_more_than_before() {
    let rule = "server-errors";
    assert_eq!(failing(0, 19, "42P01").said(rule), NOTHING);
    assert_eq!(
        failing(0, 20, "42P01").said(rule),
        [
            "Warning error 42P01: 20 entries of severity error with SQLSTATE 42P01 in 10 min: 120 an hour, none before"
        ]
    );
    // A fifth of 120 an hour, over a day.
    assert_eq!(failing(575, 20, "42P01").said(rule).len(), 1);
    assert_eq!(failing(577, 20, "42P01").said(rule), NOTHING, "that is usual here");
    assert!(failing(0, 20, "53100").said(rule)[0].starts_with("Urgent"), "a full disk concerns everybody");
}

#[test]
fn a_log_that_was_followed_for_a_moment_tells_of_no_rise() {
    let rows = |entries: i64| {
        vec![row::<LogError>(json!({"severity": "error", "sqlstate": "42P01", "entries": entries}))]
    };
    let now = snapshot(3_700.0, Scope::Server, rows(1_000));
    let latest = Window::between(&snapshot(3_000.0, Scope::Server, rows(0)), &now);
    let world = World { now, latest, ..World::default() };
    assert_eq!(world.said("server-errors"), NOTHING);
    assert!(!world.could_speak().contains(&"server-errors"));
}

/// A log that would not tell keeps silent, and so is its silence no health.
#[test]
fn silence_means_something_where_the_log_would_tell() {
    let told = |world: World, flavour: Flavour, settings: &[(&str, &str)]| {
        let setting = |(name, value): &(&str, &str)| {
            row::<Setting>(
                json!({"setting": name, "value": value, "context": "", "source": "", "value_type": ""}),
            )
        };
        let settings = snapshot(86_400.0, Scope::Server, settings.iter().map(setting).collect());
        let now = together([world.now.clone(), settings]);
        World { now, flavour, ..world }.could_speak()
    };
    let none = || deadlocked(0);
    let quiet = || World { now: together([none().now, quiet_log::<LogDeadlock>()]), ..none() };
    for (flavour, settings, expected) in [
        (Flavour::Postgres, &[][..], true),
        (Flavour::Mysql, &[("innodb_print_all_deadlocks", "ON"), ("log_error_verbosity", "3")], true),
        (Flavour::Mysql, &[("innodb_print_all_deadlocks", "ON"), ("log_error_verbosity", "2")], false),
        (Flavour::Mariadb, &[("innodb_print_all_deadlocks", "ON")], true),
        (Flavour::Mariadb, &[("innodb_print_all_deadlocks", "OFF")], false),
    ] {
        assert_eq!(
            told(quiet(), flavour, settings).contains(&"server-deadlocks"),
            expected,
            "{flavour:?} {settings:?}"
        );
    }
    let still = || events("checkpoint_complete", 300.0, 1);
    for (value, expected) in
        [("on", true), ("off", false), ("", false), ("receipt,authorization", true), ("authorization", false)]
    {
        let could = told(still(), Flavour::Postgres, &[("log_connections", value)]);
        assert_eq!(could.contains(&"session-connect-storm"), expected, "{value:?}");
    }
    let calm = || cancelled(0);
    for (flavour, value, expected) in [
        (Flavour::Postgres, "OFF", true),
        (Flavour::Mysql, "ON", true),
        (Flavour::Mysql, "OFF", false),
        (Flavour::Mariadb, "ON", false),
    ] {
        let could = told(calm(), flavour, &[("log_slow_extra", value)]);
        assert_eq!(could.contains(&"statement-cancelled"), expected, "{flavour:?} {value}");
    }
}

/// Nothing of this was ever in the log.
fn quiet_log<N: InTopic>() -> Snapshot {
    snapshot::<N>(86_400.0 + 1_800.0, Scope::Server, Vec::new())
}

#[test]
fn storms() {
    assert_eq!(connecting(5_999).said("session-connect-storm"), NOTHING);
    assert_eq!(
        connecting(6_000).said("session-connect-storm"),
        ["Warning connections: 6,000 sessions were begun in 5 min: 20.0 in a second"]
    );
    assert_eq!(complaining(4).said("server-checkpoint-storm"), NOTHING);
    assert_eq!(
        complaining(5).said("server-checkpoint-storm"),
        ["Warning checkpoints: the server has complained 5 times in 15 min that checkpoints come too often"]
    );
    let size = row::<Setting>(
        json!({"setting": "max_wal_size", "value": "1024", "context": "sighup", "source": "default", "value_type": "integer"}),
    );
    let world = complaining(5);
    let now = together([world.now, snapshot(86_400.0, Scope::Server, vec![size])]);
    let fix = World { now, ..complaining(5) }.fix("server-checkpoint-storm").unwrap();
    assert_eq!(fix.sql[0], "ALTER SYSTEM SET max_wal_size = '2048MB';");
    assert_eq!(fix.rollback[0], "ALTER SYSTEM SET max_wal_size = '1024MB';");
}

#[test]
fn what_a_statement_spills_is_told_by_the_log_as_well() {
    let spilling = spills(1_000 * MIB);
    let files = row(json!({"digest": "00000000000000aa", "temp_files": 12, "temp_bytes": 900 * MIB}));
    let logged = told::<LogStatement>(600.0, Vec::new(), vec![files]);
    let ladder = spilling.ladder.iter().cloned().chain([logged.latest]).collect();
    let found = World { ladder, ..spilling }.found("statement-spills").remove(0);
    assert_eq!(
        (&found.evidence["logged_files"], &found.evidence["logged_seconds"]),
        (&json!(12.0), &json!(600.0))
    );
    assert!(!spills(1_000 * MIB).found("statement-spills")[0].evidence.contains_key("logged_files"));
}
