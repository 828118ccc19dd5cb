use super::made_up::*;
use crate::engine::Lack;
use crate::model::{Flavour, Scope, Session};

const RULE: &str = "server-instruments-off";

/// A server of which this is switched off.
pub fn without(what: &str) -> World {
    let disables = "no statement can be measured".into();
    let lack = Lack { what: what.into(), disables, mend: format!("switch {what} on") };
    World {
        now: snapshot::<Session>(0.0, Scope::Server, vec![]),
        lacks: vec![lack],
        flavour: Flavour::Mysql,
        ..World::default()
    }
}

#[test]
fn what_is_switched_off_has_its_price() {
    assert_eq!(
        without("performance_schema").said(RULE),
        [
            "Warning performance_schema: performance_schema is off: no statement can be measured; switched on it takes 205 MiB of memory"
        ]
    );
    let mariadb = || World { flavour: Flavour::Mariadb, ..without("performance_schema") };
    assert!(mariadb().said(RULE)[0].ends_with("takes 94 MiB of memory"), "{:?}", mariadb().said(RULE));
    assert!(without("statements_digest").said(RULE)[0].ends_with("switched on it takes no more memory"));
    for what in ["events_waits_current", "PROCESS", "SELECT on mysql.innodb_table_stats"] {
        assert_eq!(without(what).said(RULE), NOTHING, "{what}");
    }
}

#[test]
fn it_is_switched_on_where_sql_can() {
    let fix = without("performance_schema").fix(RULE).unwrap();
    assert_eq!(
        (&*fix.sql[0], &*fix.rollback[0]),
        ("SET PERSIST_ONLY performance_schema = ON;", "RESET PERSIST performance_schema;")
    );
    let mariadb = World { flavour: Flavour::Mariadb, ..without("performance_schema") };
    assert_eq!(mariadb.fix(RULE), None);
    let fix = without("statements_digest").fix(RULE).unwrap();
    assert!(fix.sql[0].contains("SET enabled = 'YES' WHERE name = 'statements_digest'"));
    assert!(fix.rollback[0].contains("SET enabled = 'NO' WHERE name = 'statements_digest'"));
}
