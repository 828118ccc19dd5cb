use super::made_up::*;
use crate::model::{Blocker, Flavour, Session};
use serde_json::{Value, json};

const RULE: &str = "session-metadata-lock";

fn waiter(pid: i64, seconds: f64) -> Session {
    row(json!({
        "pid": pid, "database": "shop", "user": "web", "state": "active", "wait_class": "Lock",
        "wait_event": "table metadata", "asked": 1_000.0, "state_change": 1_000.0 - seconds,
    }))
}

/// Some who wait behind 7, the holder, who is in this state; none if the server does not tell.
fn queue(waiting: Vec<Session>, holder: Option<&str>, mode: &str) -> World {
    let pids: Vec<i64> = waiting.iter().map(|session| session.pid).collect();
    let mut now = snapshot(0.0, crate::model::Scope::Server, waiting);
    if let Some(state) = holder {
        let tree: Vec<String> = pids.iter().map(|pid| format!("7<{pid}")).collect();
        let root: Blocker = row(json!({
            "pid": 7, "database": "shop", "user": "report", "state": state, "tree": tree.join(" "), "victims": pids.len(),
            "lock": format!("metadata {mode}"),
        }));
        now.parts.extend(snapshot(0.0, crate::model::Scope::Server, vec![root]).parts);
    }
    World { now, flavour: Flavour::Mysql, ..World::default() }
}

/// One who has waited so long behind a transaction that does nothing.
pub fn queued(seconds: f64) -> World {
    queue(vec![waiter(8, seconds)], Some("idle in transaction"), "EXCLUSIVE")
}

#[test]
fn a_queue_behind_a_schema_change() {
    assert_eq!(queued(9.9).said(RULE), NOTHING);
    assert_eq!(
        queued(10.0).said(RULE),
        [
            "Warning report pid 7: 1 session waits for the metadata lock of a table, held by session 7 of report, \
          which is idle in transaction; the longest for 10 s"
        ]
    );
    assert!(queued(59.0).said(RULE)[0].starts_with("Warning"));
    assert!(queued(60.0).said(RULE)[0].starts_with("Urgent"));
    let many =
        |count: i64| queue((8..8 + count).map(|pid| waiter(pid, 1.0)).collect(), Some("active"), "EXCLUSIVE");
    assert_eq!(many(9).said(RULE), NOTHING);
    assert!(many(10).said(RULE)[0].starts_with("Urgent report pid 7: 10 sessions wait"));

    let row_lock: Value =
        json!({"pid": 8, "wait_class": "Lock", "wait_event": "row", "asked": 99.0, "state_change": 0.0});
    assert_eq!(queue(vec![row(row_lock)], None, "").said(RULE), NOTHING, "that is another page's");
}

#[test]
fn who_is_in_the_way_is_ended() {
    let sql = |world: World| world.fix(RULE).unwrap().sql;
    assert_eq!(sql(queued(20.0)), ["KILL 7;"]);
    let two = || vec![waiter(9, 20.0), waiter(8, 30.0)];
    assert_eq!(sql(queue(two(), Some("active"), "EXCLUSIVE")), ["KILL QUERY 8;"], "the first to wait");
    let unknown = queue(two(), None, "");
    assert_eq!(unknown.said(RULE).len(), 1);
    assert!(unknown.said(RULE)[0].contains("somebody whom the server does not name"));
    assert_eq!(sql(unknown), ["KILL QUERY 8;"]);
    let reader = queue(vec![waiter(8, 20.0)], Some("active"), "SHARED_READ");
    assert_eq!(sql(reader), ["KILL QUERY 7;"], "the schema change itself is at work");
    let applier = || Session { state: Some("background".into()), ..waiter(8, 30.0) };
    let behind = |holder, mode| queue(vec![applier(), waiter(9, 20.0)], holder, mode);
    assert_eq!(
        sql(behind(Some("active"), "EXCLUSIVE")),
        ["KILL QUERY 7;"],
        "not what plays a source's changes"
    );
    for holder in [Some("background"), None] {
        assert_eq!(behind(holder, "EXCLUSIVE").fix(RULE), None, "{holder:?}");
    }
}

/// On a real server a reader that came just after the question was said to wait for somebody without a name.
#[test]
fn who_came_since_the_server_was_asked_is_not_behind_somebody_unknown() {
    let with_newcomer = |seconds: f64| {
        let mut world = queued(20.0);
        let both = vec![waiter(8, 20.0), waiter(9, seconds)];
        world.now.parts.extend(snapshot(0.0, crate::model::Scope::Server, both).parts);
        world
    };
    assert_eq!(with_newcomer(14.9).said(RULE), queued(20.0).said(RULE));
    assert_eq!(with_newcomer(15.0).said(RULE).len(), 2, "asked meanwhile, and still without a name");
}
