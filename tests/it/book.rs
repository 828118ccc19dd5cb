//! What the documentation shows must work: commands parse, pages that are linked or included exist.

use clap::Parser;
use dbsonde::command::Cli;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README and every page of the book.
fn pages() -> Vec<(PathBuf, String)> {
    let chapters = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = chapters.filter(|path| path.extension().is_some_and(|e| e == "md"));
    pages
        .chain([root().join("README.md")])
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The lines of blocks of one language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let pieces = text.split("```").skip(1).step_by(2);
    pieces.filter_map(|piece| piece.strip_prefix(language)).collect()
}

#[test]
fn commands_that_are_shown_are_understood() {
    let mut seen = 0;
    for (page, text) in pages() {
        for line in blocks(&text, "sh\n").iter().flat_map(|block| block.lines()) {
            let command =
                [" #", " > ", " < ", " | "].iter().fold(line, |line, end| line.split(end).next().unwrap());
            let words = command.split_whitespace().collect::<Vec<_>>();
            if words.first() == Some(&"dbsonde") {
                seen += 1;
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{}: {line}\n{error}", page.display());
                }
            }
        }
    }
    assert!(seen > 10, "{seen} commands");
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
            let dir = crate::rig::Dir::new();
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
