//! Pages about one query inside another, and about one that is sent for each row of another: programs that ask row by
//! row, and what helps.

use super::Story;
use super::statements::{keeps_asking, says};
use crate::rig::client;
use crate::rig::mysql::{self, Version};
use crate::rig::postgres::TIERS;
use serde_json::Value;
use tokio::task::JoinHandle;

const TABLES: &str = "
    create table customers (id int primary key, country int);
    create table orders (id int primary key, customer int not null, note varchar(40),
        constraint of_customer foreign key (customer) references customers (id));
    create table order_lines (order_id int, product int);
    create table refused (customer int, kind int);
    create index orders_customer on orders (customer)";

const FILLED: &str = "
    insert into customers select n, n % 100 from generate_series(1, 1000) n;
    insert into orders select n, 1 + n % 1000, 'some note' from generate_series(1, 5000) n;
    insert into order_lines select n, n from generate_series(1, 5000) n;
    insert into refused select n, n % 7 from generate_series(1, 50) n";

/// Amounts that fit a small machine.
const PAGES: &str = "
    [rules.statement-correlated-subquery]
    min_load = 0.0001
    [rules.statement-n-plus-one]
    min_rate = 1.0
    min_lists = 5.0
    [rules.statement-erratic]
    min_calls = 50.0";

const NOT_IN: &str =
    "select count(*) from customers where id not in (select customer from refused where kind = 3)";
const PER_ROW: &str = "select o.id, (select max(l.product) from order_lines l where l.order_id = o.id) from orders o where o.id <= 300";

const ERRATIC: &str = "select sleep(if(rand() < 0.05, 0.2, 0))";

/// A list of ten, and what a program asks of each.
fn one_by_one() -> Vec<String> {
    let list = "select id from customers where country = 7".to_owned();
    let lookups = (0..10).map(|nth| format!("select note from orders where customer = {}", 7 + 100 * nth));
    [list].into_iter().chain(lookups).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_ask_row_by_row() {
    let followed: &'static str = Box::leak(one_by_one().join("; ").into_boxed_str());
    // What is known before the first look has its name at once, and not a minute later.
    let prepare = [&TIERS[..], &[TABLES, FILLED, "vacuum analyze", NOT_IN, PER_ROW, followed]].concat();
    let mut story = Story::of_several("statement-not-in-nullable", &[("jit", "off")], &prepare, PAGES).await;
    let asked = [
        keeps_asking(&story, NOT_IN, 100),
        keeps_asking(&story, PER_ROW, 100),
        keeps_asking(&story, followed, 50),
    ];
    let trap = says(&story, "not in (select customer").await;
    assert!(trap["because"].as_str().unwrap().contains("public.refused.customer"), "{trap:#}");
    story.turn_to("statement-n-plus-one");
    let lookup = says(&story, "from orders where customer = ?").await;
    assert_eq!(lookup["evidence"]["column"], "public.orders.customer", "{lookup:#}");
    assert_eq!(story.found().await.len(), 1, "{:#?}", story.found().await);

    story.turn_to("statement-correlated-subquery");
    let slow = says(&story, "from order_lines").await;
    let subject = slow["subject"].as_str().unwrap();
    story.run(&slow, "sql").await;
    story.resolves(subject).await;
    story.run(&slow, "rollback").await;
    story.appears(subject).await;

    asked.iter().for_each(JoinHandle::abort);
    for rule in ["statement-not-in-nullable", "statement-n-plus-one"] {
        story.turn_to(rule);
        story.resolves("").await;
    }
}

const NUMBERS: &str = "
    create table digits (d int);
    insert into digits values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
    create table numbers (n int primary key);
    insert into numbers select 1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d from digits a, digits b, digits c, digits e where e.d < 5";

const FILLED_BY_NUMBERS: &str = "
    insert into customers select n, n % 100 from numbers where n <= 1000;
    insert into orders select n, 1 + n % 1000, 'some note' from numbers;
    insert into order_lines select n, n from numbers;
    insert into refused select n, n % 7 from numbers where n <= 50;
    analyze table customers, orders, order_lines, refused";

async fn says_of_mysql(story: &Story<mysql::Server>, words: &str) -> Value {
    let is_wanted =
        |finding: &Value| finding["evidence"]["statement"].as_str().is_some_and(|text| text.contains(words));
    story.is_said_where(is_wanted).await
}

async fn ask_row_by_row(version: Version) {
    let followed = one_by_one().join("; ");
    let prepare = [NUMBERS, TABLES, FILLED_BY_NUMBERS, NOT_IN, PER_ROW, &followed, ERRATIC];
    let mut story = Story::of_several_on(version, "statement-not-in-nullable", &prepare, PAGES).await;
    let asked = [
        client::keeps_asking(story.server.url("test"), NOT_IN, 100),
        client::keeps_asking(story.server.url("test"), PER_ROW, 100),
        client::keeps_asking(story.server.url("test"), one_by_one().join(";"), 50),
        client::keeps_asking(story.server.url("test"), ERRATIC, 5),
    ];
    says_of_mysql(&story, "not in (select").await;
    if version.is_mariadb() {
        // Columns and indexes of its tables come to be known a few at a time, too slowly for a story.
        asked.iter().for_each(JoinHandle::abort);
        return story.resolves("").await;
    }
    story.turn_to("statement-n-plus-one");
    let lookup = says_of_mysql(&story, "from orders where customer = ?").await;
    assert_eq!(lookup["evidence"]["column"], "test.orders.customer", "{lookup:#}");
    assert_eq!(story.found().await.len(), 1, "{:#?}", story.found().await);

    story.turn_to("statement-correlated-subquery");
    let slow = says_of_mysql(&story, "from order_lines").await;
    let subject = slow["subject"].as_str().unwrap();
    story.run(&slow, "sql").await;
    story.resolves(subject).await;
    story.run(&slow, "rollback").await;
    story.appears(subject).await;
    // By now its histogram has been looked at twice, a minute apart.
    story.turn_to("statement-erratic");
    says_of_mysql(&story, "sleep(").await;

    asked.iter().for_each(JoinHandle::abort);
    for rule in ["statement-not-in-nullable", "statement-n-plus-one"] {
        story.turn_to(rule);
        story.resolves("").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_ask_mysql_row_by_row() {
    ask_row_by_row(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_ask_mariadb_row_by_row() {
    ask_row_by_row(Version::MariaDb118).await;
}
