use super::made_up::*;
use crate::model::Window;
use serde_json::{Value, json};

/// A ruin that two readings saw, but for the changes.
pub fn broken(changes: Value) -> World {
    let ruin = with(json!({"is_valid": false, "is_being_built": false}), changes);
    let before = snapshot(0.0, shop(), vec![index(ruin.clone())]);
    let now = snapshot(60.0, shop(), vec![index(ruin)]);
    World { latest: Window::between(&before, &now), now, ..World::default() }
}

#[test]
fn what_an_interrupted_build_left() {
    let rule = "index-invalid";
    let said = "Warning public.note_idx: index public.note_idx on orders (20 MiB) is invalid and nobody builds it: 0 queries can use it";
    assert_eq!(broken(json!({})).said(rule), [said]);
    assert_eq!(broken(json!({"size_bytes": null, "is_ready": false})).said(rule).len(), 1);
    for (what, changes) in [
        ("being built", json!({"is_being_built": true})),
        ("nobody tells whether it is being built", json!({"is_being_built": null})),
        ("of a partitioned table that still lacks some", json!({"kind": "I"})),
        ("of a temporary table", json!({"persistence": "t"})),
        ("valid", json!({"is_valid": true})),
    ] {
        assert_eq!(broken(changes).said(rule), NOTHING, "{what}");
    }
    let first = World { latest: Window::default(), ..broken(json!({})) };
    assert_eq!(
        (first.said(rule).len(), first.could_speak().contains(&rule)),
        (0, false),
        "one reading is not enough"
    );
    let earlier = snapshot(0.0, shop(), vec![index(json!({"oid": 6}))]);
    let young = World { latest: Window::between(&earlier, &first.now), ..first };
    assert_eq!(young.said(rule), NOTHING, "it was not there a minute ago");

    for (name, deed) in [
        ("note_idx", r#"REINDEX INDEX CONCURRENTLY "public"."note_idx";"#),
        ("note_idx_ccnew", r#"DROP INDEX CONCURRENTLY "public"."note_idx_ccnew";"#),
        ("note_idx_ccold2", r#"DROP INDEX CONCURRENTLY "public"."note_idx_ccold2";"#),
    ] {
        let fix = broken(json!({"index": name})).fix(rule).unwrap();
        assert_eq!(fix.sql, ["SET lock_timeout = 0;", deed]);
    }
    let of_partition = |name: &str| broken(json!({"index": name, "parent_oid": 3})).fix(rule);
    assert!(of_partition("a_ccnew").is_none() && of_partition("a").is_some());
}
