//! Pages about what the planner had expected: orders that came in far greater numbers, and what was done for each of them.

use super::logged::{NAME, WHEN, scan_of, shows, shows_of, thrice};
use super::made_up::*;
use super::plans::LOOKUP;
use crate::model::{ColumnStatistics, Constraint, ExtendedStatistics, Scope, Setting, Table};
use serde_json::{Value, json};

/// Orders, read with some change, and for each of them a customer.
fn joined(outer: Value) -> Value {
    let orders = json!({"Node Type": "Seq Scan", "Relation Name": "orders", "Parent Relationship": "Outer", "Plan Rows": 100,
        "Actual Rows": 15_000, "Actual Loops": 1, "Actual Total Time": 100.0, "Filter": "(customer = 4711)"});
    let orders = with(orders, outer);
    let customer = json!({"Node Type": "Index Scan", "Relation Name": "customers", "Parent Relationship": "Inner", "Plan Rows": 1,
        "Actual Rows": 1, "Actual Loops": orders["Actual Rows"], "Actual Total Time": 0.1});
    json!({"Node Type": "Nested Loop", "Join Type": "Inner", "Plan Rows": 100, "Actual Rows": orders["Actual Rows"],
        "Actual Loops": 1, "Actual Total Time": 1_900.0, "Plans": [orders, customer]})
}

/// What the planner knows of one column of orders.
fn known(column: &str, changes: Value) -> ColumnStatistics {
    row(with(
        json!({"database": "shop", "schema": "public", "table": "orders", "column": column, "is_inherited": false,
            "null_ratio": 0.0, "width_bytes": 4, "distinct_values": 10_000}),
        changes,
    ))
}

/// A list of common values that is full, or is not.
fn common(column: &str, values: i64) -> ColumnStatistics {
    known(column, json!({"common_values": values, "most_common_ratio": 0.02}))
}

fn and(mut world: World, snapshots: impl IntoIterator<Item = Snapshot>) -> World {
    world.now = together([world.now].into_iter().chain(snapshots));
    world
}

fn told(statistics: Vec<ColumnStatistics>) -> Snapshot {
    snapshot(100.0, shop(), statistics)
}

/// Nobody has created statistics of several columns.
fn none_of_several() -> Snapshot {
    snapshot::<ExtendedStatistics>(100.0, shop(), Vec::new())
}

const ANALYZED: &str = "last_analyze";

fn of(text: &str, outer: Value, table: Value, statistics: Vec<ColumnStatistics>) -> World {
    let world = shows_of(text, with(json!({ANALYZED: -100.0}), table), thrice(&joined(outer)));
    and(world, [told(statistics), none_of_several()])
}

/// Orders of which so many rows have changed since they were analysed.
pub fn changed(rows: i64) -> World {
    of(LOOKUP, json!({}), json!({"modified_since_analyze_rows": rows}), vec![known("customer", json!({}))])
}

const PAIR: &str = "select * from orders where status = ? and note = ?";

/// Each column has `values` values.
pub fn pairs(values: i64) -> World {
    let of_both = ["status", "note"].map(|column| known(column, json!({"distinct_values": values})));
    of(PAIR, json!({}), json!({}), of_both.into())
}

/// A step about which the statistics tell nothing, so often.
pub fn unforeseen(rows: i64) -> World {
    let text = "select * from orders where lower(note) = ?";
    of(text, json!({"Plan Rows": 9, "Actual Rows": rows}), json!({}), vec![known("note", json!({}))])
}

/// The plan has a place for the value, of which `common` are known.
pub fn generic(condition: &str) -> World {
    of(LOOKUP, json!({"Filter": condition}), json!({}), vec![common("customer", 50)])
}

