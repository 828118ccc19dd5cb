use super::made_up::*;
use crate::model::{Column, Flavour, Name, Scope, Sequence, Window};
use serde_json::{Value, json};

const RULE: &str = "table-key-exhaustion";

fn sequence(changes: Value) -> Sequence {
    let clicks = json!({
        "oid": 7, "database": "shop", "schema": "public", "sequence": "clicks_id_seq", "table_oid": 1,
        "column_number": 1, "data_type": "integer", "increment": 1, "lowest": 1, "highest": i32::MAX,
        "last_value": 1, "used_ratio": 0.0,
    });
    row(with(clicks, changes))
}

/// A table whose column of this type is numbered by this sequence.
fn numbered(data_type: &str, changes: Value) -> World {
    let id = json!({
        "table_oid": 1, "position": 1, "database": "shop", "schema": "public", "table": "clicks", "column": "id",
        "data_type": data_type,
    });
    let mut now = snapshot(0.0, shop(), vec![sequence(changes)]);
    now.parts.extend(snapshot::<Column>(0.0, shop(), vec![row(id)]).parts);
    World { now, ..World::default() }
}

/// With so many of a hundred numbers of its type used up.
pub fn used(percent: f64) -> World {
    let last = (f64::from(i32::MAX) * percent / 100.0).ceil();
    numbered("integer", json!({"last_value": last as i64, "used_ratio": percent / 100.0}))
}

#[test]
fn a_key_that_ends() {
    assert_eq!(used(74.9).said(RULE), NOTHING);
    let warned = used(75.0).said(RULE);
    assert_eq!(
        warned,
        [
            "Warning public.clicks.id: public.clicks.id (integer) has used 75.0 % of its numbers; inserts fail after 536,870,911 more"
        ]
    );
    assert!(used(89.9).said(RULE)[0].starts_with("Warning"));
    assert!(used(90.0).said(RULE)[0].starts_with("Urgent"));
    let last = json!({"last_value": i32::MAX, "used_ratio": 1.0});
    assert!(numbered("integer", last.clone()).said(RULE)[0].contains("after 0 more"));
    assert_eq!(
        numbered("integer", with(last, json!({"cycles": true}))).said(RULE),
        NOTHING,
        "it begins again"
    );
    assert_eq!(numbered("integer", json!({"last_value": null, "used_ratio": null})).said(RULE), NOTHING);
}

