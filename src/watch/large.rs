//! The largest server that we promise to watch, read whole: how long all pages take, told and not asserted.
//! `cargo test --release --lib -- watch::large --nocapture`

use crate::explain::postgres;
use crate::model::plan::{MAX_DEPTH, MAX_NODES};
use crate::model::{Column, Index, Scope, Session, Statement, Table, Topic, Window};
use crate::plans::logged::Shown;
use crate::rule::Word;
use crate::rules::Handbook;
use crate::rules::tests::logged::shows_of;
use crate::rules::tests::made_up::*;
use crate::rules::tests::plans::{LOOKUP, key, orders, scan, steps};
use crate::sql::Digest;
use crate::texts::Known;
use crate::workload::Key;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::sync::Arc;
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
    each_page(&world);
}

/// The dearest of them, each read alone, without what is asked in any case.
fn each_page(world: &World) {
    // Unoptimised they say little, and take a while.
    if cfg!(debug_assertions) {
        return;
    }
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

const STEPS: usize = 10_000;

fn timed<T>(what: &str, of: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let made = of();
    eprintln!("{what}: {:?}", began.elapsed());
    made
}

/// Every kind of step that a page has something to say of, over as many tables.
fn step(nth: usize) -> Value {
    let of_run = json!({"Actual Rows": 1_000, "Actual Loops": 10, "Actual Total Time": 1.0, "Relation Name": format!("t{}", nth % 1_000)});
    let own = match nth % 6 {
        0 => json!({"Node Type": "Sort", "Sort Space Used": 8_192, "Sort Space Type": "Disk"}),
        1 => json!({"Node Type": "Hash", "Hash Batches": 8, "Peak Memory Usage": 4_096}),
        2 => json!({"Node Type": "Index Only Scan", "Index Name": "i1", "Heap Fetches": 90_000}),
        3 => {
            json!({"Node Type": "Bitmap Heap Scan", "Lossy Heap Blocks": 90_000, "Rows Removed by Index Recheck": 90_000,
            "Plans": [{"Node Type": "Bitmap Index Scan", "Index Name": "i1"}]})
        }
        4 => {
            json!({"Node Type": "Foreign Scan", "Filter": "(f(note) = 1)", "Rows Removed by Filter": 90_000})
        }
        _ => with(scan("(lower(note) = $1)"), json!({"Relation Name": format!("t{}", nth % 1_000)})),
    };
    with(of_run, own)
}

#[test]
fn a_plan_of_ten_thousand_steps() {
    let root = json!({"Node Type": "Append", "Actual Rows": 1, "Actual Loops": 1, "Plans": (1..STEPS).map(step).collect::<Vec<_>>()});
    let asked = json!([{"Plan": root}]).to_string();
    let plan = timed(&format!("10,000 steps, {} bytes, read", asked.len()), || {
        postgres::asked(asked.as_bytes()).unwrap()
    });
    let fingerprint = timed("  its fingerprint", || plan.fingerprint());
    assert_eq!((plan.steps(), plan.fingerprint()), (MAX_NODES, fingerprint));

    let logged = json!({"Query Text": "select 1", "Plan": root}).to_string();
    let read = || postgres::logged(logged.as_bytes(), |_| true).unwrap().plan.unwrap();
    let run = Arc::new(timed("  read as a log shows it", read));
    let shown = |at: f64| Shown { key: key(), at, runs: 1.0, seconds: 2.0, plan: run.clone() };
    let mut world = shows_of(LOOKUP, json!({}), [-60.0, -40.0, -20.0].map(shown).to_vec());
    let sessions = snapshot::<Session>(600.0, Scope::Server, Vec::new());
    world.now = together([world.now.clone(), catalogue(), sessions]);
    world.plans.learn(key(), Ok(plan), 0.0);
    let reading = timed("  all pages", || world.read());
    each_page(&world);
    let about_plans =
        |word: &&Word| matches!(word, Word::Finding(finding) if finding.rule.starts_with("plan-"));
    assert!(reading.words.iter().filter(about_plans).count() > 3, "{:?}", reading.words);
}

/// However deep the steps lie, nothing goes down after them without end.
#[test]
fn a_plan_of_steps_below_each_other() {
    let line =
        |nth: usize| format!("{}->  Sort  (cost=1.00..2.00 rows=5 width=4)\n", " ".repeat(2 + 6 * nth));
    let lines: String = (0..1_000).map(line).collect();
    let plain = format!("Query Text: select 1\nLimit  (cost=1.00..2.00 rows=5 width=4)\n{lines}");
    let (open, close) = ("<Plan><Node-Type>Sort</Node-Type><Plans>", "</Plans></Plan>");
    let xml = format!(
        "<explain><Query-Text>select 1</Query-Text>{}{}</explain>",
        open.repeat(STEPS),
        close.repeat(STEPS)
    );
    for text in [plain, xml] {
        let read = || postgres::logged(text.as_bytes(), |_| true).unwrap().plan.unwrap();
        let plan = timed(&format!("one below the other, {} bytes", text.len()), read);
        assert_eq!(plan.steps(), MAX_DEPTH);
        assert_ne!(plan.fingerprint(), plan.children[0].fingerprint());
    }
    let (open, close) = (r#"{"Node Type": "Sort", "Plans": ["#, "]}");
    for (nested, is_closed) in [(MAX_DEPTH - 1, true), (MAX_DEPTH, true), (STEPS, true), (STEPS, false)] {
        let close = if is_closed { close.repeat(nested) } else { String::new() };
        let steps = format!(r#"{}{{"Node Type": "Result"}}{close}"#, open.repeat(nested));
        let asked = timed(&format!("{nested} below each other, {} bytes", steps.len()), || {
            postgres::asked(format!(r#"[{{"Plan": {steps}}}]"#).as_bytes())
        });
        let text = format!(r#"{{"Query Text": "select 1", "Plan": {steps}}}"#);
        let logged = postgres::logged(text.as_bytes(), |_| true).and_then(|read| read.plan);
        for plan in [asked, logged] {
            assert_eq!(plan.is_some(), is_closed, "{nested}");
            assert!(plan.is_none_or(|plan| plan.steps() == MAX_DEPTH), "{nested}");
        }
    }
    // In each place where a text may nest what nobody wants.
    for key in ["Plans", "Workers", "Sort Key", "Query Text", "Triggers", "Output"] {
        for brackets in ["[", "{\"a\":"] {
            let text = format!(r#"[{{"Plan": {{"{key}": {}"#, brackets.repeat(1_000_000));
            assert!(postgres::asked(text.as_bytes()).is_none());
            let text = format!(r#"{{"Query Text": "", "{key}": {}"#, brackets.repeat(1_000_000));
            assert!(postgres::logged(text.as_bytes(), |_| true).is_none());
        }
    }
}
