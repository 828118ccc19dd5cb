//! Pages about single runs: the shop with one large table, and the plans of slow runs that its log has shown.

use super::made_up::*;
use super::plans::{LOOKUP, key, scan, shop_with};
use crate::explain::postgres;
use crate::model::{LogEvent, Scope, Setting};
use crate::plans::Plans;
use crate::plans::logged::Shown;
use serde_json::{Value, json};
use std::sync::Arc;

/// A plan as auto_explain writes it, in a run of two seconds.
fn shown(at: f64, plan: &Value) -> Shown {
    let text = json!({"Query Text": "select 1", "Plan": plan, "Triggers": plan["Triggers"]}).to_string();
    let plan = postgres::logged(text.as_bytes(), |_| true).unwrap().plan.unwrap();
    Shown { key: key(), at, runs: 1.0, seconds: 2.0, plan: Arc::new(plan) }
}

/// The log has been read for two hours, and has shown these in the last minute.
pub fn shows_of(text: &str, table: Value, shown: Vec<Shown>) -> World {
    let mut world = shop_with(text, json!({}), scan("(customer = $1)"), table, Vec::new());
    world.plans = Plans::default();
    world.plans.logged.hear(Vec::new(), -7_200.0);
    world.plans.logged.hear(shown, 0.0);
    let event = row(json!({"class": "statement_auto_explain", "severity": "log", "entries": 4}));
    let setting = |name: &str, value: &str| {
        row(
            json!({"setting": name, "value": value, "context": "user", "source": "default", "value_type": "integer"}),
        )
    };
    let settings = vec![
        setting("max_parallel_workers", "2"),
        setting("max_worker_processes", "8"),
        setting("default_statistics_target", "100"),
        setting("plan_cache_mode", "auto"),
    ];
    world.now = together([
        world.now.clone(),
        snapshot::<LogEvent>(100.0, Scope::Server, vec![event]),
        snapshot::<Setting>(100.0, Scope::Server, settings),
    ]);
    world
}

pub fn thrice(plan: &Value) -> Vec<Shown> {
    [-60.0, -40.0, -20.0].map(|at| shown(at, plan)).to_vec()
}

pub fn shows(plan: Value) -> World {
    shows_of(LOOKUP, json!({}), thrice(&plan))
}

pub fn sorts(kibibytes: u64) -> Value {
    json!({
        "Node Type": "Limit", "Actual Rows": 10, "Actual Loops": 1, "Plans": [{
            "Node Type": "Sort", "Actual Rows": 50_000, "Actual Loops": 1, "Sort Method": "external merge",
            "Sort Space Used": kibibytes, "Sort Space Type": "Disk", "Plans": [scan("(customer = 1)")],
        }],
    })
}

pub fn batches(batches: u64) -> Value {
    let hash = json!({
        "Node Type": "Hash", "Parent Relationship": "Inner", "Actual Rows": 90_000, "Actual Loops": 1, "Hash Batches": batches,
        "Original Hash Batches": 1, "Peak Memory Usage": 4_096, "Plans": [scan("(customer = 1)")],
    });
    json!({"Node Type": "Hash Join", "Actual Rows": 9, "Actual Loops": 1, "Plans": [scan("(customer = 1)"), hash]})
}

/// Orders, read whole for each of so many rows of something else.
pub fn rereads(loops: u64) -> Value {
    let scan = json!({"Node Type": "Seq Scan", "Relation Name": "orders", "Parent Relationship": "Inner", "Actual Rows": 1,
        "Rows Removed by Filter": 19_999, "Actual Loops": loops});
    json!({"Node Type": "Nested Loop", "Actual Rows": loops, "Actual Loops": 1, "Plans": [scan_of("customers"), scan]})
}

pub fn scan_of(table: &str) -> Value {
    json!({"Node Type": "Seq Scan", "Relation Name": table, "Parent Relationship": "Outer", "Actual Rows": 9, "Actual Loops": 1})
}

pub const NAME: &str = "statement 00000000000000aa (select * from orders where customer = ?)";
pub const WHEN: &str = "in 3 of the last 3 slow runs that the log has shown, the newest of 2.0 s";

#[test]
fn what_goes_through_files_asks_for_memory() {
    let sort = shows(sorts(8_192));
    let said =
        format!("Note 00000000000000aa: {NAME} sorts through files, 8.0 MiB of them for 50,000 rows, {WHEN}");
    assert_eq!(sort.said("plan-disk-sort"), [said]);
    let set = |memory: &str| format!("ALTER ROLE \"app\" IN DATABASE \"shop\" SET work_mem = '{memory}';");
    assert_eq!(sort.fix("plan-disk-sort").unwrap().sql, [set("32MB")]);
    assert_eq!(shows(sorts(80_000)).fix("plan-disk-sort"), None, "too much for each of many sessions");

    let mut shared = sorts(8_192);
    shared["Plans"][0]["Workers"] = json!([{"Worker Number": 0, "Sort Method": "external merge", "Sort Space Used": 8_192,
        "Sort Space Type": "Disk"}]);
    let shared = shows(shared);
    assert!(shared.said("plan-disk-sort")[0].contains("16 MiB"), "of both");
    assert_eq!(shared.fix("plan-disk-sort").unwrap().sql, [set("32MB")], "each has memory of its own");

    let hash = shows(batches(4));
    let said = format!(
        "Note 00000000000000aa: {NAME} hashes about 16 MiB in 4 parts because there is no room for all of it in memory, {WHEN}"
    );
    assert_eq!(hash.said("plan-hash-batches"), [said]);
    assert_eq!(hash.fix("plan-hash-batches").unwrap().sql, [set("32MB")]);
    let aggregate = json!({"Node Type": "Aggregate", "Strategy": "Hashed", "Actual Rows": 9, "Actual Loops": 1, "HashAgg Batches": 5,
        "Peak Memory Usage": 4_096, "Disk Usage": 6_144});
    let said = &shows(aggregate).said("plan-hash-batches")[0];
    assert!(said.contains("hashes about 10 MiB in 5 parts"), "{said}");
}

