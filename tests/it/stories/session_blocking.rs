use super::Story;
use tokio::task::JoinHandle;

/// A chain of three: the holder sits idle, the first waits for it, the second for the first.
async fn block(story: &Story) -> (tokio_postgres::Client, Vec<JoinHandle<()>>) {
    let holder = story.server.connect("postgres").await;
    holder.batch_execute("begin; lock table accounts in access share mode").await.unwrap();
    let mut victims = Vec::new();
    for statement in
        ["lock table accounts in access exclusive mode", "lock table accounts in access share mode"]
    {
        let client = story.server.connect("postgres").await;
        victims.push(tokio::spawn(async move {
            client.batch_execute(&format!("begin; {statement}; commit")).await.ok();
        }));
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    (holder, victims)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_blocks_is_found_ended_and_found_again() {
    let setup = ["create table accounts (id int)"];
    let story = Story::begin("session-blocking", &[], &setup, "warn_after = \"3s\"").await;
    let (holder, victims) = block(&story).await;
    // The server is asked who blocks whom every ten seconds; the second victim came after the first was seen.
    let mut finding = story.appears("pid").await;
    while finding["evidence"]["victims"] != 2 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        finding = story.appears("pid").await;
        assert!(finding["evidence"]["longest_wait_seconds"].as_f64().unwrap() < 60.0, "{finding:#}");
    }
    assert!(finding["evidence"]["lost_seconds"].as_f64().unwrap() > 0.0);
    story.run(&finding, "sql").await;
    story.resolves("pid").await;
    for victim in victims {
        victim.await.unwrap();
    }
    drop(holder);
    let _again = block(&story).await;
    story.appears("pid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_transaction_that_blocks_is_found_and_resolves_when_it_is_rolled_back() {
    let setup = ["create table accounts (id int)"];
    let settings = [("max_prepared_transactions", "5")];
    let story = Story::begin("session-blocking", &settings, &setup, "warn_after = \"3s\"").await;
    let forgotten = "begin; lock table accounts; prepare transaction 'half of something'";
    story.server.connect("postgres").await.batch_execute(forgotten).await.unwrap();
    let client = story.server.connect("postgres").await;
    let victim = tokio::spawn(async move { client.batch_execute("table accounts").await.unwrap() });
    let finding = story.appears("prepared transaction").await;
    let id = &story.server.sql("postgres", "select transaction from pg_prepared_xacts").await[0][0];
    assert_eq!(finding["evidence"]["prepared_transaction"].to_string(), *id.as_ref().unwrap(), "{finding:#}");
    assert!(!finding.to_string().contains("half of something"), "its name is a literal: {finding:#}");
    story
        .server
        .connect("postgres")
        .await
        .batch_execute("rollback prepared 'half of something'")
        .await
        .unwrap();
    victim.await.unwrap();
    story.resolves("prepared transaction").await;
}
