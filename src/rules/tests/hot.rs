//! A table whose updates are told to its indexes, and a table with very many of them.

use super::made_up::*;
use super::plans::orders;
use super::statements::said_as;
use crate::model::{Column, Flavour, Index, Table, Window};
use serde_json::{Value, json};

const TOUCH: &str = "update orders set seen = ?, note = ? where id = ?";
const COLD: &str = "index-keeps-updates-from-hot";

fn column(position: i64, name: &str) -> Column {
    row(json!({
        "database": "shop", "schema": "public", "table": "orders", "table_oid": 1, "position": position, "column": name,
    }))
}

/// An index that nobody reads, on the second column, which is `seen`, beside the primary key.
fn indexes(on_seen: &Value) -> Vec<Index> {
    let primary = json!({"oid": 8, "index": "orders_pkey", "columns": "1", "is_primary": true, "is_unique": true, "scans": 100});
    let third = json!({"oid": 9, "index": "third_idx", "columns": "4", "scans": 100});
    let on_seen = with(json!({"index": "seen_idx", "columns": "2", "scans": 0}), on_seen.clone());
    vec![index(on_seen), index(primary), index(third)]
}

/// Five minutes of updates, a month after the index was seen first.
fn updated(text: &str, table: Value, on_seen: Value) -> World {
    let ran = json!({"calls": 60_000, "rows": 60_000, "exec_seconds": 6.0});
    let mut world = said_as(text, &[(300.0, ran)]);
    let counted =
        with(json!({"updated_rows": 60_000, "hot_updated_rows": 500, "new_page_updated_rows": 500}), table);
    let nothing = json!({"updated_rows": 0, "hot_updated_rows": 0, "new_page_updated_rows": 0});
    let read = |at: f64, counted: Value| snapshot::<Table>(at, shop(), vec![orders(counted)]);
    let month = 30.0 * 86_400.0;
    let seen = |at: f64| snapshot::<Index>(at, shop(), indexes(&on_seen));
    world.ladder = vec![
        Window::between(&read(month - 300.0, nothing), &read(month, counted.clone())),
        Window::between(&seen(0.0), &seen(month)),
    ];
    world.now = together([
        world.now,
        read(month, counted),
        seen(month),
        snapshot(
            month,
            shop(),
            vec![column(1, "id"), column(2, "seen"), column(3, "note"), column(4, "kind")],
        ),
    ]);
    world.told(7, "CREATE INDEX seen_idx ON public.orders USING btree (seen)")
}

pub fn cold(hot: i64) -> World {
    updated(TOUCH, json!({"hot_updated_rows": hot}), json!({}))
}

