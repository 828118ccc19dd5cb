//! Reading digests again. The server walks all that it remembers each time, but what did not run since the last reading
//! is as it was, so it is neither written out nor sent again.
//!
//! That holds as long as none was forgotten: the server forgets all at once. Afterwards no row has the beginning that it
//! had, and some rows of our own are among those that ran. So they are compared, and where one began anew, or none is
//! found, all are read.

use super::link::Link;
use crate::engine::layout::Read;
use crate::engine::reading::Failure;
use crate::model::{InTopic, Noun, Rows, Scope, Statement, Topic};
use crate::texts::{Known, Texts};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// All are read this often whatever is known: should a server date a run wrongly, its numbers come late and not never.
const ALL_EVERY: Duration = Duration::from_secs(300);
/// Seconds by which a run may be dated before it is counted, with what is lost to whole seconds.
const SLACK: f64 = 3.0;
/// The server's second from which on all ran: the second day of time, since of the first MariaDB makes no time at all.
const BEGINNING: i64 = 86_400;
/// The last second that every server knows: nothing ran for the first time since.
const NEVER: i64 = i32::MAX as i64;
/// Seconds by which its clock and ours may disagree on the time between two readings: beyond it, it was set.
const DRIFT: f64 = 2.0;

#[derive(Debug, Default)]
pub struct Reread {
    last: Option<Last>,
    /// The reading under way, whose rows are not yet told.
    next: Option<Last>,
    /// What ran after this second of the server's clock is asked for.
    since: i64,
    /// And the wording of what ran for the first time after this one.
    texts_since: i64,
}

/// A reading.
#[derive(Debug)]
struct Last {
    /// As they were told: without our own, which stand beside.
    rows: Arc<Rows>,
    own: Vec<Statement>,
    /// The server's clock when it began, and ours.
    clock: f64,
    began: Instant,
    /// When all were read.
    whole: Instant,
}

impl Reread {
    /// SQL with the seconds from which on it asks.
    pub fn fill(&self, sql: &str) -> String {
        sql.replace("{since}", &self.since.to_string())
            .replace("{texts_since}", &self.texts_since.to_string())
    }

    /// The rows of the reading as they are told; without that the next reads all.
    pub fn keep(&mut self, rows: Option<Arc<Rows>>) {
        let next = self.next.take();
        self.last = next.zip(rows).map(|(last, rows)| Last { rows, ..last });
    }
}

impl Last {
    /// May what did not run since then be taken from it?
    fn serves(&self, clock: f64, now: Instant) -> bool {
        let passed = (now - self.began).as_secs_f64();
        let was_set = (clock - self.clock - passed).abs() > DRIFT;
        !was_set && self.whole.elapsed() < ALL_EVERY
    }

    /// The second of the server's clock up to which it surely tells all that ran.
    fn until(&self) -> i64 {
        (self.clock - SLACK) as i64
    }

    /// All rows, of which these have run since. None if they do not go on from there.
    fn with(&self, ran: &[Statement]) -> Option<Vec<Statement>> {
        let newest: HashMap<_, &Statement> = ran.iter().map(|row| (row.key(), row)).collect();
        let begins_anew = |row: &Statement| {
            let now = newest.get(&row.key());
            now.is_some_and(|now| now.stats_since != row.stats_since || now.calls.0 < row.calls.0)
        };
        let of_others = Statement::of(&self.rows);
        let goes_on = self.own.iter().any(|row| newest.contains_key(&row.key()));
        if !goes_on || of_others.iter().chain(&self.own).any(begins_anew) {
            return None;
        }
        let as_it_was = of_others.iter().chain(&self.own).filter(|row| !newest.contains_key(&row.key()));
        let mut rows: Vec<Statement> = as_it_was.chain(ran).cloned().collect();
        rows.sort_unstable_by_key(Noun::key);
        Some(rows)
    }
}

