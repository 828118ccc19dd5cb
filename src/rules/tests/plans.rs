//! Pages that read plans: a shop with one large table, a statement, and the plan that the server has for it.

use super::made_up::*;
use super::statements::said_as;
use crate::explain::postgres;
use crate::model::plan::PlanNode;
use crate::model::question::Question;
use crate::model::{Column, ColumnStatistics, Index, Name, Table, Window};
use crate::rule::Word;
use crate::sql::Digest;
use crate::workload::{Cost, Key};
use serde_json::{Value, json};

pub const LOOKUP: &str = "select * from orders where customer = ?";

pub fn key() -> Key {
    Key { digest: Digest(0xaa), database: "shop".into() }
}

/// Steps as the server shows them.
pub fn steps(plan: Value) -> PlanNode {
    postgres::asked(json!([{ "Plan": plan }]).to_string().as_bytes()).unwrap()
}

/// A read of all orders for few of them.
pub fn scan(filter: &str) -> Value {
    json!({"Node Type": "Seq Scan", "Relation Name": "orders", "Alias": "orders", "Plan Rows": 100, "Filter": filter})
}

fn columns(names: &[&str]) -> Vec<Column> {
    let column = |(nth, name): (usize, &&str)| {
        let (name, data_type) = name.split_once(' ').unwrap_or((name, "integer"));
        row(json!({
            "database": "shop", "schema": "public", "table": "orders", "table_oid": 1, "position": nth + 1,
            "column": name, "data_type": data_type,
        }))
    };
    names.iter().enumerate().map(column).collect()
}

fn statistics(of: &[(&str, f64)]) -> Vec<ColumnStatistics> {
    let column = |(name, values): &(&str, f64)| {
        row(json!({
            "database": "shop", "schema": "public", "table": "orders", "column": name, "is_inherited": false,
            "null_ratio": 0.0, "width_bytes": 4, "distinct_values": values,
        }))
    };
    of.iter().map(column).collect()
}

/// A million orders, 100 MiB of them.
pub fn orders(changes: Value) -> Table {
    row(with(
        json!({
            "oid": 1, "database": "shop", "schema": "public", "table": "orders", "kind": "r", "persistence": "p",
            "owner_oid": 10, "file_node": 1, "is_partition": false, "row_security": false, "replica_identity": "d",
            "size_bytes": 100 * MIB, "live_rows": 1_000_000, "rows": 1_000_000, "inserted_rows": 0, "updated_rows": 0,
            "deleted_rows": 0,
        }),
        changes,
    ))
}

/// A statement that goes through all of them in each of a hundred runs, with its plan.
pub fn shop_with(text: &str, cost: Value, plan: Value, table: Value, indexes: Vec<Index>) -> World {
    let dear = json!({"calls": 100, "rows": 1_000, "exec_seconds": 20.0, "shared_hit_bytes": 10_000 * MIB});
    let mut world = said_as(text, &[(300.0, with(dear, cost))]);
    let names = [
        "id",
        "customer",
        "placed timestamp with time zone",
        "note text",
        "status",
        "no numeric",
        "code character(12)",
    ];
    let tables = |at: f64, written: bool| {
        let changes = if written {
            table.clone()
        } else {
            with(table.clone(), json!({"inserted_rows": 0, "updated_rows": 0}))
        };
        snapshot::<Table>(at, shop(), vec![orders(changes)])
    };
    world.latest = Window::between(&tables(0.0, false), &tables(100.0, true));
    world.now = together([
        world.now.clone(),
        tables(100.0, true),
        snapshot::<Column>(100.0, shop(), columns(&names)),
        snapshot::<Index>(100.0, shop(), indexes),
        snapshot::<ColumnStatistics>(
            100.0,
            shop(),
            statistics(&[("customer", 10_000.0), ("placed", -1.0), ("status", 4.0), ("note", 100.0)]),
        ),
    ]);
    world.plans.learn(key(), Ok(steps(plan)), 0.0);
    world
}

