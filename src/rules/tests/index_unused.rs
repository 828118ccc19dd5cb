use super::made_up::*;
use crate::model::{Confidence, Window};
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