/// For each of so many rows all of what is kept is gone through.
pub fn rereads_kept(times: u64) -> World {
    let outer = with(
        scan_of("customers"),
        json!({"Plan Rows": times, "Actual Rows": times, "Actual Total Time": 9.0}),
    );
    let kept = json!({"Node Type": "Materialize", "Parent Relationship": "Inner", "Plan Rows": 10_000, "Actual Rows": 10_000,
        "Actual Loops": times, "Actual Total Time": 1.0, "Plans": [scan_of("orders")]});
    shows(
        json!({"Node Type": "Nested Loop", "Actual Rows": 9, "Actual Loops": 1, "Actual Total Time": 1_900.0,
        "Plans": [outer, kept]}),
    )
}

/// Customers are deleted, and the key of orders that refers to them takes so long.
pub fn cascades(millis: f64) -> World {
    sets_off(
        json!({"Trigger Name": "RI_ConstraintTrigger_a_1", "Constraint Name": "orders_fk", "Relation": "customers",
        "Time": millis, "Calls": 300}),
    )
}

fn sets_off(trigger: Value) -> World {
    let quick = json!({"Trigger Name": "stamp", "Relation": "customers", "Time": 0.5, "Calls": 300});
    let delete = json!({"Node Type": "ModifyTable", "Operation": "Delete", "Relation Name": "customers", "Actual Rows": 0,
        "Actual Loops": 1, "Triggers": [quick, trigger]});
    let mut world = shows(delete);
    let orders = world.now.rows::<Table>().next().unwrap().clone();
    let customers: Table = row(
        json!({"oid": 5, "database": "shop", "schema": "public", "table": "customers", "kind": "r", "persistence": "p"}),
    );
    let key: Constraint =
        row(json!({"oid": 9, "schema": "public", "table": "orders", "constraint": "orders_fk", "kind": "f",
        "table_oid": 1, "columns": "{2}", "target_oid": 5}));
    world =
        and(world, [snapshot(100.0, shop(), vec![orders, customers]), snapshot(100.0, shop(), vec![key])]);
    world
}

const GOT: &str = "got 15,000 rows of public.orders where the planner had expected 100";

