//! Pages that read plans: a server that may be asked for them, and statements that it plans badly.

use super::Story;
use super::statements::{keeps_asking, says};
use crate::rig::postgres::TIERS;
use std::time::Duration;

const SHOP: &str = "
    create table orders (id int primary key, customer int, placed timestamptz, note text);
    insert into orders select n, n % 1000, timestamptz '2026-01-01' + n * interval '1 min', md5(n::text) from generate_series(1, 200000) n";

/// Spans that fit a test, and amounts that fit a small machine.
const PAGES: &str = "
    [rules.index-missing]
    min_window = \"10s\"
    min_bytes = \"1MiB\"
    [rules.statement-plan-flipped]
    min_window = \"10s\"
    min_errors = 2.0";

async fn begin(rule: &'static str, prepare: &[&str]) -> Story {
    let prepare = [&TIERS[..], &[SHOP], prepare, &["vacuum analyze"]].concat();
    Story::of_several(rule, &[("jit", "off")], &prepare, PAGES).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_read_whole_again_and_again() {
    let story = begin("index-missing", &[]).await;
    let asked =
        keeps_asking(&story, "select id, note from orders where customer = 77 and placed > '2026-02-01'", 50);
    let subject = "public.orders (customer, placed)";
    let missing = story.appears(subject).await;
    assert!(missing["evidence"]["rows_expected"].as_f64().unwrap() < 100.0, "{missing:#}");
    let plans = story.daemon.get("/api/v1/plans").await.json();
    let digest = &missing["evidence"]["digests"][0];
    let planned = plans.as_array().unwrap().iter().find(|planned| planned["digest"] == *digest).unwrap();
    assert_eq!(planned["shapes"][0]["steps"], "Seq Scan on orders\n", "{planned:#}");
    assert!(!plans.to_string().contains("2026-02-01"), "no value leaves: {plans:#}");
    assert!(story.daemon.get("/").await.text().contains("Seq Scan on orders"), "the page shows it");
    // What it used to cost must be known before it is mended.
    tokio::time::sleep(Duration::from_secs(50)).await;
    story.run(&missing, "sql").await;
    story.resolves(subject).await;
    let verdict = story.verdict(subject).await;
    assert_eq!(verdict["outcome"], "helped", "{verdict:#}");
    assert_eq!(verdict["deed"], "index public.orders_customer_placed_idx was created", "{verdict:#}");
    assert!(verdict["mean_seconds_before"].as_f64() > verdict["mean_seconds_after"].as_f64(), "{verdict:#}");
    story.run(&missing, "rollback").await;
    story.appears(subject).await;
    asked.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_changes_for_the_worse() {
    let story = begin("statement-plan-flipped", &["create index orders_customer on orders (customer)"]).await;
    let asked = keeps_asking(&story, "select count(note) from orders where customer = 77", 20);
    // Until its plan was seen and a mean is known.
    let began = std::time::Instant::now();
    let known = |plans: &serde_json::Value| {
        let steady = |shape: &serde_json::Value| {
            shape["calls"].as_f64() > Some(200.0) && shape["steps"].to_string().contains("orders_customer")
        };
        plans
            .as_array()
            .unwrap()
            .iter()
            .any(|planned| planned["shapes"].as_array().unwrap().iter().any(steady))
    };
    while !known(&story.daemon.get("/api/v1/plans").await.json()) {
        assert!(began.elapsed() < super::LIMIT, "{:#}", story.daemon.get("/api/v1/plans").await.json());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(story.found().await.is_empty(), "nothing has changed yet");
    story.server.sql("postgres", "drop index orders_customer").await;
    let flipped = says(&story, "customer = ?").await;
    let plan = |name: &str| flipped["evidence"][name].as_str().unwrap().to_owned();
    assert!(
        plan("plan_before").contains("orders_customer") && plan("plan").contains("Seq Scan"),
        "{flipped:#}"
    );
    story.server.sql("postgres", "create index orders_customer on orders (customer)").await;
    story.resolves("").await;
    asked.abort();
}
