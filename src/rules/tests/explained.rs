//! Pages that read the plans of MariaDB's slow log.

use super::logged::shows_of;
use super::made_up::*;
use super::plans::key;
use crate::explain::table;
use crate::model::{Column, Confidence, Flavour, Index, Scope, Setting};
use crate::plans::Plans;
use crate::plans::logged::Shown;
use serde_json::json;
use std::sync::Arc;

const WHEN: &str = "in 3 of the last 3 slow runs that the log has shown, the newest of 2.0 s";
const JOIN: &str =
    "SELECT count(*) FROM shop.customers c JOIN orders o ON o.customer = c.id WHERE c.name = ?";
const LOOKUP: &str = "SELECT * FROM orders WHERE customer = ? AND status = ?";

/// Three runs of a statement whose plan has these steps.
fn explained(text: &str, steps: &[&str], indexes: Vec<Index>) -> World {
    const HEADING: &str = "id\tselect_type\ttable\ttype\tpossible_keys\tkey\tkey_len\tref\trows\tr_rows\tfiltered\tr_filtered\tExtra";
    let row = |step: &&str| format!("1\tSIMPLE\t{}", step.replace('|', "\t"));
    let rows: Vec<String> = [HEADING.to_owned()].into_iter().chain(steps.iter().map(row)).collect();
    let block: String = rows.iter().map(|row| format!("# explain: {row}\n")).collect();
    let plan = Arc::new(table::read(block.as_bytes()).unwrap());
    let shown = |at| Shown { key: key(), at, runs: 1.0, seconds: 2.0, plan: plan.clone() };
    let world = shows_of(text, json!({"schema": "shop"}), [-60.0, -40.0, -20.0].map(shown).to_vec());
    let now =
        together([world.now.clone(), snapshot(100.0, shop(), columns()), snapshot(100.0, shop(), indexes)]);
    World { now, flavour: Flavour::Mariadb, ..world }
}

/// In the words of MariaDB.
fn columns() -> Vec<Column> {
    let column = |(nth, (name, data_type)): (usize, (&str, &str))| {
        row(json!({
            "database": "shop", "schema": "shop", "table": "orders", "table_oid": 1, "position": nth + 1, "column": name,
            "data_type": data_type,
        }))
    };
    let of_orders = [
        ("id", "int(11)"),
        ("customer", "int(11)"),
        ("no", "int(11)"),
        ("status", "int(11)"),
        ("note", "text"),
    ];
    of_orders.into_iter().enumerate().map(column).collect()
}

fn indexed(columns: &str) -> Index {
    let numbers = json!({"columns": "1", "access_method": "BTREE", "table_oid": 1, "schema": "shop"});
    index(with(numbers, json!({"index": "some_idx", "column_list": columns})))
}

/// Orders in a buffer, after so many customers.
fn buffered_with(customers: u64, text: &str, buffer: &str, indexes: Vec<Index>) -> World {
    let first = format!("c|ALL|NULL|NULL|NULL|NULL|{customers}|{customers}.00|100.00|100.00|Using where");
    let second = format!(
        "o|ALL|NULL|NULL|NULL|NULL|1000|1000.00|100.00|0.10|Using where; Using join buffer (flat, {buffer} join)"
    );
    explained(text, &[&first, &second], indexes)
}

pub fn buffered(customers: u64) -> World {
    buffered_with(customers, JOIN, "BNL", Vec::new())
}

#[test]
fn all_rows_are_compared_with_all_rows() {
    let rule = "plan-join-buffer";
    let said = format!(
        "Warning shop.orders: statement 00000000000000aa (SELECT count(*) FROM shop.customers c JOIN orders o ON o.cus…) compares all \
         rows of shop.orders with all rows before it, 2,000,000 pairs in one run, {WHEN}"
    );
    assert_eq!(buffered(2_000).said(rule), [said]);
    let fix = buffered(2_000).fix(rule).unwrap();
    let alter = "ALTER TABLE `shop`.`orders`";
    let how = "ALGORITHM=INPLACE, LOCK=NONE;";
    assert_eq!(fix.sql[1], format!("{alter} ADD INDEX `orders_customer_idx` (`customer`), {how}"));
    assert_eq!(fix.rollback[1], format!("{alter} DROP INDEX `orders_customer_idx`, {how}"));
    let two = "SELECT 1 FROM customers c JOIN orders o ON o.customer = c.id AND o.no = c.no";
    for (what, world) in [
        ("by two columns", buffered_with(2_000, two, "BNL", Vec::new())),
        ("indexed, and not used", buffered_with(2_000, JOIN, "BNL", vec![indexed("customer")])),
    ] {
        assert_eq!((world.said(rule).len(), world.fix(rule)), (1, None), "{what}");
    }
    let twice = "SELECT 1 FROM orders o JOIN orders o ON o.customer = o.id";
    for (what, world) in [
        ("by a hash", buffered_with(2_000, JOIN, "BNLH", Vec::new())),
        ("by keys", buffered_with(2_000, JOIN, "BKA", Vec::new())),
        ("nobody knows which", buffered_with(2_000, twice, "BNL", Vec::new())),
        ("another server", World { flavour: Flavour::Mysql, ..buffered(2_000) }),
    ] {
        assert_eq!(world.said(rule), NOTHING, "{what}");
    }
}

