use super::made_up::*;
use crate::model::Flavour;
use serde_json::{Value, json};

/// Of a table with the primary key 1: `kind` (7) on column 2, and `longer` (8) with the primary key behind it, each with
/// changes, as InnoDB carries it along.
pub fn appended(short: Value, long: Value, primary: Value) -> World {
    let of = |id: i64, name: &str, columns: &str, parts: i64| {
        let each = ["0"; 3][..parts as usize].join(" ");
        json!({
            "oid": id, "index": name, "columns": columns, "key_columns": parts, "operator_classes": each,
            "collations": "", "column_options": each, "size_bytes": 20 * MIB,
        })
    };
    let primary =
        with(with(of(6, "PRIMARY", "1", 1), json!({"is_primary": true, "is_unique": true})), primary);
    let rows = vec![
        index(primary),
        index(with(of(7, "kind", "2 1", 1), short)),
        index(with(of(8, "longer", "2 1", 2), long)),
    ];
    World { now: snapshot(0.0, shop(), rows), flavour: Flavour::Mysql, ..World::default() }
        .told(8, "CREATE INDEX longer ON orders (kind, id)")
}

#[test]
fn the_primary_key_behind_an_index() {
    let rule = "index-appended-primary-key";
    let none = || json!({});
    let said = [
        "Warning public.longer: index public.longer (20 MiB) on orders is kind with the primary key behind it, which InnoDB \
         puts there anyway",
    ];
    assert_eq!(appended(none(), none(), none()).said(rule), said);
    assert_eq!(
        appended(none(), none(), none()).said("index-redundant-prefix"),
        NOTHING,
        "the shorter one is the one to keep"
    );
    assert_eq!(
        appended(json!({"is_unique": true}), none(), none()).said(rule).len(),
        1,
        "kept by a constraint"
    );
    for (what, short, long, primary) in [
        ("unique", none(), json!({"is_unique": true}), none()),
        ("a foreign key's", none(), json!({"backs_foreign_key": true}), none()),
        ("descending", none(), json!({"column_options": "0 1"}), none()),
        ("a part of the primary key", none(), json!({"operator_classes": "0 4"}), none()),
        ("a primary key of parts", none(), none(), json!({"operator_classes": "4"})),
        ("a primary key that descends", none(), none(), json!({"column_options": "1"})),
        ("a part of the column", json!({"operator_classes": "4"}), none(), none()),
        ("something else behind it", none(), json!({"columns": "2 3 1"}), none()),
        ("the shorter one is hidden", json!({"is_visible": false}), none(), none()),
        ("another kind", none(), json!({"access_method": "hash"}), none()),
        ("of another table", json!({"table_oid": 2}), none(), none()),
        ("small", none(), json!({"size_bytes": MIB - 1}), none()),
    ] {
        assert_eq!(appended(short, long, primary).said(rule), NOTHING, "{what}");
    }
    let postgres = World { flavour: Flavour::Postgres, ..appended(none(), none(), none()) };
    assert_eq!(postgres.said(rule), NOTHING);
}
