//! Invariants that are an absence: what a layer must not know. And what every folder must list.

use std::fs;
use std::path::{Path, PathBuf};

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file below a folder but for tests, or the file itself.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_a_test = |path: &PathBuf| {
        path.ends_with("tests.rs") || path.ends_with("simulation.rs") || path.ends_with("fuzz.rs")
    };
    let is_ours = |path: &PathBuf| path.extension().is_some_and(|e| e == "rs") && !is_a_test(path);
    paths.flat_map(|path| files(&path)).filter(is_ours).collect()
}

/// A file without its tests.
fn body(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

#[test]
fn the_pure_layers_know_no_clock_no_io_and_nothing_asynchronous() {
    let pure = [
        "model",
        "rules",
        "rule",
        "rule.rs",
        "ledger.rs",
        "plans.rs",
        "remark.rs",
        "tally.rs",
        "verdict.rs",
        "throttle.rs",
        "script.rs",
        "sql",
        "sql.rs",
    ];
    let banned = [
        "tokio",
        "std::fs",
        "std::net",
        "std::env",
        "SystemTime",
        "Instant",
        "async ",
        "tracing",
        "rusqlite",
    ];
    for path in pure.iter().flat_map(|name| files(&src().join(name))) {
        let text = body(&path);
        for word in banned {
            assert!(!text.contains(word), "{} must not know `{word}`", path.display());
        }
    }
}

#[test]
fn only_an_engine_names_its_driver() {
    // MySQL's protocol is our own, in its folder; the driver that the rig uses has no business in the program.
    for (driver, home) in
        [("tokio_postgres", Some("postgres")), ("mysql_async", None), ("::mysql::", Some("mysql"))]
    {
        let home = home.map(|home| src().join("engines").join(home));
        for path in
            files(&src()).iter().filter(|path| !home.as_ref().is_some_and(|home| path.starts_with(home)))
        {
            assert!(!body(path).contains(driver), "{} must not name {driver}", path.display());
        }
    }
}

#[test]
fn only_the_configuration_reads_the_environment() {
    // What mangles texts is for tests alone.
    let allowed = [src().join("config.rs"), src().join("config"), src().join("fuzz")];
    for path in files(&src()).iter().filter(|path| !allowed.iter().any(|a| path.starts_with(a))) {
        assert!(!body(path).contains("std::env::var"), "{} must not read the environment", path.display());
    }
}

#[test]
fn every_page_is_in_the_handbook() {
    let contents = fs::read_to_string(src().join("rules/mod.rs")).unwrap();
    let tests = src().join("rules/tests");
    for path in files(&src().join("rules")).into_iter().filter(|path| !path.starts_with(&tests)) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            stem == "mod" || contents.contains(&format!("{stem}::")),
            "{stem} is not listed in rules/mod.rs"
        );
    }
}

#[test]
fn every_page_has_its_headings_and_thresholds_that_say_what_they_mean() {
    for page in dbsonde::rules::pages() {
        assert!(!page.title.is_empty() && !page.summary.is_empty(), "{} has no title or summary", page.id);
        for heading in ["## Why it hurts", "## What to do", "## When this page is wrong"] {
            assert!(page.body.contains(heading), "{} has no {heading:?}", page.id);
        }
        assert!(!page.thresholds.is_empty(), "{} has no thresholds", page.id);
        for (knob, default, about) in page.thresholds {
            assert!(!about.is_empty() && default != "null", "{}: {knob} does not say what it means", page.id);
        }
    }
}

#[test]
fn every_sql_file_says_what_it_costs_and_is_used() {
    for engine in ["mysql", "postgres"].map(|name| src().join("engines").join(name)) {
        every_sql_file_of(&engine);
    }
}

fn every_sql_file_of(engine: &Path) {
    let table = fs::read_to_string(engine.join("collectors.rs")).unwrap();
    for entry in fs::read_dir(engine.join("sql")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let cost = text.lines().find_map(|line| line.strip_prefix("-- cost: ")).unwrap_or_default();
        assert!(!cost.is_empty() && !cost.contains("TBD"), "{stem} does not say what it costs");
        assert!(text.contains("/* dbsonde */"), "{stem} is not tagged as ours");
        assert!(table.contains(&format!("\"{stem}\"")), "{stem} is in no collector");
    }
}

/// The order in which things are dropped stands in one table, and each line names the test that holds it.
#[test]
fn what_goes_first_is_held_by_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let section = text.split("\n## What goes first\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let tests: Vec<&str> = rows.filter_map(|row| row.trim_end_matches(" |").rsplit("| ").next()).collect();
    assert!(tests.len() >= 12, "{tests:?}");
    for test in tests {
        let test = test.trim_matches(['`', ' ']);
        let (module, name) = test.rsplit_once("::").unwrap_or_else(|| panic!("{test:?} is no test"));
        let place = module.trim_end_matches("::tests").replace("::", "/");
        let places = [format!("{place}.rs"), format!("{place}/tests.rs"), format!("{place}/mod.rs")];
        let holds = |file: &String| {
            fs::read_to_string(src().join(file)).is_ok_and(|text| text.contains(&format!("fn {name}()")))
        };
        assert!(places.iter().any(holds), "no test {test}");
    }
}

#[test]
fn every_topic_has_a_name_of_its_own() {
    let mut names: Vec<_> = dbsonde::model::Topic::ALL.iter().map(|topic| topic.name()).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(all, names.len());
}

#[test]
fn lines_and_files_stay_readable() {
    for path in files(&src()) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() <= 500, "{} is longer than one room", path.display());
        for (nth, line) in text.lines().enumerate() {
            assert!(line.chars().count() <= 160, "{}:{} is too long", path.display(), nth + 1);
        }
    }
}
