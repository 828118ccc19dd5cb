//! Every format and envelope in which people have their logs: the same events, spelled and wrapped in each way, are one
//! digest. What they are made of is the log of a real server.

use crate::digest::{corpora, digest, entries, meaning};
use serde_json::{Value, json};
use std::path::PathBuf;

/// How one line is wrapped; its number, from which others follow.
type Wrap = fn(&str, usize) -> Vec<u8>;

fn line(text: String) -> Vec<u8> {
    (text + "\n").into_bytes()
}

/// A journal shows a text with control characters by its length.
fn exported(text: &str, nth: usize) -> Vec<u8> {
    let head = format!("__CURSOR=s={nth}\n__REALTIME_TIMESTAMP=1795904222000000\nPRIORITY=6\n");
    let plain = text.bytes().all(|byte| byte >= b' ' || byte == b'\t');
    let message = if plain {
        format!("MESSAGE={text}\n").into_bytes()
    } else {
        [b"MESSAGE\n", &(text.len() as u64).to_le_bytes()[..], text.as_bytes(), b"\n"].concat()
    };
    [head.into_bytes(), message, b"_SYSTEMD_UNIT=postgresql.service\n\n".to_vec()].concat()
}

/// Beginning with the lines of a plain log, one at a time.
const LINES: &[(&str, Wrap)] = &[
    ("as it is", |text, _| line(text.to_owned())),
    ("lines of Windows", |text, _| line(format!("{text}\r"))),
    ("Docker", |text, _| {
        line(
            json!({"log": format!("{text}\n"), "stream": "stderr", "time": "2026-11-20T22:17:12Z"})
                .to_string(),
        )
    }),
    ("CRI", |text, _| line(format!("2026-11-20T22:17:12.123456789Z stderr F {text}"))),
    ("CRI, in parts", |text, _| {
        let half = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let (head, tail) = text.split_at(half);
        line(format!(
            "2026-11-20T22:17:12.123456789Z stderr P {head}\n2026-11-20T22:17:12.123456789Z stderr F {tail}"
        ))
    }),
    ("journalctl -o json", |text, _| {
        line(json!({"__CURSOR": "s=1", "_PID": "7", "PRIORITY": "6", "MESSAGE": text}).to_string())
    }),
    ("journalctl -o json, as bytes", |text, _| {
        line(json!({"__CURSOR": "s=1", "MESSAGE": text.as_bytes()}).to_string())
    }),
    ("journalctl -o export", exported),
    ("Cloud SQL", |text, _| {
        line(
            json!({"insertId": "x", "resource": {"type": "cloudsql_database"}, "textPayload": text})
                .to_string(),
        )
    }),
    ("Azure", |text, _| {
        line(
            json!({"category": "PostgreSQLLogs", "properties": {"message": text, "prefix": "x"}}).to_string(),
        )
    }),
];

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dbsonde-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn digest(&self, bytes: &[u8], more: &[&str]) -> Value {
        let path = self.0.join("log");
        std::fs::write(&path, bytes).unwrap();
        digest(&path, more)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What is the same in every spelling of one run.
fn told(report: Value) -> Value {
    let mut report = meaning(report);
    report.as_object_mut().unwrap().remove("noise");
    report
}

fn same(one: &Value, other: &Value, what: &str) {
    for (part, value) in other.as_object().unwrap() {
        assert_eq!(&one[part], value, "{what}: {part}");
    }
}

#[test]
fn a_plain_log_is_the_same_in_every_envelope() {
    let Some(corpora) = corpora() else { return };
    let zoo = std::fs::read_to_string(corpora.join("pg15_zoo.stderr.log")).unwrap();
    // A client has sent returns; of Windows every line ends with one.
    let zoo = zoo.replace('\r', "");
    let directory = Directory::new("envelopes");
    let plain = told(directory.digest(zoo.as_bytes(), &[]));
    assert_eq!(entries(&plain), 185);
    for (what, wrap) in LINES {
        let wrapped: Vec<u8> = zoo.lines().enumerate().flat_map(|(nth, text)| wrap(text, nth)).collect();
        same(&told(directory.digest(&wrapped, &[])), &plain, what);
    }
    let marked = format!("\u{feff}{zoo}");
    assert_eq!(told(directory.digest(marked.as_bytes(), &[])), plain, "a byte order mark");
    let little: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    same(&told(directory.digest(&little, &[])), &plain, "UTF-16, the lower half first");
    let big: Vec<u8> = marked.encode_utf16().flat_map(u16::to_be_bytes).collect();
    same(&told(directory.digest(&big, &[])), &plain, "UTF-16, the upper half first");
}

/// As the server sends it: each message in numbered pieces of one line or 900 bytes, broken where a word ends.
fn syslog(zoo: &str, head: &str, name: &str) -> String {
    let mut out = String::new();
    let mut sent = 0;
    let (mut number, mut piece) = (0, 0);
    let mut process = String::new();
    for text in zoo.lines() {
        let is_companion =
            ["DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION"].iter().any(|word| {
                text.get(..200.min(text.len())).is_some_and(|head| head.contains(&format!(" {word}:  ")))
            });
        if !text.starts_with('\t') && !is_companion {
            (number, piece) = (number + 1, 0);
            let (_, rest) = text.split_once('[').unwrap();
            process = rest.split(']').next().unwrap().to_owned();
        }
        let mut rest = text;
        loop {
            const LIMIT: usize = 900;
            let end = if rest.len() <= LIMIT {
                rest.len()
            } else {
                let whole = (0..=LIMIT).rev().find(|at| rest.is_char_boundary(*at)).unwrap();
                rest[..whole].rfind(' ').filter(|at| *at > 0).unwrap_or(whole)
            };
            piece += 1;
            sent += 1;
            let escaped = rest[..end].replace('\t', "#011");
            out += &format!("{head} {name}[{process}]: [{number}-{piece}] {escaped}\n");
            rest = &rest[end..];
            if rest.is_empty() {
                break;
            }
        }
    }
    assert!(sent > zoo.lines().count(), "nothing was broken");
    out
}

#[test]
fn a_log_that_syslog_has_cut_into_pieces_is_put_together() {
    let Some(corpora) = corpora() else { return };
    let zoo = std::fs::read_to_string(corpora.join("pg15_zoo.stderr.log")).unwrap().replace('\r', "");
    let directory = Directory::new("syslog");
    let plain = told(directory.digest(zoo.as_bytes(), &[]));
    for (what, head, name) in [
        ("syslog", "Nov 20 22:17:12 db1", "postgres"),
        ("syslog with a year", "2026-11-20T22:17:12.123456+00:00 db1", "postgres"),
    ] {
        let wrapped = told(directory.digest(syslog(&zoo, head, name).as_bytes(), &[]));
        for part in ["entries", "events", "errors", "unclassified", "deadlocks"] {
            assert_eq!(wrapped[part], plain[part], "{what}: {part}");
        }
        let calls = |report: &Value| {
            let of = |query: &Value| {
                (query["digest"].to_string(), query["calls"].clone(), query["total_seconds"].clone())
            };
            let mut all: Vec<_> = report["queries"].as_array().unwrap().iter().map(of).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all
        };
        assert_eq!(calls(&wrapped), calls(&plain), "{what}");
    }
}

/// The fields of each line of a csv, as they are written.
fn rows(csv: &str) -> Vec<Vec<&str>> {
    let (mut rows, mut row, mut from, mut quoted) = (Vec::new(), Vec::new(), 0, false);
    for (at, byte) in csv.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' | b'\n' if !quoted => {
                row.push(&csv[from..at]);
                from = at + 1;
                if byte == b'\n' {
                    rows.push(std::mem::take(&mut row));
                }
            }
            _ => {}
        }
    }
    rows
}

