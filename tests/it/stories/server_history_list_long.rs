use super::Story;
use crate::rig::mysql::{self, Server, Version};

/// A reader that stays in its transaction, while the rows change that it may look at.
async fn forgets(server: &Server) -> mysql_async::Conn {
    let mut reader = server.connect("test").await;
    mysql::run(&mut reader, "start transaction with consistent snapshot; select * from counters")
        .await
        .unwrap();
    let mut writer = server.connect("test").await;
    for _ in 0..1_500 {
        mysql::run(&mut writer, "update counters set n = n + 1 where id = 1").await.unwrap();
    }
    reader
}

async fn tell(version: Version) {
    let setup = [
        "create table counters (id int primary key, n int) engine=innodb; insert into counters values (1, 0)",
    ];
    let rules = "min_length = 1000\nmin_age = \"2s\"\nmin_window = \"5s\"";
    let story = Story::on(version, "server-history-list-long", &[], &setup, rules).await;
    let _reader = forgets(&story.server).await;
    let finding = story.appears("history list").await;
    assert!(finding["evidence"]["history_length"].as_u64().unwrap() >= 1_000, "{finding:#}");
    story.run(&finding, "sql").await;
    story.resolves("history list").await;
    let _again = forgets(&story.server).await;
    story.appears("history list").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_read_view_is_found_on_mysql() {
    tell(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_read_view_is_found_on_mariadb() {
    tell(Version::MariaDb118).await;
}
