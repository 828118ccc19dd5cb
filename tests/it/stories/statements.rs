//! Pages about statements: a server that is asked clumsily, and what helps.

use super::Story;
use crate::rig::{client, postgres};
use std::time::Duration;
use tokio::task::JoinHandle;

const SHOP: &str = "
    create extension pg_stat_statements;
    create table orders (id int primary key, customer int, note text);
    insert into orders select n, n % 5000, md5(n::text) from generate_series(1, 60000) n;
    create index orders_customer on orders (customer);
    create table docs (id int primary key, body jsonb);
    insert into docs select n, jsonb_build_object('seen', 0, 'words', (select array_agg(md5((n * w)::text)) from generate_series(1, 1500) w))
      from generate_series(1, 20) n;
    create table parts (day int, k int) partition by list (day)";

const PARTITIONS: &str = "do $$ begin for n in 1..200 loop
    execute format('create table parts_%s partition of parts for values in (%s)', n, n);
  end loop; end $$";

/// Spans that fit a test, of every page: the longest says what lately means. Amounts that fit a small machine.
const PAGES: &str = "
    [rules.statement-spills]
    min_window = \"10s\"
    [rules.statement-jit-overhead]
    min_window = \"10s\"
    [rules.statement-planning-dominates]
    min_window = \"10s\"
    min_plans = 10.0
    [rules.statement-returns-too-much]
    min_window = \"10s\"
    [rules.statement-wal-heavy]
    min_window = \"10s\"
    min_rate = \"64KiB\"
    [rules.statement-rows-examined]
    min_window = \"10s\"
    [rules.statement-temp-disk-tables]
    min_window = \"10s\"
    [rules.statement-full-join]
    min_window = \"10s\"
    [rules.statement-errors]
    min_window = \"10s\"
    [rules.statement-dominant]
    min_window = \"10s\"
    min_mean = \"1ms\"
    min_touched = \"1MiB\"
    min_load = 0.05
    [rules.statement-erratic]
    min_before = \"10s\"
    min_calls = 50.0
    min_slow_runs = 3.0
    min_deviation = 2.0
    [rules.statement-regressed]
    min_window = \"10s\"
    min_before = \"10s\"
    min_errors = 3.0";

/// See [`client::keeps_asking`].
pub fn keeps_asking(story: &Story, statements: &'static str, pause: u64) -> JoinHandle<()> {
    client::keeps_asking(story.server.url("postgres"), statements, pause)
}

/// The statement of a finding, found by its words.
pub async fn says(story: &Story, words: &str) -> serde_json::Value {
    story
        .is_said_where(|finding| {
            finding["evidence"]["statement"].as_str().is_some_and(|text| text.contains(words))
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_ask_too_much() {
    let settings = [
        ("pg_stat_statements.track_planning", "on"),
        ("work_mem", "64kB"),
        ("jit", "off"),
        ("hash_mem_multiplier", "1"),
    ];
    let mut story =
        Story::of_several("statement-spills", &settings, &[SHOP, PARTITIONS, "vacuum analyze"], PAGES).await;
    let asked = [
        keeps_asking(&story, "select id from orders order by note limit 1 offset 50000", 100),
        keeps_asking(&story, "select id, note from orders where id > 20000", 50),
        keeps_asking(&story, "update docs set body = jsonb_set(body, '{seen}', '1')", 300),
        keeps_asking(&story, "select a.k from parts a join parts b using (day) where a.k = 1 limit 0", 20),
        keeps_asking(&story, "select pg_sleep(case when random() < 0.05 then 0.2 else 0 end)", 5),
    ];
    let spills = says(&story, "order by note").await;
    for (rule, words) in [
        ("statement-returns-too-much", "select id, note from orders"),
        ("statement-wal-heavy", "update docs"),
        ("statement-planning-dominates", "from parts"),
        ("statement-erratic", "pg_sleep"),
    ] {
        story.turn_to(rule);
        let finding = says(&story, words).await;
        assert!(
            finding["fix"].is_null() && finding["advice"].as_str().unwrap().contains("no script"),
            "{finding:#}"
        );
    }
    story.turn_to("statement-spills");
    let subject = spills["subject"].as_str().unwrap();
    story.run(&spills, "sql").await;
    story.resolves(subject).await;
    story.run(&spills, "rollback").await;
    story.appears(subject).await;
    asked.iter().for_each(JoinHandle::abort);
    for rule in ["statement-returns-too-much", "statement-wal-heavy", "statement-planning-dominates"] {
        story.turn_to(rule);
        story.resolves("").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_compiled_longer_than_it_runs() {
    let always =
        ["jit_above_cost", "jit_inline_above_cost", "jit_optimize_above_cost"].map(|name| (name, "0"));
    let server =
        postgres::Server::start(postgres::compiling(), &[&[("jit", "on")], &always[..]].concat()).await;
    let story = Story::of(server, "statement-jit-overhead", &[SHOP, "vacuum analyze"], PAGES).await;
    // What a user is set to counts for sessions that begin.
    let keeps_running = async {
        loop {
            let client = story.server.connect("postgres").await;
            client
                .batch_execute("select count(*) from orders where customer = 77 and id % 7 = 3")
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let tale = async {
        let has_script = |finding: &serde_json::Value| finding["fix"]["sql"].is_array();
        let compiled = story.is_said_where(has_script).await;
        assert!(compiled["evidence"]["share_ratio"].as_f64().unwrap() >= 0.4, "{compiled:#}");
        story.run(&compiled, "sql").await;
        story.resolves("").await;
        story.run(&compiled, "rollback").await;
        story.appears("").await;
    };
    tokio::select! {
        () = tale => {}
        () = keeps_running => unreachable!(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_index_is_gone() {
    let story =
        Story::of_several("statement-regressed", &[("jit", "off")], &[SHOP, "vacuum analyze"], PAGES).await;
    let asked = keeps_asking(&story, "select count(note) from orders where customer = 77", 20);
    // What it used to cost must outweigh what it costs lately.
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert!(story.found().await.is_empty(), "nothing has changed yet");
    story.server.sql("postgres", "drop index orders_customer").await;
    let slower = says(&story, "customer = ?").await;
    let evidence = |name: &str| slower["evidence"][name].as_f64().unwrap();
    assert!(evidence("mean_seconds") > 2.0 * evidence("mean_seconds_before"), "{slower:#}");
    let mut story = story;
    story.turn_to("statement-dominant");
    says(&story, "customer = ?").await;
    story.server.sql("postgres", "create index orders_customer on orders (customer)").await;
    story.resolves("").await;
    story.turn_to("statement-regressed");
    story.resolves("").await;
    asked.abort();
}
