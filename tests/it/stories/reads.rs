//! Pages about what keeps the server from reading less than everything: one shop that is asked in every wrong way.

use super::Story;
use super::plans::TIERS;
use super::statements::{keeps_asking, says};
use tokio::task::JoinHandle;

const SHOP: &str = "
    create table people (id int primary key, email text, phone text);
    insert into people select n, 'User' || n || '@example.com', '+49' || n from generate_series(1, 60000) n;
    create index people_email on people (email);
    create table visits (id int primary key, page int, seen_at timestamptz, hits int) with (fillfactor = 50);
    insert into visits select n, n, now(), 0 from generate_series(1, 2000) n;
    create index visits_seen_at on visits (seen_at)";

/// Spans that fit a test, and amounts that fit a small machine.
const PAGES: &str = "
    [rules.index-hidden-by-expression]
    min_window = \"10s\"
    min_bytes = \"1MiB\"
    [rules.statement-or-across-columns]
    min_window = \"10s\"
    min_bytes = \"1MiB\"
    [rules.statement-deep-offset]
    min_window = \"10s\"
    [rules.statement-not-in-nullable]
    min_window = \"10s\"
    [rules.statement-counts-everything]
    min_window = \"10s\"
    min_bytes = \"1MiB\"
    [rules.statement-in-list-explosion]
    min_window = \"10s\"
    [rules.index-keeps-updates-from-hot]
    min_window = \"10s\"
    [rules.server-checkpoints-requested]
    min_window = \"10s\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_is_asked_in_every_wrong_way() {
    let prepare = [&TIERS[..], &[SHOP, "vacuum analyze"]].concat();
    let settings = [("jit", "off"), ("work_mem", "64kB"), ("hash_mem_multiplier", "1")];
    let mut story = Story::of_several("index-hidden-by-expression", &settings, &prepare, PAGES).await;
    let asked = [
        keeps_asking(&story, "select id from people where lower(email) = 'user77@example.com'", 50),
        keeps_asking(
            &story,
            "select id from people where email = 'User77@example.com' or phone = '+4988'",
            50,
        ),
        keeps_asking(&story, "select id, email from people order by id limit 10 offset 50000", 50),
        keeps_asking(&story, "select count(*) from people", 50),
        keeps_asking(
            &story,
            "select id from people where id between 59970 and 60000 and id not in (select id from people where phone > '+4')",
            200,
        ),
        keeps_asking(
            &story,
            "update visits set seen_at = clock_timestamp(), hits = hits + 1 where page between 100 and 120",
            20,
        ),
    ];
    let by_email = says(&story, "lower(email)").await;
    let subject = by_email["subject"].as_str().unwrap();
    story.run(&by_email, "sql").await;
    story.resolves(subject).await;
    story.run(&by_email, "rollback").await;
    story.appears(subject).await;

    story.turn_to("statement-or-across-columns");
    let either = says(&story, "or phone = ?").await;
    let subject = either["subject"].as_str().unwrap();
    story.run(&either, "sql").await;
    story.resolves(subject).await;
    story.run(&either, "rollback").await;
    story.appears(subject).await;

    story.turn_to("index-keeps-updates-from-hot");
    story.of_an_object("public.visits_seen_at").await;

    let no_script = [
        ("statement-deep-offset", "offset ?"),
        ("statement-counts-everything", "count(*)"),
        ("statement-not-in-nullable", "not in (select"),
    ];
    for (rule, words) in no_script {
        story.turn_to(rule);
        let finding = says(&story, words).await;
        assert!(finding["advice"].as_str().unwrap().contains("no script"), "{finding:#}");
    }
    asked.iter().for_each(JoinHandle::abort);
    for (rule, _) in no_script {
        story.turn_to(rule);
        story.resolves("").await;
    }
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
