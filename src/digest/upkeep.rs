//! What the server did for itself: vacuum, checkpoints; and how long sessions lasted.

use crate::logs::fact::{Checkpoint, Vacuum};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Tables that are told apart; a schema with more has its busiest among the first seen.
const MAX_TABLES: usize = 2000;
/// The longest name of a table that is kept, with its database and schema.
const MAX_NAME: usize = 200;

#[derive(Debug, Default)]
pub struct Upkeep {
    pub tables: BTreeMap<String, Table>,
    pub tables_dropped: u64,
    pub checkpoints: Checkpoints,
    pub sessions: u64,
    /// In microseconds.
    pub session_time: u64,
}

/// The runs of the autovacuum on one table.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Table {
    pub vacuums: u64,
    pub aggressive_vacuums: u64,
    pub analyzes: u64,
    pub tuples_removed: u64,
    /// The most that could not be removed at one time.
    pub tuples_dead_max: u64,
    pub pages_removed: u64,
    pub pages_scanned: u64,
    pub buffer_hits: u64,
    pub buffer_misses: u64,
    pub buffer_dirtied: u64,
    pub wal_bytes: u64,
    pub elapsed_seconds: Elapsed,
    pub elapsed_seconds_max: Elapsed,
}

#[derive(Debug, Default, Clone, Serialize)]
pub struct Checkpoints {
    pub completed: u64,
    pub buffers_written: u64,
    pub wal_added: u64,
    pub wal_removed: u64,
    pub wal_recycled: u64,
    pub write_seconds: Elapsed,
    pub sync_seconds: Elapsed,
    pub total_seconds: Elapsed,
    pub total_seconds_max: Elapsed,
    pub distance_bytes: u64,
}

/// Whole microseconds, shown as seconds: a sum of them is the same in whatever order it was made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elapsed(u64);

impl Elapsed {
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    fn plus(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }
}

impl Serialize for Elapsed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.seconds())
    }
}

impl Upkeep {
    pub fn vacuum(&mut self, run: &Vacuum) {
        let name = run.table.get(..MAX_NAME.min(run.table.len())).unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        if self.tables.len() >= MAX_TABLES && !self.tables.contains_key(&name) {
            self.tables_dropped += 1;
            return;
        }
        let elapsed = Elapsed(run.elapsed);
        self.tables.entry(name).or_default().add(&Table {
            vacuums: u64::from(!run.analyze),
            aggressive_vacuums: u64::from(run.aggressive && !run.analyze),
            analyzes: u64::from(run.analyze),
            tuples_removed: run.tuples_removed,
            tuples_dead_max: run.tuples_dead,
            pages_removed: run.pages_removed,
            pages_scanned: run.pages_scanned,
            buffer_hits: run.buffer_hits,
            buffer_misses: run.buffer_misses,
            buffer_dirtied: run.buffer_dirtied,
            wal_bytes: run.wal_bytes,
            elapsed_seconds: elapsed,
            elapsed_seconds_max: elapsed,
        });
    }

    pub fn checkpoint(&mut self, one: &Checkpoint) {
        let total = Elapsed(one.total);
        self.checkpoints.add(&Checkpoints {
            completed: 1,
            buffers_written: one.buffers,
            wal_added: one.wal_added,
            wal_removed: one.wal_removed,
            wal_recycled: one.wal_recycled,
            write_seconds: Elapsed(one.write),
            sync_seconds: Elapsed(one.sync),
            total_seconds: total,
            total_seconds_max: total,
            distance_bytes: one.distance_bytes,
        });
    }

    pub fn session(&mut self, micros: u64) {
        self.sessions += 1;
        self.session_time = self.session_time.saturating_add(micros);
    }

    pub fn merge(&mut self, later: Self) {
        for (name, table) in later.tables {
            if self.tables.len() >= MAX_TABLES && !self.tables.contains_key(&name) {
                self.tables_dropped += table.vacuums + table.analyzes;
            } else {
                self.tables.entry(name).or_default().add(&table);
            }
        }
        self.tables_dropped += later.tables_dropped;
        self.checkpoints.add(&later.checkpoints);
        self.sessions += later.sessions;
        self.session_time = self.session_time.saturating_add(later.session_time);
    }
}

impl Table {
    fn add(&mut self, more: &Self) {
        self.vacuums += more.vacuums;
        self.aggressive_vacuums += more.aggressive_vacuums;
        self.analyzes += more.analyzes;
        self.tuples_removed = self.tuples_removed.saturating_add(more.tuples_removed);
        self.tuples_dead_max = self.tuples_dead_max.max(more.tuples_dead_max);
        self.pages_removed = self.pages_removed.saturating_add(more.pages_removed);
        self.pages_scanned = self.pages_scanned.saturating_add(more.pages_scanned);
        self.buffer_hits = self.buffer_hits.saturating_add(more.buffer_hits);
        self.buffer_misses = self.buffer_misses.saturating_add(more.buffer_misses);
        self.buffer_dirtied = self.buffer_dirtied.saturating_add(more.buffer_dirtied);
        self.wal_bytes = self.wal_bytes.saturating_add(more.wal_bytes);
        self.elapsed_seconds = self.elapsed_seconds.plus(more.elapsed_seconds);
        self.elapsed_seconds_max = self.elapsed_seconds_max.max(more.elapsed_seconds_max);
    }
}

impl Checkpoints {
    fn add(&mut self, more: &Self) {
        self.completed += more.completed;
        self.buffers_written = self.buffers_written.saturating_add(more.buffers_written);
        self.wal_added = self.wal_added.saturating_add(more.wal_added);
        self.wal_removed = self.wal_removed.saturating_add(more.wal_removed);
        self.wal_recycled = self.wal_recycled.saturating_add(more.wal_recycled);
        self.write_seconds = self.write_seconds.plus(more.write_seconds);
        self.sync_seconds = self.sync_seconds.plus(more.sync_seconds);
        self.total_seconds = self.total_seconds.plus(more.total_seconds);
        self.total_seconds_max = self.total_seconds_max.max(more.total_seconds_max);
        self.distance_bytes = self.distance_bytes.saturating_add(more.distance_bytes);
    }
}
