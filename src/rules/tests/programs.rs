//! Pages about what is stored in a server beside data, and about what keeps the data: programs, events, engines.

use super::made_up::*;
use crate::model::{
    Flavour, Function, Galera, ReplicationReceiver, ScheduledEvent, Scope, Setting, Table, Window,
};
use serde_json::{Value, json};

/// A program that ran for some seconds in the last ten minutes.
pub fn called(kind: &str, seconds: f64) -> World {
    let at = |at: f64, calls: u64, seconds: f64| {
        let audit = json!({"oid": 1, "database": "shop", "schema": "shop", "function": "audit", "kind": kind, "calls": calls,
            "exec_seconds": seconds, "statements": calls, "examined_rows": calls * 1_000, "errors": 0});
        snapshot::<Function>(at, Scope::Server, vec![row(audit)])
    };
    let latest = Window::between(&at(0.0, 100, 1_000.0), &at(600.0, 1_100, 1_000.0 + seconds));
    World { now: at(600.0, 1_100, 1_000.0 + seconds), latest, ..World::default() }
}

#[test]
fn a_program_that_works_hard() {
    let rule = "function-dominant";
    let said = "Note shop.audit: trigger shop.audit kept 0.50 sessions busy over 10 min: 1,000 runs of 300 ms, each looking at \
                1,000 rows";
    assert_eq!(called("trigger", 300.0).said(rule), [said]);
    for kind in ["function", "event"] {
        assert_eq!(called(kind, 150.0).said(rule).len(), 1, "{kind}");
    }
    assert_eq!(called("procedure", 300.0).said(rule), NOTHING, "who calls it names it");
    assert!(called("trigger", 300.0).fix(rule).is_none());
}

/// One event on a server that copies nobody.
pub fn scheduled(scheduler: &str, status: &str) -> World {
    let events: Vec<ScheduledEvent> = vec![
        row(
            json!({"oid": 1, "database": "shop", "schema": "shop", "event": "tidy`up", "status": status, "recurs": true}),
        ),
        row(
            json!({"oid": 2, "database": "shop", "schema": "shop", "event": "not yet", "status": "disabled"}),
        ),
    ];
    let setting: Setting = row(
        json!({"setting": "event_scheduler", "value": scheduler, "context": "global", "source": "config"}),
    );
    let now = together([
        snapshot(0.0, Scope::Server, events),
        snapshot(0.0, Scope::Server, vec![setting]),
        snapshot::<ReplicationReceiver>(0.0, Scope::Server, vec![]),
    ]);
    World { now, flavour: Flavour::Mariadb, ..World::default() }
}

fn beside(world: World, other: Snapshot) -> World {
    World { now: together([world.now, other]), ..world }
}

#[test]
fn an_event_whose_scheduler_is_off() {
    let rule = "event-never-runs";
    let said =
        "Warning event_scheduler: event_scheduler is OFF: 1 event is enabled and never runs, shop.tidy`up";
    let off = scheduled("OFF", "enabled");
    assert_eq!(off.said(rule), [said]);
    let fix = off.fix(rule).unwrap();
    assert_eq!(fix.sql, ["SET GLOBAL event_scheduler = ON;"]);
    assert_eq!(fix.rollback, ["SET GLOBAL event_scheduler = OFF;"]);
    let locked = scheduled("DISABLED", "enabled");
    assert_eq!((locked.said(rule).len(), locked.fix(rule)), (1, None), "only a restart can change it");
    assert_eq!(scheduled("OFF", "disabled").said(rule), NOTHING);
    let source: ReplicationReceiver = row(json!({"channel": "", "sender": "db1"}));
    let copy = beside(off, snapshot(0.0, Scope::Server, vec![source]));
    assert_eq!(copy.said(rule), NOTHING, "a copy leaves them to its source");
}

#[test]
fn an_event_that_a_promotion_left_behind() {
    let rule = "event-never-runs";
    let left = scheduled("ON", "source");
    let said = "Warning shop.tidy`up: event shop.tidy`up is left to the server that this one copies, and it copies 0 servers: \
                nobody runs it";
    assert_eq!(left.said(rule), [said]);
    let fix = left.fix(rule).unwrap();
    assert_eq!(fix.sql, ["SET SESSION lock_wait_timeout = 2;", "ALTER EVENT `shop`.`tidy``up` ENABLE;"]);
    assert_eq!(fix.rollback, ["ALTER EVENT `shop`.`tidy``up` DISABLE ON SLAVE;"]);
    let cluster: Galera = row(json!({"cluster_status": "Primary"}));
    let member = beside(left, snapshot(0.0, Scope::Server, vec![cluster]));
    assert_eq!(member.said(rule), NOTHING, "another member runs it");
}

/// A table of an engine that was written to a little.
pub fn kept_by(engine: &str, changes: Value) -> World {
    let notes = json!({"oid": 1, "database": "shop", "schema": "shop", "table": "no`tes", "kind": "r", "persistence": "p",
        "engine": engine, "inserted_rows": 90, "updated_rows": 6, "deleted_rows": 4});
    let table: Table = row(with(notes, changes));
    World { now: snapshot(0.0, shop(), vec![table]), flavour: Flavour::Mysql, ..World::default() }
}

#[test]
fn a_table_that_a_crash_can_damage() {
    let rule = "table-not-crash-safe";
    let said = "Warning shop.no`tes: table shop.no`tes is kept by MyISAM, and 100 rows were written since the server started: a \
                crash may damage it, and no ROLLBACK takes anything back";
    assert_eq!(kept_by("MyISAM", json!({})).said(rule), [said]);
    let fix = kept_by("MyISAM", json!({})).fix(rule).unwrap();
    assert_eq!(
        (&*fix.sql[1], &*fix.rollback[0]),
        (
            "ALTER TABLE `shop`.`no``tes` ENGINE=InnoDB, ALGORITHM=COPY, LOCK=SHARED;",
            "ALTER TABLE `shop`.`no``tes` ENGINE=MyISAM, ALGORITHM=COPY, LOCK=SHARED;"
        )
    );
    assert_eq!(kept_by("MyISAM", json!({"inserted_rows": 89})).said(rule), NOTHING, "hardly written to");
    for (engine, options, speaks) in [
        ("Aria", "transactional=0", 1),
        ("Aria", "transactional=1", 0),
        ("Aria", "", 0),
        ("MEMORY", "", 0),
        ("ROCKSDB", "", 0),
    ] {
        let said = kept_by(engine, json!({"options": options})).said(rule);
        assert_eq!(said.len(), speaks, "{engine} {options}");
    }
    let uncounted = |written| {
        let none = json!({"inserted_rows": null, "updated_rows": null, "deleted_rows": null, "last_written": written});
        kept_by("MyISAM", none).said(rule)
    };
    assert_eq!(uncounted(json!(-600.0)).len(), 1, "ten minutes ago, by its file");
    assert!(uncounted(json!(-600.0))[0].contains("it was written to 10 min ago"));
    assert_eq!(uncounted(json!(-7.0 * 86_400.0)), NOTHING);
    assert_eq!(uncounted(json!(null)), NOTHING, "nobody knows");
}
