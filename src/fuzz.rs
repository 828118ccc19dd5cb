//! Everything that reads what somebody else wrote, fed with what nobody would write: known texts, mangled by a seeded
//! generator. No reader may panic, take a second for one input, or take memory beyond what its input weighs.
//!
//! `cargo test --lib -- fuzz` gives each reader half a second; `FUZZ_SECONDS=3600 cargo test --release --lib -- fuzz
//! --test-threads=1 --nocapture` an hour. What fails is told with its bytes.

use crate::simulation::dice::Dice;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

mod readers {
    use super::fuzz;
    use crate::config::{Config, HttpList, TargetUrl};
    use crate::digest::{Bookmark, Feed, Filter, Sum, unpack};
    use crate::log::{End, Format, MAX_ENTRY};
    use crate::model::{Scope, Topic};
    use crate::sql::{self, Dialect};
    use crate::{logs, stores};
    use std::io::Read;

    const STATEMENTS: [&[u8]; 12] = [
        b"select a, 'it''s' from t where b = $1 and c in (1, 2, 3) order by d limit 5",
        b"insert into t values (1, E'a\\'b', U&'d\\0061t', $tag$x$tag$), (2, X'1F', B'1', 1.5e-7)",
        b"update t set a = a + 1 where id = 7 returning *",
        b"with recursive w as (select 1 union all select n + 1 from w) select * from w -- and on\n where n < 10",
        b"/* app:web */ delete from \"We\"\"ird\".t using u where t.id = u.id",
        b"select `a` from `t` where b = \"x\" and c <=> null # note\n",
        b"insert into t (a) values (_utf8mb4'x', 0x4b, b'1') on duplicate key update a = values(a)",
        b"select /*!50000 sql_no_cache */ * from t where a = 'b\\'c' /*!99999 and x */",
        b"create role r login password 'hunter2'; copy t from stdin",
        b"SELECT ? + ? FROM `t` WHERE `a` IN (...) AND `b` LIKE ?",
        b"select case when a > 0 then (select max(x) from y where y.z = t.z) else 0 end from t left join u using (id)",
        b"explain (analyze, format json) select 1; do $$ begin perform 1; end $$",
    ];
    const LOGS: [&[u8]; 3] = [
        include_bytes!("../tests/logs/canaries.csv"),
        include_bytes!("../tests/logs/canaries.slow.log"),
        include_bytes!("../tests/logs/canaries.stderr.log"),
    ];
    const OTHER_LOGS: [&[u8]; 3] = [
        b"{\"timestamp\":\"2026-11-29 10:00:00.123 UTC\",\"user\":\"u\",\"pid\":7,\"error_severity\":\"LOG\",\
          \"message\":\"duration: 51.2 ms  statement: select 1\"}\n",
        b"2026-11-29T10:00:00.123456Z 7 [ERROR] [MY-012345] [InnoDB] Transaction was deadlocked\n2026-11-29 10:00:01 0 [Note] InnoDB: x\n",
        b"LATEST DETECTED DEADLOCK\n*** (1) TRANSACTION:\nTRANSACTION 5, ACTIVE 1 sec\nupdate t set a = 1\n*** WE ROLL BACK TRANSACTION (1)\n",
    ];

    #[test]
    fn statements() {
        for (name, dialect) in [("SQL of PostgreSQL", Dialect::Postgres), ("SQL of MySQL", Dialect::MYSQL)] {
            fuzz(name, &STATEMENTS, |bytes| {
                let text = String::from_utf8_lossy(bytes);
                let _ = sql::normalise(dialect, &text);
                if let Ok(normal) = sql::normalise_cut(dialect, &text) {
                    // What comes out is normal already.
                    let _ = sql::normalise(dialect, &normal.fingerprint);
                }
                let _ = sql::plannable(&text);
                let _ = sql::without_literals(&text);
            });
        }
    }

    #[test]
    fn logs_of_every_format() {
        let corpus: Vec<&[u8]> = LOGS.into_iter().chain(OTHER_LOGS).collect();
        for format in Format::ALL {
            fuzz(&format!("log {format}"), &corpus, |bytes| {
                let mut reader = logs::open(format, None, bytes, false);
                let mut sum = Sum::new(format, Filter::default());
                let mut feed = Feed::new(Bookmark::default(), MAX_ENTRY);
                let mut source = bytes;
                while feed.more(&mut source).is_ok_and(|read| read > 0) {
                    while feed.step(reader.as_mut(), &mut sum, End::Open) {}
                }
                while feed.step(reader.as_mut(), &mut sum, End::Closed) {}
                let _ = reader.seek(bytes, bytes.len() / 2);
            });
        }
        fuzz("what a log is", &corpus, |bytes| {
            let _ = logs::recognise::format(bytes, None);
        });
    }