/// Reads the digests: all of them, or those that ran since the last time and the others as they were.
pub async fn read(link: &mut Link, file: &'static str) -> Result<Read, Failure> {
    let (clock, began) = (link.clock, Instant::now());
    let last = link.reread.last.take();
    // At first sight all are new, and so many texts would be too much beside all that is counted.
    link.reread.texts_since = last.as_ref().map_or(NEVER, Last::until);
    let last = last.filter(|last| clock.is_some_and(|clock| last.serves(clock, began)));
    if let Some(last) = last {
        link.reread.since = last.until();
        let read = link.read_in(Topic::Statements, file, &Scope::Server).await?;
        if let Some(rows) = last.with(Statement::of(&read.rows)).filter(|_| read.misfits == 0) {
            note(link, &rows, began, last.whole);
            return Ok(Read { rows: Statement::into_rows(rows), misfits: 0 });
        }
    }
    link.reread.since = BEGINNING;
    let read = link.read_in(Topic::Statements, file, &Scope::Server).await?;
    if read.misfits == 0 {
        note(link, Statement::of(&read.rows), began, began);
    }
    Ok(read)
}

fn note(link: &mut Link, rows: &[Statement], began: Instant, whole: Instant) {
    let own = own(rows, &link.server.shared.texts());
    let last = |clock| Last { rows: Arc::new(Statement::into_rows(Vec::new())), own, clock, began, whole };
    link.reread.next = link.clock.map(last);
}

fn own(rows: &[Statement], texts: &Texts) -> Vec<Statement> {
    let is_own = |row: &&Statement| {
        let known = row.server_digest.and_then(|id| texts.known(id));
        matches!(known, Some(Known::Ours(_)))
    };
    rows.iter().filter(is_own).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::made_up::row;
    use serde_json::json;

    fn statement(id: i64, calls: u64, began: f64) -> Statement {
        row(
            json!({"dbid": 1, "userid": 0, "server_digest": id, "database": "shop", "calls": calls, "rows": 1,
            "exec_seconds": 1.0, "stats_since": began}),
        )
    }

    fn last() -> Last {
        let rows = Arc::new(Statement::into_rows(vec![statement(1, 10, 5.0), statement(2, 20, 6.0)]));
        let now = Instant::now();
        Last { rows, own: vec![statement(3, 30, 7.0)], clock: 1_000.0, began: now, whole: now }
    }

    fn calls(rows: Option<Vec<Statement>>) -> Option<Vec<u64>> {
        Some(rows?.iter().map(|row| row.calls.0.get()).collect())
    }

    #[test]
    fn what_did_not_run_is_as_it_was() {
        let ran = [statement(2, 25, 6.0), statement(3, 31, 7.0), statement(4, 1, 990.0)];
        assert_eq!(calls(last().with(&ran)), Some(vec![10, 25, 31, 1]));
        assert_eq!(calls(last().with(&[statement(3, 30, 7.0)])), Some(vec![10, 20, 30]));
    }

    #[test]
    fn what_was_forgotten_meanwhile_is_read_anew() {
        assert_eq!(calls(last().with(&[])), None, "not even we ran");
        assert_eq!(calls(last().with(&[statement(4, 1, 990.0)])), None, "only others did, that are new");
        assert_eq!(calls(last().with(&[statement(3, 31, 990.0)])), None, "we began anew");
        assert_eq!(calls(last().with(&[statement(1, 3, 990.0), statement(3, 31, 7.0)])), None);
        assert_eq!(
            calls(last().with(&[statement(1, 9, 5.0), statement(3, 31, 7.0)])),
            None,
            "in the same second"
        );
    }

    #[test]
    fn a_clock_that_was_set_serves_for_nothing() {
        let last = last();
        let after = |seconds| last.began + Duration::from_secs(seconds);
        assert!(last.serves(1_015.0, after(15)) && last.serves(1_016.0, after(15)));
        assert!(!last.serves(1_012.0, after(15)) && !last.serves(4_615.0, after(15)));
    }
}