fn on(columns: &str) -> Vec<Index> {
    vec![index(json!({"columns": columns, "index": "some_idx", "table_oid": 1}))]
}

pub fn missing(filter: &str, indexes: Vec<Index>) -> World {
    shop_with(LOOKUP, json!({}), scan(filter), json!({}), indexes)
}

pub fn without_index() -> World {
    missing("(customer = $1)", Vec::new())
}

pub fn with_index() -> World {
    missing("(customer = $1)", on("2"))
}

#[test]
fn a_table_is_read_whole_for_few_of_its_rows() {
    let rule = "index-missing";
    let said = "Warning public.orders (customer): statement 00000000000000aa (select * from orders where customer = ?) read all of \
                public.orders (100 MiB) in each of 100 runs in 5 min, 200 ms each, to find about 100 of 1,000,000 rows, and no \
                index begins with customer";
    assert_eq!(without_index().said(rule), [said]);
    assert_eq!(
        without_index().fix(rule).unwrap().sql[1],
        r#"CREATE INDEX CONCURRENTLY "orders_customer_idx" ON "public"."orders" ("customer");"#
    );
    let plan = || scan("(customer = $1)");
    let lookup = |cost, plan, table| shop_with(LOOKUP, cost, plan, table, on("1"));
    for (what, world) in [
        ("an index begins with it", with_index()),
        ("seldom", lookup(json!({"calls": 9, "shared_hit_bytes": 900 * MIB}), plan(), json!({}))),
        ("cheap", lookup(json!({"exec_seconds": 2.0}), plan(), json!({}))),
        (
            "it does not read the whole table",
            lookup(json!({"shared_hit_bytes": 4_000 * MIB}), plan(), json!({})),
        ),
        ("a small table", lookup(json!({}), plan(), json!({"size_bytes": 9 * MIB}))),
        ("many rows are wanted", lookup(json!({}), with(plan(), json!({"Plan Rows": 60_000})), json!({}))),
        ("all rows are wanted", lookup(json!({}), with(plan(), json!({"Filter": null})), json!({}))),
        ("much is written", lookup(json!({}), plan(), json!({"inserted_rows": 100_000}))),
        ("a partition", lookup(json!({}), plan(), json!({"is_partition": true}))),
        ("an index is read", lookup(json!({}), with(plan(), json!({"Node Type": "Index Scan"})), json!({}))),
        ("an expression", missing("(lower(note) = $1)", on("1"))),
        ("one of two", missing("((customer = $1) OR (status = $2))", on("1"))),
        ("no comparison that an index sorts by", missing("(note ~~ $1)", on("1"))),
    ] {
        assert_eq!(world.said(rule), NOTHING, "{what}");
    }
    let hidden = World { plans: Default::default(), explains: true, ..without_index() };
    assert!(!hidden.could_speak().contains(&rule), "without plans its silence is ignorance");
}

#[test]
fn an_index_holds_equalities_first_then_a_range_or_the_order() {
    let subject = |world: World| world.found("index-missing").remove(0).subject;
    let of = |filter| subject(missing(filter, Vec::new()));
    assert_eq!(of("((placed > $1) AND (customer = $2))"), "public.orders (customer, placed)");
    assert_eq!(of("((status = $1) AND (customer = $2))"), "public.orders (customer, status)");
    assert_eq!(of("(orders.placed >= $1)"), "public.orders (placed)");
    let sorted = |keys: &[&str], filter| {
        let sort = json!({"Node Type": "Sort", "Sort Key": keys, "Plans": [scan(filter)]});
        subject(shop_with(
            LOOKUP,
            json!({}),
            json!({"Node Type": "Limit", "Plans": [sort]}),
            json!({}),
            Vec::new(),
        ))
    };
    assert_eq!(sorted(&["placed DESC"], "(customer = $1)"), "public.orders (customer, placed)");
    assert_eq!(sorted(&["orders.placed", "id DESC"], "(customer = $1)"), "public.orders (customer)");
    assert_eq!(sorted(&["placed"], "((customer = $1) AND (note ~~ $2))"), "public.orders (customer)");
}

