//! Pages about what single runs lacked: marks on pages, memory for bitmaps, workers, a filter over there.

use super::logged::{shows_of, thrice};
use super::made_up::*;
use super::plans::LOOKUP;
use crate::model::{Index, Scope, Session, Setting};
use serde_json::{Value, json};

const NAME: &str = "statement 00000000000000aa (select * from orders where customer = ?)";
const WHEN: &str = "in 3 of the last 3 slow runs that the log has shown, the newest of 2.0 s";

/// Under a step that takes a second in all.
fn runs(step: Value) -> World {
    shows_of(LOOKUP, json!({}), thrice(&within(1_000, step)))
}

fn within(millis: u64, step: Value) -> Value {
    json!({"Node Type": "Limit", "Actual Rows": 1, "Actual Loops": 1, "Actual Total Time": millis, "Plans": [step]})
}

fn of_index(changes: Value) -> Value {
    let scan = json!({"Node Type": "Index Only Scan", "Relation Name": "orders", "Index Name": "note_idx", "Actual Rows": 20_000,
        "Actual Loops": 1, "Actual Total Time": 500, "Heap Fetches": 10_000});
    with(scan, changes)
}

/// Looks of an index-only scan into orders, with what is known of the table and of who is in a transaction.
pub fn fetches(scan: Value, table: Value, sessions: &[Value]) -> World {
    let mut world = shows_of(LOOKUP, table, thrice(&within(1_000, of_index(scan))));
    let session = |(pid, session): (usize, &Value)| -> Session {
        row(with(json!({"pid": pid, "database": "shop", "state": "idle in transaction"}), session.clone()))
    };
    let sessions = sessions.iter().enumerate().map(session).collect();
    world.now = together([world.now.clone(), snapshot::<Session>(100.0, Scope::Server, sessions)]);
    world
}

#[test]
fn an_index_that_must_ask_its_table() {
    let rule = "plan-heap-fetches";
    let of = |scan: Value, table: Value| fetches(scan, table, &[]);
    let said = format!(
        "Note public.orders: {NAME} looks into public.orders 10,000 times for the 20,000 rows that it reads from an index, {WHEN}"
    );
    assert_eq!(of(json!({}), json!({})).said(rule), [said.as_str()]);
    assert_eq!(of(json!({}), json!({"last_vacuum": -61.0})).said(rule), [said.as_str()]);
    let fix = of(json!({}), json!({})).fix(rule).unwrap();
    assert_eq!(fix.sql[1], "VACUUM (ANALYZE) \"public\".\"orders\";");
    let filtered = json!({"Actual Rows": 1_000, "Actual Loops": 10, "Rows Removed by Filter": 1_000});
    assert_eq!(of(filtered, json!({})).said(rule), [said], "of all loops");
    for (what, scan, table) in [
        ("few looks", json!({"Heap Fetches": 9_999}), json!({})),
        ("most rows are known to be there", json!({"Actual Rows": 20_001}), json!({})),
        ("a small part of the run", json!({"Actual Total Time": 99}), json!({})),
        ("vacuumed since", json!({}), json!({"last_vacuum": -10.0})),
        ("vacuumed by itself since", json!({}), json!({"last_vacuum": -7_000.0, "last_autovacuum": -10.0})),
        ("vacuumed while the newest ran", json!({}), json!({"last_vacuum": -20.0})),
        ("no such table", json!({"Relation Name": "other"}), json!({})),
    ] {
        assert_eq!(of(scan, table).said(rule), NOTHING, "{what}");
    }
}

