//! Pages about statements, which read what the newest stretches add up to.

use super::made_up::*;
use crate::engine::Lane;
use crate::model::{Flavour, Scope, Statement, Stretch, Topic, Window};
use crate::sql::Digest;
use crate::texts::Known;
use serde_json::{Value, json};
use std::time::Duration;

const SELECT: &str = "SELECT * FROM orders WHERE note = ?";

fn statement(digest: &str, columns: Value) -> Statement {
    let told = json!({
        "dbid": 1, "userid": 1, "server_digest": digest.len(), "database": "shop", "user": "app", "digest": digest,
    });
    row(with(told, columns))
}

/// What two readings some seconds apart show of one statement, beside another that takes ten seconds in all.
fn stretch(seconds: f64, columns: &Value) -> (Stretch, Snapshot) {
    let read = |at: f64, columns: Value| {
        let other = json!({"userid": 2, "calls": at, "rows": at, "exec_seconds": at * 10.0 / seconds, "wal_bytes": at * 1e6 / seconds});
        let rows = vec![statement("00000000000000aa", columns), statement("00000000000000bb", other)];
        snapshot(at, Scope::Server, rows)
    };
    let zero = columns.as_object().unwrap().iter().map(|(name, value)| {
        (name.clone(), if name == "stddev_exec_seconds" { value.clone() } else { json!(0) })
    });
    let (before, now) = (read(0.0, Value::Object(zero.collect())), read(seconds, columns.clone()));
    let window = Window::between(&before, &now);
    (window.stretch(Topic::Statements, &Scope::Server).unwrap().clone(), now)
}

/// A statement of this wording and what it cost over so many seconds, the latest last.
pub fn said_as(text: &str, lived: &[(f64, Value)]) -> World {
    // What only MySQL tells makes the server one.
    let is_mysql = |columns: &Value| {
        let only = ["examined_rows", "tmp_disk_tables", "full_joins", "range_checks", "errors"];
        only.iter().any(|column| columns.get(column).is_some())
    };
    let flavour =
        if lived.iter().any(|(_, columns)| is_mysql(columns)) { Flavour::Mysql } else { Flavour::Postgres };
    let mut world = World { flavour, ..World::default() };
    for (seconds, columns) in lived {
        let (stretch, now) = stretch(*seconds, columns);
        let part = now.parts[&(Topic::Statements, Scope::Server)].clone();
        world.workload.add(&stretch, &part, Duration::from_secs(300));
        world.now = now;
    }
    for (server, digest) in [(1, 0xaa), (2, 0xbb)] {
        world.texts.learn(server, Known::Digest(Digest(digest)), Some(text));
    }
    world.texts.learn(3, Known::Ours(Lane::Beat), None);
    world
}

fn ran(columns: Value) -> World {
    said_as(SELECT, &[(300.0, columns)])
}

/// What must be wrong for a page to speak, and each thing without which it must not.
fn speaks_and_is_silent(rule: &str, said: &str, costly: &Value, silent: &[(&str, Value)]) {
    assert_eq!(ran(costly.clone()).said(rule), [said]);
    for (what, changes) in silent {
        assert_eq!(ran(with(costly.clone(), changes.clone())).said(rule), NOTHING, "{rule}: {what}");
    }
    let young = said_as(SELECT, &[(20.0, costly.clone())]);
    assert_eq!(
        (young.said(rule).len(), young.could_speak().contains(&rule)),
        (0, false),
        "{rule}: after 20 s"
    );
    let utility = said_as("VACUUM", &[(300.0, costly.clone())]);
    assert_eq!(utility.said(rule), NOTHING, "{rule}: of utility statements only the command word is known");
    let unnamed = World { texts: Default::default(), ..ran(costly.clone()) };
    assert_eq!(unnamed.said(rule), NOTHING, "{rule}: without its wording");
}

pub fn dominant(exec_seconds: f64) -> World {
    ran(
        json!({"calls": 1_000, "rows": 1_000, "exec_seconds": exec_seconds, "shared_hit_bytes": 20_000 * MIB}),
    )
}

