//! Pages that read the plans of single runs: a server whose `auto_explain` puts them in its log, which is found by itself.

use super::Story;
use std::time::Duration;

/// A canary: no literal of a plan or its statement may leave.
const CANARY: &str = "geheimnis-4711";

const SHOP: &str = "
    create table orders (id int primary key, name text);
    insert into orders select n, md5(n::text) from generate_series(1, 1000) n;
    create table notes (id int primary key, order_id int);
    insert into notes select n, n from generate_series(1, 20000) n";

/// A few seconds make a habit here, and a few more make it past.
pub fn rules(pages: &[&str], own: &str) -> String {
    let one = |page: &&str| {
        let habit = "habit = { min_seconds = 0.0005, min_times = 2.0, max_age = \"20s\" }";
        format!("[rules.{page}]\n{habit}\n{own}\n")
    };
    pages.iter().map(one).collect()
}

pub const SETTINGS: [(&str, &str); 8] = [
    ("session_preload_libraries", "auto_explain"),
    ("auto_explain.log_min_duration", "1ms"),
    ("auto_explain.log_analyze", "on"),
    ("auto_explain.log_format", "json"),
    ("logging_collector", "on"),
    ("log_destination", "csvlog"),
    ("jit", "off"),
    ("max_parallel_workers_per_gather", "0"),
];

