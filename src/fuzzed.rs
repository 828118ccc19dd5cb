//! Every reader of what comes from outside as a function of bytes, which may be anything. The fuzzer in `fuzz/` calls
//! them with what it thinks of, the test below with damaged copies of what is kept there to begin with.

use crate::config::{Config, TargetUrl};
use crate::digest::report::Report;
use crate::digest::unpack::{Respelled, spelling, unpack};
use crate::digest::{Bookmark, Feed, Filter, Sum};
use crate::engines::{mysql, postgres};
use crate::follow::kept::Kept;
use crate::log::{End, Format};
use crate::logs::envelope::{Envelope, Opened};
use crate::logs::{self, plan, recognise};
use crate::sql::outline::outline;
use crate::sql::{self, Dialect, SqlMode, shape, written};
use crate::stores::columns;
use std::io::{Cursor, Read};

macro_rules! readers {
    ($($name:ident),+) => {
        /// All of them, by the name of their target and their corpus.
        pub const READERS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name),)+];
    };
}

readers!(
    logs_of_all_formats,
    plans,
    envelopes,
    packed,
    statements,
    configuration,
    mysql_server,
    postgres_server,
    state
);

/// The most that is unpacked: a few bytes can hold gigabytes.
const MOST: u64 = 1 << 20;

/// The first byte tells which format it shall be, and in how large pieces it comes.
pub fn logs_of_all_formats(bytes: &[u8]) {
    const FORMATS: [Format; 5] = [
        Format::PostgresStderr,
        Format::PostgresCsv,
        Format::PostgresJson,
        Format::MysqlSlow,
        Format::MysqlError,
    ];
    let Some((choice, log)) = bytes.split_first() else { return };
    let _ = recognise::format(log, None);
    let Some(format) = FORMATS.get(usize::from(*choice) % FORMATS.len()) else { return };
    let prefix = (choice & 0x40 != 0).then_some("%m [%p] %q%u@%d/%a ");
    let mut reader = logs::open(*format, prefix, log, true);
    let mut sum = Sum::new(*format, Filter::default());
    let mut feed = Feed::new(Bookmark::default(), 1 << 12);
    let mut rest = log;
    let piece = if choice & 0x80 != 0 { 7 } else { 4_096 };
    while !rest.is_empty() {
        let (mut now, later) = rest.split_at(piece.min(rest.len()));
        let _ = feed.more(&mut now);
        rest = later;
        while feed.step(reader.as_mut(), &mut sum, End::Open) {}
    }
    while feed.step(reader.as_mut(), &mut sum, End::Closed) {}
    let _ = serde_json::to_string(&Report::of(&sum, 1, 10));
}

pub fn plans(bytes: &[u8]) {
    if let Some(explained) = plan::read(bytes, |_| true)
        && let Some(plan) = explained.plan
    {
        let _ = (plan.fingerprint(), plan.steps());
    }
    let _ = plan::asked(bytes);
}

pub fn envelopes(bytes: &[u8]) {
    let kinds = [Envelope::Json, Envelope::Cri, Envelope::Syslog, Envelope::Journal];
    for kind in Envelope::of(bytes).into_iter().chain(kinds) {
        let _ = Opened::new(bytes, kind, 2026).take(MOST).read_to_end(&mut Vec::new());
    }
}

pub fn packed(bytes: &[u8]) {
    let head = bytes.get(..bytes.len().min(16)).unwrap_or_default().to_vec();
    let rest = Cursor::new(bytes.get(head.len()..).unwrap_or_default().to_vec());
    let _ = unpack(head, Box::new(rest)).take(MOST).read_to_end(&mut Vec::new());
    if let Some(spelling) = spelling(bytes) {
        let _ = Respelled::new(bytes, spelling).take(MOST).read_to_end(&mut Vec::new());
    }
}

pub fn statements(bytes: &[u8]) {
    for dialect in [Dialect::Postgres, Dialect::MYSQL, Dialect::Mysql(SqlMode::default())] {
        let _ = outline(dialect, bytes, &mut Vec::new());
        let text = String::from_utf8_lossy(bytes);
        let _ = sql::normalise(dialect, &text);
        if let Ok(normal) = sql::normalise_cut(dialect, &text) {
            let _ = shape::read(dialect, &normal.fingerprint);
        }
        let _ = shape::read(dialect, &text);
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = (sql::without_literals(&text), sql::plannable(&text), written::read(&text));
}

pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Config::from_text(&text, "dbsonde.toml");
    let _ = text.parse::<TargetUrl>();
}

