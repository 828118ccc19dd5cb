use super::made_up::*;
use serde_json::{Value, json};

/// `note_idx` (7) on one column, and `longer` (8) that begins with it, each with changes.
pub fn longer(short: Value, long: Value) -> World {
    let more = json!({
        "oid": 8, "index": "longer", "columns": "2 3", "key_columns": 2, "operator_classes": "1978 1978",
        "collations": "0 0", "column_options": "0 0", "size_bytes": 30 * MIB,
    });
    let rows = vec![index(short), index(with(more, long))];
    World { now: snapshot(0.0, shop(), rows), ..World::default() }
        .told(7, "CREATE INDEX note_idx ON orders (note)")
}

#[test]
fn an_index_that_another_begins_with() {
    let rule = "index-redundant-prefix";
    let said = [
        "Note public.note_idx: index public.note_idx (20 MiB) on orders is the beginning of longer (30 MiB), \
                 which can do all that it does",
    ];
    let none = || json!({});
    assert_eq!(longer(none(), none()).said(rule), said);
    for (what, short, long) in [
        ("even if it is read", json!({"scans": 1_000_000}), none()),
        ("a unique one serves as well", none(), json!({"is_unique": true, "is_primary": true})),
        ("what it carries along the other has too", json!({"columns": "2 3"}), none()),
        ("under one condition", json!({"predicate_hash": "p"}), json!({"predicate_hash": "p"})),
    ] {
        assert_eq!(longer(short, long).said(rule).len(), 1, "{what}");
    }
    for (what, short, long) in [
        ("unique", json!({"is_unique": true}), none()),
        ("queries may not use the longer one", json!({"is_visible": true}), json!({"is_visible": false})),
        ("a constraint's", json!({"backs_constraint": true}), none()),
        ("a partition's", json!({"parent_oid": 3}), none()),
        ("too small", json!({"size_bytes": 10 * MIB - 1}), json!({"size_bytes": 10 * MIB})),
        ("the longer one is four times as big", none(), json!({"size_bytes": 80 * MIB})),
        ("second column", none(), json!({"columns": "3 2"})),
        ("only included", none(), json!({"key_columns": 1, "operator_classes": "1978"})),
        ("descending", json!({"column_options": "3"}), none()),
        ("operator class", json!({"operator_classes": "1994"}), none()),
        ("collation", json!({"collations": "100"}), none()),
        ("carries something along", json!({"columns": "2 9"}), none()),
        ("condition", json!({"has_predicate": true, "predicate_hash": "p"}), none()),
        ("condition of the longer one", none(), json!({"has_predicate": true, "predicate_hash": "p"})),
        ("expression", json!({"has_expressions": true, "columns": "0"}), json!({"columns": "0 3"})),
        ("access method", json!({"access_method": "gist"}), json!({"access_method": "gist"})),
        ("other table", none(), json!({"table_oid": 2})),
        ("longer one invalid", none(), json!({"is_valid": false})),
        ("invalid", json!({"is_valid": false}), none()),
        ("the same is another page's", json!({"columns": "2 3", "key_columns": 2}), none()),
    ] {
        assert_eq!(longer(short, long).said(rule), NOTHING, "{what}");
    }
}
