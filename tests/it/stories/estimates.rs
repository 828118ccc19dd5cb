//! Pages about what the planner had expected, and others that speak of one step of a run: one server whose log shows plans, and
//! whatever makes them speak, all at once.

use super::Story;
use super::plans_of_a_log::{SETTINGS, rules};
use serde_json::Value;
use std::time::Duration;

/// `pages` and `few` are what the rows of all others are compared with, so that every run is slow, whatever the plan.
const TABLES: &str = "
    create table pages (id int);
    insert into pages select n from generate_series(1, 3000) n;
    create table few (id int);
    insert into few select n from generate_series(1, 300) n;
    -- A hundred values are very common, fifty a little less, the others are unique.
    create table hits (id int, v int);
    insert into hits select n, n % 100 from generate_series(1, 50000) n;
    insert into hits select n, 1000 + n % 50 from generate_series(1, 10000) n;
    insert into hits select n, 100000 + n from generate_series(1, 40000) n;
    create table places (id int, town int, postcode int);
    insert into places select n, n % 20, n % 80 from generate_series(1, 16000) n;
    create table owners (id int, v int);
    insert into owners select n, greatest(n - 200, 0) from generate_series(1, 40000) n;
    create table kinds (id int, kind text);
    insert into kinds select n, 'a' from generate_series(1, 2000) n;
    create table parents (id int primary key);
    insert into parents select n from generate_series(1, 1000) n;
    create table children (id int, parent_id int references parents);
    insert into children select n, 100 + n % 900 from generate_series(1, 60000) n";

const FRESH: &str =
    "create table fresh (id int, n int); insert into fresh select n, 7 from generate_series(1, 2000) n";

const STATEMENTS: [&str; 8] = [
    "select count(*) from fresh f left join few on few.id <> f.id where f.n = 7",
    "select count(*) from hits h left join pages p on p.id <> h.id where h.v = 1007",
    "select count(*) from places s left join pages p on p.id <> s.id where s.town = 7 and s.postcode = 7",
    "select count(*) from kinds k left join few on few.id <> k.id where lower(k.kind) = 'a' and upper(k.kind) = 'A'",
    "select count(*) from pages a join pages b on a.id < b.id where a.id <= 800 and b.id <= 800",
    "begin",
    "delete from parents where id <= 30",
    "rollback",
];
const BY_VALUE: &str = "select count(*) from owners o left join pages p on p.id <> o.id where o.v = $1";

/// What is told while they run one after the other, in a session of its own each time.
async fn beside<T>(story: &Story, tale: impl Future<Output = T>) -> T {
    let keep_running = async {
        loop {
            let client = story.server.connect("postgres").await;
            for statement in STATEMENTS {
                client
                    .batch_execute(statement)
                    .await
                    .unwrap_or_else(|error| panic!("{statement}: {error:?}"));
            }
            client.query(BY_VALUE, &[&0]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        told = tale => told,
        () = keep_running => unreachable!(),
    }
}

/// Who sends a statement is known when all of them have been read once more.
async fn with_a_script(story: &mut Story, (page, subject): (&'static str, &str)) -> Value {
    story.turn_to(page);
    let is_it = |finding: &Value| {
        finding["subject"].as_str().is_some_and(|own| own.contains(subject))
            && finding["fix"]["sql"].is_array()
    };
    beside(story, story.is_said_where(is_it)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_planner_had_not_expected() {
    let of_a_log = [("auto_explain.log_triggers", "on"), ("autovacuum", "off")];
    let settings = SETTINGS.into_iter().chain(of_a_log).collect::<Vec<_>>();
    let generic = "alter database postgres set plan_cache_mode = force_generic_plan";
    let prepare = ["create extension pg_stat_statements", TABLES, "vacuum analyze", FRESH, generic];
    let mended = [
        ("plan-misestimate", "public.fresh"),
        ("plan-misestimate", "public.hits (v)"),
        ("plan-correlated-columns", "public.places (town, postcode)"),
        ("plan-generic-worse", ""),
        ("plan-trigger-time", "public.children children_parent_id_fkey"),
    ];
    let estimates = ["plan-misestimate", "plan-correlated-columns", "plan-generic-worse", "plan-nested-loop"];
    let rules = rules(&estimates, "estimate = { min_factor = 10.0, min_rows = 100.0 }")
        + &rules(&["plan-materialise-reread"], "min_rows = 1e5")
        + &rules(&["plan-trigger-time"], "").replace("0.0005", "0.02");
    let mut story = Story::of_several(mended[0].0, &settings, &prepare, &rules).await;
    let mut findings = Vec::new();
    for told in mended {
        findings.push(with_a_script(&mut story, told).await);
    }
    for page in ["plan-nested-loop", "plan-materialise-reread"] {
        story.turn_to(page);
        let finding = beside(&story, story.is_said("")).await;
        assert!(finding["fix"].is_null(), "{finding:#}");
        assert_eq!(story.found().await.len(), 1, "{page} speaks of one statement");
    }
    for finding in &findings {
        story.run(finding, "sql").await;
    }
    for (page, subject) in mended {
        story.turn_to(page);
        beside(&story, story.resolves(subject)).await;
    }
    // That a table was analysed cannot be taken back.
    for finding in findings.iter().skip(1) {
        story.run(finding, "rollback").await;
    }
    for told in mended.into_iter().skip(1) {
        with_a_script(&mut story, told).await;
    }
}
