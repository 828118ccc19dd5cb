//! What a log adds up to, held against what the server itself has counted of the same statements.

use crate::digest::digest;
use crate::rig::mysql::{self, Version};
use crate::rig::postgres::{self, Server};
use dbsonde::sql::{self, Dialect};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// One spelling of each statement with other values each time, `{n}` a number and `{s}` a string.
const STATEMENTS: &[&str] = &[
    "select * from goods where id = {n}",
    "SELECT  id, name FROM goods WHERE id = {n} AND name <> '{s}'",
    "select /* trace {n} */ count(*) from goods where name like '{s}%'",
    "select count(*) from goods where id in ({n}, 7, 9)",
    "select count(*) from goods where id in ({n})",
    "insert into sold (good, name) values ({n}, '{s}')",
    "insert into sold (good, name) values ({n}, '{s}'), (2, 'it''s'), (3, null)",
    "update goods set name = '{s}', price = price + {n}.5 where id = {n}",
    "update goods set price = -{n} where id = {n} and price > 1e3",
    "delete from sold where good = {n} and name = 'a''b{s}'",
    "select g.id, s.name from goods g join sold s on s.good = g.id where g.id = {n} order by s.name desc limit {n}",
    "select g.id from goods g left join sold s on s.good = g.id and s.good > {n} where s.good is null group by g.id having count(*) > {n}",
    "select case when id > {n} then 'much' else 'little' end from goods where id between {n} and 500",
    "select coalesce(name, '{s}'), id + {n} from goods where not (id = {n} or name = '{s}')",
    "select id from goods where exists (select 1 from sold where good = goods.id and good > {n})",
    "select id from goods where id > (select max(good) from sold where name = '{s}') union all select {n}",
    "with few as (select id from goods where id < {n}) select count(*) from few",
];

const TABLES: &str = "create table goods (id int primary key, name varchar(100), price decimal(12, 2));
    create table sold (good int, name varchar(100));
    insert into goods values (1, 'one', 1), (2, 'two', 2)";

/// Each statement another number of times.
fn workload() -> impl Iterator<Item = String> {
    let times = |nth: usize| 3 + nth * 7 % 11;
    STATEMENTS.iter().enumerate().flat_map(move |(nth, statement)| {
        (0..times(nth)).map(move |n| {
            let text = format!("k{}", n * 31 + nth);
            statement.replace("{n}", &(n + nth + 1).to_string()).replace("{s}", &text)
        })
    })
}

/// Calls by our digest, as a log tells them.
fn logged(log: &Path, database: &str) -> BTreeMap<String, u64> {
    let report = digest(log, &["--database", database]);
    let queries = report["queries"].as_array().unwrap().iter();
    queries
        .map(|query| (query["digest"].as_str().unwrap().to_owned(), query["calls"].as_u64().unwrap()))
        .collect()
}

/// The server's digests are merged by what their texts are to us.
async fn the_slow_log_tells_what_performance_schema_counted(version: Version) {
    let settings = [
        ("slow_query_log", "ON"),
        ("long_query_time", "0"),
        ("log_output", "FILE"),
        ("slow_query_log_file", "slow.log"),
    ];
    let server = mysql::Server::start(version, &settings).await;
    server.sql("", "create database shop").await;
    server.sql("shop", TABLES).await;
    let mut session = server.connect("shop").await;
    mysql::run(&mut session, "truncate table performance_schema.events_statements_summary_by_digest")
        .await
        .unwrap();
    mysql::run(&mut session, "flush slow logs").await.unwrap();
    std::fs::rename(server.data().join("slow.log"), server.data().join("before.log")).unwrap();
    mysql::run(&mut session, "flush slow logs").await.unwrap();
    for statement in workload() {
        mysql::run(&mut session, &statement)
            .await
            .unwrap_or_else(|error| panic!("{version}: {statement}: {error}"));
    }
    // The server counts a statement after its answer; once the next is answered, that has been done.
    mysql::run(&mut session, "do 0").await.unwrap();
    let counted = server
        .sql("", "select digest_text, count_star from performance_schema.events_statements_summary_by_digest where schema_name = 'shop'")
        .await;
    let mut truth: BTreeMap<String, u64> = BTreeMap::new();
    for row in counted {
        let text = row[0].clone().unwrap();
        if !["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|word| text.starts_with(word)) {
            continue;
        }
        let normal =
            sql::normalise(Dialect::MYSQL, &text).unwrap_or_else(|why| panic!("{version}: {text}: {why:?}"));
        let digest = normal.key().unwrap_or_else(|| panic!("{version}: {text} is cut"));
        *truth.entry(digest.to_string()).or_default() += row[1].clone().unwrap().parse::<u64>().unwrap();
    }
    assert_eq!(truth.values().sum::<u64>(), workload().count() as u64, "{version}: the server counted all");
    let mut told = logged(&server.data().join("slow.log"), "shop");
    told.retain(|digest, _| truth.contains_key(digest));
    assert_eq!(told, truth, "{version}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_logs_tell_what_performance_schema_counted() {
    for version in mysql::flavours() {
        the_slow_log_tells_what_performance_schema_counted(version).await;
    }
}

/// PostgreSQL says in its log which of its own statements each is: our digests neither split nor lump them.
#[tokio::test(flavor = "multi_thread")]
async fn digests_of_a_log_part_statements_as_the_server_does() {
    let settings = [
        ("logging_collector", "on"),
        ("log_destination", "jsonlog"),
        ("log_filename", "server.log"),
        ("log_directory", "log"),
        ("log_min_duration_statement", "0"),
        ("compute_query_id", "on"),
    ];
    let server = Server::start(postgres::any().max(15), &settings).await;
    server.sql("postgres", TABLES).await;
    let client = server.connect("postgres").await;
    for statement in workload() {
        client.simple_query(&statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    client.simple_query("select 'the last one'").await.unwrap();
    let log = server.data().join("log/server.json");
    let began = Instant::now();
    let text = loop {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        if text.contains("the last one") {
            break text;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "the server does not log");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let (mut ids, mut digests) =
        (BTreeMap::<i64, BTreeSet<String>>::new(), BTreeMap::<String, BTreeSet<i64>>::new());
    let mut calls: BTreeMap<String, u64> = BTreeMap::new();
    for line in text.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let (Some(id), Some(message)) =
            (entry["query_id"].as_i64().filter(|id| *id != 0), entry["message"].as_str())
        else {
            continue;
        };
        let Some((_, statement)) = message.split_once("  statement: ") else { continue };
        if !statement.contains("goods") && !statement.contains("sold") || statement.starts_with("create") {
            continue;
        }
        let digest = sql::normalise(Dialect::Postgres, statement).unwrap().key().unwrap().to_string();
        ids.entry(id).or_default().insert(digest.clone());
        digests.entry(digest.clone()).or_default().insert(id);
        *calls.entry(digest).or_default() += 1;
    }
    let splits = ids.values().filter(|of| of.len() > 1).count();
    let lumps = digests.values().filter(|of| of.len() > 1).count();
    println!("{} ids, {} digests: {splits} split, {lumps} lumped", ids.len(), digests.len());
    assert!(ids.len() >= STATEMENTS.len() - 2, "{}", ids.len());
    // Lists of one and of several values are one statement to us, and so are rows; to the server one value is another.
    assert!(splits == 0 && lumps == 2, "{splits} split, {lumps} lumped: {digests:#?}");
    let told = logged(&log, "postgres");
    for (digest, calls) in calls {
        assert_eq!(told.get(&digest), Some(&calls), "{digest}");
    }
}
