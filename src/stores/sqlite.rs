//! State in one SQLite file, opened by nobody else. Whatever is found in it is doubted first.

use super::columns::{self, Unreadable};
use super::files::FILE;
use super::ladder::{Held, Steps, lacking, load, number, parse_place, write};
use super::levels::Levels;
use crate::json;
use crate::ledger::Entry;
use crate::model::{Name, Snapshot, Topic, When};
use crate::store::{Hourly, Lessons, Rung, Step, Store, StoreError, beginning, promote};
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Marks the file as ours: "dbso".
const APPLICATION: i64 = 0x6462_736f;
const SCHEMA: i64 = 1;
/// A large file on a slow disk is believed after this; parts have their own checksums.
const MAX_CHECK: Duration = Duration::from_secs(5);
pub(super) const PAGE_BYTES: u64 = 4_096;
pub const DEFAULT_MAX_BYTES: u64 = 512 << 20;
/// When room is short, what nobody has written for this long goes first.
pub(super) const FORGOTTEN_AFTER: f64 = 30.0 * 86_400.0;

const TABLES: &str = "
    CREATE TABLE step (target TEXT NOT NULL, rung INTEGER NOT NULL, nth INTEGER NOT NULL, taken REAL NOT NULL,
        PRIMARY KEY (target, rung, nth)) STRICT, WITHOUT ROWID;
    CREATE TABLE part (target TEXT NOT NULL, rung INTEGER NOT NULL, nth INTEGER NOT NULL, topic TEXT NOT NULL,
        scope TEXT NOT NULL, epoch TEXT NOT NULL, content BLOB NOT NULL,
        UNIQUE (target, rung, nth, topic, scope)) STRICT;
    CREATE TABLE ledger (target TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;
    CREATE TABLE series (id INTEGER PRIMARY KEY, target TEXT NOT NULL, topic TEXT NOT NULL, scope TEXT NOT NULL,
        key TEXT NOT NULL, field TEXT NOT NULL, UNIQUE (target, topic, scope, key, field)) STRICT;
    CREATE TABLE level (series INTEGER NOT NULL, hour INTEGER NOT NULL, value REAL NOT NULL,
        PRIMARY KEY (series, hour)) STRICT, WITHOUT ROWID;";

/// Came later: a version that does not know them leaves them alone.
const LATER_TABLES: &str = "
    CREATE TABLE IF NOT EXISTS log (target TEXT PRIMARY KEY, written REAL NOT NULL, content BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS lessons (target TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;";

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let why = format!("SQLite: {error}");
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OutOfMemory
                | ErrorCode::NoLargeFileSupport,
            ) => StoreError::Retry(why),
            // Our statements are constants and fit our tables: what else fails is not our file as we left it.
            _ => StoreError::SetAside { label: "damaged", why },
        }
    }
}

#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    targets: HashMap<Name, Steps>,
    levels: Levels,
}

