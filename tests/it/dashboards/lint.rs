//! What Grafana's dashboard-linter asks for, asked here: its program cannot be had everywhere.

use super::{BOARDS, board, grafana};
use crate::rig::prometheus;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// Units that we use, as Grafana spells them.
const UNITS: [&str; 9] =
    ["short", "s", "bytes", "Bps", "ops", "reqps", "percentunit", "bool_yes_no", "dateTimeFromNow"];

fn each(of: impl Fn(&str, &Value)) {
    for name in BOARDS {
        of(name, &grafana::dashboard(&board(name)));
    }
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

fn expressions(dashboard: &Value) -> impl Iterator<Item = &str> {
    let targets = panels(dashboard).flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap())
}

#[test]
fn variables_are_as_everybody_expects() {
    each(|name, dashboard| {
        let list = dashboard["templating"]["list"].as_array().unwrap();
        let find =
            |wanted: &str| list.iter().find(|v| v["name"] == wanted).unwrap_or_else(|| panic!("{name}"));
        let source = find("datasource");
        assert!(source["type"] == "datasource" && source["query"] == "prometheus", "{name}");
        assert_eq!(source["label"], "Data source", "{name}");
        for variable in ["job", "instance"] {
            let variable = find(variable);
            assert!(variable["includeAll"] == true && variable["multi"] == true, "{name}: {variable}");
        }
        for variable in list.iter().filter(|v| v["type"] == "query") {
            assert_eq!(variable["datasource"]["uid"], "${datasource}", "{name}");
            assert_eq!(variable["refresh"], 2, "{name}: values follow the time range");
            let query = variable["query"]["query"].as_str().unwrap();
            assert!(query.starts_with("label_values(dbsonde_") && query.ends_with(')'), "{name}: {query}");
        }
    });
}

#[test]
fn panels_say_what_they_are() {
    let mut uids = BTreeSet::new();
    each(|name, dashboard| {
        assert_eq!(dashboard["editable"], false, "{name}");
        assert!(!dashboard["description"].as_str().unwrap().is_empty(), "{name}");
        for panel in panels(dashboard) {
            let title = panel["title"].as_str().unwrap();
            assert!(
                !title.is_empty() && !panel["description"].as_str().unwrap().is_empty(),
                "{name}: {title}"
            );
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {title}");
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{name}: {title}");
            let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap();
            assert!(UNITS.contains(&unit), "{name}: {title}: {unit}");
        }
    });
    for name in BOARDS {
        assert!(uids.insert(board(name).uid), "{name}: two dashboards of one uid");
    }
}

#[test]
fn panels_do_not_overlap_and_links_lead_somewhere() {
    let uids: Vec<String> = BOARDS.iter().map(|name| board(name).uid).collect();
    each(|name, dashboard| {
        let mut taken = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            for cell in
                (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
            {
                assert!(cell.0 < 24 && taken.insert(cell), "{name}: {}", panel["title"]);
            }
        }
    });
    for name in BOARDS {
        for link in board(name).panel.iter().filter_map(|panel| panel.link.as_ref()) {
            assert!(uids.contains(&link.to), "{name}: {link:?}");
        }
    }
}

/// Every selector is narrowed by job and instance; every counter is a rate; every range follows the zoom.
#[test]
fn queries_are_written_as_the_linter_wants() {
    let known: BTreeSet<String> = dbsonde::web::metrics::catalogue().iter().map(|m| m.name.clone()).collect();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    each(|name, dashboard| {
        for expr in expressions(dashboard) {
            for (at, _) in expr.match_indices("dbsonde_").chain(expr.match_indices("process_")) {
                if expr[..at].ends_with(is_name) {
                    continue;
                }
                let metric: String = expr[at..].chars().take_while(|c| is_name(*c)).collect();
                assert!(known.contains(&metric), "{name}: {metric} is no metric of ours");
                let rest = &expr[at + metric.len()..];
                let narrowed = rest.starts_with("{job=~\"$job\", instance=~\"$instance\"");
                assert!(narrowed, "{name}: {metric} is not narrowed: {expr}");
                let range = rest[rest.find('}').unwrap()..].starts_with("}[$__r");
                assert_eq!(
                    metric.ends_with("_total"),
                    range,
                    "{name}: {metric}: a counter is a rate: {expr}"
                );
                let function = expr[..at].ends_with("rate(") || expr[..at].ends_with("increase(");
                assert_eq!(range, function, "{name}: {expr}");
            }
        }
    });
}

/// As rules of Prometheus, all queries parse.
#[test]
fn promtool_reads_every_query() {
    let dir = crate::rig::Dir::new();
    let mut rules = String::from("groups:\n- name: dashboards\n  rules:\n");
    for name in BOARDS {
        for expr in expressions(&grafana::dashboard(&board(name))) {
            let expr = expr.replace("$__rate_interval", "1m").replace("$__range", "1h");
            rules.push_str(&format!("  - record: a:b\n    labels: {{ n: '{}' }}\n", rules.len()));
            rules.push_str(&format!("    expr: {}\n", serde_json::to_string(&expr).unwrap()));
        }
    }
    fs::write(dir.join("rules.yml"), rules).unwrap();
    let run = prometheus("promtool").args(["check", "rules"]).arg(dir.join("rules.yml")).output();
    let run = run.expect("promtool: run tests/rig/install.sh");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
