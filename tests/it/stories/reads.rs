//! Pages about what keeps the server from reading less than everything: one shop that is asked in every wrong way.

use super::Story;
use super::statements::{keeps_asking, says};
use crate::rig::postgres::TIERS;
use tokio::task::JoinHandle;

const SHOP: &str = "
    create table people (id int primary key, email text, phone text, sort text);
    insert into people select n, 'User' || n || '@example.com', '+49' || n, case when n <= 600 then 'old' else 'new' end
      from generate_series(1, 60000) n;
    create index people_email on people (email);
    create table visits (at timestamp not null, who int) partition by range (at);
    create table visits_1 partition of visits for values from ('2026-01-01') to ('2026-02-01');
    create table visits_2 partition of visits for values from ('2026-02-01') to ('2026-03-01');
    create table visits_3 partition of visits for values from ('2026-03-01') to ('2026-04-01');
    create table visits_4 partition of visits for values from ('2026-04-01') to ('2026-05-01');
    insert into visits select timestamp '2026-01-01' + n * interval '2 min', n from generate_series(1, 80000) n";

/// Spans that fit a test, and amounts that fit a small machine.
const PAGES: &str = "
    [rules.index-hidden-by-expression]
    min_window = \"10s\"
    min_bytes = \"1MiB\"
    [rules.plan-partitions-not-pruned]
    min_bytes = \"1MiB\"
    [rules.statement-or-across-columns]
    min_window = \"10s\"
    min_bytes = \"1MiB\"
    [rules.statement-order-by-limit-trap]
    min_window = \"10s\"
    min_touched = \"1MiB\"
    min_pages_per_row = 50.0
    [rules.statement-deep-offset]
    min_window = \"10s\"
    [rules.statement-counts-everything]
    min_window = \"10s\"
    min_bytes = \"1MiB\"
    [rules.statement-in-list-explosion]
    min_window = \"10s\"
    [rules.server-checkpoints-requested]
    min_window = \"10s\"";

async fn begin(rule: &'static str) -> Story {
    let prepare = [&TIERS[..], &[SHOP, "vacuum analyze"]].concat();
    let settings = [("jit", "off"), ("work_mem", "64kB"), ("hash_mem_multiplier", "1")];
    Story::of_several(rule, &settings, &prepare, PAGES).await
}

/// A statement that its fix helps, and that is as slow again without it.
async fn is_mended(rule: &'static str, statement: &'static str, words: &str) {
    let story = begin(rule).await;
    let asked = keeps_asking(&story, statement, 100);
    let finding = says(&story, words).await;
    let subject = finding["subject"].as_str().unwrap();
    story.run(&finding, "sql").await;
    story.resolves(subject).await;
    story.run(&finding, "rollback").await;
    story.appears(subject).await;
    asked.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_hides_an_index() {
    let statement = "select id from people where lower(email) = 'user77@example.com'";
    is_mended("index-hidden-by-expression", statement, "lower(email)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_alternatives_has_no_index() {
    let statement = "select id from people where email = 'User77@example.com' or phone = '+4988'";
    is_mended("statement-or-across-columns", statement, "or phone = ?").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_waits_for_rows_that_are_rare() {
    // The youngest come first, and those of the old sort have all been there for long.
    let statement = "select id from people where sort = 'old' order by id desc limit 5";
    is_mended("statement-order-by-limit-trap", statement, "order by id desc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_only_other_words_can_mend() {
    let mut story = begin("statement-deep-offset").await;
    let asked = [
        keeps_asking(&story, "select id, email from people order by id limit 10 offset 50000", 100),
        keeps_asking(&story, "select count(*) from people", 100),
        keeps_asking(&story, "select count(*) from visits where date(at) = '2026-02-03'", 100),
        keeps_asking(
            &story,
            "select id from people where phone = 'none' limit 1 for update skip locked",
            100,
        ),
    ];
    for (rule, words) in [
        ("statement-deep-offset", "offset ?"),
        ("statement-counts-everything", "count(*)"),
        ("plan-partitions-not-pruned", "date(at) = ?"),
        ("statement-queue-polling", "skip locked"),
    ] {
        story.turn_to(rule);
        let finding = says(&story, words).await;
        assert!(finding["advice"].as_str().unwrap().contains("no script"), "{finding:#}");
    }
    asked.iter().for_each(JoinHandle::abort);
    // The same days without the function: three of four partitions are left alone.
    let days = "select count(*) from visits where at >= '2026-02-03' and at < '2026-02-04'";
    let asked = keeps_asking(&story, days, 100);
    for rule in [
        "statement-deep-offset",
        "statement-counts-everything",
        "plan-partitions-not-pruned",
        "statement-queue-polling",
    ] {
        story.turn_to(rule);
        story.resolves("").await;
    }
    asked.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_every_length() {
    // From 18 on the server keeps one statement for all of them.
    let server = crate::rig::postgres::Server::start(16, &[]).await;
    let story = Story::of(server, "statement-in-list-explosion", &[TIERS[0], SHOP], PAGES).await;
    let lists: Vec<String> = (1..=60)
        .map(|length| {
            let numbers: Vec<String> = (1..=length).map(|n| n.to_string()).collect();
            format!("select email from people where id in ({})", numbers.join(", "))
        })
        .collect();
    let client = story.server.connect("postgres").await;
    let found = async {
        loop {
            for list in &lists {
                client.batch_execute(list).await.unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    };
    let finding = tokio::select! {
        finding = says(&story, "in (?)") => finding,
        () = found => unreachable!(),
    };
    assert!(finding["evidence"]["entries"].as_f64() >= Some(50.0), "{finding:#}");
    story.server.sql("postgres", "select pg_stat_statements_reset()").await;
    story.resolves("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_that_come_too_early() {
    let settings = [("max_wal_size", "32MB"), ("min_wal_size", "32MB"), ("checkpoint_timeout", "1h")];
    let prepare =
        ["create extension if not exists pg_stat_statements; create table filled (n int, pad text)"];
    let story = Story::of_several("server-checkpoints-requested", &settings, &prepare, PAGES).await;
    let fills =
        "truncate filled; insert into filled select n, repeat('x', 500) from generate_series(1, 60000) n";
    let filled = keeps_asking(&story, fills, 300);
    let finding = story.is_said("max_wal_size").await;
    filled.abort();
    assert!(finding["evidence"]["requested"].as_f64() >= Some(6.0), "{finding:#}");
}