/// What a server says that we have knocked at.
pub fn mysql_server(bytes: &[u8]) {
    mysql::hear(bytes);
}

pub fn postgres_server(bytes: &[u8]) {
    postgres::hear(bytes);
}

/// What we have written down ourselves, and somebody has damaged.
pub fn state(bytes: &[u8]) {
    let _ = (columns::decode(bytes), columns::unseal(bytes), Kept::decode(bytes));
    if let Ok(sealed) = columns::seal(bytes) {
        let _ = Kept::decode(&sealed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::{Duration, Instant};

    /// How often each reader is tried. `FUZZED=100000` tries harder.
    const TRIES: u64 = 400;
    /// No input of a few kilobytes takes as long, even unoptimised on a busy machine.
    const LIMIT: Duration = Duration::from_secs(5);

    /// xorshift: the same inputs every time.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, below: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % below.max(1) as u64) as usize
        }
    }

    /// What means something to one reader or another.
    const WORDS: &[&[u8]] = &[
        b"\n",
        b"\t",
        b"'",
        b"\"",
        b"\\",
        b"`",
        b"--",
        b"/*",
        b"*/",
        b"$$",
        b"(",
        b")",
        b"{",
        b"}",
        b"[",
        b":  ",
        b"LOG:  ",
        b"# Time: ",
        b"# User@Host: ",
        b"\xff",
        b"\x00",
        b"\xff\xff\xff\xff",
        b"\xf0\x9d\x84\x9e",
        b"99999999999999999999",
        b"-1",
        b"duration: 1 ms  plan:",
        b"->  ",
        b"(cost=1..2 rows=1 width=1)",
        b"%",
        b"=",
        b",",
        b";",
    ];

    fn damaged(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=dice.roll(4) {
            let at = dice.roll(bytes.len() + 1);
            let end = (at + 1 + dice.roll(40)).min(bytes.len());
            match dice.roll(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
                1 => bytes.truncate(at),
                2 => drop(bytes.drain(at..end)),
                3 => drop(bytes.splice(at..at, WORDS[dice.roll(WORDS.len())].iter().copied())),
                4 => {
                    let again = bytes[at..end].repeat(1 + dice.roll(50));
                    drop(bytes.splice(at..at, again));
                }
                5 => {
                    let from = dice.roll(other.len() + 1);
                    drop(bytes.splice(at.., other[from..].iter().copied()));
                }
                _ if at < bytes.len() => bytes[at] = dice.roll(256) as u8,
                _ => {}
            }
        }
        bytes.truncate(64 << 10);
        bytes
    }

    fn corpus(name: &str) -> Vec<Vec<u8>> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let entries = std::fs::read_dir(&home).unwrap_or_else(|error| panic!("{}: {error}", home.display()));
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read(file).unwrap()).collect()
    }

    #[test]
    fn no_reader_panics_or_hangs_whatever_it_is_given() {
        let tries = std::env::var("FUZZED").map_or(TRIES, |tries| tries.parse().unwrap());
        for (name, read) in READERS {
            let seeds = corpus(name);
            assert!(!seeds.is_empty(), "{name} has nothing to begin with");
            let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
            for nth in 0..tries {
                let (one, other) = (&seeds[dice.roll(seeds.len())], &seeds[dice.roll(seeds.len())]);
                let bytes = if nth < seeds.len() as u64 {
                    seeds[nth as usize].clone()
                } else {
                    damaged(one, other, &mut dice)
                };
                let began = Instant::now();
                let ended = std::panic::catch_unwind(|| read(&bytes));
                assert!(ended.is_ok(), "{name} panics at try {nth}: {}", bytes.escape_ascii());
                assert!(
                    began.elapsed() < LIMIT,
                    "{name} takes {:?} at try {nth}: {}",
                    began.elapsed(),
                    bytes.escape_ascii()
                );
            }
        }
    }

    /// A reader without a target is not fuzzed, and a target without a reader does not build.
    #[test]
    fn each_reader_is_a_target() {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let manifest = std::fs::read_to_string(home.join("Cargo.toml")).unwrap();
        for (name, _) in READERS {
            let target = std::fs::read_to_string(home.join(format!("fuzz_targets/{name}.rs"))).unwrap();
            assert!(target.contains(&format!("dbsonde::fuzzed::{name}(")), "{name}");
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        }
    }
}
