//! Pages about what keeps the server from reading less than everything.

use super::made_up::*;
use super::plans::{LOOKUP, missing, orders, scan, shop_with};
use super::statements::said_as;
use crate::model::Scope;
use crate::model::{Column, Index, Statement, Table};
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

/// What a list of columns asks about each row.
fn for_each_row() -> Value {
    json!({"Node Type": "Seq Scan", "Parent Relationship": "SubPlan", "Relation Name": "items"})
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
        ("something is asked for each row", paging(json!({}), json!({"Plans": [for_each_row()]}))),
        ("cheap", paging(json!({"exec_seconds": 2.0}), json!({}))),
    ] {
        assert_eq!(world.said(rule), NOTHING, "{what}");
    }
}

pub fn counting(text: &str, cost: Value) -> World {
    counting_of(text, cost, json!({}))
}

fn counting_of(text: &str, cost: Value, of_table: Value) -> World {
    let dear = json!({"calls": 100, "rows": 100, "exec_seconds": 9.0, "shared_hit_bytes": 2_000 * MIB});
    let mut world = said_as(text, &[(300.0, with(dear, cost))]);
    world.now = together([world.now, snapshot(300.0, shop(), vec![orders(of_table)])]);
    world
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
        "select count(*) from (select ? from orders limit ?) x",
        "select count(*) from (select distinct customer from orders) x",
        "select count(*) from orders o join customers c on c.id = o.customer",
        "select * from orders",
    ] {
        assert_eq!(counting(text, json!({})).said(rule), NOTHING, "{text}");
    }
    assert_eq!(
        counting_of(COUNT, json!({}), json!({"kind": "v"})).said(rule),
        NOTHING,
        "a view may leave rows out"
    );
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

const NEWEST: &str = "select * from orders where customer = ? order by placed desc limit ?";

/// A walk along the order of its rows, which an index of that order has.
pub fn walks(cost: Value, step: Value) -> World {
    walks_of(cost, step, json!({}))
}

fn walks_in(of_table: Value) -> World {
    walks_of(json!({}), json!({}), of_table)
}

fn walks_of(cost: Value, step: Value, of_table: Value) -> World {
    let walk = json!({
        "Node Type": "Index Scan", "Scan Direction": "Backward", "Relation Name": "orders", "Alias": "orders",
        "Index Name": "placed_idx", "Filter": "(customer = $1)",
    });
    let plan = json!({"Node Type": "Limit", "Plans": [with(walk, step)]});
    let by_placed = vec![index(json!({"columns": "3", "index": "placed_idx", "table_oid": 1}))];
    shop_with(NEWEST, cost, plan, of_table, by_placed)
}

#[test]
fn a_limit_waits_for_rows_that_are_rare() {
    let rule = "statement-order-by-limit-trap";
    let said = "Warning 00000000000000aa: statement 00000000000000aa (select * from orders where customer = ? order by placed desc…) \
                went through 100 MiB of public.orders in each of 100 runs in 5 min, 200 ms each, to return 10 rows: it walks \
                along index public.placed_idx for its order and throws away what does not fit";
    assert_eq!(walks(json!({}), json!({})).said(rule), [said]);
    assert_eq!(
        walks(json!({}), json!({})).fix(rule).unwrap().sql[1],
        r#"CREATE INDEX CONCURRENTLY "orders_customer_placed_idx" ON "public"."orders" ("customer", "placed");"#
    );
    for (what, world) in [
        ("it returns many", walks(json!({"rows": 20_000}), json!({}))),
        (
            "as much as its rows take",
            walks(json!({"rows": 9_900, "shared_hit_bytes": 7_000 * MIB}), json!({})),
        ),
        ("little", walks(json!({"shared_hit_bytes": 900 * MIB}), json!({}))),
        ("seldom", walks(json!({"calls": 9, "rows": 9, "shared_hit_bytes": 900 * MIB}), json!({}))),
        ("cheap", walks(json!({"exec_seconds": 2.0}), json!({}))),
        ("it searches the index", walks(json!({}), json!({"Index Cond": "(placed > $2)"}))),
        ("nothing is thrown away", walks(json!({}), json!({"Filter": null}))),
        ("no comparison that an index sorts by", walks(json!({}), json!({"Filter": "(note ~~ $1)"}))),
        ("a range", walks(json!({}), json!({"Filter": "(customer > $1)"}))),
        ("something is asked for each row", walks(json!({}), json!({"Plans": [for_each_row()]}))),
        ("its rows are that large", walks_in(json!({"toast_size_bytes": 10_000_000 * MIB}))),
        ("it reads the whole table", walks(json!({}), json!({"Node Type": "Seq Scan"}))),
    ] {
        assert_eq!(world.said(rule), NOTHING, "{what}");
    }
}

