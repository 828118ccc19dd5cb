//! Every page of the handbook on a real server: provoke → the finding appears → run its fix → it resolves →
//! run its rollback → it returns.

mod estimates;
mod health;
mod index_duplicate;
mod index_unused;
mod indexes;
mod indexes_mysql;
mod logs;
mod plans;
mod plans_of_a_log;
mod programs;
mod reads;
mod remarks;
mod replication;
mod server_connections_exhausting;
mod server_digests_lost;
mod server_history_list_long;
mod server_instruments_off;
mod server_statements_evicting;
mod server_watched_twice;
mod server_watched_with_write_rights;
mod session_blocking;
mod session_idle_in_transaction;
mod session_metadata_lock;
mod statements;
mod statements_of_mysql;
mod subqueries;
mod table_key_exhaustion;
mod table_wraparound;
mod upkeep;

use crate::rig::daemon::Daemon;
use crate::rig::mysql::{self, Version};
use crate::rig::postgres::{self, any};
use dbsonde::rules::{Page, pages};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Long enough for the slowest of them: two readings of the tables, a question and its answer.
const LIMIT: Duration = Duration::from_secs(240);

/// The floors of every pace, so that a story does not take a day; for which nobody has a budget, least of all on a
/// busy machine.
const PACES: &str = "[budget]\nthrottle = false\n\
                     [pace]\npulse = \"1s\"\nbeat = \"5s\"\nslow = \"15s\"\nrare = \"60s\"\n";

pub struct Story<S = postgres::Server> {
    pub server: S,
    pub daemon: Daemon,
    rule: &'static str,
}

/// A server that a story can be told on.
pub trait Stage {
    /// For somebody who may do everything.
    fn address(&self) -> String;
    /// A script, whatever it brings.
    async fn prepare(&self, script: &str);
    /// One statement after the other, in one session.
    async fn run(&self, statements: &[&str]);
}

impl Stage for postgres::Server {
    fn address(&self) -> String {
        self.url("postgres")
    }

    async fn prepare(&self, script: &str) {
        self.sql("postgres", script).await;
    }

    async fn run(&self, statements: &[&str]) {
        let client = self.connect("postgres").await;
        for statement in statements {
            client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        }
    }
}

impl Stage for mysql::Server {
    fn address(&self) -> String {
        self.url("test")
    }

    async fn prepare(&self, script: &str) {
        self.sql("test", script).await;
    }

    async fn run(&self, statements: &[&str]) {
        let mut session = self.connect("test").await;
        for statement in statements {
            let done = mysql::run(&mut session, statement).await;
            done.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        }
    }
}

impl Story<mysql::Server> {
    /// The same on a MySQL or MariaDB.
    pub async fn on(
        version: Version,
        rule: &'static str,
        settings: &[(&str, &str)],
        prepare: &[&str],
        rules: &str,
    ) -> Story<mysql::Server> {
        let server = mysql::Server::start(version, settings).await;
        Story::of(server, rule, prepare, &format!("[rules.{rule}]\n{rules}\n")).await
    }

    /// One server for the stories of several pages; `rule` is the first of them.
    pub async fn of_several_on(
        version: Version,
        rule: &'static str,
        prepare: &[&str],
        rules: &str,
    ) -> Story<mysql::Server> {
        let server = mysql::Server::start(version, &[]).await;
        Story::of(server, rule, prepare, rules).await
    }
}

impl Story {
    /// A server made ready by `prepare`, and a daemon that watches it with the thresholds of `rules`.
    pub async fn begin(
        rule: &'static str,
        settings: &[(&str, &str)],
        prepare: &[&str],
        rules: &str,
    ) -> Story {
        Story::of_several(rule, settings, prepare, &format!("[rules.{rule}]\n{rules}\n")).await
    }

    /// One server for the stories of several pages; `rule` is the first of them.
    pub async fn of_several(
        rule: &'static str,
        settings: &[(&str, &str)],
        prepare: &[&str],
        rules: &str,
    ) -> Story {
        let server = postgres::Server::start(any(), settings).await;
        Story::of(server, rule, prepare, rules).await
    }
}

