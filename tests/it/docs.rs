//! The generated references: a stale one fails, and says how to make it anew.

use dbsonde::engine::Pace;
use dbsonde::engine::collector::{Collector, Reach, Tool};
use dbsonde::engines::{mysql, postgres};
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
        if !rule.mended_with.is_empty() {
            let others: Vec<String> = rule.mended_with.iter().map(|id| format!("`{id}`")).collect();
            writeln!(page, "\nTold as a part of {}, where both are found.", others.join(", ")).unwrap();
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

/// What the head of an SQL file says: what it reads, and what that costs.
fn head(sql: &str) -> (String, String) {
    let lines: Vec<&str> = sql.lines().map_while(|line| line.strip_prefix("-- ")).collect();
    let what = lines.iter().take_while(|line| !line.split(' ').next().unwrap().ends_with(':'));
    let what = what.copied().collect::<Vec<_>>().join(" ");
    let cost = lines.iter().find_map(|line| line.strip_prefix("cost: ")).expect("a cost");
    (what.replace('|', "\\|"), cost.replace('|', "\\|"))
}

#[test]
fn the_collectors() {
    let mut page = String::from(
        "# Collectors\n\nGenerated from `src/engines/*/collectors.rs` and the heads of the SQL files beside it. Each is read at \
         its pace, or more seldom where it would cost too much: `[pace]` in the configuration has the floors. Where a server \
         lacks something that a file names, its other variants are tried, then its columns are left out one by one; what is \
         missing in the end is a gap with its reason in `/api/v1/gaps`.\n",
    );
    let engines: [(&str, &[Collector], &[Tool]); 2] = [
        ("PostgreSQL", postgres::collectors::COLLECTORS, postgres::collectors::TOOLS),
        ("MySQL and MariaDB", mysql::collectors::COLLECTORS, mysql::collectors::TOOLS),
    ];
    for (engine, collectors, tools) in engines {
        let rows = "|---|---|---|---|---|";
        write!(
            page,
            "\n## {engine}\n\n| collector | pace | of each | what it reads | what it costs |\n{rows}\n"
        )
        .unwrap();
        let mut last = "";
        for collector in collectors {
            // One file may tell of several topics.
            if std::mem::replace(&mut last, collector.file) == collector.file {
                continue;
            }
            let pace = match collector.pace {
                Pace::Pulse => "pulse",
                Pace::Beat => "beat",
                Pace::Slow => "slow",
                Pace::Rare => "rare",
            };
            let of = if collector.reach == Reach::Server { "server" } else { "database" };
            let (what, cost) = head(collector.sql[0]);
            writeln!(page, "| `{}` | {pace} | {of} | {what} | {cost} |", collector.file).unwrap();
        }
        page.push_str("\nWhat is asked beside them, to understand the rest:\n\n| file | what it reads | what it costs |\n|---|---|---|\n");
        for (file, sql) in tools {
            let (what, cost) = head(sql[0]);
            writeln!(page, "| `{file}` | {what} | {cost} |").unwrap();
        }
    }
    is_current("docs/collectors.md", &page);
}