#[test]
fn statistics_that_are_missing_or_old() {
    let rule = "plan-misestimate";
    let got = "got 15,000 rows of orders where the planner had expected 100";
    let said = format!(
        "Warning public.orders: {NAME} {got}, {WHEN}: 200,000 rows of public.orders have changed since it was analysed"
    );
    assert_eq!(changed(200_000).said(rule), [said]);
    assert_eq!(changed(200_000).fix(rule).unwrap().sql[1], r#"ANALYZE "public"."orders";"#);
    let never = of(LOOKUP, json!({}), json!({ANALYZED: null, "rows": null}), Vec::new());
    let said = format!("Warning public.orders: {NAME} {got}, {WHEN}: public.orders was never analysed");
    assert_eq!(never.said(rule), [said]);
    let forgotten = of(LOOKUP, json!({}), json!({ANALYZED: null}), vec![known("customer", json!({}))]);
    assert_eq!(forgotten.said(rule), NOTHING, "when it was, was forgotten in a crash: there are statistics");
}

#[test]
fn an_estimate_matters_where_it_is_far_off_and_takes_the_time() {
    let changed = |outer| of(LOOKUP, outer, json!({"modified_since_analyze_rows": 200_000}), Vec::new());
    let said = |world: World| world.said("plan-misestimate").len();
    assert_eq!(said(changed(json!({}))), 1);
    for (what, outer) in [
        ("by less than a hundred times", json!({"Plan Rows": 151})),
        ("few rows", json!({"Plan Rows": 1, "Actual Rows": 9_999})),
        ("fewer than expected", json!({"Plan Rows": 2_000_000})),
        ("reading them is the work", json!({"Actual Total Time": 1_000.0})),
        ("it is told without times", json!({"Actual Total Time": null})),
    ] {
        assert_eq!(said(changed(outer)), 0, "{what}");
    }
    let alone = with(joined(json!({}))["Plans"][0].clone(), json!({"Parent Relationship": "Outer"}));
    let of_plan = |plan: &Value| {
        and(
            shows_of(LOOKUP, json!({"modified_since_analyze_rows": 200_000}), thrice(plan)),
            [none_of_several()],
        )
    };
    let count = json!({"Node Type": "Aggregate", "Plan Rows": 1, "Actual Rows": 1, "Actual Loops": 1, "Actual Total Time": 1_900.0,
        "Plans": [alone]});
    assert_eq!(said(of_plan(&count)), 0, "nothing was chosen by it");
    let gathered = json!({"Node Type": "Gather", "Workers Launched": 2, "Actual Rows": 1, "Actual Loops": 1, "Plan Rows": 1,
        "Actual Total Time": 1_900.0, "Plans": [joined(json!({"Actual Loops": 3, "Actual Rows": 5_000, "Plan Rows": 40}))]});
    assert_eq!(said(of_plan(&gathered)), 1, "three processes share the rows");
    let merged = json!({"Node Type": "Merge Join", "Actual Rows": 9, "Actual Loops": 1, "Plan Rows": 9, "Actual Total Time": 1_900.0,
        "Plans": [scan_of("customers"), with(joined(json!({}))["Plans"][0].clone(), json!({"Parent Relationship": "Inner"}))]});
    assert_eq!(said(of_plan(&merged)), 0, "a merge reads equal rows again");
}

#[test]
fn a_column_with_more_common_values_than_are_kept() {
    let rule = "plan-misestimate";
    let skewed = |outer, values| of(LOOKUP, outer, json!({}), vec![common("customer", values)]);
    let said = format!(
        "Warning public.orders (customer): {NAME} {GOT}, {WHEN}: of customer the server keeps the 100 most common values, and there are more"
    );
    let world = skewed(json!({}), 100);
    assert_eq!(world.said(rule), [said]);
    let table = r#"ALTER TABLE "public"."orders" ALTER COLUMN "customer" SET STATISTICS"#;
    let fix = world.fix(rule).unwrap();
    assert_eq!(
        fix.sql[1..],
        [format!("{table} 1000;"), r#"ANALYZE "public"."orders" ("customer");"#.to_owned()]
    );
    assert_eq!(fix.rollback[1], format!("{table} -1;"));
    assert_eq!(skewed(json!({}), 99).said(rule), NOTHING, "all of them are kept");
    assert_eq!(skewed(json!({"Actual Rows": 20_001}), 100).said(rule), NOTHING, "none was that common");
    assert_eq!(
        skewed(json!({"Filter": "(customer = $1)"}), 100).said(rule),
        NOTHING,
        "the value was not known"
    );
    for other in [
        "select * from orders where customer = ? and placed > ?",
        "select * from orders where customer = ? or status = ?",
    ] {
        assert_eq!(
            of(other, json!({}), json!({}), vec![common("customer", 100)]).said(rule),
            NOTHING,
            "{other}"
        );
    }
}

#[test]
fn columns_that_go_together() {
    let rule = "plan-correlated-columns";
    let name = "statement 00000000000000aa (select * from orders where status = ? and note = ?)";
    let said = format!(
        "Warning public.orders (status, note): {name} {GOT}, {WHEN}: it takes status, note for independent"
    );
    assert_eq!(pairs(100).said(rule), [said]);
    let fix = pairs(100).fix(rule).unwrap();
    let statistics = r#""public"."orders_status_note_stat""#;
    assert_eq!(
        fix.sql[1..],
        [
            format!(r#"CREATE STATISTICS {statistics} ON "status", "note" FROM "public"."orders";"#),
            r#"ANALYZE "public"."orders";"#.to_owned()
        ]
    );
    assert_eq!(fix.rollback[1], format!("DROP STATISTICS IF EXISTS {statistics};"));
    assert_eq!(pairs(100).said("plan-misestimate"), NOTHING, "another page speaks of it");
    assert_eq!(pairs(1_000).said(rule), NOTHING, "by itself no column could give so many");
    let since = |at: f64| {
        let of_both = ["status", "note"].map(|column| known(column, json!({"distinct_values": 100})));
        of(PAIR, json!({}), json!({"last_autoanalyze": at}), of_both.into()).said(rule).len()
    };
    assert_eq!((since(-30.0), since(-10.0)), (1, 0), "what it knows now it did not know in the newest run");
    let has: ExtendedStatistics = row(json!({"oid": 3, "table_oid": 1, "columns": "4 5", "table": "orders"}));
    let mended = and(pairs(100), [snapshot(100.0, shop(), vec![has])]);
    assert_eq!(mended.said(rule), NOTHING, "there are statistics of both");
    let known = || ["status", "note"].map(|column| known(column, json!({"distinct_values": 100}))).to_vec();
    for text in [
        "select * from orders where status = ? and note = ? and placed > ?",
        "select * from orders where status = ? and lower(note) = ?",
        "select * from orders a join orders b on a.id = b.id where a.status = ? and a.note = ?",
    ] {
        assert_eq!(of(text, json!({}), json!({}), known()).said(rule), NOTHING, "{text}");
    }
    let beside = "select * from orders o join customers c on c.id = o.customer where o.status = ? and o.note = ? and c.name = ?";
    assert_eq!(
        of(beside, json!({}), json!({}), known()).said(rule).len(),
        1,
        "what is asked of others is theirs"
    );
    assert_eq!(
        of(PAIR, json!({"Plan Rows": 1_501}), json!({}), known()).said(rule),
        NOTHING,
        "not ten times"
    );
}

#[test]
fn a_side_of_a_join_that_is_done_again_and_again() {
    let rule = "plan-nested-loop";
    let said = &unforeseen(15_000).said(rule)[0];
    let told = "got 15,000 rows of orders where the planner had expected 9";
    let again = "so that a side of a join (Index Scan of customers) was done 15,000 times";
    assert!(said.contains(told) && said.ends_with(again), "{said}");
    assert_eq!(unforeseen(15_000).said("plan-misestimate"), NOTHING, "it is told once");
    assert_eq!(pairs(100).said(rule), NOTHING, "there is a cause to mend");
    let hashed = with(joined(json!({"Plan Rows": 9})), json!({"Node Type": "Hash Join"}));
    let hashed = and(
        shows_of("select * from orders where lower(note) = ?", json!({ANALYZED: -100.0}), thrice(&hashed)),
        [none_of_several()],
    );
    assert_eq!(
        (hashed.said(rule).len(), hashed.said("plan-misestimate").len()),
        (0, 1),
        "no side was done again"
    );
}

#[test]
fn a_plan_for_every_value() {
    let rule = "plan-generic-worse";
    let said = format!(
        "Warning 00000000000000aa: {NAME} {GOT}, {WHEN}: its plan is the one for every value of customer, and the server knows that some \
         are far more common"
    );
    assert_eq!(generic("(customer = $1)").said(rule), [said]);
    let set = r#"ALTER ROLE "app" IN DATABASE "shop" SET plan_cache_mode = force_custom_plan;"#;
    assert_eq!(generic("(customer = $1)").fix(rule).unwrap().sql, [set]);
    let target: Setting = row(json!({"setting": "default_statistics_target", "value": "100"}));
    let old = and(generic("(customer = $1)"), [snapshot(100.0, Scope::Server, vec![target])]);
    assert_eq!((old.said(rule).len(), old.fix(rule)), (1, None), "before version 12 nobody can choose");
    assert_eq!(generic("(customer = '$1')").said(rule), NOTHING, "a text");
    let rare =
        of(LOOKUP, json!({"Filter": "(customer = $1)"}), json!({}), vec![known("customer", json!({}))]);
    assert_eq!(rare.said(rule), NOTHING, "the server knows no common value");
    let waits = json!({"Filter": "(customer = $0)", "Plans": [with(scan_of("customers"), json!({"Parent Relationship": "InitPlan"}))]});
    assert_eq!(
        of(LOOKUP, waits, json!({}), vec![common("customer", 50)]).said(rule),
        NOTHING,
        "what the plan found itself"
    );
}

#[test]
fn rows_that_are_kept_and_read_again() {
    let rule = "plan-materialise-reread";
    let said = format!(
        "Warning 00000000000000aa: {NAME} goes through the rows that it keeps of orders 1,000 times in one run, 10,000,000 in all, {WHEN}"
    );
    assert_eq!(rereads_kept(1_000).said(rule), [said]);
    assert_eq!(rereads_kept(99).said(rule), NOTHING);
    let of_with = |step: Value| {
        shows(
            json!({"Node Type": "Seq Scan", "Relation Name": "orders", "Actual Rows": 900, "Actual Loops": 1,
        "Actual Total Time": 1_900.0, "Plans": [step]}),
        )
    };
    let step = || {
        json!({"Node Type": "CTE Scan", "CTE Name": "recent", "Parent Relationship": "SubPlan", "Actual Rows": 0,
        "Rows Removed by Filter": 5_000, "Actual Loops": 900, "Actual Total Time": 2.0})
    };
    let said = &of_with(step()).said(rule)[0];
    assert!(
        said.contains(
            "goes through the rows of the with query recent 900 times in one run, 4,500,000 in all"
        ),
        "{said}"
    );
    assert_eq!(
        of_with(with(step(), json!({"Actual Total Time": 1.0}))).said(rule),
        NOTHING,
        "not most of the time"
    );
}

#[test]
fn a_trigger_that_takes_the_time() {
    let rule = "plan-trigger-time";
    let said = format!(
        "Warning public.orders orders_fk: {NAME} spent 1.5 s of 2.0 s in keeping the foreign key orders_fk of public.orders, 300 calls, \
         {WHEN}: no index of it begins with customer"
    );
    assert_eq!(cascades(1_500.0).said(rule), [said]);
    let index = r#"CREATE INDEX CONCURRENTLY "orders_customer_idx" ON "public"."orders" ("customer");"#;
    assert_eq!(cascades(1_500.0).fix(rule).unwrap().sql[1], index);
    assert_eq!(cascades(999.0).said(rule), NOTHING);
    let served = and(cascades(1_500.0), [snapshot(100.0, shop(), vec![index_on(2)])]);
    assert_eq!(
        (served.said(rule).len(), served.fix(rule)),
        (1, None),
        "it has its index: the rows are the work"
    );
    let own = sets_off(
        json!({"Trigger Name": "keep_sums", "Relation": "customers", "Time": 1_500.0, "Calls": 300}),
    );
    let said = format!(
        "Note 00000000000000aa: {NAME} spent 1.5 s of 2.0 s in the trigger keep_sums on customers, 300 calls, {WHEN}"
    );
    assert_eq!((own.said(rule), own.fix(rule)), (vec![said], None));
    let from_below = sets_off(
        json!({"Trigger Name": "RI_ConstraintTrigger_c_1", "Constraint Name": "orders_fk", "Relation": "orders",
        "Time": 1_500.0, "Calls": 300}),
    );
    assert_eq!(
        from_below.fix(rule),
        None,
        "rows were written that refer, and what they refer to has its key"
    );
}

fn index_on(column: i64) -> crate::model::Index {
    index(json!({"columns": column.to_string(), "index": "some_idx", "table_oid": 1}))
}

#[test]
fn who_changes_one_threshold_keeps_the_others() {
    let changed = "[plan-generic-worse.habit]\nmin_times = 2.0\n[plan-misestimate.habit]\nmin_times = 2.0";
    let handbook: crate::rules::Handbook = toml::from_str(changed).unwrap();
    let told = serde_json::to_value(handbook).unwrap();
    for (page, factor) in
        [("plan-generic-worse", 10.0), ("plan-correlated-columns", 10.0), ("plan-misestimate", 100.0)]
    {
        assert_eq!(told[page]["estimate"]["min_factor"], factor, "{page}");
    }
    assert_eq!(told["plan-generic-worse"]["habit"]["min_times"], 2.0);
}
