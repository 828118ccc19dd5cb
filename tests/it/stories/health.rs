//! The story in which nothing is wrong: a well-kept database at work, of which every page must be silent.

use super::statements::keeps_asking;
use super::{LIMIT, Story};
use crate::rig::postgres::TIERS;
use crate::rig::process::Process;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Foreign keys with their indexes, partitions, documents, a queue.
const SHOP: &str = "
    create table customers (id int primary key, email text not null unique, name text not null);
    insert into customers select n, 'c' || n || '@example.com', md5(n::text) from generate_series(1, 20000) n;
    create table orders (id bigint generated always as identity primary key, customer_id int not null references customers on delete cascade,
        status text not null, amount numeric not null, placed_at timestamptz not null default now());
    insert into orders (customer_id, status, amount, placed_at)
      select 1 + n % 20000, (array['new', 'paid', 'sent'])[1 + n % 3], n % 100, now() - n * interval '1 min' from generate_series(1, 60000) n;
    create index orders_customer on orders (customer_id, placed_at);
    create table order_lines (order_id bigint references orders on delete cascade, line int, product int not null, primary key (order_id, line));
    insert into order_lines select o.id, l, (o.id + l) % 500 from orders o, generate_series(1, 2) l;
    create table events (at timestamptz not null, kind text not null, payload jsonb, primary key (at, kind)) partition by range (at);
    create table events_old partition of events for values from ('2020-01-01') to ('2026-01-01');
    create table events_new partition of events for values from ('2026-01-01') to ('2099-01-01');
    create table docs (id int primary key, body jsonb not null);
    insert into docs select n, jsonb_build_object('k', n % 4000, 'words', md5(n::text)) from generate_series(1, 20000) n;
    create index docs_body on docs using gin (body jsonb_path_ops);
    create table jobs (id bigint generated always as identity primary key, state text not null default 'queued', run_at timestamptz not null default now());
    create index jobs_queued on jobs (run_at) where state = 'queued'";

const WORK: [(&str, u64); 9] = [
    ("select id, status, amount from orders where customer_id = 77 order by placed_at desc limit 20", 20),
    ("select o.id, l.product from orders o join order_lines l on l.order_id = o.id where o.id = 4711", 20),
    ("select status, sum(amount) from orders where customer_id between 10 and 300 group by status", 50),
    ("select name from customers where email = 'c99@example.com'", 20),
    ("update orders set status = 'paid' where id = 99", 50),
    ("insert into events values (clock_timestamp(), 'seen', '{\"a\": 1}')", 50),
    ("select count(*) from events where at > now() - interval '10 s'", 100),
    ("select id from docs where body @> '{\"k\": 77}'", 50),
    ("insert into jobs default values; update jobs set state = 'done' where id = (select id from jobs where state = 'queued'
        order by run_at limit 1 for update skip locked)", 50),
];

/// Autovacuum looks round as much sooner as the pages do.
const NAPS: [(&str, &str); 1] = [("autovacuum_naptime", "5s")];

/// Spans that fit a test, for every page that has seen enough after some seconds of a busy server. The rig's servers do
/// not flush, and we look as their superuser.
const PAGES: &str = "
    [rules]
    skip = [\"setting-loses-data\", \"server-watched-with-write-rights\"]
    [rules.index-missing]
    min_window = \"10s\"
    min_bytes = \"1MiB\"
    [rules.index-hidden-by-expression]
    min_window = \"10s\"
    min_bytes = \"1MiB\"
    [rules.server-checkpoints-requested]
    min_window = \"10s\"
    [rules.statement-or-across-columns]
    min_window = \"10s\"
    min_bytes = \"1MiB\"
    [rules.statement-order-by-limit-trap]
    min_window = \"10s\"
    min_touched = \"1MiB\"
    [rules.table-statistics-stale]
    min_window = \"20s\"
    min_changed_rows = 1000.0
    [rules.statement-deep-offset]
    min_window = \"10s\"
    [rules.statement-counts-everything]
    min_window = \"10s\"
    min_bytes = \"1MiB\"
    [rules.statement-in-list-explosion]
    min_window = \"10s\"
    [rules.statement-plan-flipped]
    min_window = \"10s\"
    [rules.statement-dominant]
    min_window = \"10s\"
    [rules.statement-spills]
    min_window = \"10s\"
    [rules.statement-jit-overhead]
    min_window = \"10s\"
    [rules.statement-returns-too-much]
    min_window = \"10s\"
    [rules.statement-wal-heavy]
    min_window = \"10s\"";

async fn plans_known(story: &Story) -> usize {
    let plans = story.daemon.get("/api/v1/plans").await.json();
    let is_known = |planned: &&Value| !planned["shapes"].as_array().unwrap().is_empty();
    plans.as_array().unwrap().iter().filter(is_known).count()
}

/// Each finding in a line, then all of each.
fn told(open: &[Value]) -> String {
    let line = |finding: &Value| {
        format!("{} of {}: {}", finding["rule"], finding["subject"], finding["because"].as_str().unwrap())
    };
    let lines: Vec<String> = open.iter().map(line).collect();
    format!("{}\n{open:#?}", lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_well_kept_database_is_left_in_peace() {
    let prepare = [&TIERS[..], &[SHOP, "vacuum analyze"]].concat();
    let story = Story::of_several("", &NAPS, &prepare, PAGES).await;
    let asked: Vec<JoinHandle<()>> =
        WORK.iter().map(|(text, pause)| keeps_asking(&story, text, *pause)).collect();
    let bench = pgbench(&story).await;
    let began = Instant::now();
    // Where the machine is busy it takes longer until plans are known: silence before is ignorance, not health.
    while began.elapsed() < Duration::from_secs(75) || plans_known(&story).await < 3 {
        let findings = story.daemon.get("/api/v1/findings").await.json();
        let open = findings["findings"].as_array().unwrap();
        assert!(open.is_empty(), "{}", told(open));
        assert!(began.elapsed() < LIMIT, "{:#}", story.daemon.get("/api/v1/plans").await.json());
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    assert!(bench.is_none_or(|mut bench| !bench.has_ended()), "pgbench gave up");
    asked.iter().for_each(JoinHandle::abort);
}

/// The bench that everybody knows, at a pace that leaves the machine to others.
async fn pgbench(story: &Story) -> Option<Process> {
    let mut fills = story.server.pgbench("pgbench.fill", &["-i", "-q", "-s", "5"])?;
    let began = Instant::now();
    while !fills.has_ended() {
        assert!(began.elapsed() < LIMIT, "pgbench does not fill its tables");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let options = ["-c", "2", "-M", "prepared", "-R", "50", "-T", "600", "-n"];
    let bench = story.server.pgbench("pgbench.run", &options);
    assert!(bench.is_some());
    bench
}
