//! Pages about statements with a query inside: one that a null upsets, one that is asked for every row.

use super::made_up::*;
use super::plans::{key, orders, steps};
use super::statements::said_as;
use crate::model::{Column, ColumnStatistics, Constraint, Flavour, Index};
use crate::sql::Digest;
use crate::texts::{Known, Texts};
use serde_json::{Value, json};

const TRAP: &str = "statement-not-in-nullable";
pub const NOT_IN: &str =
    "select id from orders where customer not in (select customer from refused where kind = ?)";

fn column(table: &str, oid: i64, position: i64, changes: Value) -> Column {
    let told = json!({
        "database": "shop", "schema": "public", "table": table, "table_oid": oid, "position": position, "data_type": "integer",
        "type_oid": 23,
    });
    row(with(told, changes))
}

/// Orders, and customers who were refused, by whom nobody knows.
pub fn denied(text: &str, of_column: Value) -> World {
    let mut world = said_as(text, &[(300.0, json!({"calls": 10, "rows": 30, "exec_seconds": 1.0}))]);
    // The other statement says something else.
    world.texts = Texts::default();
    world.texts.learn(1, Known::Digest(Digest(0xaa)), Some(text));
    let refused = orders(json!({"oid": 2, "table": "refused"}));
    world.now = together([
        world.now,
        snapshot(300.0, shop(), vec![orders(json!({})), refused]),
        snapshot(
            300.0,
            shop(),
            vec![
                column("orders", 1, 2, json!({"column": "customer"})),
                column("refused", 2, 1, with(json!({"column": "customer"}), of_column)),
                column("refused", 2, 2, json!({"column": "kind"})),
            ],
        ),
    ]);
    world
}

#[test]
fn a_null_upsets_not_in() {
    let said = "Note 00000000000000aa: statement 00000000000000aa (select id from orders where customer not in (select customer…) ran \
                10 times in 5 min and wants what is not in a query of public.refused.customer, which may be null: with one null \
                among the results it finds no row at all";
    assert_eq!(denied(NOT_IN, json!({})).said(TRAP), [said]);
    assert!(denied(NOT_IN, json!({})).fix(TRAP).is_none());
    for (what, of_column) in [
        ("it is never null", json!({"not_null": true})),
        ("its type may forbid it", json!({"type_oid": 16_384})),
        ("it is not known", json!({"column": "other"})),
    ] {
        assert_eq!(denied(NOT_IN, of_column).said(TRAP), NOTHING, "{what}");
    }
    let of = |inside: &str| {
        denied(&format!("select id from orders where customer not in (select {inside})"), json!({}))
    };
    assert_eq!(of("r.customer from refused r where r.kind = ? or r.customer > ?").said(TRAP).len(), 1);
    for inside in [
        "customer from refused where customer is not null",
        "customer from refused where customer > ?",
        "r.customer from refused r join orders o on o.customer = r.customer",
        "coalesce(customer, ?) from refused",
        "customer from archive.refused",
        "customer from elsewhere",
    ] {
        assert_eq!(of(inside).said(TRAP), NOTHING, "{inside}");
    }
    let seldom =
        |world: World| World { workload: said_as(NOT_IN, &[(300.0, json!({"calls": 9}))]).workload, ..world };
    assert_eq!(seldom(denied(NOT_IN, json!({}))).said(TRAP), NOTHING);
}

