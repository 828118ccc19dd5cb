use super::Story;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_ends_is_found_widened_and_found_again() {
    let story = Story::begin(
        "table-key-exhaustion",
        &[],
        &["create table clicks (id serial primary key, note text);
           insert into clicks (note) select n::text from generate_series(1, 1000) n;
           select setval('clicks_id_seq', 2000000000);
           create table wide (id bigserial primary key);
           select setval('wide_id_seq', 2000000000);
           create sequence circle maxvalue 10 cycle;
           select setval('circle', 10)"],
        "",
    )
    .await;
    story.of_an_object("public.clicks.id").await;
    let found = story.found().await;
    assert_eq!(found.len(), 1, "neither the wide one nor the circle ends: {found:#?}");
    assert_eq!(found[0]["severity"], "urgent");
}