impl Sqlite {
    pub fn open(path: &Path, max_bytes: u64) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        // Closing a file must not change it: it may have to be set aside as it was found.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Exclusive before the first access: then the index of the log is in memory, not in a mapped file that
        // could be cut under us.
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;",
        )?;
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let version = number("PRAGMA user_version")?;
        let is_new = version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
        if !is_new {
            is_ours(number("PRAGMA application_id")?, version)?;
            check(&connection)?;
        }
        let pages = (max_bytes / PAGE_BYTES).max(16);
        // The version is written each time: whoever cannot write hears of it now.
        connection.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA max_page_count = {pages};
             PRAGMA journal_size_limit = 4194304; PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;
             BEGIN IMMEDIATE; {} {LATER_TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA}; COMMIT;",
            if is_new { TABLES } else { "" },
        ))?;
        let targets = load(&connection)?;
        let levels = Levels::open(&connection)?;
        Ok(Self { connection, targets, levels })
    }

    fn steps(&self, target: &Name) -> Vec<Step> {
        let steps = self.targets.get(target).into_iter().flatten();
        steps.map(|((rung, nth), held)| Step { rung: *rung, nth: *nth, taken: held.taken }).collect()
    }

    /// Does something as a whole; makes room once when there is none.
    fn whole<T>(
        &mut self,
        now: Option<f64>,
        work: impl Fn(&Transaction<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, StoreError> {
        let attempt = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok::<T, rusqlite::Error>(done)
        };
        let mut done = attempt(&mut self.connection);
        if done.as_ref().is_err_and(is_full) && make_room(&mut self.connection, now)? {
            done = attempt(&mut self.connection);
        }
        Ok(done?)
    }

    /// What a target has one of, replaced as a whole.
    fn keep_whole(
        &mut self,
        table: &'static str,
        target: &Name,
        kept: &(impl Serialize + ?Sized),
    ) -> Result<(), StoreError> {
        let text = serde_json::to_vec(kept).unwrap_or_default();
        // What is kept so is bounded; what does not fit was never one of ours.
        let Ok(content) = columns::seal(&text) else { return Ok(()) };
        let sql = format!(
            "INSERT INTO {table} (target, content) VALUES (?1, ?2)
             ON CONFLICT (target) DO UPDATE SET content = excluded.content"
        );
        self.whole(None, |transaction| {
            transaction.prepare_cached(&sql)?.execute(params![target.as_str(), content]).map(drop)
        })
    }

    fn read_whole<T: DeserializeOwned + Default>(
        &mut self,
        table: &'static str,
        target: &Name,
        unreadable: &'static str,
    ) -> Result<T, StoreError> {
        let sql = format!("SELECT content FROM {table} WHERE target = ?1");
        let mut query = self.connection.prepare_cached(&sql)?;
        let mut rows = query.query([target.as_str()])?;
        let Some(row) = rows.next()? else { return Ok(T::default()) };
        let ValueRef::Blob(content) = row.get_ref(0)? else { return Ok(T::default()) };
        let read = columns::unseal(content).ok().and_then(|text| json::read(&text).ok());
        if read.is_none() {
            tracing::warn!(%target, "{unreadable}");
        }
        Ok(read.unwrap_or_default())
    }

    /// The snapshot of one step. Parts that cannot be read are forgotten, so that they are taken anew.
    fn read(&mut self, target: &Name, rung: Rung, nth: u8) -> Result<Snapshot, StoreError> {
        let mut snapshot = Snapshot::default();
        let mut bad = Vec::new();
        let mut query = self.connection.prepare_cached(
            "SELECT rowid, topic, scope, content FROM part WHERE (target, rung, nth) = (?1, ?2, ?3)",
        )?;
        let mut rows = query.query(params![target.as_str(), number(rung), nth])?;
        while let Some(row) = rows.next()? {
            let read = match row.get_ref(3)? {
                ValueRef::Blob(content) => columns::decode(content),
                _ => Err(Unreadable::Damaged),
            };
            match read {
                Ok((scope, part)) => {
                    snapshot.parts.insert((part.rows.topic(), scope), part);
                }
                Err(why) => {
                    let place = parse_place(row.get_ref(1)?, row.get_ref(2)?);
                    tracing::warn!(%target, ?rung, ?place, %why, "a part of the state cannot be read");
                    bad.push((row.get::<_, i64>(0)?, place));
                }
            }
        }
        drop(rows);
        drop(query);
        for (rowid, place) in bad {
            self.connection.execute("DELETE FROM part WHERE rowid = ?1", [rowid])?;
            if let (Some(place), Some(steps)) = (place, self.targets.get_mut(target))
                && let Some(held) = steps.get_mut(&(rung, nth))
            {
                held.places.remove(&place);
            }
        }
        Ok(snapshot)
    }
}

impl Store for Sqlite {
    fn keep_snapshot(&mut self, target: &Name, now: &When, snapshot: &Snapshot) -> Result<(), StoreError> {
        let begun = promote(now.wall, &self.steps(target));
        let mut steps = self.targets.get(target).cloned().unwrap_or_default();
        for step in &begun {
            steps.insert(*step, Held { taken: now.wall, places: BTreeMap::new() });
        }
        let parts = lacking(&mut steps, snapshot);
        if !(begun.is_empty() && parts.is_empty()) {
            self.whole(Some(now.wall), |transaction| write(transaction, target, now.wall, &begun, &parts))?;
            self.targets.insert(target.clone(), steps);
        }
        let rows = self.levels.due(target, now.wall, snapshot);
        if !rows.is_empty() {
            let known = self.levels.clone();
            self.levels =
                self.whole(Some(now.wall), |transaction| known.write(transaction, target, now.wall, &rows))?;
        }
        Ok(())
    }

