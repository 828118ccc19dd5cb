//! Private MySQL and MariaDB servers, one process each.

pub mod hostile;
pub mod pool;
mod version;

pub use version::*;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, OptsBuilder, Value};

use super::postgres::{Row, Stop};
use super::process::{self, Process, copy, give};
use super::{Dir, free_port, until_it_is};
use version::Version::{MySql56, MySql97};

/// What every data directory has.
const PROOF: &str = "ibdata1";

/// A server that runs; it is stopped and its directory is removed when the value is dropped.
#[derive(Debug)]
pub struct Server {
    pub version: Version,
    /// On 127.0.0.1; it stays the same across a restart.
    pub port: u16,
    process: Process,
    dir: Dir,
}

impl Server {
    /// Starts a new server: `root` without a password, an empty database `test`, `performance_schema` on, a binary log
    /// with GTIDs. The settings are added last, so they win; a value of `-` takes a setting away.
    ///
    /// The data is a copy of what was made earlier, but the UUID of a MySQL server is its own.
    pub async fn start(version: Version, settings: &[(&str, &str)]) -> Server {
        let dir = Dir::new();
        // MySQL wants to know that before its first start.
        let letters =
            settings.iter().find(|(name, _)| *name == "lower_case_table_names" && version == MySql97);
        let letters = letters.map(|(name, value)| format!("--{}={value}", name.replace('_', "-")));
        let name = format!("{version}{}", letters.as_deref().unwrap_or_default());
        let make = move || process::template(&name, |data| version.initialise(data, letters.as_deref()));
        let template = tokio::task::spawn_blocking(make).await.expect("a template");
        copy(&template, &dir.join("data"), PROOF);
        let _ = fs::remove_file(dir.join("data/auto.cnf"));
        fs::create_dir(dir.join("tmp")).expect("a directory for temporary tables");
        give(dir.path());
        let port = free_port();
        configure(version, &dir, port, settings);
        let process = spawn(version, &dir, port);
        let mut server = Server { version, port, process, dir };
        // Another test can take the free port before the server does.
        for left in (0..3).rev() {
            match server.ready().await {
                Ok(()) => break,
                Err(log) if left > 0 && log.contains("Address already in use") => {
                    server.port = free_port();
                    server.process = spawn(version, &server.dir, server.port);
                }
                Err(log) => panic!("{version} did not start:\n{log}"),
            }
        }
        server.sql("", "create database if not exists test").await;
        server
    }

    /// A replica of this server by GTID, read-only, that runs: it plays the binary log from its beginning.
    pub async fn replica(&self, settings: &[(&str, &str)]) -> Server {
        let mut all = vec![("read_only", "ON"), ("report_host", "127.0.0.1")];
        all.extend(settings);
        let replica = Server::start(self.version, &all).await;
        // What it did itself must not stand in the way of the same GTIDs from above.
        let port = self.port;
        let script = match self.version {
            MySql97 => format!(
                "reset binary logs and gtids;
                 change replication source to source_host='127.0.0.1', source_port={port}, source_user='root',
                     source_auto_position=1, source_connect_retry=1, get_source_public_key=1;
                 start replica"
            ),
            MySql56 => format!(
                "reset master;
                 change master to master_host='127.0.0.1', master_port={port}, master_user='root',
                     master_auto_position=1, master_connect_retry=1;
                 start slave"
            ),
            _ => format!(
                "reset master;
                 set global gtid_slave_pos='';
                 change master to master_host='127.0.0.1', master_port={port}, master_user='root',
                     master_use_gtid=slave_pos, master_connect_retry=1;
                 start slave"
            ),
        };
        for statement in script.split(';') {
            replica.sql("", statement).await;
        }
        replica.caught_up(self, Duration::from_secs(60)).await;
        replica
    }

    /// Waits until this replica has what its source has now.
    pub async fn caught_up(&self, source: &Server, limit: Duration) {
        // Each answers 0 once it is there; the oldest one with what it has still done meanwhile.
        let (position, done) = match self.version {
            MySql56 => (
                "select @@global.gtid_executed",
                "select least(wait_until_sql_thread_after_gtids('{}', {}), 0)",
            ),
            MySql97 => ("select @@global.gtid_executed", "select wait_for_executed_gtid_set('{}', {})"),
            _ => ("select @@gtid_current_pos", "select master_gtid_wait('{}', {})"),
        };
        let position = source.sql("", position).await[0][0].clone().expect("a position").replace('\n', "");
        let script = done.replacen("{}", &position, 1).replacen("{}", &limit.as_secs().to_string(), 1);
        let answer = self.sql("", &script).await;
        assert_eq!(answer, [[Some("0".to_owned())]], "not at {position} within {limit:?}:\n{}", self.log());
    }

