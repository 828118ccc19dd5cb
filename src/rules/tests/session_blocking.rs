use super::made_up::*;
use crate::model::{Blocker, Flavour, Scope};
use serde_json::{Value, json};

fn blocker(changes: Value) -> Blocker {
    let waits = json!({
        "pid": 42, "backend_start": 5, "database": "shop", "user": "app", "application": "web", "state": "active",
        "lock": "relation AccessShareLock", "tree": "42<43", "victims": 1, "longest_wait_seconds": 0,
        "lost_seconds": 90,
    });
    row(with(waits, changes))
}

pub fn blocked(changes: Value) -> World {
    World { now: snapshot(0.0, Scope::Server, vec![blocker(changes)]), ..World::default() }
}

#[test]
fn a_session_that_keeps_others_waiting() {
    let said = |changes: Value| blocked(changes).said("session-blocking");
    let warned = "Warning app (web) pid 42: 1 session waits for session 42 of app (web), which is active; the longest for 30 s, 1 min 30 s lost so far";
    assert_eq!(said(json!({"longest_wait_seconds": 30})), [warned]);
    assert_eq!(said(json!({"longest_wait_seconds": 29.9})), NOTHING);
    assert_eq!(said(json!({"longest_wait_seconds": 29.9, "victims": 9})), NOTHING);
    for (severity, changes) in [
        ("Warning", json!({"longest_wait_seconds": 299.9, "victims": 9})),
        ("Urgent", json!({"longest_wait_seconds": 300})),
        ("Urgent", json!({"victims": 10})),
    ] {
        assert!(said(changes)[0].starts_with(severity));
    }
    let nameless = said(json!({"victims": 10, "application": ""}));
    assert!(nameless[0].starts_with("Urgent app pid 42: 10 sessions wait for session 42 of app, which"));

    for (state, way) in [
        ("active", "SELECT pg_cancel_backend(42);"),
        ("idle in transaction", "SELECT pg_terminate_backend(42);"),
        ("idle in transaction (aborted)", "SELECT pg_terminate_backend(42);"),
        ("idle", "SELECT pg_terminate_backend(42);"),
    ] {
        let fix = blocked(json!({"victims": 10, "state": state})).fix("session-blocking").unwrap();
        assert_eq!((fix.sql, fix.rollback), (vec![way.to_owned()], vec![]));
    }
    let applier = blocked(json!({"victims": 10, "state": "background"}));
    assert_eq!((applier.said("session-blocking").len(), applier.fix("session-blocking")), (1, None));
    let without_a_user =
        blocked(json!({"victims": 10, "state": "background", "user": "", "application": ""}));
    assert!(
        without_a_user.said("session-blocking")[0]
            .starts_with("Urgent pid 42: 10 sessions wait for session 42, which is background;")
    );
}

#[test]
fn a_prepared_transaction_that_keeps_others_waiting() {
    let world = |pid: i64| {
        let prepared =
            json!({"pid": pid, "backend_start": null, "user": "", "application": "", "state": "prepared"});
        blocked(with(prepared, json!({"longest_wait_seconds": 30})))
    };
    let known =
        "Warning prepared transaction 815: 1 session waits for prepared transaction 815, which belongs";
    assert!(world(-815).said("session-blocking")[0].starts_with(known));
    assert!(world(-815).fix("session-blocking").unwrap().sql[0].contains("WHERE transaction = '815' "));
    assert!(world(0).said("session-blocking")[0].starts_with("Warning a prepared transaction: 1 session"));
    assert!(!world(0).fix("session-blocking").unwrap().sql[0].contains("WHERE"));
    for flavour in [Flavour::Mysql, Flavour::Mariadb] {
        let xa = World { flavour, ..world(-815) };
        assert!(xa.said("session-blocking")[0].starts_with(known));
        assert!(xa.fix("session-blocking").unwrap().sql[0].starts_with("XA RECOVER "));
    }
}