#[test]
fn an_old_transaction_keeps_vacuum_from_marking_pages() {
    let rule = "plan-heap-fetches";
    let said = |sessions: &[Value], vacuumed: f64| {
        let world = fetches(json!({}), json!({"last_vacuum": vacuumed}), sessions);
        (world.said(rule).remove(0), world.fix(rule).is_some())
    };
    let old = json!({"transaction_start": -9_000.0, "xmin_age": 500});
    let (because, has_script) = said(&[old.clone(), with(old.clone(), json!({"xmin_age": 501}))], -7_000.0);
    assert!(
        because.contains("; session 1 has been in one transaction since before it was vacuumed last"),
        "{because}"
    );
    assert!(!has_script, "before it ends a vacuum marks little");
    let writes = json!({"transaction_start": -9_000.0, "xid_age": 500});
    assert!(!said(&[writes], -7_000.0).1, "who writes is waited for as well");
    for (what, session, vacuumed) in [
        ("it began later", json!({"transaction_start": -6_999.0, "xmin_age": 500}), -7_000.0),
        ("it looks at nothing", json!({"transaction_start": -9_000.0}), -7_000.0),
        ("elsewhere", with(old.clone(), json!({"database": "blog"})), -7_000.0),
    ] {
        let (because, has_script) = said(&[session], vacuumed);
        assert!(has_script && !because.contains("session"), "{what}: {because}");
    }
    let never = fetches(json!({}), json!({}), &[old]);
    assert!(never.fix(rule).is_some(), "nobody knows what a vacuum would do");
}

fn of_bitmap(changes: Value, below: Value) -> Value {
    let scan = json!({"Node Type": "Bitmap Heap Scan", "Relation Name": "orders", "Actual Rows": 500, "Actual Loops": 1,
        "Actual Total Time": 500, "Rows Removed by Index Recheck": 100_000, "Exact Heap Blocks": 100_000, "Lossy Heap Blocks": 100_000,
        "Plans": [below]});
    with(scan, changes)
}

fn by_index(name: &str) -> Value {
    json!({"Node Type": "Bitmap Index Scan", "Index Name": name, "Actual Rows": 9, "Actual Loops": 1})
}

/// A bitmap of orders that forgets rows, made of these indexes.
pub fn forgets(scan: Value) -> World {
    forgets_of(scan, by_index("note_idx"), json!({}))
}

fn forgets_of(scan: Value, below: Value, index_changes: Value) -> World {
    let mut world = runs(of_bitmap(scan, below));
    let indexes = vec![index(index_changes), index(json!({"oid": 8, "index": "customer_idx"}))];
    world.now = together([world.now.clone(), snapshot::<Index>(100.0, shop(), indexes)]);
    world
}

#[test]
fn a_bitmap_has_no_room_for_the_rows() {
    let rule = "plan-lossy-bitmap";
    let said = format!(
        "Note 00000000000000aa: {NAME} forgets which rows of 100,000 of 200,000 pages it wanted for want of memory, and throws away \
         100,000 rows that it then looks at, {WHEN}"
    );
    assert_eq!(forgets(json!({})).said(rule), [said.as_str()]);
    let set = |scan: Value| forgets(scan).fix(rule).map(|fix| fix.sql[0].clone());
    assert_eq!(set(json!({})).unwrap(), "ALTER ROLE \"app\" IN DATABASE \"shop\" SET work_mem = '32MB';");
    let shared = json!({"Parallel Aware": true, "Actual Loops": 4, "Rows Removed by Index Recheck": 25_000});
    assert!(set(shared).unwrap().contains("'128MB'"), "of four workers one tells");
    let again = json!({"Actual Loops": 10, "Rows Removed by Index Recheck": 10_000});
    assert!(set(again).unwrap().contains("'8MB'"), "ten small ones");
    assert_eq!(set(json!({"Lossy Heap Blocks": 9_000_000})), None, "too much for each of many sessions");
    let both = json!({"Node Type": "BitmapAnd", "Plans": [by_index("note_idx"), by_index("customer_idx")]});
    let both = forgets_of(json!({}), both, json!({}));
    assert_eq!((both.said(rule).len(), both.fix(rule)), (1, None), "nobody knows which was too large");
    for (what, world) in [
        ("few rows", forgets(json!({"Rows Removed by Index Recheck": 99_999}))),
        ("an inexact index, but room for all", forgets(json!({"Lossy Heap Blocks": 0}))),
        ("most pages are known", forgets(json!({"Lossy Heap Blocks": 99_999}))),
        ("a small part of the run", forgets(json!({"Actual Total Time": 99}))),
        (
            "an index that never knows",
            forgets_of(json!({}), by_index("note_idx"), json!({"access_method": "brin"})),
        ),
        (
            "two of one name",
            forgets_of(
                json!({}),
                by_index("customer_idx"),
                json!({"index": "customer_idx", "access_method": "brin"}),
            ),
        ),
        ("an index that nobody has told of", forgets_of(json!({}), by_index("new_idx"), json!({}))),
        ("the rest of the plan was cut", forgets(json!({"Plans": []}))),
    ] {
        assert_eq!(world.said(rule), NOTHING, "{what}");
    }
}

