//! The generated references: a stale one fails, and says how to make it anew.

use std::fmt::Write;
use std::fs;
use std::path::Path;

pub fn is_current(file: &str, fresh: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if fs::read_to_string(&path).is_ok_and(|old| old == fresh) {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        return fs::write(&path, fresh).unwrap();
    }
    panic!("{file} is stale: run `UPDATE=1 cargo test --test it docs`");
}

#[test]
fn the_handbook() {
    let mut page = String::from("# The handbook\n\nGenerated from the pages in this folder.\n");
    for rule in dbsonde::rules::pages() {
        write!(page, "\n## {} (`{}`)\n\n{}\n\n", rule.title, rule.id, rule.body.replace("\n## ", "\n### "))
            .unwrap();
        page.push_str("| threshold | default | meaning |\n|---|---|---|\n");
        for (knob, default, about) in rule.thresholds {
            writeln!(page, "| `{knob}` | `{default}` | {about} |").unwrap();
        }
    }
    is_current("src/rules/README.md", &page);
}

#[test]
fn the_metrics() {
    let mut page =
        String::from("# Metrics\n\nGenerated from the nouns in `src/model` and our own telemetry.\n");
    page.push_str("\n| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for listed in dbsonde::web::metrics::catalogue() {
        let labels = listed.labels.join(", ");
        writeln!(page, "| `{}` | {} | {labels} | {} |", listed.name, listed.kind.name(), listed.help)
            .unwrap();
    }
    is_current("dashboards/metrics.md", &page);
}

#[test]
fn the_configuration() {
    is_current("config/dbsonde.toml", &dbsonde::config::Config::default_toml());
    let schema = schemars::schema_for!(dbsonde::config::Config);
    is_current("config/schema.json", &(serde_json::to_string_pretty(&schema).unwrap() + "\n"));
}