pub const POLL: &str = "select id from jobs where state = ? limit ? for update skip locked";

pub fn polls(text: &str, cost: Value) -> World {
    let idle = json!({"calls": 6_000, "rows": 60, "exec_seconds": 9.0});
    said_as(text, &[(300.0, with(idle, cost))])
}

#[test]
fn an_empty_queue_is_asked_again_and_again() {
    let rule = "statement-queue-polling";
    let said = "Note 00000000000000aa: statement 00000000000000aa (select id from jobs where state = ? limit ? for update skip …) \
                looked for a job 6,000 times in 5 min and found one 60 times: the looks took 9.0 s together";
    assert_eq!(polls(POLL, json!({})).said(rule), [said]);
    for cost in [json!({"rows": 601}), json!({"calls": 299, "rows": 0}), json!({"exec_seconds": 2.9})] {
        assert_eq!(polls(POLL, cost.clone()).said(rule), NOTHING, "{cost}");
    }
    assert_eq!(polls("select id from jobs where state = ?", json!({})).said(rule), NOTHING, "no queue");
}

pub const BY_CODE: &str = "select id from codes where code = ?";

/// A table of a hundred thousand codes with an index, on MySQL.
pub fn converted(text: &str, cost: Value) -> World {
    coded(text, cost, json!({}), "varchar(20)")
}

fn coded(text: &str, cost: Value, of_index: Value, data_type: &str) -> World {
    let dear = json!({"calls": 100, "rows": 100, "exec_seconds": 9.0, "examined_rows": 10_000_000});
    let mut world = said_as(text, &[(300.0, with(dear, cost))]);
    let by_code = json!({
        "table": "codes", "index": "by_code", "table_oid": 1, "access_method": "BTREE", "columns": "77 12", "column_list": "code",
        "is_visible": true,
    });
    let column: Column = row(json!({
        "database": "shop", "schema": "shop", "table": "codes", "table_oid": 1, "position": 2, "column": "code", "data_type": data_type,
    }));
    let codes = json!({"table": "codes", "schema": "shop", "rows": 100_000, "live_rows": null});
    world.now = together([
        world.now,
        snapshot(300.0, shop(), vec![orders(codes)]),
        snapshot(300.0, shop(), vec![index(with(by_code, of_index))]),
        snapshot(300.0, shop(), vec![column]),
    ]);
    world
}

#[test]
fn a_text_is_compared_with_a_number() {
    let rule = "statement-implicit-conversion";
    let said = "Warning 00000000000000aa: statement 00000000000000aa (select id from codes where code = ?) looked at 100,000 of the \
                100,000 rows of shop.codes in each of 100 runs in 5 min, 90 ms each, for one value of code, which is varchar(20) and \
                which index by_code begins with: the value must have been sent as a number or in another collation";
    assert_eq!(converted(BY_CODE, json!({})).said(rule), [said]);
    for text in [
        "select id from codes where lower(code) = ?",
        "select id from codes where code = ? or id = ?",
        "select id from codes where code = ? order by id limit ?",
        "select id from codes where code > ?",
        "select id from codes where code like ?",
        "select id from codes where code = ? and other = ?",
        "select count(*) from codes where code = ?",
        "select distinct id from codes where code = ?",
        "select id from codes where other = ?",
        "select c.id from codes c join codes d on c.id = d.id where c.code = ?",
        "select id from other.codes where code = ?",
    ] {
        assert_eq!(converted(text, json!({})).said(rule), NOTHING, "{text}");
    }
    for cost in [
        json!({"calls": 9, "rows": 9, "examined_rows": 900_000}),
        json!({"examined_rows": 4_900_000}),
        json!({"rows": 1_000_000}),
        json!({"exec_seconds": 2.9}),
    ] {
        assert_eq!(converted(BY_CODE, cost.clone()).said(rule), NOTHING, "{cost}");
    }
    let other = |of_index| coded(BY_CODE, json!({}), of_index, "varchar(20)").said(rule);
    assert_eq!(other(json!({"column_list": "id, code"})), NOTHING, "it begins with another");
    assert_eq!(other(json!({"column_list": "code(3)"})), NOTHING, "a part of the column may be too little");
    assert_eq!(other(json!({"is_visible": false})), NOTHING, "queries may not use it");
    assert_eq!(coded(BY_CODE, json!({}), json!({}), "int").said(rule), NOTHING, "a number is a number");
}