#[test]
fn an_index_keeps_updates_from_being_hot() {
    let said = "Warning public.seen_idx: 98 % of 60,000 updates of public.orders in 5 min made a new entry in each of its 3 indexes \
                although they had room in their page: they set seen, which only index public.seen_idx (20 MiB) holds, and which \
                nobody searched in 30 d";
    let world = cold(500);
    assert_eq!(world.said(COLD), [said]);
    assert_eq!(world.fix(COLD).unwrap().sql[1], r#"DROP INDEX CONCURRENTLY "public"."seen_idx";"#);
    let is_silent = |what: &str, text: &str, table: Value, on_seen: Value| {
        assert_eq!(updated(text, table, on_seen).said(COLD), NOTHING, "{what}");
    };
    for (what, table) in [
        ("most are HOT", json!({"hot_updated_rows": 30_000})),
        ("most found no room", json!({"new_page_updated_rows": 30_000})),
        ("the server does not tell who found room", json!({"new_page_updated_rows": null})),
        ("few", json!({"updated_rows": 2_999})),
        ("of a partition", json!({"is_partition": true})),
    ] {
        is_silent(what, TOUCH, table, json!({}));
    }
    is_silent(
        "others do most of it",
        TOUCH,
        json!({"updated_rows": 80_000, "hot_updated_rows": 0}),
        json!({}),
    );
    for (what, on_seen) in [
        ("it is not set", json!({"columns": "4"})),
        ("it is unique", json!({"is_unique": true})),
        ("a constraint stands on it", json!({"backs_constraint": true})),
        ("it sums up", json!({"access_method": "brin"})),
        ("of some rows only", json!({"has_predicate": true})),
        ("on an expression", json!({"has_expressions": true})),
    ] {
        is_silent(what, TOUCH, json!({}), on_seen);
    }
    for (what, text) in [
        ("nothing that an index holds", "update orders set note = ? where id = ?"),
        ("another index holds what is set as well", "update orders set seen = ?, kind = ? where id = ?"),
        (
            "it may have inserted them",
            "insert into orders (id) values (?) on conflict (id) do update set seen = ?",
        ),
        ("another table", "update lines set seen = ? where id = ?"),
        ("another schema", "update archive.orders set seen = ? where id = ?"),
        ("only read", "select seen from orders where id = ?"),
    ] {
        is_silent(what, text, json!({}), json!({}));
    }
}

#[test]
fn an_index_that_is_read_a_little_is_not_dropped() {
    let searched = |scans: i64| {
        let mut world = cold(500);
        let before = snapshot(0.0, shop(), indexes(&json!({"scans": 0})));
        let after = snapshot(30.0 * 86_400.0, shop(), indexes(&json!({"scans": scans})));
        world.ladder.pop();
        world.ladder.push(Window::between(&before, &after));
        world
    };
    // Two hundred updates in a second, a thousandth of them searches.
    let world = searched(518_400);
    assert!(
        world.said(COLD)[0].ends_with("and which was searched 518,400 times in 30 d"),
        "{:?}",
        world.said(COLD)
    );
    assert!(world.fix(COLD).is_none());
    assert_eq!(searched(518_401).said(COLD), NOTHING);
    let unasked = World { answers: Default::default(), ..searched(0) };
    assert_eq!(unasked.said(COLD), NOTHING, "the way back is asked for first");
}

const MANY: &str = "index-too-many";

/// A week of a table with so many indexes, of which some are read, and what came to it.
fn crowded(many: i64, read: i64, counted: Value, of_idle: Value) -> World {
    let week = 7.0 * 86_400.0;
    let written =
        with(json!({"inserted_rows": 6_048_000, "updated_rows": 0, "hot_updated_rows": 0}), counted);
    let nothing = json!({"inserted_rows": 0, "updated_rows": 0, "hot_updated_rows": 0});
    let indexes = |at: f64| -> Vec<Index> {
        let one = |nth: i64| {
            let scans = if nth < read && at > 0.0 { 10_000_000 } else { 0 };
            let changes = if nth < read { json!({}) } else { of_idle.clone() };
            index(with(json!({"oid": nth, "index": format!("idx_{nth}"), "scans": scans}), changes))
        };
        (0..many).map(one).collect()
    };
    let at = |at: f64, counted: &Value| {
        together([snapshot(at, shop(), vec![orders(counted.clone())]), snapshot(at, shop(), indexes(at))])
    };
    let now = at(week, &written);
    World { ladder: vec![Window::between(&at(0.0, &nothing), &now)], now, ..World::default() }
}

pub fn many(indexes: i64) -> World {
    crowded(indexes, 8, json!({}), json!({}))
}

#[test]
fn a_table_with_too_many_indexes() {
    let said = "Note public.orders: 6,048,000 rows of public.orders got an entry in each of its 11 indexes in 7 d, and 3 of these \
                (60 MiB) were read less than once for 1,000 entries: idx_8, idx_9, idx_10";
    let world = many(11);
    assert_eq!(world.said(MANY), [said]);
    assert!(world.fix(MANY).is_none());
    for (what, world) in [
        ("ten are not too many", crowded(10, 7, json!({}), json!({}))),
        ("most are read", crowded(11, 9, json!({}), json!({}))),
        ("little is written", crowded(11, 8, json!({"inserted_rows": 6_047_999}), json!({}))),
        ("they enforce something", crowded(11, 8, json!({}), json!({"is_unique": true}))),
        ("nobody counts their use", crowded(11, 8, json!({}), json!({"scans": null}))),
        ("some are being built", crowded(11, 8, json!({}), json!({"is_valid": false}))),
    ] {
        assert_eq!(world.said(MANY), NOTHING, "{what}");
    }
    let hot = json!({"inserted_rows": 0, "updated_rows": 12_096_000, "hot_updated_rows": 6_048_000});
    assert_eq!(crowded(11, 8, hot.clone(), json!({})).said(MANY).len(), 1, "updates that are not HOT");
    let mysql = |world: World| World { flavour: Flavour::Mysql, ..world };
    assert_eq!(mysql(many(11)).said(MANY).len(), 1);
    assert_eq!(
        mysql(crowded(11, 8, hot, json!({}))).said(MANY),
        NOTHING,
        "only indexes of changed columns hear of it"
    );
    let young = World { ladder: Vec::new(), ..many(11) };
    assert!(young.said(MANY).is_empty() && !young.could_speak().contains(&MANY));
    let many_idle = &crowded(16, 8, json!({}), json!({})).said(MANY)[0];
    assert!(many_idle.ends_with("idx_8, idx_9, idx_10, idx_11, idx_12 and others"), "{many_idle}");
}