#[test]
fn csv_of_older_servers_and_json_of_an_operator_say_the_same() {
    let Some(corpora) = corpora() else { return };
    let directory = Directory::new("columns");
    let csv = std::fs::read_to_string(corpora.join("pg15_zoo.csv")).unwrap();
    let whole = told(directory.digest(csv.as_bytes(), &[]));
    let rows = rows(&csv);
    assert!(rows.iter().all(|row| row.len() == 26), "the zoo has all columns");
    for columns in [24, 23] {
        let older: String = rows.iter().map(|row| row[..columns].join(",") + "\n").collect();
        assert_eq!(told(directory.digest(older.as_bytes(), &[])), whole, "{columns} columns");
    }
    let names = [
        "log_time",
        "user_name",
        "database_name",
        "process_id",
        "connection_from",
        "session_id",
        "session_line_num",
        "command_tag",
        "session_start_time",
        "virtual_transaction_id",
        "transaction_id",
        "error_severity",
        "sql_state_code",
        "message",
        "detail",
        "hint",
        "internal_query",
        "internal_query_pos",
        "context",
        "query",
        "query_pos",
        "location",
        "application_name",
        "backend_type",
        "leader_pid",
        "query_id",
    ];
    let record = |row: &Vec<&str>| {
        let text = |field: &str| match field.strip_prefix('"').and_then(|field| field.strip_suffix('"')) {
            Some(inner) => inner.replace("\"\"", "\""),
            None => field.to_owned(),
        };
        let told = names.iter().zip(row).filter(|(_, field)| !field.is_empty());
        let record: serde_json::Map<_, _> =
            told.map(|(name, field)| (name.to_string(), text(field).into())).collect();
        json!({"level": "info", "ts": "x", "logger": "postgres", "msg": "record", "record": record})
            .to_string()
            + "\n"
    };
    let operator: String = rows.iter().map(record).collect();
    assert_eq!(told(directory.digest(operator.as_bytes(), &[])), whole, "CloudNativePG");
}