/// Orders in four partitions by when they were placed, each read whole with this condition.
pub fn partitioned(filter: &str, changes: Value) -> World {
    partitions_of(4, "3", scan(filter), changes)
}

fn partitions_of(many: i64, key: &str, scan: Value, changes: Value) -> World {
    let name = |nth: i64| format!("orders_{nth}");
    let scans: Vec<Value> = (1..=many)
        .map(|nth| with(scan.clone(), json!({"Relation Name": name(nth), "Alias": name(nth)})))
        .collect();
    let append = json!({"Node Type": "Append", "Plans": scans});
    let mut world = shop_with(
        LOOKUP,
        json!({}),
        json!({"Node Type": "Aggregate", "Plans": [append]}),
        json!({}),
        Vec::new(),
    );
    let parent = json!({"kind": "p", "partition_key": key, "size_bytes": 0, "live_rows": 0, "rows": 0});
    let partition = |nth: i64| {
        let own = json!({"oid": 10 + nth, "table": name(nth), "is_partition": true, "parent_oid": 1,
            "size_bytes": 100 * MIB / many as u64, "live_rows": 250_000});
        orders(if nth == 1 { with(own, changes.clone()) } else { own })
    };
    let tables = std::iter::once(orders(parent)).chain((1..=many).map(partition)).collect();
    world.now = together([world.now.clone(), snapshot::<Table>(100.0, shop(), tables)]);
    world
}

#[test]
fn partitions_are_read_that_a_plain_comparison_would_leave_out() {
    let rule = "plan-partitions-not-pruned";
    let said = "Warning 00000000000000aa: statement 00000000000000aa (select * from orders where customer = ?) read all 4 partitions of \
                public.orders (100 MiB) in each of 100 runs in 5 min, 200 ms each: the function date around placed keeps the \
                server from leaving any out";
    assert_eq!(partitioned("(date(placed) = $1)", json!({})).said(rule), [said]);
    let cast = partitioned("((placed)::date = $1)", json!({})).said(rule).remove(0);
    assert!(cast.contains("a cast to date around placed"), "{cast}");
    let of = |filter| partitioned(filter, json!({}));
    let with_key = |key| partitions_of(4, key, scan("(date(placed) = $1)"), json!({}));
    for (what, world) in [
        ("the key itself", of("(placed = $1)")),
        ("the key itself as well", of("((date(placed) = $1) AND (placed > $2))")),
        ("another column", of("(lower(note) = $1)")),
        ("an alternative", of("((date(placed) = $1) OR (customer = $2))")),
        ("no comparison", of("(date(placed) IS NOT NULL)")),
        ("another key", with_key("2")),
        (
            "a key of two columns, of which one is compared",
            partitions_of(4, "2 3", scan("((date(placed) = $1) AND (customer = $2))"), json!({})),
        ),
        ("a key that is an expression", with_key("0")),
        ("a collation", partitions_of(4, "4", scan("((note)::text = $1)"), json!({}))),
        ("few partitions", partitions_of(3, "3", scan("(date(placed) = $1)"), json!({}))),
        ("most of it is elsewhere", partitioned("(date(placed) = $1)", json!({"size_bytes": 200 * MIB}))),
        ("one is not read", partitioned("(date(placed) = $1)", json!({"table": "other"}))),
        ("one has partitions", partitioned("(date(placed) = $1)", json!({"kind": "p"}))),
        ("one is of another table", partitioned("(date(placed) = $1)", json!({"parent_oid": 2}))),
        (
            "by an index",
            partitions_of(
                4,
                "3",
                with(scan("(date(placed) = $1)"), json!({"Node Type": "Index Scan"})),
                json!({}),
            ),
        ),
        (
            "for many rows",
            partitions_of(4, "3", with(scan("(date(placed) = $1)"), json!({"Plan Rows": 20_000})), json!({})),
        ),
        ("without a condition", partitions_of(4, "3", with(scan("x"), json!({"Filter": null})), json!({}))),
    ] {
        assert_eq!(world.said(rule), NOTHING, "{what}");
    }
}

