//! The largest server that we promise to watch, read whole: how long all pages take, told and not asserted.
//! `cargo test --release --lib -- watch::large --nocapture`

use crate::model::{Column, Index, Scope, Statement, Table, Topic, Window};
use crate::rules::Handbook;
use crate::rules::tests::made_up::*;
use crate::rules::tests::plans::{orders, scan, steps};
use crate::sql::Digest;
use crate::texts::Known;
use crate::workload::Key;
use serde_json::json;
use std::cmp::Reverse;
use std::time::{Duration, Instant};

const STATEMENTS: i64 = 20_000;
const TABLES: i64 = 10_000;
const COLUMNS: [&str; 4] = ["id", "customer", "placed", "note"];

fn text(nth: i64) -> String {
    format!(
        "select * from t{} where customer = ? and note in (?) order by placed limit ? offset ?",
        nth % TABLES
    )
}

fn statements(at: f64) -> Snapshot {
    let row = |nth: i64| -> Statement {
        row(json!({
            "dbid": 1, "userid": 1, "server_digest": nth, "database": "shop", "user": "app", "digest": format!("{nth:016x}"),
            "calls": 100.0 * at, "rows": 100.0 * at, "exec_seconds": at * (0.01 + nth as f64 / 1e6), "shared_hit_bytes": 1e9 * at,
        }))
    };
    snapshot(at, Scope::Server, (0..STATEMENTS).map(row).collect())
}

fn catalogue() -> Snapshot {
    let table = |nth: i64| orders(json!({"oid": nth, "table": format!("t{nth}")}));
    let of = |nth: i64| nth % TABLES;
    let indexed = |nth: i64| {
        index(json!({
            "oid": nth, "table_oid": of(nth), "table": format!("t{}", of(nth)), "index": format!("i{nth}"), "columns": format!("{}", nth % 4),
        }))
    };
    let column = |nth: i64| -> Column {
        row(json!({
            "database": "shop", "schema": "public", "table": format!("t{}", of(nth)), "table_oid": of(nth), "position": nth / TABLES + 1,
            "column": COLUMNS[(nth / TABLES) as usize], "data_type": "integer",
        }))
    };
    together([
        snapshot::<Table>(600.0, shop(), (0..TABLES).map(table).collect()),
        snapshot::<Index>(600.0, shop(), (0..3 * TABLES).map(indexed).collect()),
        snapshot::<Column>(600.0, shop(), (0..4 * TABLES).map(column).collect()),
    ])
}

#[test]
fn all_pages_over_a_large_server() {
    let (before, after) = (statements(300.0), statements(600.0));
    let window = Window::between(&before, &after);
    let mut world = World { explains: true, ..World::default() };
    let part = &after.parts[&(Topic::Statements, Scope::Server)];
    world.workload.add(
        window.stretch(Topic::Statements, &Scope::Server).unwrap(),
        part,
        Duration::from_secs(300),
    );
    for nth in 0..STATEMENTS {
        world.texts.learn(nth, Known::Digest(Digest(nth as u64)), Some(&text(nth)));
    }
    for nth in STATEMENTS - 200..STATEMENTS {
        let plan = with(scan("(customer = $1)"), json!({"Relation Name": format!("t{}", nth % TABLES)}));
        let plan = json!({"Node Type": "Limit", "Plans": [plan]});
        world.plans.learn(Key { digest: Digest(nth as u64), database: "shop".into() }, Ok(steps(plan)), 0.0);
    }
    world.now = together([after, catalogue()]);
    let began = Instant::now();
    let reading = world.read();
    eprintln!("20,000 statements, 10,000 tables, 30,000 indexes, 200 plans: {:?}", began.elapsed());
    assert!(reading.words.len() > 5, "{}", reading.words.len());
    // Unoptimised they say little, and take a while.
    if !cfg!(debug_assertions) {
        each_page(&world);
    }
}

/// The dearest of them, each read alone, without what is asked in any case.
fn each_page(world: &World) {
    let alone = |id: &str| {
        let others = Handbook::IDS.iter().filter(|other| **other != id).map(ToString::to_string);
        let handbook = Handbook { skip: others.collect(), ..Handbook::default() };
        let began = Instant::now();
        handbook.read(&world.seen());
        began.elapsed()
    };
    let questions = alone("");
    let mut pages: Vec<(Duration, &str)> =
        Handbook::IDS.iter().map(|id| (alone(id).saturating_sub(questions), *id)).collect();
    pages.sort_by_key(|(took, _)| Reverse(*took));
    eprintln!("  which plans to ask for: {questions:?}");
    pages.iter().take(8).for_each(|(took, id)| eprintln!("  {id}: {took:?}"));
}

#[test]
fn a_plan_of_ten_thousand_steps() {
    let steps: Vec<_> = (0..9_999)
        .map(|nth| with(scan("(customer = $1)"), json!({"Relation Name": format!("p{nth}")})))
        .collect();
    let text = json!([{"Plan": {"Node Type": "Append", "Plans": steps}}]).to_string();
    let began = Instant::now();
    let plan = crate::logs::plan::asked(text.as_bytes()).unwrap();
    let fingerprint = plan.fingerprint();
    eprintln!("10,000 steps, {} bytes: {:?}", text.len(), began.elapsed());
    assert_eq!((plan.steps(), plan.fingerprint()), (crate::model::plan::MAX_NODES, fingerprint));
}