/// What statements cost lately is added up over the longest time that any page about them asks for. A story has no
/// five minutes, so each of those pages asks for ten seconds, unless `rules` say otherwise.
fn hurried(rules: &str) -> String {
    let mut all: toml::Table = rules.parse().expect("rules in TOML");
    let empty = || toml::Value::Table(toml::Table::new());
    let rules = all.entry("rules").or_insert_with(empty).as_table_mut().expect("a table of rules");
    let of_statements = |id: &str| {
        let others = [
            "index-missing",
            "index-hidden-by-expression",
            "index-keeps-updates-from-hot",
            "plan-partitions-not-pruned",
        ];
        id.starts_with("statement-") || others.contains(&id)
    };
    let has_window = |page: &Page| page.thresholds.iter().any(|(name, ..)| name == "min_window");
    for page in pages().into_iter().filter(|page| of_statements(page.id) && has_window(page)) {
        let page = rules.entry(page.id).or_insert_with(empty).as_table_mut().expect("a table of thresholds");
        page.entry("min_window").or_insert_with(|| "10s".into());
    }
    all.to_string()
}

impl<S: Stage> Story<S> {
    async fn of(server: S, rule: &'static str, prepare: &[&str], rules: &str) -> Story<S> {
        for script in prepare {
            server.prepare(script).await;
        }
        let url = server.address();
        let target = format!("[[target]]\nname = \"story\"\nurl = \"{url}\"\n");
        let rules = hurried(rules);
        let daemon = Daemon::start(&format!("{PACES}\n{rules}\n{target}")).await;
        Story { server, daemon, rule }
    }

    /// The next page whose story is told.
    pub fn turn_to(&mut self, rule: &'static str) {
        self.rule = rule;
    }

    pub async fn found(&self) -> Vec<Value> {
        let findings = self.daemon.get("/api/v1/findings").await.json();
        let all = findings["findings"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|finding| finding["rule"] == self.rule).collect()
    }

    /// Waits until a finding on `subject` is open, and checks that it can be acted upon.
    pub async fn appears(&self, subject: &str) -> Value {
        let finding = self.is_said(subject).await;
        assert!(finding["fix"]["sql"].as_array().is_some_and(|sql| !sql.is_empty()), "{finding:#}");
        finding
    }

    /// The same of a page that has no script to offer.
    pub async fn is_said(&self, subject: &str) -> Value {
        self.is_said_where(|finding| finding["subject"].as_str().is_some_and(|s| s.contains(subject))).await
    }

    /// Of whatever the finding itself tells.
    pub async fn is_said_where(&self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let found = self.found().await;
            if let Some(finding) = found.iter().find(|finding| is_wanted(finding)) {
                let because = finding["because"].as_str().unwrap();
                assert!(because.chars().any(|c| c.is_ascii_digit()), "a sentence with numbers: {because}");
                return finding.clone();
            }
            assert!(
                began.elapsed() < LIMIT,
                "{} never said what it should, but {found:#?}: {}",
                self.rule,
                self.daemon.log()
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Waits until nothing is said of `subject` any more.
    pub async fn resolves(&self, subject: &str) {
        let began = Instant::now();
        while self.found().await.iter().any(|f| f["subject"].as_str().is_some_and(|s| s.contains(subject))) {
            if began.elapsed() >= LIMIT {
                let metrics = self.daemon.get("/metrics").await.text();
                let about_us: Vec<&str> = metrics.lines().filter(|line| line.contains("_watch_")).collect();
                panic!("{} never resolved {subject}: {about_us:#?}", self.rule);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Waits until it is measured whether it helped.
    pub async fn verdict(&self, subject: &str) -> Value {
        let began = Instant::now();
        loop {
            let findings = self.daemon.get("/api/v1/findings").await.json();
            let judged = findings["verified"].as_array().unwrap().iter();
            if let Some(entry) =
                judged.clone().find(|entry| entry["rule"] == self.rule && entry["subject"] == subject)
            {
                return entry["verdict"].clone();
            }
            assert!(began.elapsed() < LIMIT, "{} was never judged: {}", self.rule, self.daemon.log());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Runs the statements of a finding as a careful person would: one by one.
    pub async fn run(&self, finding: &Value, part: &str) {
        let statements = finding["fix"][part].as_array().unwrap().iter();
        let statements: Vec<&str> = statements.map(|statement| statement.as_str().unwrap()).collect();
        self.server.run(&statements).await;
    }

    /// The whole story of a finding that an object causes and its fix removes.
    pub async fn of_an_object(&self, subject: &str) {
        let finding = self.appears(subject).await;
        self.run(&finding, "sql").await;
        self.resolves(subject).await;
        self.run(&finding, "rollback").await;
        self.appears(subject).await;
    }
}
