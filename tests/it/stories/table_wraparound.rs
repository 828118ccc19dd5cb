use super::Story;

/// Each block with an exception handler that writes takes a transaction id.
const BURN: &str = "do $$ begin for n in 1..20000 loop
    begin insert into burner values (n); exception when unique_violation then null; end;
  end loop; end $$; truncate burner";

#[tokio::test(flavor = "multi_thread")]
async fn an_old_table_is_found_frozen_and_found_again() {
    let story = Story::begin(
        "table-wraparound",
        &[("autovacuum", "off")],
        &["create table burner (n int); create table ledger (id int); insert into ledger values (1)", BURN],
        "warn_age = 15000\nmax_tables = 500",
    )
    .await;
    let finding = story.appears("public.ledger").await;
    assert!(finding["evidence"]["age_transactions"].as_f64().unwrap() >= 15_000.0);
    story.run(&finding, "sql").await;
    story.resolves("public.ledger").await;
    // There is nothing to take back: only time brings it again.
    assert!(finding["fix"]["rollback"].as_array().unwrap().is_empty());
    story.server.sql("postgres", BURN).await;
    story.appears("public.ledger").await;
}
