//! Pictures of the dashboards, for the documentation: the JSON that Grafana reads and the answers of the real Prometheus,
//! drawn by a page of ours in Chromium.
//!
//! `cargo test --test it -- --ignored dashboards::pictures` draws them anew.

use super::live::{all_speak, chosen};
use super::scene::{SCRAPE_SECONDS, Scene};
use super::{Board, Flavour, board, grafana};
use crate::rig::Dir;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

/// The file, its dashboard, the targets that are chosen, and whose panels are drawn.
const PICTURES: [(&str, &str, &str, Option<Flavour>); 11] = [
    ("fleet", "fleet", ".+", None),
    ("target-postgres", "target", "postgres", Some(Flavour::Postgres)),
    ("target-mysql", "target", "mysql", Some(Flavour::Mysql)),
    ("statements-postgres", "statements", "postgres", Some(Flavour::Postgres)),
    ("statements-mariadb", "statements", "mariadb", Some(Flavour::Mariadb)),
    ("objects-postgres", "objects", "postgres", Some(Flavour::Postgres)),
    ("objects-mysql", "objects", "mysql", Some(Flavour::Mysql)),
    ("replication", "replication", ".+", None),
    ("locks", "locks", ".+", None),
    ("findings", "findings", ".+", None),
    ("dbsonde", "dbsonde", ".+", None),
];

/// The time that a picture shows, and the width of it. A line of a dashboard is as high as Grafana's.
const SHOWN: Duration = Duration::from_secs(240);
const WIDTH: u64 = 1200;
const LINE: u64 = 30;
const HEAD: u64 = 46;
/// A reader of the documentation fetches them all.
const MAX_BYTES: u64 = 150_000;

fn place(picture: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dashboards").join(format!("{picture}.png"))
}

/// What there is to see of one engine; the rest would be empty.
fn part(mut board: Board, of: Option<Flavour>) -> Board {
    let Some(engine) = of else { return board };
    let mut row = None;
    board.panel.retain_mut(|panel| {
        row = panel.row.take().or(row.take());
        let speak: Vec<bool> =
            panel.query.iter().map(|query| panel.engines_of(query).contains(&engine)).collect();
        let mut speak = speak.into_iter();
        panel.query.retain(|_| speak.next().unwrap());
        if panel.query.is_empty() {
            return false;
        }
        panel.row = row.take();
        true
    });
    board
}

/// The answers to all queries of a dashboard, by panel and letter.
async fn answers(scene: &Scene, dashboard: &Value, targets: &str, from: f64, to: f64) -> Value {
    let mut all = Map::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expr = chosen(target["expr"].as_str().unwrap(), targets);
            let series = match target["instant"] == true {
                true => scene.prometheus.ask(&expr).await,
                false => scene.prometheus.over(&expr, from, to, SCRAPE_SECONDS).await,
            };
            let series = series.unwrap_or_else(|error| panic!("{expr}: {error}"));
            all.insert(format!("{} {}", panel["id"], target["refId"].as_str().unwrap()), json!(series));
        }
    }
    Value::Object(all)
}

fn draw(page: &Path, height: u64, to: &Path) {
    let profile = Dir::new();
    let run = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
        ])
        // Letters without coloured edges: fewer colours, smaller files.
        .args(["--disable-lcd-text", &format!("--window-size={WIDTH},{height}")])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--screenshot={}", to.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("chromium: apt-get install chromium");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    // Sixty colours are enough, and a third of the bytes.
    let run = Command::new("pngquant").args(["--force", "--ext", ".png", "64"]).arg(to).status();
    assert!(run.expect("pngquant: apt-get install pngquant").success());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "draws the pictures of docs/dashboards anew, with Chromium"]
async fn the_pictures() {
    let scene = Scene::begin().await;
    // What happens while it begins is not shown.
    let full = Instant::now() + SHOWN + Duration::from_secs(60);
    all_speak(&scene).await;
    tokio::time::sleep_until(full.into()).await;
    let to = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let from = to - SHOWN.as_secs_f64();
    fs::create_dir_all(place("").parent().unwrap()).unwrap();
    for (picture, of, targets, engine) in PICTURES {
        let dashboard = grafana::dashboard(&part(board(of), engine));
        let answers = answers(&scene, &dashboard, targets, from, to).await;
        let drawn = json!({ "dashboard": dashboard, "answers": answers, "from": from, "to": to, "target": targets,
                            "step": SCRAPE_SECONDS, "line": LINE, "head": HEAD });
        let dir = Dir::new();
        let page =
            include_str!("picture.html").replace("\"DRAWN\"", &drawn.to_string().replace("</", "<\\/"));
        fs::write(dir.join("picture.html"), page).unwrap();
        let ends = dashboard["panels"].as_array().unwrap().iter().map(|panel| {
            let place = &panel["gridPos"];
            place["y"].as_u64().unwrap() + place["h"].as_u64().unwrap()
        });
        draw(&dir.join("picture.html"), HEAD + ends.max().unwrap() * LINE, &place(picture));
    }
}

/// The page that shows them has each, and each is small.
#[test]
fn every_picture_is_shown() {
    let page = fs::read_to_string(place("").with_file_name("../dashboards.md")).unwrap();
    for (picture, ..) in PICTURES {
        assert!(
            page.contains(&format!("(dashboards/{picture}.png)")),
            "docs/dashboards.md does not show {picture}"
        );
        let bytes = fs::metadata(place(picture)).unwrap().len();
        assert!((10_000..MAX_BYTES).contains(&bytes), "{picture}: {bytes} bytes");
    }
    for name in super::BOARDS {
        let title = board(name).title;
        assert!(page.contains(&format!("*{title}*")), "docs/dashboards.md does not name {title}");
        assert!(PICTURES.iter().any(|(_, of, ..)| *of == name), "{name} has no picture");
    }
}