/// The prefixes that services set, which nobody can choose there.
#[test]
fn prefixes_of_services_are_known_by_themselves() {
    let directory = Directory::new("services");
    let session = |prefix: &str| {
        format!(
            "{prefix}LOG:  connection authorized: user=app database=shop\n\
             {prefix}LOG:  duration: 12.500 ms  statement: select * from geraet where id = 7\n\
             {prefix}ERROR:  relation \"nirgends\" does not exist at character 15\n\
             {prefix}STATEMENT:  select * from nirgends\n\
             {prefix}LOG:  duration: 2.500 ms  statement: select * from geraet\n\t where id = 8\n"
        )
    };
    for (what, prefix) in [
        ("RDS", "2026-11-20 22:17:12 UTC:10.0.0.7(51234):app@shop:[4711]:"),
        ("Azure", "2026-11-20 22:17:12 UTC-5f3b2c1a.1267-"),
        ("Cloud SQL", "2026-11-20 22:17:12.345 UTC [4711]: [3-1] db=shop,user=app "),
        ("Debian", "2026-11-20 22:17:12.345 UTC [4711] app@shop "),
        ("the server's own", "2026-11-20 22:17:12.345 UTC [4711] "),
    ] {
        let report = directory.digest(session(prefix).as_bytes(), &[]);
        assert_eq!((entries(&report), report["noise"].as_u64()), (4, Some(0)), "{what}: {report:#}");
        assert_eq!(report["events"]["statement_duration"], 2, "{what}");
        let query = &report["queries"][0];
        assert_eq!(
            (&query["calls"], &query["total_seconds"]),
            (&json!(2), &json!(0.015)),
            "{what}: {query:#}"
        );
        assert_eq!(query["fingerprint"], "select * from geraet where id = ?", "{what}");
    }
    // Heroku puts its own time and the add-on before it, and syslog's numbers behind.
    let heroku: String = session("sql_error_code = 00000 ")
        .lines()
        .enumerate()
        .map(|(nth, text)| {
            let (message, piece) = [(1, 1), (2, 1), (3, 1), (3, 2), (4, 1), (4, 2)][nth];
            let text = text.replace('\t', "#011");
            format!(
                "2026-11-20T22:17:12.345678+00:00 app[postgres.4711]: [DATABASE] [{message}-{piece}] {text}\n"
            )
        })
        .collect();
    let report = directory.digest(heroku.as_bytes(), &[]);
    assert_eq!(
        (entries(&report), &report["events"]["statement_duration"]),
        (4, &json!(2)),
        "Heroku: {report:#}"
    );
}

