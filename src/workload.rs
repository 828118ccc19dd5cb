//! What statements have cost lately, and before that: the newest stretches added up by database and digest, whoever
//! sent the statement. Pages about statements read this. It keeps a row only for what was called, so that it is
//! small where the snapshots of twenty thousand statements are not.

use crate::model::{Count, InTopic, Name, Noun, Part, Statement, Stretch, Total, Unit};
use crate::sql::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Statements kept one by one in each sum: as many as pg_stat_statements can sensibly hold. The rest counts in the
/// whole only.
const MAX_STATEMENTS: usize = 20_000;
/// What "before" means: between one and two days, so that the same hour of yesterday is in it.
const BEFORE: Duration = Duration::from_secs(86_400);

/// A statement in a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    pub digest: Digest,
    pub database: Name,
}

pub fn ran(row: &Statement) -> bool {
    row.calls != Total(Count::new(0))
}

/// What each statement of a known name did within a stretch, whoever sent it.
pub fn by_statement(stretch: &Stretch) -> BTreeMap<Key, Cost> {
    let mut sum = Sum::default();
    sum.add(stretch, &[]);
    sum.statements
}

macro_rules! cost {
    ($($(#[$doc:meta])* $field:ident = $of:expr;)+) => {
        /// What a statement has cost. What the engine does not tell adds nothing: a page may speak of what is there,
        /// never of what is missing.
        #[derive(Debug, Clone, Copy, Default, PartialEq)]
        pub struct Cost {
            $($(#[$doc])* pub $field: f64,)+
        }

        impl Cost {
            fn of(row: &Statement) -> Cost {
                $(let $field: f64 = { let of: fn(&Statement) -> f64 = $of; of(row) };)+
                Cost { $($field,)+ }
            }

            fn add(&mut self, other: &Cost) {
                $(self.$field += other.$field;)+
            }
        }
    };
}

cost! {
    calls = |row| row.calls.float();
    /// Returned or changed.
    rows = |row| row.rows.float();
    exec_seconds = |row| row.exec_seconds.float();
    /// The squares of what its runs took, added up, where the server tells how they differ. It takes two readings to know.
    square_seconds = |_| 0.0;
    plans = |row| known(row.plans);
    plan_seconds = |row| known(row.plan_seconds);
    /// Table and index data it went through, in memory or not.
    touched_bytes = |row| known(row.shared_hit_bytes) + known(row.shared_read_bytes);
    /// The part of it that was not in the server's own cache.
    read_bytes = |row| known(row.shared_read_bytes);
    /// Rows it looked at, where the server tells those and no data.
    examined_rows = |row| known(row.examined_rows);
    errors = |row| known(row.errors);
    tmp_tables = |row| known(row.tmp_tables);
    tmp_disk_tables = |row| known(row.tmp_disk_tables);
    full_joins = |row| known(row.full_joins);
    range_checks = |row| known(row.range_checks);
    spilled_bytes = |row| known(row.temp_written_bytes);
    wal_bytes = |row| known(row.wal_bytes);
    wal_full_images = |row| known(row.wal_full_images);
    jit_functions = |row| known(row.jit_functions);
    /// Compiling, all steps of it; what takes rows apart is part of the first.
    jit_seconds = |row| known(row.jit_generation_seconds)
        + known(row.jit_inlining_seconds)
        + known(row.jit_optimization_seconds)
        + known(row.jit_emission_seconds);
}

fn known<U: Unit>(total: Option<Total<U>>) -> f64 {
    total.map_or(0.0, Total::float)
}

impl Cost {
    pub fn mean_seconds(&self) -> f64 {
        self.each(self.exec_seconds)
    }

    /// How much its runs differ: their standard deviation. Zero where the server does not tell.
    pub fn deviation(&self) -> f64 {
        let mean = self.mean_seconds();
        (self.each(self.square_seconds) - mean * mean).max(0.0).sqrt()
    }

    /// Of something, how much a call.
    pub fn each(&self, of: f64) -> f64 {
        of / self.calls.max(1.0)
    }
}

/// Stretches of statements added up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sum {
    pub seconds: f64,
    /// All statements together, those without a name included.
    pub whole: Cost,
    pub statements: BTreeMap<Key, Cost>,
    /// Not watched but remembered by the server: since when it counts.
    pub by_hearsay: bool,
}

impl Sum {
    /// `lives` has the same rows as they are at the end of the stretch, since they began.
    fn add(&mut self, stretch: &Stretch, lives: &[Statement]) {
        self.seconds += stretch.seconds;
        let mut lives = lives.iter().peekable();
        for row in Statement::of(&stretch.rows).iter().filter(|row| ran(row)) {
            let mut cost = Cost::of(row);
            // Both are sorted by key, as engines deliver them.
            while lives.next_if(|life| life.key() < row.key()).is_some() {}
            if let Some(life) = lives.next_if(|life| life.key() == row.key()) {
                cost.square_seconds = squares(row, life).unwrap_or_default();
            }
            self.whole.add(&cost);
            let (Some(database), Some(digest)) = (&row.database, row.digest) else { continue };
            let key = Key { digest, database: database.clone() };
            if let Some(known) = self.statements.get_mut(&key) {
                known.add(&cost);
            } else if self.statements.len() < MAX_STATEMENTS {
                self.statements.insert(key, cost);
            }
        }
    }

    /// What the server has counted since its own reset.
    pub fn since_reset(stretch: &Stretch) -> Sum {
        let mut sum = Sum { by_hearsay: true, ..Sum::default() };
        sum.add(stretch, Statement::of(&stretch.rows));
        sum
    }

    /// Of a cost, how much in a second.
    pub fn rate(&self, of: f64) -> f64 {
        of / self.seconds.max(1.0)
    }
}

/// The squares of what the runs of a stretch took: those of its life until the end, less those until the beginning.
fn squares(row: &Statement, life: &Statement) -> Option<f64> {
    let deviation = row.stddev_exec_seconds?;
    let (calls, seconds) = (life.calls.float(), life.exec_seconds.float());
    let (calls_before, seconds_before) = (calls - row.calls.float(), seconds - row.exec_seconds.float());
    // Of two readings the one that is not the last is the first.
    let deviation_before = deviation.min.float() + deviation.max.float() - deviation.last.float();
    let until = |calls: f64, seconds: f64, deviation: f64| {
        let mean = seconds / calls.max(1.0);
        calls * (deviation * deviation + mean * mean)
    };
    let before = until(calls_before, seconds_before, deviation_before);
    Some((until(calls, seconds, deviation.last.float()) - before).max(0.0))
}

/// A sum that moves along: it covers between one and two spans, and always the newest.
#[derive(Debug, Clone, Default)]
struct Moving {
    sum: Arc<Sum>,
    younger: Sum,
}

impl Moving {
    fn add(&mut self, stretch: &Stretch, lives: &[Statement], span: Duration) {
        if self.younger.seconds >= span.as_secs_f64() {
            self.sum = Arc::new(std::mem::take(&mut self.younger));
        }
        Arc::make_mut(&mut self.sum).add(stretch, lives);
        self.younger.add(stretch, lives);
    }
}

#[derive(Debug, Clone, Default)]
pub struct Workload {
    lately: Moving,
    before: Moving,
    /// What a former life left, the nearest first, until the first stretch of this life.
    past: Vec<Part>,
}

impl Workload {
    /// Takes the newest stretch in; `span` is the longest time that a page calls lately.
    pub fn add(&mut self, stretch: &Stretch, now: &Part, span: Duration) {
        let young = |past: &Part| now.taken.seconds_since(&past.taken) <= 2.0 * BEFORE.as_secs_f64();
        let oldest = std::mem::take(&mut self.past).into_iter().rfind(young);
        let since = oldest.and_then(|past| Stretch::between(&past, now).ok());
        if since.is_some() {
            // It is longer than what was added up so far, and holds that as well.
            self.before = Moving::default();
        }
        let lives = Statement::of(&now.rows);
        self.before.add(since.as_ref().unwrap_or(stretch), lives, BEFORE);
        self.lately.add(stretch, lives, span);
    }

    /// Snapshots of a former life, the nearest first: what was before begins at the oldest that is young enough.
    pub fn remember(&mut self, past: Part) {
        self.past.push(past);
    }

    /// The statistics began anew, or another server answers: nothing of before compares.
    pub fn forget(&mut self) {
        (self.lately, self.before) = (Moving::default(), Moving::default());
    }

    pub fn lately(&self) -> Arc<Sum> {
        self.lately.sum.clone()
    }

    pub fn before(&self) -> Arc<Sum> {
        self.before.sum.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Scope, Snapshot, Topic, Window};
    use crate::rules::tests::made_up::{row, snapshot};
    use serde_json::json;

    fn read(at: f64, calls: i64) -> Snapshot {
        let of = |userid: i64, digest: &str, calls: i64| {
            row(json!({"dbid": 1, "userid": userid, "server_digest": 5, "database": "shop", "digest": digest,
                "calls": calls, "rows": 2 * calls, "exec_seconds": calls as f64, "temp_written_bytes": 8 * calls}))
        };
        let idle = row(
            json!({"dbid": 1, "userid": 7, "server_digest": 5, "database": "shop", "digest": "00000000000000ff"}),
        );
        let unnamed =
            row(json!({"dbid": 1, "userid": 8, "server_digest": 5, "calls": calls, "exec_seconds": 1.0}));
        let rows = vec![of(1, "00000000000000aa", calls), of(2, "00000000000000aa", calls), idle, unnamed];
        snapshot::<Statement>(at, Scope::Server, rows)
    }

    fn part(snapshot: &Snapshot) -> &Part {
        &snapshot.parts[&(Topic::Statements, Scope::Server)]
    }

    fn take(workload: &mut Workload, from: (f64, i64), to: (f64, i64)) {
        let (before, after) = (read(from.0, from.1), read(to.0, to.1));
        let window = Window::between(&before, &after);
        let stretch = window.stretch(Topic::Statements, &Scope::Server).unwrap();
        workload.add(stretch, part(&after), Duration::from_secs(60));
    }

    #[test]
    fn users_of_one_statement_are_one_and_what_is_idle_takes_no_room() {
        let mut workload = Workload::default();
        take(&mut workload, (0.0, 10), (15.0, 13));
        let lately = workload.lately();
        let (key, cost) = lately.statements.iter().next().unwrap();
        assert_eq!((lately.statements.len(), &*key.database, key.digest), (1, "shop", Digest(0xaa)));
        assert_eq!((cost.calls, cost.rows, cost.spilled_bytes, cost.mean_seconds()), (6.0, 12.0, 48.0, 1.0));
        assert_eq!((lately.whole.calls, lately.seconds), (9.0, 15.0), "the unnamed is in the whole");
    }

    #[test]
    fn a_stretch_of_what_ran_tells_the_same() {
        let (before, after) = (read(0.0, 10), read(15.0, 13));
        let window = Window::between(&before, &after);
        let whole = window.stretch(Topic::Statements, &Scope::Server).unwrap();
        let kept = whole.keeping(ran);
        assert_eq!((whole.rows.len(), kept.rows.len(), kept.fresh.len()), (4, 3, 3));
        assert_eq!(by_statement(&kept), by_statement(whole));
        assert_eq!((kept.seconds, kept.unpaired), (whole.seconds, whole.unpaired));
    }

    /// A hundred runs of 10 ms, then in the stretch ninety of 10 ms and ten of a second.
    #[test]
    fn how_much_runs_differ_is_told_of_the_stretch_alone() {
        let read = |at: f64, calls: i64, seconds: f64, deviation: f64| {
            snapshot::<Statement>(
                at,
                Scope::Server,
                vec![row(json!({
                    "dbid": 1, "userid": 1, "server_digest": 5, "database": "shop", "digest": "00000000000000aa",
                    "calls": calls, "exec_seconds": seconds, "stddev_exec_seconds": deviation,
                }))],
            )
        };
        // Of two hundred runs ten took a second: what the server says in the end.
        let (mean, squares) = (11.9 / 200.0, 190.0 * 0.01_f64.powi(2) + 10.0);
        let after = read(15.0, 200, 11.9, (squares / 200.0 - mean * mean).sqrt());
        let window = Window::between(&read(0.0, 100, 1.0, 0.0), &after);
        let mut workload = Workload::default();
        let stretch = window.stretch(Topic::Statements, &Scope::Server).unwrap();
        workload.add(stretch, part(&after), Duration::from_secs(60));
        let cost = *workload.lately().statements.values().next().unwrap();
        assert!((cost.square_seconds - 10.009).abs() < 1e-6, "{}", cost.square_seconds);
        let own = 0.1 * (1.0 - 0.109_f64).powi(2) + 0.9 * (0.01 - 0.109_f64).powi(2);
        assert!((cost.deviation() - own.sqrt()).abs() < 1e-6, "{}", cost.deviation());
    }

    #[test]
    fn lately_moves_along_and_before_stays() {
        let mut workload = Workload::default();
        for nth in 0..20 {
            let at = f64::from(nth) * 15.0;
            take(&mut workload, (at, 0), (at + 15.0, 1));
            let covered = workload.lately().seconds;
            assert!(covered >= 60.0_f64.min(at + 15.0) && covered <= 135.0, "{covered}");
        }
        assert_eq!((workload.before().seconds, workload.before().whole.calls), (300.0, 60.0));
        workload.forget();
        assert_eq!(workload.lately().seconds, 0.0);
    }

    #[test]
    fn what_a_former_life_left_is_before() {
        let mut workload = Workload::default();
        workload.remember(part(&read(0.0, 100)).clone());
        take(&mut workload, (3_600.0, 400), (3_615.0, 401));
        assert_eq!((workload.before().seconds, workload.lately().seconds), (3_615.0, 15.0));
        let mut workload = Workload::default();
        workload.remember(part(&read(0.0, 100)).clone());
        take(&mut workload, (9e5, 400), (9e5 + 15.0, 401));
        assert_eq!(workload.before().seconds, 15.0, "too long ago");
    }
}
