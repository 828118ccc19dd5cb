//! What the roaming lane knows of a schema beside InnoDB's statistics: how its tables and indexes are read, what
//! indexes are made of, which foreign keys stand on them. Laid over the rows by the client, since joins would cost
//! a server without indexes on its own tables the square of them.

use super::answer::{TextRow, number};
use super::connect::Sink;
use super::foreign_keys::{ForeignKey, foreign_keys};
use super::link::Link;
use super::shapes::{OfTable, Reader, bytes_of};
use crate::engine::layout::Record;
use crate::engine::reading::Failure;
use crate::engine::template::is_absent;
use crate::model::{Cell, Count, Index, Name, Names, Scope, Seconds, Table, Total};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// What was read for the tables of a schema serves its indexes, which are read right after.
const FRESH: Duration = Duration::from_secs(2);
/// What indexes are made of changes seldom, and when one is new or gone we see it at once.
const SHAPES_EVERY: Duration = Duration::from_secs(900);
/// Tables asked about at one stop where the server has no dictionary: ~0.05 ms each.
const TABLES_AT_ONCE: usize = 50;

#[derive(Debug, Default)]
pub struct Survey {
    /// How a schema's tables are read, by index; what needed none by an empty name.
    io: HashMap<String, HashMap<String, Io>>,
    io_of: Option<(Name, Instant)>,
    /// None where we may not know: then every index may be needed by one.
    keys: Option<Vec<ForeignKey>>,
    schemas: HashMap<Name, Known>,
    /// What could not be read of the schema we are in, and why.
    pub lack: Option<String>,
}

/// What is known of a schema for longer than one stop.
#[derive(Debug, Default)]
struct Known {
    tables: HashMap<String, (OfTable, Instant)>,
    /// Rows inserted into each table since the server started, where it counts them.
    inserted: Option<HashMap<String, f64>>,
    asked: Option<Instant>,
    /// Tables with an index that we know nothing of.
    strange: HashSet<String>,
    /// Those of them that we asked for and were told nothing of, for want of a right.
    in_vain: HashSet<String>,
    /// When there was no room for what its indexes are made of.
    crowded: Option<Instant>,
}

impl Known {
    /// Is it time to ask what all indexes are made of? When it is long ago, and when there is one that is new.
    fn is_due(&self) -> bool {
        if self.is_crowded() {
            return false;
        }
        let is_old = self.asked.is_none_or(|asked| asked.elapsed() >= SHAPES_EVERY);
        is_old || !self.strange.is_subset(&self.in_vain)
    }

    /// It is not long since there was no room: not asked again yet.
    fn is_crowded(&self) -> bool {
        self.crowded.is_some_and(|crowded| crowded.elapsed() < SHAPES_EVERY)
    }

    fn find_no_room(&mut self) {
        (self.tables, self.crowded) = (HashMap::new(), Some(Instant::now()));
    }
}

/// Counts and picoseconds, as the server has them.
#[derive(Debug, Clone, Copy, Default)]
struct Io {
    fetched: f64,
    inserted: f64,
    updated: f64,
    deleted: f64,
    fetch_time: f64,
    write_time: f64,
}

impl Survey {
    /// Looks at a schema before its tables or indexes are read.
    pub async fn look(link: &mut Link, schema: &Name) -> Result<(), Failure> {
        let is_fresh = |(of, asked): &(Name, Instant)| of == schema && asked.elapsed() < FRESH;
        if link.survey.io_of.as_ref().is_some_and(is_fresh) {
            return Ok(());
        }
        let mut io = IoSink::default();
        let read = link.run_in(&mut io, "index_io", &Scope::Database(schema.clone())).await;
        link.survey.lack = said(read)?;
        let sum = |indexes: &HashMap<String, Io>| indexes.values().map(|io| io.inserted).sum::<f64>();
        let inserted = io.0.iter().map(|(table, indexes)| (table.clone(), sum(indexes))).collect();
        link.survey.schemas.entry(schema.clone()).or_default().inserted =
            Some(inserted).filter(|_| !io.0.is_empty());
        link.survey.io = io.0;
        link.survey.io_of = Some((schema.clone(), Instant::now()));
        link.survey.keys = Failure::forgive(foreign_keys(link).await).map_err(Failure::Lost)?;
        shapes_of(link, schema).await
    }

    /// The tables that the server counts the use of, whatever their engine.
    pub fn used_tables(&self) -> impl Iterator<Item = &str> {
        // A partition, and what an ALTER TABLE builds, have a sign in their names.
        self.io.keys().map(String::as_str).filter(|name| !name.contains('#'))
    }

    /// Rows inserted into each table of a schema by the time that we looked at it last.
    pub fn inserted_rows(&self, schema: &Name) -> Option<HashMap<String, f64>> {
        self.schemas.get(schema)?.inserted.clone()
    }

