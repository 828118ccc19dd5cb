use super::made_up::*;
use crate::model::{Innodb, Scope, Session, Window};
use serde_json::{Value, json};

/// A server that has kept so many old versions for a minute, with one transaction.
fn keeping(seconds: f64, length: u64, session: Value) -> World {
    let innodb =
        |at: f64| snapshot::<Innodb>(at, Scope::Server, vec![row(json!({"history_length": length}))]);
    let told = json!({"pid": 7, "user": "app", "asked": 1_000.0, "transaction_start": 400.0, "state": "idle in transaction"});
    let session: Session = row(with(told, session));
    let ladder = vec![Window::between(&innodb(0.0), &innodb(seconds))];
    let now = together([innodb(seconds), snapshot(seconds, Scope::Server, vec![session])]);
    World { now, ladder, flavour: crate::model::Flavour::Mysql, ..World::default() }
}

pub fn kept(length: u64) -> World {
    keeping(60.0, length, json!({}))
}

#[test]
fn old_versions_pile_up() {
    let rule = "server-history-list-long";
    let said = "Warning history list: InnoDB keeps old versions of 250,000 transactions, and did for 1 min; session 7 has had its \
                transaction open for 10 min";
    assert_eq!(kept(250_000).said(rule), [said]);
    assert!(kept(5_000_000).said(rule)[0].starts_with("Urgent"));
    let fix = kept(250_000).fix(rule).unwrap();
    assert_eq!((fix.sql, fix.rollback), (vec!["KILL 7;".to_owned()], vec![]));
    assert_eq!(keeping(59.0, 250_000, json!({})).said(rule), NOTHING, "a moment ago it was not so");
    for (what, session) in [
        ("young", json!({"transaction_start": 941.0})),
        ("in no transaction", json!({"transaction_start": null})),
    ] {
        let world = keeping(60.0, 250_000, session);
        assert!(world.said(rule)[0].ends_with("though no transaction is old"), "{what}");
        assert!(world.fix(rule).is_none(), "{what}: there is nobody to end");
    }
}
