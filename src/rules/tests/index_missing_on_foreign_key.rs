use super::made_up::*;
use crate::model::{Column, Constraint, Index, Table, Window};
use serde_json::{Value, json};

fn table(oid: i64, name: &str, changes: Value) -> Table {
    let table = json!({
        "oid": oid, "database": "shop", "schema": "public", "table": name, "kind": "r", "persistence": "p",
        "size_bytes": 8 * MIB, "deleted_rows": 0, "sequential_scans": 0,
    });
    row(with(table, changes))
}

/// Rows of `customers` (1) were deleted while `orders` (2) refers to it by its columns 2 and 3, and was read as often.
pub fn deleting(rows: i64, changes: Value) -> World {
    deleted(rows, rows, changes, json!({}), json!({"table_oid": 3}))
}

fn deleted(rows: i64, scans: i64, key: Value, orders: Value, an_index: Value) -> World {
    let tables = |at: f64, rows: i64, scans: i64| {
        let customers = table(1, "customers", json!({"deleted_rows": rows}));
        let orders = table(2, "orders", with(json!({"sequential_scans": scans}), orders.clone()));
        snapshot(at, shop(), vec![customers, orders])
    };
    let column = |position: i64| -> Column {
        let column = json!({"table_oid": 2, "position": position, "table": "orders", "column": format!("c{position}")});
        row(column)
    };
    let constraint: Constraint = row(with(
        json!({"oid": 9, "table": "orders", "constraint": "orders_fk", "kind": "f", "table_oid": 2, "columns": "{2,3}", "target_oid": 1}),
        key,
    ));
    let (before, after) = (tables(0.0, 50, 50), tables(60.0, 50 + rows, 50 + scans));
    let latest = Window::between(&before, &after);
    let indexes: Vec<Index> = vec![index(an_index)];
    let now = together([
        after,
        snapshot(60.0, shop(), vec![constraint]),
        snapshot(60.0, shop(), vec![column(2), column(3)]),
        snapshot(60.0, shop(), indexes),
    ]);
    World { latest, now, ..World::default() }
}

#[test]
fn deletes_that_read_the_referring_table() {
    let rule = "index-missing-on-foreign-key";
    let none = || json!({});
    let elsewhere = || json!({"table_oid": 3});
    let said = "Warning public.orders orders_fk: 12 rows were deleted from public.customers in 1 min, and public.orders \
                (8.0 MiB), which refers to it by c2, c3 without an index, was read from end to end 12 times";
    assert_eq!(deleting(12, none()).said(rule), [said]);
    let fix = deleting(12, none()).fix(rule).unwrap();
    assert_eq!(
        fix.sql[1],
        r#"CREATE INDEX CONCURRENTLY "orders_c2_c3_idx" ON "public"."orders" ("c2", "c3");"#
    );
    assert_eq!(fix.rollback, [r#"DROP INDEX CONCURRENTLY IF EXISTS "public"."orders_c2_c3_idx";"#]);
    let namesake = json!({"table_oid": 3, "index": "orders_c2_c3_idx"});
    let fix = deleted(12, 12, none(), none(), namesake).fix(rule).unwrap();
    assert!(fix.sql[1].contains("orders_c2_c3_idx1"), "the name is taken");

    let on_orders =
        |columns: &str, keys: i64| json!({"table_oid": 2, "columns": columns, "key_columns": keys});
    for (what, world) in [
        ("few", deleting(9, none())),
        ("it was not read", deleted(12, 11, none(), none(), elsewhere())),
        ("it is small", deleted(12, 12, none(), json!({"size_bytes": 8 * MIB - 1}), elsewhere())),
        ("of unknown size", deleted(12, 12, none(), json!({"size_bytes": null}), elsewhere())),
        ("its parts are partitions", deleted(12, 12, none(), json!({"kind": "p"}), elsewhere())),
        ("there is an index", deleted(12, 12, none(), none(), on_orders("2 3", 2))),
        ("in any order, with more behind", deleted(12, 12, none(), none(), on_orders("3 2 7", 3))),
        (
            "with a condition",
            deleted(12, 12, none(), none(), with(on_orders("2 3", 2), json!({"has_predicate": true}))),
        ),
        (
            "being built",
            deleted(12, 12, none(), none(), with(on_orders("2 3", 2), json!({"is_valid": false}))),
        ),
        ("another's key", deleting(12, json!({"target_oid": 7}))),
        ("not a foreign key", deleting(12, json!({"kind": "c"}))),
        ("a partition's", deleting(12, json!({"parent_oid": 4}))),
        ("not enforced", deleting(12, json!({"is_enforced": false}))),
        ("a column without a name", deleting(12, json!({"columns": "{2,4}"}))),
    ] {
        assert_eq!(world.said(rule), NOTHING, "{what}");
    }
    for columns in ["2", "4 2 3"] {
        let useless = deleted(12, 12, none(), none(), on_orders(columns, 3));
        assert_eq!(useless.said(rule).len(), 1, "an index on {columns} does not help");
    }
    let first_sight = World {
        since_reset: Some(Window::since_reset(&deleting(12, none()).now)),
        latest: Window::default(),
        ..deleting(12, none())
    };
    assert!(first_sight.said(rule)[0].contains("62 rows were deleted"), "the server remembers");
}
