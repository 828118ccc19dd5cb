use super::Story;

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_index_is_found_dropped_and_found_again() {
    let story = Story::begin(
        "index-unused",
        &[],
        &[
            "create table orders (id int primary key, note text, customer int);
             insert into orders select n, 'note ' || n, n % 100 from generate_series(1, 20000) n;
             create index orders_note on orders (note);
             create index orders_customer on orders (customer)",
            "vacuum analyze orders",
        ],
        "min_bytes = \"64KiB\"\nmin_window = \"10s\"",
    )
    .await;
    let used = story.server.connect("postgres").await;
    let reader = tokio::spawn(async move {
        loop {
            used.simple_query("set enable_seqscan = off; select count(*) from orders where customer = 7")
                .await
                .unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    });
    story.of_an_object("public.orders_note").await;
    let found = story.found().await;
    assert!(!found.iter().any(|f| f["subject"] == "public.orders_customer"), "it is in use: {found:#?}");
    assert!(!found.iter().any(|f| f["subject"] == "public.orders_pkey"), "it enforces something: {found:#?}");
    reader.abort();
}
