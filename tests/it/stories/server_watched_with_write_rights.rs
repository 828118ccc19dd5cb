use super::{PACES, Story};
use crate::rig::daemon::Daemon;
use crate::rig::mysql::{self, flavours};
use crate::rig::postgres::{Server, any};

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_that_watches_is_told_becomes_a_monitor_and_is_told_again() {
    let server = Server::start(any(), &[]).await;
    server.sql("postgres", "create role sonde superuser login password 'sesame'").await;
    let url = server.url_as("sonde", "sesame", "postgres");
    let daemon = Daemon::start(&format!("{PACES}\n[[target]]\nname = \"story\"\nurl = \"{url}\"\n")).await;
    let story = Story { server, daemon, rule: "server-watched-with-write-rights" };
    story.of_an_object("sonde").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_may_write_is_told_on_mysql_and_mariadb() {
    for version in flavours() {
        let server = mysql::Server::start(version, &[]).await;
        server.sql("", "create user sonde identified by 'sesame'").await;
        server.sql("", "grant process, create, file on *.* to sonde").await;
        // Of a schema whose name is a pattern, the right is taken as it was granted.
        server.sql("", "grant insert, drop on `my\\_shop`.* to sonde").await;
        server.sql("", "grant select on performance_schema.* to sonde").await;
        let url = server.url_as("sonde", "sesame", "");
        let daemon =
            Daemon::start(&format!("{PACES}\n[[target]]\nname = \"story\"\nurl = \"{url}\"\n")).await;
        let story = Story { server, daemon, rule: "server-watched-with-write-rights" };
        story.of_an_object("'sonde'@'%'").await;
    }
}
