//! Private PostgreSQL servers, one `postgres` process tree each.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

use super::process::{self, Process, copy, give};
use super::{Dir, free_port, kill, root, until_it_is};

/// What every cluster has.
const PROOF: &str = "postgresql.conf";

/// A row of [`Server::sql`]: every value as its text, `None` is NULL.
pub type Row = Vec<Option<String>>;

/// What the operator gives: the tiers up to the one that plans.
pub const TIERS: [&str; 2] = [
    include_str!("../../deploy/grants/postgres.stats.sql"),
    include_str!("../../deploy/grants/postgres.advise.sql"),
];

/// How a server is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGINT: sessions are ended, statistics are kept.
    Fast,
    /// SIGQUIT: everybody drops dead, the next start recovers and forgets the statistics (on a primary).
    Immediate,
}

/// Major versions that are installed, oldest first.
pub fn versions() -> Vec<u32> {
    (10..=30).filter(|v| bin(*v).is_some()).collect()
}

/// The newest version that is installed.
pub fn any() -> u32 {
    versions().into_iter().next_back().expect("no PostgreSQL is installed: run tests/rig/install.sh")
}

/// The newest version that can compile parts of statements.
pub fn compiling() -> u32 {
    let compiles = |version: &u32| bin(*version).is_some_and(|bin| bin.join("../lib/llvmjit.so").exists());
    versions()
        .into_iter()
        .rfind(compiles)
        .expect("no PostgreSQL with llvmjit is installed: run tests/rig/install.sh")
}

/// A server that runs; it is stopped and its directory is removed when the value is dropped.
#[derive(Debug)]
pub struct Server {
    pub version: u32,
    /// On 127.0.0.1; it stays the same across a restart.
    pub port: u16,
    postmaster: Process,
    dir: Dir,
}

impl Server {
    /// Starts a new cluster: superuser `postgres` without a password, everybody else with SCRAM; `pg_stat_statements`
    /// is preloaded but `CREATE EXTENSION` is left to the test. The settings are added last, so they win.
    ///
    /// The cluster is a copy of one made earlier, so all servers of one version share a *system identifier*.
    /// Where that matters there is [`Server::start_own`].
    pub async fn start(version: u32, settings: &[(&str, &str)]) -> Server {
        let dir = Dir::new();
        let make = move || process::template(&version.to_string(), |data| initdb(version, data));
        let template = tokio::task::spawn_blocking(make).await.expect("a template");
        copy(&template, &dir.join("data"), PROOF);
        Server::configured(version, dir, settings).await
    }

    /// The same from its own initdb (about 2 s): no other server has its system identifier.
    pub async fn start_own(version: u32, settings: &[(&str, &str)]) -> Server {
        let dir = Dir::new();
        give(dir.path());
        let data = dir.join("data");
        tokio::task::spawn_blocking(move || initdb(version, &data)).await.expect("initdb");
        Server::configured(version, dir, settings).await
    }

    /// `pgbench` against the database `postgres`, where one of any version is installed. `name` is that of its log.
    pub fn pgbench(&self, name: &str, options: &[&str]) -> Option<Process> {
        let mut programs = versions().into_iter().rev().flat_map(bins).map(|dir| dir.join("pgbench"));
        let runs = |program: &PathBuf| {
            process::command(program).arg("--version").output().is_ok_and(|told| told.status.success())
        };
        let mut command = process::command(&programs.find(runs)?);
        let port = self.port.to_string();
        command.args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres"]).args(options).arg("postgres");
        Some(Process::spawn(command, &self.dir.join(name)))
    }

    /// A streaming standby of this server, with a connection of the name `replica` and no slot.
    pub async fn replica(&self) -> Server {
        let (start, stop) = match self.version {
            ..=14 => ("pg_start_backup('replica', true, false)", "pg_stop_backup(false)"),
            15.. => ("pg_backup_start('replica', true)", "pg_backup_stop()"),
        };
        let dir = Dir::new();
        let data = dir.join("data");
        // The label belongs to the session that began the backup.
        let session = self.connect("postgres").await;
        session.simple_query(&format!("select {start}")).await.expect("a backup starts");
        copy(&self.data(), &data, PROOF);
        let end = session.simple_query(&format!("select labelfile from {stop}")).await;
        let end = texts(end.expect("a backup ends"));
        let label = end.first().and_then(|row| row.first().cloned().flatten()).expect("a backup label");
        fs::write(data.join("backup_label"), label).expect("backup_label");
        let _ = fs::remove_file(data.join("postmaster.pid"));
        let primary = format!("host=127.0.0.1 port={} user=postgres application_name=replica", self.port);
        let own_file = format!("standby_mode = on\nprimary_conninfo = '{primary}'\n");
        let own = match self.version {
            ..=11 => {
                fs::write(data.join("recovery.conf"), own_file).expect("recovery.conf");
                vec![]
            }
            12.. => {
                fs::write(data.join("standby.signal"), "").expect("standby.signal");
                vec![("primary_conninfo", primary.as_str())]
            }
        };
        Server::configured(self.version, dir, &own).await
    }