#[test]
fn what_else_is_known_of_nulls() {
    let mut world = denied(NOT_IN, json!({}));
    let nulls: ColumnStatistics = row(json!({
        "database": "shop", "schema": "public", "table": "refused", "column": "customer", "is_inherited": false, "null_ratio": 0.25,
        "width_bytes": 4, "distinct_values": 10.0,
    }));
    world.now = together([world.now, snapshot(300.0, shop(), vec![nulls])]);
    let said = &world.said(TRAP)[0];
    assert!(
        said.starts_with("Warning") && said.contains("which may be null, and 25.0 % of its values are:"),
        "{said}"
    );
    let mut world = denied(NOT_IN, json!({}));
    let check: Constraint = row(json!({
        "oid": 5, "database": "shop", "schema": "public", "table": "refused", "constraint": "known", "kind": "c", "table_oid": 2,
        "definition": "CHECK ((customer IS NOT NULL))",
    }));
    world.now = together([world.now, snapshot(300.0, shop(), vec![check])]);
    assert_eq!(world.said(TRAP), NOTHING, "a check forbids it");
}

const AGAIN: &str = "statement-correlated-subquery";
pub const PER_ROW: &str =
    "select o.id, (select max(l.product) from lines l where l.order_id = o.id) from orders o";

/// Orders and their lines, which are read for each of a thousand orders in each of a hundred runs.
fn asked(text: &str, cost: Value, of_lines: Value, indexes: Vec<Index>, order_id: Value) -> World {
    let dear = json!({"calls": 100, "rows": 100_000, "exec_seconds": 20.0});
    let mut world = said_as(text, &[(300.0, with(dear, cost))]);
    let lines = json!({"oid": 2, "table": "lines", "size_bytes": MIB, "live_rows": 10_000, "rows": 10_000});
    let few = json!({"live_rows": 1_000, "rows": 1_000, "size_bytes": MIB / 10});
    world.now = together([
        world.now,
        snapshot(300.0, shop(), vec![orders(few), orders(with(lines, of_lines))]),
        snapshot(300.0, shop(), indexes),
        snapshot(
            300.0,
            shop(),
            vec![
                column("orders", 1, 1, json!({"column": "id"})),
                column("lines", 2, 1, with(json!({"column": "order_id"}), order_id)),
                column("lines", 2, 2, json!({"column": "product"})),
            ],
        ),
    ]);
    world
}

fn on_lines(changes: Value) -> Vec<Index> {
    vec![index(with(
        json!({"table": "lines", "table_oid": 2, "index": "lines_some", "columns": "2"}),
        changes,
    ))]
}

fn examined(rows: i64) -> Value {
    json!({"examined_rows": 100 * rows})
}

/// On MySQL, by the rows that a run looks at.
pub fn per_row(rows: i64) -> World {
    asked(PER_ROW, examined(rows), json!({"engine": "InnoDB"}), Vec::new(), json!({"data_type": "int"}))
}

/// On PostgreSQL, by the plan.
fn planned(cost: Value, step: Value, indexes: Vec<Index>) -> World {
    let mut world =
        asked(PER_ROW, with(json!({"shared_hit_bytes": 100_000 * MIB}), cost), json!({}), indexes, json!({}));
    let inner = json!({
        "Node Type": "Seq Scan", "Parent Relationship": "SubPlan", "Relation Name": "lines", "Alias": "l",
        "Filter": "(l.order_id = o.id)",
    });
    let plan = json!({"Node Type": "Seq Scan", "Relation Name": "orders", "Alias": "o", "Plans": [with(inner, step)]});
    world.plans.learn(key(), Ok(steps(plan)), 0.0);
    world
}