    /// For `root`, who needs no password.
    pub fn url(&self, db: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{db}", self.port)
    }

    /// User and password must not need escaping in a URL.
    pub fn url_as(&self, user: &str, password: &str, db: &str) -> String {
        format!("mysql://{user}:{password}@127.0.0.1:{}/{db}", self.port)
    }

    /// Its unix socket. Connecting needs a path of at most 107 bytes.
    pub fn socket(&self) -> PathBuf {
        self.data().join("mysqld.sock")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Its process, to hold its cost in /proc against what we say.
    pub fn pids(&self) -> Vec<u32> {
        self.process.pids()
    }

    /// Its log so far, of all its starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// A session of `root`, for a test that must hold one; it ends when dropped. An empty name is no database.
    pub async fn connect(&self, db: &str) -> Conn {
        self.try_connect("root", "", db).await.unwrap_or_else(|e| panic!("{}: {e:?}", self.url(db)))
    }

    /// A session of anybody, without TLS.
    pub async fn try_connect(&self, user: &str, password: &str, db: &str) -> Result<Conn, Error> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some(user))
            .pass(Some(password).filter(|p| !p.is_empty()))
            .db_name(Some(db).filter(|db| !db.is_empty()))
            .prefer_socket(false);
        Conn::new(Opts::from(options)).await
    }

    /// Runs a script as `root` and returns all its rows.
    pub async fn sql(&self, db: &str, script: &str) -> Vec<Row> {
        self.try_sql(db, script).await.unwrap_or_else(|e| panic!("{script}\n{e:?}"))
    }

    pub async fn try_sql(&self, db: &str, script: &str) -> Result<Vec<Row>, Error> {
        let mut session = self.try_connect("root", "", db).await?;
        let rows = run(&mut session, script).await;
        let _ = session.disconnect().await;
        rows
    }

    /// Waits until the first value of the query is `1`, for at most the given time.
    pub async fn wait_for(&self, db: &str, query: &str, limit: Duration) {
        until_it_is("1", query, limit, async || self.sql(db, query).await).await;
    }

    /// Ends it and starts it again, on the same port and data. `Immediate` is a crash; `Fast` takes MySQL ten seconds as
    /// long as it has a replica.
    pub async fn restart(&mut self, how: Stop) {
        self.stop(how);
        self.start_again().await;
    }

    /// Ends it; the value stays, and so does the data.
    pub fn stop(&mut self, how: Stop) {
        self.process.end(if how == Stop::Fast { "TERM" } else { "KILL" }, Duration::from_secs(60));
    }

    /// After [`Server::stop`].
    pub async fn start_again(&mut self) {
        assert!(self.process.has_ended(), "the server still runs");
        self.process = spawn(self.version, &self.dir, self.port);
        if let Err(log) = self.ready().await {
            panic!("{} did not start again:\n{log}", self.version);
        }
    }

    /// Ends it, and starts a newer version on the same data and port.
    pub async fn upgrade(&mut self, version: Version) {
        self.stop(Stop::Fast);
        self.version = version;
        configure(version, &self.dir, self.port, &[]);
        self.start_again().await;
    }

    /// A setting that only a start can change: it counts from the next one on.
    pub fn set(&self, name: &str, value: &str) {
        let file = self.dir.join("my.cnf");
        let mut conf = OpenOptions::new().append(true).open(file).expect("my.cnf");
        writeln!(conf, "{name} = {value}").expect("my.cnf");
    }

    /// The kernel goes on to accept connections, nobody answers.
    pub fn freeze(&mut self) {
        self.process.freeze();
    }

    pub fn thaw(&mut self) {
        self.process.thaw();
    }

    /// Waits until it answers. What it logged, if it ends instead or takes too long.
    async fn ready(&mut self) -> Result<(), String> {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end && !self.process.has_ended() {
            if self.try_sql("", "select 1").await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(self.log())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody wants its data any more, so there is nothing to wait for.
        self.process.end("KILL", Duration::from_secs(5));
    }
}