    async fn configured(version: u32, dir: Dir, settings: &[(&str, &str)]) -> Server {
        let data = dir.join("data");
        let socket_dir = dir.path().display().to_string();
        let mut all = vec![
            ("listen_addresses", "127.0.0.1"),
            // A socket's path is limited to 107 bytes; a repository that lies too deep does without.
            ("unix_socket_directories", if socket_dir.len() < 85 { &socket_dir } else { "" }),
            ("shared_preload_libraries", "pg_stat_statements"),
            ("password_encryption", "scram-sha-256"),
            ("track_io_timing", "on"),
            ("fsync", "off"),
            ("logging_collector", "off"),
            ("log_destination", "stderr"),
        ];
        if version >= 14 {
            all.push(("compute_query_id", "on"));
        }
        all.extend(settings);
        let mut conf = OpenOptions::new().append(true).open(data.join("postgresql.conf")).expect("a cluster");
        for (name, value) in all {
            writeln!(conf, "{name} = '{}'", value.replace('\'', "''")).expect("postgresql.conf");
        }
        let hba = "local all all trust\n\
                   host all postgres 127.0.0.1/32 trust\n\
                   host replication postgres 127.0.0.1/32 trust\n\
                   host all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(data.join("pg_hba.conf"), hba).expect("pg_hba.conf");
        give(dir.path());
        let port = free_port();
        let postmaster = spawn(version, &dir, port);
        let mut server = Server { version, port, postmaster, dir };
        // Another test can take the free port before the server does.
        for left in (0..3).rev() {
            match server.ready().await {
                Ok(()) => break,
                Err(log) if left > 0 && log.contains("could not bind") => {
                    server.port = free_port();
                    server.postmaster = spawn(version, &server.dir, server.port);
                }
                Err(log) => panic!("PostgreSQL {version} did not start:\n{log}"),
            }
        }
        server
    }

    /// For the superuser.
    pub fn url(&self, db: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{db}", self.port)
    }

    /// User and password must not need escaping in a URL.
    pub fn url_as(&self, user: &str, password: &str, db: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{db}", self.port)
    }

    /// Where `.s.PGSQL.<port>` lies.
    pub fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The postmaster and its children as they are now, to hold their cost in /proc against what we say.
    pub fn pids(&self) -> Vec<u32> {
        self.postmaster.pids()
    }

    /// Its log so far, of all its starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// A session of the superuser, for a test that must hold one; it ends when dropped.
    pub async fn connect(&self, db: &str) -> Client {
        self.connect_url(&self.url(db)).await.unwrap_or_else(|e| panic!("{}: {e:?}", self.url(db)))
    }

    /// A session of anybody.
    pub async fn connect_url(&self, url: &str) -> Result<Client, Error> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Runs a script as superuser and returns all its rows. The script is one message and so one transaction: what
    /// refuses to run in one (`create database`, `vacuum`, `concurrently`) goes alone.
    pub async fn sql(&self, db: &str, script: &str) -> Vec<Row> {
        self.try_sql(db, script).await.unwrap_or_else(|e| panic!("{script}\n{e:?}"))
    }

    pub async fn try_sql(&self, db: &str, script: &str) -> Result<Vec<Row>, Error> {
        let client = self.connect_url(&self.url(db)).await?;
        Ok(texts(client.simple_query(script).await?))
    }

    /// Waits until the first value of the query is `t`, for at most the given time.
    pub async fn wait_for(&self, db: &str, query: &str, limit: Duration) {
        until_it_is("t", query, limit, async || self.sql(db, query).await).await;
    }

    /// Ends it and starts it again, on the same port and data.
    pub async fn restart(&mut self, how: Stop) {
        self.stop(how);
        self.start_again().await;
    }

    /// Ends it; the value stays, and so does the data.
    pub fn stop(&mut self, how: Stop) {
        let signal = if how == Stop::Fast { "INT" } else { "QUIT" };
        self.postmaster.end(signal, Duration::from_secs(30));
    }

    /// After [`Server::stop`].
    pub async fn start_again(&mut self) {
        assert!(self.postmaster.has_ended(), "the server still runs");
        self.postmaster = spawn(self.version, &self.dir, self.port);
        if let Err(log) = self.ready().await {
            panic!("PostgreSQL {} did not start again:\n{log}", self.version);
        }
    }

