use super::*;
use crate::digest::Filter;
use crate::log::Format;
use crate::sql::Dialect;
use std::collections::BTreeMap;

/// A server that writes numbered events and shows its files as PostgreSQL does.
struct Host {
    files: BTreeMap<String, (Vec<u8>, f64)>,
    current: String,
    next: u64,
    now: f64,
    truth: (u64, u64),
}

impl Host {
    fn new() -> Self {
        let files = BTreeMap::from([("a.log".to_owned(), (b"older\n".to_vec(), 1.0))]);
        Self { files, current: "a.log".into(), next: 1, now: 10.0, truth: (0, 0) }
    }

    fn write(&mut self, count: u64) {
        let file = self.files.entry(self.current.clone()).or_default();
        for _ in 0..count {
            let (n, filler) = (self.next, "x".repeat(self.next as usize % 400));
            self.next += 1;
            let line = format!(
                "2026-11-29 10:{:02}:{:02}.{:03} UTC [42] LOG:  duration: {}.{:03} ms  statement: select '{filler}' from t\n",
                n / 60 % 60,
                n % 60,
                n % 1000,
                n / 1000,
                n % 1000
            );
            file.0.extend_from_slice(line.as_bytes());
            self.truth = (self.truth.0 + 1, self.truth.1 + n);
        }
        self.now += 1.0;
        file.1 = self.now;
    }

    fn rotate(&mut self, to: &str) {
        self.current = to.to_owned();
        self.now += 1.0;
        self.files.insert(to.to_owned(), (Vec::new(), self.now));
    }

    fn answer(&self, errand: &Errand) -> Fetched {
        match errand {
            Errand::LogFiles => Fetched::LogFiles(
                self.files
                    .iter()
                    .map(|(name, (bytes, modified))| LogFile {
                        name: name.clone(),
                        size: bytes.len() as u64,
                        modified: *modified,
                    })
                    .collect(),
            ),
            Errand::LogBytes { path, head, from, length } => {
                let name = path.strip_prefix("log/").unwrap();
                let part = |bytes: &[u8], from: u64, length: u32| {
                    let from = (from as usize).min(bytes.len());
                    bytes[from..(from + length as usize).min(bytes.len())].to_vec()
                };
                Fetched::LogBytes(self.files.get(name).map(|(bytes, _)| Piece {
                    head: part(bytes, 0, *head),
                    bytes: part(bytes, *from, *length),
                }))
            }
            _ => unreachable!(),
        }
    }
}

struct Reader {
    served: Served,
    sum: Sum,
    kept: Option<Shelf>,
    counted: (u64, u64),
    lost: Fates,
    now: f64,
}

impl Reader {
    fn new(host: &Host) -> Self {
        let mut reader = Self {
            served: Served::new(None, "log/*.log".into(), 0.0),
            sum: Sum::new(Format::PostgresStderr, Filter::default()),
            kept: None,
            counted: (0, 0),
            lost: Fates::default(),
            now: 0.0,
        };
        reader.look(host);
        reader.keep();
        reader
    }

    fn look(&mut self, host: &Host) {
        let wanted = Wanted {
            patterns: Vec::new(),
            format: Some(Format::PostgresStderr),
            line_prefix: Some("%m [%p] ".into()),
            dialect: Dialect::Postgres,
            through: None,
        };
        self.now += 1.0;
        // The first look lists, the second sees that all was read.
        for _ in 0..2 {
            while {
                let fetched = host.answer(&self.served.errand());
                self.served.take(Ok(fetched), &wanted, &mut self.sum, self.now)
            } {}
        }
    }

    fn keep(&mut self) {
        for row in self.sum.statements.rows() {
            self.counted = (self.counted.0 + row.calls, self.counted.1 + row.total);
        }
        assert_eq!(self.sum.noise, 0);
        self.sum.renew();
        self.lost += std::mem::take(&mut self.served.fates);
        self.kept = self.served.shelf();
    }

    fn dies(&mut self) {
        self.served = Served::new(self.kept.clone(), "log/*.log".into(), self.now);
        self.sum = Sum::new(Format::PostgresStderr, Filter::default());
    }

    fn settle(&mut self, host: &Host) {
        (0..8).for_each(|_| self.look(host));
        self.keep();
    }
}

/// Rotates to names that `name` gives, with us killed in between.
fn play(seed: u64, name: impl Fn(u64) -> String) {
    let mut rotations = 0;
    let mut host = Host::new();
    let mut reader = Reader::new(&host);
    let mut dice = seed;
    for step in 0..300 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        host.write(dice >> 33 & 15);
        match dice >> 40 & 7 {
            0 => reader.dies(),
            1 => reader.keep(),
            2 | 3 => reader.look(&host),
            // More than is read in one piece.
            4 if step % 50 == 0 => host.write(4_000),
            5 => {
                reader.settle(&host);
                host.write(2);
                host.rotate(&name(rotations));
                rotations += 1;
                host.write(1);
            }
            _ => {}
        }
    }
    reader.settle(&host);
    assert_eq!(reader.counted, host.truth, "seed {seed}: {:#?}", reader.served);
    assert_eq!((reader.lost.lost, reader.lost.lost_bytes), (0, 0), "seed {seed}");
}

#[test]
fn every_event_is_counted_once_over_rotations_by_name_and_deaths_of_ours() {
    for seed in 1..8 {
        play(seed, |nth| format!("b{nth:03}.log"));
        // Names that come round again, cut by the server as the days of a week are.
        play(seed, |nth| format!("day{}.log", nth % 5));
    }
}

#[test]
fn what_is_cut_or_gone_before_it_was_read_is_told() {
    let mut host = Host::new();
    let mut reader = Reader::new(&host);
    host.write(5);
    reader.settle(&host);
    let (bytes, _) = host.files.get_mut("a.log").unwrap();
    bytes.clear();
    host.write(3);
    reader.settle(&host);
    assert_eq!(reader.counted, host.truth, "the new entries of a file that was cut");
    assert!(reader.served.gaps().any(|gap| gap.contains("was cut")), "{:?}", reader.served);
    // As large as it was, and yet another.
    let size = host.files["a.log"].0.len();
    host.files.get_mut("a.log").unwrap().0.clear();
    while host.files["a.log"].0.len() <= size {
        host.write(1);
    }
    reader.settle(&host);
    assert_eq!(reader.counted, host.truth);
    host.write(2);
    reader.served.take(
        Ok(host.answer(&Errand::LogFiles)),
        &Wanted {
            patterns: Vec::new(),
            format: None,
            line_prefix: None,
            dialect: Dialect::Postgres,
            through: None,
        },
        &mut reader.sum,
        reader.now,
    );
    let size = host.files.remove("a.log").unwrap().0.len() as u64;
    host.rotate("b.log");
    reader.settle(&host);
    assert!(reader.served.gaps().any(|gap| gap.contains("has vanished")), "{:?}", reader.served);
    assert!(reader.lost.lost == 1 && (1..size).contains(&reader.lost.lost_bytes), "{:?}", reader.lost);
}