    #[test]
    fn packed_logs() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut packed, LOGS[2]).unwrap();
        let packed = packed.finish().unwrap();
        let corpus: [&[u8]; 5] = [
            &packed,
            b"\x28\xb5\x2f\xfd\x04\x00\x01\x00\x00",
            b"BZh91AY&SY",
            b"\xfd7zXZ\0\0\x04",
            b"\x04\x22\x4d\x18\x64\x40\xa7",
        ];
        fuzz("packed logs", &corpus, |bytes| {
            let head = bytes[..bytes.len().min(16)].to_vec();
            let rest = std::io::Cursor::new(bytes[head.len()..].to_vec());
            let unpacked = unpack::unpack(head, Box::new(rest));
            let _ = unpacked.take(4 << 20).read_to_end(&mut Vec::new());
        });
    }

    #[test]
    fn plans() {
        let corpus: [&[u8]; 3] = [
            b"[{\"Plan\": {\"Node Type\": \"Limit\", \"Plans\": [{\"Node Type\": \"Index Scan\", \
              \"Relation Name\": \"t\", \"Index Cond\": \"(a = $1)\", \"Total Cost\": 8.5}]}}]",
            b"Query Text: select 1\n\nLimit  (cost=1.00..2.00 rows=5 width=4)\n  ->  Hash Left Join  (cost=1.0..2.0 rows=2 width=4)\n\
              \x20       Hash Cond: (a.x = 'secret')\n",
            b"Plan:\n  Node Type: \"Seq Scan\"\n  Plans:\n    - Node Type: \"Sort\"\n",
        ];
        fuzz("plans", &corpus, |bytes| {
            let _ = logs::plan::asked(bytes);
            let _ = logs::plan::read(bytes, |_| true);
        });
    }

    #[test]
    fn settings() {
        let corpus: [&[u8]; 3] = [
            b"[web]\nlisten = [\"127.0.0.1:9909\"]\n[[target]]\nname = \"a\"\nurl = \"postgres://u@h:5432/d?sslmode=require\"\n\
              labels = { team = \"x\" }\n",
            b"[rules.index-unused]\nmin_bytes = \"50MiB\"\n[[silence]]\nsubject = \"public.*\"\nuntil = 2027-01-31\n[[sink]]\n\
              kind = \"webhook\"\nurl = \"http://h/\"\n",
            b"[pace]\nbeat = \"5s\"\n[discovery]\nhttp = [{ url = \"http://h/\", refresh = \"5s\" }]\n[budget]\nseries = 300\n",
        ];
        fuzz("settings", &corpus, |bytes| {
            if let Err(error) = Config::from_text(&String::from_utf8_lossy(bytes), "dbsonde.toml") {
                let _ = error.render(true);
            }
        });
        let urls: [&[u8]; 4] = [
            b"postgres://u:p%40ss@h1:5432,[::1]:5433/db?sslmode=verify-full&options=-c%20a%3Db",
            b"host=h1,h2 port=1,2 user='a b' password='it\\'s' dbname=x connect_timeout=7",
            b"mysql://u:p@h:3306/db?ssl-mode=VERIFY_CA&ssl-ca=/ca.pem",
            b"postgres:///db?host=/run/postgresql&user=u",
        ];
        fuzz("addresses", &urls, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            if let Ok(url) = TargetUrl::from_elsewhere(&text) {
                let _ = (url.redacted(), url.default_name());
            }
            let _ = crate::config::mask(&text);
        });
        let list: HttpList = serde_json::from_str("{\"url\": \"http://h/\"}").unwrap();
        let lists: [&[u8]; 1] =
            [br#"[{"targets": ["postgres://sonde@db1/shop"], "labels": {"__name": "a", "team": "x"}}]"#];
        fuzz("lists of targets", &lists, |bytes| drop(list.read(&String::from_utf8_lossy(bytes))));
    }

    /// As if damage had found a way past the checksum.
    #[test]
    fn state() {
        let part = stores::columns::tests::part(Topic::Tables, &[1, 2, 3], 1e9);
        let content =
            stores::columns::unseal(&stores::columns::encode(&Scope::Server, &part).unwrap()).unwrap();
        fuzz("state", &[&content], |bytes| {
            if let Ok(sealed) = stores::columns::seal(bytes) {
                let _ = stores::columns::decode(&sealed);
            }
        });
    }
}
