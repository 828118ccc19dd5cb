//! Joins of columns that are written in different character sets.

use super::made_up::*;
use super::plans::orders;
use super::statements::said_as;
use crate::model::Column;
use serde_json::{Value, json};

pub const JOIN: &str = "select c.id from orders o join codes c on c.code = o.code where o.id = ?";
const RULE: &str = "statement-collations-differ";

/// An index on the codes, and an order that is looked for by its own: what both columns are written in.
pub fn joined(text: &str, codes: &str, of_order: &str) -> World {
    declared(text, codes, of_order, json!({}), json!({}))
}

fn declared(text: &str, codes: &str, of_order: &str, cost: Value, of_column: Value) -> World {
    let dear = json!({"calls": 100, "rows": 100, "exec_seconds": 9.0, "examined_rows": 10_000_000});
    let mut world = said_as(text, &[(300.0, with(dear, cost))]);
    let by_code = json!({
        "table": "codes", "index": "by_code", "table_oid": 1, "access_method": "BTREE", "columns": "77 12", "column_list": "code",
        "is_visible": true,
    });
    let column = |table: &str, oid: i64, collation: &str| -> Column {
        let code = json!({
            "database": "shop", "schema": "shop", "table": table, "table_oid": oid, "position": 2, "column": "code",
            "data_type": "varchar(20)", "not_null": true, "collation": collation,
        });
        row(with(code, of_column.clone()))
    };
    let table = |name: &str, oid: i64, rows: i64| {
        orders(json!({"oid": oid, "table": name, "schema": "shop", "rows": rows, "live_rows": null}))
    };
    world.now = together([
        world.now,
        snapshot(300.0, shop(), vec![table("codes", 1, 100_000), table("orders", 2, 1_000_000)]),
        snapshot(300.0, shop(), vec![index(by_code)]),
        snapshot(300.0, shop(), vec![column("codes", 1, codes), column("orders", 2, of_order)]),
    ]);
    world
}

#[test]
fn a_join_of_two_character_sets() {
    let said = "Warning 00000000000000aa: statement 00000000000000aa (select c.id from orders o join codes c on c.code = o.code wh…) \
                looked at 100,000 rows in each of 100 runs in 5 min, 90 ms each: it compares shop.codes.code, which is \
                latin1_swedish_ci and which index by_code begins with, with orders.code, which is utf8mb4_0900_ai_ci, so that the \
                index is of no use and all 100,000 rows are read";
    let world = joined(JOIN, "latin1_swedish_ci", "utf8mb4_0900_ai_ci");
    assert_eq!(world.said(RULE), [said]);
    let fix = world.fix(RULE).unwrap();
    assert_eq!(
        (&*fix.sql[1], &*fix.rollback[0]),
        (
            "ALTER TABLE `shop`.`codes` MODIFY COLUMN `code` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci NOT NULL, \
             ALGORITHM=COPY, LOCK=SHARED;",
            "ALTER TABLE `shop`.`codes` MODIFY COLUMN `code` varchar(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL, \
             ALGORITHM=COPY, LOCK=SHARED;"
        )
    );
    let with_default =
        declared(JOIN, "latin1_swedish_ci", "utf8mb4_bin", json!({}), json!({"has_default": true}));
    assert_eq!((with_default.said(RULE).len(), with_default.fix(RULE)), (1, None));
    let computed = declared(JOIN, "latin1_swedish_ci", "utf8mb4_bin", json!({}), json!({"generated": "s"}));
    assert_eq!((computed.said(RULE).len(), computed.fix(RULE)), (1, None), "its expression would be lost");
}

#[test]
fn which_of_two_columns_is_turned() {
    for (codes, of_order, speaks) in [
        ("utf8mb3_general_ci", "utf8mb4_general_ci", 1),
        ("utf8_general_ci", "utf8mb4_general_ci", 1),
        ("utf8mb4_general_ci", "utf8mb4_bin", 1),
        ("utf8mb4_bin", "utf8mb4_general_ci", 0),
        ("utf8mb4_general_ci", "utf8mb3_general_ci", 0),
        ("utf8mb4_general_ci", "utf8mb4_unicode_ci", 0),
        ("latin1_swedish_ci", "latin2_general_ci", 0),
        ("binary", "utf8mb4_general_ci", 0),
    ] {
        assert_eq!(joined(JOIN, codes, of_order).said(RULE).len(), speaks, "{codes} with {of_order}");
    }
    for text in [
        "select c.id from orders o join codes c on lower(c.code) = o.code where o.id = ?",
        "select c.id from orders o join codes c on c.code > o.code where o.id = ?",
        "select c.id from orders o join codes c on c.id = o.id where c.code = ?",
        "select c.id from codes c where c.code = ?",
    ] {
        assert_eq!(joined(text, "latin1_swedish_ci", "utf8mb4_0900_ai_ci").said(RULE), NOTHING, "{text}");
    }
    for cost in [
        json!({"calls": 9, "examined_rows": 900_000}),
        json!({"examined_rows": 4_900_000}),
        json!({"rows": 1_000_000}),
    ] {
        let world = declared(JOIN, "latin1_swedish_ci", "utf8mb4_bin", cost.clone(), json!({}));
        assert_eq!(world.said(RULE), NOTHING, "{cost}");
    }
}