/// A statement whose plan was another one until a minute ago.
pub fn flipped(calls: f64, mean_before: f64) -> World {
    let cost = json!({"stddev_exec_seconds": 0.05});
    let mut world = shop_with(LOOKUP, cost, scan("(customer = $1)"), json!({}), on("2"));
    world.plans = Default::default();
    let ran = |calls: f64, mean: f64| {
        [(key(), Cost { calls, exec_seconds: calls * mean, ..Cost::default() })].into_iter().collect()
    };
    let by_index = json!({"Node Type": "Index Scan", "Relation Name": "orders", "Index Name": "some_idx"});
    world.plans.learn(key(), Ok(steps(by_index)), 0.0);
    world.plans.run(&ran(1_000.0, mean_before), 0.0);
    world.plans.learn(key(), Ok(steps(scan("(customer = $1)"))), 0.0);
    world.plans.run(&ran(calls, 0.2), 0.0);
    world
}

#[test]
fn another_plan_takes_a_multiple_of_the_time() {
    let rule = "statement-plan-flipped";
    let said = "Warning 00000000000000aa: statement 00000000000000aa (select * from orders where customer = ?) has another plan than \
                before and takes 200 ms a run with it, where it took 1.00 ms: 200.0 times as long";
    assert_eq!(flipped(100.0, 0.001).said(rule), [said]);
    assert_eq!(flipped(29.0, 0.001).said(rule), NOTHING, "too few runs");
    assert_eq!(flipped(100.0, 0.11).said(rule), NOTHING, "not twice as long");
    assert_eq!(without_index().said(rule), NOTHING, "it never had another");
}

#[test]
fn the_handbook_asks_for_the_plans_of_what_is_dear() {
    let asked = |world: &World| -> Vec<Question> {
        let words = world.read().words.into_iter();
        words
            .filter_map(|word| if let Word::Question(question) = word { Some(question) } else { None })
            .collect()
    };
    let unknown = || World { plans: Default::default(), explains: true, ..without_index() };
    let question = |schemas: &[&str]| Question::Plan {
        database: "shop".into(),
        digest: Digest(0xaa),
        schemas: schemas.iter().map(|name| Name::new(name)).collect(),
    };
    // The other statement of this server has the same words.
    assert!(asked(&unknown()).contains(&question(&["public"])));
    assert_eq!(asked(&World { explains: false, ..unknown() }), [], "without the rights");
    assert_eq!(asked(&World { flavour: crate::model::Flavour::Mysql, ..unknown() }), []);
    let mut known = World { explains: true, ..without_index() };
    assert!(!asked(&known).contains(&question(&["public"])), "it is known");
    known.plans.learn(key(), Err("locked".into()), -3_600.0);
    assert!(asked(&known).contains(&question(&["public"])), "refused an hour ago");
    known.plans.learn(key(), Err("locked".into()), -3_599.0);
    assert!(!asked(&known).contains(&question(&["public"])), "refused less than an hour ago");
    let writes = shop_with("update orders set note = ?", json!({}), scan("true"), json!({}), Vec::new());
    let writes = World { plans: Default::default(), explains: true, ..writes };
    assert!(asked(&writes).contains(&question(&["public"])), "what it reads can be planned");
    let fills = shop_with("insert into orders values (?)", json!({}), scan("true"), json!({}), Vec::new());
    assert_eq!(asked(&World { plans: Default::default(), explains: true, ..fills }), [], "it reads nothing");
    let mut twice = unknown();
    let other = orders(json!({"oid": 2, "schema": "archive"}));
    twice.now = together([twice.now, snapshot(100.0, shop(), vec![orders(json!({})), other])]);
    assert_eq!(asked(&twice), [], "its name stands for two tables");
}
