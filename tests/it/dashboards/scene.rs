//! What dashboards are tried on: servers of every engine at work, with their copies, watched by the real daemon, which a
//! real Prometheus scrapes.

use crate::rig::certificates::Certificates;
use crate::rig::daemon::{Daemon, request_json};
use crate::rig::mysql::Version::{MariaDb118, MariaDb1011, MySql97};
use crate::rig::mysql::{self, Version, run};
use crate::rig::postgres::{self, any};
use crate::rig::{Dir, free_port, prometheus, root};
use serde_json::Value;
use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;
use tokio::time::sleep;

/// From one scrape to the next. Nothing that we export changes more often.
pub const SCRAPE_SECONDS: u32 = 2;

/// The parts end when it is dropped, the servers last.
pub struct Scene {
    pub prometheus: Prometheus,
    pub daemon: Daemon,
    _postgres: [postgres::Server; 2],
    _mysql: Vec<mysql::Server>,
}

/// The floors of every pace, kept also where a busy machine makes readings dear; a handbook that speaks of what is small
/// and new.
const CONFIG: &str = "[budget]\nthrottle = false\n[pace]\npulse = \"1s\"\nbeat = \"5s\"\nslow = \"15s\"\nrare = \"60s\"\n\
     [[sink]]\nkind = \"log\"\n[rules.index-unused]\nmin_bytes = \"8KiB\"\nmin_window = \"10s\"\n";

impl Scene {
    pub async fn begin() -> Scene {
        let (postgres, mysql, mariadb, galera) =
            tokio::join!(postgres_pair(), mysql_pair(MySql97), mysql_pair(MariaDb118), galera());
        work_on_postgres(&postgres[0]).await;
        for source in [&mysql[0], &mariadb[0]] {
            work_on_mysql(source).await;
        }
        let mut config = CONFIG.to_owned();
        let mut target = |name: &str, url: String, more: &str| {
            config += &format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n{more}\n");
        };
        target("postgres", postgres[0].url("postgres"), "");
        target("postgres-standby", postgres[1].url("postgres"), "");
        // A login that may see next to nothing, so that there are gaps to show.
        target("postgres-stranger", postgres[0].url_as("stranger", "sesame", "postgres"), "");
        target("postgres-away", "postgres://postgres@127.0.0.1:1/postgres".to_owned(), "");
        for (name, pair) in [("mysql", &mysql), ("mariadb", &mariadb)] {
            let log = pair[0].data().join("slow.log");
            target(name, pair[0].url("test"), &format!("log = {{ path = {log:?} }}"));
            target(&format!("{name}-replica"), pair[1].url("test"), "");
            target(&format!("{name}-stranger"), pair[0].url_as("stranger", "sesame", ""), "");
            target(&format!("{name}-away"), "mysql://root@127.0.0.1:1/".to_owned(), "");
        }
        target("mariadb-galera", galera.url("test"), "");
        let daemon = Daemon::start(&config).await;
        let prometheus = Prometheus::scraping(&daemon);
        let mysql = [mysql, mariadb].into_iter().flatten().chain([galera]).collect();
        Scene { prometheus, daemon, _postgres: postgres, _mysql: mysql }
    }
}

/// A Prometheus of its own, ended when dropped.
pub struct Prometheus {
    pub port: u16,
    child: Child,
    _dir: Dir,
}

