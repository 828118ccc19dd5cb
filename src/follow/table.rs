//! The slow log that a server keeps as a table, `mysql.slow_log`, which it reads for us.
//!
//! The times of rows order nothing: many have the same, and a session may set its own. But rows are only ever added,
//! or all taken away, and are read in the order in which they were written. So a row is known by its number, and the
//! table for the same by the last row that was taken. One that is not the same any more was emptied, or renamed: then
//! what was not read yet is looked for beside it.

use super::files::Fates;
use super::identity::Print;
use crate::digest::Sum;
use crate::engine::errand::{Errand, Fetched, SlowRow};
use crate::log::{Body, Entry, Severity, Slow, Who};
use crate::logs::slow::user_and_host;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Rows in one read: what they may weigh is what a connection takes.
const MOST: u32 = 500;
/// Each read goes through the whole table. One that takes longer than this holds up who wants to empty it, and those
/// who log behind him.
const TOO_LONG: Duration = Duration::from_millis(250);
/// Then it is left alone for so long.
const LATER: Duration = Duration::from_secs(600);
/// Tables that may be the one that was renamed.
const MAX_ASIDE: usize = 16;
/// A loss is shown for so long.
const SAID: f64 = 300.0;

/// What survives us.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// Rows that were taken.
    rows: u64,
    /// The last of them; unknown at the very beginning.
    last: Option<Print>,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    Read,
    /// It is not the one that it was: which others are there?
    Look,
    /// Is it one of these?
    Try(VecDeque<String>),
}

#[derive(Debug)]
pub struct Table {
    cursor: Option<Cursor>,
    step: Step,
    trouble: Option<String>,
    lost: Option<f64>,
    pub fates: Fates,
}

impl Table {
    pub fn new(cursor: Option<Cursor>) -> Self {
        Self { cursor, step: Step::Read, trouble: None, lost: None, fates: Fates::default() }
    }

    /// `None` while it is not known yet where we begin.
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    pub fn gaps(&self) -> impl Iterator<Item = String> + '_ {
        let lost = self.lost.map(|_| {
            "mysql.slow_log was emptied; what was logged since it was last read is lost, if anything"
                .to_owned()
        });
        self.trouble.iter().cloned().chain(lost)
    }

    pub fn errand(&self) -> Errand {
        let Some(cursor) = self.cursor else { return Errand::SlowCount };
        let rows = |table: Option<&String>| Errand::SlowRows {
            table: table.cloned(),
            // The last that is known is seen again.
            from: cursor.rows.saturating_sub(1),
            most: MOST,
        };
        match &self.step {
            Step::Read => rows(None),
            Step::Look => Errand::SlowTables,
            Step::Try(names) => rows(names.front()),
        }
    }

    /// Takes in what was fetched. True if there is more to fetch; `rest` is how long to leave the server alone if it
    /// is longer than usual.
    pub fn take(
        &mut self,
        fetched: Result<Fetched, String>,
        took: Duration,
        sum: &mut Sum,
        now: f64,
    ) -> (bool, Duration) {
        self.lost = self.lost.filter(|said| now - said < SAID);
        let more = match fetched {
            Ok(Fetched::SlowCount(rows)) => {
                self.cursor = Some(Cursor { rows, last: None });
                true
            }
            Ok(Fetched::SlowTables(mut names)) => {
                // Names have mostly a date or a number at their end.
                names.sort_unstable_by(|a, b| b.cmp(a));
                names.truncate(MAX_ASIDE);
                self.step = Step::Try(names.into());
                self.try_next(now)
            }
            Ok(Fetched::SlowRows(rows)) => self.rows(&rows, sum, now),
            Ok(_) => false,
            Err(why) => {
                self.trouble = Some(why);
                return (false, if took > TOO_LONG { LATER } else { Duration::ZERO });
            }
        };
        if took > TOO_LONG {
            let rows = self.cursor.map_or(0, |cursor| cursor.rows);
            self.trouble = Some(format!(
                "to read mysql.slow_log takes {:.1} s; it holds more than {rows} rows: empty it from time to time",
                took.as_secs_f64()
            ));
            return (more, LATER);
        }
        self.trouble = None;
        (more, Duration::ZERO)
    }

    fn rows(&mut self, rows: &[SlowRow], sum: &mut Sum, now: f64) -> bool {
        let Some(mut cursor) = self.cursor else { return false };
        let mut fresh = rows;
        if cursor.rows > 0 {
            let first = rows.first().map(print);
            // Where we begin the last row is not known yet; no other table can be told for this one then.
            let is_unknown = cursor.last.is_none() && matches!(self.step, Step::Read);
            if first.is_none() || (cursor.last != first && !is_unknown) {
                return self.is_another(now);
            }
            cursor.last = first;
            fresh = rows.get(1..).unwrap_or_default();
        }
        for row in fresh {
            sum.entry(&entry(row));
            sum.bytes += row.text.len() as u64;
            cursor = Cursor { rows: cursor.rows + 1, last: Some(print(row)) };
        }
        let more = rows.len() >= MOST as usize;
        if !more && matches!(self.step, Step::Try(_)) {
            // The one that was renamed is read to its end.
            return self.begin_anew();
        }
        self.cursor = Some(cursor);
        more
    }

    fn is_another(&mut self, now: f64) -> bool {
        match &mut self.step {
            Step::Read => {
                self.step = Step::Look;
                true
            }
            Step::Look => true,
            Step::Try(names) => {
                names.pop_front();
                self.try_next(now)
            }
        }
    }

    fn try_next(&mut self, now: f64) -> bool {
        if matches!(&self.step, Step::Try(names) if names.is_empty()) {
            self.lost = Some(now);
            self.begin_anew();
        }
        true
    }

    fn begin_anew(&mut self) -> bool {
        self.cursor = Some(Cursor { rows: 0, last: None });
        self.step = Step::Read;
        self.fates.begun += 1;
        true
    }
}

