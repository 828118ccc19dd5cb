//! What Grafana's dashboard-linter asks for, rule by rule under its names, asked here: its program cannot be had
//! everywhere. And what we ask for beside that.

use super::{BOARDS, board, grafana};
use crate::rig::prometheus;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

/// Units that we use, as Grafana spells them.
const UNITS: [&str; 9] = ["short", "none", "s", "bytes", "Bps", "ops", "reqps", "percentunit", "bool_yes_no"];

/// The linter's rules; each says what is wrong, and each is tried on a dashboard that breaks it.
type Rule = (&'static str, fn(&Value) -> Result<(), String>, Break);
/// Where in the JSON, and what stands there then.
type Break = (&'static str, fn() -> Value);

const RULES: [Rule; 17] = [
    ("template-datasource-rule", has_source, ("/templating/list/0/query", || json!("loki"))),
    ("template-job-rule", |d| has_template(d, "job", "Job"), ("/templating/list/1/allValue", || json!(".*"))),
    (
        "template-instance-rule",
        |d| has_template(d, "instance", "Instance"),
        ("/templating/list/2/multi", || json!(false)),
    ),
    ("template-label-promql-rule", templates_ask, ("/templating/list/3/query/query", || json!("target"))),
    ("template-on-time-change-reload-rule", templates_reload, ("/templating/list/1/refresh", || json!(1))),
    ("panel-datasource-rule", panels_have_source, ("/panels/0/datasource/uid", || json!("mine"))),
    ("panel-title-description-rule", panels_are_described, ("/panels/0/description", || json!(""))),
    ("panel-units-rule", panels_have_units, ("/panels/0/fieldConfig/defaults/unit", || json!("apples"))),
    ("panel-no-targets-rule", panels_have_targets, ("/panels/0/targets", || json!([]))),
    ("target-logql-rule", nothing_asks_logs, ("/panels/0/targets/0/datasource/type", || json!("loki"))),
    ("target-logql-auto-rule", nothing_asks_logs, ("/panels/0/datasource/type", || json!("loki"))),
    ("target-promql-rule", targets_ask, ("/panels/0/targets/0/expr", || json!("sum(dbsonde_target_up{"))),
    (
        "target-rate-interval-rule",
        rates_follow_the_scrape,
        ("/panels/0/targets/0/expr", || json!("rate(dbsonde_x_total{}[5m])")),
    ),
    (
        "target-job-rule",
        |d| is_matched(d, "job"),
        ("/panels/0/targets/0/expr", || json!("dbsonde_x{instance=~\"$instance\"}")),
    ),
    (
        "target-instance-rule",
        |d| is_matched(d, "instance"),
        ("/panels/0/targets/0/expr", || json!("dbsonde_x{job=~\"$job\"}")),
    ),
    (
        "target-counter-agg-rule",
        counters_are_rates,
        ("/panels/0/targets/0/expr", || json!("sum(dbsonde_x_total{})")),
    ),
    ("uneditable-dashboard", is_not_edited, ("/editable", || json!(true))),
];

fn each(of: impl Fn(&str, &Value)) {
    for name in BOARDS {
        of(name, &grafana::dashboard(&board(name)));
    }
}

fn must(is_so: bool, what: &impl ToString) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(what.to_string()) }
}

