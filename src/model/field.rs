//! What may stand in a row of a noun: how it is read from a cell, what it is as a label, how a column of it is kept.

use super::fact::{Level, Total};
use super::name::{Name, Names};
use super::unit::{Timestamp, Unit};
use crate::sql::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// One cell of a result, free of any driver.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
}

/// A column that came back as something its field cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("column {column:?} does not fit its field")]
pub struct Misfit {
    pub column: &'static str,
}

/// What may stand as a field of a noun.
pub trait Field: Sized {
    fn read(cell: Cell<'_>, names: &mut Names) -> Option<Self>;
    /// What stands for a value that was never written, if there is such a thing: never zero.
    fn unknown() -> Option<Self> {
        None
    }
    /// The name that it is, if it is one.
    fn name(&self) -> Option<&Name> {
        None
    }
}

/// What may stand as a label.
pub trait Label {
    /// `None` leaves the label out.
    fn text(&self) -> Option<Cow<'_, str>>;
}

impl<T: Field> Field for Option<T> {
    fn read(cell: Cell<'_>, names: &mut Names) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            // A value its unit cannot hold (-1 for "unknown", NaN) is unknown.
            cell => Some(T::read(cell, names)),
        }
    }
    fn unknown() -> Option<Self> {
        Some(None)
    }
    fn name(&self) -> Option<&Name> {
        self.as_ref().and_then(T::name)
    }
}

impl Field for bool {
    fn read(cell: Cell<'_>, _: &mut Names) -> Option<Self> {
        if let Cell::Bool(value) = cell { Some(value) } else { None }
    }
}

impl Field for i64 {
    fn read(cell: Cell<'_>, _: &mut Names) -> Option<Self> {
        match cell {
            Cell::Int(value) => Some(value),
            Cell::Float(value) if value.fract() == 0.0 => Some(value as i64),
            _ => None,
        }
    }
}

impl Field for f64 {
    fn read(cell: Cell<'_>, _: &mut Names) -> Option<Self> {
        match cell {
            Cell::Int(value) => Some(value as f64),
            Cell::Float(value) => Some(value),
            _ => None,
        }
    }
}

impl Field for Name {
    fn read(cell: Cell<'_>, names: &mut Names) -> Option<Self> {
        match cell {
            Cell::Text(text) => Some(names.intern(&text)),
            // What has no name has the empty one, which readers of labels take as absent.
            Cell::Null => Some(names.intern("")),
            _ => None,
        }
    }
    fn name(&self) -> Option<&Name> {
        Some(self)
    }
}

impl Field for Digest {
    fn read(cell: Cell<'_>, _: &mut Names) -> Option<Self> {
        if let Cell::Text(text) = cell { text.parse().ok() } else { None }
    }
}

impl Field for Timestamp {
    fn read(cell: Cell<'_>, names: &mut Names) -> Option<Self> {
        f64::read(cell, names).filter(|t| t.is_finite()).map(Timestamp::new)
    }
}

fn unit<U: Unit>(cell: Cell<'_>) -> Option<U> {
    match cell {
        Cell::Int(value) => U::from_int(value),
        Cell::Float(value) => U::from_float(value),
        _ => None,
    }
}

impl<U: Unit> Field for Total<U> {
    fn read(cell: Cell<'_>, _: &mut Names) -> Option<Self> {
        unit(cell).map(Total)
    }
}

impl<U: Unit> Field for Level<U> {
    fn read(cell: Cell<'_>, _: &mut Names) -> Option<Self> {
        unit(cell).map(Level::new)
    }
}

impl Label for Name {
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(self.as_str().into())
    }
}

impl Label for bool {
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(if *self { "true" } else { "false" }.into())
    }
}

impl Label for Digest {
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(self.to_string().into())
    }
}

impl<T: Label> Label for Option<T> {
    fn text(&self) -> Option<Cow<'_, str>> {
        self.as_ref().and_then(Label::text)
    }
}

/// Columns of one field, as `to_columns` writes them.
pub fn write_column<T: Serialize>(values: &[T]) -> Vec<u8> {
    // Serialising numbers, names and tuples of them into memory has no way to fail.
    postcard::to_stdvec(values).unwrap_or_default()
}

pub fn read_column<T: Field + DeserializeOwned>(count: usize, bytes: Option<Vec<u8>>) -> Option<Vec<T>> {
    let values: Vec<T> = match bytes {
        Some(bytes) => postcard::from_bytes(&bytes).ok()?,
        // The field did not exist when this was written.
        None => (0..count).map(|_| T::unknown()).collect::<Option<_>>()?,
    };
    (values.len() == count).then_some(values)
}