    /// What was done to a table.
    pub fn complete_table(&self, table: &mut Table) {
        let Some(indexes) = self.io.get(&*table.table) else { return };
        let sum = |of: fn(&Io) -> f64| indexes.values().map(of).sum::<f64>();
        table.returned_rows = count(sum(|io| io.fetched));
        table.inserted_rows = count(sum(|io| io.inserted));
        table.updated_rows = count(sum(|io| io.updated));
        table.deleted_rows = count(sum(|io| io.deleted));
        table.row_read_seconds = seconds(sum(|io| io.fetch_time));
        table.row_write_seconds = seconds(sum(|io| io.write_time));
        table.sequential_rows = count(indexes.get("").map_or(0.0, |io| io.fetched));
    }

    /// How an index is read, what it is made of, whether a foreign key stands on it.
    pub fn complete_index(&self, index: &mut Index, names: &mut Names) {
        let io = self.io.get(&*index.table).and_then(|indexes| indexes.get(&*index.index));
        index.read_entries = io.and_then(|io| count(io.fetched));
        index.read_seconds = io.and_then(|io| seconds(io.fetch_time));
        let known = self.schemas.get(&*index.schema).and_then(|known| known.tables.get(&*index.table));
        let shape = known.and_then(|(indexes, _)| indexes.get(&*index.index));
        match (known, shape) {
            (Some((indexes, _)), Some(shape)) => {
                shape.describe(index, indexes.get("PRIMARY"), names);
                index.backs_foreign_key = self.is_needed(index, indexes);
            }
            // What is not known to be free to go is taken as needed.
            _ => {
                index.is_unique = true;
                index.backs_foreign_key = true;
            }
        }
    }

    /// Does a foreign key of its table, or one that points at it, stand on this index alone?
    fn is_needed(&self, index: &Index, indexes: &OfTable) -> bool {
        let Some(own) = indexes.get(&*index.index) else { return true };
        let serves = |columns: &Vec<String>| {
            let others = indexes.iter().filter(|(name, _)| **name != *index.index);
            own.begins_with(columns) && !others.into_iter().any(|(_, other)| other.serves(columns))
        };
        self.keys.as_ref().is_none_or(|keys| {
            keys.iter().any(|key| {
                (key.child.may_be(&index.schema, &index.table) && serves(&key.child_columns))
                    || (key.parent.may_be(&index.schema, &index.table) && serves(&key.parent_columns))
            })
        })
    }

    /// The statement that builds an index.
    pub fn definition(&self, index: &Index) -> Option<String> {
        let (indexes, _) = self.schemas.get(&*index.schema)?.tables.get(&*index.table)?;
        Some(indexes.get(&*index.index)?.definition(&index.schema, &index.table, &index.index))
    }

    /// Notes which indexes nobody has described yet, for the next stop, and says how many.
    pub fn note_strangers(&mut self, schema: &Name, indexes: &[Index]) -> Option<String> {
        let known = self.schemas.entry(schema.clone()).or_default();
        let tables: HashSet<&str> = indexes.iter().map(|index| index.table.as_str()).collect();
        known.tables.retain(|table, _| tables.contains(table.as_str()));
        let strange = indexes.iter().filter(|index| index.columns.is_empty());
        known.strange = strange.clone().map(|index| index.table.to_string()).collect();
        known.in_vain.retain(|table| known.strange.contains(table));
        let count = strange.count();
        (count > 0).then(|| format!("what {count} of {} indexes are made of is not known", indexes.len()))
    }

    /// Was there no room lately for what the indexes of a schema are made of?
    pub fn is_crowded(&self, schema: &Name) -> bool {
        self.schemas.get(schema).is_some_and(Known::is_crowded)
    }

    /// Bytes that are held of what the indexes of a schema are made of.
    pub fn keeps(&self, schema: &Name) -> usize {
        let tables = self.schemas.get(schema).into_iter().flat_map(|known| known.tables.values());
        bytes_of(tables.map(|(indexes, _)| indexes))
    }

    /// Lets go of what the indexes of a schema are made of: there is no room for it.
    pub fn let_go(&mut self, schema: &Name) {
        self.schemas.entry(schema.clone()).or_default().find_no_room();
    }

    /// Forgets a schema that is no more.
    pub fn forget(&mut self, schema: &Name) {
        self.schemas.remove(schema);
    }

    /// Numbers are of one stop only.
    pub fn forget_numbers(&mut self) {
        (self.io, self.io_of) = (HashMap::new(), None);
    }
}

/// Why it could not be read, unless the server never had it.
fn said(read: Result<(), Failure>) -> Result<Option<String>, Failure> {
    match read {
        Ok(()) => Ok(None),
        Err(Failure::Refused { message, .. }) => Ok(Some(message).filter(|message| !is_absent(message))),
        Err(lost) => Err(lost),
    }
}

