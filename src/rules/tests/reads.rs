//! Pages about what keeps the server from reading less than everything.

use super::made_up::*;
use super::plans::{LOOKUP, missing, scan, shop_with};
use super::statements::said_as;
use crate::model::Scope;
use crate::model::{Index, Statement, Table};
use serde_json::{Value, json};

fn by_note() -> Vec<Index> {
    vec![index(json!({"columns": "4", "index": "note_idx", "table_oid": 1}))]
}

pub fn hidden(filter: &str) -> World {
    missing(filter, by_note())
}

#[test]
fn an_index_is_hidden_by_what_stands_around_its_column() {
    let rule = "index-hidden-by-expression";
    let said = "Warning 00000000000000aa: statement 00000000000000aa (select * from orders where customer = ?) read all of \
                public.orders (100 MiB) in each of 100 runs in 5 min, 200 ms each: the function lower around note hides it from \
                index public.note_idx";
    assert_eq!(hidden("(lower(note) = $1)").said(rule), [said]);
    let fix = hidden("(lower(note) = $1)").fix(rule).unwrap();
    assert_eq!(
        fix.sql[1],
        r#"CREATE INDEX CONCURRENTLY "orders_note_lower_idx" ON "public"."orders" (lower("note"));"#
    );
    for (filter, what) in [
        ("(substr(note, 1, 3) = $1)", "substr"),
        ("((note)::integer = $1)", "a cast to integer"),
        ("((note || $1) > $2)", "the operator"),
    ] {
        let finding = hidden(filter).found(rule).remove(0);
        assert!(finding.because.contains(what) && finding.fix.is_none(), "{filter}: {}", finding.because);
    }
    for filter in [
        "(note = $1)",
        "((note)::text = $1)",
        "(lower(status) = $1)",
        "((lower(note) = $1) OR (customer = $2))",
        "(note ~~ $1)",
        "((note = $1) AND (lower(note) = $2))",
    ] {
        assert_eq!(hidden(filter).said(rule), NOTHING, "{filter}");
    }
    let seldom = shop_with(LOOKUP, json!({"calls": 9}), scan("(lower(note) = $1)"), json!({}), by_note());
    assert_eq!(seldom.said(rule), NOTHING);
}

pub fn alternatives(filter: &str) -> World {
    missing(filter, by_note())
}

#[test]
fn one_of_two_alternatives_has_no_index() {
    let rule = "statement-or-across-columns";
    let said = "Warning 00000000000000aa: statement 00000000000000aa (select * from orders where customer = ?) read all of \
                public.orders (100 MiB) in each of 100 runs in 5 min, 200 ms each: it looks for customer or note, and no index \
                begins with customer";
    assert_eq!(alternatives("((customer = $1) OR (note = $2))").said(rule), [said]);
    let fix = alternatives("((customer = $1) OR (id = $2))").fix(rule).unwrap();
    assert_eq!((fix.sql.len(), fix.rollback.len()), (3, 2), "both, and one way back for each: {fix:?}");
    for filter in [
        "((customer = $1) OR (customer = $2))",
        "((customer = $1) OR (note ~~ $2))",
        "((customer = $1) OR (lower(note) = $2))",
        "((customer = $1) AND (note = $2))",
        "(((customer = $1) OR (note = $2)) AND (status > $3))",
    ] {
        assert_eq!(alternatives(filter).said(rule), NOTHING, "{filter}");
    }
}

const PAGE: &str = "select * from orders order by id limit ? offset ?";

pub fn paging(cost: Value, step: Value) -> World {
    let dear = json!({"calls": 100, "rows": 1_000, "exec_seconds": 20.0, "shared_hit_bytes": 1_000 * MIB});
    let by_key = json!({"Node Type": "Index Scan", "Relation Name": "orders", "Alias": "orders", "Index Name": "orders_pkey"});
    let plan = json!({"Node Type": "Limit", "Plans": [with(by_key, step)]});
    shop_with(PAGE, with(dear, cost), plan, json!({}), Vec::new())
}

