use super::Story;
use crate::rig::mysql::{Server, Version};
use crate::rig::postgres::Stop;
use serde_json::Value;

/// MariaDB has no SQL for it, only its configuration.
async fn turn(story: &mut Story<Server>, finding: &Value, part: &str, value: &str) {
    if story.server.version.is_mariadb() {
        story.server.set("performance_schema", value);
    } else {
        story.run(finding, part).await;
    }
    story.server.restart(Stop::Fast).await;
}

async fn tell(version: Version) {
    let settings = [("performance_schema", "OFF")];
    let mut story = Story::on(version, "server-instruments-off", &settings, &[], "").await;
    let finding = story.is_said("performance_schema").await;
    turn(&mut story, &finding, "sql", "ON").await;
    story.resolves("performance_schema").await;
    turn(&mut story, &finding, "rollback", "OFF").await;
    story.is_said("performance_schema").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blind_server_is_found_on_mysql() {
    tell(Version::MySql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blind_server_is_found_on_mariadb() {
    tell(Version::MariaDb118).await;
}
