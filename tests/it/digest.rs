//! `dbsonde digest` against logs whose truth is known: those of real servers, and generated ones.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const ZOO_PREFIX: &str = "%m [%p] %q%u@%d/%a %h ";

/// The corpora lie beside the project; without them the test says so and ends.
pub fn corpora() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let there = path.is_dir().then_some(path).or_else(|| std::env::var_os("DBSONDE_CORPORA").map(Into::into));
    if there.is_none() {
        eprintln!("skip: no corpora in ../shared/corpora nor in $DBSONDE_CORPORA");
        assert!(std::env::var_os("CI").is_none(), "corpora are missing");
    }
    there
}

fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs").join(name)
}

fn run(file: &Path, more: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dbsonde"));
    let output = command.arg("digest").arg(file).args(["--top", "100000"]).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn digest(file: &Path, more: &[&str]) -> Value {
    let args: Vec<&str> = more.iter().copied().chain(["--format", "json"]).collect();
    serde_json::from_str(&run(file, &args)).unwrap()
}

/// Everything that does not depend on the spelling of the log.
pub fn meaning(mut report: Value) -> Value {
    for of_the_file in ["bytes", "lines"] {
        report.as_object_mut().unwrap().remove(of_the_file).unwrap();
    }
    report
}

pub fn entries(report: &Value) -> u64 {
    let events: u64 = report["events"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    let entries = report["entries"].as_u64().unwrap();
    assert_eq!(events + report["unclassified"].as_u64().unwrap(), entries, "the classes do not add up");
    entries
}

fn calls(report: &Value) -> u64 {
    report["queries"].as_array().unwrap().iter().map(|query| query["calls"].as_u64().unwrap()).sum()
}

#[test]
fn three_spellings_of_one_run_are_one_digest() {
    let Some(corpora) = corpora() else { return };
    // The plain file ends before the server was shut down.
    let until = ["--until", "2026-11-20 22:18:00"];
    let read = |name: &str| meaning(digest(&corpora.join(name), &until));
    let mut plain = read("pg15_zoo.stderr.log");
    assert_eq!(entries(&plain), 185);
    let forged =
        plain["queries"].as_array().unwrap().iter().filter(|q| q["total_seconds"].as_f64() > Some(900.0));
    assert_eq!(forged.count(), 0, "a forged entry was believed");
    for name in ["pg15_zoo.csv", "pg15_zoo.json"] {
        let mut other = read(name);
        // What came after was left out.
        plain["left_out"].take();
        other["left_out"].take();
        assert_eq!(plain, other, "{name}");
    }
    let given = digest(&corpora.join("pg15_zoo.stderr.log"), &["--log-line-prefix", ZOO_PREFIX]);
    assert_eq!(entries(&given), 185);
    assert_eq!(
        plain["deadlocks"][0]["participants"][1]["fingerprint"],
        "update z set n = n + ? where id = ?"
    );
}

#[test]
fn forged_entries_in_a_slow_log_are_text() {
    let Some(corpora) = corpora() else { return };
    let report = digest(&corpora.join("mariadb1011_zoo.slow.log"), &[]);
    assert_eq!((entries(&report), calls(&report), report["noise"].as_u64()), (58, 58, Some(0)));
    assert!(report["queries"][0]["total_seconds"].as_f64() < Some(2.0), "the forged 99 s were believed");
    let users: Vec<&Value> =
        report["queries"].as_array().unwrap().iter().map(|query| &query["users"]).collect();
    assert!(!users.iter().any(|users| users.to_string().contains("fake")), "{users:?}");
}

/// What the corpus tells of the attributes of each event, summed by file.
#[test]
fn slow_logs_of_all_ages_add_up() {
    let Some(corpora) = corpora() else { return };
    let cases = std::fs::read_to_string(corpora.join("ptqd_slowlogparser.jsonl")).unwrap();
    let mut compared = 0;
    for case in cases.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let file = case["file"].as_str().unwrap();
        let Some(events) = case["result"].as_array().filter(|events| !events.is_empty()) else { continue };
        let report = digest(&corpora.join(file), &["--input", "mysql-slow"]);
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let wanted: f64 =
            events.iter().filter_map(|event| text(&event["Query_time"]).parse::<f64>().ok()).sum();
        let shown =
            report["queries"].as_array().unwrap().iter().map(|q| q["total_seconds"].as_f64().unwrap());
        let got = shown.sum::<f64>() + report["other"]["total_seconds"].as_f64().unwrap();
        assert_eq!(entries(&report), events.len() as u64, "{file}");
        assert!((wanted - got).abs() < 1e-5, "{file}: {got} s instead of {wanted} s");
        compared += events.len();
    }
    assert!(compared > 50, "only {compared} events");
}

/// Counts, sums and maxima of every planted statement, over several seeds and in all spellings.
#[test]
fn planted_truth_is_found() {
    let Some(corpora) = corpora() else { return };
    let directory = std::env::temp_dir().join(format!("dbsonde-digest-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    // `SEEDS=10` for more of them.
    let seeds = std::env::var("SEEDS").map_or(3, |seeds| seeds.parse().unwrap());
    for seed in 1..=seeds {
        for kind in ["mysql8", "percona", "mariadb", "pgstderr", "pgcsv", "pgjson"] {
            let log = directory.join(format!("{kind}.{seed}.log"));
            let made = Command::new("python3")
                .arg(corpora.join("loggen.py"))
                .arg(kind)
                .arg(&log)
                .args(["--mib", "0.7", "--digests", "100", "--seed", &seed.to_string()])
                .output()
                .unwrap();
            assert!(made.status.success());
            let truth = PathBuf::from(format!("{}.truth.json", log.display()));
            let truth: Value = serde_json::from_slice(&std::fs::read(truth).unwrap()).unwrap();
            let more: &[&str] = if kind == "pgstderr" { &["--log-line-prefix", ZOO_PREFIX] } else { &[] };
            compare(&truth, &digest(&log, more), &format!("{kind}, seed {seed}"));
        }
    }
    std::fs::remove_dir_all(directory).unwrap();
}

fn compare(truth: &Value, report: &Value, what: &str) {
    entries(report);
    assert_eq!(report["bytes"], truth["bytes"], "{what}");
    assert_eq!(report["lines"], truth["lines"], "{what}");
    let mut found: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for query in report["queries"].as_array().unwrap() {
        let words = query["fingerprint"].as_str().unwrap().split(|c: char| !c.is_alphanumeric() && c != '_');
        let mut markers: Vec<&str> = words.filter(|word| word.starts_with("tq_")).collect();
        markers.dedup();
        assert!(markers.len() < 2, "{what}: two statements in one: {query}");
        markers.into_iter().for_each(|marker| found.entry(marker).or_default().push(query));
    }
    for (marker, planted) in truth["digests"].as_object().unwrap() {
        let queries = found.get(marker.as_str()).map(Vec::as_slice).unwrap_or_default();
        let [query] = queries else { panic!("{what}: {marker} is {} statements", queries.len()) };
        assert_eq!(query["calls"], planted["count"], "{what}: {marker}");
        for (ours, theirs) in [("total_seconds", "total_us"), ("max_seconds", "max_us")] {
            let micros = (query[ours].as_f64().unwrap() * 1e6).round() as u64;
            assert_eq!(Some(micros), planted[theirs].as_u64(), "{what}: {ours} of {marker}");
        }
    }
}

/// Every literal in our own small logs is a canary; none may be in any output.
#[test]
fn no_literal_is_in_any_output() {
    for name in ["canaries.stderr.log", "canaries.csv", "canaries.slow.log"] {
        let raw = std::fs::read_to_string(own(name)).unwrap();
        assert!(raw.contains("kanari"), "{name} has no canary");
        for format in ["text", "json", "jsonl", "html"] {
            let output = run(&own(name), &["--format", format]).to_lowercase();
            assert!(!output.contains("kanari") && !output.contains("7357"), "{name} as {format}: {output}");
            assert!(output.contains("geraet"), "{name} as {format} shows no statement");
        }
    }
}

#[test]
fn filters_leave_out_and_say_so() {
    let log = own("canaries.stderr.log");
    let all = digest(&log, &[]);
    let some = digest(&log, &["--user", "bob"]);
    assert_eq!(entries(&some) + some["left_out"].as_u64().unwrap(), entries(&all));
    assert!(entries(&some) > 0 && entries(&some) < entries(&all));
    let none = digest(&log, &["--since", "2027-01-01"]);
    assert_eq!(entries(&none), 0);
}

#[test]
fn two_threads_find_what_one_finds() {
    let Some(corpora) = corpora() else { return };
    let directory = std::env::temp_dir().join(format!("dbsonde-pieces-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for name in ["pg15_zoo.stderr.log", "pg15_zoo.csv", "pg15_zoo.json", "mariadb1011_zoo.slow.log"] {
        let zoo = std::fs::read(corpora.join(name)).unwrap();
        let log = directory.join(name);
        // As long as several pieces, so that cuts fall anywhere, also within what is forged.
        std::fs::write(&log, zoo.repeat((20 << 20) / zoo.len())).unwrap();
        let one = digest(&log, &["--threads", "1"]);
        for threads in ["2", "3", "5"] {
            assert_eq!(one, digest(&log, &["--threads", threads]), "{name} with {threads} threads");
        }
    }
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn an_error_log_tells_of_its_deadlocks() {
    let Some(corpora) = corpora() else { return };
    let report = digest(&corpora.join("mariadb1011_zoo.error.log"), &[]);
    assert!(entries(&report) > 50);
    let deadlock = &report["deadlocks"][0];
    let participants = deadlock["participants"].as_array().unwrap();
    assert_eq!(participants.len(), 2, "{deadlock}");
    for one in participants {
        assert_eq!(one["fingerprint"], "update z set n = n + ? where id = ?");
        assert_eq!(one["object"], "sb.z");
    }
    assert_eq!(report["events"]["mysql_access_denied"], 2);
}

/// What is packed says the same, whatever packed it; what the machine cannot pack is skipped and said.
#[test]
fn packed_logs_say_the_same() {
    let log = own("canaries.stderr.log");
    let plain = digest(&log, &[]);
    let directory = std::env::temp_dir().join(format!("dbsonde-packed-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (program, ending) in [("gzip", "gz"), ("zstd", "zst"), ("bzip2", "bz2"), ("xz", "xz"), ("lz4", "lz4")]
    {
        let Ok(packed) = Command::new(program).arg("-c").arg(&log).output() else {
            eprintln!("skip: no {program}");
            continue;
        };
        let file = directory.join(format!("log.{ending}"));
        // Two members, one behind the other, are one log twice as long.
        std::fs::write(&file, packed.stdout.repeat(2)).unwrap();
        let twice = digest(&file, &[]);
        assert_eq!(entries(&twice), 2 * entries(&plain), "{ending}");
        assert_eq!(twice["bytes"].as_u64(), plain["bytes"].as_u64().map(|n| 2 * n), "{ending}");
    }
    std::fs::remove_dir_all(directory).unwrap();
}

/// A file may end anywhere. No cut, at any byte, makes a reader fail, and none makes an entry that was not there.
#[test]
fn a_cut_anywhere_makes_no_entry() {
    use dbsonde::log::{Body, End, Entry, Format};
    let Some(corpora) = corpora() else { return };
    let zoos = [
        ("mariadb1011_zoo.slow.log", Format::MysqlSlow),
        ("mariadb1011_zoo.error.log", Format::MysqlError),
        ("pg15_zoo.stderr.log", Format::PostgresStderr),
        ("pg15_zoo.csv", Format::PostgresCsv),
        ("pg15_zoo.json", Format::PostgresJson),
    ];
    let is_entry = |entry: &Entry| !matches!(entry.body, Body::Noise | Body::Banner);
    for (name, format) in zoos {
        let whole = std::fs::read(corpora.join(name)).unwrap();
        let mut reader = dbsonde::logs::open(format, Some(ZOO_PREFIX), &whole, true);
        let mut bounds = Vec::new();
        let mut at = 0;
        while at < whole.len() {
            let (length, entry) = reader.next(&whole[at..], End::Closed).unwrap();
            bounds.push((at, is_entry(&entry)));
            at += length;
        }
        bounds.push((whole.len(), false));
        for pair in bounds.windows(2) {
            let ((from, counts), (to, _)) = (pair[0], pair[1]);
            // Of a long one every seventh byte.
            for end in (from + 1..to).step_by(1 + (to - from) / 3000 * 6) {
                let bytes = &whole[from..end];
                let open = reader.next(bytes, End::Open).map(|(length, _)| length);
                assert!(open.is_none_or(|length| length <= bytes.len()), "{name}: {from} to {end}");
                let (length, entry) = reader.next(bytes, End::Closed).unwrap();
                assert!(length > 0 && length <= bytes.len(), "{name}: {from} to {end}");
                assert!(counts || !is_entry(&entry), "{name}: noise from {from} to {end} became an entry");
                if let Body::Slow(slow) = &entry.body {
                    assert!(slow.query_time < 90_000_000, "{name}: a forged entry was believed");
                }
                let rest = reader.next(&bytes[length..], End::Closed);
                let forged = rest.is_some_and(|(_, entry)| is_entry(&entry)) && length < bytes.len();
                assert!(!forged || format == Format::MysqlSlow, "{name}: two entries from {from} to {end}");
            }
        }
    }
}
