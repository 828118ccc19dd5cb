//! A list, and one query for each of its rows.

use super::made_up::*;
use super::plans::orders;
use crate::model::{Column, Constraint, Scope, Statement, Topic, Window};
use crate::sql::Digest;
use crate::texts::Known;
use serde_json::{Value, json};
use std::time::Duration;

const RULE: &str = "statement-n-plus-one";
const LIST: &str = "select id, name from customers where country = ?";
const LOOKUP: &str = "select * from orders where customer = ? and not gone";

/// What both did in the ten minutes before the last five, in these, and at last in fifteen seconds: rows of the list,
/// and runs of the other.
type Told = [(f64, i64, i64); 3];

const ALWAYS: Told = [(600.0, 40_000, 40_300), (300.0, 20_000, 20_100), (15.0, 1_000, 1_010)];

fn told(list: &str, lookup: &str, told: Told, of_both: [Value; 2], key: Value) -> World {
    let statement = |digest: &str, user: &str, columns: Value| -> Statement {
        row(with(
            json!({"dbid": 1, "userid": 1, "server_digest": digest.len(), "database": "shop", "user": user, "digest": digest}),
            columns,
        ))
    };
    let mut world = World::default();
    let (mut at, mut rows, mut runs) = (0.0, 0, 0);
    let read = |at: f64, rows: i64, runs: i64| {
        let [of_list, of_lookup] = of_both.clone();
        let list = json!({"calls": rows / 40, "rows": rows, "exec_seconds": 1.0, "server_digest": 1});
        let lookup = json!({"calls": runs, "rows": runs, "exec_seconds": 9.0, "server_digest": 2});
        let both = vec![
            statement("00000000000000aa", "app", with(list, of_list)),
            statement("00000000000000bb", "app", with(lookup, of_lookup)),
        ];
        snapshot(at, Scope::Server, both)
    };
    for (seconds, more_rows, more_runs) in told {
        let before = read(at, rows, runs);
        (at, rows, runs) = (at + seconds, rows + more_rows, runs + more_runs);
        let now = read(at, rows, runs);
        world.latest = Window::between(&before, &now);
        let place = (Topic::Statements, Scope::Server);
        world.workload.add(&world.latest.stretches[&place], &now.parts[&place], Duration::from_secs(300));
        world.now = now;
    }
    for (server, text) in [(1, list), (2, lookup)] {
        world.texts.learn(server, Known::Digest(Digest([0xaa, 0xbb][server as usize - 1])), Some(text));
    }
    let column = |table: &str, oid: i64, position: i64, name: &str| -> Column {
        row(
            json!({"database": "shop", "table": table, "table_oid": oid, "position": position, "column": name}),
        )
    };
    let refers = json!({
        "oid": 5, "database": "shop", "table": "orders", "constraint": "of", "kind": "f", "table_oid": 1, "columns": "{2}",
        "target_oid": 2, "target_columns": "{1}",
    });
    let refers: Constraint = row(with(refers, key));
    let columns = vec![
        column("orders", 1, 1, "id"),
        column("orders", 1, 2, "customer"),
        column("orders", 1, 3, "kind"),
        column("customers", 2, 1, "id"),
        column("customers", 2, 2, "country"),
    ];
    world.now = together([
        world.now,
        snapshot(at, shop(), vec![orders(json!({})), orders(json!({"oid": 2, "table": "customers"}))]),
        snapshot(at, shop(), columns),
        snapshot(at, shop(), vec![refers]),
    ]);
    world
}

fn asks(list: &str, lookup: &str) -> World {
    told(list, lookup, ALWAYS, [json!({}), json!({})], json!({}))
}

pub fn follows(rows: i64) -> World {
    told(LIST, LOOKUP, [(600.0, 0, 0), (300.0, rows, rows), (15.0, 0, 0)], [json!({}), json!({})], json!({}))
}

#[test]
fn one_query_for_each_row_of_another() {
    let said = "Note 00000000000000bb: statement 00000000000000bb (select * from orders where customer = ? and not gone) ran 21,110 \
                times in 5 min 15 s, once for each of the 21,000 rows that statement 00000000000000aa (select id, name from customers \
                where country = ?) returned in 525 runs: it looks up one public.orders.customer after the other";
    assert_eq!(asks(LIST, LOOKUP).said(RULE), [said]);
    let by_name = json!({"columns": "customer", "target_columns": "id"});
    assert_eq!(told(LIST, LOOKUP, ALWAYS, [json!({}), json!({})], by_name).said(RULE).len(), 1);
    let up = asks("select o.* from orders o where kind = ?", "select * from customers where id = ?");
    assert!(up.said(RULE)[0].ends_with("one public.customers.id after the other"), "{:?}", up.said(RULE));
    for (what, list, lookup) in [
        ("another column", LIST, "select * from orders where kind = ?"),
        ("no foreign key leads there", "select * from countries where name = ?", LOOKUP),
        ("a range", LIST, "select * from orders where customer > ?"),
        ("one of several", LIST, "select * from orders where customer = ? or kind = ?"),
        ("a join", LIST, "select * from orders o join customers c on c.id = o.customer where o.customer = ?"),
        ("it writes", LIST, "update orders set kind = ? where customer = ?"),
        ("the list is written", "update customers set country = ?", LOOKUP),
    ] {
        assert_eq!(asks(list, lookup).said(RULE), NOTHING, "{what}");
    }
}

#[test]
fn numbers_that_do_not_go_together() {
    for (what, times) in [
        ("more runs than rows", [(600.0, 0, 0), (300.0, 20_000, 20_500), (15.0, 0, 0)]),
        ("fewer runs than rows", [(600.0, 0, 0), (300.0, 20_500, 20_000), (15.0, 0, 0)]),
        ("not lately", [(600.0, 0, 0), (300.0, 20_000, 19_000), (15.0, 0, 1_000)]),
        ("not before", [(600.0, 10_000, 40_000), (300.0, 20_000, 20_000), (15.0, 1_000, 1_000)]),
        ("few", [(600.0, 0, 0), (300.0, 2_000, 2_000), (15.0, 100, 100)]),
    ] {
        assert_eq!(
            told(LIST, LOOKUP, times, [json!({}), json!({})], json!({})).said(RULE),
            NOTHING,
            "{what}"
        );
    }
    for (what, of_both) in [
        ("another user", [json!({"user": "batch"}), json!({})]),
        ("another database", [json!({"database": "blog"}), json!({})]),
    ] {
        assert_eq!(told(LIST, LOOKUP, ALWAYS, of_both, json!({})).said(RULE), NOTHING, "{what}");
    }
    let key = json!({"kind": "c"});
    assert_eq!(told(LIST, LOOKUP, ALWAYS, [json!({}), json!({})], key).said(RULE), NOTHING, "no foreign key");
}

/// What benches ask is no list with its rows.
#[test]
fn a_bench_is_no_list() {
    for (list, lookup) in [
        ("select c from sbtest1 where id between ? and ?", "select c from sbtest1 where id = ?"),
        (
            "select abalance from pgbench_accounts where aid = ?",
            "select bid from pgbench_branches where bid = ?",
        ),
    ] {
        assert_eq!(asks(list, lookup).said(RULE), NOTHING, "{list}");
    }
}
