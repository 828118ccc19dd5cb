//! Pages about how a server is kept: its settings, its vacuum, what it keeps for others, what it has left.

use super::made_up::*;
use crate::model::{
    Activity, Checkpoints, Database, Progress, ReplicationSlot, Scope, Server, Session, Setting, Snapshot,
    Table, Wal, Window,
};
use serde_json::{Value, json};

fn setting(name: &str, value: &str) -> Setting {
    row(
        json!({"setting": name, "value": value, "context": "sighup", "source": "configuration file", "value_type": "bool"}),
    )
}

fn settings(rows: Vec<Setting>) -> Snapshot {
    snapshot(0.0, Scope::Server, rows)
}

pub fn set(name: &str, value: &str) -> World {
    World { now: settings(vec![setting(name, value)]), ..World::default() }
}

#[test]
fn settings_that_lose_data() {
    let rule = "setting-loses-data";
    let said = "Urgent fsync: fsync is off: after 1 crash nothing is known to be on disk, and a crash may damage all of it";
    assert_eq!(set("fsync", "off").said(rule), [said]);
    for (name, bad, good) in [
        ("full_page_writes", "off", "on"),
        ("zero_damaged_pages", "on", "off"),
        ("ignore_checksum_failure", "on", "off"),
    ] {
        assert_eq!((set(name, bad).said(rule).len(), set(name, good).said(rule).len()), (1, 0), "{name}");
    }
    assert_eq!(set("synchronous_commit", "off").said(rule), NOTHING, "that loses moments, not the database");
    let hidden = settings(vec![row(json!({"setting": "fsync", "value": null}))]);
    assert_eq!(World { now: hidden, ..World::default() }.said(rule), NOTHING);
    let fix = set("fsync", "off").fix(rule).unwrap();
    assert_eq!(fix.sql, ["ALTER SYSTEM SET fsync = 'on';", "SELECT pg_reload_conf();"]);
    assert_eq!(fix.rollback, ["ALTER SYSTEM SET fsync = 'off';", "SELECT pg_reload_conf();"]);
    let given =
        row(json!({"setting": "fsync", "value": "off", "context": "sighup", "source": "command line"}));
    let given = World { now: settings(vec![given]), ..World::default() };
    assert_eq!(
        (given.said(rule).len(), given.fix(rule)),
        (1, None),
        "a file does not win over the command line"
    );
}

#[test]
fn autovacuum_is_off() {
    let rule = "setting-autovacuum-off";
    let said = "Warning autovacuum: autovacuum is off: 0 tables are vacuumed or analysed by themselves";
    assert_eq!(set("autovacuum", "off").said(rule), [said]);
    assert_eq!(set("track_counts", "off").said(rule).len(), 1);
    assert_eq!(set("autovacuum", "on").said(rule), NOTHING);
}

pub fn slot(changes: Value) -> World {
    let away = json!({
        "slot": "it's", "slot_type": "physical", "active": 0, "retained_bytes": 20 * 1024 * MIB, "wal_status": "extended",
        "asked": 1_000.0, "inactive_since": 400.0,
    });
    let slot: ReplicationSlot = row(with(away, changes));
    World { now: snapshot(0.0, Scope::Server, vec![slot]), ..World::default() }
}

#[test]
fn a_slot_that_nobody_reads() {
    let rule = "replication-slot-retains";
    let said = "Warning it's: 20 GiB of log are kept for the physical slot it's, whose client has been away for 10 min";
    assert_eq!(slot(json!({})).said(rule), [said]);
    assert!(slot(json!({"retained_bytes": 100 * 1024 * MIB})).said(rule)[0].starts_with("Urgent"));
    assert!(slot(json!({"inactive_since": null})).said(rule)[0].ends_with("has been away"));
    for (what, changes) in [
        ("read", json!({"active": 1})),
        ("little", json!({"retained_bytes": 10 * 1024 * MIB - 1})),
        ("unknown", json!({"retained_bytes": null})),
        ("of a session", json!({"is_temporary": true})),
        ("lost", json!({"wal_status": "lost"})),
    ] {
        assert_eq!(slot(changes).said(rule), NOTHING, "{what}");
    }
    assert_eq!(slot(json!({})).fix(rule).unwrap().sql, ["SELECT pg_drop_replication_slot('it''s');"]);
    assert!(slot(json!({"synced": true})).fix(rule).is_none(), "the primary's to drop");
    let server: Server = row(json!({"version": "17.5", "in_recovery": true}));
    let copied = World {
        now: together([slot(json!({"synced": true})).now, snapshot(0.0, Scope::Server, vec![server])]),
        ..World::default()
    };
    assert_eq!(copied.said(rule), NOTHING, "whether it is read shows on the primary");
}