#[test]
fn one_statement_takes_most_of_the_time() {
    let costly =
        json!({"calls": 1_000, "rows": 1_000, "exec_seconds": 90.0, "shared_hit_bytes": 20_000 * MIB});
    let said = "Note 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) took 90 % of all \
                execution time in 5 min: 1,000 runs of 90 ms that went through 20 MiB each";
    speaks_and_is_silent(
        "statement-dominant",
        said,
        &costly,
        &[
            ("others take more", json!({"exec_seconds": 9.9, "calls": 100})),
            ("the server is idle", json!({"exec_seconds": 70.0})),
            ("short runs", json!({"calls": 10_000, "shared_hit_bytes": 200_000 * MIB})),
            ("it waits", json!({"shared_hit_bytes": 7_000 * MIB})),
        ],
    );
}

#[test]
fn where_no_data_is_told_rows_are() {
    let rule = "statement-dominant";
    let costly = json!({"calls": 1_000, "rows": 1_000, "exec_seconds": 90.0, "examined_rows": 20_000_000});
    let said = "Note 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) took 90 % of all \
                execution time in 5 min: 1,000 runs of 90 ms that went through 20,000 rows each";
    speaks_and_is_silent(rule, said, &costly, &[("it waits", json!({"examined_rows": 9_999_000}))]);

    let rows = |then: i64, now: i64| {
        changed(
            86_000.0,
            json!({"shared_hit_bytes": null, "examined_rows": then, "stddev_exec_seconds": null}),
            json!({"shared_hit_bytes": null, "examined_rows": now, "stddev_exec_seconds": null}),
        )
    };
    let said = "Warning 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) took 50 ms a run in \
                10 min, where it used to take 1.49 ms: 33.7 times as long, and 100.5 times the rows";
    let found = rows(1_000_000, 5_000_000).said("statement-regressed");
    assert_eq!(found.len(), 1, "{found:?} {said}");
    assert!(found[0].ends_with("times the rows"), "{found:?}");
    assert_eq!(rows(1_000_000, 5_000).said("statement-regressed"), NOTHING, "it waits: no more rows");
}

pub fn examines(rows: u64) -> World {
    ran(json!({"calls": 1_000, "rows": 1_000, "exec_seconds": 9.0, "examined_rows": 1_000 * rows}))
}

#[test]
fn a_statement_looks_at_what_it_does_not_want() {
    let costly = json!({"calls": 1_000, "rows": 20_000, "exec_seconds": 9.0, "examined_rows": 100_000_000});
    let said = "Note 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) looked at 100,000 rows in \
                each of 1,000 runs in 5 min, to return or change 20";
    speaks_and_is_silent(
        "statement-rows-examined",
        said,
        &costly,
        &[
            ("nothing told", json!({"examined_rows": null})),
            ("it wants many", json!({"rows": 101_000})),
            ("little", json!({"examined_rows": 29_000_000})),
            ("a little each", json!({"calls": 11_000})),
            ("a report", json!({"calls": 9})),
        ],
    );
}

pub fn tables_on_disk(tables: u64) -> World {
    ran(json!({"calls": 1_000, "exec_seconds": 9.0, "tmp_tables": 1_000, "tmp_disk_tables": tables}))
}

#[test]
fn a_statement_keeps_rows_aside_on_disk() {
    let costly = json!({"calls": 1_000, "exec_seconds": 9.0, "tmp_tables": 1_000, "tmp_disk_tables": 900});
    let said = "Note 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) made 900 temporary tables \
                on disk in 1,000 runs in 5 min";
    speaks_and_is_silent(
        "statement-temp-disk-tables",
        said,
        &costly,
        &[
            ("nothing told", json!({"tmp_disk_tables": null})),
            ("in memory", json!({"tmp_disk_tables": 0})),
            ("now and then", json!({"calls": 1_801})),
            ("seldom", json!({"calls": 299, "tmp_disk_tables": 299})),
        ],
    );
}

pub fn joins(full: u64) -> World {
    ran(json!({"calls": 1_000, "exec_seconds": 20.0, "full_joins": full, "examined_rows": 20_000_000}))
}

