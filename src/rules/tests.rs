//! Each page of the handbook against servers that are made up: what makes it speak, and what leaves it silent.
//! The servers are in `made_up`; nothing here asks a real one.

mod collations;
mod erratic;
mod estimates;
mod explained;
mod hot;
mod index_appended_primary_key;
mod index_bloated;
mod index_duplicate;
mod index_invalid;
mod index_missing_on_foreign_key;
mod index_redundant_prefix;
mod index_unused;
pub(crate) mod logged;
mod logs;
pub(crate) mod made_up;
mod n_plus_one;
mod patterns;
pub(crate) mod plans;
mod programs;
mod reads;
mod replication;
mod runs;
mod server_digests_lost;
mod server_history_list_long;
mod server_instruments_off;
mod server_statements_evicting;
mod server_watched_twice;
mod server_watched_with_write_rights;
mod session_blocking;
mod session_idle_in_transaction;
mod session_metadata_lock;
mod standby;
mod statements;
mod subqueries;
mod table_key_exhaustion;
mod table_wraparound;
mod upkeep;

use super::Handbook;
use crate::model::{Fix, Flavour};
use crate::rule::Word;
use crate::script;
use collations::{JOIN, joined};
use erratic::erratic;
use estimates::{cascades, changed, generic, pairs, rereads_kept, unforeseen};
use explained::{buffered, waded};
use hot::{cold, many};
use index_appended_primary_key::appended;
use index_bloated::bloated;
use index_duplicate::twins;
use index_invalid::broken;
use index_missing_on_foreign_key::deleting;
use index_redundant_prefix::longer;
use index_unused::unused;
use logged::{batches, rereads, shows, sorts};
use logs::{cancelled, complaining, connecting, deadlocked, failing};
use made_up::*;
use n_plus_one::follows;
use patterns::{anywhere, begins};
use plans::{flipped, partitioned, with_index, without_index};
use programs::{called, kept_by, scheduled};
use reads::{
    BY_CODE, COUNT, LIST, POLL, alternatives, converted, counting, hidden, lists, paging, polls, walks,
};
use replication::{lagging, stopped};
use runs::{discards, fetches, forgets, short};
use serde_json::json;
use server_digests_lost::losing;
use server_history_list_long::kept;
use server_instruments_off::without;
use server_statements_evicting::evicting;
use server_watched_twice::beside;
use server_watched_with_write_rights::watched_as;
use session_blocking::blocked;
use session_idle_in_transaction::idle;
use session_metadata_lock::queued;
use statements::{
    chooses, compiled, dominant, examines, fails, joins, logs, planned, regressed, returns, spills,
    tables_on_disk,
};
use subqueries::{NOT_IN, denied, per_row};
use table_key_exhaustion::used;
use table_wraparound::aged;
use upkeep::{checkpoints, connected, forgotten, neglected, set, slot};