/// MySQL's own words, in each of the ways it has to write them.
#[test]
fn mysql_slow_logs_in_every_spelling() {
    let directory = Directory::new("slow");
    let entry = |fields: &str| {
        format!(
            "# Time: 2026-11-20T22:17:12.345678Z\n# User@Host: app[app] @ web1 [10.0.0.7]  Id:    12\n{fields}\
             SET timestamp=1795904232;\nselect * from geraet where id = 7;\n"
        )
    };
    let times = "# Query_time: 0.250000  Lock_time: 0.000100 Rows_sent: 1  Rows_examined: 5";
    let report = directory.digest(entry(&format!("{times}\n")).as_bytes(), &[]);
    assert_eq!((entries(&report), &report["queries"][0]["total_seconds"]), (1, &json!(0.25)));
    let extra = format!(
        "{times} Thread_id: 12 Errno: 0 Killed: 0 Bytes_received: 0 Bytes_sent: 128 Read_first: 0 Read_last: 0 Read_key: 5 Read_next: 0 \
         Read_prev: 0 Read_rnd: 0 Read_rnd_next: 0 Sort_merge_passes: 0 Sort_range_count: 0 Sort_rows: 0 Sort_scan_count: 0 \
         Created_tmp_disk_tables: 0 Created_tmp_tables: 1 Start: 2026-11-20T22:17:12.095678Z End: 2026-11-20T22:17:12.345678Z\n"
    );
    let report = directory.digest(entry(&extra).as_bytes(), &[]);
    let query = &report["queries"][0];
    assert_eq!(
        (&query["bytes_sent"], &query["fields"]["Read_key"]),
        (&json!(128), &json!(5.0)),
        "log_slow_extra: {query:#}"
    );
    let ended = entry(&extra.replace("Errno: 0", "Errno: 3024"));
    let query = &directory.digest(ended.as_bytes(), &[])["queries"][0];
    assert_eq!(query["errors"], 1, "it ended by a limit: {query:#}");
    let rated = format!(
        "# Schema: shop  Last_errno: 0  Killed: 0\n{times}  Rows_affected: 0\n# Log_slow_rate_type: query  Log_slow_rate_limit: 10\n"
    );
    let query = &directory.digest(entry(&rated).as_bytes(), &[])["queries"][0];
    assert_eq!(
        (&query["calls"], &query["total_seconds"]),
        (&json!(10), &json!(2.5)),
        "one in ten was logged: {query:#}"
    );
    let long = rated.replace("Query_time: 0.250000", "Query_time: 12.500000");
    let query = &directory.digest(entry(&long).as_bytes(), &[])["queries"][0];
    assert_eq!(
        (&query["calls"], &query["total_seconds"]),
        (&json!(1), &json!(12.5)),
        "what takes so long is logged each time: {query:#}"
    );
    let explained = format!(
        "# Thread_id: 12  Schema: shop  QC_hit: No\n{times}\n#\n# explain: id\tselect_type\ttable\ttype\n\
         # explain: 1\tSIMPLE\tgeraet\tALL\n#\n# Neverseen_before: 17\n"
    );
    let report = directory.digest(entry(&explained).as_bytes(), &[]);
    let query = &report["queries"][0];
    assert_eq!(
        (entries(&report), &query["calls"], &query["fields"]["Neverseen_before"]),
        (1, &json!(1), &json!(17.0)),
        "{query:#}"
    );
}

#[test]
fn the_error_log_of_mysql_8_in_both_spellings() {
    let directory = Directory::new("errors");
    let plain = "2026-11-20T22:17:12.345678Z 12 [Warning] [MY-013360] [Server] Plugin x reported: 'y'\n\
                 2026-11-20T22:17:13.345678Z 13 [ERROR] [MY-010119] [Server] Aborting\n";
    let json = r#"{ "prio" : 2, "err_code" : 13360, "subsystem" : "Server", "SQL_state" : "HY000", "source_file" : "x.cc", "function" : "f", "msg" : "Plugin x reported: 'y'", "time" : "2026-11-20T22:17:12.345678Z", "err_symbol" : "ER_SERVER_WARN_DEPRECATED", "label" : "Warning", "thread" : 12 }
{ "prio" : 1, "err_code" : 10119, "subsystem" : "Server", "SQL_state" : "HY000", "msg" : "Aborting", "time" : "2026-11-20T22:17:13.345678Z", "err_symbol" : "ER_ABORTING", "label" : "Error", "thread" : 13 }
"#;
    for (what, text) in [("plain", plain), ("JSON", json)] {
        let report = directory.digest(text.as_bytes(), &["--input", "mysql-error"]);
        assert_eq!((entries(&report), report["noise"].as_u64()), (2, Some(0)), "{what}: {report:#}");
        let severities: Vec<&Value> =
            report["errors"].as_array().unwrap().iter().map(|one| &one["severity"]).collect();
        assert_eq!(severities, [&json!("warning"), &json!("error")], "{what}");
    }
}
