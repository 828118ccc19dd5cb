use super::Story;
use crate::rig::mysql::{self, Version};

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

async fn tell(version: Version) {
    let prepare = [
        "create table clicks (id int primary key auto_increment, note varchar(20)) engine=innodb",
        "insert into clicks (id, note) values (2000000000, 'far')",
        "create table wide (id bigint unsigned primary key auto_increment) engine=innodb",
        "insert into wide (id) values (2000000000)",
        "create table enough (id int unsigned primary key auto_increment) engine=innodb",
        "insert into enough (id) values (2000000000)",
    ];
    let story = Story::on(version, "table-key-exhaustion", &[], &prepare, "").await;
    let mut session = story.server.connect("test").await;
    let reader = tokio::spawn(async move {
        loop {
            // What is open is asked where nothing is opened for us; a change of the table ends a reading of it.
            for table in ["clicks", "wide", "enough"] {
                let _ = mysql::run(&mut session, &format!("select count(*) from {table}")).await;
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    });
    story.of_an_object("test.clicks.id").await;
    let found = story.found().await;
    assert_eq!(found.len(), 1, "the others have room: {found:#?}");
    assert_eq!(found[0]["severity"], "urgent");
    reader.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_ends_is_found_on_mysql() {
    tell(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_ends_is_found_on_mariadb() {
    tell(Version::MariaDb118).await;
}
