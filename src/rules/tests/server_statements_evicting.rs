use super::made_up::*;
use crate::model::{Scope, StatementsInfo, Window};
use serde_json::{Value, json};

fn info(evictions: Value, max: Value) -> StatementsInfo {
    row(json!({"evictions": evictions, "entries_max": max}))
}

pub fn evicting(seconds: f64, evictions: i64) -> World {
    evicted(seconds, json!(100), json!(100 + evictions), json!(5_000))
}

fn evicted(seconds: f64, before: Value, after: Value, max: Value) -> World {
    let first = snapshot(0.0, Scope::Server, vec![info(before, max.clone())]);
    let now = snapshot(seconds, Scope::Server, vec![info(after, max)]);
    World { latest: Window::between(&first, &now), now, ..World::default() }
}

/// A newest stretch, and one further back before a long time of many evictions.
fn lately(newest: World, further: World) -> World {
    World { ladder: vec![further.latest, evicting(86_400.0, 5_000).latest], ..newest }
}

#[test]
fn a_server_that_forgets_its_statements() {
    let said = |world: World| world.said("server-statements-evicting");
    let sentence = |rest: &str| {
        [format!(
            "Warning pg_stat_statements: pg_stat_statements threw out its least used statements {rest}, because there is room for 5,000"
        )]
    };
    assert_eq!(said(evicting(3_600.0, 10)), sentence("10 times in 1 h"));
    assert_eq!(said(evicting(600.0, 2)), sentence("2 times in 10 min"));
    assert_eq!(said(lately(evicting(15.0, 0), evicting(900.0, 5))), sentence("5 times in 15 min"));
    for (what, world) in [
        ("nine an hour", evicting(3_600.0, 9)),
        ("a stretch too short to tell", evicting(599.0, 50)),
        ("a single one in a stretch that is long enough", evicting(600.0, 1)),
        (
            "it was mended: the shortest stretch that tells decides",
            lately(evicting(15.0, 1), evicting(900.0, 1)),
        ),
        ("it does not tell", evicted(3_600.0, json!(null), json!(null), json!(5_000))),
        ("it began to tell within the stretch", evicted(3_600.0, json!(null), json!(50), json!(5_000))),
        ("its counter ran backwards", evicted(3_600.0, json!(100), json!(50), json!(5_000))),
        ("first reading", World { latest: Window::default(), ..evicting(3_600.0, 10) }),
    ] {
        assert_eq!(said(world), NOTHING, "{what}");
    }
    let now = snapshot(48.0 * 3_600.0, Scope::Server, vec![info(json!(480), json!(5_000))]);
    let first_sight = World { since_reset: Some(Window::since_reset(&now)), now, ..World::default() };
    assert_eq!(said(first_sight), sentence("480 times in 2 d"));

    for (max, wanted, back) in
        [(json!(5_000), 10_000, 5_000), (json!(100), 5_000, 100), (json!(null), 10_000, 5_000)]
    {
        let fix = evicted(600.0, json!(0), json!(9), max).fix("server-statements-evicting").unwrap();
        assert_eq!(fix.sql, [format!("ALTER SYSTEM SET pg_stat_statements.max = {wanted};")]);
        assert_eq!(fix.rollback, [format!("ALTER SYSTEM SET pg_stat_statements.max = {back};")]);
    }
}
