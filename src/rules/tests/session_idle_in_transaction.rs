use super::made_up::*;
use super::session_blocking::blocked;
use crate::model::{Scope, Session};
use serde_json::{Value, json};

pub fn idle(seconds: f64, changes: Value) -> World {
    let session = json!({
        "pid": 42, "backend_start": 5, "database": "shop", "user": "app", "application": "web",
        "state": "idle in transaction", "state_change": 1_000, "asked": 1_000.0 + seconds,
    });
    let session: Session = row(with(session, changes));
    World { now: snapshot(0.0, Scope::Server, vec![session]), ..World::default() }
}

#[test]
fn a_session_that_went_away_in_its_transaction() {
    let rule = "session-idle-in-transaction";
    let sentence = "session 42 of app on shop (web) has done nothing inside its transaction for";
    let expect = |severity: &str, rest: &str| [format!("{severity} app (web) pid 42: {sentence} {rest}")];
    let aborted = json!({"state": "idle in transaction (aborted)"});
    let holding = json!({"xmin_age": 1_234_567});
    assert_eq!(idle(300.0, json!({})).said(rule), expect("Warning", "5 min"));
    assert_eq!(idle(300.0, aborted).said(rule), expect("Warning", "5 min"));
    assert_eq!(idle(3_599.0, json!({})).said(rule), expect("Warning", "59 min 59 s"));
    assert_eq!(idle(3_600.0, json!({})).said(rule), expect("Urgent", "1 h"));
    let holds = "5 min, holding back vacuum by 1,234,567 transactions";
    assert_eq!(idle(300.0, holding).said(rule), expect("Warning", holds));

    for (what, seconds, changes) in [
        ("not for long", 299.9, json!({})),
        ("at work", 9_000.0, json!({"state": "active"})),
        ("idle outside", 9_000.0, json!({"state": "idle"})),
        ("hidden from us", 9_000.0, json!({"state": null})),
        ("of unknown age", 9_000.0, json!({"state_change": null})),
        ("clock not told", 9_000.0, json!({"asked": null})),
        ("changed after it was asked", -1.0, json!({})),
    ] {
        assert_eq!(idle(seconds, changes).said(rule), NOTHING, "{what}");
    }

    for (what, seconds, blocking, said) in [
        ("one waits", 300.0, json!({}), vec![expect("Urgent", "5 min, while 1 session waits for it")]),
        (
            "two wait",
            300.0,
            json!({"victims": 2}),
            vec![expect("Urgent", "5 min, while 2 sessions wait for it")],
        ),
        ("for somebody else", 300.0, json!({"pid": 41}), vec![expect("Warning", "5 min")]),
        ("too short for this page", 299.0, json!({"victims": 2}), vec![]),
    ] {
        let mut world = idle(seconds, json!({}));
        world.now.parts.extend(blocked(blocking).now.parts);
        assert_eq!(world.said(rule), said.concat(), "{what}");
    }
}

#[test]
fn the_limit_of_a_role_is_set_where_both_are_known_and_quoted() {
    let set = "SET idle_in_transaction_session_timeout = '10min';";
    let reset = "RESET idle_in_transaction_session_timeout;";
    let odd = json!({"user": "we\"ird; drop", "database": "d\"b"});
    for (changes, alter) in [
        (odd, Some(r#"ALTER ROLE "we""ird; drop" IN DATABASE "d""b""#)),
        (json!({"database": null}), Some(r#"ALTER ROLE "app""#)),
        (json!({"user": null}), None),
    ] {
        let fix = idle(300.0, changes).fix("session-idle-in-transaction").unwrap();
        let end = "SELECT pg_terminate_backend(42);".to_owned();
        assert_eq!(
            fix.sql,
            alter.map(|alter| format!("{alter} {set}")).into_iter().chain([end]).collect::<Vec<_>>()
        );
        assert_eq!(fix.rollback, Vec::from_iter(alter.map(|alter| format!("{alter} {reset}"))));
    }
}
