//! The columns of tables where the server has no dictionary: read of some tables that are open at each visit, and
//! kept of the others.

use super::kept::Kept;
use super::link::Link;
use crate::engine::layout::Read;
use crate::engine::reading::Failure;
use crate::model::{Column, InTopic, Name, Noun, Scales, Scope, Topic};
use std::collections::HashMap;
use std::time::Instant;

/// Tables read at one visit: ~0.35 ms and a small temporary file each.
const TABLES_AT_ONCE: usize = 20;

/// What we keep is told as rows as well.
const IN_BOTH: usize = 2;

/// The columns of each table, and when they were read.
pub type Columns = Kept<(Vec<Column>, Instant)>;

/// Bytes that are kept of a schema.
pub fn keeps(columns: &Columns, schema: &Name) -> usize {
    weighed(columns.each(schema).map(|(_, table)| table))
}

/// Table by table, so that what one adds is what it takes away.
fn weighed<'a>(tables: impl Iterator<Item = &'a (Vec<Column>, Instant)>) -> usize {
    let of_table = |(columns, _): &(Vec<Column>, Instant)| {
        let mut scales = Scales::default();
        columns.iter().for_each(|column| scales.put(column, 1));
        scales.bytes()
    };
    tables.map(of_table).sum()
}

pub async fn read(link: &mut Link, file: &'static str, schema: &Name) -> Result<Read, Failure> {
    let mut open = link.open_tables(schema).await?;
    open.retain(|name| !link.elsewhere.is_no_table(schema, name));
    let known = link.columns.of(schema);
    open.sort_by_key(|table| known.get(table).map(|(_, asked)| *asked));
    open.truncate(TABLES_AT_ONCE);
    let asked = Instant::now();
    let scope = Scope::Database(schema.clone());
    let read = link.read_of(Topic::Columns, file, &scope, Some(&open)).await?;
    let room = link.room / IN_BOTH;
    if keeps(&link.columns, schema) > room {
        // Others need more room than when these were read: from the beginning, as far as there is some.
        link.columns.forget(schema);
    }
    let known = link.columns.of(schema);
    let mut bytes = weighed(known.values());
    let of_tables = Column::of(&read.rows).chunk_by(|one, next| one.table == next.table);
    let mut found: HashMap<&str, &[Column]> =
        of_tables.filter_map(|columns| Some((columns.first()?.table.as_str(), columns))).collect();
    for table in open {
        let columns = (found.remove(table.as_str()).unwrap_or_default().to_vec(), asked);
        let without = bytes - weighed(known.get(&table).into_iter());
        let with = without + weighed(std::iter::once(&columns));
        // Of a table that finds no room it is not known.
        if with > room {
            known.remove(&table);
            bytes = without;
        } else {
            known.insert(table, columns);
            bytes = with;
        }
    }
    let mut rows: Vec<Column> = known.values().flat_map(|(columns, _)| columns.clone()).collect();
    rows.sort_unstable_by_key(Noun::key);
    Ok(Read { rows: Column::into_rows(rows), misfits: read.misfits })
}