fn templates(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["templating"]["list"].as_array().unwrap().iter()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

fn targets(dashboard: &Value) -> impl Iterator<Item = &Value> {
    panels(dashboard).flat_map(|panel| panel["targets"].as_array().unwrap())
}

fn expressions(dashboard: &Value) -> impl Iterator<Item = &str> {
    targets(dashboard).map(|target| target["expr"].as_str().unwrap())
}

/// Every metric in a query: what stands before it, its name, its matchers, what stands behind them.
fn selectors(expr: &str) -> Vec<(&str, &str, &str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut all = Vec::new();
    for (at, _) in expr.match_indices("dbsonde_").chain(expr.match_indices("process_")) {
        if expr[..at].ends_with(is_name) {
            continue;
        }
        let rest = &expr[at..];
        let (metric, rest) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        let (matchers, behind) = rest.split_once('}').unwrap_or(("", rest));
        all.push((&expr[..at], metric, matchers.trim_start_matches('{'), behind));
    }
    all
}

fn has_source(dashboard: &Value) -> Result<(), String> {
    let mut sources = templates(dashboard).filter(|one| one["type"] == "datasource");
    let is_ours = |one: &Value| {
        one["name"] == "datasource" && one["query"] == "prometheus" && one["label"] == "Data source"
    };
    must(sources.next().is_some_and(is_ours) && sources.next().is_none(), &"no data source to choose")
}

fn has_template(dashboard: &Value, name: &str, label: &str) -> Result<(), String> {
    let found = templates(dashboard).find(|one| one["name"] == name).ok_or(format!("no variable {name}"))?;
    let is_so = found["type"] == "query"
        && found["datasource"]["uid"] == "${datasource}"
        && found["label"] == label
        && found["multi"] == true
        && found["includeAll"] == true
        && found["allValue"] == ".+";
    must(is_so, found)
}

fn templates_ask(dashboard: &Value) -> Result<(), String> {
    templates(dashboard).filter(|one| one["type"] == "query").try_for_each(|one| {
        let query = one["query"]["query"].as_str().unwrap();
        must(query.starts_with("label_values(dbsonde_") && query.ends_with(')'), &query)
    })
}

/// Values follow the time range.
fn templates_reload(dashboard: &Value) -> Result<(), String> {
    templates(dashboard)
        .filter(|one| one["type"] == "query")
        .try_for_each(|one| must(one["refresh"] == 2, one))
}

fn panels_have_source(dashboard: &Value) -> Result<(), String> {
    panels(dashboard).try_for_each(|panel| must(panel["datasource"]["uid"] == "${datasource}", panel))
}

fn panels_are_described(dashboard: &Value) -> Result<(), String> {
    let is_text = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
    must(is_text(&dashboard["description"]), &"a dashboard that does not say what it is")?;
    panels(dashboard)
        .try_for_each(|panel| must(is_text(&panel["title"]) && is_text(&panel["description"]), panel))
}

fn panels_have_units(dashboard: &Value) -> Result<(), String> {
    panels(dashboard).try_for_each(|panel| {
        let overrides = panel["fieldConfig"]["overrides"].as_array().unwrap().iter();
        let properties = overrides.flat_map(|one| one["properties"].as_array().unwrap());
        let of_columns = properties.filter(|one| one["id"] == "unit").map(|one| &one["value"]);
        let mut all = of_columns.chain([&panel["fieldConfig"]["defaults"]["unit"]]);
        must(all.all(|unit| unit.as_str().is_some_and(|unit| UNITS.contains(&unit))), panel)
    })
}

fn panels_have_targets(dashboard: &Value) -> Result<(), String> {
    panels(dashboard).try_for_each(|panel| must(!panel["targets"].as_array().unwrap().is_empty(), panel))
}

fn nothing_asks_logs(dashboard: &Value) -> Result<(), String> {
    let of_prometheus = |one: &Value| must(one["datasource"]["type"] == "prometheus", one);
    panels(dashboard).chain(targets(dashboard)).try_for_each(of_prometheus)
}

/// Enough to see a slip; `promtool_reads_every_query` parses them.
fn targets_ask(dashboard: &Value) -> Result<(), String> {
    expressions(dashboard).try_for_each(|expr| {
        let balanced = |open, close| expr.matches(open).count() == expr.matches(close).count();
        must(!expr.is_empty() && balanced('(', ')') && balanced('{', '}') && balanced('[', ']'), &expr)
    })
}

/// What is added up over the whole range that was chosen is no rate.
fn rates_follow_the_scrape(dashboard: &Value) -> Result<(), String> {
    expressions(dashboard).try_for_each(|expr| {
        selectors(expr).into_iter().filter(|(.., behind)| behind.starts_with('[')).try_for_each(
            |(before, .., behind)| {
                let of_all = before.ends_with("increase(") && behind.starts_with("[$__range]");
                must(of_all || behind.starts_with("[$__rate_interval]"), &expr)
            },
        )
    })
}

fn is_matched(dashboard: &Value, label: &str) -> Result<(), String> {
    expressions(dashboard).try_for_each(|expr| {
        let matcher = format!("{label}=~\"${label}\"");
        selectors(expr)
            .into_iter()
            .try_for_each(|(_, _, matchers, _)| must(matchers.contains(&matcher), &expr))
    })
}

fn counters_are_rates(dashboard: &Value) -> Result<(), String> {
    expressions(dashboard).try_for_each(|expr| {
        selectors(expr).into_iter().try_for_each(|(before, metric, _, behind)| {
            let is_rate =
                behind.starts_with('[') && (before.ends_with("rate(") || before.ends_with("increase("));
            must(metric.ends_with("_total") == is_rate, &expr)
        })
    })
}

fn is_not_edited(dashboard: &Value) -> Result<(), String> {
    must(dashboard["editable"] == false, &"it can be edited")
}

#[test]
fn every_rule_of_the_linter_holds() {
    for (rule, holds, _) in RULES {
        each(|name, dashboard| assert_eq!(holds(dashboard), Ok(()), "{rule}: {name}"));
    }
}

#[test]
fn every_rule_of_the_linter_sees_what_it_is_for() {
    let good = grafana::dashboard(&board("fleet"));
    for (rule, holds, (place, wrong)) in RULES {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap_or_else(|| panic!("{rule}: nothing at {place}")) = wrong();
        assert!(holds(&bad).is_err(), "{rule} accepts {place}");
    }
}

#[test]
fn no_two_dashboards_are_the_same() {
    let all: BTreeSet<String> = BOARDS.iter().map(|name| board(name).uid).collect();
    assert_eq!(all.len(), BOARDS.len());
    for name in BOARDS {
        let board = board(name);
        let titles: BTreeSet<&str> = board.panel.iter().map(|panel| panel.title.as_str()).collect();
        assert_eq!(titles.len(), board.panel.len(), "{name}: two panels of one title");
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

#[test]
fn queries_ask_for_metrics_that_exist() {
    let known: BTreeSet<String> = dbsonde::web::metrics::catalogue().iter().map(|m| m.name.clone()).collect();
    each(|name, dashboard| {
        for expr in expressions(dashboard) {
            let asked = selectors(expr);
            assert!(!asked.is_empty(), "{name}: {expr}");
            for (_, metric, ..) in asked {
                assert!(known.contains(metric), "{name}: {metric} is no metric of ours");
            }
        }
    });
}

/// A panel that is of some engines, all of whose queries are of fewer, promises too much.
#[test]
fn panels_speak_of_whom_their_queries_speak() {
    for name in BOARDS {
        for panel in board(name).panel {
            let of_queries: Vec<_> = panel.query.iter().flat_map(|query| panel.engines_of(query)).collect();
            let claimed =
                super::Flavour::ALL.iter().filter(|e| panel.engines.is_empty() || panel.engines.contains(e));
            for engine in claimed {
                assert!(of_queries.contains(engine), "{name}: {}: nothing of {}", panel.title, engine.name());
            }
        }
    }
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
