//! Every version that the rig has, read by every lane: as a superuser, as a plain monitoring login, on a standby.

mod mysql;

use crate::rig::postgres::{Server, any, versions};
use dbsonde::clock::Clock;
use dbsonde::config::Config;
use dbsonde::engine::{Due, Engine, Lane, Visit};
use dbsonde::engines;
use dbsonde::model::{InTopic, Index, Remark, Rows, Statement, StatementsInfo, Table, Topic};
use std::sync::Arc;
use std::time::Duration;

/// What no login but a superuser's may read; its gap says so.
const FOR_SUPERUSERS: &[Topic] = &[Topic::HostRules, Topic::ColumnStatistics, Topic::Statements];
/// The rig's build of 10 has files of a later version's extensions.
pub const BROKEN_IN_10: &[Topic] = &[Topic::Extensions];

pub fn engine(url: &str) -> Arc<dyn Engine> {
    let config = Config::for_url(url).unwrap();
    engines::open(&config.target[0], Clock::start()).unwrap()
}

/// One visit of each lane, on one connection each. What a busy machine was too slow for is tried again.
pub async fn visits(engine: &Arc<dyn Engine>) -> Vec<Visit> {
    let second = Duration::from_secs(1);
    let due = Due { every: second, slow: second, rare: second, room: usize::MAX, questions: Vec::new() };
    let mut visits = Vec::new();
    for lane in [Lane::Beat, Lane::Pulse, Lane::Roam] {
        let mut tries = 0..3;
        let visit = loop {
            match engine.open(lane).visit(&due).await {
                Ok(visit) => break visit,
                Err(error) => assert!(tries.next().is_some(), "{}: {error}", lane.name()),
            }
        };
        visits.push(visit);
    }
    visits
}

fn topics(visits: &[Visit]) -> Vec<Topic> {
    visits.iter().flat_map(|visit| &visit.sample.parts).map(|(topic, ..)| *topic).collect()
}

pub fn unexpected_gaps(visits: &[Visit], expected: &[Topic]) -> Vec<String> {
    let gaps =
        visits.iter().flat_map(|visit| &visit.sample.gaps).filter(|gap| !expected.contains(&gap.topic));
    gaps.map(|gap| format!("{} in {}: {}", gap.topic, gap.scope, gap.reason)).collect()
}

pub fn rows(visits: &[Visit], wanted: Topic) -> Arc<Rows> {
    let parts = visits.iter().flat_map(|visit| &visit.sample.parts);
    parts.filter(|(topic, ..)| *topic == wanted).map(|(.., part)| part.rows.clone()).next_back().unwrap()
}

async fn prepared(version: u32) -> Server {
    let server = Server::start(version, &[]).await;
    let setup = "create extension pg_stat_statements;
        create table orders (id serial primary key, note text);
        create index orders_note on orders (note);
        insert into orders (note) select n::text from generate_series(1, 1000) n;
        comment on index orders_note is 'For us. Dbsonde: silence index-unused, index-bloated';
        comment on column orders.note is 'dbsonde: silence';
        create role sonde login password 'sesame'; grant pg_monitor to sonde";
    server.sql("postgres", setup).await;
    server.sql("postgres", "vacuum analyze orders").await;
    server.sql("postgres", "select /* dbsonde: silence */ count(*) from orders where note = '17'").await;
    server
}

