use super::made_up::*;
use crate::model::Scope;
use serde_json::{Value, json};

/// Two indexes that are alike but for the changes: `note_idx` (7), and the younger `twin` (8).
pub fn twins(older: Value, younger: Value) -> World {
    let twin = json!({"oid": 8, "index": "twin"});
    let rows = vec![index(older), index(with(twin, younger))];
    let world = World { now: snapshot(0.0, shop(), rows), ..World::default() };
    (6..10).fold(world, |world, oid| world.told(oid, "CREATE INDEX i ON t (a)"))
}

#[test]
fn two_indexes_that_are_one() {
    let younger =
        "Warning public.twin: index public.twin (20 MiB) does nothing that note_idx does not do on orders";
    let older = "Warning public.note_idx: index public.note_idx (20 MiB) does nothing that twin does not do on orders";
    let (none, bound) = (json!({}), json!({"backs_constraint": true, "is_unique": true}));
    let hidden = json!({"scans": 9, "is_visible": false});
    let spare: [(&str, Value, Value, &str); 12] = [
        ("what queries may use stays", hidden, json!({"is_visible": true}), older),
        ("the older stays", none.clone(), none.clone(), younger),
        ("the more used stays", json!({"scans": 5}), json!({"scans": 6}), older),
        ("known use beats unknown", json!({"scans": null}), none.clone(), older),
        ("uniqueness beats use", json!({"scans": 9}), json!({"is_unique": true}), older),
        ("of two unique ones too", json!({"is_unique": true}), json!({"is_unique": true}), younger),
        ("the primary key stays", json!({"scans": 9}), json!({"is_unique": true, "is_primary": true}), older),
        ("a constraint stays", json!({"scans": 9, "is_unique": true}), bound.clone(), older),
        ("what a foreign key needs stays", json!({"scans": 9}), json!({"backs_foreign_key": true}), older),
        ("the replica identity stays", none.clone(), json!({"is_replica_identity": true}), older),
        ("a partition's stays", none.clone(), json!({"parent_oid": 3}), older),
        ("options decide nothing", none.clone(), json!({"options": "fillfactor=70"}), younger),
    ];
    for (what, first, second, said) in spare {
        assert_eq!(twins(first, second).said("index-duplicate"), [said], "{what}");
    }
    let many = "1000000 ".repeat(32);
    let cut = json!({"operator_classes": many});
    let silent = [
        ("too many columns to tell", cut.clone(), cut),
        ("order of columns", json!({"columns": "2 3"}), json!({"columns": "3 2"})),
        ("included columns", json!({"columns": "2 3", "key_columns": 2}), json!({"columns": "2 3"})),
        ("descending", none.clone(), json!({"column_options": "3"})),
        ("operator class", none.clone(), json!({"operator_classes": "1994"})),
        ("collation", none.clone(), json!({"collations": "100"})),
        ("access method", none.clone(), json!({"access_method": "hash"})),
        ("condition", none.clone(), json!({"has_predicate": true, "predicate_hash": "p"})),
        ("other condition", json!({"predicate_hash": "q"}), json!({"predicate_hash": "p"})),
        ("expression", none.clone(), json!({"has_expressions": true, "expressions_hash": "e"})),
        ("nulls", none.clone(), json!({"nulls_not_distinct": true})),
        ("other table", none.clone(), json!({"table_oid": 2})),
        ("older invalid", json!({"is_valid": false}), none.clone()),
        ("younger invalid", none.clone(), json!({"is_valid": false})),
        ("still being built", none.clone(), json!({"is_ready": false})),
        ("of partitioned tables", json!({"kind": "I"}), json!({"kind": "I"})),
        ("both of a partition", json!({"parent_oid": 3}), json!({"parent_oid": 4})),
        ("both of a constraint", bound.clone(), bound),
        ("a little too small", none.clone(), json!({"size_bytes": MIB - 1})),
        ("the only unique one is not spare", json!({"is_clustered": true}), json!({"is_unique": true})),
        (
            "nor is one that checks at once what the other checks later",
            json!({"is_unique": true, "backs_constraint": true, "is_immediate": false}),
            json!({"is_unique": true, "is_immediate": true}),
        ),
    ];
    for (what, first, second) in silent {
        assert_eq!(twins(first, second).said("index-duplicate"), NOTHING, "{what}");
    }
    assert_eq!(twins(none.clone(), json!({"size_bytes": MIB})).said("index-duplicate").len(), 1);

    let triplets = (6..9).map(|oid| index(json!({"oid": oid, "index": format!("i{oid}")}))).collect();
    let world = World { now: snapshot(0.0, shop(), triplets), ..twins(none.clone(), none.clone()) };
    let found = world.found("index-duplicate");
    let pairs: Vec<_> =
        found.iter().map(|f| (f.subject.as_str(), f.evidence["kept"].as_str().unwrap())).collect();
    assert_eq!(pairs, [("public.i7", "public.i6"), ("public.i8", "public.i6")]);

    let elsewhere = snapshot(0.0, Scope::Database("blog".into()), vec![index(json!({"index": "twin"}))]);
    let mut world = World { now: snapshot(0.0, shop(), vec![index(none)]), ..world };
    world.now.parts.extend(elsewhere.parts);
    assert_eq!(world.said("index-duplicate"), NOTHING, "two databases share no table");
}
