//! Whose work is in the program, and under which licence. `THIRD-PARTY.md` is made from the graph of crates that are
//! built into it; `deny.toml` says what may be in there at all.

use crate::docs::is_current;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What crates bring beside their own code, by the crate and the file with its licence.
const WITHIN: [(&str, &str, &str); 1] = [("tikv-jemalloc-sys", "jemalloc", "jemalloc/COPYING")];

fn metadata() -> Value {
    let asked = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    serde_json::from_slice(&asked.stdout).unwrap()
}

/// The crates that are built into the program, but for itself.
fn crates(metadata: &Value) -> Vec<&Value> {
    let list = |value: &'_ Value| value.as_array().unwrap().clone();
    let nodes = list(&metadata["resolve"]["nodes"]);
    let by_id: BTreeMap<&str, &Value> =
        nodes.iter().map(|node| (node["id"].as_str().unwrap(), node)).collect();
    let root = metadata["resolve"]["root"].as_str().unwrap();
    let (mut seen, mut left) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(id) = left.pop() {
        let needs = list(&by_id[id.as_str()]["deps"]);
        // What builds or tests it is not in it.
        let is_in = |need: &&Value| list(&need["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        left.extend(
            needs
                .iter()
                .filter(is_in)
                .map(|need| need["pkg"].as_str().unwrap().to_owned())
                .filter(|id| !seen.contains(id)),
        );
        seen.insert(id);
    }
    seen.remove(root);
    let packages = metadata["packages"].as_array().unwrap().iter();
    let mut all: Vec<&Value> =
        packages.filter(|package| seen.contains(package["id"].as_str().unwrap())).collect();
    all.sort_by_key(|package| (package["name"].to_string(), package["version"].to_string()));
    all
}

/// Where a choice is offered that holds our own licence, that is the one.
fn offers_ours(licence: &str) -> bool {
    !licence.contains(" AND ")
        && licence.replace('/', " OR ").split(" OR ").any(|one| one.trim() == "Apache-2.0")
}

/// The texts that lie beside a crate's code, but for the one that is ours as well.
fn texts(package: &Value) -> Vec<String> {
    let home = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
    let is_licence = |name: &str| {
        let name = name.to_uppercase();
        ["LICEN", "COPYING", "COPYRIGHT", "NOTICE"].iter().any(|start| name.starts_with(start))
    };
    let files = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.filter(|name| is_licence(name) && home.join(name).is_file()).collect();
    files.sort();
    let text = |file: &String| fs::read_to_string(home.join(file)).unwrap();
    // A longer one holds others besides.
    let is_ours =
        |text: &String| text.contains("TERMS AND CONDITIONS FOR USE, REPRODUCTION") && text.len() < 12_000;
    files.iter().map(text).filter(|text| !is_ours(text)).collect()
}

/// Without what differs from one editor to the next.
fn tidied(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches(['\n', '\u{feff}']).to_owned()
}

#[test]
fn everything_that_is_embedded_is_named_with_its_licence() {
    let metadata = metadata();
    let all = crates(&metadata);
    assert!(all.len() > 100, "{} crates", all.len());
    let mut listed = String::new();
    let mut by_text: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in &all {
        let (name, version) = (package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        listed.push_str(&format!("| {name} | {version} | {licence} |\n"));
        let home = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        for (_, what, file) in WITHIN.iter().filter(|(within, ..)| *within == name) {
            by_text
                .entry(tidied(&fs::read_to_string(home.join(file)).unwrap()))
                .or_default()
                .push((*what).to_owned());
        }
        if offers_ours(licence) {
            continue;
        }
        let texts = texts(package);
        assert!(!texts.is_empty(), "{name} has no text of {licence}");
        for text in texts {
            by_text.entry(tidied(&text)).or_default().push(name.to_owned());
        }
    }
    let mut sections: Vec<(String, String)> =
        by_text.into_iter().map(|(text, whose)| (whose.join(", "), text)).collect();
    sections.sort();
    let sections: String =
        sections.iter().map(|(whose, text)| format!("\n## {whose}\n\n```text\n{text}\n```\n")).collect();
    let text = format!(
        "# Third parties\n\ndbsonde is under the Apache License, Version 2.0: see `LICENSE`. Built into the program are these crates. \
         Where a crate offers a choice that holds Apache-2.0, that is the one taken, and its text is in `LICENSE`; what the others \
         ask to be passed on follows. SQLite, which comes with libsqlite3-sys, is in the public domain. This file is made from \
         `Cargo.lock` by `UPDATE=1 cargo test --test it licences`.\n\n\
         | crate | version | licence |\n|---|---|---|\n{listed}{sections}"
    );
    is_current("THIRD-PARTY.md", &text);
}

/// Licences, sources and duplicates by `deny.toml`; advisories too where their list can be had.
#[test]
fn what_we_depend_on_is_what_we_allow() {
    let deny = || {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("deny");
        let ours = crate::rig::root().join("bin");
        command.env("PATH", format!("{}:{}", ours.display(), std::env::var("PATH").unwrap_or_default()));
        command
    };
    if !deny().arg("--version").output().is_ok_and(|run| run.status.success()) {
        eprintln!("skip: no cargo-deny here");
        return;
    }
    // It looks at what other systems would build as well, which a build here does not bring.
    let fetched = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["fetch", "--locked"])
        .output();
    assert!(fetched.is_ok_and(|run| run.status.success()), "cargo fetch");
    let run = deny()
        .args(["--offline", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