/// A world that makes a page speak, and one that does not.
fn worlds(id: &str) -> (World, World) {
    match id {
        "event-never-runs" => (scheduled("OFF", "enabled"), scheduled("ON", "enabled")),
        "function-dominant" => (called("trigger", 150.0), called("trigger", 149.0)),
        "index-bloated" => (bloated(json!({}), json!({})), bloated(json!({"rows": 3_000_000}), json!({}))),
        "index-duplicate" => (twins(json!({}), json!({})), twins(json!({}), json!({"columns": "3"}))),
        "index-invalid" => (broken(json!({})), broken(json!({"is_valid": true}))),
        "index-hidden-by-expression" => (hidden("(lower(note) = $1)"), hidden("(note = $1)")),
        "server-checkpoints-requested" => (checkpoints(20, 4, 10 << 30), checkpoints(5, 1, 10 << 30)),
        "statement-counts-everything" => (counting(COUNT, json!({})), counting(COUNT, json!({"calls": 9}))),
        "statement-deep-offset" => (paging(json!({}), json!({})), paging(json!({"rows": 10_000}), json!({}))),
        "statement-in-list-explosion" => (lists(LIST, 50, &["public"]), lists(LIST, 49, &["public"])),
        "statement-implicit-conversion" => {
            (converted(BY_CODE, json!({})), converted(BY_CODE, json!({"rows": 1_000_000})))
        }
        "statement-collations-differ" => (
            joined(JOIN, "latin1_swedish_ci", "utf8mb4_0900_ai_ci"),
            joined(JOIN, "utf8mb4_0900_ai_ci", "utf8mb4_0900_ai_ci"),
        ),
        "statement-order-by-limit-trap" => {
            (walks(json!({}), json!({})), walks(json!({"rows": 100_000}), json!({})))
        }
        "statement-queue-polling" => (polls(POLL, json!({})), polls(POLL, json!({"rows": 2_000}))),
        "statement-or-across-columns" => (
            alternatives("((customer = $1) OR (note = $2))"),
            alternatives("((customer = $1) AND (note = $2))"),
        ),
        "index-keeps-updates-from-hot" => (cold(500), cold(30_000)),
        "index-missing" => (without_index(), with_index()),
        "index-missing-on-foreign-key" => (deleting(10, json!({})), deleting(9, json!({}))),
        "index-appended-primary-key" => {
            let unique = json!({"is_unique": true});
            (appended(json!({}), json!({}), json!({})), appended(json!({}), unique, json!({})))
        }
        "index-redundant-prefix" => {
            (longer(json!({}), json!({})), longer(json!({}), json!({"columns": "3 2"})))
        }
        "index-too-many" => (many(11), many(10)),
        "index-unused" => (unused(30.0, json!({})), unused(30.0, json!({"size_bytes": 1000}))),
        "plan-correlated-columns" => (pairs(100), pairs(1_000)),
        "plan-disk-sort" => (shows(sorts(4_096)), shows(sorts(4_095))),
        "plan-generic-worse" => (generic("(customer = $1)"), generic("(customer = 1)")),
        "plan-foreign-filter" => (discards(json!({})), discards(json!({"Rows Removed by Filter": 9_999}))),
        "plan-heap-fetches" => {
            (fetches(json!({}), json!({}), &[]), fetches(json!({"Heap Fetches": 9_999}), json!({}), &[]))
        }
        "plan-join-buffer" => (buffered(2_000), buffered(1_999)),
        "plan-key-partly-used" => (waded(1_000_000), waded(999_999)),
        "plan-lossy-bitmap" => (forgets(json!({})), forgets(json!({"Lossy Heap Blocks": 99_999}))),
        "plan-parallel-shortfall" => (short(4, 2), short(4, 3)),
        "plan-hash-batches" => (shows(batches(2)), shows(batches(1))),
        "plan-inner-sequential-scan" => (shows(rereads(100)), shows(rereads(99))),
        "plan-materialise-reread" => (rereads_kept(100), rereads_kept(99)),
        "plan-misestimate" => (changed(200_000), changed(199_999)),
        "plan-nested-loop" => (unforeseen(15_000), unforeseen(9_999)),
        "plan-trigger-time" => (cascades(1_000.0), cascades(999.0)),
        "plan-partitions-not-pruned" => {
            (partitioned("(date(placed) = $1)", json!({})), partitioned("(placed = $1)", json!({})))
        }
        "replication-lagging" => (lagging(60.0), lagging(59.0)),
        "replication-stopped" => (stopped(json!({"applying": 0})), stopped(json!({}))),
        "replication-slot-retains" => (slot(json!({})), slot(json!({"active": 1}))),
        "server-connections-exhausting" => (connected(70, json!(100)), connected(60, json!(100))),
        "server-checkpoint-storm" => (complaining(5), complaining(4)),
        "server-deadlocks" => (deadlocked(3), deadlocked(2)),
        "server-errors" => (failing(0, 20, "42P01"), failing(0, 19, "42P01")),
        "session-connect-storm" => (connecting(6_000), connecting(5_999)),
        "statement-cancelled" => (cancelled(5), cancelled(4)),
        "server-digests-lost" => (losing(600.0, 10), losing(600.0, 9)),
        "server-history-list-long" => (kept(100_000), kept(99_999)),
        "server-instruments-off" => (without("statements_digest"), without("PROCESS")),
        "server-statements-evicting" => (evicting(3_600.0, 10), evicting(3_600.0, 9)),
        "server-watched-twice" => (beside(&[180.0]), beside(&[179.0])),
        "server-watched-with-write-rights" => {
            (watched_as(json!({"is_superuser": true})), watched_as(json!({})))
        }
        "session-blocking" => (blocked(json!({"victims": 10})), blocked(json!({"victims": 9}))),
        "session-idle-in-transaction" => (idle(300.0, json!({})), idle(299.0, json!({}))),
        "session-metadata-lock" => (queued(10.0), queued(9.9)),
        "table-key-exhaustion" => (used(75.0), used(74.9)),
        "table-not-crash-safe" => (kept_by("MyISAM", json!({})), kept_by("InnoDB", json!({}))),
        "setting-autovacuum-off" => (set("autovacuum", "off"), set("autovacuum", "on")),
        "setting-loses-data" => (set("fsync", "off"), set("fsync", "on")),
        "statement-correlated-subquery" => (per_row(10_000_000), per_row(100_000)),
        "statement-leading-wildcard" => (anywhere(100_000), anywhere(99_999)),
        "statement-like-collation" => (begins(100_000), begins(99_999)),
        "statement-dominant" => (dominant(90.0), dominant(9.0)),
        "statement-erratic" => (erratic(0.06), erratic(0.01)),
        "statement-errors" => (fails(100), fails(99)),
        "statement-full-join" => (joins(1_000), joins(499)),
        "statement-range-checked" => (chooses(1_000), chooses(499)),
        "statement-jit-overhead" => (compiled(10.0), compiled(7.0)),
        "statement-n-plus-one" => (follows(20_000), follows(2_000)),
        "statement-not-in-nullable" => (denied(NOT_IN, json!({})), denied(NOT_IN, json!({"not_null": true}))),
        "statement-plan-flipped" => (flipped(100.0, 0.001), flipped(29.0, 0.001)),
        "statement-planning-dominates" => (planned(15.0), planned(4.0)),
        "statement-regressed" => (regressed(0.05), regressed(0.001)),
        "statement-returns-too-much" => (returns(4_000_000), returns(1_000_000)),
        "statement-rows-examined" => (examines(100_000), examines(20_000)),
        "statement-spills" => (spills(1_000 * MIB), spills(10 * MIB)),
        "statement-temp-disk-tables" => (tables_on_disk(1_000), tables_on_disk(200)),
        "statement-wal-heavy" => (logs(400 * MIB), logs(40 * MIB)),
        "table-statistics-stale" => (forgotten(450_000, 500_000, json!({})), forgotten(4, 5, json!({}))),
        "table-vacuum-behind" => (neglected(450_000, 500_000, json!({})), neglected(4, 5, json!({}))),
        "table-wraparound" => (aged(json!({"xid_age": 1e9})), aged(json!({"xid_age": 1e8}))),
        _ => (World::default(), World::default()),
    }
}

