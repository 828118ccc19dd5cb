//! Pages about statements on MySQL and MariaDB: a server that is asked clumsily, and what helps.

use super::Story;
use crate::rig::mysql::{self, Server, Version};
use serde_json::Value;
use std::time::Duration;
use tokio::task::JoinHandle;

const SHOP: &str = "
    create table digits (d int); insert into digits values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
    create table orders (id int primary key, customer int, note varchar(40), key orders_customer (customer));
    insert into orders select n, n % 500, concat('the note of the order number ', n) from
      (select a.d + 10 * b.d + 100 * c.d + 1000 * e.d as n from digits a, digits b, digits c, digits e) numbers;
    create table codes (id int primary key, code varchar(20), key by_code (code));
    insert into codes select id, concat('0', id) from orders;
    create table parts (n int, m int);
    insert into parts select a.d + 10 * b.d + 100 * c.d, 1 from digits a, digits b, digits c where c.d < 5;
    analyze table orders, parts, codes";

const BY_CUSTOMER: &str = "select count(note) from orders where customer = 77";

/// Spans that fit a test, of every page: the longest says what lately means. Amounts that fit a small machine.
const PAGES: &str = "
    [rules.statement-rows-examined]
    min_window = \"10s\"
    min_examined = 9000.0
    min_rate = 5000.0
    [rules.statement-implicit-conversion]
    min_window = \"10s\"
    min_rows = 5000.0
    min_load = 0.0001
    [rules.statement-collations-differ]
    min_window = \"10s\"
    min_rows = 5000.0
    min_load = 0.0001
    [rules.statement-temp-disk-tables]
    min_window = \"10s\"
    min_rate = 0.5
    [rules.statement-full-join]
    min_window = \"10s\"
    min_examined = 400.0
    min_load = 0.0001
    [rules.statement-range-checked]
    min_window = \"10s\"
    min_load = 0.0001
    [rules.statement-errors]
    min_window = \"10s\"
    [rules.statement-spills]
    min_window = \"10s\"
    [rules.statement-jit-overhead]
    min_window = \"10s\"
    [rules.statement-planning-dominates]
    min_window = \"10s\"
    [rules.statement-returns-too-much]
    min_window = \"10s\"
    [rules.statement-wal-heavy]
    min_window = \"10s\"
    [rules.statement-dominant]
    min_window = \"10s\"
    min_share = 0.01
    min_mean = \"100us\"
    min_load = 0.0001
    min_examined = 5000.0
    [rules.statement-regressed]
    min_window = \"10s\"
    min_before = \"10s\"
    min_errors = 3.0";

const ALL: [&str; 6] = [
    "statement-rows-examined",
    "statement-dominant",
    "statement-temp-disk-tables",
    "statement-full-join",
    "statement-range-checked",
    "statement-errors",
];

