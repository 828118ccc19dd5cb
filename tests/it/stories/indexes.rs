//! Pages about indexes whose stories fit on one server.

use super::Story;
use super::statements::keeps_asking;
use tokio::task::JoinHandle;

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

/// A table with room in its pages, and one with more indexes than anybody reads.
const BUSY: &str = "
    create table visits (id int primary key, seen timestamptz, kind int, note text) with (fillfactor = 50);
    insert into visits select n, now(), n % 10, 'some note' from generate_series(1, 5000) n;
    create index visits_seen on visits (seen);
    create index visits_kind on visits (kind);
    create table wide (id bigint generated always as identity primary key, a int, b int, c int, d int, e int, f int, g int, h int, i int, j int);
    do $$ declare name text; begin foreach name in array string_to_array('a b c d e f g h i j', ' ') loop
      execute format('create index wide_%s on wide (%s)', name, name);
    end loop; end $$";

/// Each time another row, which its index finds.
const VISIT: &str =
    "update visits set seen = now() where id = 1 + (extract(epoch from now()) * 1000)::bigint % 5000";

const BUSY_PAGES: &str = "
    [rules.index-keeps-updates-from-hot]
    min_window = \"10s\"
    min_unused = \"10s\"
    min_rate = 1.0
    [rules.index-too-many]
    min_window = \"10s\"
    min_rate = 1.0";

#[tokio::test(flavor = "multi_thread")]
async fn indexes_that_hear_of_every_write() {
    let prepare = ["create extension pg_stat_statements", BUSY, "vacuum analyze", VISIT];
    let mut story = Story::of_several("index-keeps-updates-from-hot", &[], &prepare, BUSY_PAGES).await;
    let asked =
        [keeps_asking(&story, VISIT, 20), keeps_asking(&story, "insert into wide (a, b) values (1, 2)", 20)];
    story.of_an_object("public.visits_seen").await;
    assert_eq!(story.found().await.len(), 1, "{:#?}", story.found().await);
    story.turn_to("index-too-many");
    let many = story.is_said("public.wide").await;
    assert_eq!((&many["evidence"]["indexes"], many["fix"].is_null()), (&11.into(), true), "{many:#}");
    story.server.sql("postgres", "drop index wide_j").await;
    story.resolves("public.wide").await;
    asked.iter().for_each(JoinHandle::abort);
}
