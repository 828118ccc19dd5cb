//! The tiers on MySQL and MariaDB: what each reads, and that none writes.

use crate::rig::daemon::dbsonde;
use crate::rig::mysql::{Server, Version, run, versions};

const TABLES: &str = "create database my_shop; create table my_shop.orders (id int primary key, note text);
    insert into my_shop.orders values (1, 'hunter2'); create database myxshop; create table myxshop.t (id int)";

/// With every tier; with advise and full; with full alone.
const ALWAYS: &[&str] = &[
    "select count(*) from performance_schema.events_statements_summary_by_digest",
    "select count(*) from mysql.innodb_table_stats",
    "select count(*) from information_schema.innodb_metrics",
    "show engine innodb status",
    "show replica status",
];
const ADVISED: &[&str] =
    &["explain select * from my_shop.orders where id = 1", "show create table my_shop.orders"];
const FULL: &[&str] = &["select * from myxshop.t"];
const NEVER: &[&str] = &[
    "delete from my_shop.orders",
    "create table my_shop.mine (id int)",
    "create user 'friend'@'%'",
    "set global max_connections = 1",
];

async fn printed(version: Version, tier: &str) -> String {
    let engine = if version.is_mariadb() { "mariadb" } else { "mysql" };
    let printed = dbsonde(&["grants", "--engine", engine, "--tier", tier], &[]).await;
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    printed.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tier_of_mysql_and_mariadb_reads_what_it_says() {
    for version in versions().into_iter().filter(|version| *version != Version::MySql56) {
        let server = Server::start(version, &[]).await;
        server.sql("", TABLES).await;
        server.sql("", &printed(version, "stats").await).await;
        server.try_connect("dbsonde", "", "").await.expect_err("locked until it has a password");
        server.sql("", "alter user 'dbsonde'@'%' identified by 'sesame' account unlock").await;
        for (tier, reads) in [("stats", 0), ("advise", 1), ("full", 2)] {
            let grants = server.sql("", &printed(version, tier).await).await;
            // Of what advise prints, the operator runs what he chooses.
            for grant in
                grants.iter().filter_map(|row| row[0].as_deref()).filter(|grant| grant.contains("shop`"))
            {
                if grant.contains("my\\_shop") {
                    server.sql("", grant).await;
                }
            }
            let mut login = server.try_connect("dbsonde", "sesame", "").await.unwrap();
            for (from, queries) in [(0, ALWAYS), (1, ADVISED), (2, FULL)] {
                for query in queries {
                    let answer = run(&mut login, query).await;
                    assert_eq!(answer.is_ok(), reads >= from, "{version} {tier}: {query}: {answer:?}");
                }
            }
            for query in NEVER {
                assert!(run(&mut login, query).await.is_err(), "{version} {tier}: {query}");
            }
        }
    }
}
