//! A row of a driver becomes a row of the model: columns are found once per statement, cells by their place.
//!
//! The alias of a column is the name of the field; what follows a colon is the server's unit. The client
//! converts, because on the server it would cost CPU for every row.

use super::EngineError;
use crate::model::name::Names;
use crate::model::noun::{Cell, Misfit, Noun};
use crate::model::{InTopic, Rows, Topic, TopicVisitor};
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
    factor: f64,
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
            let (name, unit) = alias.split_once(':').unwrap_or((alias, ""));
            let factor = factor(unit, block_size)
                .ok_or_else(|| EngineError::Unsupported(format!("unit {unit:?} of {name:?}")))?;
            named.insert(name, Place { column, factor });
        }
        topic.visit(Laying(named))
    }

    /// `database` is where we are: the label that the SQL of a per-database topic need not select.
    fn read<N: Noun>(&self, row: &dyn Record, database: &str, names: &mut Names) -> Result<N, Misfit> {
        let mut field = |nth: usize| match self.places.get(nth) {
            Some(Some(place)) => scaled(row.cell(place.column), place.factor),
            _ if N::COLUMNS.get(nth) == Some(&"database") => Cell::Text(Cow::Owned(database.to_owned())),
            _ => Cell::Null,
        };
        N::read(&mut field, names)
    }
}

/// How many of our units one of the server's is.
fn factor(unit: &str, block_size: f64) -> Option<f64> {
    Some(match unit {
        "" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "ps" => 1e-12,
        "kB" => 1024.0,
        "MB" => 1_048_576.0,
        "blocks" => block_size,
        _ => return None,
    })
}

fn scaled(cell: Cell<'_>, factor: f64) -> Cell<'_> {
    match (cell, factor) {
        (value, 1.0) => value,
        // Whole numbers stay whole: blocks and kilobytes become bytes without a detour through floats.
        (Cell::Int(value), factor) if factor > 1.0 => Cell::Int(value.saturating_mul(factor as i64)),
        (Cell::Int(value), factor) => Cell::Float(value as f64 * factor),
        (Cell::Float(value), factor) => Cell::Float(value * factor),
        (other, _) => other,
    }
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
    fn finish(self: Box<Self>) -> Read;
}

pub fn decoder(topic: Topic) -> Box<dyn Decode> {
    topic.visit(Decoding)
}

struct Decoding;

impl TopicVisitor for Decoding {
    type Out = Box<dyn Decode>;

    fn visit<N: InTopic>(self) -> Self::Out {
        Box::new(Decoder::<N> { rows: Vec::new(), misfits: 0 })
    }
}

struct Decoder<N> {
    rows: Vec<N>,
    misfits: usize,
}

impl<N: InTopic> Decode for Decoder<N> {
    fn row(&mut self, row: &dyn Record, layout: &Layout, database: &str, names: &mut Names) {
        match layout.read::<N>(row, database, names) {
            Ok(row) => self.rows.push(row),
            Err(_) => self.misfits += 1,
        }
    }

    fn finish(mut self: Box<Self>) -> Read {
        self.rows.sort_unstable_by_key(N::key);
        self.rows.shrink_to_fit();
        Read { rows: N::into_rows(self.rows), misfits: self.misfits }
    }
}