#[test]
fn a_statement_joins_without_an_index() {
    let costly =
        json!({"calls": 1_000, "exec_seconds": 20.0, "full_joins": 1_000, "examined_rows": 20_000_000});
    let said = "Note 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) joined 1,000 times \
                without an index in 1,000 runs in 5 min, of 20 ms and 20,000 rows each";
    speaks_and_is_silent(
        "statement-full-join",
        said,
        &costly,
        &[
            ("nothing told", json!({"full_joins": null})),
            ("seldom so", json!({"full_joins": 499})),
            ("small tables", json!({"examined_rows": 9_999_000})),
            ("next to nothing", json!({"exec_seconds": 14.0})),
            ("a report", json!({"calls": 4})),
        ],
    );
}

pub fn chooses(anew: u64) -> World {
    ran(json!({"calls": 1_000, "exec_seconds": 20.0, "range_checks": anew, "examined_rows": 20_000_000}))
}

#[test]
fn a_statement_chooses_an_index_for_each_row() {
    let costly =
        json!({"calls": 1_000, "exec_seconds": 20.0, "range_checks": 1_000, "examined_rows": 20_000_000});
    let said = "Note 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) chose an index anew for each \
                row in 1,000 joins of 1,000 runs in 5 min, of 20 ms and 20,000 rows each";
    speaks_and_is_silent(
        "statement-range-checked",
        said,
        &costly,
        &[
            ("nothing told", json!({"range_checks": null})),
            ("a join without any index", json!({"range_checks": 0, "full_joins": 1_000})),
            ("seldom so", json!({"range_checks": 499})),
            ("next to nothing", json!({"exec_seconds": 14.0})),
            ("a report", json!({"calls": 4})),
        ],
    );
}

pub fn fails(errors: u64) -> World {
    ran(json!({"calls": 1_000, "exec_seconds": 9.0, "errors": errors}))
}

#[test]
fn a_statement_fails() {
    let costly = json!({"calls": 1_000, "exec_seconds": 9.0, "errors": 250});
    let said = "Warning 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) ended in an error \
                250 times in 1,000 runs in 5 min";
    speaks_and_is_silent(
        "statement-errors",
        said,
        &costly,
        &[
            ("nothing told", json!({"errors": null})),
            ("one in a hundred", json!({"errors": 99})),
            ("somebody mistypes", json!({"calls": 10, "errors": 4})),
        ],
    );
}

/// A fast life of about a day, and the newest ten minutes in two halves.
fn changed(before: f64, then: Value, now: Value) -> World {
    let fast = json!({
        "calls": 100_000, "rows": 100_000, "exec_seconds": 100.0, "shared_hit_bytes": 100_000 * 8_192_i64,
        "stddev_exec_seconds": 0.01,
    });
    let slow = json!({
        "calls": 500, "rows": 500, "exec_seconds": 25.0, "shared_hit_bytes": 500 * MIB, "stddev_exec_seconds": 0.01,
    });
    let half = (300.0, with(slow, now));
    said_as(SELECT, &[(before, with(fast, then)), half.clone(), half])
}

pub fn regressed(mean_seconds: f64) -> World {
    changed(86_000.0, json!({}), json!({"exec_seconds": 500.0 * mean_seconds}))
}

#[test]
fn a_statement_goes_through_more_than_it_used_to() {
    let rule = "statement-regressed";
    let said = "Warning 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) took 50 ms a run in \
                10 min, where it used to take 1.49 ms: 33.7 times as long, and 56.7 times the data";
    assert_eq!(regressed(0.05).said(rule), [said]);
    for (what, before, then, now) in [
        ("it was hardly known", 80_000.0, json!({}), json!({})),
        (
            "it came seldom before",
            86_000.0,
            json!({"calls": 29, "exec_seconds": 0.03, "rows": 29, "shared_hit_bytes": 29 * 8_192}),
            json!({}),
        ),
        (
            "it comes seldom now",
            86_000.0,
            json!({}),
            json!({"calls": 14, "exec_seconds": 14.0, "shared_hit_bytes": 14 * MIB, "rows": 14}),
        ),
        ("not twice as slow", 86_000.0, json!({"exec_seconds": 3_000.0}), json!({})),
        ("it waits: no more data", 86_000.0, json!({}), json!({"shared_hit_bytes": 500 * 8_192})),
        ("it returns as much more", 86_000.0, json!({}), json!({"rows": 25_000})),
        ("it swings as much by itself", 86_000.0, json!({}), json!({"stddev_exec_seconds": 0.5})),
        ("it costs next to nothing", 86_000.0, json!({"exec_seconds": 10.0}), json!({"exec_seconds": 2.5})),
        (
            "it was not there before",
            86_000.0,
            json!({"calls": 0, "exec_seconds": 0.0, "rows": 0, "shared_hit_bytes": 0}),
            json!({}),
        ),
    ] {
        assert_eq!(changed(before, then, now).said(rule), NOTHING, "{what}");
    }
    assert_eq!(
        ran(json!({"calls": 1_000, "exec_seconds": 50.0})).said(rule),
        NOTHING,
        "nothing to compare with"
    );
}

