//! The story in which nothing is wrong: a well-kept database at work, of which every page must be silent.

use super::{LIMIT, Story};
use crate::rig::client::keeps_asking;
use crate::rig::postgres::TIERS;
use crate::rig::process::Process;
use crate::rig::shop;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

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
    let prepare = [&TIERS[..], &[shop::POSTGRES, "vacuum analyze"]].concat();
    let story = Story::of_several("", &NAPS, &prepare, PAGES).await;
    let url = || story.server.url("postgres");
    let asked: Vec<JoinHandle<()>> = shop::WORK_ON_POSTGRES
        .into_iter()
        .map(|(statements, pause)| keeps_asking(url(), statements, pause))
        .collect();
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