fn print(row: &SlowRow) -> Print {
    let times = [row.start.unwrap_or_default().cast_unsigned(), row.query_time, row.lock_time];
    let counts = [row.rows_sent, row.rows_examined, row.rows_affected];
    let mut bytes: Vec<u8> = times.iter().chain(&counts).flat_map(|number| number.to_le_bytes()).collect();
    for text in [row.user_host.as_bytes(), row.database.as_bytes(), &row.text] {
        bytes.extend_from_slice(text);
        bytes.push(0);
    }
    Print::of(&bytes)
}

/// As the file of the slow log would have it.
fn entry(row: &SlowRow) -> Entry<'_> {
    let (user, host) = user_and_host(row.user_host.as_bytes());
    let who = Who { user, host, database: row.database.as_bytes(), ..Who::default() };
    let slow = Slow {
        query_time: row.query_time,
        lock_time: row.lock_time,
        rows_sent: row.rows_sent,
        rows_examined: row.rows_examined,
        rows_affected: row.rows_affected,
        text: &row.text,
        ..Slow::default()
    };
    Entry { time: row.start, severity: Severity::Log, sqlstate: None, who, body: Body::Slow(slow) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Filter;
    use crate::log::Format;
    use std::collections::BTreeMap;

    /// A server whose slow log is a table.
    #[derive(Default)]
    struct Host {
        tables: BTreeMap<String, Vec<SlowRow>>,
        next: u64,
        truth: (u64, u64),
    }

    impl Host {
        fn write(&mut self, count: u64) {
            for _ in 0..count {
                self.next += 1;
                // Half of all rows are like the one before but for their duration.
                let row = SlowRow {
                    start: Some((self.next / 2) as i64),
                    query_time: self.next,
                    text: b"select 1 from t".to_vec(),
                    ..SlowRow::default()
                };
                self.tables.entry("slow_log".into()).or_default().push(row);
                self.truth = (self.truth.0 + 1, self.truth.1 + self.next);
            }
        }

        fn answer(&self, errand: &Errand) -> Fetched {
            let rows = |name: &str| self.tables.get(name).cloned().unwrap_or_default();
            match errand {
                Errand::SlowCount => Fetched::SlowCount(rows("slow_log").len() as u64),
                Errand::SlowTables => Fetched::SlowTables(
                    self.tables.keys().filter(|name| *name != "slow_log").cloned().collect(),
                ),
                Errand::SlowRows { table, from, most } => Fetched::SlowRows(
                    rows(table.as_deref().unwrap_or("slow_log"))
                        .into_iter()
                        .skip(*from as usize)
                        .take(*most as usize)
                        .collect(),
                ),
                _ => unreachable!(),
            }
        }
    }

    fn look(table: &mut Table, host: &Host, sum: &mut Sum) {
        while {
            let fetched = host.answer(&table.errand());
            table.take(Ok(fetched), Duration::ZERO, sum, 0.0).0
        } {}
    }

    #[test]
    fn every_row_is_counted_once_over_renames_and_deaths_of_ours() {
        for seed in 1..6_u64 {
            let mut host = Host::default();
            host.write(3);
            host.truth = (0, 0);
            let sum = || Sum::new(Format::MysqlSlow, Filter::default());
            let (mut table, mut fresh, mut counted) = (Table::new(None), sum(), (0, 0));
            let count = |fresh: &mut Sum, counted: &mut (u64, u64)| {
                for row in fresh.statements.rows() {
                    *counted = (counted.0 + row.calls, counted.1 + row.total);
                }
                fresh.renew();
            };
            look(&mut table, &host, &mut fresh);
            let mut kept = table.cursor();
            let mut dice = seed;
            for step in 0..200 {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                host.write(1 + (dice >> 33 & 7));
                match dice >> 40 & 7 {
                    0 => (table, fresh) = (Table::new(kept), sum()),
                    1 if step % 10 == 0 => host.write(1_300),
                    2 | 3 => look(&mut table, &host, &mut fresh),
                    4 => {
                        look(&mut table, &host, &mut fresh);
                        count(&mut fresh, &mut counted);
                        kept = table.cursor();
                        host.write(2);
                        let old = host.tables.insert("slow_log".into(), Vec::new()).unwrap_or_default();
                        host.tables.insert(format!("slow_log_{step:03}"), old);
                    }
                    5 => {
                        count(&mut fresh, &mut counted);
                        kept = table.cursor();
                    }
                    _ => {}
                }
                if dice >> 40 & 7 == 4 {
                    look(&mut table, &host, &mut fresh);
                    count(&mut fresh, &mut counted);
                    kept = table.cursor();
                }
            }
            look(&mut table, &host, &mut fresh);
            count(&mut fresh, &mut counted);
            assert_eq!(counted, host.truth, "seed {seed}");
            assert_eq!(table.gaps().count(), 0);
        }
    }

    #[test]
    fn a_table_that_was_emptied_is_told() {
        let mut host = Host::default();
        let mut sum = Sum::new(Format::MysqlSlow, Filter::default());
        let mut table = Table::new(None);
        look(&mut table, &host, &mut sum);
        host.write(10);
        look(&mut table, &host, &mut sum);
        host.tables.clear();
        host.write(20);
        look(&mut table, &host, &mut sum);
        let row = &sum.statements.rows()[0];
        assert_eq!((row.calls, row.total), host.truth);
        assert!(table.gaps().any(|gap| gap.contains("was emptied")));
    }

    #[test]
    fn a_table_that_takes_long_is_left_alone() {
        let mut host = Host::default();
        host.write(1);
        let mut sum = Sum::new(Format::MysqlSlow, Filter::default());
        let mut table = Table::new(None);
        let fetched = host.answer(&table.errand());
        let (_, rest) = table.take(Ok(fetched), Duration::from_millis(400), &mut sum, 0.0);
        assert_eq!(rest, LATER);
        assert!(table.gaps().any(|gap| gap.contains("0.4 s")));
    }
}