/// In a session of its own each time, again and again.
async fn keeps_running(story: &Story, statement: &str) {
    loop {
        let client = story.server.connect("postgres").await;
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_read_whole_for_each_row_of_another() {
    let prepare = ["create extension pg_stat_statements", SHOP, "vacuum analyze"];
    let page = "plan-inner-sequential-scan";
    let story = Story::of_several(page, &SETTINGS, &prepare, &rules(&[page], "")).await;
    let counted = format!(
        "select count(*) from orders o where o.id <= 300 and o.name <> '{CANARY}'
            and (select count(*) from notes n where n.order_id = o.id) > 0"
    );
    let tale = async {
        let finding = story.appears("public.notes").await;
        let plan = finding["evidence"]["plan"].as_str().unwrap();
        assert!(plan.contains("Seq Scan on notes"), "{finding:#}");
        let shown = story.daemon.get("/api/v1/plans").await.json();
        let of = |planned: &&serde_json::Value| planned["digest"] == finding["evidence"]["digest"];
        let planned = shown.as_array().unwrap().iter().find(of).unwrap();
        assert!(planned["logged"][0]["seconds"].as_f64() > Some(0.0005), "{planned:#}");
        for path in ["/api/v1/plans", "/api/v1/findings", "/", "/metrics"] {
            assert!(!story.daemon.get(path).await.text().contains(CANARY), "{path} shows a literal");
        }
        story.run(&finding, "sql").await;
        story.resolves("public.notes").await;
        story.run(&finding, "rollback").await;
        // Until the indexes are read again it has no script.
        story.is_said("public.notes").await;
    };
    tokio::select! {
        () = tale => {}
        () = keeps_running(&story, &counted) => unreachable!(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_through_files_for_want_of_memory() {
    let fill = "create table orders (id int primary key, town int, note text);
        insert into orders select n, n % 200, md5(n::text) from generate_series(1, 100000) n";
    let prepare = ["create extension pg_stat_statements", fill, "vacuum analyze"];
    let pages = ["plan-disk-sort", "plan-hash-batches"];
    let rules = rules(&pages, "min_bytes = \"1MiB\"");
    let small = SETTINGS.into_iter().chain([("work_mem", "1MB")]).collect::<Vec<_>>();
    let mut story = Story::of_several(pages[0], &small, &prepare, &rules).await;
    let statements = [
        "select count(*) from (select note, id from orders order by note offset 0) as sorted",
        "select count(*) from orders a join orders b on b.note = a.note and b.town >= 0",
    ];
    for (page, statement) in pages.into_iter().zip(statements) {
        story.turn_to(page);
        let tale = async {
            // Who sends it is known when the statements have been read once more.
            let finding = story.is_said_where(|finding| finding["fix"]["sql"].is_array()).await;
            story.run(&finding, "sql").await;
            story.resolves("").await;
            story.run(&finding, "rollback").await;
            story.appears("").await;
        };
        tokio::select! {
            () = tale => {}
            () = keeps_running(&story, statement) => unreachable!(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_like_something() {
    let fill = "create table goods (id int primary key, sku text collate \"en-x-icu\" not null);
        insert into goods select n, md5(n::text) from generate_series(1, 50000) n;
        create index goods_sku on goods (sku)";
    let prepare = ["create extension pg_stat_statements", fill, "vacuum analyze"];
    let pages = ["statement-like-collation", "statement-leading-wildcard"];
    let rules = rules(&pages, "min_rows = 20000.0");
    let mut story = Story::of_several(pages[0], &SETTINGS, &prepare, &rules).await;
    let begins = "select count(*) from goods where sku like 'c4ca4%'";
    let anywhere = "select count(*) from goods where sku like '%geheim%'";
    for (page, statement) in pages.into_iter().zip([begins, anywhere]) {
        story.turn_to(page);
        let subject = "public.goods (sku)";
        let tale = async {
            let finding = story.appears(subject).await;
            story.run(&finding, "sql").await;
            story.resolves(subject).await;
            story.run(&finding, "rollback").await;
            story.appears(subject).await;
            let findings = story.daemon.get("/api/v1/findings").await.text();
            assert!(!findings.contains("geheim") && !findings.contains("c4ca4"), "{findings}");
        };
        tokio::select! {
            () = tale => {}
            () = keeps_running(&story, statement) => unreachable!(),
        }
    }
}

/// A table that everybody may read from its index alone, one that is found by a bitmap of all its pages, one that is worth
/// two workers, and one that the server asks itself for as if it lay elsewhere.
const LACKING: &str = "
    create table marked (id int primary key, pad text) with (autovacuum_enabled = off, parallel_workers = 0);
    insert into marked select n, repeat('x', 400) from generate_series(1, 30000) n;
    create table spread (id int, town int, pad text) with (parallel_workers = 0);
    insert into spread select n, n % 40, repeat('x', 100) from generate_series(1, 200000) n;
    create index spread_town on spread (town);
    create table shared (n int) with (parallel_workers = 2);
    insert into shared select generate_series(1, 100000);
    create table near (id int) with (parallel_workers = 0);
    insert into near select generate_series(1, 20000);
    create extension postgres_fdw;
    do $$ begin execute format('create server elsewhere foreign data wrapper postgres_fdw options (host %L, port %L, dbname %L)',
        '127.0.0.1', current_setting('port'), current_database()); end $$;
    create user mapping for postgres server elsewhere options (user 'postgres');
    create foreign table far (id int) server elsewhere options (table_name 'near')";

/// What vacuum marks is unmarked by who writes.
const UNMARK: &str = "update marked set pad = pad";

const SELECTIVE: &str = "create or replace function is_wanted(int) returns bool language plpgsql immutable as
    'begin return $1 % 1000 = 0; end'";
const GENEROUS: &str = "create or replace function is_wanted(int) returns bool language plpgsql immutable as
    'begin return true; end'";

async fn while_they_run<T>(story: &Story, tale: impl Future<Output = T>) -> T {
    tokio::select! {
        told = tale => told,
        () = keeps_running(story, "select count(*) from marked where id > 0") => unreachable!(),
        () = keeps_running(story, "select count(pad) from spread where town = 7") => unreachable!(),
        () = keeps_running(story, "select count(*) from shared where n % 7 = 1") => unreachable!(),
        () = keeps_running(story, "select count(*) from far where is_wanted(id)") => unreachable!(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_lack() {
    let prepare = [
        "create extension pg_stat_statements",
        LACKING,
        SELECTIVE,
        "alter system set max_parallel_workers = 1",
        "select pg_reload_conf()",
        "vacuum analyze",
        UNMARK,
    ];
    let with_script = ["plan-heap-fetches", "plan-lossy-bitmap", "plan-parallel-shortfall"];
    let without = "plan-foreign-filter";
    let rules = rules(&[with_script[0], with_script[2], without], "")
        + &rules(&[with_script[1]], "min_rows = 20000.0");
    let more = [
        ("work_mem", "64kB"),
        ("random_page_cost", "2"),
        ("max_parallel_workers_per_gather", "2"),
        ("parallel_setup_cost", "0"),
        ("parallel_tuple_cost", "0"),
    ];
    let settings: Vec<(&str, &str)> = SETTINGS.into_iter().chain(more).collect();
    let mut story = Story::of_several(without, &settings, &prepare, &rules).await;
    let thrown_away = while_they_run(&story, story.is_said("")).await;
    assert!(thrown_away["advice"].as_str().unwrap().contains("no script"), "{thrown_away:#}");
    let mut findings = Vec::new();
    for page in with_script {
        story.turn_to(page);
        // Who sends it is known when the statements have been read once more.
        let has_script = |finding: &serde_json::Value| finding["fix"]["sql"].is_array();
        findings.push(while_they_run(&story, story.is_said_where(has_script)).await);
    }
    for finding in &findings {
        story.run(finding, "sql").await;
    }
    story.server.sql("postgres", GENEROUS).await;
    for page in with_script.into_iter().chain([without]) {
        story.turn_to(page);
        while_they_run(&story, story.resolves("")).await;
    }
    for finding in &findings {
        story.run(finding, "rollback").await;
    }
    for back in [UNMARK, SELECTIVE] {
        story.server.sql("postgres", back).await;
    }
    for page in with_script.into_iter().chain([without]) {
        story.turn_to(page);
        while_they_run(&story, story.is_said("")).await;
    }
}
