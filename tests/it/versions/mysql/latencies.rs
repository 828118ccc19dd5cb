//! How long statements take, by the server's own histograms, against what the server is seen to have counted.

use crate::rig::mysql::{Server, flavours, run};
use crate::versions::{engine, rows};
use dbsonde::engine::{Due, Engine, Lane, Visit};
use dbsonde::model::{Digest, InTopic, Latency, Topic};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A lane that comes anew does not wait until what took long is due again; the engine remembers the last look.
async fn look(engine: &Arc<dyn Engine>) -> Visit {
    // What ran since the last look, the beat tells.
    engine.open(Lane::Beat).visit(&Due::default()).await.unwrap();
    let due = Due { every: Duration::from_secs(1), ..Due::default() };
    engine.open(Lane::Roam).visit(&due).await.unwrap()
}

fn gap(visit: &Visit) -> Option<&str> {
    let gap = visit.sample.gaps.iter().find(|gap| gap.topic == Topic::Latencies);
    gap.map(|gap| gap.reason.as_str())
}

fn latency(visit: &Visit, digest: Digest) -> Option<Latency> {
    let rows = rows(std::slice::from_ref(visit), Topic::Latencies);
    Latency::of(&rows).iter().find(|row| row.digest == Some(digest)).cloned()
}

/// How often the server has met each bucket of the statement that sleeps, by its upper end.
async fn buckets(server: &Server) -> BTreeMap<u64, u64> {
    let sql = "select h.bucket_timer_high, h.count_bucket
        from performance_schema.events_statements_histogram_by_digest h
        join performance_schema.events_statements_summary_by_digest s using (schema_name, digest)
        where s.digest_text like 'SELECT `sleep`%' and s.schema_name = 'test' and h.count_bucket > 0";
    let number = |cell: &Option<String>| cell.as_deref().unwrap().parse().unwrap();
    server.sql("", sql).await.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn percentiles_are_those_of_what_ran_between_two_looks() {
    for version in flavours() {
        let server = Server::start(version, &[]).await;
        let mut session = server.connect("test").await;
        let mut sleep = async |times: usize, seconds: &str| {
            for _ in 0..times {
                run(&mut session, &format!("select sleep({seconds})")).await.unwrap();
            }
        };
        sleep(1, "0.01").await;
        let engine = engine(&server.url(""));
        // Once to learn its wording, once to know it by that.
        let mut beat = engine.open(Lane::Beat);
        beat.visit(&Due::default()).await.unwrap();
        let seen = beat.visit(&Due::default()).await.unwrap();
        let first = look(&engine).await;
        assert_eq!(Latency::of(&rows(std::slice::from_ref(&first), Topic::Latencies)), [], "{version}");
        if version.is_mariadb() {
            assert!(gap(&first).is_some_and(|why| why.contains("MariaDB has none")), "{:?}", gap(&first));
            continue;
        }
        assert!(gap(&first).is_some_and(|why| why.contains("not looked at before")), "{:?}", gap(&first));
        let texts = seen.texts.unwrap();
        let slept = texts.shown().find(|(_, text)| text.contains("sleep")).unwrap().0;

        let before = buckets(&server).await;
        sleep(20, "0.05").await;
        sleep(2, "0.2").await;
        let after = buckets(&server).await;
        let told = look(&engine).await;
        let latency_now = latency(&told, slept).unwrap();
        let came = after.iter().flat_map(|(high, count)| {
            let came = count - before.get(high).copied().unwrap_or(0);
            std::iter::repeat_n(*high as f64 * 1e-12, usize::try_from(came).unwrap())
        });
        let came: Vec<f64> = came.collect();
        assert_eq!((came.len(), latency_now.runs.last.get()), (22, 22));
        let percentiles = [latency_now.p50_seconds, latency_now.p95_seconds, latency_now.p99_seconds];
        let told_of = percentiles.map(|level| level.float());
        // The 11th, the 21st and the 22nd of them.
        for (told, expected) in told_of.iter().zip([came[10], came[20], came[21]]) {
            assert!((told - expected).abs() < 1e-9, "{told_of:?} of {came:?}");
        }
        assert!(told_of[0] >= 0.05 && told_of[1] >= 0.2, "{told_of:?}");

        // Emptied in between: no number, and a reason; from there on it is known again.
        for table in ["histogram", "summary"] {
            server.sql("", &format!("truncate performance_schema.events_statements_{table}_by_digest")).await;
            sleep(23, "0.01").await;
            let torn = look(&engine).await;
            assert_eq!(latency(&torn, slept), None, "{table}");
            assert!(gap(&torn).is_some_and(|why| why.contains("emptied")), "{table}: {:?}", gap(&torn));
            sleep(3, "0.01").await;
            let again = latency(&look(&engine).await, slept).unwrap();
            assert_eq!(again.runs.last.get(), 3, "{table}");
        }
    }
}