fn remarked(seen: &[Visit]) {
    let found = rows(seen, Topic::Remarks);
    let said = Remark::of(&found).iter().map(|row| (&*row.table, row.index.as_deref(), &*row.page));
    let index = Some("orders_note");
    assert_eq!(
        said.collect::<Vec<_>>(),
        [("orders", index, "index-unused"), ("orders", index, "index-bloated")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_read_whole() {
    for version in versions() {
        let server = prepared(version).await;
        let engine = engine(&server.url("postgres"));
        visits(&engine).await;
        let seen = visits(&engine).await;
        let broken = if version == 10 { BROKEN_IN_10 } else { &[] };
        assert_eq!(unexpected_gaps(&seen, broken), Vec::<String>::new(), "{version}");
        let topics = topics(&seen);
        for topic in [Topic::Sessions, Topic::Statements, Topic::Databases, Topic::Checkpoints, Topic::Tables]
        {
            assert!(topics.contains(&topic), "{version} has no {topic}");
        }
        let present = |topic: Topic| topics.contains(&topic);
        assert_eq!(present(Topic::Io), version >= 16, "{version}: io");
        assert_eq!(present(Topic::Slru), version >= 13, "{version}: slru");

        let Rows::Statements(statements) = &*rows(&seen, Topic::Statements) else { panic!() };
        let is_ours = |row: &&Statement| row.digest.is_some();
        assert!(statements.iter().filter(is_ours).count() > 3, "{version}: statements have names");
        assert!(
            statements
                .iter()
                .all(|row| row.calls.0.get() > 0 && row.database.is_some() && row.user.is_some())
        );
        let texts = seen[0].texts.clone().unwrap();
        let own =
            texts.shown().find(|(_, text)| text.contains("pg_backend_pid") || text.contains("pg_stat_"));
        assert_eq!(own, None, "{version}: our own statements are not shown");
        let hushed: Vec<&str> = texts
            .shown()
            .filter(|(digest, _)| texts.hush(*digest).next().is_some())
            .map(|(_, text)| text)
            .collect();
        assert_eq!(hushed, ["select count(*) from orders where note = ?"], "{version}");
        remarked(&seen);
        let Rows::Tables(tables) = &*rows(&seen, Topic::Tables) else { panic!() };
        let orders: &Table = tables.iter().find(|table| &*table.table == "orders").unwrap();
        assert_eq!(orders.rows.unwrap().last.get(), 1000, "{version}");
        assert!(orders.size_bytes.unwrap().last.get() >= 8192, "{version}");
        let Rows::Indexes(indexes) = &*rows(&seen, Topic::Indexes) else { panic!() };
        let primary: &Index = indexes.iter().find(|index| &*index.index == "orders_pkey").unwrap();
        assert!(primary.is_primary && primary.backs_constraint && primary.is_valid, "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitoring_login_sees_all_but_what_its_gaps_name() {
    for version in versions() {
        let server = prepared(version).await;
        let seen = visits(&engine(&server.url_as("sonde", "sesame", "postgres"))).await;
        let mut expected = FOR_SUPERUSERS.to_vec();
        expected.extend(if version == 10 { BROKEN_IN_10 } else { &[] });
        assert_eq!(unexpected_gaps(&seen, &expected), Vec::<String>::new(), "{version}");
        remarked(&seen);
        let facts = seen[0].server.clone().unwrap();
        assert_eq!(facts.tier, "stats", "{version}");
        let mends: Vec<_> = facts.lacks.iter().map(|lack| lack.mend.as_str()).collect();
        let mut expected = vec![
            "GRANT EXECUTE ON FUNCTION pg_stat_file(text, boolean) TO sonde",
            "GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO sonde",
            "dbsonde grants --engine postgres --tier advise | psql -d postgres",
        ];
        if version == 10 {
            // It keeps the first for superusers without a right that could be granted.
            expected.remove(0);
        }
        assert_eq!(mends, expected, "{version}");
        for mend in mends.iter().filter(|mend| mend.starts_with("GRANT")) {
            server.sql("postgres", mend).await;
        }
        let again = visits(&engine(&server.url_as("sonde", "sesame", "postgres"))).await;
        assert_eq!(again[0].server.clone().unwrap().lacks.len(), 1, "{version}: what it names, mends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_read_as_what_it_is() {
    for version in [13, any()].into_iter().filter(|version| versions().contains(version)) {
        let primary = prepared(version).await;
        let standby = primary.replica().await;
        let replicating = "select count(*) = 1 from pg_stat_replication where state = 'streaming'";
        primary.wait_for("postgres", replicating, Duration::from_secs(30)).await;
        let above = visits(&engine(&primary.url("postgres"))).await;
        assert_eq!(rows(&above, Topic::ReplicationSenders).len(), 1, "{version}");
        let below = visits(&engine(&standby.url("postgres"))).await;
        assert_eq!(below[0].server.clone().unwrap().role, "standby");
        assert_eq!(rows(&below, Topic::ReplicationReceiver).len(), 1, "{version}");
        assert_eq!(unexpected_gaps(&below, &[]), Vec::<String>::new(), "{version}");
    }
}

/// A statement keeps its digest from one version to the next, and from one server to another.
#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_the_same_on_every_version() {
    let mut digests = std::collections::BTreeSet::new();
    for version in versions() {
        let server = prepared(version).await;
        // One spelling, two operators: the server tells them apart.
        for id in ["1", "10000000000"] {
            server.sql("postgres", &format!("select count(*) from orders where id = {id}")).await;
        }
        let engine = engine(&server.url("postgres"));
        visits(&engine).await;
        let seen = visits(&engine).await;
        let info = rows(&seen, Topic::StatementsInfo);
        let info = &StatementsInfo::of(&info)[0];
        assert!(
            info.split.unwrap().last.get() >= 1 && info.lumped.unwrap().last.get() >= 2,
            "{version}: {info:?}"
        );
        let texts = seen[0].texts.clone().unwrap();
        let wanted = "select count(*) from orders where note = ?";
        let found = texts.shown().find(|(_, text)| *text == wanted);
        digests.insert(found.unwrap_or_else(|| panic!("{version} does not know {wanted}")).0);
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
}