/// Runs a script in a session and returns all its rows, of every value its text.
pub async fn run(session: &mut Conn, script: &str) -> Result<Vec<Row>, Error> {
    let mut result = session.query_iter(script).await?;
    let mut rows = Vec::new();
    while !result.is_empty() {
        let set: Vec<mysql_async::Row> = result.collect().await?;
        rows.extend(set.into_iter().map(|row| row.unwrap().into_iter().map(text).collect::<Row>()));
    }
    Ok(rows)
}

/// Text queries answer in texts.
fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}

fn spawn(version: Version, dir: &Dir, port: u16) -> Process {
    let mut command = version.command();
    command.arg(format!("--defaults-file={}", dir.join("my.cnf").display())).arg(format!("--port={port}"));
    Process::spawn(command, &dir.join("log"))
}

/// Small and quick to start; what it loses in a crash of the machine nobody misses.
fn configure(version: Version, dir: &Dir, port: u16, settings: &[(&str, &str)]) {
    let mut all = version.places();
    let mut set = |name, value: &str| all.push((name, value.to_owned()));
    set("datadir", &dir.join("data").display().to_string());
    // Whoever starts there takes the temporary tables of all others away.
    set("tmpdir", &dir.join("tmp").display().to_string());
    // Relative to the data, since its path is limited to 107 bytes.
    set("socket", "mysqld.sock");
    set("bind_address", "127.0.0.1");
    set("pid_file", "mysqld.pid");
    set("performance_schema", "ON");
    set("innodb_buffer_pool_size", "32M");
    set("innodb_flush_log_at_trx_commit", "2");
    set("sync_binlog", "0");
    set("log_bin", "binlog");
    set("log_slave_updates", "ON");
    set("server_id", &port.to_string());
    match version {
        MySql97 => set("mysqlx", "OFF"),
        MySql56 => set("binlog_format", "ROW"),
        _ => set("gtid_strict_mode", "ON"),
    }
    if version == MySql97 {
        set("secure_file_priv", "");
    }
    if !version.is_mariadb() {
        set("gtid_mode", "ON");
        set("enforce_gtid_consistency", "ON");
    }
    all.retain(|(name, _)| !settings.contains(&(name, "-")));
    let own = settings.iter().filter(|(_, value)| *value != "-");
    let own = own.map(|(name, value)| (*name, (*value).to_owned()));
    let mut conf = "[mysqld]\n".to_owned();
    for (name, value) in all.into_iter().chain(own) {
        conf += &format!("{name} = {value}\n");
    }
    fs::write(dir.join("my.cnf"), conf).expect("my.cnf");
}

#[tokio::test]
async fn servers_do_what_they_are_told() {
    for version in versions() {
        let began = Instant::now();
        let mut server = Server::start(version, &[("max_connections", "77")]).await;
        let rows = server.sql("test", "select @@max_connections, @@performance_schema; select null").await;
        let one = |text: &str| Some(text.to_owned());
        assert_eq!(rows, [vec![one("77"), one("1")], vec![None]], "{version}");
        server.sql("", "create user u@'%' identified by 'p'").await;
        server.try_connect("u", "p", "").await.expect("the password is right");
        server.try_connect("u", "q", "").await.expect_err("the password is wrong");

        let mut replica = server.replica(&[]).await;
        server.sql("test", "create table t (a int primary key); insert into t values (1)").await;
        replica.caught_up(&server, Duration::from_secs(20)).await;
        assert_eq!(replica.sql("test", "select a from t").await, [[one("1")]], "{version}");
        replica.restart(Stop::Fast).await;
        replica.caught_up(&server, Duration::from_secs(20)).await;

        server.freeze();
        let asked = server.try_sql("", "select 1");
        tokio::time::timeout(Duration::from_millis(300), asked).await.expect_err("it answered");
        server.thaw();
        server.set("performance_schema", "OFF");
        server.restart(Stop::Immediate).await;
        assert_eq!(server.sql("", "select @@performance_schema").await, [[one("0")]], "{version}");

        let (pid, dir) = (server.process.pid(), server.dir.path().to_owned());
        drop(server);
        assert!(!PathBuf::from(format!("/proc/{pid}")).exists() && !dir.exists(), "something is left");
        println!("{version}: {:?}", began.elapsed());
    }
}
