//! An answer in the text protocol: columns, then rows whose cells are text, read by the type of their column.

use super::wire::Fields;
use crate::engine::layout::Record;
use crate::model::noun::Cell;
use std::borrow::Cow;
use std::sync::Arc;

/// How a cell is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Float,
    Time,
    Text,
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    kind: Kind,
}

impl Column {
    /// A column definition: catalogue, schema, two names of the table, two of the column, then its type.
    pub fn read(mut fields: Fields<'_>) -> Option<Column> {
        for _ in 0..4 {
            fields.counted()?;
        }
        let name = String::from_utf8_lossy(fields.counted()?).into_owned();
        fields.counted()?;
        fields.number()?;
        fields.bytes(6)?;
        let kind = match fields.u8()? {
            // tiny, short, long, longlong, int24, year
            1 | 2 | 3 | 8 | 9 | 13 => Kind::Int,
            // decimal, float, double, newdecimal
            0 | 4 | 5 | 246 => Kind::Float,
            // timestamp, datetime
            7 | 12 => Kind::Time,
            _ => Kind::Text,
        };
        Some(Column { name, kind })
    }
}

/// One row, as long as the packet that holds it.
#[derive(Debug)]
pub struct TextRow<'a> {
    pub columns: &'a Arc<[Column]>,
    cells: Vec<Option<&'a [u8]>>,
}

impl<'a> TextRow<'a> {
    pub fn read(packet: &'a [u8], columns: &'a Arc<[Column]>) -> Option<TextRow<'a>> {
        let mut fields = Fields(packet);
        let mut cells = Vec::with_capacity(columns.len());
        for _ in columns.iter() {
            cells.push(match fields.0.first() {
                Some(0xFB) => {
                    fields.u8();
                    None
                }
                _ => Some(fields.counted()?),
            });
        }
        Some(TextRow { columns, cells })
    }
}

impl Record for TextRow<'_> {
    fn cell(&self, column: usize) -> Cell<'_> {
        match (self.columns.get(column), self.cells.get(column)) {
            (Some(described), Some(Some(bytes))) => decode(described.kind, bytes),
            _ => Cell::Null,
        }
    }
}

fn decode(kind: Kind, bytes: &[u8]) -> Cell<'_> {
    match kind {
        Kind::Text => Cell::Text(String::from_utf8_lossy(bytes)),
        Kind::Time => seconds(bytes).map_or(Cell::Null, Cell::Float),
        Kind::Int | Kind::Float => number(&String::from_utf8_lossy(bytes)),
    }
}

/// A number however the server writes it, also where it comes as text.
pub fn number(text: &str) -> Cell<'static> {
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return Cell::Int(whole);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Cell::Float(value),
        _ => Cell::Null,
    }
}

/// `2026-11-29 06:00:00.123456` in a session whose time zone is UTC, as Unix seconds. Zero dates are no time.
pub fn seconds(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let (date, time) = text.split_once([' ', 'T'])?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':');
    let (hour, minute) = (time.next()?.parse::<f64>().ok()?, time.next()?.parse::<f64>().ok()?);
    let second = time.next()?.parse::<f64>().ok()?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 in the Gregorian calendar, by years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = 365 * year + leap + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days as f64 * 86_400.0 + hour * 3_600.0 + minute * 60.0 + second)
}

/// The cells of one row by the names of their columns: for what the engine asks to understand the rest.
#[derive(Debug, Clone)]
pub struct Named {
    columns: Arc<[Column]>,
    cells: Vec<Option<String>>,
}

impl Named {
    pub fn of(row: &TextRow<'_>) -> Named {
        let cell = |nth: usize| match row.cell(nth) {
            Cell::Null => None,
            Cell::Bool(value) => Some(u8::from(value).to_string()),
            Cell::Int(value) => Some(value.to_string()),
            Cell::Float(value) => Some(value.to_string()),
            Cell::Text(text) => Some(Cow::into_owned(text)),
        };
        Named { columns: row.columns.clone(), cells: (0..row.columns.len()).map(cell).collect() }
    }

    #[cfg(test)]
    pub fn recorded(cells: &[(&str, &str)]) -> Named {
        let columns = cells.iter().map(|(name, _)| Column { name: (*name).to_owned(), kind: Kind::Text });
        let cells = cells.iter().map(|(_, text)| Some((*text).to_owned()));
        Named { columns: columns.collect(), cells: cells.collect() }
    }

    /// Names of columns have no case in MySQL.
    pub fn text(&self, name: &str) -> Option<&str> {
        let place = self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))?;
        self.cells.get(place)?.as_deref()
    }

    /// The first cell: SHOW calls it as it likes.
    pub fn first(&self) -> Option<&str> {
        self.cells.first()?.as_deref()
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok()
    }

    pub fn whole(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_unix_seconds() {
        for (text, expected) in [
            ("1970-01-01 00:00:00", Some(0.0)),
            ("2000-02-29 12:00:00.5", Some(951_825_600.5)),
            ("2026-11-29 06:00:00", Some(1_795_932_000.0)),
            ("0000-00-00 00:00:00", None),
            ("nonsense", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        assert_eq!(number("18"), Cell::Int(18));
        assert_eq!(number("18446744073709551615"), Cell::Float(1.8446744073709552e19));
        assert_eq!(number("0.25"), Cell::Float(0.25));
        assert_eq!(number("ON"), Cell::Null);
    }

    #[test]
    fn mangled_answers() {
        let column = b"\x03def\0\0\0\x01a\x01a\x0c\x2d\0\0\0\x01\0\xfd\0\0\0\0\0";
        let columns: Arc<[Column]> =
            [Kind::Int, Kind::Text, Kind::Int].map(|kind| Column { name: "a".into(), kind }).into();
        let corpus: [&[u8]; 3] =
            [column, b"\x0212\xfb\x031.5", b"\xfc\x05\0hello\x132026-11-29 06:00:00\xfb"];
        crate::fuzz::fuzz("answers of MySQL", &corpus, |bytes| {
            let _ = Column::read(Fields(bytes));
            if let Some(row) = TextRow::read(bytes, &columns) {
                let named = Named::of(&row);
                let _ = (named.number("a"), named.whole("a"), named.first());
            }
            let _ = seconds(bytes);
        });
    }

    #[test]
    fn a_row_that_lies_about_its_length_is_none() {
        let columns: Arc<[Column]> =
            [Column { name: "a".into(), kind: Kind::Int }, Column { name: "b".into(), kind: Kind::Text }]
                .into();
        let row = TextRow::read(b"\x0212\xfb", &columns).unwrap();
        assert_eq!((row.cell(0), row.cell(1), row.cell(2)), (Cell::Int(12), Cell::Null, Cell::Null));
        assert!(TextRow::read(b"\x0912\xfb", &columns).is_none());
        assert!(TextRow::read(b"\x0212", &columns).is_none());
    }
}
