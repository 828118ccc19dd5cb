//! The tiers of rights, as `dbsonde grants` prints them, on every version; and attacks on what they open.

mod attacks;
mod mysql;
mod plans;

use crate::rig::daemon::dbsonde;
use crate::rig::postgres::{Server, versions};
use crate::versions::{BROKEN_IN_10, engine, rows, unexpected_gaps, visits};
use dbsonde::model::Topic;

/// Runs a tier's script as the superuser, as an operator would.
pub async fn grant(server: &Server, tier: &str) {
    let printed = dbsonde(&["grants", "--engine", "postgres", "--tier", tier], &[]).await;
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    server.sql("postgres", &printed.stdout).await;
    server.sql("postgres", "alter role dbsonde password 'sesame'").await;
}

pub const TABLES: &str = "create schema shop; create table shop.orders (id int primary key, note text);
    insert into shop.orders select n, 'hunter' || n from generate_series(1, 1000) n; analyze shop.orders";

#[tokio::test(flavor = "multi_thread")]
async fn each_tier_gives_what_it_says_and_lacks_nothing_of_it() {
    for version in versions() {
        let server = Server::start(version, &[]).await;
        server.sql("postgres", TABLES).await;
        let url = server.url_as("dbsonde", "sesame", "postgres");
        // 10 keeps the size of the file of texts for superusers, whatever is granted.
        let broken = if version == 10 { &[Topic::Statements, BROKEN_IN_10[0]][..] } else { &[] };
        for (tier, hidden, lacks) in [
            ("stats", &[Topic::ColumnStatistics, Topic::HostRules][..], 2),
            ("advise", &[Topic::HostRules], 1),
            ("full", &[], 0),
        ] {
            grant(&server, tier).await;
            let seen = visits(&engine(&url)).await;
            let facts = seen[0].server.clone().unwrap();
            assert_eq!(facts.tier, tier, "{version}");
            assert_eq!(facts.lacks.len(), lacks, "{version} {tier}: {:#?}", facts.lacks);
            let expected: Vec<Topic> = hidden.iter().chain(broken).copied().collect();
            assert_eq!(unexpected_gaps(&seen, &expected), Vec::<String>::new(), "{version} {tier}");
            if tier != "stats" {
                assert_eq!(rows(&seen, Topic::ColumnStatistics).len(), 2, "{version} {tier}");
            }
            let login = server.connect_url(&url).await.unwrap();
            let reads = login.simple_query("select note from shop.orders limit 1").await.is_ok();
            assert_eq!(reads, tier == "full", "{version} {tier}");
            let written =
                login.simple_query("set default_transaction_read_only = off; delete from shop.orders");
            written.await.expect_err("no tier writes");
        }
    }
}

/// The sentence that an operator reads.
#[tokio::test(flavor = "multi_thread")]
async fn check_targets_names_the_tier_and_what_mends_it() {
    let server = Server::start(crate::rig::postgres::any(), &[]).await;
    grant(&server, "stats").await;
    let file = server.socket_dir().join("dbsonde.toml");
    let url = server.url_as("dbsonde", "sesame", "postgres");
    std::fs::write(&file, format!("[[target]]\nname = \"shop\"\nurl = \"{url}\"\n")).unwrap();
    let said = dbsonde(&["check-targets", file.to_str().unwrap()], &[]).await;
    assert_eq!(said.code, 0, "{}", said.stderr);
    for part in [
        "tier stats",
        "GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO dbsonde",
        "--tier advise | psql -d postgres",
    ] {
        assert!(said.stdout.contains(part), "{part}: {}", said.stdout);
    }
}
