//! What the documentation shows must work: commands are run, settings are taken, pages that are linked or included
//! exist.

use crate::rig::Dir;
use crate::rig::postgres::{Server, any};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README, RELEASING and every page of the book.
fn pages() -> Vec<(PathBuf, String)> {
    let chapters = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = chapters.filter(|path| path.extension().is_some_and(|e| e == "md"));
    pages
        .chain(["README.md", "RELEASING.md"].map(|page| root().join(page)))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The lines of blocks of one language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let pieces = text.split("```").skip(1).step_by(2);
    pieces.filter_map(|piece| piece.strip_prefix(language)).collect()
}

/// What stands in blocks of commands, line by line, with its page.
fn commands() -> Vec<(String, String)> {
    let of = |(page, text): (PathBuf, String)| {
        let page = page.file_name().unwrap().to_string_lossy().into_owned();
        let lines: Vec<String> =
            blocks(&text, "sh\n").iter().flat_map(|block| block.lines().map(str::to_owned)).collect();
        lines.into_iter().map(move |line| (page.clone(), line))
    };
    pages().into_iter().flat_map(of).collect()
}

/// What builds the program, runs all tests or makes a release is not run in a test; that it is there is seen below.
fn is_for_us(line: &str) -> bool {
    line.starts_with("dbsonde ")
}

/// Each command as it is shown, in a directory with the files that it names, on a real server in place of `db1`.
#[tokio::test(flavor = "multi_thread")]
async fn commands_that_are_shown_are_run() {
    // With what else would be an urgent finding, and so another exit code.
    let safe = [("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on")];
    let (server, dir) = (Server::start(any(), &safe).await, Dir::new());
    server.sql("postgres", "create extension if not exists pg_stat_statements").await;
    let url = server.url("postgres");
    fs::write(dir.join("dbsonde.toml"), format!("[[target]]\nurl = \"{url}\"\n")).unwrap();
    fs::write(dir.join("lines.json"), "{\"sql\": \"select 1 from t where a = 2\"}\n").unwrap();
    fs::write(dir.join("server.log"), server.log()).unwrap();
    fs::copy(root().join("tests/plans/postgres18.join.text"), dir.join("explain.txt")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_dbsonde"), dir.join("dbsonde")).unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let log = dir.join("server.log").display().to_string();
    let (mut seen, mut run) = (BTreeSet::new(), 0);
    for (page, line) in commands().into_iter().filter(|(_, line)| is_for_us(line)) {
        // Comments, and the blanks before them, make no other command.
        let shown = line.split(" #").next().unwrap().trim_end().to_owned();
        if !seen.insert(shown.clone()) {
            continue;
        }
        let mut command = shown.replace("postgres://dbsonde@db1/postgres", &url).replace(" --for 10m", "");
        command = command
            .replace("/var/log/postgresql/*.log", &log)
            .replace("psql -d postgres", &format!("psql -qX -v ON_ERROR_STOP=1 -d {url}"));
        if command.starts_with("dbsonde run") {
            command = format!("timeout --preserve-status -s TERM 3 {command}");
        }
        let ran = tokio::process::Command::new("bash")
            .args(["-euo", "pipefail", "-c", &command])
            .current_dir(dir.path())
            .env("PATH", &path)
            .envs([
                ("DBSONDE_FOR", "6s"),
                ("DBSONDE_WEB_LISTEN_ADDRESS", "127.0.0.1:0"),
                ("DBSONDE_STATE_DIR", "none"),
            ])
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        assert!(ran.status.success(), "{page}: {shown}\n{command}\n{said}");
        run += 1;
    }
    assert!(run > 15, "{run} commands");
}

/// What else is shown names files of ours that are there.
#[test]
fn programs_that_are_shown_are_there() {
    let mut seen = 0;
    for (page, line) in commands().into_iter().filter(|(_, line)| !is_for_us(line)) {
        let made = |word: &&str| word.starts_with("target/") || word.contains('*');
        for word in line.split_whitespace().filter(|word| word.contains('/') && !made(word)) {
            seen += 1;
            assert!(root().join(word).exists(), "{page}: {line}");
        }
    }
    assert!(seen > 5, "{seen} names");
}

#[test]
fn settings_that_are_shown_are_taken() {
    let mut seen = 0;
    for (page, text) in pages() {
        for block in blocks(&text, "toml\n").iter().filter(|block| !block.contains("{{#include")) {
            seen += 1;
            let known = |line: &&str| !line.contains("_file = ");
            // Secrets lie in files of the reader's machine.
            let text: String = block.lines().filter(known).map(|line| format!("{line}\n")).collect();
            let text = text.replace("kind = \"webhook\"", "kind = \"log\"");
            let with_target = match text.contains("[[target]]") {
                true => text,
                false => format!("{text}\n[[target]]\nurl = \"postgres://a@b/c\"\n"),
            };
            let dir = Dir::new();
            fs::write(dir.join("dbsonde.toml"), &with_target).unwrap();
            let checked = std::process::Command::new(env!("CARGO_BIN_EXE_dbsonde"))
                .arg("check-config")
                .arg(dir.join("dbsonde.toml"))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&checked.stderr);
            assert!(checked.status.success(), "{}:\n{with_target}\n{said}", page.display());
        }
    }
    assert!(seen > 2, "{seen} pieces of configuration");
}

#[test]
fn links_lead_somewhere() {
    for (page, text) in pages() {
        let folder = page.parent().unwrap();
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        let includes = text.split("{{#include ").skip(1).map(|rest| rest.split('}').next().unwrap());
        for link in links.chain(includes).filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap();
            assert!(folder.join(file).exists(), "{}: {link}", page.display());
        }
    }
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    for (page, _) in pages().iter().filter(|(page, _)| page.parent() == Some(&root().join("docs"))) {
        let name = page.file_name().unwrap().to_string_lossy();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name} is in no contents");
    }
}
