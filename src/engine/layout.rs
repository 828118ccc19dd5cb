//! A row of a driver becomes a row of the model: columns are found once per statement, cells by their place.
//!
//! The alias of a column is the name of the field; what follows a colon is the server's unit. The client
//! converts, because on the server it would cost CPU for every row.

use super::EngineError;
use super::reading::Failure;
use crate::model::name::Names;
use crate::model::noun::{Cell, Misfit, Noun};
use crate::model::{InTopic, Rows, Scales, Topic, TopicVisitor};
use std::borrow::Cow;
use std::collections::HashMap;

/// What one collector's SQL brought.
#[derive(Debug)]
pub struct Read {
    pub rows: Rows,
    /// Rows that could not be understood, for the most part because the login may not see them whole.
    pub misfits: usize,
}

/// One row as a driver holds it.
pub trait Record {
    fn cell(&self, column: usize) -> Cell<'_>;
}

/// Where each field of a noun comes from in one statement's result.
#[derive(Debug)]
pub struct Layout {
    places: Vec<Option<Place>>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    column: usize,
    unit: Unit,
}

/// What a server's value is to ours.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Same,
    Times(f64),
    /// A text that stands for a number: of two servers' ids the one that is no number.
    Hash,
    /// One or zero, from a server that has no other truth.
    Bool,
}

impl Layout {
    /// Fails when the SQL names a column that the noun does not have: they speak the same words. `blocks` are as
    /// big as `block_size` says.
    pub fn of<'a>(
        topic: Topic,
        aliases: impl Iterator<Item = &'a str>,
        block_size: f64,
    ) -> Result<Layout, EngineError> {
        let mut named = HashMap::new();
        for (column, alias) in aliases.enumerate() {
            // One column may fill two fields: a name, and the number that stands for it.
            for alias in alias.split(',') {
                let (name, unit) = alias.split_once(':').unwrap_or((alias, ""));
                let unit = unit_named(unit, block_size)
                    .ok_or_else(|| EngineError::Unsupported(format!("unit {unit:?} of {name:?}")))?;
                // The tag by which we know our own statements is no field.
                if !name.starts_with("dbsonde_") {
                    // Of two columns for one field the first counts.
                    named.entry(name).or_insert(Place { column, unit });
                }
            }
        }
        topic.visit(Laying(named))
    }

    /// `database` is where we are: the label that the SQL of a per-database topic need not select.
    fn read<N: Noun>(&self, row: &dyn Record, database: &str, names: &mut Names) -> Result<N, Misfit> {
        let mut field = |nth: usize| match self.places.get(nth) {
            Some(Some(place)) => converted(row.cell(place.column), place.unit),
            _ if N::COLUMNS.get(nth) == Some(&"database") => Cell::Text(Cow::Owned(database.to_owned())),
            _ => Cell::Null,
        };
        N::read(&mut field, names)
    }
}

fn unit_named(name: &str, block_size: f64) -> Option<Unit> {
    Some(match name {
        "" => Unit::Same,
        "hash" => Unit::Hash,
        "bool" => Unit::Bool,
        "ms" => Unit::Times(1e-3),
        "us" => Unit::Times(1e-6),
        "ns" => Unit::Times(1e-9),
        "ps" => Unit::Times(1e-12),
        "kB" => Unit::Times(1024.0),
        "MB" => Unit::Times(1_048_576.0),
        "blocks" => Unit::Times(block_size),
        _ => return None,
    })
}

fn converted(cell: Cell<'_>, unit: Unit) -> Cell<'_> {
    match (cell, unit) {
        (Cell::Text(text), Unit::Hash) => Cell::Int(hash(&text)),
        (Cell::Int(value), Unit::Bool) => Cell::Bool(value != 0),
        // Whole numbers stay whole: blocks and kilobytes become bytes without a detour through floats.
        (Cell::Int(value), Unit::Times(factor)) if factor > 1.0 => {
            Cell::Int(value.saturating_mul(factor as i64))
        }
        (Cell::Int(value), Unit::Times(factor)) => Cell::Float(value as f64 * factor),
        (Cell::Float(value), Unit::Times(factor)) => Cell::Float(value * factor),
        (value, _) => value,
    }
}

/// The number that stands for a text.
pub fn hash(text: &str) -> i64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes()).cast_signed()
}

struct Laying<'a>(HashMap<&'a str, Place>);

impl TopicVisitor for Laying<'_> {
    type Out = Result<Layout, EngineError>;

    fn visit<N: InTopic>(mut self) -> Self::Out {
        let places = N::COLUMNS.iter().map(|field| self.0.remove(field)).collect();
        match self.0.keys().next() {
            Some(stray) => Err(EngineError::Unsupported(format!("{} has no field {stray:?}", N::NAME))),
            None => Ok(Layout { places }),
        }
    }
}

/// Rows become nouns as they arrive: a driver's form of 20,000 of them would weigh more than ours.
pub trait Decode: Send {
    fn row(&mut self, row: &dyn Record, layout: &Layout, database: &str, names: &mut Names);
    /// There was more than there is room for: all is let go, and nothing more is taken.
    fn is_full(&self) -> bool;
    fn finish(self: Box<Self>) -> Result<Read, Failure>;
}

/// `room` is in bytes.
pub fn decoder(topic: Topic, room: usize) -> Box<dyn Decode> {
    topic.visit(Decoding(room))
}

struct Decoding(usize);

impl TopicVisitor for Decoding {
    type Out = Box<dyn Decode>;

    fn visit<N: InTopic>(self) -> Self::Out {
        let (rows, misfits, scales, no_room_after) = Default::default();
        Box::new(Decoder::<N> { rows, misfits, room: self.0, scales, no_room_after })
    }
}

struct Decoder<N> {
    rows: Vec<N>,
    misfits: usize,
    room: usize,
    scales: Scales,
    /// So many rows had come when the room was full.
    no_room_after: Option<usize>,
}

impl<N: InTopic> Decode for Decoder<N> {
    fn row(&mut self, row: &dyn Record, layout: &Layout, database: &str, names: &mut Names) {
        if self.is_full() {
            return;
        }
        match layout.read::<N>(row, database, names) {
            Ok(row) => {
                // Once: what is read may be many parts of few rows yet.
                self.scales.put(&row, 1);
                self.rows.push(row);
            }
            Err(_) => self.misfits += 1,
        }
        if self.scales.bytes() > self.room {
            self.no_room_after = Some(self.rows.len());
            self.rows = Vec::new();
            names.forget_dropped();
        }
    }

    fn is_full(&self) -> bool {
        self.no_room_after.is_some()
    }

    fn finish(mut self: Box<Self>) -> Result<Read, Failure> {
        if let Some(rows) = self.no_room_after {
            return Err(Failure::no_room(rows));
        }
        self.rows.sort_unstable_by_key(N::key);
        Ok(Read { rows: N::into_rows(self.rows), misfits: self.misfits })
    }
}
