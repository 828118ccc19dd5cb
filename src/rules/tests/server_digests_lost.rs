use super::made_up::*;
use crate::model::{Flavour, Scope, StatementsInfo, Window};
use serde_json::json;

const RULE: &str = "server-digests-lost";

fn window(seconds: f64, lost: i64) -> Window {
    let read = |at: f64, lost: i64| {
        snapshot::<StatementsInfo>(at, Scope::Server, vec![row(json!({"entries_max": 5_000, "lost": lost}))])
    };
    Window::between(&read(0.0, 7), &read(seconds, 7 + lost))
}

/// A server that has lost so many statements in some seconds.
pub fn losing(seconds: f64, lost: i64) -> World {
    let now = snapshot::<StatementsInfo>(
        0.0,
        Scope::Server,
        vec![row(json!({"entries_max": 5_000, "lost": lost}))],
    );
    World { now, latest: window(seconds, lost), flavour: Flavour::Mysql, ..World::default() }
}

#[test]
fn statements_without_a_name() {
    assert_eq!(losing(600.0, 9).said(RULE), NOTHING);
    assert_eq!(
        losing(600.0, 10).said(RULE),
        [
            "Warning performance_schema digests: 10 statements were counted under no name in 10 min, because there is room for 5,000 digests"
        ]
    );
    assert_eq!(losing(599.0, 1_000).said(RULE), NOTHING, "no rate yet");
    assert!(!losing(599.0, 1_000).could_speak().contains(&RULE));
    let mended = World { ladder: vec![window(86_400.0, 100_000)], ..losing(600.0, 0) };
    assert_eq!(mended.said(RULE), NOTHING, "what was is mended");
}

#[test]
fn the_price_of_room_is_told() {
    let found = losing(600.0, 10).found(RULE).remove(0);
    assert!(found.advice.contains("performance_schema_digests_size = 10000"), "{}", found.advice);
    assert!(found.advice.contains("takes 25 MiB of memory"), "{}", found.advice);
    let fix = found.fix.unwrap();
    assert_eq!(fix.sql[0], "SET PERSIST_ONLY performance_schema_digests_size = 10000;");
    assert_eq!(fix.rollback, ["RESET PERSIST performance_schema_digests_size;"]);

    let mariadb = World { flavour: Flavour::Mariadb, ..losing(600.0, 10) }.found(RULE).remove(0);
    assert!(mariadb.advice.contains("takes 7.3 MiB of memory"), "{}", mariadb.advice);
    let empty = "TRUNCATE TABLE performance_schema.events_statements_summary_by_digest;";
    assert_eq!(mariadb.fix.unwrap().sql, [empty], "it cannot write its configuration");
}