impl Prometheus {
    fn scraping(daemon: &Daemon) -> Prometheus {
        let (dir, port) = (Dir::new(), free_port());
        let config = format!(
            "global: {{ scrape_interval: {SCRAPE_SECONDS}s }}\nscrape_configs:\n- job_name: dbsonde\n  \
             static_configs:\n  - targets: ['127.0.0.1:{}']\n",
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
    pub async fn ask(&self, expr: &str) -> Result<Vec<Value>, String> {
        self.result("query", &[("query", expr)]).await
    }

    /// The series over a time, by the clock in seconds.
    pub async fn over(&self, expr: &str, from: f64, to: f64, step: u32) -> Result<Vec<Value>, String> {
        let (from, to, step) = (from.to_string(), to.to_string(), step.to_string());
        let with = [("query", expr), ("start", &from), ("end", &to), ("step", &step)];
        self.result("query_range", &with).await
    }

    async fn result(&self, of: &str, with: &[(&str, &str)]) -> Result<Vec<Value>, String> {
        let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let with: Vec<String> =
            with.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let answer = request_json(self.port, &format!("/api/v1/{of}?{}", with.join("&"))).await;
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

/// A primary with its standby and a slot.
async fn postgres_pair() -> [postgres::Server; 2] {
    let settings = [
        ("wal_level", "logical"),
        ("work_mem", "64kB"),
        ("deadlock_timeout", "200ms"),
        ("archive_mode", "on"),
        ("archive_command", "true"),
        ("pg_stat_statements.track_planning", "on"),
        ("logging_collector", "on"),
        ("log_destination", "csvlog"),
        ("log_min_duration_statement", "20ms"),
    ];
    let primary = postgres::Server::start(any(), &settings).await;
    let setup = "create extension pg_stat_statements;
        create table orders (id int primary key, customer int, note text);
        insert into orders select n, n % 100, repeat('x', 100) from generate_series(1, 20000) n;
        create index orders_customer on orders (customer);
        create index orders_note on orders (note);
        create table hot (id int primary key, n int); insert into hot values (1, 0), (2, 0), (3, 0);
        create table coupons (id smallserial primary key); select setval('coupons_id_seq', 32000);
        create role stranger login password 'sesame';
        select pg_create_physical_replication_slot('spare', true)";
    primary.sql("postgres", setup).await;
    primary.sql("postgres", "vacuum analyze").await;
    // The others make certificates for themselves.
    Certificates::new().install("server", &primary.data());
    primary.sql("postgres", "alter system set ssl = on").await;
    primary.sql("postgres", "select pg_reload_conf()").await;
    let standby = primary.replica().await;
    [primary, standby]
}

/// A source with its replica, which it waits for; MySQL's is a group of one.
async fn mysql_pair(version: Version) -> [mysql::Server; 2] {
    let (group, address) = ("8a94f357-aab4-11df-86ab-c80aa9429562", format!("127.0.0.1:{}", free_port()));
    let mut of_source = vec![
        ("slow_query_log", "ON"),
        ("slow_query_log_file", "slow.log"),
        ("long_query_time", "0.02"),
        ("innodb_lock_wait_timeout", "3"),
    ];
    let mut of_replica = Vec::new();
    match version.is_mariadb() {
        true => {
            of_source.push(("rpl_semi_sync_master_enabled", "ON"));
            of_replica.push(("rpl_semi_sync_slave_enabled", "ON"));
        }
        false => {
            of_source.push(("plugin_load_add", "semisync_source.so;group_replication.so"));
            of_source.push(("rpl_semi_sync_source_enabled", "ON"));
            of_source.push(("report_host", "127.0.0.1"));
            of_source.push(("loose_group_replication_group_name", group));
            of_source.push(("loose_group_replication_local_address", &address));
            of_source.push(("loose_group_replication_start_on_boot", "OFF"));
            of_replica.push(("plugin_load_add", "semisync_replica.so"));
            of_replica.push(("rpl_semi_sync_replica_enabled", "ON"));
        }
    }
    let source = mysql::Server::start(version, &of_source).await;
    let setup = "create table orders (id int primary key auto_increment, customer int, note varchar(100));
        insert into orders (customer, note) values (1, repeat('x', 60)), (2, repeat('y', 60)), (3, repeat('z', 60));
        create table hot (id int primary key, n int);
        insert into hot values (1, 0), (2, 0), (3, 0);
        create table stock (id int primary key);
        create table coupons (id tinyint primary key auto_increment);
        insert into coupons values (125);
        create user stranger identified by 'sesame'";
    for statement in setup.split(';') {
        source.sql("test", statement).await;
    }
    for _ in 0..13 {
        source.sql("test", "insert into orders (customer, note) select id % 100, note from orders").await;
    }
    for statement in
        ["create index orders_customer on orders (customer)", "create index orders_note on orders (note)"]
    {
        source.sql("test", statement).await;
    }
    source.sql("test", "analyze table orders, hot, coupons").await;
    if !version.is_mariadb() {
        for statement in [
            "set global group_replication_bootstrap_group = on",
            "start group_replication",
            "set global group_replication_bootstrap_group = off",
        ] {
            source.sql("", statement).await;
        }
    }
    let replica = source.replica(&of_replica).await;
    [source, replica]
}

/// A cluster of one.
async fn galera() -> mysql::Server {
    let library = root().join(MariaDb1011.to_string()).join("usr/lib/galera/libgalera_smm.so");
    let listens =
        format!("gmcast.listen_addr=tcp://127.0.0.1:{};ist.recv_addr=127.0.0.1:{}", free_port(), free_port());
    let settings = [
        ("binlog_format", "ROW"),
        ("innodb_autoinc_lock_mode", "2"),
        ("wsrep_on", "ON"),
        ("wsrep_provider", &library.display().to_string()),
        ("wsrep_cluster_address", "gcomm://"),
        ("wsrep_node_address", "127.0.0.1"),
        ("wsrep_provider_options", &listens),
    ];
    // It answers nothing before it is a member.
    mysql::Server::start(MariaDb1011, &settings).await
}

/// What one client does again and again: a script, and how many milliseconds it thinks afterwards.
type Client = &'static [(&'static str, u64)];

/// Clients that do not care which server it is: a row that many want, a ring of two, all kinds of mistakes.
const CLIENTS: [Client; 8] = [
    &[("begin", 0), ("update hot set n = n + 1 where id = 1", 1200), ("commit", 300)],
    &[("update hot set n = n + 1 where id = 1", 200)],
    &[("update hot set n = n + 1 where id = 1", 350)],
    &[
        ("begin", 0),
        ("update hot set n = n + 1 where id = 2", 400),
        ("update hot set n = n + 1 where id = 3", 0),
        ("commit", 2500),
    ],
    &[
        ("begin", 0),
        ("update hot set n = n + 1 where id = 3", 400),
        ("update hot set n = n + 1 where id = 2", 0),
        ("commit", 2100),
    ],
    &[("select count(*) from orders where customer = 7", 40), ("select sum(customer) from orders", 150)],
    &[
        ("select * from missing", 700),
        ("insert into hot values (1, 0)", 900),
        ("begin", 0),
        ("rollback", 400),
    ],
    &[("begin", 0), ("select count(*) from hot", 15_000), ("commit", 1000)],
];

const OF_POSTGRES: [Client; 4] = [
    &[("select count(*) from (select * from orders order by note, customer, id) o", 400)],
    &[
        ("insert into orders select n, 1, 'y' from generate_series(100000, 100100) n", 100),
        ("delete from orders where id >= 100000", 300),
    ],
    &[("select pg_switch_wal()", 3000)],
    // Slow enough to be seen on its way.
    &[
        ("set vacuum_cost_delay = '10ms'; set vacuum_cost_limit = 1", 0),
        ("vacuum (disable_page_skipping) orders", 500),
    ],
];

const OF_MYSQL: [Client; 6] = [
    &[
        ("set big_tables = on", 0),
        ("select note, customer, count(*) from orders group by note, customer order by 3", 400),
    ],
    &[("select count(*) from hot a join hot b on a.n + 0 < b.n + 0", 200)],
    &[
        ("insert into orders (customer, note) select 1000, 'y' from orders limit 100", 100),
        ("delete from orders where customer = 1000", 300),
    ],
    // A reader that stays, a schema change behind it, a reader behind that.
    &[("begin", 0), ("select count(*) from stock", 1500), ("commit", 300)],
    &[("alter table stock comment = 'counted'", 2500)],
    &[("select count(*) from stock", 100)],
];

/// Works until the server is gone.
async fn work_on_postgres(server: &postgres::Server) {
    for scripts in CLIENTS.into_iter().chain(OF_POSTGRES) {
        let client = server.connect("postgres").await;
        client.simple_query("set application_name = 'shop'").await.unwrap();
        tokio::spawn(async move {
            while !client.is_closed() {
                for (script, pause) in scripts {
                    // To fail is what some of them are for; what is left of a transaction ends with the next `rollback`.
                    if client.simple_query(script).await.is_err() {
                        let _ = client.simple_query("rollback").await;
                    }
                    sleep(Duration::from_millis(*pause)).await;
                }
            }
        });
    }
}

async fn work_on_mysql(server: &mysql::Server) {
    for scripts in CLIENTS.into_iter().chain(OF_MYSQL) {
        let mut session = server.connect("test").await;
        tokio::spawn(async move {
            loop {
                for (script, pause) in scripts {
                    match run(&mut session, script).await {
                        Ok(_) | Err(mysql_async::Error::Server(_)) => {}
                        Err(_) => return,
                    }
                    sleep(Duration::from_millis(*pause)).await;
                }
            }
        });
    }
}
