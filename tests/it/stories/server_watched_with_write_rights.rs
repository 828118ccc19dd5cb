use super::{PACES, Story};
use crate::rig::daemon::Daemon;
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