    fn ladder(&mut self, target: &Name, now: f64) -> Result<Vec<(Rung, Snapshot)>, StoreError> {
        let steps = self.steps(target);
        let begin = |rung| beginning(now, rung, &steps);
        Rung::ALL
            .into_iter()
            .filter_map(begin)
            .map(|step| Ok((step.rung, self.read(target, step.rung, step.nth)?)))
            .collect()
    }

    fn keep_ledger(&mut self, target: &Name, entries: &[Entry]) -> Result<(), StoreError> {
        self.keep_whole("ledger", target, entries)
    }

    fn ledger(&mut self, target: &Name) -> Result<Vec<Entry>, StoreError> {
        self.read_whole("ledger", target, "the kept findings cannot be read: their ages begin anew")
    }

    fn keep_lessons(&mut self, target: &Name, lessons: &Lessons) -> Result<(), StoreError> {
        self.keep_whole("lessons", target, lessons)
    }

    fn lessons(&mut self, target: &Name) -> Result<Lessons, StoreError> {
        self.read_whole("lessons", target, "the kept plans cannot be read: they are asked for anew")
    }

    fn keep_logs(&mut self, target: &Name, now: f64, content: &[u8]) -> Result<(), StoreError> {
        self.whole(Some(now), |transaction| {
            let sql = "INSERT INTO log (target, written, content) VALUES (?1, ?2, ?3)
                       ON CONFLICT (target) DO UPDATE SET written = excluded.written, content = excluded.content";
            transaction.prepare_cached(sql)?.execute(params![target.as_str(), now, content]).map(drop)
        })
    }

    fn logs(&mut self, target: &Name) -> Result<Option<Vec<u8>>, StoreError> {
        let mut query = self.connection.prepare_cached("SELECT content FROM log WHERE target = ?1")?;
        let mut rows = query.query([target.as_str()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(match row.get_ref(0)? {
            ValueRef::Blob(content) => Some(content.to_vec()),
            _ => None,
        })
    }

    fn levels(&mut self, target: &Name, topic: Topic) -> Result<Vec<Hourly>, StoreError> {
        Ok(Levels::read(&self.connection, target, topic)?)
    }
}

fn is_ours(application: i64, version: i64) -> Result<(), StoreError> {
    if application != APPLICATION {
        return Err(StoreError::SetAside {
            label: "damaged",
            why: format!("{FILE} is not a state of dbsonde"),
        });
    }
    if version > SCHEMA {
        let why = format!("{FILE} was written by a later version (schema {version}, known: {SCHEMA})");
        return Err(StoreError::SetAside { label: "future", why });
    }
    Ok(())
}

/// Reads the whole file, as far as time allows.
fn check(connection: &Connection) -> Result<(), StoreError> {
    let interrupt = connection.get_interrupt_handle();
    let (done, waits) = channel::<()>();
    let timer = std::thread::spawn(move || {
        if waits.recv_timeout(MAX_CHECK) == Err(RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let verdict = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    drop(done);
    // Joined, so that a late interrupt cannot hit what comes next.
    let _ = timer.join();
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(StoreError::SetAside { label: "damaged", why: format!("SQLite: {verdict}") }),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// First what belongs to targets that are not watched any more, then the oldest quarter of the levels. False
/// when there was nothing to give up.
fn make_room(connection: &mut Connection, now: Option<f64>) -> Result<bool, StoreError> {
    let transaction = connection.transaction()?;
    let mut gone = 0;
    if let Some(now) = now {
        let old = "SELECT target FROM step GROUP BY target HAVING max(taken) < ?1";
        for table in ["part", "ledger", "lessons", "step"] {
            let sql = format!("DELETE FROM {table} WHERE target IN ({old})");
            gone += transaction.execute(&sql, [now - FORGOTTEN_AFTER])?;
        }
        gone += transaction.execute("DELETE FROM log WHERE written < ?1", [now - FORGOTTEN_AFTER])?;
    }
    if gone == 0 {
        let oldest = "SELECT min(hour) + (max(hour) - min(hour)) / 4 FROM level";
        gone = transaction.execute(&format!("DELETE FROM level WHERE hour <= ({oldest})"), [])?;
    }
    transaction.commit()?;
    Ok(gone > 0)
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}
