use super::made_up::*;
use crate::model::{Column, ColumnStatistics};
use serde_json::{Value, json};

const RULE: &str = "index-bloated";

/// An index of 200 MiB with 100,000 entries on an integer, but for the changes.
pub fn bloated(of_index: Value, of_column: Value) -> World {
    let large = with(json!({"size_bytes": 200 * MIB, "rows": 100_000, "is_being_built": false}), of_index);
    let amount = json!({
        "table_oid": 1, "position": 2, "database": "shop", "schema": "public", "table": "orders", "column": "amount",
        "type_oid": 23,
    });
    let table = row(json!({"oid": 1, "database": "shop", "schema": "public", "table": "orders"}));
    let now = together([
        snapshot(0.0, shop(), vec![index(large)]),
        snapshot::<Column>(0.0, shop(), vec![row(with(amount, of_column))]),
        snapshot::<crate::model::Table>(0.0, shop(), vec![table]),
    ]);
    World { now, ..World::default() }
}

fn knowing(mut world: World, width: i64) -> World {
    let known: ColumnStatistics = row(json!({
        "database": "shop", "schema": "public", "table": "orders", "column": "amount", "width_bytes": width,
    }));
    world.now = together([world.now, snapshot(0.0, shop(), vec![known])]);
    world
}

#[test]
fn most_of_it_holds_nothing() {
    let said = "Note public.note_idx: index public.note_idx on orders has 200 MiB for 100,000 entries that need 3.1 MiB at most: \
                98 % of it holds nothing";
    assert_eq!(bloated(json!({}), json!({})).said(RULE), [said]);
    let fix = bloated(json!({}), json!({})).fix(RULE).unwrap();
    assert_eq!(fix.sql, ["SET lock_timeout = 0;", r#"REINDEX INDEX CONCURRENTLY "public"."note_idx";"#]);
    let old = bloated(json!({"is_being_built": null}), json!({}));
    assert_eq!((old.said(RULE).len(), old.fix(RULE)), (1, None), "PostgreSQL 11 cannot do that");
}

#[test]
fn silence_about_what_cannot_be_reckoned_or_is_as_it_should_be() {
    for (what, of_index, of_column) in [
        ("it holds what it has room for", json!({"rows": 4_000_000}), json!({})),
        ("pages filled to two thirds are no bloat", json!({"rows": 3_000_000}), json!({})),
        ("little is to be had", json!({"size_bytes": 90 * MIB}), json!({})),
        ("it was asked to leave room", json!({"rows": 400_000, "options": "fillfactor=10"}), json!({})),
        ("nobody counted", json!({"rows": null}), json!({})),
        ("never vacuumed", json!({"rows": -1}), json!({})),
        ("an expression", json!({"has_expressions": true, "columns": "0"}), json!({})),
        ("of another kind", json!({"access_method": "gin"}), json!({})),
        ("temporary", json!({"persistence": "t"}), json!({})),
        ("a type of any length", json!({}), json!({"type_oid": 25})),
        ("a column that we do not know", json!({"columns": "2 3"}), json!({})),
    ] {
        assert_eq!(bloated(of_index, of_column).said(RULE), NOTHING, "{what}");
    }
    let text = || bloated(json!({}), json!({"type_oid": 25}));
    assert_eq!(knowing(text(), 20).said(RULE).len(), 1, "the planner knows how long they are");
    assert_eq!(knowing(text(), 900).said(RULE), NOTHING, "what is long may lie elsewhere");
}