#[test]
fn a_log_without_plans_tells_nothing() {
    let of = |settings: [(&str, &str); 2]| {
        let mut world = buffered(2_000);
        world.plans = Plans::default();
        world.plans.logged.hear(Vec::new(), -7_200.0);
        let setting = |(name, value): (&str, &str)| -> Setting {
            row(
                json!({"setting": name, "value": value, "context": "global", "source": "default", "value_type": "enum"}),
            )
        };
        let settings = settings.map(setting).to_vec();
        world.now = together([world.now.clone(), snapshot(100.0, Scope::Server, settings)]);
        world.could_speak().contains(&"plan-join-buffer")
    };
    assert!(of([("slow_query_log", "ON"), ("log_slow_verbosity", "query_plan,explain")]));
    assert!(!of([("slow_query_log", "ON"), ("log_slow_verbosity", "query_plan")]));
    assert!(!of([("slow_query_log", "OFF"), ("log_slow_verbosity", "explain")]));
}

/// Orders of a customer and a status, found by an index that may have something between both.
fn waded_by(entries: &str, text: &str, columns: &str) -> World {
    let step = format!("orders|ref|some_idx|some_idx|4|const|{entries}");
    explained(text, &[&step], vec![indexed(columns)])
}

const FILTERED_BEFORE: &str = "1000000|5.00|100.00|100.00|Using index condition";

pub fn waded(entries: u64) -> World {
    waded_by(&format!("{entries}|5.00|100.00|100.00|Using index condition"), LOOKUP, "customer, no, status")
}

#[test]
fn an_index_is_searched_by_its_first_column_only() {
    let rule = "plan-key-partly-used";
    let said = format!(
        "Note shop.orders (customer, status): statement 00000000000000aa ({LOOKUP}) goes through about 1,000,000 entries of the index some_idx \
         of shop.orders for 5 rows: status stands behind no, which is not compared, {WHEN}"
    );
    assert_eq!(waded(1_000_000).said(rule), [said]);
    assert_eq!(waded(1_000_000).found(rule)[0].confidence, Confidence::Estimated);
    let fix = waded(1_000_000).fix(rule).unwrap();
    assert!(fix.sql[1].contains("ADD INDEX `orders_customer_status_idx` (`customer`, `status`)"), "{fix:?}");
    let of = |numbers: &str, text: &str, columns: &str| waded_by(numbers, text, columns).said(rule).len();
    let wide = "customer, no, status";
    assert_eq!(
        of("7|1000000.00|100.00|0.10|Using where; Using index", LOOKUP, wide),
        1,
        "counted, not estimated"
    );
    let text = "SELECT * FROM orders WHERE customer = ? AND note = ?";
    let long = waded_by(FILTERED_BEFORE, text, "customer, no, note");
    assert_eq!((long.said(rule).len(), long.fix(rule)), (1, None), "a text wants a length");
    for (what, numbers, text, columns) in [
        ("few entries", "1000000|999999.00|100.00|0.10|Using where; Using index", LOOKUP, wide),
        ("many are wanted", "1000000|50001.00|100.00|100.00|Using index condition", LOOKUP, wide),
        ("all of it is used", FILTERED_BEFORE, LOOKUP, "customer"),
        ("the next one is compared", FILTERED_BEFORE, LOOKUP, "customer, status, no"),
        (
            "the next one is converted",
            FILTERED_BEFORE,
            "SELECT * FROM orders WHERE customer = ? AND no + 1 = ? AND status = ?",
            wide,
        ),
        (
            "nothing behind is looked up",
            FILTERED_BEFORE,
            "SELECT * FROM orders WHERE customer = ? AND status > ?",
            wide,
        ),
        (
            "an alternative",
            FILTERED_BEFORE,
            "SELECT * FROM orders WHERE customer = ? AND (status = ? OR id = ?)",
            wide,
        ),
        ("of a part of a column", FILTERED_BEFORE, LOOKUP, "customer, no, status(3)"),
    ] {
        assert_eq!(of(numbers, text, columns), 0, "{what}");
    }
    let mut served = waded(1_000_000);
    let both = with(
        json!({"oid": 8, "index": "both_idx", "column_list": "customer, status"}),
        json!({"table_oid": 1}),
    );
    served.now = together([served.now.clone(), snapshot(100.0, shop(), vec![indexed(wide), index(both)])]);
    assert_eq!(served.said(rule), NOTHING, "the planner had its reason");
}
