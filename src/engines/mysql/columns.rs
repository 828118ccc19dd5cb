//! The columns of tables where the server has no dictionary: read of some tables that are open at each visit, and
//! kept of the others.

use super::kept::Kept;
use super::link::Link;
use crate::engine::layout::Read;
use crate::engine::reading::Failure;
use crate::model::{Column, InTopic, Name, Noun, Scope, Topic};
use std::time::Instant;

/// Tables read at one visit: ~0.35 ms and a small temporary file each.
const TABLES_AT_ONCE: usize = 20;

/// The columns of each table, and when they were read.
pub type Columns = Kept<(Vec<Column>, Instant)>;

pub async fn read(link: &mut Link, file: &'static str, schema: &Name) -> Result<Read, Failure> {
    let mut open = link.open_tables(schema).await?;
    open.retain(|name| !link.elsewhere.is_no_table(schema, name));
    let known = link.columns.of(schema);
    open.sort_by_key(|table| known.get(table).map(|(_, asked)| *asked));
    open.truncate(TABLES_AT_ONCE);
    let asked = Instant::now();
    let scope = Scope::Database(schema.clone());
    let read = link.read_of(Topic::Columns, file, &scope, Some(&open)).await?;
    let known = link.columns.of(schema);
    known.extend(open.into_iter().map(|table| (table, (Vec::new(), asked))));
    for column in Column::of(&read.rows) {
        if let Some((columns, _)) = known.get_mut(&*column.table) {
            columns.push(column.clone());
        }
    }
    let mut rows: Vec<Column> = known.values().flat_map(|(columns, _)| columns.clone()).collect();
    rows.sort_unstable_by_key(Noun::key);
    Ok(Read { rows: Column::into_rows(rows), misfits: read.misfits })
}
