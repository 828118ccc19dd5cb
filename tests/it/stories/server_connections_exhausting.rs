use super::Story;
use crate::rig::mysql::{Server, Version};

async fn tell(version: Version) {
    let settings = [("max_connections", "20")];
    let story = Story::on(version, "server-connections-exhausting", &settings, &[], "").await;
    let crowd = async |server: &Server| {
        let mut held = Vec::new();
        for _ in 0..15 {
            held.push(server.connect("test").await);
        }
        held
    };
    let held = crowd(&story.server).await;
    story.is_said("connections").await;
    drop(held);
    story.resolves("connections").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_found_on_mysql_and_mariadb() {
    tokio::join!(tell(Version::MySql97), tell(Version::MariaDb118));
}