#[test]
fn a_subquery_reads_its_table_for_every_row() {
    let said = "Warning 00000000000000aa: statement 00000000000000aa (select o.id, (select max(l.product) from lines l where l.ord…) went \
                through 10,000,000 rows in each of 100 runs in 5 min, 200 ms each: for every row around it its subquery reads all \
                10,000 rows of public.lines, because no index holds order_id";
    assert_eq!(per_row(10_000_000).said(AGAIN), [said]);
    let fix = per_row(10_000_000).fix(AGAIN).unwrap();
    assert_eq!(
        (&*fix.sql[1], &*fix.rollback[1]),
        (
            "ALTER TABLE `public`.`lines` ADD INDEX `lines_order_id_idx` (`order_id`), ALGORITHM=INPLACE, LOCK=NONE;",
            "ALTER TABLE `public`.`lines` DROP INDEX `lines_order_id_idx`, ALGORITHM=INPLACE, LOCK=NONE;"
        )
    );
    assert_eq!(per_row(110_000).said(AGAIN).len(), 1);
    assert_eq!(per_row(109_999).said(AGAIN), NOTHING, "less than ten times all rows of both");
    let silent = |what: &str, text: &str, cost: Value, of_lines: Value, indexes: Vec<Index>| {
        let of_lines = with(json!({"engine": "InnoDB"}), of_lines);
        let world =
            asked(text, with(examined(10_000_000), cost), of_lines, indexes, json!({"data_type": "int"}));
        assert_eq!(world.said(AGAIN), NOTHING, "{what}");
    };
    for (what, cost) in [
        ("seldom", json!({"calls": 9, "examined_rows": 90_000_000})),
        ("cheap", json!({"exec_seconds": 2.9})),
    ] {
        silent(what, PER_ROW, cost, json!({}), Vec::new());
    }
    silent("a small table", PER_ROW, json!({}), json!({"live_rows": 999, "rows": 999}), Vec::new());
    for text in [
        "select o.id from orders o join lines l on l.order_id = o.id",
        "select o.id, (select max(product) from lines) from orders o",
        "select o.id, (select max(l.product) from lines l where l.order_id > o.id) from orders o",
        "select o.id, (select max(l.product) from lines l where abs(l.order_id) = o.id) from orders o",
        "select o.id, (select max(l.product) from lines l where l.order_id = o.id or l.product = ?) from orders o",
        "select o.id, (select max(l.product) from lines l where l.order_id = o.id) from elsewhere o",
    ] {
        silent(text, text, json!({}), json!({}), Vec::new());
    }
    for (what, of_index) in [
        ("it is in an index", json!({"column_list": "product, order_id"})),
        ("a part of it is", json!({"column_list": "Order_Id(4)"})),
        ("an expression", json!({"column_list": "product", "has_expressions": true})),
        ("an index of which nobody knows what it holds", json!({})),
    ] {
        silent(what, PER_ROW, json!({}), json!({}), on_lines(of_index));
    }
    let long = asked(
        PER_ROW,
        examined(10_000_000),
        json!({"engine": "InnoDB"}),
        Vec::new(),
        json!({"data_type": "text"}),
    );
    assert_eq!((long.said(AGAIN).len(), long.fix(AGAIN)), (1, None), "an index on a text wants a length");
}

#[test]
fn a_plan_tells_what_is_read_for_every_row() {
    let world = planned(json!({}), json!({}), on_lines(json!({})));
    assert_eq!(world.flavour, Flavour::Postgres);
    let said = &world.said(AGAIN)[0];
    assert!(said.contains("went through 1000 MiB in each of 100 runs"), "{said}");
    assert_eq!(
        world.fix(AGAIN).unwrap().sql[1],
        r#"CREATE INDEX CONCURRENTLY "lines_order_id_idx" ON "public"."lines" ("order_id");"#
    );
    for (what, world) in [
        ("hardly read", planned(json!({"shared_hit_bytes": 999 * MIB}), json!({}), Vec::new())),
        ("by an index", planned(json!({}), json!({"Node Type": "Index Scan"}), Vec::new())),
        ("nothing of the other", planned(json!({}), json!({"Filter": "(l.product = $1)"}), Vec::new())),
        ("not for equality", planned(json!({}), json!({"Filter": "(l.order_id > o.id)"}), Vec::new())),
        ("another column", planned(json!({}), json!({"Filter": "(l.product = o.id)"}), Vec::new())),
        (
            "the column is in an index",
            planned(json!({}), json!({}), on_lines(json!({"columns": "2 1", "key_columns": 2}))),
        ),
    ] {
        assert_eq!(world.said(AGAIN), NOTHING, "{what}");
    }
}
