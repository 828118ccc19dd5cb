use super::made_up::*;
use crate::model::Flavour;
use crate::model::{Role, Scope};
use serde_json::{Value, json};

const RULE: &str = "server-watched-with-write-rights";

/// Our login, but for the changes, and one that nobody asks about.
pub fn watched_as(changes: Value) -> World {
    let ours = with(json!({"oid": 7, "role": "sonde", "is_ours": true}), changes);
    let admin = json!({"oid": 10, "role": "postgres", "is_superuser": true, "is_ours": false});
    let roles: Vec<Role> = vec![row(ours), row(admin)];
    World { now: snapshot(0.0, Scope::Server, roles), ..World::default() }
}

#[test]
fn a_login_that_may_write() {
    let said = watched_as(json!({"is_superuser": true, "creates_roles": true})).said(RULE);
    assert_eq!(
        said,
        ["Warning sonde: dbsonde is connected as sonde, with 1 right that watching does not need: superuser"]
    );
    let said = watched_as(json!({"creates_databases": true, "writes": "writes to tables, creates schemas"}))
        .said(RULE);
    assert!(said[0].starts_with("Note sonde") && said[0].contains("with 3 rights"), "{said:?}");
    assert_eq!(watched_as(json!({"writes": ""})).said(RULE), NOTHING);
    assert_eq!(watched_as(json!({"is_ours": null, "is_superuser": true})).said(RULE), NOTHING);
}

#[test]
fn what_can_be_taken_from_it() {
    let fix = watched_as(json!({"is_superuser": true})).fix(RULE).unwrap();
    assert_eq!(fix.sql, ["GRANT pg_monitor TO \"sonde\";", "ALTER ROLE \"sonde\" NOSUPERUSER;"]);
    assert_eq!(fix.rollback, ["ALTER ROLE \"sonde\" SUPERUSER;"]);
    assert!(
        watched_as(json!({"oid": 10, "is_superuser": true})).fix(RULE).is_none(),
        "the first cannot lose it"
    );
    assert!(watched_as(json!({"writes": "writes to tables"})).fix(RULE).is_none());
}

#[test]
fn a_login_of_mysql_loses_its_rights_by_their_own_names() {
    let as_login = |changes| World {
        flavour: Flavour::Mysql,
        ..watched_as(with(json!({"role": "'sonde'@'%'", "creates_databases": true}), changes))
    };
    let writer = as_login(json!({"writes": "CREATE, INSERT"}));
    let fix = writer.fix("server-watched-with-write-rights").unwrap();
    assert_eq!(fix.sql, ["REVOKE CREATE, INSERT ON *.* FROM 'sonde'@'%';"]);
    assert_eq!(fix.rollback, ["GRANT CREATE, INSERT ON *.* TO 'sonde'@'%';"]);
    let in_schemas = "INSERT, UPDATE ON `shop`.*; DROP ON `blog`.*; and 2 more";
    let also = as_login(json!({"writes": "FILE", "schema_writes": in_schemas})).fix(RULE).unwrap();
    assert_eq!(
        also.sql,
        [
            "REVOKE FILE ON *.* FROM 'sonde'@'%';",
            "REVOKE INSERT, UPDATE ON `shop`.* FROM 'sonde'@'%';",
            "REVOKE DROP ON `blog`.* FROM 'sonde'@'%';"
        ]
    );
    assert_eq!(also.rollback[2], "GRANT DROP ON `blog`.* TO 'sonde'@'%';");
    let only = as_login(json!({"writes": "", "schema_writes": "and 1 more"}));
    assert_eq!((only.said(RULE).len(), only.fix(RULE)), (1, None));
    let root = as_login(json!({"is_superuser": true, "writes": "CREATE, SUPER"}));
    assert_eq!(
        (root.said("server-watched-with-write-rights").len(), root.fix("server-watched-with-write-rights")),
        (1, None)
    );
}
