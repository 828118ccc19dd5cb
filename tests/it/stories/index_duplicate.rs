use super::Story;

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_index_is_found_dropped_and_found_again() {
    let story = Story::begin(
        "index-duplicate",
        &[],
        &[
            "create table orders (id int primary key, note text, customer int);
             insert into orders select n, 'note ' || n, n % 100 from generate_series(1, 20000) n;
             create index orders_id_again on orders (id);
             create index orders_note on orders (note);
             create index orders_note_desc on orders (note desc);
             create index orders_note_some on orders (note) where customer > 5;
             create index orders_note_few on orders (note) where customer > 90",
            "vacuum analyze orders",
        ],
        "min_bytes = \"64KiB\"",
    )
    .await;
    story.of_an_object("public.orders_id_again").await;
    let found = story.found().await;
    assert_eq!(found.len(), 1, "others differ in order or condition: {found:#?}");
    assert!(found[0]["because"].as_str().unwrap().contains("orders_pkey"));
}
