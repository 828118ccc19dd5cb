//! Which columns number the rows of their tables, and how far they have got. Two questions that the client joins: a
//! server without a dictionary would open every table for a join.

use super::answer::Named;
use super::kept::Kept;
use super::link::Link;
use crate::engine::layout::{Read, hash};
use crate::engine::reading::Failure;
use crate::model::{InTopic, Level, Name, Noun, Ratio, Scope, Sequence, Unit};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Where the server has a dictionary all are asked this often. In between only those that rows were inserted into: no
/// number goes on without, but by a hand that sets it.
const ALL_EVERY: Duration = Duration::from_secs(900);
/// Of those so many are asked one by one; of more all.
const MOVED_AT_ONCE: usize = 20;
/// Tables asked for their next number at one stop, where the server has no dictionary: ~0.05 ms each.
const NUMBERS_AT_ONCE: usize = 50;
/// Tables asked for their numbered column at one stop, once each: ~0.35 ms and a small temporary file each.
const COLUMNS_AT_ONCE: usize = 10;
/// Columns that have got so far, of their type or of the most common one, are asked for their type each time.
const FAR: f64 = 0.5;
const MOST_COMMON: f64 = i32::MAX as f64;

/// What is known of each table.
pub type Numbering = Kept<Numbered>;

#[derive(Debug, Default)]
pub struct Numbered {
    asked: Option<Instant>,
    /// Rows inserted by then, where the server counts them.
    inserted: Option<f64>,
    next: Option<f64>,
    column: Option<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    position: i64,
    data_type: String,
}

impl Kept<Numbered> {
    fn learn(&mut self, schema: &Name, numbers: &[Named], columns: &[Named]) {
        let known = self.of(schema);
        for row in numbers {
            let Some(table) = row.text("table") else { continue };
            known.entry(table.to_owned()).or_default().next = row.number("next");
        }
        for row in columns {
            let (Some(table), Some(column)) = (row.text("table"), Column::of(row)) else { continue };
            known.entry(table.to_owned()).or_default().column = Some(column);
        }
    }

    /// The tables that rows were inserted into since they were asked. None where all are to be asked.
    fn moved(&self, schema: &Name, inserted: &HashMap<String, f64>) -> Option<Vec<String>> {
        let mut asked = self.each(schema).filter_map(|(_, numbered)| numbered.asked).peekable();
        asked.peek()?;
        let is_fresh = asked.all(|asked| asked.elapsed() < ALL_EVERY);
        let has_moved = |(table, rows): &(&String, &f64)| {
            self.get(schema, table).is_none_or(|numbered| numbered.inserted != Some(**rows))
        };
        let moved = inserted.iter().filter(has_moved).map(|(table, _)| table.clone());
        let moved: Vec<String> = moved.take(MOVED_AT_ONCE + 1).collect();
        (is_fresh && moved.len() <= MOVED_AT_ONCE).then_some(moved)
    }

    /// These were asked, when so many rows had been inserted.
    fn note(&mut self, schema: &Name, inserted: &HashMap<String, f64>) {
        let (known, now) = (self.of(schema), Instant::now());
        for (table, rows) in inserted {
            let numbered = known.entry(table.clone()).or_default();
            if numbered.inserted != Some(*rows)
                || numbered.asked.is_none_or(|asked| asked.elapsed() >= ALL_EVERY)
            {
                (numbered.inserted, numbered.asked) = (Some(*rows), Some(now));
            }
        }
    }

    fn rows(&self, schema: &Name) -> Vec<Sequence> {
        let known = self.each(schema);
        let mut rows: Vec<Sequence> =
            known.filter_map(|(table, numbered)| numbered.sequence(schema, table)).collect();
        rows.sort_unstable_by_key(Noun::key);
        rows
    }

    /// Of the tables that are open those that were never asked, then those that were asked longest ago.
    fn due(&mut self, schema: &Name, mut open: Vec<String>) -> Vec<String> {
        let known = self.of(schema);
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
            let known = self.get(schema, table);
            known.is_some_and(|numbered| numbered.next.is_some() && numbered.is_strange())
        };
        tables.filter(is_nameless).cloned().collect()
    }

    fn tables(&self, schema: &Name) -> Vec<String> {
        self.each(schema).map(|(table, _)| table.clone()).collect()
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
        let inserted = link.survey.inserted_rows(schema);
        match inserted.as_ref().and_then(|inserted| link.numbering.moved(schema, inserted)) {
            Some(moved) => link.run_of_tables(&mut numbers, "auto_increment", schema, &moved).await?,
            None => link.run_in(&mut numbers, "auto_increment", &scope).await?,
        }
        link.numbering.learn(schema, &numbers, &[]);
        if let Some(inserted) = &inserted {
            link.numbering.note(schema, inserted);
        }
        let tables = link.numbering.tables(schema);
        let nameless = link.numbering.nameless(schema, tables.iter());
        if nameless.len() <= COLUMNS_AT_ONCE {
            link.run_of_tables(&mut columns, "auto_columns", schema, &nameless).await?;
        } else {
            link.run_in(&mut columns, "auto_columns", &scope).await?;
        }
    } else {
        let mut open = link.open_tables(schema).await?;
        open.retain(|name| !link.elsewhere.is_no_table(schema, name));
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

#[test]
fn only_where_rows_were_inserted_the_next_number_is_asked_again() {
    let shop = Name::new("shop");
    let counted =
        |rows: &[(&str, f64)]| rows.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect();
    let mut known = Numbering::default();
    let before: HashMap<String, f64> = counted(&[("a", 1.0), ("b", 2.0)]);
    assert_eq!(known.moved(&shop, &before), None, "nothing is known");
    known.note(&shop, &before);
    assert_eq!(known.moved(&shop, &before), Some(vec![]));
    assert_eq!(known.moved(&shop, &counted(&[("a", 1.0), ("b", 3.0)])), Some(vec!["b".to_owned()]));
    assert_eq!(
        known.moved(&shop, &counted(&[("a", 1.0), ("b", 0.0)])),
        Some(vec!["b".to_owned()]),
        "made anew"
    );
    assert_eq!(known.moved(&shop, &counted(&[("a", 1.0), ("c", 0.0)])), Some(vec!["c".to_owned()]));
    let many: HashMap<String, f64> = (0..=MOVED_AT_ONCE).map(|nth| (nth.to_string(), 1.0)).collect();
    assert_eq!(known.moved(&shop, &many), None, "of so many all are asked");
}