    /// The kernel goes on to accept connections, nobody answers.
    pub fn freeze(&mut self) {
        self.postmaster.freeze();
    }

    pub fn thaw(&mut self) {
        self.postmaster.thaw();
    }

    /// SIGKILL for one backend, by the pid that `pg_backend_pid()` and `pg_stat_activity` tell. The server then
    /// restarts all its processes without moving its start time.
    pub fn kill_backend(&self, pid: u32) {
        assert!(self.pids().contains(&pid), "{pid} is no process of this server");
        kill("KILL", &[pid]);
    }

    /// Makes a standby a primary, and waits for it.
    pub async fn promote(&self) {
        let data = self.data();
        // Who promotes a server is its owner: before 12 only the program can, later a function can as well.
        let mut command = command(self.version, "pg_ctl");
        command.args(["promote", "-s", "-w", "-D"]).arg(&data);
        let done =
            tokio::task::spawn_blocking(move || command.output()).await.expect("pg_ctl").expect("pg_ctl");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Waits until it answers. What it logged, if it ends instead or takes too long.
    async fn ready(&mut self) -> Result<(), String> {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            if self.postmaster.has_ended() {
                break;
            }
            if self.try_sql("postgres", "select 1").await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(self.log())
    }
}

/// The programs of a version: our own install, else the distribution's.
fn bin(version: u32) -> Option<PathBuf> {
    bins(version).into_iter().find(|dir| dir.join("postgres").exists())
}

/// That of the distribution, which has all that belongs to it, and our own installation.
fn bins(version: u32) -> [PathBuf; 2] {
    let distribution = PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"));
    let own = root().join(format!("postgres-{version}/native/bin"));
    [distribution, own]
}

fn command(version: u32, program: &str) -> Command {
    let bin = bin(version).unwrap_or_else(|| panic!("PostgreSQL {version} is not installed"));
    process::command(&bin.join(program))
}

fn initdb(version: u32, data: &Path) {
    let mut command = command(version, "initdb");
    command.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-D"]).arg(data);
    let done = command.output().unwrap_or_else(|e| {
        panic!("cannot run initdb of PostgreSQL {version}: {e}; may its user reach {}?", root().display())
    });
    assert!(done.status.success(), "initdb {version}: {}", String::from_utf8_lossy(&done.stderr));
}

fn spawn(version: u32, dir: &Dir, port: u16) -> Process {
    let mut command = command(version, "postgres");
    command.arg("-D").arg(dir.join("data")).args(["-p", &port.to_string()]);
    Process::spawn(command, &dir.join("log"))
}

fn texts(messages: Vec<SimpleQueryMessage>) -> Vec<Row> {
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect::<Row>())
        }
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

#[tokio::test]
async fn servers_do_what_they_are_told() {
    let ends = versions();
    for version in [ends.first(), ends.last()].into_iter().flatten().copied() {
        let mut server = Server::start(version, &[("work_mem", "5MB")]).await;
        let rows = server.sql("postgres", "show work_mem; select null").await;
        assert_eq!(rows, [vec![Some("5MB".to_owned())], vec![None]]);
        server.sql("postgres", "create extension pg_stat_statements; create role u login password 'p'").await;
        server.connect_url(&server.url_as("u", "p", "postgres")).await.expect("the password is right");
        server.connect_url(&server.url_as("u", "q", "postgres")).await.expect_err("the password is wrong");

        let mut standby = server.replica().await;
        server.sql("postgres", "create table t(); insert into t default values").await;
        let limit = Duration::from_secs(20);
        standby.wait_for("postgres", "select to_regclass('t') is not null", limit).await;
        standby.promote().await;
        standby.wait_for("postgres", "select not pg_is_in_recovery()", limit).await;
        standby.restart(Stop::Immediate).await;

        server.freeze();
        let asked = server.try_sql("postgres", "select 1");
        tokio::time::timeout(Duration::from_millis(300), asked).await.expect_err("it answered");
        server.thaw();
        server.sql("postgres", "select 1").await;

        let session = server.connect("postgres").await;
        let pid = texts(session.simple_query("select pg_backend_pid()").await.unwrap());
        server.kill_backend(pid[0][0].as_deref().unwrap().parse().unwrap());
        session.simple_query("select 1").await.expect_err("its backend is gone");
        server.restart(Stop::Fast).await;

        let (pid, dir) = (server.postmaster.pid(), server.dir.path().to_owned());
        drop(server);
        assert!(!Path::new(&format!("/proc/{pid}")).exists() && !dir.exists(), "something is left");
    }
}
