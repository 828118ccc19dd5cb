//! Which columns number the rows of their tables, and how far they have got. Two questions that the client joins: a
//! server without a dictionary would open every table for a join.

use super::answer::Named;
use super::link::Link;
use crate::engine::layout::{Read, hash};
use crate::engine::reading::Failure;
use crate::model::{InTopic, Level, Name, Noun, Ratio, Scope, Sequence, Unit};
use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

/// Tables asked for their next number at one stop, where the server has no dictionary: ~0.05 ms each.
const NUMBERS_AT_ONCE: usize = 50;
/// Tables asked for their numbered column at one stop, once each: ~0.35 ms and a small temporary file each.
const COLUMNS_AT_ONCE: usize = 10;
/// Columns that have got so far, of their type or of the most common one, are asked for their type each time.
const FAR: f64 = 0.5;
const MOST_COMMON: f64 = i32::MAX as f64;

/// What is known of each schema's tables.
#[derive(Debug, Default)]
pub struct Numbering {
    schemas: BTreeMap<Name, BTreeMap<String, Numbered>>,
}

#[derive(Debug, Default)]
struct Numbered {
    asked: Option<Instant>,
    next: Option<f64>,
    column: Option<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    position: i64,
    data_type: String,
}

impl Numbering {
    /// How many of these were never asked.
    pub fn unknown(&self, schema: &Name, tables: &[Box<str>]) -> usize {
        let known = self.schemas.get(schema);
        tables.iter().filter(|table| !known.is_some_and(|known| known.contains_key(&***table))).count()
    }

    /// Forgets the tables that are no more.
    pub fn retain(&mut self, schema: &Name, tables: &HashSet<&str>) {
        if let Some(known) = self.schemas.get_mut(schema) {
            known.retain(|table, _| tables.contains(table.as_str()));
        }
    }

    fn learn(&mut self, schema: &Name, numbers: &[Named], columns: &[Named]) {
        let known = self.schemas.entry(schema.clone()).or_default();
        for row in numbers {
            let Some(table) = row.text("table") else { continue };
            known.entry(table.to_owned()).or_default().next = row.number("next");
        }
        for row in columns {
            let (Some(table), Some(column)) = (row.text("table"), Column::of(row)) else { continue };
            known.entry(table.to_owned()).or_default().column = Some(column);
        }
    }

    fn rows(&self, schema: &Name) -> Vec<Sequence> {
        let known = self.schemas.get(schema).into_iter().flatten();
        let mut rows: Vec<Sequence> =
            known.filter_map(|(table, numbered)| numbered.sequence(schema, table)).collect();
        rows.sort_unstable_by_key(Noun::key);
        rows
    }

    /// Of the tables that are open those that were never asked, then those that were asked longest ago.
    fn due(&mut self, schema: &Name, mut open: Vec<String>) -> Vec<String> {
        let known = self.schemas.entry(schema.clone()).or_default();
        open.sort_by_key(|table| known.get(table).and_then(|numbered| numbered.asked));
        open.truncate(NUMBERS_AT_ONCE);
        let now = Instant::now();
        open.iter().for_each(|table| known.entry(table.clone()).or_default().asked = Some(now));
        open
    }

    /// Of these tables those that number their rows by a column that we do not know, or that has got so far that
    /// somebody may change its type.
    fn nameless<'a>(&self, schema: &Name, tables: impl Iterator<Item = &'a String>) -> Vec<String> {
        let is_nameless = |table: &&String| {
            let known = self.schemas.get(schema).and_then(|known| known.get(*table));
            known.is_some_and(|numbered| numbered.next.is_some() && numbered.is_strange())
        };
        tables.filter(is_nameless).cloned().collect()
    }

    fn tables(&self, schema: &Name) -> Vec<String> {
        self.schemas.get(schema).into_iter().flatten().map(|(table, _)| table.clone()).collect()
    }
}

impl Numbered {
    fn is_strange(&self) -> bool {
        let Some(column) = &self.column else { return true };
        let highest = highest(&column.data_type).map_or(MOST_COMMON, |highest| highest.min(MOST_COMMON));
        self.next.is_some_and(|next| next >= FAR * highest)
    }

    fn sequence(&self, schema: &Name, table: &str) -> Option<Sequence> {
        let (next, column) = (self.next?, self.column.as_ref()?);
        let highest = highest(&column.data_type)?;
        let last = (next - 1.0).max(0.0);
        let oid = hash(&format!("{schema}.{table}"));
        Some(Sequence {
            oid,
            database: Some(schema.clone()),
            schema: schema.clone(),
            sequence: Name::new(table),
            table_oid: Some(oid),
            column_number: Some(column.position),
            column: Some(Name::new(&column.name)),
            data_type: Name::new(&column.data_type),
            cycles: false,
            increment: 1,
            lowest: 1,
            highest: highest as i64,
            last_value: Some(last as i64),
            used_ratio: Ratio::from_float(last / highest).map(Level::new),
        })
    }
}

impl Column {
    fn of(row: &Named) -> Option<Column> {
        Some(Column {
            name: row.text("column")?.to_owned(),
            position: row.whole("position")?,
            data_type: row.text("data_type")?.to_owned(),
        })
    }
}

/// The highest number that a type holds. What no whole number is has no end that we know.
fn highest(data_type: &str) -> Option<f64> {
    let bits = match data_type.split(['(', ' ']).next()? {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" => 32,
        "bigint" => 64,
        _ => return None,
    };
    let is_unsigned = data_type.contains("unsigned");
    Some(2f64.powi(if is_unsigned { bits } else { bits - 1 }) - 1.0)
}

/// Reads how far the numbered columns of a schema have got.
pub async fn read(link: &mut Link, schema: &Name) -> Result<Read, Failure> {
    let scope = Scope::Database(schema.clone());
    let (mut numbers, mut columns): (Vec<Named>, Vec<Named>) = (Vec::new(), Vec::new());
    if link.has_dictionary() {
        link.run_in(&mut numbers, "auto_increment", &scope).await?;
        link.numbering.learn(schema, &numbers, &[]);
        let tables = link.numbering.tables(schema);
        if !link.numbering.nameless(schema, tables.iter()).is_empty() {
            link.run_in(&mut columns, "auto_columns", &scope).await?;
        }
    } else {
        let open = link.open_tables(schema).await?;
        let due = link.numbering.due(schema, open);
        link.run_of_tables(&mut numbers, "auto_increment", schema, &due).await?;
        link.numbering.learn(schema, &numbers, &[]);
        let mut nameless = link.numbering.nameless(schema, due.iter());
        nameless.truncate(COLUMNS_AT_ONCE);
        link.run_of_tables(&mut columns, "auto_columns", schema, &nameless).await?;
    }
    link.numbering.learn(schema, &[], &columns);
    Ok(Read { rows: Sequence::into_rows(link.numbering.rows(schema)), misfits: 0 })
}

#[test]
fn types_end_where_they_end() {
    for (data_type, expected) in [
        ("tinyint", Some(127.0)),
        ("tinyint(3) unsigned", Some(255.0)),
        ("mediumint(8) unsigned zerofill", Some(16_777_215.0)),
        ("int", Some(2_147_483_647.0)),
        ("int(10) unsigned", Some(4_294_967_295.0)),
        ("bigint unsigned", Some(18_446_744_073_709_551_615.0)),
        ("double", None),
    ] {
        assert_eq!(highest(data_type), expected, "{data_type}");
    }
}
