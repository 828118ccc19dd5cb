//! Pages about indexes whose stories fit on one server.

use super::Story;

const SHOP: &str = "
    create table customers (id int primary key, name text);
    create table orders (id int primary key, customer int not null references customers on delete cascade, note text);
    insert into customers select n, 'name ' || n from generate_series(1, 2000) n;
    insert into orders select n, 1 + n % 2000, 'note ' || n from generate_series(1, 20000) n;
    create index orders_note on orders (note);
    create index orders_note_id on orders (note, id);
    create table queue (id bigint primary key);
    insert into queue select generate_series(1, 200000);
    create table twice (a int);
    insert into twice values (1), (1)";

const PAGES: &str = "
    [rules.index-redundant-prefix]
    min_bytes = \"64KiB\"
    [rules.index-missing-on-foreign-key]
    min_bytes = \"64KiB\"
    [rules.index-bloated]
    min_wasted = \"1MiB\"
    [rules.index-duplicate]
    min_bytes = \"64KiB\"";

#[tokio::test(flavor = "multi_thread")]
async fn indexes_in_each_others_way_or_missing() {
    let mut story = Story::of_several("index-redundant-prefix", &[], &[SHOP, "vacuum analyze"], PAGES).await;
    let server = &story.server;
    // A build that meets a duplicate leaves a ruin.
    server.try_sql("postgres", "create unique index concurrently twice_a on twice (a)").await.unwrap_err();
    story.of_an_object("public.orders_note").await;
    let found = story.found().await;
    assert_eq!(found.len(), 1, "only the shorter one: {found:#?}");

    story.turn_to("index-invalid");
    let ruin = story.appears("public.twice_a").await;
    story.server.sql("postgres", "delete from twice where ctid = '(0,1)'").await;
    story.run(&ruin, "sql").await;
    story.resolves("public.twice_a").await;

    story.turn_to("index-missing-on-foreign-key");
    assert_eq!(story.found().await, [] as [serde_json::Value; 0], "nobody deleted anything");
    story.server.sql("postgres", "delete from customers where id <= 20").await;
    let missing = story.appears("public.orders orders_customer_fkey").await;
    story.run(&missing, "sql").await;
    story.resolves("public.orders").await;
    story.run(&missing, "rollback").await;
    story.server.sql("postgres", "delete from customers where id between 30 and 50").await;
    story.appears("public.orders").await;

    story.turn_to("index-bloated");
    assert_eq!(story.found().await, [] as [serde_json::Value; 0], "all are full");
    story.server.sql("postgres", "delete from queue where id % 50 > 0").await;
    story.server.sql("postgres", "vacuum queue").await;
    let bloated = story.appears("public.queue_pkey").await;
    story.run(&bloated, "sql").await;
    story.resolves("public.queue_pkey").await;
}