#[test]
fn one_slow_run_is_an_accident_and_an_old_one_is_past() {
    let (faulty, fine) = (rereads(300), scan("(customer = 1)"));
    let said =
        |shown: Vec<Shown>| shows_of(LOOKUP, json!({}), shown).said("plan-inner-sequential-scan").len();
    let at = |at: f64, plan: &Value| shown(at, plan);
    assert_eq!(said(vec![at(-60.0, &faulty), at(-40.0, &faulty)]), 0, "twice");
    assert_eq!(said([-60.0, -40.0, -20.0].map(|when| at(when, &faulty)).to_vec()), 1);
    assert_eq!(said([-60.0, -59.0, -58.0].map(|when| at(when, &faulty)).to_vec()), 0, "all at once");
    let mended = [at(-80.0, &faulty), at(-60.0, &faulty), at(-40.0, &fine), at(-20.0, &fine)];
    assert_eq!(said(mended.to_vec()), 0, "the newest go well");
    let old = [-3_700.0, -3_680.0, -3_660.0].map(|when| at(when, &faulty));
    assert_eq!(said(old.to_vec()), 0, "nobody knows what is now");
    let fast = thrice(&faulty).into_iter().map(|shown| Shown { seconds: 0.09, ..shown });
    assert_eq!(said(fast.collect()), 0, "fast enough");
    let mut deaf = shows(faulty);
    deaf.plans = Plans::default();
    assert!(!deaf.could_speak().contains(&"plan-inner-sequential-scan"), "no log was read");
    deaf.plans.logged.hear(Vec::new(), -7_200.0);
    assert!(
        !deaf.could_speak().contains(&"plan-inner-sequential-scan"),
        "a log that shows no plans tells nothing"
    );
}

#[test]
fn a_log_that_does_not_tell_the_database_means_the_only_one_there_is() {
    let nameless =
        |shown: Shown| Shown { key: crate::workload::Key { database: "".into(), ..key() }, ..shown };
    let world = shows_of(LOOKUP, json!({}), thrice(&rereads(300)).into_iter().map(nameless).collect());
    assert_eq!(world.found("plan-inner-sequential-scan")[0].database.as_deref(), Some("shop"));
}

#[test]
fn a_table_that_is_read_again_and_again_within_one_run() {
    let rule = "plan-inner-sequential-scan";
    let of = |text: &str| shows_of(text, json!({}), thrice(&rereads(300)));
    let join = "select count(*) from customers c join orders o on o.customer = c.id";
    let mut light = rereads(300);
    light["Actual Total Time"] = json!(1_000.0);
    light["Plans"][1]["Actual Total Time"] = json!(0.3);
    assert_eq!(shows_of(join, json!({}), thrice(&light)).said(rule), NOTHING, "a tenth of a run at least");
    let world = of(join);
    let said = format!(
        "Warning public.orders: statement 00000000000000aa (select count(*) from customers c join orders o on o.customer…) reads \
         public.orders whole 300 times in one run, 6,000,000 rows in all, {WHEN}"
    );
    assert_eq!(world.said(rule), [said]);
    let index = "CREATE INDEX CONCURRENTLY \"orders_customer_idx\" ON \"public\".\"orders\" (\"customer\");";
    assert_eq!(world.fix(rule).unwrap().sql[1], index);
    let other_way =
        "select count(*) from customers c where (select count(*) from orders o where c.id = o.customer) > ?";
    assert_eq!(of(other_way).fix(rule).unwrap().sql[1], index, "whichever side is named first");
    for (what, text) in [
        (
            "two columns",
            "select 1 from customers c join orders o on o.customer = c.id and o.status = c.status",
        ),
        ("an expression", "select 1 from customers c join orders o on lower(o.note) = c.note"),
        ("a range", "select 1 from customers c join orders o on o.placed > c.placed"),
        (
            "twice",
            "select 1 from customers c join orders o on o.customer = c.id join orders p on p.id = o.id",
        ),
    ] {
        assert_eq!((of(text).said(rule).len(), of(text).fix(rule)), (1, None), "{what}");
    }
    let mut indexed = of(join);
    let served = snapshot(100.0, shop(), vec![index_on_customer()]);
    indexed.now = together([indexed.now.clone(), served]);
    assert_eq!(indexed.fix(rule), None, "the planner had its reason");
    let few = with(rereads(300)["Plans"][1].clone(), json!({"Rows Removed by Filter": 3_000}));
    assert_eq!(
        shows(json!({"Node Type": "Nested Loop", "Plans": [scan_of("customers"), few]})).said(rule),
        NOTHING
    );
}

fn index_on_customer() -> crate::model::Index {
    index(json!({"columns": "2", "index": "some_idx", "table_oid": 1}))
}