/// A plan for so many workers that got fewer, where the server may have two.
pub fn short(planned: u64, launched: u64) -> World {
    short_of(planned, launched, json!(2))
}

fn short_of(planned: u64, launched: u64, limit: Value) -> World {
    let gather = json!({"Node Type": "Gather", "Actual Rows": 1, "Actual Loops": 1, "Actual Total Time": 900, "Workers Planned": planned,
        "Workers Launched": launched, "Plans": [of_index(json!({"Heap Fetches": 0}))]});
    let mut world = runs(gather);
    let setting = |name: &str, value: &Value| -> Setting {
        row(
            json!({"setting": name, "value": value.to_string(), "context": "user", "source": "default", "value_type": "integer"}),
        )
    };
    let settings = vec![setting("max_parallel_workers", &limit), setting("max_worker_processes", &json!(8))];
    world.now = together([world.now.clone(), snapshot::<Setting>(100.0, Scope::Server, settings)]);
    world
}

#[test]
fn workers_that_do_not_come() {
    let rule = "plan-parallel-shortfall";
    let said = format!("Note max_parallel_workers: {NAME} counts on 4 parallel workers and gets 2, {WHEN}");
    assert_eq!(short(4, 2).said(rule), [said]);
    assert_eq!(short(4, 2).found(rule)[0].database, None, "it is about the server");
    let fix = short(4, 2).fix(rule).unwrap();
    let set = |value: &str| format!("ALTER SYSTEM SET max_parallel_workers = '{value}';");
    assert_eq!((&fix.sql[0], &fix.rollback[0]), (&set("4"), &set("2")));
    assert_eq!(
        short_of(4, 1, json!(5)).fix(rule).unwrap().sql[0],
        set("8"),
        "no more than there may be processes"
    );
    assert_eq!(short_of(4, 1, json!(8)).fix(rule), None, "more takes a restart");
    assert_eq!(short(4, 0).said(rule).len(), 1, "it may have two, and wanted four");
    for (what, world) in [
        ("all came", short(2, 2)),
        ("most came", short(4, 3)),
        ("none came, and there would have been enough: a cursor", short(2, 0)),
        ("none was planned", short(0, 0)),
    ] {
        assert_eq!(world.said(rule), NOTHING, "{what}");
    }
}

/// A foreign table of which most is thrown away here.
pub fn discards(scan: Value) -> World {
    let foreign = json!({"Node Type": "Foreign Scan", "Relation Name": "far_orders", "Actual Rows": 1_000, "Actual Loops": 1,
        "Actual Total Time": 500, "Filter": "(f(note) = 1)", "Rows Removed by Filter": 10_000});
    runs(with(foreign, scan))
}

#[test]
fn rows_from_elsewhere_that_are_thrown_away_here() {
    let rule = "plan-foreign-filter";
    let said = format!(
        "Note 00000000000000aa: {NAME} fetches 11,000 rows of far_orders from another server and throws 10,000 of them away here, {WHEN}"
    );
    assert_eq!(discards(json!({})).said(rule), [said]);
    for (what, scan) in [
        ("few rows", json!({"Rows Removed by Filter": 9_999})),
        ("many are wanted", json!({"Actual Rows": 1_112})),
        ("a table of its own", json!({"Node Type": "Seq Scan"})),
        ("a small part of the run", json!({"Actual Total Time": 99})),
    ] {
        assert_eq!(discards(scan).said(rule), NOTHING, "{what}");
    }
    let again =
        json!({"Actual Loops": 100, "Actual Rows": 1, "Rows Removed by Filter": 100, "Actual Total Time": 5});
    assert_eq!(discards(again).said(rule).len(), 1, "again and again");
}
