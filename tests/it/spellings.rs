//! One spelling, one fingerprint: what was typed, and what a server keeps of it. On every server, and in every mode of
//! SQL that decides where a string or a name ends.

use crate::rig::mysql::{self, Server, Version, versions};
use dbsonde::sql::{Dialect, SqlMode, normalise};
use std::collections::BTreeSet;

/// A statement a line, none of which any server keeps in a form that means something else. MySQL 5.6 writes `||` as `|`.
const SPELLINGS: [(&str, &str); 3] = [
    ("", include_str!("spellings/default.sql")),
    ("ANSI_QUOTES", include_str!("spellings/ansi_quotes.sql")),
    ("NO_BACKSLASH_ESCAPES", include_str!("spellings/no_backslash_escapes.sql")),
];
const TABLES: [&str; 3] = [
    "create database sp",
    "create table sp.t (a int primary key, b varchar(50), c int, d datetime, fulltext key (b)) engine=innodb",
    "create table sp.u (a int primary key, c int) engine=innodb",
];
const FORGET: &str = "truncate table performance_schema.events_statements_summary_by_digest";
const KEPT: &str = "select digest_text from performance_schema.events_statements_summary_by_digest
    where schema_name = 'sp' and digest_text not like 'SET %' and digest_text not like 'TRUNCATE %' and digest_text not like '%@@%' and digest_text <> 'DO ?'";

fn fingerprint(dialect: Dialect, text: &str) -> String {
    normalise(dialect, text).unwrap_or_else(|refused| panic!("{text}: {refused}")).fingerprint
}

async fn both_forms_are_one(server: &Server, version: Version, mode: &str, typed: &str) {
    let mut session = server.connect("sp").await;
    mysql::run(&mut session, &format!("set session sql_mode = '{mode}'")).await.unwrap();
    mysql::run(&mut session, FORGET).await.unwrap();
    for statement in typed.lines() {
        let done = mysql::run(&mut session, statement).await;
        done.unwrap_or_else(|error| panic!("{version}: {statement}: {error:?}"));
    }
    // The server counts a statement after its answer; once the next is answered, that has been done.
    mysql::run(&mut session, "do 0").await.unwrap();
    let dialect = Dialect::Mysql(SqlMode::of(mode, ""));
    let literal: BTreeSet<String> = typed.lines().map(|line| fingerprint(dialect, line)).collect();
    let rows = server.sql("", KEPT).await;
    let kept = rows.iter().filter_map(|row| row[0].as_deref());
    let kept: BTreeSet<String> = kept.map(|text| fingerprint(Dialect::MYSQL, text)).collect();
    let is_shown = |text: &&String| !text.contains("@@") && *text != "do";
    let lost: Vec<_> = literal.iter().filter(is_shown).filter(|text| !kept.contains(*text)).collect();
    let made: Vec<_> = kept.iter().filter(is_shown).filter(|text| !literal.contains(*text)).collect();
    assert!(lost.is_empty() && made.is_empty(), "{version} {mode}: typed {lost:#?}, kept {made:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_and_what_is_kept_have_one_fingerprint() {
    let all: usize = SPELLINGS.iter().map(|(_, typed)| typed.lines().count()).sum();
    assert!(all >= 100, "{all} statements");
    for version in versions() {
        let server = Server::start(version, &[("sql_mode", "''")]).await;
        for statement in TABLES {
            server.sql("", statement).await;
        }
        for (mode, typed) in SPELLINGS {
            both_forms_are_one(&server, version, mode, typed).await;
        }
    }
}
