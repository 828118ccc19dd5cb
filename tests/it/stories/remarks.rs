//! Findings that a comment in SQL silences, and that are told when it is gone.

use super::{Stage, Story};
use crate::rig::client::keeps_asking;
use crate::rig::mysql::{self, Version};
use serde_json::Value;

const PAGES: &str = "
    [rules.index-duplicate]
    min_bytes = \"64KiB\"
    [rules.statement-dominant]
    min_window = \"10s\"
    min_share = 0.01
    min_load = 0.0001
    min_mean = \"10us\"
    min_touched = \"8KiB\"
    min_examined = 1000.0";

const BY_TABLE: &str = "a comment on the table says so";
const BY_INDEX: &str = "a comment on the index says so";
const BY_STATEMENT: &str = "a comment in the statement says so";

/// Waits until a finding is silenced for this reason.
async fn is_silenced<S: Stage>(story: &Story<S>, words: &str, because: &str) {
    let is_it = |found: &Value| is_about(found, words) && found["silenced_because"] == because;
    assert_eq!(story.is_said_where(is_it).await["state"], "silenced");
}

async fn is_open<S: Stage>(story: &Story<S>, words: &str) -> Value {
    let found = story.is_said_where(|found| is_about(found, words) && found["state"] == "open").await;
    assert!(found["silenced_because"].is_null(), "{found:#}");
    found
}

fn is_about(found: &Value, words: &str) -> bool {
    let texts = [&found["subject"], &found["evidence"]["statement"]];
    texts.iter().any(|text| text.as_str().is_some_and(|text| text.contains(words)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_silences_until_it_is_gone() {
    let mut story = Story::of_several(
        "index-duplicate",
        &[],
        &[
            "create extension pg_stat_statements;
             create table orders (id int primary key, note text);
             insert into orders select n, 'note ' || n from generate_series(1, 20000) n;
             create index orders_id_again on orders (id)",
            "vacuum analyze orders",
        ],
        PAGES,
    )
    .await;
    let url = story.server.url("postgres");
    let hushed =
        "select /* dbsonde: silence statement-dominant */ count(*) from orders where note like '%7%'";
    let hushed = keeps_asking(url.clone(), hushed, 50);
    let talked_of = "select max(note) from orders where note <> 'dbsonde: silence'";
    let talked_of = keeps_asking(url.clone(), talked_of, 50);
    is_open(&story, "orders_id_again").await;
    let comment = |on: &str| format!("comment on {on}");
    for (on, because) in [
        ("index orders_id_again is 'The audit wants it. dbsonde: silence index-duplicate'", Some(BY_INDEX)),
        ("index orders_id_again is 'dbsonde: silence index-unused'", None),
        ("table orders is 'DBsonde: Silence'", Some(BY_TABLE)),
        ("table orders is null", None),
    ] {
        story.server.sql("postgres", &comment(on)).await;
        match because {
            Some(because) => is_silenced(&story, "orders_id_again", because).await,
            None => drop(is_open(&story, "orders_id_again").await),
        }
    }
    story.turn_to("statement-dominant");
    is_silenced(&story, "like", BY_STATEMENT).await;
    is_open(&story, "max").await;
    hushed.abort();
    // The server keeps the text that it saw first; the next stranger has all of them read.
    story.server.sql("postgres", "select pg_stat_statements_reset()").await;
    let aloud = keeps_asking(url, "select count(*) from orders where note like '%7%'", 50);
    story.server.sql("postgres", "select 1 as stranger").await;
    is_open(&story, "like").await;
    [talked_of, aloud].iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_of_mysql_silences_until_it_is_gone() {
    let hushed =
        "select /* dbsonde: silence statement-dominant */ count(*) from orders where note like '%7%'";
    let talked_of = "select max(note) from orders where note <> '/* dbsonde: silence */'";
    let server = mysql::Server::start(Version::MySql97, &[]).await;
    let prepare = [
        "create table numbers (n int primary key)",
        "insert into numbers with recursive to_come as (select 1 n union all select n + 1 from to_come where n < 1000) \
         select n from to_come",
        "create table orders (id int primary key auto_increment, note varchar(100), key note (note), key note_again (note))",
        "create table bills (id int primary key auto_increment, note varchar(100),
             key bill (note) comment 'dbsonde: silence index-duplicate', key bill_again (note) comment 'dbsonde: silence')",
        "insert into orders (note) select concat('note ', a.n, ' ', b.n) from numbers a, numbers b where b.n <= 20",
        "insert into bills (note) select note from orders",
        "analyze table orders, bills",
        hushed,
        talked_of,
    ];
    let mut story = Story::of(server, "index-duplicate", &prepare, PAGES).await;
    let url = story.server.url("test");
    let asked = [hushed, talked_of].map(|statement| keeps_asking(url.clone(), statement, 50));
    is_open(&story, "test.note").await;
    is_silenced(&story, "test.bill", BY_INDEX).await;
    story.server.sql("test", "alter table orders comment 'dbsonde: silence'").await;
    is_silenced(&story, "test.note", BY_TABLE).await;
    story.server.sql("test", "alter table orders comment ''").await;
    is_open(&story, "test.note").await;
    story.turn_to("statement-dominant");
    is_silenced(&story, "like", BY_STATEMENT).await;
    is_open(&story, "max").await;
    asked.iter().for_each(tokio::task::JoinHandle::abort);
}