pub fn connected(shop: i64, max: Value) -> World {
    let server: Server = row(json!({"version": "19", "connections_max": max, "reserved_connections": 3}));
    let database = |dbid: i64, name: &str, connections: i64| -> Database {
        row(json!({"dbid": dbid, "database": name, "connections": connections}))
    };
    let databases = vec![database(1, "shop", shop), database(2, "blog", 20)];
    let now = together([snapshot(0.0, Scope::Server, vec![server]), snapshot(0.0, Scope::Server, databases)]);
    World { now, ..World::default() }
}

#[test]
fn connections_run_out() {
    let rule = "server-connections-exhausting";
    let said = "Warning connections: 90 of 97 connections open to everybody are taken, 70 of them in shop";
    assert_eq!(connected(70, json!(100)).said(rule), [said]);
    assert!(connected(73, json!(100)).said(rule)[0].starts_with("Urgent"));
    assert_eq!(connected(62, json!(100)).said(rule), NOTHING);
    assert_eq!(connected(70, json!(null)).said(rule), NOTHING, "nobody knows how many it admits");
    let helping = |kind: &str| {
        let session =
            |pid: i64| row::<Session>(json!({"pid": pid, "database": "shop", "backend_type": kind}));
        let mut world = connected(70, json!(100));
        world.now = together([world.now, snapshot(0.0, Scope::Server, (0..10).map(session).collect())]);
        world.said(rule)
    };
    assert_eq!(helping("parallel worker"), NOTHING, "it takes no client's place");
    assert_eq!(helping("client backend").len(), 1);
    // MySQL counts the connections of the server as a whole.
    let server: Server = row(json!({"version": "9.7.0", "connections_max": 151}));
    let activity: Activity = row(json!({"connected": 140}));
    let parts = [snapshot(0.0, Scope::Server, vec![server]), snapshot(0.0, Scope::Server, vec![activity])];
    let world = World { now: together(parts), ..World::default() };
    let said = "Warning connections: 140 of 151 connections open to everybody are taken";
    assert_eq!(world.said(rule), [said]);
}

/// Half an hour of a table, its dead rows at both ends.
pub fn neglected(before: i64, after: i64, changes: Value) -> World {
    let counted = |dead: i64| json!({"dead_rows": dead, "vacuums": 0, "autovacuums": 0});
    left_alone(counted(before), with(counted(after), changes))
}

/// The same of the rows that changed since it was analysed.
pub fn forgotten(before: i64, after: i64, changes: Value) -> World {
    let counted =
        |changed: i64| json!({"modified_since_analyze_rows": changed, "analyzes": 0, "autoanalyzes": 0});
    left_alone(counted(before), with(counted(after), changes))
}

fn left_alone(before: Value, after: Value) -> World {
    let table = |counted: Value| -> Table {
        let table = json!({
            "oid": 1, "database": "shop", "schema": "public", "table": "orders", "kind": "r", "persistence": "p",
            "rows": 1_000_000, "live_rows": 1_000_000,
        });
        row(with(table, counted))
    };
    let start = table(before);
    let end = snapshot(1_800.0, shop(), vec![table(after)]);
    let ladder = vec![Window::between(&snapshot(0.0, shop(), vec![start]), &end)];
    let numbers = [
        ("autovacuum", "on"),
        ("autovacuum_vacuum_threshold", "50"),
        ("autovacuum_vacuum_scale_factor", "0.2"),
        ("autovacuum_analyze_threshold", "50"),
        ("autovacuum_analyze_scale_factor", "0.1"),
    ];
    let rows = numbers.map(|(name, value)| setting(name, value)).into();
    let now = together([end, settings(rows), snapshot::<Progress>(0.0, Scope::Server, vec![])]);
    World { now, ladder, ..World::default() }
}

#[test]
fn vacuum_does_not_keep_up() {
    let rule = "table-vacuum-behind";
    let said = "Warning public.orders: table public.orders has 500,000 dead rows beside 1,000,000 live ones, autovacuum should \
                come at 200,050, and no vacuum came in 30 min";
    assert_eq!(neglected(450_000, 500_000, json!({})).said(rule), [said]);
    for (what, before, changes) in [
        ("it was not so all the time", 400_000, json!({})),
        ("a vacuum came", 450_000, json!({"autovacuums": 1})),
        ("somebody vacuumed", 450_000, json!({"vacuums": 1})),
        ("it may have more", 450_000, json!({"options": "fillfactor=70,autovacuum_vacuum_scale_factor=0.5"})),
        ("nobody wants it vacuumed", 450_000, json!({"options": "autovacuum_enabled=false"})),
        ("temporary", 450_000, json!({"persistence": "t"})),
        ("unknown", 450_000, json!({"dead_rows": null})),
    ] {
        assert_eq!(neglected(before, 500_000, changes).said(rule), NOTHING, "{what}");
    }
    let mut at_work = neglected(450_000, 500_000, json!({}));
    let vacuum: Progress = row(json!({"pid": 1, "command": "VACUUM", "relation_oid": 1}));
    at_work.now.parts.extend(snapshot(0.0, Scope::Server, vec![vacuum]).parts);
    assert_eq!(at_work.said(rule), NOTHING, "a vacuum is at it");
    let mut off = neglected(450_000, 500_000, json!({}));
    off.now.parts.extend(settings(vec![setting("autovacuum", "off")]).parts);
    assert_eq!(off.said(rule), NOTHING, "that has a page of its own");
    assert_eq!(neglected(500, 500, json!({"rows": 100})).said(rule), NOTHING, "a small table");
}

