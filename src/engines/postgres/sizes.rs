//! True sizes, for which the server must ask its file system: the biggest first, a few at a time, each seldom.

use super::link::{Link, locked};
use crate::engine::reading::{Failure, Identity};
use crate::engine::{EngineError, Visit};
use crate::model::{DatabaseSize, InTopic, Name, Noun, Rows, Scope, Table, TableSize, Topic};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Tables asked for at one stop: some fifty stat() calls.
const TABLES_AT_ONCE: usize = 25;
/// Tables of a database whose true size is followed; the others have what vacuum knows.
const MAX_TABLES: usize = 300;

#[derive(Debug, Default)]
pub struct Sizes {
    tables: HashMap<Name, BTreeMap<i64, (TableSize, Instant)>>,
    databases: BTreeMap<i64, (DatabaseSize, Instant)>,
}

impl Sizes {
    /// Forgets what was known of databases that are no more.
    pub fn forget(&mut self, gone: &[Scope]) {
        self.tables.retain(|name, _| !gone.contains(&Scope::Database(name.clone())));
    }

    /// Asks for the sizes that are due in the database we are in.
    pub async fn measure(
        &mut self,
        link: &mut Link,
        here: &Name,
        identity: &Identity,
        every: Duration,
        visit: &mut Visit,
    ) -> Result<(), EngineError> {
        let scope = Scope::Database(here.clone());
        let read = visit.sample.parts.iter().find(|(topic, of, _)| *topic == Topic::Tables && *of == scope);
        let Some(tables) = read.map(|(.., part)| part.rows.clone()) else { return Ok(()) };
        let known = self.tables.entry(here.clone()).or_default();
        let due = due(Table::of(&tables), known, every);
        if !due.is_empty() {
            let asked = Instant::now();
            let read = Failure::forgive(link.read_with(Topic::TableSizes, "sizes", &[&due]).await)?;
            if let Some(read) = read {
                let rows = TableSize::of(&read.rows).iter().cloned();
                known.extend(rows.map(|row| (row.key().0, (row, asked))));
            }
            visit.cost += asked.elapsed();
            let rows = Rows::TableSizes(known.values().map(|(row, _)| row.clone()).collect());
            visit.sample.parts.push((Topic::TableSizes, scope, identity.own_part(link.server.clock, rows)));
        }
        self.database(link, here, identity, every, visit).await
    }

    async fn database(
        &mut self,
        link: &mut Link,
        here: &Name,
        identity: &Identity,
        every: Duration,
        visit: &mut Visit,
    ) -> Result<(), EngineError> {
        let Some(oid) = locked(&link.server.memory).oid_of(here) else { return Ok(()) };
        let is_due = |(_, asked): &(DatabaseSize, Instant)| asked.elapsed() >= every;
        if !self.databases.get(&i64::from(oid)).is_none_or(is_due) {
            return Ok(());
        }
        let asked = Instant::now();
        let read = Failure::forgive(link.read_with(Topic::DatabaseSizes, "database_sizes", &[&oid]).await)?;
        if let Some(read) = read {
            let rows = DatabaseSize::of(&read.rows).iter().cloned();
            self.databases.extend(rows.map(|row| (row.dbid, (row, asked))));
        }
        visit.cost += asked.elapsed();
        let rows = Rows::DatabaseSizes(self.databases.values().map(|(row, _)| row.clone()).collect());
        visit.sample.parts.push((
            Topic::DatabaseSizes,
            Scope::Server,
            identity.own_part(link.server.clock, rows),
        ));
        Ok(())
    }
}

/// The biggest tables whose size is not known or known for too long.
fn due(tables: &[Table], known: &BTreeMap<i64, (TableSize, Instant)>, every: Duration) -> Vec<u32> {
    let size = |table: &Table| table.size_bytes.map_or(0, |size| size.last.get());
    let mut biggest: Vec<&Table> = tables.iter().filter(|table| size(table) > 0).collect();
    biggest.sort_unstable_by_key(|table| std::cmp::Reverse(size(table)));
    biggest
        .into_iter()
        .take(MAX_TABLES)
        .filter(|table| known.get(&table.oid).is_none_or(|(_, asked)| asked.elapsed() >= every))
        .filter_map(|table| u32::try_from(table.oid).ok())
        .take(TABLES_AT_ONCE)
        .collect()
}
