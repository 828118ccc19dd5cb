//! The clock of the day jumps on our machine, forward and back: nothing that we tell becomes negative, absurd or news.

use super::{PACES, SOON};
use crate::rig::Dir;
use crate::rig::daemon::Daemon;
use crate::rig::mysql::{self, flavours};
use crate::rig::postgres::{Server, any};
use crate::rig::shim::Shim;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Seconds that the clock is ahead: an hour forward, one behind, ten years each way, and right again.
const JUMPS: [i64; 5] = [3_600, -3_600, 315_576_000, -315_576_000, 0];

/// Of each series its value.
fn series<'a>(metrics: &'a str, name: &str) -> BTreeMap<&'a str, f64> {
    let lines =
        metrics.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(of, value)| (of, value.parse().unwrap())).collect()
}

fn all_up(metrics: &str) -> bool {
    let up = series(metrics, "dbsonde_target_up");
    up.len() == 3 && up.values().all(|up| *up == 1.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_makes_nothing_negative_and_no_news() {
    let postgres = Server::start(any(), &[]).await;
    let setup = "create extension pg_stat_statements; create table orders (id int primary key, note text);
        insert into orders select n, 'note ' || n from generate_series(1, 100000) n;
        create index orders_note on orders (note); create index orders_note_too on orders (note); analyze orders";
    postgres.sql("postgres", setup).await;
    let [mysql, mariadb] = flavours().map(|version| mysql::Server::start(version, &[]));
    let (mysql, mariadb) = tokio::join!(mysql, mariadb);
    let dir = Dir::new();
    let told = dir.join("told.jsonl");
    let mut config = format!("{PACES}[[sink]]\nkind = \"file\"\npath = {told:?}\n");
    for (name, url) in [("pg", postgres.url("postgres")), ("my", mysql.url("")), ("ma", mariadb.url(""))] {
        config += &format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n");
    }
    let shim = Shim::new(&dir.join("nowhere"));
    let environment = shim.environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let daemon = Daemon::start_with(&config, &[], &environment).await;
    daemon.wait_for("/metrics", |answer| all_up(&answer.text()), SOON).await;
    let is_found = |text: &str| text.contains("index-duplicate");
    daemon.wait_for("/api/v1/findings", |answer| is_found(&answer.text()), Duration::from_secs(60)).await;
    // What there is to say is said by then.
    tokio::time::sleep(Duration::from_secs(40)).await;
    let (before, calm) = (fs::read_to_string(&told).unwrap(), daemon.get("/metrics").await.text());
    let mut totals = series(&calm, "dbsonde_statement_calls_total")
        .into_iter()
        .map(|(of, value)| (of.to_owned(), value))
        .collect::<BTreeMap<_, _>>();
    assert!(totals.len() > 3, "{calm}");
    for jump in JUMPS {
        shim.clock(jump);
        for _ in 0..24 {
            let metrics = daemon.get("/metrics").await.text();
            assert!(all_up(&metrics), "{jump}: {}", daemon.log());
            for (of, age) in series(&metrics, "dbsonde_snapshot_age_seconds") {
                assert!((0.0..120.0).contains(&age), "{jump}: {of} {age}");
            }
            for (of, value) in series(&metrics, "dbsonde_statement_calls_total") {
                let last = totals.insert(of.to_owned(), value).unwrap_or(0.0);
                assert!(value >= last && value - last < 2_000.0, "{jump}: {of}: {last} became {value}");
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        for cost in daemon.get("/api/v1/statements").await.json().as_array().unwrap() {
            let seconds = cost["window_seconds"].as_f64().unwrap();
            assert!((0.1..120.0).contains(&seconds), "{jump}: {cost}");
        }
    }
    let after = fs::read_to_string(&told).unwrap();
    let news = after.strip_prefix(&before).unwrap_or(&after);
    assert_eq!(news, "", "a jump is no event");
    assert!(is_found(&daemon.get("/api/v1/findings").await.text()));
    assert!(!daemon.log().contains("panic"), "{}", daemon.log());
}
