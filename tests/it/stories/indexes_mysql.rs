//! The same pages on MySQL and MariaDB.

use super::Story;
use crate::rig::client::keeps_asking;
use crate::rig::mysql::Version;

const SHOP: &[&str] = &[
    "create table numbers (n int primary key) engine=innodb",
    "insert into numbers with recursive to_come as (select 1 n union all select n + 1 from to_come where n < 1000) \
     select n from to_come",
    "create table customers (id int primary key, name varchar(100)) engine=innodb",
    "create table orders (id int primary key auto_increment, customer int not null, note varchar(100), kind int,
         key note (note), key note_again (note), key note_kind (note, kind), key note_part (note(4)), key kind (kind), key kind_id (kind, id),
         constraint of_customer foreign key (customer) references customers (id)) engine=innodb",
    "insert into customers select n, concat('name ', n) from numbers",
    "insert into orders (customer, note, kind) select a.n, concat('note ', a.n, ' ', b.n), b.n from numbers a, numbers b
         where b.n <= 20",
    "analyze table orders",
];

/// A table that is open is one whose indexes we may know.
const USE: &str = "select count(*) from orders force index (kind) where kind = 7";

const PAGES: &str = "
    [rules.index-unused]
    min_bytes = \"64KiB\"
    min_window = \"10s\"
    [rules.index-duplicate]
    min_bytes = \"64KiB\"
    [rules.index-appended-primary-key]
    min_bytes = \"64KiB\"
    [rules.index-redundant-prefix]
    min_bytes = \"64KiB\"";

async fn tell(version: Version) {
    let mut story = Story::of_several_on(version, "index-duplicate", SHOP, PAGES).await;
    let reader = keeps_asking(story.server.url("test"), USE, 1_000);
    let twin = story.is_said("test.note").await;
    assert_eq!(twin["evidence"]["columns"], "note", "{twin:#}");
    let twin = twin["subject"].as_str().unwrap().to_owned();
    assert_eq!(story.found().await.len(), 1, "{:#?}", story.found().await);
    story.of_an_object(&twin).await;

    story.turn_to("index-redundant-prefix");
    let found = story.appears("test.note").await;
    assert!(found["because"].as_str().unwrap().contains("note_kind"), "{found:#}");
    assert!(
        !story.found().await.iter().any(|f| f["subject"] == "test.note_part"),
        "a part of a column is another"
    );

    assert!(
        !story.found().await.iter().any(|f| f["subject"] == "test.kind"),
        "what only has the primary key behind it is no longer index"
    );

    story.turn_to("index-appended-primary-key");
    let found = story.appears("test.kind_id").await;
    assert_eq!(found["evidence"]["kept"], "test.kind", "{found:#}");
    assert_eq!(story.found().await.len(), 1, "{:#?}", story.found().await);
    story.of_an_object("test.kind_id").await;

    story.turn_to("index-unused");
    story.of_an_object("test.note_part").await;
    let found = story.found().await;
    let is_said = |index: &str| found.iter().any(|f| f["subject"] == index);
    assert!(!is_said("test.kind"), "it is in use: {found:#?}");
    assert!(!is_said("test.of_customer"), "a foreign key stands on it: {found:#?}");
    assert!(!is_said("test.PRIMARY"), "{found:#?}");
    story.turn_to("index-missing-on-foreign-key");
    assert_eq!(story.found().await, [] as [serde_json::Value; 0], "InnoDB makes them itself");
    reader.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_in_each_others_way_on_mysql() {
    tell(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_in_each_others_way_on_mariadb() {
    tell(Version::MariaDb118).await;
}