#[test]
fn statistics_no_longer_fit() {
    let rule = "table-statistics-stale";
    let said = "Warning public.orders: 500,000 rows of table public.orders have changed since its statistics are counted, and it was not \
                analysed in that time; autovacuum should come at 100,050, and nobody came in 30 min";
    assert_eq!(forgotten(450_000, 500_000, json!({})).said(rule), [said]);
    let off =
        forgotten(450_000, 500_000, json!({"options": "autovacuum_enabled=false", "last_analyze": -7_200.0}));
    assert!(off.said(rule)[0].contains("analysed 2 h ago"), "{:?}", off.said(rule));
    assert!(off.said(rule)[0].ends_with("autovacuum is switched off for it"), "{:?}", off.said(rule));
    for (what, before, changes) in [
        ("it was not so all the time", 200_000, json!({})),
        ("autovacuum came", 450_000, json!({"autoanalyzes": 1})),
        ("somebody analysed it", 450_000, json!({"analyzes": 1})),
        ("it may have more", 450_000, json!({"options": "autovacuum_analyze_scale_factor=0.5"})),
        ("temporary", 450_000, json!({"persistence": "t"})),
        ("its partitions are counted", 450_000, json!({"kind": "p"})),
        ("unknown", 450_000, json!({"modified_since_analyze_rows": null})),
    ] {
        assert_eq!(forgotten(before, 500_000, changes).said(rule), NOTHING, "{what}");
    }
    let mut off = forgotten(450_000, 500_000, json!({}));
    off.now.parts.extend(settings(vec![setting("autovacuum", "off")]).parts);
    assert_eq!(off.said(rule), NOTHING, "that has a page of its own");
}

/// An hour of checkpoints, and what was written to the log meanwhile.
pub fn checkpoints(requested: i64, timed: i64, written: i64) -> World {
    let read = |at: f64, share: i64| {
        let checkpoint: Checkpoints = row(json!({"requested": share * requested, "timed": share * timed}));
        let log: Wal = row(json!({"position_bytes": share * written}));
        together([snapshot(at, Scope::Server, vec![checkpoint]), snapshot(at, Scope::Server, vec![log])])
    };
    let size = row(json!({
        "setting": "max_wal_size", "value": "1024", "unit": "MB", "context": "sighup", "source": "default", "value_type": "integer",
    }));
    let ladder = vec![Window::between(&read(0.0, 0), &read(3_600.0, 1))];
    World { now: together([read(3_600.0, 1), settings(vec![size])]), ladder, ..World::default() }
}

/// Where the server counts anew, the place that its log has got to goes on.
#[test]
fn a_place_in_the_log_is_no_count() {
    let wal = |at: f64, position: u64, bytes: u64, reset: f64| -> Snapshot {
        let row: Wal = row(json!({"position_bytes": position, "bytes": bytes, "stats_reset": reset}));
        snapshot(at, Scope::Server, vec![row])
    };
    let moved = |then: &Snapshot, now: &Snapshot| {
        let window = Window::between(then, now);
        let (.., rows) = window.stretches_of::<Wal>().next().unwrap();
        (rows[0].position_bytes.map(|moved| moved.float()), rows[0].bytes.map(|bytes| bytes.float()))
    };
    let before = wal(100.0, 8 << 40, 700, 5.0);
    assert_eq!(moved(&before, &wal(160.0, (8 << 40) + 64, 764, 5.0)), (Some(64.0), Some(64.0)));
    assert_eq!(moved(&before, &wal(160.0, (8 << 40) + 64, 30, 150.0)), (Some(64.0), Some(30.0)));
}

#[test]
fn checkpoints_come_because_the_log_is_full() {
    let rule = "server-checkpoints-requested";
    let gib = 1024 * MIB as i64;
    let said = "Note max_wal_size: 20 of 24 checkpoints in 1 h came because the log had filled max_wal_size (1.0 GiB): 10 GiB were \
                written to it";
    assert_eq!(checkpoints(20, 4, 10 * gib).said(rule), [said]);
    assert_eq!(checkpoints(20, 21, 10 * gib).said(rule), NOTHING, "most come by time");
    assert_eq!(checkpoints(5, 1, 10 * gib).said(rule), NOTHING, "a few");
    assert_eq!(
        checkpoints(20, 4, 4 * gib).said(rule),
        NOTHING,
        "by command: little was written between them"
    );
    let fix = checkpoints(20, 4, 10 * gib).fix(rule).unwrap();
    assert_eq!(fix.sql[0], "ALTER SYSTEM SET max_wal_size = '2048MB';");
    assert_eq!(fix.rollback[0], "ALTER SYSTEM SET max_wal_size = '1024';");
}
