//! Pages about standbys: one that is behind, one that stands still.

use super::made_up::*;
use crate::model::{Flavour, ReplicationReceiver, Scope, Window};
use serde_json::{Value, json};

/// A copy of MySQL, as it was for a minute.
fn standby(seconds: f64, changes: Value) -> World {
    let told = json!({
        "sender": "db1", "state": "streaming", "receiving": 1, "applying": 1, "receive_error": 0, "apply_error": 0,
        "apply_lag_seconds": 0.0, "apply_lag_transactions": 0, "delay_seconds": 0.0,
    });
    let receiver: ReplicationReceiver = row(with(told, changes));
    let at = |at: f64| snapshot(at, Scope::Server, vec![receiver.clone()]);
    let now = at(seconds);
    World { ladder: vec![Window::between(&at(0.0), &now)], now, flavour: Flavour::Mysql, ..World::default() }
}

pub fn lagging(lag: f64) -> World {
    standby(60.0, json!({"apply_lag_seconds": lag}))
}

#[test]
fn a_standby_that_does_not_keep_up() {
    let rule = "replication-lagging";
    let behind = |changes| {
        standby(60.0, with(json!({"apply_lag_seconds": 90.0, "apply_lag_transactions": 1_200}), changes))
    };
    let said = "Warning db1: it is 1 min 30 s, 1,200 transactions behind db1, and was for 1 min";
    assert_eq!(behind(json!({})).said(rule), [said]);
    assert!(behind(json!({"apply_lag_seconds": 3_600.0})).said(rule)[0].starts_with("Urgent"));
    assert!(behind(json!({"channel": "east"})).said(rule)[0].starts_with("Warning east: "));
    for (what, changes) in [
        ("it is told to stay behind", json!({"delay_seconds": 31.0})),
        ("unknown", json!({"apply_lag_seconds": null})),
        ("it stands still", json!({"applying": 0})),
    ] {
        assert_eq!(behind(changes).said(rule), NOTHING, "{what}");
    }
    let short = standby(59.0, json!({"apply_lag_seconds": 90.0}));
    assert_eq!((short.said(rule), short.could_speak().contains(&rule)), (vec![], false));
    let postgres = World {
        flavour: Flavour::Postgres,
        ..standby(60.0, json!({"apply_lag_seconds": 90.0, "apply_lag_transactions": null, "receiving": null}))
    };
    assert_eq!(postgres.said(rule), ["Warning db1: it is 1 min 30 s behind db1, and was for 1 min"]);
    let busy = |waiting: u64, moved: u64| {
        let at = |at: f64, replayed: u64| {
            let told = json!({"sender": "db1", "state": "streaming", "applying": 1, "apply_lag_seconds": 90.0, "delay_seconds": 0.0,
                "apply_lag_bytes": waiting, "replayed_bytes": replayed});
            snapshot(at, Scope::Server, vec![row::<ReplicationReceiver>(told)])
        };
        let now = at(60.0, moved);
        let ladder = vec![Window::between(&at(0.0, 0), &now)];
        World { ladder, now, flavour: Flavour::Postgres, ..World::default() }.said(rule).len()
    };
    assert_eq!((busy(16 << 20, 1 << 30), busy(1 << 20, 0)), (1, 1), "much waits, or it does not move");
    assert_eq!(busy(1 << 20, 1 << 30), 0, "its source is at one long transaction");
}

pub fn stopped(changes: Value) -> World {
    standby(60.0, changes)
}

#[test]
fn a_standby_that_stands_still() {
    let rule = "replication-stopped";
    let by_hand = stopped(json!({"applying": 0, "apply_lag_transactions": 7}));
    assert_eq!(
        by_hand.said(rule),
        [
            "Warning db1: it has not applied what comes from db1 for 1 min: it was stopped, 7 transactions wait"
        ]
    );
    let by_error = stopped(json!({"applying": 0, "apply_error": 1062}));
    assert_eq!(
        by_error.said(rule),
        ["Urgent db1: it has not applied what comes from db1 for 1 min: error 1062"]
    );
    assert!(by_error.fix(rule).is_none());
    let lonely = stopped(json!({"receiving": 0, "receive_error": 2003, "state": "connecting"}));
    assert_eq!(lonely.said(rule), ["Urgent db1: it has not received from db1 for 1 min: error 2003"]);
    for (what, changes) in [("it runs", json!({})), ("unknown", json!({"applying": null, "receiving": null}))]
    {
        assert_eq!(stopped(changes).said(rule), NOTHING, "{what}");
    }
    let short = standby(59.0, json!({"applying": 0}));
    assert_eq!((short.said(rule), short.could_speak().contains(&rule)), (vec![], false));
}

#[test]
fn what_was_stopped_by_hand_can_be_started() {
    let rule = "replication-stopped";
    let fix = |flavour, changes| {
        let fix = World { flavour, ..stopped(changes) }.fix(rule).unwrap();
        (fix.sql, fix.rollback)
    };
    let one = |sql: &str, rollback: &str| (vec![sql.to_owned()], vec![rollback.to_owned()]);
    let still = json!({"applying": 0});
    assert_eq!(
        fix(Flavour::Mysql, still.clone()),
        one("START REPLICA SQL_THREAD;", "STOP REPLICA SQL_THREAD;")
    );
    assert_eq!(
        fix(Flavour::Mariadb, still.clone()),
        one("START SLAVE SQL_THREAD;", "STOP SLAVE SQL_THREAD;")
    );
    assert_eq!(
        fix(Flavour::Postgres, still),
        one("SELECT pg_wal_replay_resume();", "SELECT pg_wal_replay_pause();")
    );
    let odd = json!({"receiving": 0, "state": "stopped", "channel": "it's"});
    assert_eq!(
        fix(Flavour::Mysql, odd.clone()),
        one("START REPLICA IO_THREAD FOR CHANNEL 'it''s';", "STOP REPLICA IO_THREAD FOR CHANNEL 'it''s';")
    );
    assert_eq!(
        fix(Flavour::Mariadb, odd),
        one("START SLAVE 'it''s' IO_THREAD;", "STOP SLAVE 'it''s' IO_THREAD;")
    );
}
