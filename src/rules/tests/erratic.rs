//! A statement that is fast most of the time.

use super::made_up::*;
use super::statements::said_as;
use crate::model::{Flavour, Latency, Scope, Window};
use serde_json::{Value, json};

const RULE: &str = "statement-erratic";
const SELECT: &str = "select * from orders where note = ?";

fn ran(calls: i64, seconds: f64, deviation: f64) -> Value {
    json!({"calls": calls, "rows": calls, "exec_seconds": seconds, "stddev_exec_seconds": deviation})
}

/// More than an hour before the last five minutes, these, and a moment.
fn lived(before: Value, lately: Value) -> World {
    said_as(SELECT, &[(4_000.0, before), (300.0, lately), (15.0, ran(10, 0.03, 0.0))])
}

/// Ten thousand runs of 3 ms on average, now as before.
pub fn erratic(deviation: f64) -> World {
    lived(ran(100_000, 300.0, deviation), ran(10_000, 30.0, deviation))
}

#[test]
fn a_statement_takes_many_times_as_long_now_and_then() {
    let said = "Note 00000000000000aa: statement 00000000000000aa (select * from orders where note = ?) ran 10,010 times in 5 min 15 s, \
                3.00 ms each on average, with a standard deviation of 60 ms: as if about 25 of them had taken 1.2 s each, and the \
                others nothing";
    assert_eq!(erratic(0.06).said(RULE), [said]);
    assert!(erratic(0.06).fix(RULE).is_none());
    for (what, before, lately) in [
        ("it was not so before", ran(100_000, 300.0, 0.003), ran(10_000, 30.0, 0.06)),
        ("it is no longer so", ran(100_000, 300.0, 0.06), ran(10_000, 30.0, 0.003)),
        ("it did not run before", ran(100, 0.3, 0.06), ran(10_000, 30.0, 0.06)),
        ("few runs", ran(100_000, 300.0, 0.06), ran(900, 30.0, 0.4)),
        ("one accident", ran(100_000, 300.0, 0.1), ran(10_000, 30.0, 0.1)),
        ("it takes little in all", ran(100_000, 300.0, 0.06), ran(5_000, 15.0, 0.06)),
        ("slow is fast enough", ran(1_000_000, 1_000.0, 0.006), ran(100_000, 100.0, 0.006)),
    ] {
        assert_eq!(lived(before, lately).said(RULE), NOTHING, "{what}");
    }
    let young = said_as(SELECT, &[(2_000.0, ran(100_000, 300.0, 0.06)), (300.0, ran(10_000, 30.0, 0.06))]);
    assert!(young.said(RULE).is_empty() && !young.could_speak().contains(&RULE));
}

/// Half of its runs, and one in a hundred, at both ends of five minutes.
fn measured(ends: [(f64, f64); 2]) -> World {
    let mut world =
        said_as(SELECT, &[(300.0, json!({"calls": 10_000, "exec_seconds": 30.0, "examined_rows": 1}))]);
    assert_eq!(world.flavour, Flavour::Mysql);
    let read = |at: f64, (fast, slow): (f64, f64)| {
        let latency: Latency = row(json!({
            "database": "shop", "digest": "00000000000000aa", "runs": 2_000, "p50_seconds": fast, "p95_seconds": fast,
            "p99_seconds": slow,
        }));
        snapshot(at, Scope::Server, vec![latency])
    };
    let now = read(300.0, ends[1]);
    world.ladder = vec![Window::between(&read(0.0, ends[0]), &now)];
    world.now = together([world.now, now]);
    world
}

#[test]
fn a_histogram_tells_it() {
    let said = "Note 00000000000000aa: statement 00000000000000aa (select * from orders where note = ?) ran 10,000 times in 5 min, 3.00 ms \
                each on average, half of them no longer than 1.00 ms, and one in a hundred 200 ms or more";
    assert_eq!(measured([(0.001, 0.2); 2]).said(RULE), [said]);
    for ends in [[(0.001, 0.019), (0.001, 0.2)], [(0.001, 0.2), (0.011, 0.2)], [(0.001, 0.049); 2]] {
        assert_eq!(measured(ends).said(RULE), NOTHING, "{ends:?}");
    }
    let unmeasured = World { ladder: Vec::new(), ..measured([(0.001, 0.2); 2]) };
    assert!(unmeasured.said(RULE).is_empty() && !unmeasured.could_speak().contains(&RULE));
}
