//! Readers fed with what nobody would write: known texts, mangled by a seeded generator. No reader may panic, or take a
//! second for one input.
//!
//! `cargo test --lib -- fuzz` gives each reader half a second; `FUZZ_SECONDS=3600 cargo test --release --lib -- fuzz
//! --test-threads=1 --nocapture` an hour. What fails is told with its bytes.

use crate::simulation::dice::Dice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest that one input may take. Without optimisation everything takes ten times as long.
const LONGEST: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 });
/// A mangled text is cut there: what is long is not stranger than what is short.
const MAX_BYTES: usize = 256 << 10;
/// Bytes that mean something to somebody.
const INTERESTING: [&[u8]; 24] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"'",
    b"\"",
    b"\\",
    b"`",
    b"$$",
    b"/*",
    b"*/",
    b"--",
    b"#",
    b"(",
    b")",
    b"[",
    b"{",
    b"}",
    b",",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xfe",
    b"-1",
    b"18446744073709551616",
    b"\xf0\x9f\xa6\x80",
];

/// Feeds `judge` with mangled texts of the corpus for as long as was wished.
pub fn fuzz(name: &str, corpus: &[&[u8]], mut judge: impl FnMut(&[u8])) {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0.5);
    let mut dice =
        Dice::new(name.bytes().fold(7, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into())));
    let (began, mut inputs, mut longest) = (Instant::now(), 0_u64, Duration::ZERO);
    while began.elapsed().as_secs_f64() < seconds {
        let input = mangled(&mut dice, corpus);
        let asked = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| judge(&input)));
        let took = asked.elapsed();
        assert!(outcome.is_ok(), "{name} panics at {:?}", input.escape_ascii().to_string());
        assert!(
            took < LONGEST,
            "{name} takes {took:?} for {} bytes: {:?}",
            input.len(),
            input[..input.len().min(2_000)].escape_ascii().to_string()
        );
        (inputs, longest) = (inputs + 1, longest.max(took));
    }
    println!("{name}: {inputs} inputs, the longest took {longest:?}; {} kB at most resident", peak_kb());
}

fn peak_kb() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

fn mangled(dice: &mut Dice, corpus: &[&[u8]]) -> Vec<u8> {
    let pick = |dice: &mut Dice| corpus[dice.below(corpus.len() as u64) as usize];
    let mut text = pick(dice).to_vec();
    for _ in 0..=dice.below(8) {
        let at = dice.below(text.len() as u64 + 1) as usize;
        let end = at + dice.below(64.min((text.len() - at) as u64) + 1) as usize;
        match dice.below(9) {
            0 if at < text.len() => text[at] ^= 1 << dice.below(8),
            1 if at < text.len() => text[at] = dice.roll() as u8,
            2 => drop(text.drain(at..end)),
            3 => {
                drop(text.splice(
                    at..at,
                    INTERESTING[dice.below(INTERESTING.len() as u64) as usize].iter().copied(),
                ))
            }
            4 => {
                let piece = text[at..end].to_vec();
                let times = 1 << dice.below(12);
                text.splice(at..at, piece.repeat(times));
            }
            5 => text.truncate(at),
            6 => {
                let other = pick(dice);
                let from = dice.below(other.len() as u64 + 1) as usize;
                text.splice(at..end, other[from..].iter().copied());
            }
            7 => {
                let word = INTERESTING[dice.below(INTERESTING.len() as u64) as usize];
                let times = 1 << dice.below(12);
                text.splice(at..end, word.repeat(times));
            }
            _ => {
                let bytes = dice.roll().to_le_bytes();
                text.splice(at..end, bytes);
            }
        }
        text.truncate(MAX_BYTES);
    }
    text
}

#[test]
fn every_reader() {
    for (name, read) in super::READERS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has nothing to begin with");
        for whole in &corpus {
            read(whole);
        }
        fuzz(name, &corpus.iter().map(Vec::as_slice).collect::<Vec<_>>(), read);
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let entries = std::fs::read_dir(&home).unwrap_or_else(|error| panic!("{}: {error}", home.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// A reader without a target is not fuzzed, and a target without a reader does not build.
#[test]
fn each_reader_is_a_target() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(home.join("Cargo.toml")).unwrap();
    for (name, _) in super::READERS {
        let target = std::fs::read_to_string(home.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("dbsonde::fuzz::{name}(")), "{name}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}