/// Asks the same again and again, whatever comes of it.
async fn keeps_asking(story: &Story<Server>, statement: &'static str, pause: u64) -> JoinHandle<()> {
    let mut session = story.server.connect("test").await;
    tokio::spawn(async move {
        loop {
            let _ = mysql::run(&mut session, statement).await;
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    })
}

/// The statement of a finding, found by its words.
async fn says(story: &Story<Server>, words: &str) -> Value {
    let is_wanted =
        |finding: &Value| finding["evidence"]["statement"].as_str().is_some_and(|text| text.contains(words));
    story.is_said_where(is_wanted).await
}

async fn begin(version: Version, rule: &'static str) -> Story<Server> {
    let mut settings = vec![("tmp_table_size", "1024"), ("max_heap_table_size", "16384")];
    if !version.is_mariadb() {
        // What its other engine moves to disk is not counted.
        settings.push(("internal_tmp_mem_storage_engine", "MEMORY"));
    }
    let server = Server::start(version, &settings).await;
    // What is known before the first look has its name at once, and not a minute later.
    Story::of(server, rule, &[SHOP, BY_CUSTOMER], PAGES).await
}

async fn ask_too_much(version: Version) {
    let mut story = begin(version, ALL[0]).await;
    let asked = [
        keeps_asking(&story, "select count(customer) from orders where note = 'x'", 100).await,
        keeps_asking(
            &story,
            "select note, count(*) as times from orders group by note order by times limit 1",
            200,
        )
        .await,
        keeps_asking(
            &story,
            "select count(*) from parts a join parts b on a.n = b.n where a.m + b.m > 1",
            100,
        )
        .await,
        keeps_asking(
            &story,
            "select count(*) from parts p join orders o on o.customer between p.n and p.n + p.m where p.n % 50 = 0",
            100,
        )
        .await,
        keeps_asking(&story, "insert into orders (id, note) values (1, 'y')", 100).await,
    ];
    let words = [
        "where note = ?",
        "where note = ?",
        "group by note",
        "join parts",
        "between p",
        "insert into orders",
    ];
    let mut found = Vec::new();
    for (rule, words) in ALL.into_iter().zip(words) {
        story.turn_to(rule);
        let finding = says(&story, words).await;
        let advice = finding["advice"].as_str().unwrap();
        assert!(finding["fix"].is_null() && advice.contains("no script"), "{finding:#}");
        found.push(finding["subject"].as_str().unwrap().to_owned());
    }
    story.turn_to(ALL[0]);
    story.server.sql("test", "create index orders_note on orders (note)").await;
    story.resolves(&found[0]).await;
    asked.iter().for_each(JoinHandle::abort);
    for rule in &ALL[2..] {
        story.turn_to(rule);
        story.resolves("").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_of_mysql_that_ask_too_much() {
    ask_too_much(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_of_mariadb_that_ask_too_much() {
    ask_too_much(Version::MariaDb118).await;
}

/// A number finds the code by reading all of them, the same as a text by the index.
async fn compare_with_a_number(version: Version) {
    let story = begin(version, "statement-implicit-conversion").await;
    let by_number = keeps_asking(&story, "select id from codes where code = 4711", 50).await;
    let finding = says(&story, "where code = ?").await;
    let advice = finding["advice"].as_str().unwrap();
    assert!(finding["fix"].is_null() && advice.contains("no script"), "{finding:#}");
    by_number.abort();
    let by_text = keeps_asking(&story, "select id from codes where code = '04711'", 5).await;
    story.resolves(finding["subject"].as_str().unwrap()).await;
    by_text.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_mysql_compared_with_a_number() {
    compare_with_a_number(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_mariadb_compared_with_a_number() {
    compare_with_a_number(Version::MariaDb118).await;
}

/// The newer table is written in another character set than the older one.
async fn join_two_character_sets(version: Version) {
    let story = begin(version, "statement-collations-differ").await;
    for statement in [
        "create table old_codes (id int primary key, code varchar(20) character set latin1 not null, key by_code (code))",
        "insert into old_codes select id, code from codes",
        "analyze table old_codes",
    ] {
        story.server.sql("test", statement).await;
    }
    let query = "select o.id from codes c join old_codes o on o.code = c.code where c.id = 4711";
    let asked = keeps_asking(&story, query, 50).await;
    let finding = says(&story, "join old_codes").await;
    assert_eq!(
        finding["evidence"]["collation"].as_str().unwrap().split('_').next(),
        Some("latin1"),
        "{finding:#}"
    );
    story.run(&finding, "sql").await;
    story.resolves(finding["subject"].as_str().unwrap()).await;
    story.run(&finding, "rollback").await;
    says(&story, "join old_codes").await;
    asked.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_of_two_character_sets_on_mysql() {
    join_two_character_sets(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_of_two_character_sets_on_mariadb() {
    join_two_character_sets(Version::MariaDb118).await;
}

/// So many rows that a busy machine cannot make the index look as slow as the whole table.
const MORE: &str = "insert into orders select id + 10000 * d, customer, note from orders, digits where d > 0";

async fn lose_their_index(version: Version) {
    let story = begin(version, "statement-regressed").await;
    story.server.sql("test", MORE).await;
    let asked = keeps_asking(&story, BY_CUSTOMER, 20).await;
    // What it used to cost must outweigh what it costs lately.
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert!(story.found().await.is_empty(), "nothing has changed yet");
    story.server.sql("test", "drop index orders_customer on orders").await;
    let slower = says(&story, "customer = ?").await;
    let evidence = |name: &str| slower["evidence"][name].as_f64().unwrap();
    assert!(evidence("mean_seconds") > 2.0 * evidence("mean_seconds_before"), "{slower:#}");
    assert!(
        evidence("examined_rows_per_call") > 2.0 * evidence("examined_rows_per_call_before"),
        "{slower:#}"
    );
    story.server.sql("test", "create index orders_customer on orders (customer)").await;
    story.resolves("").await;
    asked.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_mysql_whose_index_is_gone() {
    lose_their_index(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_mariadb_whose_index_is_gone() {
    lose_their_index(Version::MariaDb118).await;
}
