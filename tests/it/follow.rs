//! Logs followed by the real binary, from files and through real servers, which is killed again and again while they are written and rotated: every event
//! is counted once.
//!
//! What `copytruncate` makes unavoidable: what the server writes between the copying and the cutting is in neither
//! file, for anybody. Here nothing is written then.

use crate::rig::daemon::Daemon;
use crate::rig::mysql::{self, Version};
use crate::rig::postgres::{self, Server, Stop};
use crate::rig::{Dir, process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const TABLES: u64 = 5;
const LIMIT: Duration = Duration::from_secs(60);

/// Events with numbers, which are their durations: a sum tells which are missing.
struct Log {
    path: PathBuf,
    file: File,
    next: u64,
    truth: BTreeMap<u64, (u64, u64)>,
}

impl Log {
    fn begin(path: PathBuf) -> Log {
        let file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        Log { path, file, next: 1, truth: BTreeMap::new() }
    }

    fn write(&mut self, count: u64) {
        for _ in 0..count {
            let (n, table) = (self.next, self.next % TABLES);
            self.next += 1;
            let entry = format!(
                "# Time: 2026-11-29T10:00:00.{n:06}Z\n# User@Host: app[app] @ localhost []  Id:     4\n\
                 # Query_time: 0.{n:06}  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 1\n\
                 SET timestamp=1796000000;\nselect * from t_{table} where secret = 'canary-{n}';\n"
            );
            self.file.write_all(entry.as_bytes()).unwrap();
            let (calls, micros) = self.truth.entry(table).or_default();
            (*calls, *micros) = (*calls + 1, *micros + n);
        }
    }

    fn aside(&self) -> PathBuf {
        self.path.with_extension(format!("log.{}", self.next))
    }

    /// The file after this one, made as logrotate does it, or by hand.
    fn rotate(&mut self, how: u64) {
        let aside = self.aside();
        let reopen = |path| OpenOptions::new().append(true).create(true).open(path).unwrap();
        match how % 4 {
            0 => {
                fs::rename(&self.path, &aside).unwrap();
                self.write(3);
                self.file = reopen(&self.path);
            }
            1 => {
                fs::copy(&self.path, &aside).unwrap();
                self.file.set_len(0).unwrap();
            }
            2 => {
                fs::rename(&self.path, &aside).unwrap();
                self.file = reopen(&self.path);
                let packed = File::create(aside.with_extension(format!("{}.gz", self.next))).unwrap();
                let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
                packed.write_all(&fs::read(&aside).unwrap()).unwrap();
                packed.finish().unwrap();
                fs::remove_file(&aside).unwrap();
            }
            // By a link that is switched to another file.
            _ => {
                if !self.path.is_symlink() {
                    fs::rename(&self.path, &aside).unwrap();
                }
                let next = self.path.with_file_name(format!("real-{}.log", self.next));
                self.file = reopen(&next);
                let link = self.path.with_extension("link");
                std::os::unix::fs::symlink(next.file_name().unwrap(), &link).unwrap();
                fs::rename(&link, &self.path).unwrap();
            }
        }
    }

    fn truth(&self) -> Vec<(u64, u64)> {
        let mut truth: Vec<(u64, u64)> = self.truth.values().copied().collect();
        truth.sort_unstable();
        truth
    }
}

fn counted(logs: &Value) -> Vec<(u64, u64)> {
    let micros = |seconds: &Value| (seconds.as_f64().unwrap() * 1e6).round() as u64;
    let rows = logs[0]["log_statements"].as_array().cloned().unwrap_or_default();
    let mut counted: Vec<(u64, u64)> = rows
        .iter()
        .map(|row| (row["calls"].as_f64().unwrap() as u64, micros(&row["exec_seconds"])))
        .collect();
    counted.sort_unstable();
    counted
}

fn entries(logs: &Value) -> f64 {
    logs[0]["logs"][0]["entries"].as_f64().unwrap_or_default()
}

async fn start(config: &str, state: &Dir) -> Daemon {
    Daemon::start_with(config, &["--state.dir", state.path().to_str().unwrap()], &[]).await
}

/// Its locks are gone with it, whether or not somebody has asked for its exit status.
async fn gone(pid: u32) {
    let is_there = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        !status.is_empty() && !status.contains("State:\tZ")
    };
    let began = Instant::now();
    while is_there() {
        assert!(began.elapsed() < LIMIT, "it survives a SIGKILL");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn counts(daemon: &Daemon, truth: &[(u64, u64)]) -> Value {
    let is_counted =
        |logs: Value| logs.as_array().is_some_and(|all| !all.is_empty()) && counted(&logs) == truth;
    daemon.wait_for("/api/v1/logs", |answer| is_counted(answer.json()), LIMIT).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_lost_or_doubled_over_kills_and_rotations() {
    let (home, state) = (Dir::new(), Dir::new());
    let mut log = Log::begin(home.join("slow.log"));
    // Nobody is there: logs are followed all the same.
    let config = format!(
        "[[target]]\nname = \"db\"\nurl = \"mysql://u@127.0.0.1:1/mysql\"\nlog = {{ path = {:?} }}\n",
        log.path
    );
    let mut daemon = start(&config, &state).await;
    counts(&daemon, &[]).await;
    for round in 0..8 {
        log.write(200);
        if round % 2 == 0 {
            counts(&daemon, &log.truth()).await;
        }
        daemon.signal("KILL");
        gone(daemon.pid).await;
        // What is written, and put aside, while nobody looks.
        log.write(70);
        log.rotate(round);
        log.write(30);
        drop(daemon);
        daemon = start(&config, &state).await;
        log.write(11);
        counts(&daemon, &log.truth()).await;
        log.rotate(round + 1);
        log.write(9);
        counts(&daemon, &log.truth()).await;
    }
    let logs = counts(&daemon, &log.truth()).await;
    let whole = &logs[0]["logs"][0];
    assert_eq!((&whole["lost_bytes"], &whole["noise"]), (&0.0.into(), &0.0.into()), "{logs:#}");
    let entries = log.truth().iter().map(|(calls, _)| calls).sum::<u64>() as f64;
    assert_eq!(whole["entries"], entries, "{logs:#}");
    assert_eq!(logs[0]["log_events"][0]["class"], "statement_duration");
    for path in ["/api/v1/logs", "/metrics", "/"] {
        assert!(!daemon.get(path).await.text().contains("canary-"), "{path} shows a literal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_may_not_be_read_for_a_while_is_read_on() {
    use std::os::unix::fs::PermissionsExt;
    let (home, state) = (Dir::new(), Dir::new());
    let mut log = Log::begin(home.join("slow.log"));
    let config = format!(
        "[[target]]\nname = \"db\"\nurl = \"mysql://u@127.0.0.1:1/mysql\"\nlog = {{ path = {:?} }}\n",
        log.path
    );
    process::give(home.path());
    let path = log.path.clone();
    let allow = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let is_told = |answer: &crate::rig::daemon::Response| answer.text().contains("permission denied");
    let daemon = Daemon::start_as_somebody(&config, state.path()).await;
    counts(&daemon, &[]).await;
    log.write(20);
    counts(&daemon, &log.truth()).await;
    drop(daemon);
    // Who holds it open may read on; who comes anew may not.
    allow(0o000);
    log.write(30);
    let daemon = Daemon::start_as_somebody(&config, state.path()).await;
    daemon.wait_for("/api/v1/gaps", is_told, LIMIT).await;
    log.write(10);
    allow(0o400);
    counts(&daemon, &log.truth()).await;
    daemon.wait_for("/api/v1/gaps", |answer| !is_told(answer), LIMIT).await;
}

/// What the server itself has written of `sent` statements, as soon as all of them are: who logs is another process.
async fn truth(server: &Server, sent: u64) -> Vec<(u64, u64)> {
    let began = Instant::now();
    loop {
        let written = written(server);
        if written.iter().map(|(calls, _)| calls).sum::<u64>() == sent {
            return written;
        }
        assert!(began.elapsed() < LIMIT, "of {sent} statements the server has written {written:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Wherever it stands: calls and microseconds of each table.
fn written(server: &Server) -> Vec<(u64, u64)> {
    let mut truth: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for file in fs::read_dir(server.data().join("log")).unwrap().filter_map(Result::ok) {
        let text = String::from_utf8_lossy(&fs::read(file.path()).unwrap()).into_owned();
        for entry in text.split("duration: ").skip(1) {
            let Some((duration, rest)) = entry.split_once(" ms  statement: select count(*) from numbered_")
            else {
                continue;
            };
            let table = rest.split(' ').next().unwrap().to_owned();
            let micros = (duration.parse::<f64>().unwrap() * 1e3).round() as u64;
            let (calls, sum) = truth.entry(table).or_default();
            (*calls, *sum) = (*calls + 1, *sum + micros);
        }
    }
    let mut truth: Vec<(u64, u64)> = truth.into_values().collect();
    truth.sort_unstable();
    truth
}

async fn run(server: &Server, sent: &mut u64, statements: u64) {
    *sent += statements;
    let client = server.connect_url(&server.url_as("app", "pw", "postgres")).await.unwrap();
    for n in 0..statements {
        let sql = format!("select count(*) from numbered_{} where secret = 'canary-{n}'", n % TABLES);
        client.simple_query(&sql).await.unwrap();
    }
}

/// The next name has another second in it.
async fn rotate(server: &Server) {
    let files = || fs::read_dir(server.data().join("log")).unwrap().count();
    let (before, began) = (files(), Instant::now());
    let client = server.connect("postgres").await;
    while files() == before {
        client.simple_query("select pg_rotate_logfile()").await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(began.elapsed() < LIMIT, "the server does not rotate its log");
    }
}

/// Has the server read its log for us, with rotations, restarts of it and deaths of ours.
async fn through_sql(version: u32, destination: &str) {
    let settings = [
        ("logging_collector", "on"),
        ("log_destination", destination),
        ("log_directory", "log"),
        ("log_filename", "server-%H%M%S.log"),
        ("log_line_prefix", "%m [%p] %q%u@%d "),
    ];
    let mut server = Server::start(version, &settings).await;
    let client = server.connect("postgres").await;
    for nth in 0..TABLES {
        client.simple_query(&format!("create table numbered_{nth} (secret text)")).await.unwrap();
    }
    client
        .simple_query(
            "create role app login password 'pw';
             alter role app set log_min_duration_statement = 0;
             grant select on all tables in schema public to app;
             create role watcher login password 'pw' in role pg_monitor;
             alter role watcher set log_min_duration_statement = 0;
             grant execute on function pg_read_binary_file(text, bigint, bigint, boolean) to watcher",
        )
        .await
        .unwrap();
    // Ours come through the log as well, and are left out. 10 reads files for superusers only, whatever is granted.
    let url = match version {
        10 => format!("{}?options=-c%20log_min_duration_statement%3D0", server.url("postgres")),
        _ => server.url_as("watcher", "pw", "postgres"),
    };
    let state = Dir::new();
    let config = format!("[[target]]\nname = \"db\"\nurl = {url:?}\nlog = {{ through_sql = true }}\n");
    let mut daemon = start(&config, &state).await;
    // Our own statements are in the log, and count as ours alone.
    let own = |logs: &Value| logs[0]["logs"][0]["own_entries"].as_f64().unwrap_or_default();
    daemon.wait_for("/api/v1/logs", |answer| own(&answer.json()) > 0.0, LIMIT).await;
    let mut sent = 0;
    for round in 0..3 {
        run(&server, &mut sent, 40 + round).await;
        counts(&daemon, &truth(&server, sent).await).await;
        daemon.signal("KILL");
        gone(daemon.pid).await;
        run(&server, &mut sent, 17).await;
        rotate(&server).await;
        run(&server, &mut sent, 9).await;
        if round == 1 {
            server.restart(Stop::Fast).await;
        }
        drop(daemon);
        daemon = start(&config, &state).await;
        run(&server, &mut sent, 11).await;
        counts(&daemon, &truth(&server, sent).await).await;
        rotate(&server).await;
        run(&server, &mut sent, 6).await;
        if round == 2 {
            server.restart(Stop::Fast).await;
            run(&server, &mut sent, 8).await;
        }
        counts(&daemon, &truth(&server, sent).await).await;
    }
    let logs = counts(&daemon, &truth(&server, sent).await).await;
    let whole = &logs[0]["logs"][0];
    assert_eq!((&whole["lost_bytes"], &whole["noise"]), (&0.0.into(), &0.0.into()), "{logs:#}");
    for path in ["/api/v1/logs", "/metrics", "/"] {
        assert!(!daemon.get(path).await.text().contains("canary-"), "{path} shows a literal");
    }
}

/// A log that nobody may read for us is a gap that says what is missing, until that is given.
#[tokio::test(flavor = "multi_thread")]
async fn what_we_may_not_read_of_a_log_is_told() {
    let server =
        Server::start(postgres::any(), &[("logging_collector", "on"), ("log_destination", "csvlog")]).await;
    server.sql("postgres", "create role watcher login password 'pw' in role pg_monitor").await;
    let url = server.url_as("watcher", "pw", "postgres");
    let config = format!("[[target]]\nname = \"db\"\nurl = {url:?}\nlog = {{ through_sql = true }}\n");
    let daemon = start(&config, &Dir::new()).await;
    let grant = "GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean) TO watcher";
    daemon.wait_for("/api/v1/gaps", |answer| answer.text().contains(grant), LIMIT).await;
    drop(daemon);
    server.sql("postgres", grant).await;
    let daemon = start(&config, &Dir::new()).await;
    let read = |logs: Value| logs[0]["logs"][0]["read_bytes"].as_f64() > Some(0.0);
    let client = server.connect("postgres").await;
    let fails = async {
        loop {
            let _ = client.simple_query("select 1 / 0").await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::select! {
        _ = daemon.wait_for("/api/v1/logs", |answer| read(answer.json()), LIMIT) => {}
        () = fails => unreachable!(),
    }
    assert!(!daemon.get("/api/v1/gaps").await.text().contains("pg_read_binary_file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_reads_its_log_for_us() {
    let newest = postgres::any();
    let oldest = *postgres::versions().first().unwrap();
    tokio::join!(
        through_sql(oldest, "stderr"),
        through_sql(newest, "csvlog"),
        // Before 15 there is no jsonlog.
        through_sql(newest, if newest >= 15 { "jsonlog" } else { "stderr" }),
    );
}

/// Statements that the server is to log, each with a number of its own.
async fn slow(server: &mysql::Server, next: &mut u64, many: u64) {
    let mut session = server.connect("test").await;
    for _ in 0..many {
        let sql = format!("select count(*) from numbered_{} where secret = 'canary-{next}'", *next % TABLES);
        mysql::run(&mut session, &sql).await.unwrap();
        *next += 1;
    }
}

/// By the tables themselves, also those that were put aside.
async fn logged(server: &mysql::Server, tables: &[String]) -> Vec<(u64, u64)> {
    let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for table in tables {
        let sql = format!(
            "select regexp_substr(convert(sql_text using utf8mb4), 'numbered_[0-9]') as n, count(*) as calls,
                    cast(sum(floor(time_to_sec(query_time)) * 1000000 + microsecond(query_time)) as unsigned) as micros
               from mysql.{table} where sql_text like 'select count(*) from numbered\\_%' group by n"
        );
        for row in server.sql("", &sql).await {
            let number = |nth: usize| row[nth].as_ref().unwrap().parse::<f64>().unwrap() as u64;
            let (calls, micros) = all.entry(row[0].clone().unwrap()).or_default();
            (*calls, *micros) = (*calls + number(1), *micros + number(2));
        }
    }
    let mut all: Vec<(u64, u64)> = all.into_values().collect();
    all.sort_unstable();
    all
}

/// The slow log as a table: renamed while we are there and while we are not, and emptied.
async fn slow_table(version: Version) {
    let settings = [("slow_query_log", "ON"), ("long_query_time", "10"), ("log_output", "TABLE")];
    let server = mysql::Server::start(version, &settings).await;
    for nth in 0..TABLES {
        server.sql("test", &format!("create table numbered_{nth} (secret text)")).await;
    }
    let watcher = "create user watcher@'%' identified by 'pw';
        grant select, process, replication client on *.* to watcher@'%'";
    server.sql("", watcher).await;
    let state = Dir::new();
    let url = server.url_as("watcher", "pw", "mysql");
    let config = format!("[[target]]\nname = \"db\"\nurl = {url:?}\n");
    let mut daemon = start(&config, &state).await;
    server.sql("", "set global long_query_time = 0").await;
    let began = Instant::now();
    while entries(&daemon.get("/api/v1/logs").await.json()) == 0.0 {
        server.sql("", "select 'somebody else' as another").await;
        assert!(began.elapsed() < LIMIT, "{version}: {}", daemon.get("/api/v1/gaps").await.text());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let (mut next, mut tables) = (0, vec!["slow_log".to_owned()]);
    for round in 0..3 {
        slow(&server, &mut next, 40).await;
        counted_are(&daemon, &logged(&server, &tables).await, version).await;
        daemon.signal("KILL");
        gone(daemon.pid).await;
        slow(&server, &mut next, 17).await;
        if round != 1 {
            aside(&server, &mut tables).await;
        }
        slow(&server, &mut next, 9).await;
        drop(daemon);
        daemon = start(&config, &state).await;
        counted_are(&daemon, &logged(&server, &tables).await, version).await;
        slow(&server, &mut next, 600).await;
        aside(&server, &mut tables).await;
        slow(&server, &mut next, 3).await;
        counted_are(&daemon, &logged(&server, &tables).await, version).await;
    }
    // What was emptied is told.
    server.sql("", "truncate table mysql.slow_log").await;
    daemon.wait_for("/api/v1/gaps", |answer| answer.text().contains("was emptied"), LIMIT).await;
    for path in ["/api/v1/logs", "/metrics", "/"] {
        assert!(!daemon.get(path).await.text().contains("canary-"), "{path} shows a literal");
    }
}

/// As the manual of both servers has it.
async fn aside(server: &mysql::Server, tables: &mut Vec<String>) {
    let name = format!("slow_log_{}", tables.len());
    let script = format!(
        "create table mysql.slow_log_new like mysql.slow_log;
         rename table mysql.slow_log to mysql.{name}, mysql.slow_log_new to mysql.slow_log"
    );
    server.sql("", &script).await;
    tables.push(name);
}

/// Everything else that the server has logged is there too: ours alone is not.
async fn counted_are(daemon: &Daemon, truth: &[(u64, u64)], version: Version) {
    let has_all = |logs: Value| {
        let counted =
            if logs.as_array().is_some_and(|all| !all.is_empty()) { counted(&logs) } else { Vec::new() };
        truth.iter().all(|row| counted.contains(row))
    };
    let began = Instant::now();
    while !has_all(daemon.get("/api/v1/logs").await.json()) {
        let logs = daemon.get("/api/v1/logs").await.json();
        assert!(began.elapsed() < LIMIT, "{version}: {truth:?}\n{logs:#}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_log_that_is_a_table_is_followed() {
    tokio::join!(slow_table(Version::MySql97), slow_table(Version::MariaDb118));
}
