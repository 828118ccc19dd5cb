//! An answer of names and values, a row each, read as one row of a noun: the head of its file says which name
//! becomes which field.

use super::answer::{TextRow, number};
use super::connect::Sink;
use crate::engine::layout::{Layout, Read, Record, decoder};
use crate::engine::reading::Failure;
use crate::model::noun::Cell;
use crate::model::{Names, Topic};
use std::borrow::Cow;

#[derive(Debug)]
pub struct Pivot {
    fields: Vec<(&'static str, &'static str)>,
    values: Vec<Option<String>>,
}

impl Pivot {
    /// `None` for a file that is read row by row.
    pub fn of(fields: &[(&'static str, &'static str)]) -> Option<Pivot> {
        (!fields.is_empty()).then(|| Pivot { fields: fields.to_vec(), values: vec![None; fields.len()] })
    }

    pub fn read(mut self, topic: Topic, block_size: f64, names: &mut Names) -> Result<Read, Failure> {
        // One field may have several names, of which a server knows one.
        let known: Vec<usize> =
            (0..self.fields.len()).filter(|nth| matches!(self.values.get(*nth), Some(Some(_)))).collect();
        self.values = known.iter().map(|nth| self.values.get(*nth).cloned().flatten()).collect();
        if known.is_empty() {
            // Nothing that it would tell of is there.
            return Ok(decoder(topic).finish());
        }
        let aliases = known.iter().filter_map(|nth| self.fields.get(*nth)).map(|(_, alias)| *alias);
        let layout = Layout::of(topic, aliases, block_size).map_err(Failure::Lost)?;
        let mut decoder = decoder(topic);
        decoder.row(&self, &layout, "", names);
        Ok(decoder.finish())
    }
}

impl Sink for Pivot {
    fn row(&mut self, row: &TextRow<'_>) {
        // The tag, the name, the value.
        let count = row.columns.len();
        let (Cell::Text(name), value) =
            (row.cell(count.saturating_sub(2)), row.cell(count.saturating_sub(1)))
        else {
            return;
        };
        let value = match value {
            Cell::Text(text) => Some(text.into_owned()),
            Cell::Int(value) => Some(value.to_string()),
            Cell::Float(value) => Some(value.to_string()),
            Cell::Bool(_) | Cell::Null => None,
        };
        let known = self
            .fields
            .iter()
            .zip(&mut self.values)
            .find(|((field, _), _)| field.eq_ignore_ascii_case(&name));
        if let Some((_, place)) = known {
            *place = value;
        }
    }

    fn let_go(&mut self) {
        self.values.fill(None);
    }
}

impl Record for Pivot {
    fn cell(&self, column: usize) -> Cell<'_> {
        match self.values.get(column) {
            Some(Some(text)) => match number(text) {
                Cell::Null => word(text),
                value => value,
            },
            _ => Cell::Null,
        }
    }
}

fn word(text: &str) -> Cell<'_> {
    match text {
        "ON" | "YES" | "Yes" => Cell::Bool(true),
        "OFF" | "NO" | "No" => Cell::Bool(false),
        text => Cell::Text(Cow::Borrowed(text)),
    }
}
