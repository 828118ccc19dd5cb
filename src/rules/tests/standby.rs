//! What the handbook says of a server that copies another one.

use super::index_unused::unused;
use super::made_up::*;
use super::{hot::many, worlds};
use crate::model::{Fix, Flavour, Scope, Server};
use crate::rules::Handbook;
use serde_json::json;

/// The same, found on a standby.
fn on_standby(world: World) -> World {
    let server = row::<Server>(json!({"version": "16.4", "version_number": 160_004, "in_recovery": true}));
    let now = together([world.now.clone(), snapshot(100.0, Scope::Server, vec![server])]);
    World { now, ..world }
}

const HEAD: &str = "-- On the primary, not here: this server is a standby and gets it from there.\n";

#[test]
fn a_script_for_a_standby_says_where_it_belongs() {
    let here = worlds("index-missing").0.fix("index-missing").unwrap();
    let there = on_standby(worlds("index-missing").0).fix("index-missing").unwrap();
    assert_eq!(there.sql, [format!("{HEAD}{}", here.sql[0]), here.sql[1].clone()]);
    assert_eq!(there.rollback, [format!("{HEAD}{}", here.rollback[0])]);
    assert!(
        there.caution.starts_with("This server is a standby: run it on the primary. Reads the table twice")
    );
    assert_eq!(Fix { caution: here.caution.clone(), ..there.clone() }.lock, here.lock);
}

/// Sessions, settings, slots and instruments are each server's own.
#[test]
fn what_is_a_servers_own_is_mended_there() {
    let mut own = Vec::new();
    for flavour in Flavour::ALL {
        let of = |id| World { flavour, ..worlds(id).0 };
        for id in Handbook::IDS {
            let fixes = |world: World| world.found(id).into_iter().filter_map(|finding| finding.fix);
            for (here, there) in fixes(of(id)).zip(fixes(on_standby(of(id)))) {
                let without_role = |fix: &Fix| {
                    fix.sql.iter().filter(|step| !step.starts_with("ALTER ROLE")).cloned().collect()
                };
                let steps: Vec<String> = without_role(&here);
                // What limits a role for the time to come is the primary's; the session is here.
                if here == there || there.sql == steps && id.starts_with("session-") {
                    own.push(*id);
                } else {
                    assert!(there.sql[0].starts_with(HEAD), "{id}: {there:?}");
                }
            }
        }
    }
    own.sort_unstable();
    own.dedup();
    assert_eq!(own, OWN);
}

const OWN: [&str; 14] = [
    "event-never-runs",
    "plan-parallel-shortfall",
    "replication-slot-retains",
    "replication-stopped",
    "server-checkpoints-requested",
    "server-digests-lost",
    "server-history-list-long",
    "server-instruments-off",
    "server-statements-evicting",
    "session-blocking",
    "session-idle-in-transaction",
    "session-metadata-lock",
    "setting-autovacuum-off",
    "setting-loses-data",
];

/// Who reads an index on the primary is not seen from here, and a standby that nobody asks reads none.
#[test]
fn nobody_reads_an_index_of_an_idle_standby() {
    for (id, world) in [("index-unused", unused(30.0, json!({}))), ("index-too-many", many(11))] {
        assert_eq!((world.said(id).len(), on_standby(world).said(id)), (1, vec![]), "{id}");
    }
}
