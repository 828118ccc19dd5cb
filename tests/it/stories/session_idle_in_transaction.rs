use super::Story;

async fn forget_to_commit(story: &Story) -> tokio_postgres::Client {
    let client = story.server.connect("postgres").await;
    client.batch_execute("begin; create temp table t (a int); insert into t values (1)").await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_transaction_is_found_ended_and_found_again() {
    let story = Story::begin("session-idle-in-transaction", &[], &[], "warn_after = \"3s\"").await;
    let _forgotten = forget_to_commit(&story).await;
    let finding = story.appears("pid").await;
    assert_eq!(finding["severity"], "warning");
    story.run(&finding, "sql").await;
    story.resolves("pid").await;
    // The fix also limits the role; the way back takes the limit away, and the next to forget is found again.
    story.run(&finding, "rollback").await;
    let limit = story.server.sql("postgres", "select count(*) from pg_db_role_setting").await;
    assert_eq!(limit[0][0].as_deref(), Some("0"));
    let _again = forget_to_commit(&story).await;
    story.appears("pid").await;
}
