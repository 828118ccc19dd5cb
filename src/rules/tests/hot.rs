//! An index on a column that every update changes.

use super::made_up::*;
use super::statements::said_as;
use crate::model::{Column, Index, Table, Window};
use serde_json::{Value, json};

/// A quarter of an hour of updates, all by one statement.
pub fn updated(changes: Value, index_changes: Value) -> World {
    let text = "update orders set seen_at = ?, hits = hits + ? where id = ?";
    let mut world = said_as(text, &[(900.0, json!({"calls": 90_000, "rows": 90_000, "exec_seconds": 9.0}))]);
    world.texts = crate::texts::Texts::default();
    world.texts.learn(1, crate::texts::Known::Digest(crate::sql::Digest(0xaa)), Some(text));
    let read = |at: f64, share: i64| {
        let mut table = with(
            json!({
                "oid": 1, "database": "shop", "schema": "public", "table": "orders", "kind": "r", "persistence": "p",
                "updated_rows": 90_000, "hot_updated_rows": 900, "live_rows": 1000,
            }),
            changes.clone(),
        );
        for counter in ["updated_rows", "hot_updated_rows"] {
            table[counter] = json!(table[counter].as_i64().unwrap() * share);
        }
        let about = with(json!({"columns": "2", "index": "seen_idx", "scans": 3}), index_changes.clone());
        let scans = about["scans"].as_i64().unwrap() * share;
        together([
            snapshot::<Table>(at, shop(), vec![row(table)]),
            snapshot::<Index>(at, shop(), vec![index(with(about, json!({"scans": scans})))]),
        ])
    };
    let column = |(nth, name): (usize, &&str)| -> Column {
        row(json!({
            "database": "shop", "schema": "public", "table": "orders", "table_oid": 1, "position": nth + 1, "column": name,
            "data_type": "integer",
        }))
    };
    let columns = ["id", "seen_at", "hits", "note"].iter().enumerate().map(column).collect();
    world.ladder = vec![Window::between(&read(0.0, 0), &read(900.0, 1))];
    world.now = together([world.now, read(900.0, 1), snapshot::<Column>(900.0, shop(), columns)]);
    world.told(7, "CREATE INDEX seen_idx ON public.orders USING btree (seen_at)")
}

#[test]
fn every_update_changes_a_column_of_a_spare_index() {
    let rule = "index-keeps-updates-from-hot";
    let said = "Note public.seen_idx: 100 rows of public.orders were updated in a second, 1 % of them cheaply: nearly all change a \
                column of index public.seen_idx, which was read 0.00 times a second";
    assert_eq!(updated(json!({}), json!({})).said(rule), [said]);
    assert_eq!(
        updated(json!({}), json!({})).fix(rule).unwrap().sql[1],
        r#"DROP INDEX CONCURRENTLY "public"."seen_idx";"#
    );
    for (what, world) in [
        ("they are cheap all the same", updated(json!({"hot_updated_rows": 9_100}), json!({}))),
        ("few", updated(json!({"updated_rows": 8_900}), json!({}))),
        ("another column", updated(json!({}), json!({"columns": "4"}))),
        ("it is read", updated(json!({}), json!({"scans": 1_000}))),
        ("it is unique", updated(json!({}), json!({"is_unique": true}))),
        ("it sums up pages", updated(json!({}), json!({"access_method": "brin"}))),
    ] {
        assert_eq!(world.said(rule), NOTHING, "{what}");
    }
}
