//! Durations that are logged apart from their statements, and what single entries add to a sum.

use super::Sum;
use crate::digest::Filter;
use crate::log::{End, Format};
use crate::logs;

const PREFIX: &str = "%m [%p] %q%u@%d/%a ";
const AT: &str = "2026-11-20 22:17:12.345 UTC";

/// What a plain log of PostgreSQL comes to.
pub fn sum(log: &str) -> Sum {
    of(Format::PostgresStderr, Some(PREFIX), log)
}

fn of(format: Format, prefix: Option<&str>, log: &str) -> Sum {
    let mut reader = logs::open(format, prefix, log.as_bytes(), true);
    let mut sum = Sum::new(format, Filter::default());
    let mut rest = log.as_bytes();
    while let Some((length, entry)) = reader.next(rest, End::Closed).filter(|_| !rest.is_empty()) {
        sum.entry(&entry);
        rest = &rest[length..];
    }
    sum
}

/// What sessions say, one after the other.
fn said(lines: &[(u32, &str)]) -> Sum {
    let lines: Vec<String> = lines.iter().map(|(pid, said)| format!("{AT} [{pid}] u@d/a {said}")).collect();
    sum(&lines.join("\n"))
}

/// Calls and milliseconds of each statement, by its text.
fn rows(sum: &Sum) -> Vec<(String, u64, u64)> {
    let mut rows: Vec<_> = sum
        .statements
        .rows()
        .iter()
        .map(|row| (row.fingerprint.to_string(), row.calls, row.total / 1_000))
        .collect();
    rows.sort();
    rows
}

#[test]
fn one_more_batch_of_rows_is_no_new_call() {
    let sum = said(&[
        (7, "LOG:  execute S_1/C_2: select 1 from t"),
        (7, "LOG:  duration: 9.0 ms"),
        (7, "LOG:  execute fetch from S_1/C_2: select 1 from t"),
        (7, "LOG:  duration: 1.0 ms"),
    ]);
    assert_eq!(rows(&sum), [("select ? from t".to_owned(), 1, 10)]);
}

#[test]
fn what_fails_takes_no_later_duration() {
    let sum = said(&[
        (7, "LOG:  statement: update t set a = 1 / 0"),
        (7, "ERROR:  division by zero"),
        (7, "STATEMENT:  update t set a = 1 / 0"),
        (7, "LOG:  duration: 5000.0 ms"),
    ]);
    assert_eq!((rows(&sum), sum.unjoined()), (vec![("update t set a = ? / ?".to_owned(), 0, 0)], 1));
}

#[test]
fn where_sessions_are_not_told_apart_nothing_is_joined() {
    let log = format!(
        "{AT} u@d LOG:  statement: select a\n{AT} u@d LOG:  statement: select b\n{AT} u@d LOG:  duration: 5000.0 ms\n\
         {AT} u@d LOG:  duration: 1.0 ms\n"
    );
    let sum = of(Format::PostgresStderr, Some("%m %u@%d "), &log);
    assert_eq!((rows(&sum).iter().map(|row| row.1).sum::<u64>(), sum.unjoined()), (0, 2));
}

#[test]
fn a_message_is_no_state() {
    let sum = said(&[
        (7, "ERROR:  ERROR: no such customer"),
        (7, "WARNING:  BATCH: 3 failed"),
        (7, "ERROR:  22012: division by zero"),
    ]);
    let states: Vec<Option<String>> =
        sum.states.keys().map(|(_, state)| state.map(|state| state.to_string())).collect();
    assert!(states.contains(&Some("22012".into())), "{states:?}");
    assert!(!states.iter().flatten().any(|state| ["ERROR", "BATCH"].contains(&state.as_str())), "{states:?}");
}

/// A server whose clock went back writes negative times as very large ones.
#[test]
fn times_that_cannot_be_are_not_added_up() {
    let entry = |lock: &str| {
        format!(
            "# Time: 2026-11-29T10:00:00.000000Z\n# User@Host: a[a] @ h []  Id: 4\n# Query_time: 18446744073708.551616  Lock_time: {lock} \
             Rows_sent: 1  Rows_examined: 1\nSET timestamp=1796000000;\nselect 1 from t;\n"
        )
    };
    let sum =
        of(Format::MysqlSlow, None, &[entry("0.0"), entry("18446744073708.551616"), entry("0.5")].concat());
    assert_eq!(rows(&sum), [("select ? from t".to_owned(), 3, 0)]);
    // Each of them alone could be.
    let long = entry("0.0").replace("18446744073708", "9000000000000");
    let sum = of(Format::MysqlSlow, None, &[long.clone(), long.clone(), long].concat());
    assert_eq!(sum.statements.rows().iter().map(|row| row.calls).sum::<u64>(), 3);
    // Nor does an entry stand for more executions than a server can be told to leave out.
    let rate = |rate: &str| {
        entry("0.0")
            .replace("Query_time: 18446744073708", &format!("Log_slow_rate_limit: {rate}  Query_time: 0"))
    };
    let sum = of(
        Format::MysqlSlow,
        None,
        &[rate("18446744073709551615"), rate("9223372036854775807"), rate("1000")].concat(),
    );
    assert_eq!(sum.statements.rows().iter().map(|row| row.calls).sum::<u64>(), 1_002);
}