#[test]
fn the_narrower_of_column_and_sequence_counts() {
    let wide =
        json!({"data_type": "bigint", "highest": i64::MAX, "last_value": 2_000_000_000, "used_ratio": 2e-10});
    assert_eq!(numbered("bigint", wide.clone()).said(RULE), NOTHING);
    assert_eq!(numbered("numeric", wide.clone()).said(RULE), NOTHING, "nobody knows where it ends");
    let narrow = numbered("integer", wide);
    assert!(narrow.said(RULE)[0].contains("(integer) has used 93.1 %"));
    let fix = narrow.fix(RULE).unwrap();
    assert_eq!(fix.sql[1..], [r#"ALTER TABLE "public"."clicks" ALTER COLUMN "id" TYPE bigint;"#]);
    assert_eq!(fix.rollback, [r#"ALTER TABLE "public"."clicks" ALTER COLUMN "id" TYPE integer;"#]);

    let short = numbered("bigint", json!({"last_value": 2_000_000_000, "used_ratio": 0.93}));
    let fix = short.fix(RULE).unwrap();
    assert_eq!(fix.sql[1..], [r#"ALTER SEQUENCE "public"."clicks_id_seq" AS bigint;"#]);
    assert_eq!(fix.rollback, [r#"ALTER SEQUENCE "public"."clicks_id_seq" AS integer;"#]);

    let small = numbered(
        "smallint",
        json!({"data_type": "smallint", "highest": 32767, "last_value": 32000, "used_ratio": 0.98}),
    );
    let fix = small.fix(RULE).unwrap();
    assert_eq!(fix.sql.len(), 3);
    assert_eq!(fix.rollback[1], r#"ALTER TABLE "public"."clicks" ALTER COLUMN "id" TYPE smallint;"#);

    let alone = numbered(
        "bigint",
        json!({"table_oid": null, "data_type": "bigint", "highest": 100, "last_value": 95, "used_ratio": 0.95}),
    );
    assert!(alone.said(RULE)[0].starts_with("Urgent public.clicks_id_seq: "));
    assert_eq!(alone.fix(RULE), None, "somebody set that limit by hand");
    let down = numbered(
        "integer",
        json!({"increment": -1, "lowest": -100, "highest": -1, "last_value": -91, "used_ratio": 0.9}),
    );
    assert!(down.said(RULE)[0].contains("fail after 10 more"), "{:?}", down.said(RULE));
}

#[test]
fn how_long_the_numbers_will_last() {
    let read = |at: f64, share: f64| {
        snapshot(at, Scope::Database(Name::new("shop")), vec![sequence(json!({"used_ratio": share}))])
    };
    let share = |numbers: f64| numbers / f64::from(i32::MAX - 1);
    let window = |seconds: f64, numbers: f64| {
        Window::between(&read(0.0, share(1e9)), &read(seconds, share(1e9 + numbers)))
    };
    for (what, latest, ladder, said) in [
        ("nothing known", Window::default(), vec![], ""),
        ("too short", window(15.0, 100.0), vec![], ""),
        ("nothing used", window(60.0, 0.0), vec![], ""),
        ("a minute", window(60.0, 600.0), vec![], ", which at 864,000 a day is in 621 d 9 h"),
        (
            "a day before a minute",
            window(60.0, 600.0),
            vec![window(86_400.0, 86_400.0)],
            ", which at 86,400 a day is in 6213 d 18 h",
        ),
    ] {
        let because = World { latest, ladder, ..used(75.0) }.found(RULE).remove(0).because;
        assert_eq!(because.split_once(" more").unwrap().1, said, "{what}");
    }
}

#[test]
fn in_mysql_the_column_itself_counts() {
    let far = |data_type: &str, highest: i64, used: f64| {
        let last = (highest as f64 * used) as i64;
        let numbered = json!({
            "sequence": "cl`icks", "schema": "shop", "column": "id", "data_type": data_type, "highest": highest,
            "last_value": last, "used_ratio": used,
        });
        let columns = json!({"table_oid": 9, "position": 9, "column": "other"});
        let mut now = snapshot(0.0, shop(), vec![sequence(numbered)]);
        now.parts.extend(snapshot::<Column>(0.0, shop(), vec![row(columns)]).parts);
        World { now, flavour: Flavour::Mysql, ..World::default() }
    };
    let narrow = far("int(10) unsigned", u32::MAX.into(), 0.95);
    assert!(
        narrow.said(RULE)[0]
            .starts_with("Urgent shop.cl`icks.id: shop.cl`icks.id (int(10) unsigned) has used 95.0 %")
    );
    let fix = narrow.fix(RULE).unwrap();
    assert_eq!(
        fix.sql,
        [
            "SET SESSION lock_wait_timeout = 2;",
            "ALTER TABLE `shop`.`cl``icks` MODIFY COLUMN `id` bigint unsigned NOT NULL AUTO_INCREMENT, ALGORITHM=COPY, LOCK=SHARED;"
        ]
    );
    assert_eq!(
        fix.rollback,
        [
            "ALTER TABLE `shop`.`cl``icks` MODIFY COLUMN `id` int(10) unsigned NOT NULL AUTO_INCREMENT, ALGORITHM=COPY, LOCK=SHARED;"
        ]
    );
    let widest = far("bigint", i64::MAX, 0.95);
    assert_eq!((widest.said(RULE).len(), widest.fix(RULE)), (1, None), "nothing is wider");
    assert_eq!(far("smallint", i16::MAX.into(), 0.7).said(RULE), NOTHING);
}
