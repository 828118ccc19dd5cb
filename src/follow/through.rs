//! What is fetched through the server itself, whichever way it has.

use super::files::Fates;
use super::list::{Through, Wanted};
use super::served::{Served, Shelf};
use super::table::{Cursor, Table};
use crate::digest::Sum;
use crate::engine::EngineError;
use crate::engine::errand::{Brought, Errand};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After an errand the server is left alone for so many times as long as its answer took: a hundredth of its time.
const LEISURE: u32 = 100;
/// After one that failed.
const AGAIN: Duration = Duration::from_secs(5);

/// How far was read, as what survives us.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    Files(Shelf),
    Table(Cursor),
}

#[derive(Debug)]
pub enum Fetcher {
    Files(Served),
    Table(Table),
}

impl Fetcher {
    /// From what a former life has kept.
    pub fn new(through: Through, kept: Option<Place>, now: f64) -> Self {
        match (through, kept) {
            (Through::Files(pattern), Some(Place::Files(shelf))) => {
                Self::Files(Served::new(Some(shelf), pattern, now))
            }
            (Through::Files(pattern), _) => Self::Files(Served::new(None, pattern, now)),
            (Through::SlowTable, Some(Place::Table(cursor))) => Self::Table(Table::new(Some(cursor))),
            (Through::SlowTable, _) => Self::Table(Table::new(None)),
        }
    }

    /// `None` while it is not known yet where we begin.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Files(served) => served.shelf().map(Place::Files),
            Self::Table(table) => table.cursor().map(Place::Table),
        }
    }

    pub fn has_begun(&self) -> bool {
        match self {
            Self::Files(served) => served.has_begun(),
            Self::Table(table) => table.cursor().is_some(),
        }
    }

    pub fn errand(&self) -> Errand {
        match self {
            Self::Files(served) => served.errand(),
            Self::Table(table) => table.errand(),
        }
    }

    /// Takes in what an errand has brought. Gives how long to rest before the next.
    pub fn take(&mut self, brought: Brought, wanted: &Wanted, sum: &mut Sum, now: f64) -> Duration {
        let Brought { what, took } = brought;
        let what = what.map_err(|failure| EngineError::from(failure).to_string());
        let failed = what.is_err();
        let (more, longer) = match self {
            Self::Files(served) => (served.take(what, wanted, sum, now), Duration::ZERO),
            Self::Table(table) => table.take(what, took, sum, now),
        };
        let shortest = match (failed, more) {
            (true, _) => AGAIN,
            (false, true) => Duration::ZERO,
            (false, false) => LOOK_EVERY,
        };
        shortest.max(longer).max(took * LEISURE)
    }

    /// Bytes written and not yet read, as far as is known.
    pub fn behind(&self) -> u64 {
        match self {
            Self::Files(served) => served.behind(),
            Self::Table(_) => 0,
        }
    }

    /// The log that was written to last.
    pub fn newest(&self) -> Option<&Path> {
        match self {
            Self::Files(served) => served.newest(),
            Self::Table(table) => table.cursor().map(|_| Path::new("mysql.slow_log")),
        }
    }

    pub fn gaps(&self) -> Vec<String> {
        match self {
            Self::Files(served) => served.gaps().collect(),
            Self::Table(table) => table.gaps().collect(),
        }
    }

    /// What has become of files since this was asked last.
    pub fn fates(&mut self) -> Fates {
        std::mem::take(match self {
            Self::Files(served) => &mut served.fates,
            Self::Table(table) => &mut table.fates,
        })
    }
}
