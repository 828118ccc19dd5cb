use super::made_up::*;
use crate::model::{Column, Confidence, Flavour, Index, Table, Window};
use serde_json::{Value, json};

/// An index that was watched for some days, and the same with changes at the end.
pub fn unused(days: f64, changes: Value) -> World {
    let before = snapshot(0.0, shop(), vec![index(changes.clone())]);
    unused_since(before, days, changes)
}

fn unused_since(before: Snapshot, days: f64, changes: Value) -> World {
    let end = days * 86_400.0;
    let after = snapshot(end, shop(), vec![index(changes.clone())]);
    World {
        latest: Window::between(&snapshot(end - 15.0, shop(), vec![index(changes)]), &after),
        ladder: vec![Window::between(&before, &after)],
        now: after,
        ..World::default()
    }
    .told(7, "CREATE INDEX note_idx ON public.orders USING btree (note)")
}

#[test]
fn an_index_that_nobody_reads() {
    let named =
        "Note public.note_idx: index public.note_idx on orders has 20 MiB and was not read once in 30 d";
    let small =
        "Note public.note_idx: index public.note_idx on orders has 10 MiB and was not read once in 30 d";
    let silent = [
        ("a little too small", 30.0, json!({"size_bytes": 10 * MIB - 1})),
        ("of unknown size", 30.0, json!({"size_bytes": null})),
        ("not watched for long enough", 29.999, json!({})),
        ("of unknown use", 30.0, json!({"scans": null})),
        ("invalid", 30.0, json!({"is_valid": false})),
        ("of a partitioned table", 30.0, json!({"kind": "I"})),
        ("of a partition", 30.0, json!({"parent_oid": 3})),
        ("of a temporary table", 30.0, json!({"persistence": "t"})),
        ("unique", 30.0, json!({"is_unique": true})),
        ("of the primary key", 30.0, json!({"is_primary": true})),
        ("of an exclusion", 30.0, json!({"is_exclusion": true})),
        ("of a constraint", 30.0, json!({"backs_constraint": true})),
        ("of a foreign key", 30.0, json!({"backs_foreign_key": true})),
        ("replica identity", 30.0, json!({"is_replica_identity": true})),
        ("clustered", 30.0, json!({"is_clustered": true})),
    ];
    assert_eq!(unused(30.0, json!({})).said("index-unused"), [named]);
    assert_eq!(unused(30.0, json!({"size_bytes": 10 * MIB})).said("index-unused"), [small]);
    for (what, days, changes) in silent {
        assert_eq!(unused(days, changes).said("index-unused"), NOTHING, "{what}");
    }
    let scanned = snapshot(0.0, shop(), vec![index(json!({"scans": 4}))]);
    assert_eq!(unused_since(scanned, 30.0, json!({})).said("index-unused"), NOTHING, "read once");
    let without = snapshot(0.0, shop(), vec![index(json!({"oid": 6}))]);
    let young = json!({"scans": 0});
    assert_eq!(unused_since(without, 30.0, young).said("index-unused"), NOTHING, "younger than the window");
    let counted_anew = snapshot(0.0, shop(), vec![index(json!({"read_seconds": 1.0}))]);
    let took = json!({"read_seconds": 1.5});
    assert_eq!(
        unused_since(counted_anew, 30.0, took).said("index-unused"),
        NOTHING,
        "back at the number it had"
    );
}

/// REINDEX CONCURRENTLY builds another index and hands it the counters.
#[test]
fn an_index_that_took_the_place_of_another_goes_on_counting_where_that_was() {
    let built = |scans: i64| json!({"oid": 8, "scans": scans});
    let old = index(json!({"scans": 4}));
    let half_built = index(json!({"oid": 8, "index": "note_idx_ccnew", "is_valid": false, "scans": 0}));
    for before in [vec![old.clone()], vec![old.clone(), half_built]] {
        let before = snapshot(0.0, shop(), before);
        let now = |scans| snapshot(100.0, shop(), vec![index(built(scans))]);
        let counted = |scans| {
            let window = Window::between(&before, &now(scans));
            let (_, stretch, rows) = window.stretches_of::<Index>().next().unwrap();
            (rows[0].scans.map(|scans| scans.float()), stretch.fresh[0])
        };
        assert_eq!(counted(9), (Some(5.0), false));
    }
    let before = snapshot(0.0, shop(), vec![old]);
    let after = snapshot(100.0, shop(), vec![index(built(3))]);
    let window = Window::between(&before, &after);
    let (_, stretch, rows) = window.stretches_of::<Index>().next().unwrap();
    assert_eq!(
        (rows[0].scans.map(|scans| scans.float()), stretch.fresh[0]),
        (Some(3.0), true),
        "dropped, and built anew"
    );
    let unused = unused_since(before, 30.0, json!({"oid": 8, "scans": 4}));
    assert_eq!(
        unused
            .told(8, "CREATE INDEX note_idx ON public.orders USING btree (note)")
            .said("index-unused")
            .len(),
        1
    );
}

/// MySQL refuses to drop it.
#[test]
fn an_index_that_numbers_the_rows_is_needed() {
    let of_mysql = |others: Vec<Index>, identity: &str| {
        let changes = json!({"column_list": "nr, note"});
        let mut world = unused(30.0, changes);
        let number = row::<Column>(
            json!({"table_oid": 1, "position": 2, "schema": "public", "table": "orders", "column": "nr", "identity": identity}),
        );
        let table = row::<Table>(
            json!({"oid": 1, "schema": "public", "table": "orders", "kind": "r", "engine": "InnoDB"}),
        );
        for part in
            [snapshot(30.0 * 86_400.0, shop(), vec![number]), snapshot(30.0 * 86_400.0, shop(), vec![table])]
        {
            world.now.parts.extend(part.parts);
        }
        if !others.is_empty() {
            let own = index(json!({"column_list": "nr, note"}));
            world.now.parts.extend(snapshot(30.0 * 86_400.0, shop(), [vec![own], others].concat()).parts);
        }
        World { flavour: Flavour::Mysql, ..world }.said("index-unused").len()
    };
    assert_eq!(of_mysql(vec![], "d"), 0);
    assert_eq!(of_mysql(vec![], ""), 1);
    assert_eq!(of_mysql(vec![index(json!({"oid": 9, "index": "second", "column_list": "nr"}))], "d"), 1);
    assert_eq!(
        of_mysql(vec![index(json!({"oid": 9, "index": "second", "column_list": "note, nr"}))], "d"),
        0
    );
}

#[test]
fn what_the_server_remembers_is_hearsay() {
    let forty_days = |scans: i64| {
        let now = snapshot(40.0 * 86_400.0, shop(), vec![index(json!({"scans": scans}))]);
        Some(Window::since_reset(&now))
    };
    let first_sight = World { latest: Window::default(), ladder: vec![], ..unused(1.0, json!({})) };
    let world = World { since_reset: forty_days(0), ..first_sight };
    let found = world.found("index-unused");
    assert!(found[0].because.ends_with("not read once since the server's statistics began, 40 d"));
    assert_eq!(found[0].confidence, Confidence::Unverified);
    assert_eq!(World { since_reset: forty_days(1), ..world }.said("index-unused"), NOTHING);
    assert_eq!(unused(30.0, json!({})).found("index-unused")[0].confidence, Confidence::Measured);
}
