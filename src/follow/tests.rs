//! Rotation of every kind, with us killed in between, on numbered events: none lost, none doubled.

use super::account::Account;
use super::files::Files;
use super::kept::Kept;
use super::list::Wanted;
use crate::digest::{Filter, Sum};
use crate::log::Format;
use crate::model::{InTopic, LogStatement, Rows, Topic};
use crate::sql::Dialect;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

const TABLES: u64 = 7;

/// A directory that is gone afterwards.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let nth = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("dbsonde-follow-{}-{nth}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes events whose numbers are their durations, so that a sum tells which are missing.
struct Writer {
    path: PathBuf,
    file: File,
    next: u64,
    truth: BTreeMap<u64, (u64, u64)>,
}

fn append(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).unwrap()
}

impl Writer {
    fn new(path: PathBuf) -> Self {
        let file = append(&path);
        Self { path, file, next: 1, truth: BTreeMap::new() }
    }

    fn write(&mut self, count: u64) {
        for _ in 0..count {
            let (n, table) = (self.next, self.next % TABLES);
            self.next += 1;
            let entry = format!(
                "# Time: 2026-11-29T10:{:02}:{:02}.{n:06}Z\n# User@Host: app[app] @ localhost []  Id:     4\n\
                 # Query_time: {}.{:06}  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 1\n\
                 SET timestamp=1796000000;\nselect * from t_{table} where id = {n};\n",
                n / 60 % 60,
                n % 60,
                n / 1_000_000,
                n % 1_000_000,
            );
            self.file.write_all(entry.as_bytes()).unwrap();
            let (calls, micros) = self.truth.entry(table).or_default();
            *calls += 1;
            *micros += n;
        }
    }

    fn name(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    fn shift(&self) {
        let _ = fs::rename(self.name(".1"), self.name(".2"));
    }

    fn rotate(&mut self, how: u32) {
        match how {
            // Rename and create; the writer goes on in the old one until it is told.
            0 => {
                self.shift();
                fs::rename(&self.path, self.name(".1")).unwrap();
                self.write(2);
                self.file = append(&self.path);
            }
            1 => {
                self.shift();
                fs::copy(&self.path, self.name(".1")).unwrap();
                OpenOptions::new().write(true).open(&self.path).unwrap().set_len(0).unwrap();
            }
            // Renamed and compressed at once.
            2 => {
                fs::rename(&self.path, self.name(".old")).unwrap();
                self.file = append(&self.path);
                self.write(1);
                let mut packed = flate2::write::GzEncoder::new(
                    File::create(self.name(&format!(".{}.gz", self.next))).unwrap(),
                    flate2::Compression::fast(),
                );
                packed.write_all(&fs::read(self.name(".old")).unwrap()).unwrap();
                packed.finish().unwrap();
                fs::remove_file(self.name(".old")).unwrap();
            }
            // Unlinked; the next file may get its inode.
            _ => {
                fs::remove_file(&self.path).unwrap();
                self.file = append(&self.path);
            }
        }
    }
}

fn wall() -> f64 {
    crate::clock::Clock::start().now().wall
}

/// Ourselves, who may be killed at any time.
struct Life {
    files: Files,
    account: Account,
    sum: Sum,
}

struct Reader {
    wanted: Wanted,
    kept: Option<Vec<u8>>,
    life: Life,
    now: f64,
}

impl Reader {
    fn new(path: &Path) -> Self {
        let wanted = Wanted {
            patterns: vec![path.to_owned()],
            format: None,
            line_prefix: None,
            dialect: Dialect::MYSQL,
            through: None,
        };
        let life = Life {
            files: Files::new(Vec::new(), wall(), true),
            account: Account::new(0.0, Vec::new()),
            sum: Sum::new(Format::MysqlSlow, Filter::default()),
        };
        let mut reader = Self { wanted, kept: None, life, now: 1_000.0 };
        reader.look(0.0);
        reader.keep();
        reader
    }

    fn look(&mut self, later: f64) {
        self.now += later;
        while self.life.files.look(&self.wanted, &mut self.life.sum, self.now, wall()) {}
    }

    fn keep(&mut self) {
        let Life { files, account, sum } = &mut self.life;
        let fates = std::mem::take(&mut files.fates);
        account.add(sum, fates, files.newest(), files.behind(), self.now);
        sum.renew();
        self.kept = Kept::encode(files, self.wanted.patterns.clone(), None, account);
    }

    fn dies(&mut self) {
        let kept = Kept::decode(self.kept.as_ref().unwrap()).unwrap();
        self.life = Life {
            files: Files::new(kept.marks, kept.looked, false),
            account: Account::new(kept.since, kept.rows),
            sum: Sum::new(Format::MysqlSlow, Filter::default()),
        };
    }

    /// Calls and microseconds of each digest.
    fn counted(&self) -> Vec<(u64, u64)> {
        let all = self.life.account.rows().find(|rows| rows.topic() == Topic::LogStatements);
        let rows = all.map_or(&[][..], |rows| LogStatement::of(rows));
        let mut counted: Vec<(u64, u64)> = rows
            .iter()
            .map(|row| (row.calls.0.get(), (row.exec_seconds.float() * 1e6).round() as u64))
            .collect();
        counted.sort_unstable();
        counted
    }

