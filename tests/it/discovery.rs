//! Targets that another program writes down come, change and go without a restart; a broken file changes nothing.

use crate::rig::Dir;
use crate::rig::daemon::Daemon;
use std::fs;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn targets_come_and_go_with_their_files() {
    let dir = Dir::new();
    let put = |file: &str, name: &str| {
        let group = serde_json::json!([{
            "targets": ["postgres://sonde@127.0.0.1:1/postgres"], "labels": {"__name": name, "team": "shop"},
        }]);
        fs::write(dir.join("new"), group.to_string()).unwrap();
        fs::rename(dir.join("new"), dir.join(file)).unwrap();
    };
    put("a.json", "first");
    let config = format!("[discovery]\nfiles = [\"{}/*.json\"]\n", dir.path().display());
    let daemon = Daemon::start(&config).await;
    let names = |text: &str| ["first", "second"].map(|name| text.contains(&format!("\"{name}\"")));
    let shows = async |wanted: [bool; 2]| {
        daemon.wait_for("/api/v1/targets", |answer| names(&answer.text()) == wanted, LIMIT).await;
    };
    shows([true, false]).await;
    put("b.json", "second");
    shows([true, true]).await;
    fs::write(dir.join("b.json"), "[{\"targets\": oops").unwrap();
    daemon.wait_for_log("the last good one stays", LIMIT).await;
    shows([true, true]).await;
    fs::remove_file(dir.join("b.json")).unwrap();
    shows([true, false]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_share_the_targets() {
    let target =
        |name: &str| format!("[[target]]\nname = \"{name}\"\nurl = \"postgres://a@127.0.0.1:1/b\"\n");
    let config: String = (0..20).map(|nth| target(&format!("db{nth}"))).collect();
    let mut all = Vec::new();
    for shard in ["1/2", "2/2"] {
        let daemon = Daemon::start_with(&config, &["--shard", shard], &[]).await;
        let targets = daemon.get("/api/v1/targets").await.json();
        let names =
            targets.as_array().unwrap().iter().map(|target| target["name"].as_str().unwrap().to_owned());
        let names: Vec<String> = names.collect();
        assert!(!names.is_empty() && names.len() < 20, "{names:?}");
        all.extend(names);
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 20);
}
