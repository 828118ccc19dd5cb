//! Pages about settings, slots, connections and vacuum.

use super::Story;

const SLOT: &str = "[rules.replication-slot-retains]\nmin_bytes = \"1MiB\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_lose_data_slots_that_nobody_reads_and_connections_that_run_out() {
    // The rig's servers run without fsync, which is what the page is about.
    let settings = [("autovacuum", "off"), ("max_connections", "20"), ("wal_level", "replica")];
    let prepare = ["create table written (note text)"];
    let mut story = Story::of_several("setting-loses-data", &settings, &prepare, SLOT).await;
    let loses = story.appears("fsync").await;
    story.turn_to("setting-autovacuum-off");
    let off = story.appears("autovacuum").await;
    story.run(&loses, "sql").await;
    story.run(&off, "sql").await;
    story.resolves("autovacuum").await;
    story.turn_to("setting-loses-data");
    story.resolves("fsync").await;
    story.run(&loses, "rollback").await;
    story.run(&off, "rollback").await;
    story.appears("fsync").await;
    story.turn_to("setting-autovacuum-off");
    story.appears("autovacuum").await;

    story.turn_to("replication-slot-retains");
    story.server.sql("postgres", "select pg_create_physical_replication_slot('spare', true)").await;
    let write = "insert into written select repeat('x', 1000) from generate_series(1, 5000)";
    story.server.sql("postgres", write).await;
    let slot = story.appears("spare").await;
    story.run(&slot, "sql").await;
    story.resolves("spare").await;

    story.turn_to("server-connections-exhausting");
    let mut held = Vec::new();
    for _ in 0..13 {
        held.push(story.server.connect("postgres").await);
    }
    story.is_said("connections").await;
    drop(held);
    story.resolves("connections").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_and_an_analyze_that_do_not_come() {
    let rules = "
        [rules.table-vacuum-behind]
        min_dead_rows = 1000.0
        min_window = \"20s\"
        [rules.table-statistics-stale]
        min_changed_rows = 1000.0
        min_window = \"20s\"";
    let prepare = [
        "create table worn (id int primary key, n int);
         insert into worn select n, 0 from generate_series(1, 20000) n",
        "vacuum analyze worn",
        "update worn set n = 1",
    ];
    // Autovacuum is on, but looks around too seldom to come.
    let settings = [("autovacuum_naptime", "1h")];
    let mut story = Story::of_several("table-statistics-stale", &settings, &prepare, rules).await;
    let stale = story.appears("public.worn").await;
    story.run(&stale, "sql").await;
    story.resolves("public.worn").await;
    story.server.sql("postgres", "update worn set n = 2").await;
    story.appears("public.worn").await;
    story.turn_to("table-vacuum-behind");
    let behind = story.appears("public.worn").await;
    // It analyses as well.
    story.run(&behind, "sql").await;
    story.resolves("public.worn").await;
    story.turn_to("table-statistics-stale");
    story.resolves("public.worn").await;
}