fn count(value: f64) -> Option<Total<Count>> {
    Some(Total(Count::new(value as u64)))
}

fn seconds(picoseconds: f64) -> Option<Total<Seconds>> {
    Some(Total(Seconds::new(picoseconds * 1e-12)))
}

#[derive(Default)]
struct IoSink(HashMap<String, HashMap<String, Io>>);

impl Sink for IoSink {
    fn row(&mut self, row: &TextRow<'_>) {
        let text = |nth| match row.cell(nth) {
            Cell::Text(text) => text.into_owned(),
            _ => String::new(),
        };
        let number = |nth| match row.cell(nth) {
            Cell::Int(value) => value as f64,
            Cell::Float(value) => value,
            Cell::Text(text) => match number(&text) {
                Cell::Int(value) => value as f64,
                Cell::Float(value) => value,
                _ => 0.0,
            },
            _ => 0.0,
        };
        // The first column is our mark.
        let io = Io {
            fetched: number(3),
            inserted: number(4),
            updated: number(5),
            deleted: number(6),
            fetch_time: number(7),
            write_time: number(8),
        };
        self.0.entry(text(1)).or_default().insert(text(2), io);
    }

    fn let_go(&mut self) {
        *self = Self::default();
    }
}

/// Learns what indexes are made of: of the whole schema where the server has a dictionary, else of some tables that
/// are open anyway, so that none is opened for us.
async fn shapes_of(link: &mut Link, schema: &Name) -> Result<(), Failure> {
    let now = Instant::now();
    let scope = Scope::Database(schema.clone());
    let has_dictionary = link.has_dictionary();
    let known = link.survey.schemas.entry(schema.clone()).or_default();
    let mut shapes = Reader::new(link.room);
    if has_dictionary {
        if !known.is_due() {
            return Ok(());
        }
        known.in_vain = known.strange.clone();
        link.run_in(&mut shapes, "index_columns", &scope).await?;
    } else {
        let mut open = link.open_tables(schema).await?;
        open.retain(|name| !link.elsewhere.is_no_table(schema, name));
        let Some(known) = link.survey.schemas.get(schema).filter(|known| !known.is_crowded()) else {
            return Ok(());
        };
        let age = |table: &String| {
            let asked = known.tables.get(table).map(|(_, asked)| *asked);
            (!known.strange.contains(table), asked)
        };
        let is_due = |table: &String| {
            let asked = known.tables.get(table).map(|(_, asked)| asked.elapsed() >= SHAPES_EVERY);
            known.strange.contains(table) || asked.unwrap_or(true)
        };
        let mut due: Vec<String> = open.into_iter().filter(is_due).collect();
        due.sort_by_key(age);
        due.truncate(TABLES_AT_ONCE);
        if due.is_empty() {
            return Ok(());
        }
        link.run_of_tables(&mut shapes, "index_columns", schema, &due).await?;
    }
    let known = link.survey.schemas.entry(schema.clone()).or_default();
    known.asked = Some(now);
    match shapes.finish() {
        Some(tables) => {
            known.crowded = None;
            known.tables.extend(tables.into_iter().map(|(table, indexes)| (table, (indexes, now))));
        }
        None => known.find_no_room(),
    }
    Ok(())
}

#[test]
fn what_indexes_are_made_of_is_asked_when_one_is_new_and_not_in_vain_each_time() {
    use crate::rules::tests::made_up::row;
    let index = |table: &str, columns: &str| {
        row::<Index>(serde_json::json!({"schema": "shop", "table": table, "index": "a", "columns": columns}))
    };
    let (mut survey, shop) = (Survey::default(), Name::new("shop"));
    let asked = |survey: &mut Survey| {
        let known = survey.schemas.entry(Name::new("shop")).or_default();
        let is_due = known.is_due();
        (known.in_vain, known.asked) = (known.strange.clone(), Some(Instant::now()));
        is_due
    };
    assert!(asked(&mut survey), "nothing is known");
    let hidden = [index("seen", "1"), index("hidden", "")];
    assert!(survey.note_strangers(&shop, &hidden).is_some_and(|why| why.contains("1 of 2")));
    assert!(asked(&mut survey), "it may be new");
    survey.note_strangers(&shop, &hidden);
    assert!(!asked(&mut survey), "it is hidden");
    survey.note_strangers(&shop, &[index("seen", ""), index("hidden", "")]);
    assert!(asked(&mut survey), "another one is new");
    survey.note_strangers(&shop, &hidden);
    survey.note_strangers(&shop, &[index("seen", ""), index("hidden", "")]);
    assert!(asked(&mut survey), "and once more of the same table");
}
