//! Statements by digest: bounded, and honest about what did not fit.

use super::histogram::Histogram;
use super::names::{self, ByHash, Name};
use crate::log::Micros;
use crate::sql::outline::outline;
use crate::sql::{self, Dialect, Digest, Refused};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_128;

/// What all statements of one sum may weigh. More are found in no report; the cheapest go into `other`.
const MAX_WEIGHT: usize = 48 << 20;
/// Outlines that are remembered. Past that the memory is wiped: the frequent ones are back at once.
const MAX_OUTLINES: usize = 1 << 16;
/// Statements that are still known when counting begins anew: as many as a busy server runs in a minute.
const MAX_RENEWED: usize = 4_000;
/// The longest fingerprint that is shown; the digest is of the whole.
const MAX_FINGERPRINT: usize = 8 << 10;
/// Fields of a slow log beside those with a place of their own.
pub const MAX_FIELDS: usize = 96;

/// What one statement did.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub digest: u64,
    pub fingerprint: Box<str>,
    pub calls: u64,
    /// All times are microseconds.
    pub total: u64,
    pub min: u64,
    pub max: u64,
    pub histogram: Histogram,
    pub parses: u64,
    pub parse_time: u64,
    pub binds: u64,
    pub bind_time: u64,
    pub lock_time: u64,
    pub rows_sent: u64,
    pub rows_examined: u64,
    pub rows_affected: u64,
    pub bytes_sent: u64,
    pub temp_files: u64,
    pub temp_bytes: u64,
    pub errors: u64,
    /// Of the errors, the ones where it was cancelled.
    pub cancels: u64,
    pub plans: u64,
    pub lock_waits: u64,
    pub databases: Vec<Name>,
    pub users: Vec<Name>,
    pub applications: Vec<Name>,
    pub first: Option<Micros>,
    pub last: Option<Micros>,
    /// Sums of what else the log tells, by the place of the field in `Sum::fields`.
    pub fields: Vec<f64>,
    /// It was dropped once, or may have been: there was more of it than this.
    pub partial: bool,
}

impl Row {
    pub fn duration(&mut self, micros: u64, times: u64) {
        if self.calls == 0 {
            self.min = u64::MAX;
        }
        self.calls += times;
        self.total = self.total.saturating_add(micros.saturating_mul(times));
        self.min = self.min.min(micros);
        self.max = self.max.max(micros);
        self.histogram.add(micros, u32::try_from(times).unwrap_or(u32::MAX));
    }

    pub fn seen(&mut self, at: Option<Micros>) {
        let Some(at) = at else { return };
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }

    pub fn field(&mut self, at: usize, value: f64) {
        if at >= MAX_FIELDS {
            return;
        }
        if self.fields.len() <= at {
            self.fields.resize(at + 1, 0.0);
        }
        if let Some(sum) = self.fields.get_mut(at) {
            *sum += value;
        }
    }

    /// A statement that was only logged, or only named in a deadlock, has no numbers.
    pub fn is_worth_showing(&self) -> bool {
        self.calls + self.parses + self.binds + self.temp_files + self.errors + self.plans + self.lock_waits
            > 0
    }

    fn weight(&self) -> usize {
        size_of::<Self>()
            + 64
            + self.fingerprint.len()
            + self.histogram.weight()
            + self.fields.capacity() * 8
            + (self.databases.capacity() + self.users.capacity() + self.applications.capacity()) * 2
    }

    /// Everything but the names, whose numbers differ from sum to sum.
    pub fn add(&mut self, other: &Self) {
        if other.calls > 0 {
            self.min = if self.calls > 0 { self.min.min(other.min) } else { other.min };
        }
        self.max = self.max.max(other.max);
        self.histogram.merge(&other.histogram);
        let sums: [(&mut u64, u64); 15] = [
            (&mut self.calls, other.calls),
            (&mut self.total, other.total),
            (&mut self.parses, other.parses),
            (&mut self.parse_time, other.parse_time),
            (&mut self.binds, other.binds),
            (&mut self.bind_time, other.bind_time),
            (&mut self.lock_time, other.lock_time),
            (&mut self.rows_sent, other.rows_sent),
            (&mut self.rows_examined, other.rows_examined),
            (&mut self.rows_affected, other.rows_affected),
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.temp_files, other.temp_files),
            (&mut self.temp_bytes, other.temp_bytes),
            (&mut self.errors, other.errors),
            (&mut self.plans, other.plans),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        self.lock_waits += other.lock_waits;
        self.cancels += other.cancels;
        self.seen(other.first);
        self.seen(other.last);
        self.partial |= other.partial;
    }
}

/// What has no row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rest {
    pub calls: u64,
    pub total: u64,
}

impl Rest {
    pub fn add(&mut self, calls: u64, total: u64) {
        self.calls += calls;
        self.total = self.total.saturating_add(total);
    }
}

/// Why a statement has no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// There was no room: it belonged to the cheapest.
    Room,
    /// Only its beginning is known, which it shares with others.
    Cut,
    Empty,
    Hidden,
    Several,
    Ambiguous,
    Unreadable,
    /// One of our own.
    Ours,
}

impl Why {
    pub fn name(self) -> &'static str {
        match self {
            Self::Room => "no_room",
            Self::Cut => "cut",
            Self::Empty => "empty",
            Self::Hidden => "hidden",
            Self::Several => "several",
            Self::Ambiguous => "ambiguous",
            Self::Unreadable => "unreadable",
            Self::Ours => "ours",
        }
    }
}