#[test]
fn an_offset_skips_most_of_what_is_read() {
    let rule = "statement-deep-offset";
    let said = "Note 00000000000000aa: statement 00000000000000aa (select * from orders order by id limit ? offset ?) went through \
                10 MiB in each of 100 runs in 5 min to return 10 rows: what its OFFSET skips is read all the same";
    assert_eq!(paging(json!({}), json!({})).said(rule), [said]);
    for (what, world) in [
        ("as much as its rows take", paging(json!({"shared_hit_bytes": 200 * MIB}), json!({}))),
        ("it returns many", paging(json!({"rows": 10_000}), json!({}))),
        ("seldom", paging(json!({"calls": 9, "shared_hit_bytes": 90 * MIB, "rows": 90}), json!({}))),
        ("a filter throws rows away", paging(json!({}), json!({"Filter": "(note ~~ $1)"}))),
        ("it sorts first", paging(json!({}), json!({"Node Type": "Sort"}))),
        ("cheap", paging(json!({"exec_seconds": 2.0}), json!({}))),
    ] {
        assert_eq!(world.said(rule), NOTHING, "{what}");
    }
}

pub fn counting(text: &str, cost: Value) -> World {
    let dear = json!({"calls": 100, "rows": 100, "exec_seconds": 9.0, "shared_hit_bytes": 2_000 * MIB});
    said_as(text, &[(300.0, with(dear, cost))])
}

pub const COUNT: &str = "select count(*) from orders";

#[test]
fn everything_is_counted_again_and_again() {
    let rule = "statement-counts-everything";
    let said = "Note 00000000000000aa: statement 00000000000000aa (select count(*) from orders) counted every row of its table 100 \
                times in 5 min, going through 20 MiB each time";
    assert_eq!(counting(COUNT, json!({})).said(rule), [said]);
    for text in [
        "select count(*) from orders where customer = ?",
        "select count(*), sum(amount) from orders",
        "select customer, count(*) from orders group by customer",
        "select count(*) from orders o join customers c on c.id = o.customer",
        "select * from orders",
    ] {
        assert_eq!(counting(text, json!({})).said(rule), NOTHING, "{text}");
    }
    for cost in [json!({"calls": 9}), json!({"exec_seconds": 2.0}), json!({"shared_hit_bytes": 900 * MIB})] {
        assert_eq!(counting(COUNT, cost.clone()).said(rule), NOTHING, "{cost}");
    }
}

pub const LIST: &str = "select * from orders where id in (?)";

/// A statement that stands so many times in the server's table.
pub fn lists(text: &str, entries: i64, schemas: &[&str]) -> World {
    let mut world = said_as(text, &[(300.0, json!({"calls": 100, "exec_seconds": 1.0}))]);
    let entry = |nth: i64| -> Statement {
        row(json!({
            "dbid": 1, "userid": 1, "server_digest": nth, "database": "shop", "user": "app", "digest": "00000000000000aa",
            "calls": 1, "exec_seconds": 0.01,
        }))
    };
    let table = |(nth, schema): (usize, &&str)| -> Table {
        row(
            json!({"oid": nth, "database": "shop", "schema": schema, "table": "orders", "kind": "r", "persistence": "p"}),
        )
    };
    world.now = together([
        snapshot(300.0, Scope::Server, (0..entries).map(entry).collect()),
        snapshot(300.0, shop(), schemas.iter().enumerate().map(table).collect()),
    ]);
    world
}

#[test]
fn a_list_has_every_length() {
    let rule = "statement-in-list-explosion";
    let said = "Note 00000000000000aa: statement 00000000000000aa (select * from orders where id in (?)) stands 50 times in \
                pg_stat_statements, once for each length of its list";
    assert_eq!(lists(LIST, 50, &["public"]).said(rule), [said]);
    assert_eq!(lists(LIST, 49, &["public"]).said(rule), NOTHING);
    assert_eq!(lists(LIST, 50, &["public", "tenant"]).said(rule), NOTHING, "each schema has its own");
    assert_eq!(lists("select * from orders where id = ?", 50, &["public"]).said(rule), NOTHING, "no list");
}
