//! The alerts that we ship: judged by promtool, each with a test that fires and one that does not, each explained.

use crate::docs::is_current;
use crate::rig::prometheus;
use std::fs;
use std::path::{Path, PathBuf};

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(shipped(file)).unwrap()
}

fn alerts() -> Vec<String> {
    let rules = read("deploy/prometheus/dbsonde.rules.yml");
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ").map(str::to_owned)).collect()
}

#[test]
fn promtool_accepts_the_alerts_and_their_tests() {
    for (verb, file) in [("check", "dbsonde.rules.yml"), ("test", "dbsonde.rules.test.yml")] {
        let run = prometheus("promtool")
            .args([verb, "rules", file])
            .current_dir(shipped("deploy/prometheus"))
            .output();
        let run = run.expect("promtool: run tests/rig/install.sh");
        let (said, more) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{verb} {file}: {said}{more}");
    }
}

#[test]
fn every_alert_fires_and_is_silent_in_a_test_and_has_its_section() {
    let (tests, sections) = (read("deploy/prometheus/dbsonde.rules.test.yml"), read("docs/alerts.md"));
    let rules = read("deploy/prometheus/dbsonde.rules.yml");
    assert!(alerts().len() > 10);
    for alert in alerts() {
        assert!(tests.contains(&format!("alertname: {alert}, exp_alerts: []")), "{alert} has no silent case");
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} has no firing case");
        assert!(sections.contains(&format!("\n## {alert}\n")), "docs/alerts.md does not explain {alert}");
        let runbook = format!("runbook_url: docs/alerts.md#{}\n", alert.to_lowercase());
        assert_eq!(rules.matches(&runbook).count(), 1, "{alert} does not lead to its section");
    }
    assert_eq!(sections.matches("\n## ").count(), alerts().len(), "a section without an alert");
}

/// An alert on a metric that nobody exports never fires.
#[test]
fn alerts_ask_for_metrics_that_exist() {
    let known: Vec<String> = dbsonde::web::metrics::catalogue().iter().map(|m| m.name.clone()).collect();
    let rules = read("deploy/prometheus/dbsonde.rules.yml");
    let names = rules.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let asked: Vec<&str> = names.filter(|name| name.starts_with("dbsonde_")).collect();
    assert!(asked.len() > alerts().len());
    for name in asked {
        assert!(known.iter().any(|known| known == name), "{name} is no metric of ours");
    }
}

/// The same groups for those who run the operator for Prometheus.
#[test]
fn the_prometheus_rule_has_the_same_groups() {
    let rules = read("deploy/prometheus/dbsonde.rules.yml");
    let groups = rules.split_once("\ngroups:\n").unwrap().1;
    let mut made = String::from(
        "# Made from deploy/prometheus/dbsonde.rules.yml by `UPDATE=1 cargo test --test it prometheus`.\n\
         apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: dbsonde\nspec:\n  groups:\n",
    );
    for line in groups.lines() {
        made.push_str(if line.is_empty() { "" } else { "  " });
        made.push_str(line);
        made.push('\n');
    }
    is_current("deploy/kubernetes/operator/prometheusrule.yml", &made);
}