impl From<Refused> for Why {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Empty => Self::Empty,
            Refused::Hidden => Self::Hidden,
            Refused::Several => Self::Several,
            Refused::Ambiguous => Self::Ambiguous,
            Refused::Unreadable => Self::Unreadable,
        }
    }
}

/// A row, or why there is none.
pub type Found = Result<u32, Why>;

#[derive(Debug)]
pub struct Statements {
    dialect: Dialect,
    rows: Vec<Row>,
    by_digest: ByHash<u64, u32>,
    by_outline: ByHash<u128, Found>,
    outline: Vec<u8>,
    weight: usize,
    /// What was dropped has been dropped since: later rows may be what is left of others.
    pruned: bool,
    pub dropped: u64,
    pub others: BTreeMap<Why, Rest>,
}

impl Statements {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            rows: Vec::new(),
            by_digest: ByHash::default(),
            by_outline: ByHash::default(),
            outline: Vec::new(),
            weight: 0,
            pruned: false,
            dropped: 0,
            others: BTreeMap::new(),
        }
    }

    /// The same statements with nothing counted, so that none has to be read anew; or none, where they were many.
    pub fn renewed(&mut self) -> Self {
        let mut next = std::mem::replace(self, Self::new(self.dialect));
        if next.pruned || next.rows.len() > MAX_RENEWED {
            return Self::new(next.dialect);
        }
        for row in &mut next.rows {
            let fingerprint = std::mem::take(&mut row.fingerprint);
            *row = Row { digest: row.digest, fingerprint, ..Row::default() };
        }
        next.others.clear();
        next.dropped = 0;
        next
    }

    /// The row of a raw text.
    pub fn find(&mut self, text: &[u8]) -> Found {
        let text = text.trim_ascii();
        if !outline(self.dialect, text, &mut self.outline) {
            return self.read(text);
        }
        let key = xxh3_128(&self.outline);
        if let Some(found) = self.by_outline.get(&key) {
            return *found;
        }
        let found = self.read(text);
        if self.by_outline.len() >= MAX_OUTLINES {
            self.by_outline.clear();
        }
        self.by_outline.insert(key, found);
        found
    }

    fn read(&mut self, text: &[u8]) -> Found {
        let text = String::from_utf8_lossy(text);
        if sql::is_ours(&text) {
            return Err(Why::Ours);
        }
        let normal = sql::normalise(self.dialect, &text)?;
        let Digest(digest) = normal.key().ok_or(Why::Cut)?;
        Ok(self.row_of(digest, &normal.fingerprint))
    }

    pub fn row_of(&mut self, digest: u64, fingerprint: &str) -> u32 {
        if let Some(known) = self.by_digest.get(&digest) {
            return *known;
        }
        let fingerprint = sql::shorten(fingerprint, MAX_FINGERPRINT).into_boxed_str();
        let row = Row { digest, fingerprint, partial: self.pruned, ..Row::default() };
        self.weight += row.weight();
        let at = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.push(row);
        self.by_digest.insert(digest, at);
        at
    }

    pub fn row(&mut self, at: u32) -> Option<&mut Row> {
        self.rows.get_mut(at as usize)
    }

    pub fn get(&self, at: u32) -> Option<&Row> {
        self.rows.get(at as usize)
    }

    pub fn by_digest(&self, digest: u64) -> Option<u32> {
        self.by_digest.get(&digest).copied()
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub fn other(&mut self, why: Why, calls: u64, total: u64) {
        self.others.entry(why).or_default().add(calls, total);
    }

    /// Whether there is too much, by what rows weighed when they were weighed last.
    pub fn is_full(&self) -> bool {
        self.weight > MAX_WEIGHT
    }

    /// Weighs all rows: they grow with what is seen of them.
    pub fn is_heavy(&mut self) -> bool {
        self.weight = self.rows.iter().map(Row::weight).sum();
        self.is_full()
    }

    /// Drops the cheaper half. Numbers of rows change: nobody may keep one over this.
    pub fn prune(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by_key(|row| std::cmp::Reverse((row.total, row.calls)));
        for row in rows.split_off(rows.len() / 2) {
            self.dropped += 1;
            self.other(Why::Room, row.calls, row.total);
        }
        self.pruned = true;
        self.by_outline.clear();
        self.weight = rows.iter().map(Row::weight).sum();
        self.by_digest = (0..).zip(&rows).map(|(at, row)| (row.digest, at)).collect();
        self.rows = rows;
    }

    /// Adds the rows of another sum; `rename` gives our number of its names and fields.
    pub fn merge(&mut self, other: Self, rename: impl Fn(Name) -> Option<Name>, fields: &[usize]) {
        for row in other.rows {
            let at = self.row_of(row.digest, &row.fingerprint);
            let Some(ours) = self.row(at) else { continue };
            ours.add(&row);
            let lists = [
                (&mut ours.databases, &row.databases),
                (&mut ours.users, &row.users),
                (&mut ours.applications, &row.applications),
            ];
            for (list, more) in lists {
                more.iter().filter_map(|name| rename(*name)).for_each(|name| names::add(list, name));
            }
            for (value, at) in row.fields.iter().zip(fields).filter(|(value, _)| **value != 0.0) {
                ours.field(*at, *value);
            }
            if self.is_full() {
                self.prune();
            }
        }
        self.dropped += other.dropped;
        self.pruned |= other.pruned;
        for (why, rest) in other.others {
            self.other(why, rest.calls, rest.total);
        }
    }
}