pub fn spills(spilled: u64) -> World {
    ran(json!({"calls": 100, "exec_seconds": 9.0, "temp_written_bytes": spilled}))
}

#[test]
fn a_statement_spills_again_and_again() {
    let rule = "statement-spills";
    let costly = json!({"calls": 100, "exec_seconds": 9.0, "temp_written_bytes": 1_000 * MIB});
    let said = "Note 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) wrote 1000 MiB to \
                temporary files in 5 min: 10 MiB in each of 100 runs";
    speaks_and_is_silent(
        rule,
        said,
        &costly,
        &[
            ("nothing told", json!({"temp_written_bytes": null})),
            ("a little", json!({"temp_written_bytes": 70 * MIB})),
            ("a report", json!({"calls": 4})),
            ("a few pages each", json!({"calls": 2_000})),
        ],
    );
    let fix = ran(costly).fix(rule).unwrap();
    assert_eq!(fix.sql, [r#"ALTER ROLE "app" IN DATABASE "shop" SET work_mem = '64MB';"#]);
    assert_eq!(fix.rollback, [r#"ALTER ROLE "app" IN DATABASE "shop" RESET work_mem;"#]);
    assert!(spills(100_000 * MIB).fix(rule).is_none(), "a gibibyte for a run is no setting");
}

pub fn planned(plan_seconds: f64) -> World {
    ran(json!({"calls": 5_000, "exec_seconds": 5.0, "plans": 5_000, "plan_seconds": plan_seconds}))
}

#[test]
fn a_statement_is_planned_longer_than_it_runs() {
    let costly = json!({"calls": 5_000, "exec_seconds": 5.0, "plans": 5_000, "plan_seconds": 15.0});
    let said = "Note 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) was planned 5,000 times \
                in 5 min, 3.00 ms each, and ran for 1.00 ms each";
    speaks_and_is_silent(
        "statement-planning-dominates",
        said,
        &costly,
        &[
            ("nothing told", json!({"plans": null, "plan_seconds": null})),
            ("runs longer", json!({"exec_seconds": 15.1})),
            ("short plans", json!({"plans": 7_600})),
            ("seldom", json!({"plans": 99})),
            ("next to nothing", json!({"plans": 2_000, "plan_seconds": 5.0})),
        ],
    );
}

pub fn compiled(seconds: f64) -> World {
    ran(
        json!({"calls": 100, "exec_seconds": 20.0, "jit_functions": 900, "jit_generation_seconds": seconds / 2.0, "jit_emission_seconds": seconds / 2.0}),
    )
}

#[test]
fn a_statement_is_compiled_longer_than_it_needs() {
    let rule = "statement-jit-overhead";
    let costly =
        json!({"calls": 100, "exec_seconds": 20.0, "jit_functions": 900, "jit_optimization_seconds": 10.0});
    let said = "Note 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) spent 50 % of its time on \
                compiling in 5 min: 100 ms of 200 ms in each of 100 runs";
    speaks_and_is_silent(
        rule,
        said,
        &costly,
        &[
            ("nothing told", json!({"jit_optimization_seconds": null})),
            ("it pays", json!({"exec_seconds": 30.0})),
            ("next to nothing", json!({"jit_optimization_seconds": 5.0, "exec_seconds": 9.0})),
            ("seldom", json!({"calls": 9})),
        ],
    );
    assert_eq!(ran(costly).fix(rule).unwrap().sql, [r#"ALTER ROLE "app" IN DATABASE "shop" SET jit = off;"#]);
}

pub fn logs(bytes: u64) -> World {
    said_as(
        "UPDATE docs SET d = ?",
        &[(
            300.0,
            json!({"calls": 100, "rows": 10_000, "exec_seconds": 1.0, "wal_bytes": bytes, "wal_full_images": 10}),
        )],
    )
}

#[test]
fn a_statement_logs_far_more_than_it_changes() {
    let rule = "statement-wal-heavy";
    let said = |world: World| world.said(rule);
    let sentence = "Note 00000000000000aa: statement 00000000000000aa (UPDATE docs SET d = ?) added 400 MiB to the log in 5 min, \
                    100 % of all: 41 KiB for each of 10,000 rows that it changed";
    assert_eq!(said(logs(400 * MIB)), [sentence]);
    let in_parts = said_as(
        "WITH n AS (INSERT INTO docs SELECT ? RETURNING id) SELECT count(*) FROM n",
        &[(
            300.0,
            json!({"calls": 100, "rows": 100, "exec_seconds": 1.0, "wal_bytes": 400 * MIB, "wal_full_images": 10}),
        )],
    );
    assert_eq!(said(in_parts), NOTHING, "what it returns is not what it changed");
    let update = |changes| {
        said(said_as(
            "UPDATE docs SET d = ?",
            &[(
                300.0,
                with(
                    json!({
                        "calls": 100, "rows": 10_000, "exec_seconds": 1.0, "wal_bytes": 400 * MIB, "wal_full_images": 10,
                    }),
                    changes,
                ),
            )],
        ))
    };
    for (what, changes) in [
        ("nothing told", json!({"wal_bytes": null})),
        ("many rows", json!({"rows": 100_000})),
        ("no row", json!({"rows": 0})),
        ("pages written whole", json!({"wal_full_images": 51_000})),
        ("little", json!({"wal_bytes": 290 * MIB, "rows": 1_000})),
    ] {
        assert_eq!(update(changes), NOTHING, "{what}");
    }
    assert_eq!(
        said(World { texts: logs(1).texts, ..ran(json!({"calls": 1, "rows": 1, "wal_bytes": 900 * MIB})) })
            .len(),
        1
    );
    assert_eq!(
        said(ran(json!({"calls": 1, "rows": 1, "wal_bytes": 900 * MIB}))),
        NOTHING,
        "a SELECT sets hint bits"
    );
}

pub fn returns(rows: u64) -> World {
    ran(json!({"calls": 200, "rows": rows, "exec_seconds": 9.0}))
}

#[test]
fn a_statement_returns_what_nobody_reads() {
    let costly = json!({"calls": 200, "rows": 4_000_000, "exec_seconds": 9.0});
    let said = "Note 00000000000000aa: statement 00000000000000aa (SELECT * FROM orders WHERE note = ?) returned 20,000 rows in each \
                of 200 calls in 5 min";
    speaks_and_is_silent(
        "statement-returns-too-much",
        said,
        &costly,
        &[
            ("pages", json!({"calls": 401})),
            ("an export", json!({"calls": 19})),
            ("seldom", json!({"rows": 2_900_000, "calls": 100})),
        ],
    );
    let written = said_as("INSERT INTO archive SELECT * FROM orders", &[(300.0, costly)]);
    assert_eq!(written.said("statement-returns-too-much"), NOTHING, "they went nowhere");
}

#[test]
fn on_first_sight_the_server_is_believed() {
    let (_, now) = stretch(
        90_000.0,
        &json!({"calls": 30_000, "exec_seconds": 9.0, "temp_written_bytes": 300_000 * MIB}),
    );
    let texts = ran(json!({"calls": 1})).texts;
    let world = World { since_reset: Some(Window::since_reset(&now)), now, texts, ..World::default() };
    let found = world.found("statement-spills");
    assert!(found[0].because.contains("in the 1 d 1 h that the server remembers"), "{}", found[0].because);
    assert_eq!(found[0].confidence, crate::model::Confidence::Unverified);
}
