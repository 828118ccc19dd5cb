use super::made_up::*;
use crate::model::{Scope, Watcher};
use serde_json::json;

const RULE: &str = "server-watched-twice";

/// Others that have been seen for so many seconds, each from a client of its own.
pub fn beside(seconds: &[f64]) -> World {
    let watcher = |(nth, seconds): (usize, &f64)| {
        row(
            json!({"watcher": format!("0000000{nth}"), "client": format!("10.0.0.{nth}"), "sessions": 3, "seen_seconds": seconds}),
        )
    };
    let watchers: Vec<Watcher> = seconds.iter().enumerate().map(watcher).collect();
    World { now: snapshot(0.0, Scope::Server, watchers), ..World::default() }
}

#[test]
fn others_that_stay_are_told_with_where_they_are() {
    let said = beside(&[180.0, 20.0]).said(RULE);
    assert_eq!(said, ["Note dbsonde: Another dbsonde watches this server beside us, from 10.0.0.0."]);
    let said = beside(&[180.0, 200.0]).said(RULE);
    assert!(
        said[0].contains("2 other dbsondes watch this server beside us, from 10.0.0.0, 10.0.0.1."),
        "{said:?}"
    );
    assert_eq!(beside(&[]).said(RULE), NOTHING);
}
