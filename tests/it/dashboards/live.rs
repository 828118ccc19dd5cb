//! Every panel with data: a real Prometheus scrapes the real daemon while real servers work, and each query of each
//! panel is asked. A panel may be of one engine; then it must have data of that engine's targets.

use super::{BOARDS, Board, Query, board, expanded};
use crate::rig::daemon::{Daemon, request_json};
use crate::rig::postgres::{Server, any};
use crate::rig::{Dir, free_port, prometheus};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// From the first scrape until the rarest reading has been seen twice on a busy machine.
const LIMIT: Duration = Duration::from_secs(240);

/// A Prometheus of its own, ended when dropped.
struct Prometheus {
    port: u16,
    child: Child,
    _dir: Dir,
}

impl Prometheus {
    fn scraping(daemon: &Daemon) -> Prometheus {
        let (dir, port) = (Dir::new(), free_port());
        let config = format!(
            "global: {{ scrape_interval: 2s }}\nscrape_configs:\n- job_name: dbsonde\n  static_configs:\n  \
             - targets: ['127.0.0.1:{}']\n",
            daemon.port
        );
        fs::write(dir.join("prometheus.yml"), config).unwrap();
        let child = prometheus("prometheus")
            .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--log.level=error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus: run tests/rig/install.sh");
        Prometheus { port, child, _dir: dir }
    }

    /// The series that a query has now; why it has none otherwise.
    async fn ask(&self, expr: &str) -> Result<Vec<Value>, String> {
        let encoded: String = expr.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = request_json(self.port, &format!("/api/v1/query?query={encoded}")).await;
        let answer = answer.map_err(|error| error.to_string())?;
        match answer["data"]["result"].as_array() {
            Some(result) => Ok(result.clone()),
            None => Err(answer.to_string()),
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The engines whose targets are watched here; a target's name begins with its engine's.
const ENGINES: [&str; 1] = ["postgres"];

/// What the variables of a dashboard stand for when all targets of an engine are chosen, and the short past that
/// there is.
fn chosen(expr: &str, engine: &str) -> String {
    let mut expr = expr.replace("$__rate_interval", "30s").replace("$__range", "2m");
    expr = expr.replace("=~\"$target\"", &format!("=~\"{engine}.*\""));
    for variable in ["job", "instance", "database", "digest"] {
        expr = expr.replace(&format!("=~\"${variable}\""), "=~\".*\"");
    }
    expr
}

/// All queries, by dashboard, panel and engine.
fn queries() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for name in BOARDS {
        let board: Board = board(name);
        for panel in &board.panel {
            let has = |engine: &&&str| panel.engines.is_empty() || panel.engines.iter().any(|e| e == *engine);
            for engine in ENGINES.iter().filter(has) {
                for (nth, Query { expr, .. }) in panel.query.iter().enumerate() {
                    let expr = chosen(&expanded(expr, &board), engine);
                    all.insert(format!("{name}: {} {nth} of {engine}", panel.title), expr);
                }
            }
        }
    }
    all
}

/// A primary with its standby and a slot, under a load that has everything: locks, spills, changes.
async fn postgres() -> (Server, Server) {
    let primary = Server::start(any(), &[("wal_level", "logical"), ("work_mem", "64kB")]).await;
    let setup = "create extension pg_stat_statements;
        create table orders (id int primary key, customer int, note text);
        insert into orders select n, n % 100, repeat('x', 100) from generate_series(1, 20000) n;
        create index orders_customer on orders (customer);
        create table hot (id int primary key, n int); insert into hot values (1, 0);
        create role stranger login password 'sesame';
        select pg_create_physical_replication_slot('spare', true)";
    primary.sql("postgres", setup).await;
    primary.sql("postgres", "vacuum analyze").await;
    let standby = primary.replica().await;
    (primary, standby)
}

/// Works until it is dropped with its runtime.
async fn work(server: &Server) -> Vec<tokio::task::JoinHandle<()>> {
    let scripts = [
        // Holds a row for a while, so that the next one waits.
        "begin; update hot set n = n + 1 where id = 1; select pg_sleep(1.5); commit; select pg_sleep(0.2)",
        "update hot set n = n + 1 where id = 1; select pg_sleep(0.3)",
        "select count(*) from (select * from orders order by note, customer, id) o; select pg_sleep(0.2)",
        "select count(*) from orders where customer = 7; select sum(customer) from orders",
        "insert into orders select n, 1, 'y' from generate_series(100000, 100100) n; delete from orders where id >= 100000",
        "begin; select 1; rollback; select pg_sleep(0.1)",
    ];
    let mut running = Vec::new();
    for script in scripts {
        let client = server.connect("postgres").await;
        running.push(tokio::spawn(async move { while client.simple_query(script).await.is_ok() {} }));
    }
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_has_data() {
    let (primary, standby) = postgres().await;
    let working = work(&primary).await;
    let target = |name: &str, url: String| format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n");
    let config = format!(
        "[pace]\npulse = \"1s\"\nbeat = \"5s\"\nslow = \"15s\"\nrare = \"60s\"\n{}{}{}\
         [[sink]]\nkind = \"log\"\n[rules.index-unused]\nmin_bytes = \"8KiB\"\nmin_window = \"10s\"\n",
        target("postgres", primary.url("postgres")),
        target("postgres-standby", standby.url("postgres")),
        // A login that may see next to nothing, so that there are gaps to show.
        target("postgres-stranger", primary.url_as("stranger", "sesame", "postgres")),
    );
    let daemon = Daemon::start(&config).await;
    let prometheus = Prometheus::scraping(&daemon);
    let mut left = queries();
    assert!(left.len() > 70);
    let end = Instant::now() + LIMIT;
    while !left.is_empty() {
        let mut still = BTreeMap::new();
        for (panel, expr) in left {
            match prometheus.ask(&expr).await {
                Ok(series) if has_data(&series) => {}
                _ => drop(still.insert(panel, expr)),
            }
        }
        left = still;
        assert!(Instant::now() < end, "no data in {left:#?}\n{}", daemon.log());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    // The verifier looks: what nobody exports has no data.
    let gone = prometheus.ask("sum(dbsonde_metric_that_was_dropped{job=~\".*\"})").await;
    assert!(!has_data(&gone.unwrap()));
    working.iter().for_each(|task| task.abort());
}

/// Numbers, not only label sets: a ratio of nothing is none.
fn has_data(series: &[Value]) -> bool {
    let number = |one: &Value| one["value"][1].as_str().and_then(|v| v.parse::<f64>().ok());
    series.iter().filter_map(number).any(f64::is_finite)
}
