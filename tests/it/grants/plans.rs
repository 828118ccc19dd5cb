//! Plans that are asked for, on every version, by the login of tier advise: they come or the reason does, and nothing
//! is run, written or waited for.

use super::{TABLES, grant};
use crate::rig::postgres::{Server, versions};
use crate::versions::engine;
use dbsonde::engine::{Due, Engine, Lane};
use dbsonde::model::Digest;
use dbsonde::model::question::{Answer, Question};
use dbsonde::sql::{Dialect, normalise};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn about(query: &str) -> Question {
    let digest: Digest = normalise(Dialect::Postgres, query).unwrap().digest;
    Question::Plan { database: "postgres".into(), digest, schemas: vec!["shop".into()] }
}

async fn ask(engine: &Arc<dyn Engine>, queries: &[&str]) -> Vec<Answer> {
    let second = Duration::from_secs(1);
    let nothing_due =
        Due { every: second, slow: second, rare: second, room: usize::MAX, questions: Vec::new() };
    engine.open(Lane::Beat).visit(&nothing_due).await.unwrap();
    let due = Due { questions: queries.iter().map(|query| about(query)).collect(), ..nothing_due };
    let mut answers = engine.open(Lane::Roam).visit(&due).await.unwrap().answers;
    let answer = |query: &&str| {
        let nth = answers.iter().position(|(question, _)| *question == about(query));
        answers.remove(nth.unwrap_or_else(|| panic!("{query}: no answer"))).1
    };
    queries.iter().map(answer).collect()
}

const QUERIES: [&str; 4] = [
    "select note from orders where id = 17 /* page 1 */",
    "select count(*) from orders",
    "select shop.sleeps(1)",
    "update orders set note = 'hunter2' where id = 1",
];

#[tokio::test(flavor = "multi_thread")]
async fn plans_come_or_the_reason_does() {
    for version in versions() {
        let server = Server::start(version, &[]).await;
        server.sql("postgres", TABLES).await;
        let trap = "create function shop.sleeps(int) returns int immutable language plpgsql as $$ begin perform pg_sleep(20); return 1; end $$";
        server.sql("postgres", trap).await;
        grant(&server, "advise").await;
        let client = server.connect("postgres").await;
        client.batch_execute("set search_path = shop").await.unwrap();
        for query in QUERIES.iter().filter(|query| !query.contains("sleeps")) {
            client.batch_execute(query).await.unwrap();
        }
        let engine = engine(&server.url_as("dbsonde", "sesame", "postgres"));
        // The size of the file of texts is a superuser's secret in 10.
        if version == 10 {
            assert!(matches!(&ask(&engine, &QUERIES[..1]).await[..], [Answer::Unknown(_)]));
            continue;
        }
        let began = Instant::now();
        let [by_key, count, missing, write] = &ask(&engine, &QUERIES).await[..] else { panic!() };
        assert!(began.elapsed() < Duration::from_secs(20), "{version}: nothing of it was run");
        match by_key {
            Answer::Plan(plan) => {
                let shape = plan.shape();
                assert_eq!(shape, "Index Scan using orders_pkey on orders\n", "{version}");
                let terms = plan.terms.clone().unwrap();
                assert_eq!(terms.index.as_deref(), Some("(id = ?)"), "{version}");
            }
            Answer::Unknown(why) if version < 12 => assert!(why.contains("before 12"), "{version}: {why}"),
            other => panic!("{version}: {other:?}"),
        }
        let Answer::Plan(count) = count else { panic!("{version}: {count:?}") };
        assert_eq!(count.shape(), "Aggregate\n  Seq Scan on orders\n", "{version}");
        assert!(
            matches!(missing, Answer::Unknown(why) if why.contains("no longer in pg_stat_statements")),
            "{version}"
        );
        // Of a write what it reads is planned, by a role that may write nothing.
        match write {
            Answer::Plan(plan) => {
                let shape = plan.shape();
                assert_eq!(
                    shape, "Update on orders\n  Index Scan using orders_pkey on orders\n",
                    "{version}"
                );
            }
            Answer::Unknown(why) if version < 12 => assert!(why.contains("before 12"), "{version}: {why}"),
            other => panic!("{version}: {other:?}"),
        }

        // What somebody holds locked is not waited for.
        let holder = server.connect("postgres").await;
        holder.batch_execute("begin; lock table shop.orders in access exclusive mode").await.unwrap();
        let [locked] = &ask(&engine, &QUERIES[1..2]).await[..] else { panic!() };
        assert!(matches!(locked, Answer::Unknown(why) if why.contains("locked")), "{version}: {locked:?}");
        holder.batch_execute("rollback").await.unwrap();

        let left = "select (select count(*) from pg_prepared_xacts)::text, (select count(*) from pg_locks l join pg_class c on c.oid = l.relation \
                    where c.relname = 'orders' and l.pid <> pg_backend_pid())::text, (select note from shop.orders where id = 2)";
        let left = server.sql("postgres", left).await;
        assert_eq!(left[0][1..], [Some("0".to_owned()), Some("hunter2".to_owned())], "{version}");
        assert!(!server.log().contains("hunter"), "{version}: no value in the server's log");
    }
}
