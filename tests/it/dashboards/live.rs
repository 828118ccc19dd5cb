//! Every panel with data: each query of each panel is asked of a real Prometheus that scrapes the real daemon, once
//! for each engine that the panel speaks of, until all have answered with numbers under the labels that it shows.
//! What a panel does not claim to speak of it must not have; and every metric that it names must matter to it.

use super::scene::{SCRAPE_SECONDS, Scene};
use super::{BOARDS, Flavour, Kind, board};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

/// From the first scrape until the rarest reading has been seen twice on a busy machine.
const LIMIT: Duration = Duration::from_secs(240);

/// A label that is often empty: a copy with one source gives it no name.
const MAY_BE_EMPTY: &str = "channel";

/// One query of one panel.
#[derive(Debug)]
struct Asked {
    what: String,
    expr: String,
    engines: Vec<Flavour>,
    /// Labels that the panel shows.
    labels: Vec<String>,
}

/// What the variables of a dashboard stand for when all targets of an engine are chosen, and the short past that
/// there is.
pub fn chosen(expr: &str, targets: &str) -> String {
    let interval = format!("{}s", 15 * SCRAPE_SECONDS);
    let mut expr = expr.replace("$__rate_interval", &interval).replace("$__range", "2m");
    expr = expr.replace("=~\"$target\"", &format!("=~\"{targets}\""));
    for variable in ["job", "instance", "database", "digest"] {
        expr = expr.replace(&format!("=~\"${variable}\""), "=~\".*\"");
    }
    expr
}

/// The names in `{{name}}`.
fn shown(legend: &str) -> Vec<String> {
    legend.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap().to_owned()).collect()
}

/// The names in the first `by (…)`: the columns of a table.
fn grouped(expr: &str) -> Vec<String> {
    let inner = expr.split_once("by (").map_or("", |(_, rest)| rest.split(')').next().unwrap());
    inner.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What a query falls back to where there is nothing is no data: its alternatives, each for itself.
fn alternatives(expr: &str) -> Vec<&str> {
    let (mut depth, mut from, mut all) = (0, 0, Vec::new());
    for (at, c) in expr.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ' ' if depth == 0 && expr[at..].starts_with(" or ") => {
                all.push(&expr[from..at]);
                from = at + " or ".len();
            }
            _ => {}
        }
    }
    all.push(&expr[from..]);
    // By which labels an alternative stands in does not matter where it stands alone.
    for expr in &mut all {
        *expr =
            expr.strip_prefix("on (").and_then(|rest| rest.split_once(") ")).map_or(*expr, |(_, rest)| rest);
    }
    all.retain(|expr| expr.contains('{'));
    all
}

fn asked() -> Vec<Asked> {
    let mut all = Vec::new();
    for name in BOARDS {
        let board = board(name);
        for panel in &board.panel {
            for query in &panel.query {
                let labels =
                    if panel.kind == Kind::Table { grouped(&query.expr) } else { shown(&query.legend) };
                for expr in alternatives(&query.promql(&board)) {
                    all.push(Asked {
                        what: format!("{name}: {}", panel.title),
                        expr: expr.to_owned(),
                        engines: panel.engines_of(query),
                        labels: labels.clone(),
                    });
                }
            }
        }
    }
    all
}

/// Metrics of ours that it names.
fn metrics(expr: &str) -> BTreeSet<&str> {
    let words = expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("dbsonde_") || word.starts_with("process_")).collect()
}

impl Asked {
    fn of(&self, engine: Flavour) -> String {
        chosen(&self.expr, &format!("{}.*", engine.prefix()))
    }

    /// Does it speak of one server, or of us?
    fn is_about_targets(&self) -> bool {
        self.expr.contains("$target")
    }

    /// Numbers, not only label sets: a ratio of nothing is none. And what the panel shows has a value.
    fn is_answered(&self, series: &[Value]) -> bool {
        let number = |one: &Value| one["value"][1].as_str().and_then(|v| v.parse::<f64>().ok());
        let has =
            |one: &Value, label: &str| one["metric"][label].as_str().is_some_and(|value| !value.is_empty());
        let wanted = self.labels.iter().filter(|label| *label != MAY_BE_EMPTY);
        let is_named = |one: &Value| wanted.clone().all(|label| has(one, label));
        series.iter().any(|one| number(one).is_some_and(f64::is_finite) && is_named(one))
    }

    async fn answers(&self, scene: &Scene, expr: &str) -> bool {
        scene.prometheus.ask(expr).await.is_ok_and(|series| self.is_answered(&series))
    }
}

/// Waits until every panel has data of every engine that it speaks of.
pub async fn all_speak(scene: &Scene) {
    let asked = asked();
    assert!(asked.len() > 170, "{}", asked.len());
    let mut left: Vec<(&Asked, Flavour)> =
        asked.iter().flat_map(|one| one.engines.iter().map(move |engine| (one, *engine))).collect();
    let end = Instant::now() + LIMIT;
    while !left.is_empty() {
        let mut still = Vec::new();
        for (one, engine) in left {
            if !one.answers(scene, &one.of(engine)).await {
                still.push((one, engine));
            }
        }
        left = still;
        let silent: Vec<_> =
            left.iter().map(|(one, e)| format!("{} of {}: {}", one.what, e.name(), one.expr)).collect();
        assert!(Instant::now() < end, "no data in {silent:#?}\n{}", scene.daemon.log());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_has_data() {
    let scene = Scene::begin().await;
    all_speak(&scene).await;
    let mut wrong = Vec::new();
    for one in asked() {
        for engine in Flavour::ALL.into_iter().filter(|engine| !one.engines.contains(engine)) {
            if one.answers(&scene, &one.of(engine)).await {
                wrong.push(format!(
                    "{} speaks of {} and does not say so: {}",
                    one.what,
                    engine.name(),
                    one.expr
                ));
            }
        }
        // A metric that is dropped or renamed silences the panel, at least for one of those that it speaks of.
        for metric in metrics(&one.expr) {
            let mut is_missed = false;
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
            for engine in &one.engines {
                let without = one.of(*engine).replace(&format!("{metric}{{"), &format!("{metric}_dropped{{"));
                // Where something else takes its place, the numbers are others.
                let with = scene.prometheus.over(&one.of(*engine), now, now, 1).await.unwrap();
                let without = scene.prometheus.over(&without, now, now, 1).await.unwrap();
                is_missed |= without.is_empty() || with != without;
            }
            if !is_missed {
                wrong.push(format!("{} would not miss {metric}: {}", one.what, one.expr));
            }
        }
        assert!(one.is_about_targets() || one.engines == Flavour::ALL, "{one:?}");
    }
    assert_eq!(wrong, Vec::<String>::new());
}
