use super::made_up::*;
use crate::model::{Database, Finding, Scope, Table, Window};
use serde_json::{Value, json};

fn table(changes: Value) -> Table {
    let orders = json!({
        "oid": 1, "database": "shop", "schema": "public", "table": "orders", "kind": "r", "persistence": "p",
        "replica_identity": "d", "size_bytes": 1024 * MIB,
    });
    row(with(orders, changes))
}

pub fn aged(changes: Value) -> World {
    World { now: snapshot(0.0, shop(), vec![table(changes)]), ..World::default() }
}

/// What the databases' ages were at some seconds, as one window.
fn ages(readings: &[(f64, i64, i64)]) -> Window {
    let read = |&(at, xid_age, mxid_age): &(f64, i64, i64)| {
        let shop = json!({"dbid": 5, "database": "shop", "xid_age": xid_age, "mxid_age": mxid_age});
        let blog = json!({"dbid": 6, "database": "blog", "xid_age": at * 7.0, "mxid_age": at * 7.0});
        snapshot::<Database>(at, Scope::Server, vec![row(shop), row(blog)])
    };
    let pairs = readings.windows(2).map(|pair| Window::between(&read(&pair[0]), &read(&pair[1])));
    pairs.reduce(Window::then).unwrap()
}

#[test]
fn a_table_that_nobody_freezes() {
    let rule = "table-wraparound";
    let stops = "table public.orders (1.0 GiB) holds ids 800,000,000 transactions old; writes stop after 1,344,483,647 more";
    let warned = [format!("Warning public.orders: {stops}")];
    for column in ["xid_age", "mxid_age", "toast_xid_age", "toast_mxid_age"] {
        let of = |age: i64| aged(json!({column: age})).said(rule);
        assert_eq!(of(800_000_000), warned, "{column}");
        assert_eq!(of(799_999_999), NOTHING, "{column}");
        assert!(of(1_599_999_999)[0].starts_with("Warning"), "{column}");
        assert!(of(1_600_000_000)[0].starts_with("Urgent"), "{column}");
    }
    assert_eq!(aged(json!({"kind": "p"})).said(rule), NOTHING, "a partitioned table has no age");
    let temporary =
        aged(json!({"xid_age": 8e8, "persistence": "t", "schema": "pg_temp_7"})).found(rule).remove(0);
    assert_eq!(temporary.subject, "pg_temp_7.orders");
    assert_eq!(temporary.fix.unwrap().sql[2], r#"DROP TABLE "pg_temp_7"."orders";"#);

    let over = aged(json!({"xid_age": 2_146_000_000})).said(rule);
    assert!(over[0].ends_with("writes stop after 0 more"));

    let many =
        (1..8).map(|nth| table(json!({"oid": nth, "table": format!("t{nth}"), "xid_age": 1e9 + nth as f64})));
    let found = World { now: snapshot(0.0, shop(), many.collect()), ..World::default() }.found(rule);
    let named = |found: Vec<Finding>| found.into_iter().map(|finding| finding.subject).collect::<Vec<_>>();
    assert_eq!(named(found), ["public.t7", "public.t6", "public.t5", "public.t4", "public.t3"]);

    let fix = aged(json!({"xid_age": 1e9, "schema": "we\"ird; drop", "table": "t\"t"})).fix(rule).unwrap();
    assert_eq!(fix.sql[1], r#"VACUUM (FREEZE, VERBOSE) "we""ird; drop"."t""t";"#);
    assert_eq!(fix.rollback, [] as [&str; 0]);
}

#[test]
fn how_long_the_ids_will_last() {
    let none = || Window::default();
    let latest = || ages(&[(0.0, 1_000, 500), (60.0, 7_000, 1_100)]);
    let day = || ages(&[(0.0, 1_000, 500), (86_400.0, 4_321_000, 500)]);
    let fell = ages(&[(0.0, 9_000, 500), (43_200.0, 100, 500), (86_400.0, 200, 500)]);
    for (what, latest, ladder, by, said) in [
        ("nothing known", none(), vec![], "xid_age", ""),
        ("the newest stretch", latest(), vec![], "xid_age", ", which at up to 100 a second is in 155 d 14 h"),
        ("the fastest", latest(), vec![day()], "xid_age", ", which at up to 100 a second is in 155 d 14 h"),
        (
            "not one with a freeze",
            latest(),
            vec![fell],
            "xid_age",
            ", which at up to 100 a second is in 155 d 14 h",
        ),
        ("nothing used up", ages(&[(0.0, 9, 9), (15.0, 9, 9)]), vec![], "xid_age", ""),
        (
            "multixacts at their own rate",
            latest(),
            vec![],
            "mxid_age",
            ", which at up to 10 a second is in 1556 d 2 h",
        ),
        ("multixacts that nobody uses", day(), vec![], "mxid_age", ""),
    ] {
        let world = World { latest, ladder, ..aged(json!({by: 800_000_000})) };
        let because = world.found("table-wraparound").remove(0).because;
        assert_eq!(because.split_once(" more").unwrap().1, said, "{what}");
    }
    let nowhere = World { latest: latest(), ..aged(json!({"xid_age": 1e9, "database": null})) };
    assert!(nowhere.said("table-wraparound")[0].ends_with(" more"), "whose database is not known");
}