    fn settle(&mut self) {
        for _ in 0..12 {
            self.look(2.5);
        }
        self.keep();
    }
}

fn truth(writer: &Writer) -> Vec<(u64, u64)> {
    let mut truth: Vec<(u64, u64)> = writer.truth.values().copied().collect();
    truth.sort_unstable();
    truth
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// `how` many kinds of rotation are drawn from.
fn play(seed: u64, kinds: &[u32], steps: u32) {
    let dir = Dir::new();
    let path = dir.0.join("slow.log");
    let mut writer = Writer::new(path.clone());
    let mut reader = Reader::new(&path);
    let mut dice = Dice(seed);
    for _ in 0..steps {
        writer.write(dice.below(20));
        match dice.below(6) {
            0 => reader.dies(),
            1 => reader.keep(),
            2 | 3 => reader.look(0.25),
            4 => reader.look(6.0),
            _ => {
                let kind = kinds[dice.below(kinds.len() as u64) as usize];
                if kind == 3 {
                    // What is unlinked while nobody holds it is gone: only a life that looked has it.
                    reader.look(0.25);
                }
                writer.rotate(kind);
                // It comes round before the next rotation, alive or new.
                if kind != 3 && dice.below(3) == 0 {
                    reader.dies();
                }
                writer.write(dice.below(5));
                (0..4).for_each(|_| reader.look(1.5));
                reader.keep();
            }
        }
    }
    reader.settle();
    let logs = reader.life.account.rows().find(|rows| rows.topic() == Topic::Logs).cloned().unwrap();
    let Rows::Logs(logs) = &*logs else { panic!() };
    let about = format!(
        "seed {seed}, {kinds:?}: {:?}\n{logs:?}\n{:#?}",
        reader.life.files.gaps,
        reader.life.files.marks()
    );
    let (counted, truth) = (reader.counted(), truth(&writer));
    assert!(counted == truth, "{counted:?}\n{truth:?}\n{about}");
    assert_eq!((logs[0].noise.0.get(), logs[0].lost_bytes.0.get()), (0, 0), "{about}");
}

#[test]
fn renamed() {
    (1..5).for_each(|seed| play(seed, &[0], 120));
}

#[test]
fn copied_and_truncated() {
    (1..12).for_each(|seed| play(seed, &[1], 120));
}

#[test]
fn compressed() {
    (1..8).for_each(|seed| play(seed, &[2], 120));
}

#[test]
fn unlinked_and_its_inode_taken() {
    (1..5).for_each(|seed| play(seed, &[3], 120));
}

#[test]
fn all_of_them() {
    // The last one has a file that took the inode of one that was gone, while nobody looked.
    (1..8).chain([30]).for_each(|seed| play(seed, &[0, 1, 2, 3], 150));
}

/// What was said of files that cannot be had.
fn gaps(reader: &Reader) -> String {
    reader.life.files.gaps.iter().cloned().collect::<Vec<_>>().join("; ")
}

#[test]
fn only_regular_files_of_the_directory_are_read() {
    let (dir, elsewhere) = (Dir::new(), Dir::new());
    let path = dir.0.join("slow.log");
    let mut writer = Writer::new(elsewhere.0.join("slow.log"));
    writer.write(3);
    // Whoever opens a pipe without a writer to read from it would wait for ever.
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let mut reader = Reader::new(&path);
    assert!(gaps(&reader).contains("is not a regular file"), "{}", gaps(&reader));
    for (target, said) in [
        (PathBuf::from("/dev/zero"), "is not a regular file"),
        (elsewhere.0.clone(), "is not a regular file"),
        (writer.path.clone(), "is a link that leads out of its directory"),
    ] {
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        writer.write(3);
        reader.look(1.0);
        assert!(gaps(&reader).contains(said), "{}: {}", target.display(), gaps(&reader));
    }
    reader.settle();
    assert_eq!(reader.counted(), []);
    // A file at last: all of it is new.
    fs::remove_file(&path).unwrap();
    let mut writer = Writer::new(path);
    writer.write(4);
    reader.settle();
    assert_eq!((reader.counted(), gaps(&reader)), (truth(&writer), String::new()));
}

/// The log is a link that is switched from one file of the directory to the next.
#[test]
fn a_link_that_is_switched_is_followed() {
    let dir = Dir::new();
    let link = dir.0.join("slow.log");
    let switch = |to: &str| {
        std::os::unix::fs::symlink(to, dir.0.join("new")).unwrap();
        fs::rename(dir.0.join("new"), &link).unwrap();
    };
    let mut writer = Writer::new(dir.0.join("real-0.log"));
    switch("real-0.log");
    let mut reader = Reader::new(&link);
    for round in 1..6 {
        writer.write(10);
        if round % 2 == 0 {
            reader.look(0.25);
        }
        let next = dir.0.join(format!("real-{round}.log"));
        let old = std::mem::replace(&mut writer.file, append(&next));
        switch(&format!("real-{round}.log"));
        writer.write(5);
        if round == 3 {
            reader.dies();
        }
        // Still written to, as by a server that has not been told yet.
        let mut late = std::mem::replace(&mut writer.file, old);
        writer.write(2);
        std::mem::swap(&mut late, &mut writer.file);
        (0..4).for_each(|_| reader.look(1.5));
        reader.keep();
    }
    reader.settle();
    assert_eq!(reader.counted(), truth(&writer), "{}", gaps(&reader));
}

#[test]
fn what_is_put_aside_has_a_name_that_shows_it() {
    use super::files::is_put_aside;
    for name in [
        "slow.log.1",
        "slow.log.2.gz",
        "slow.log-20261129",
        "slow.log-2026-11-29_12.zst",
        "slow-20261129.log",
    ] {
        assert!(is_put_aside("slow.log", name), "{name}");
    }
    for name in ["slow.log", "slow.log.swp", "slow.log.pos", "slower.log", "slow.txt", "other.log.1"] {
        assert!(!is_put_aside("slow.log", name), "{name}");
    }
}