/// Invariant 11. A page added without a line there does not pass.
#[test]
fn every_page_has_a_world_that_makes_it_speak_and_one_that_does_not() {
    for id in Handbook::IDS {
        let (speaks, silent) = worlds(id);
        assert_eq!(speaks.said(id).len(), 1, "{id} fires");
        assert_eq!(silent.said(id), NOTHING, "{id} is silent");
        assert!(silent.could_speak().contains(id), "the silence of {id} is health");
        assert!(!World::default().could_speak().contains(id), "the silence of {id} is ignorance");
    }
}

/// A fix that the server cannot read is worse than none.
#[test]
fn no_page_is_mended_with_itself_by_whatever_way() {
    for id in Handbook::IDS {
        let mut ways = vec![*id];
        let mut seen = std::collections::BTreeSet::new();
        while let Some(page) = ways.pop() {
            for root in Handbook::mended_with(page) {
                assert!(Handbook::IDS.contains(root), "{page} is mended with {root}, which is no page");
                assert_ne!(root, id, "{id} is mended with itself by {page}");
                if seen.insert(root) {
                    ways.push(root);
                }
            }
        }
    }
}

#[test]
fn no_page_gives_mysql_the_sql_of_postgres() {
    const POSTGRES: [&str; 10] = [
        "\"",
        "CONCURRENTLY",
        "REINDEX",
        "VACUUM",
        "pg_",
        "ALTER SYSTEM",
        "ALTER ROLE",
        "ALTER SEQUENCE",
        "SET lock_timeout",
        "::",
    ];
    let mut checked = 0;
    let mysql = [Flavour::Mysql, Flavour::Mariadb];
    for (id, flavour) in Handbook::IDS.iter().flat_map(|id| mysql.map(|flavour| (id, flavour))) {
        let world = World { flavour, ..worlds(id).0 };
        for Fix { sql, rollback, .. } in world.found(id).into_iter().filter_map(|finding| finding.fix) {
            for statement in sql.iter().chain(&rollback) {
                let word = POSTGRES.iter().find(|word| statement.contains(**word));
                assert_eq!(word, None, "{id} on {flavour:?}: {statement}");
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "only {checked} statements were seen");
}

#[test]
fn only_pages_that_have_their_topics_and_are_not_skipped_can_speak() {
    let world = idle(300.0, json!({}));
    let of_sessions = ["server-instruments-off", "session-idle-in-transaction", "session-metadata-lock"];
    assert_eq!(world.could_speak(), of_sessions);
    let handbook = Handbook { skip: of_sessions.map(String::from).into(), ..Handbook::default() };
    let reading = handbook.read(&world.seen());
    assert!(reading.could_speak.is_empty() && reading.words.is_empty());
}

#[test]
fn a_page_speaks_of_the_databases_whose_topics_were_read() {
    let world = unused(30.0, json!({}));
    let could_speak = |database| world.read().could_speak("index-unused", database, &world.now);
    assert!(could_speak(Some("shop")));
    assert!(!could_speak(Some("blog")));
    assert!(!world.read().could_speak("table-wraparound", Some("shop"), &world.now));
}

#[test]
fn who_advises_to_drop_an_index_asks_for_the_way_back_first() {
    let odd = json!({"schema": "we\"ird; drop", "index": "x\"; DROP TABLE y; --"});
    let definition = r#"CREATE INDEX "x""; DROP TABLE y; --" ON "we""ird; drop".orders USING btree (note)"#;
    let spare = with(odd.clone(), json!({"scans": 0}));
    for (id, world) in
        [("index-unused", unused(30.0, odd)), ("index-duplicate", twins(spare, json!({"scans": 1})))]
    {
        let unasked = World { answers: Default::default(), ..world };
        let words = unasked.read().words;
        assert!(matches!(&words[..], [Word::Question(question)] if *question == definition_of(7)), "{id}");

        let fixed = unasked.told(7, definition);
        let Fix { sql, rollback, transactional, .. } = fixed.fix(id).unwrap();
        assert_eq!(sql[0], "SET lock_timeout = 0;");
        assert_eq!(sql[1], r#"DROP INDEX CONCURRENTLY "we""ird; drop"."x""; DROP TABLE y; --";"#);
        assert_eq!(
            rollback,
            [format!("{};", definition.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY"))]
        );
        assert!(!transactional);

        let refused = fixed.refused(7);
        assert_eq!(
            (refused.said(id).len(), refused.fix(id)),
            (1, None),
            "{id} without the way back: no advice"
        );
    }
}

#[test]
fn a_fix_speaks_the_language_of_its_server() {
    let odd = json!({"schema": "we`ird; drop", "index": "x`; DROP TABLE y; --", "table": "t`t"});
    let definition = "CREATE INDEX `x` ON `t` (`note`)";
    for flavour in [Flavour::Mysql, Flavour::Mariadb] {
        let speaking = |world: World| World { flavour, ..world };
        let fix = speaking(unused(30.0, odd.clone()).told(7, definition)).fix("index-unused").unwrap();
        assert_eq!(
            fix.sql,
            [
                "SET SESSION lock_wait_timeout = 2;",
                "ALTER TABLE `we``ird; drop`.`t``t` DROP INDEX `x``; DROP TABLE y; --`, ALGORITHM=INPLACE, LOCK=NONE;",
            ]
        );
        assert_eq!(fix.rollback, ["CREATE INDEX `x` ON `t` (`note`) ALGORITHM=INPLACE LOCK=NONE;"]);
        let altered = speaking(unused(30.0, json!({})).told(7, "ALTER TABLE `t` ADD INDEX `x` (`note`);"));
        assert_eq!(
            altered.fix("index-unused").unwrap().rollback,
            ["ALTER TABLE `t` ADD INDEX `x` (`note`), ALGORITHM=INPLACE, LOCK=NONE;"]
        );

        let hidden = speaking(unused(30.0, json!({"is_visible": true})).told(7, definition));
        let hidden = hidden.fix("index-unused").unwrap();
        let word = if flavour == Flavour::Mariadb { "IGNORED" } else { "INVISIBLE" };
        let back = if flavour == Flavour::Mariadb { "NOT IGNORED" } else { "VISIBLE" };
        assert_eq!(hidden.sql[1], format!("ALTER TABLE `public`.`orders` ALTER INDEX `note_idx` {word};"));
        assert_eq!(
            hidden.rollback[1],
            format!("ALTER TABLE `public`.`orders` ALTER INDEX `note_idx` {back};")
        );
        assert_eq!((hidden.sql.len(), hidden.rollback.len()), (3, 2));

        let sql = |id, world: World| speaking(world).fix(id).unwrap().sql;
        let blocked_by = |state| blocked(json!({"victims": 10, "pid": 7, "state": state}));
        assert_eq!(sql("session-blocking", blocked_by("idle in transaction")), ["KILL 7;"]);
        assert_eq!(sql("session-blocking", blocked_by("active")), ["KILL QUERY 7;"]);
        let forgotten = speaking(idle(300.0, json!({"pid": 7}))).fix("session-idle-in-transaction").unwrap();
        assert_eq!((forgotten.sql, forgotten.rollback), (vec!["KILL 7;".to_owned()], vec![]));
    }
}

#[test]
fn only_the_first_words_of_a_definition_are_changed() {
    for (definition, built) in [
        (
            r#"CREATE INDEX "CREATE INDEX " ON t (a)"#,
            r#"CREATE INDEX CONCURRENTLY "CREATE INDEX " ON t (a);"#,
        ),
        (
            r#"CREATE UNIQUE INDEX "a CREATE INDEX b" ON t (a)"#,
            r#"CREATE UNIQUE INDEX CONCURRENTLY "a CREATE INDEX b" ON t (a);"#,
        ),
        (
            r#"CREATE INDEX "CREATE UNIQUE INDEX " ON t (a)"#,
            r#"CREATE INDEX CONCURRENTLY "CREATE UNIQUE INDEX " ON t (a);"#,
        ),
        (
            "CREATE UNIQUE INDEX i ON t (a) WHERE (n = 'CREATE INDEX '::text)",
            "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a) WHERE (n = 'CREATE INDEX '::text);",
        ),
    ] {
        assert_eq!(script::concurrently(definition), built);
    }
}
