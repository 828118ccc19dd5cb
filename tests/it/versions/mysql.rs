//! The same for MySQL and MariaDB.

use super::{engine, rows, topics, unexpected_gaps, visits};
use crate::rig::mysql::{Server, Version, versions};
use dbsonde::model::{Activity, InTopic, Innodb, Session, Statement, StatementsInfo, Topic};

/// What the documentation tells operators to grant.
const GRANTS: &str = "
    grant select on performance_schema.* to sonde;
    grant process on *.* to sonde;
    grant select on mysql.innodb_table_stats to sonde;
    grant select on mysql.innodb_index_stats to sonde";

/// 5.6 is older than what we support: it must do no harm and say what it lacks.
fn supported() -> Vec<Version> {
    versions().into_iter().filter(|version| *version != Version::MySql56).collect()
}

async fn prepared(version: Version) -> Server {
    let server = Server::start(version, &[]).await;
    let setup = "create database shop;
        create table shop.orders (id int primary key auto_increment, note varchar(20), key note (note)) engine=innodb;
        insert into shop.orders (note) values ('a'), ('b'), ('17');
        create user sonde identified by 'sesame'";
    for statement in setup.split(';').chain(GRANTS.split(';')) {
        server.sql("", statement).await;
    }
    server.sql("shop", "analyze table orders").await;
    server.sql("shop", "select count(*) from orders where note = '17'").await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_read_whole() {
    for version in supported() {
        let server = prepared(version).await;
        for url in [server.url(""), server.url_as("sonde", "sesame", "")] {
            let engine = engine(&url);
            visits(&engine).await;
            let seen = visits(&engine).await;
            assert_eq!(unexpected_gaps(&seen, &[]), Vec::<String>::new(), "{version}");
            let facts = seen[0].server.clone().unwrap();
            assert_eq!((facts.engine, facts.role, facts.tier), ("mysql", "primary", "stats"), "{version}");
            assert!(facts.since > 1e9, "{version}: {}", facts.since);
            let topics = topics(&seen);
            for topic in
                [Topic::Sessions, Topic::Statements, Topic::StatementsInfo, Topic::Activity, Topic::Innodb]
            {
                assert!(topics.contains(&topic), "{version} has no {topic}");
            }

            let found = rows(&seen, Topic::Statements);
            let statements = Statement::of(&found);
            assert!(statements.iter().all(|row| row.calls.0.get() > 0), "{version}");
            let texts = seen[0].texts.clone().unwrap();
            let wanted = "select count(*) from orders where note = ?";
            let counted =
                statements.iter().find(|row| row.digest.and_then(|d| texts.fingerprint(d)) == Some(wanted));
            let counted = counted.unwrap_or_else(|| panic!("{version} does not know {wanted}"));
            assert_eq!((counted.calls.0.get(), counted.database.as_deref()), (1, Some("shop")), "{version}");
            assert!(counted.stats_since.is_some_and(|since| since.get() >= facts.since - 1.0), "{version}");
            let own = texts
                .shown()
                .find(|(_, text)| text.contains("dbsonde") || text.contains("performance_schema"));
            assert_eq!(own, None, "{version}: our own statements are not shown");

            let activity = rows(&seen, Topic::Activity);
            let activity: &Activity = &Activity::of(&activity)[0];
            let counted = activity.questions.map(|questions| questions.0.get());
            assert!(counted > Some(5) && activity.selects.is_some(), "{version}: {activity:?}");
            let innodb = rows(&seen, Topic::Innodb);
            let innodb: &Innodb = &Innodb::of(&innodb)[0];
            assert!(innodb.pool_bytes.unwrap().last.get() > 1 << 20, "{version}");
            assert!(innodb.history_length.is_some() && innodb.deadlocks.is_some(), "{version}");
            assert!(innodb.log_position_bytes.is_some(), "{version}");
            let info = rows(&seen, Topic::StatementsInfo);
            assert!(StatementsInfo::of(&info)[0].lost.is_some(), "{version}");
            let sessions = rows(&seen, Topic::Sessions);
            let busy = Session::of(&sessions).iter().find(|row| row.state.as_deref() == Some("active"));
            assert_eq!(busy, None, "{version}: our own do not count");
        }
    }
}

/// The same spelling has the same digest, whoever the server is.
#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_the_same_on_every_flavour() {
    let mut digests = std::collections::BTreeSet::new();
    for version in supported() {
        let server = prepared(version).await;
        let engine = engine(&server.url(""));
        visits(&engine).await;
        let texts = visits(&engine).await[0].texts.clone().unwrap();
        let wanted = "select count(*) from orders where note = ?";
        let found = texts.shown().find(|(_, text)| *text == wanted);
        digests.insert(found.unwrap_or_else(|| panic!("{version} does not know {wanted}")).0);
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
}
