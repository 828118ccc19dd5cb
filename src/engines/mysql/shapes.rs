//! What indexes are made of, as the server tells it: what two of them must share to be duplicates, and the
//! statement that builds one.

use super::answer::{Named, TextRow};
use super::connect::Sink;
use crate::engine::layout::hash;
use crate::model::{Index, Name, Names};
use crate::script::mysql::{identifier, qualified};
use std::collections::{HashMap, HashSet};

/// A name may not be longer, so a part that is told is not cut either.
const EXPRESSION: &str = "(expression)";

#[derive(Debug, Clone, Default)]
pub struct Shape {
    is_unique: bool,
    is_visible: Option<bool>,
    /// What is said of it when it is built, if queries may not use it.
    hidden: Option<Name>,
    method: Option<Name>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    /// None for an expression.
    column: Option<Name>,
    expression: Option<Name>,
    /// How many letters of the column, if not all.
    prefix: Option<i64>,
    is_descending: bool,
}

impl Part {
    fn of(row: &Named, names: &mut Names) -> Part {
        Part {
            column: row.text("column").map(|column| names.intern(column)),
            // The server writes quotes within it as it would within a text.
            expression: row.text("expression").map(|text| names.intern(&text.replace("\\'", "'"))),
            prefix: row.whole("prefix"),
            is_descending: row.whole("is_descending") == Some(1),
        }
    }

    /// A number for the column that is the same in every index of its table; 0 for an expression.
    fn number(&self) -> u32 {
        self.column.as_deref().map_or(0, number)
    }

    fn sql(&self) -> String {
        let what = match &self.column {
            Some(column) => identifier(column),
            None => format!("({})", self.expression.as_deref().unwrap_or_default()),
        };
        let prefix = self.prefix.map(|letters| format!("({letters})")).unwrap_or_default();
        format!("{what}{prefix}{}", if self.is_descending { " DESC" } else { "" })
    }

    /// For people. What an expression says may be a text of somebody's.
    fn told(&self) -> String {
        let prefix = self.prefix.map(|letters| format!("({letters})")).unwrap_or_default();
        let direction = if self.is_descending { " desc" } else { "" };
        format!("{}{prefix}{direction}", self.column.as_deref().unwrap_or(EXPRESSION))
    }
}

fn number(column: &str) -> u32 {
    // Names of columns have no case.
    (hash(&column.to_lowercase()).cast_unsigned() >> 32) as u32 | 1
}

impl Shape {
    /// Does it begin with these columns, whatever their order, each of them whole?
    pub fn begins_with(&self, columns: &[String]) -> bool {
        let first: Vec<&Part> = self.parts.iter().take(columns.len()).collect();
        let has = |column: &String| {
            let is_it = |name: &Name| name.eq_ignore_ascii_case(column);
            first.iter().any(|part| part.prefix.is_none() && part.column.as_ref().is_some_and(is_it))
        };
        first.len() == columns.len() && columns.iter().all(has)
    }

    /// Does it begin with these columns in this order, each of them whole, as a foreign key wants it?
    pub fn serves(&self, columns: &[String]) -> bool {
        let in_order = columns.iter().zip(&self.parts).all(|(column, part)| {
            part.prefix.is_none()
                && part.column.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(column))
        });
        columns.len() <= self.parts.len() && in_order && !matches!(self.method(), "fulltext" | "spatial")
    }

    /// Fills in what only the server's own description tells. Every index of InnoDB ends in the primary key.
    pub fn describe(&self, index: &mut Index, primary: Option<&Shape>, names: &mut Names) {
        let numbers: Vec<u32> = self.parts.iter().map(Part::number).collect();
        let end = primary.into_iter().flat_map(|primary| primary.parts.iter().map(Part::number));
        let end: Vec<u32> = end.filter(|number| !numbers.contains(number)).collect();
        let all: Vec<String> = numbers.iter().chain(&end).map(u32::to_string).collect();
        let each = |tell: &dyn Fn(&Part) -> String| -> Vec<String> { self.parts.iter().map(tell).collect() };
        index.columns = names.intern(&all.join(" "));
        index.key_columns = i64::try_from(self.parts.len()).ok();
        index.column_list = Some(names.intern(&each(&Part::told).join(", ")));
        let prefix = |part: &Part| part.prefix.unwrap_or(0).to_string();
        index.operator_classes = names.intern(&each(&prefix).join(" "));
        let direction = |part: &Part| u8::from(part.is_descending).to_string();
        index.column_options = names.intern(&each(&direction).join(" "));
        index.is_unique = self.is_unique;
        index.is_visible = self.is_visible;
        index.access_method = names.intern(self.method());
        let of_expressions = self.parts.iter().filter(|part| part.column.is_none());
        let expressions: Vec<&str> =
            of_expressions.map(|part| part.expression.as_deref().unwrap_or_default()).collect();
        index.has_expressions = !expressions.is_empty();
        index.expressions_hash =
            index.has_expressions.then(|| names.intern(&hash(&expressions.join("\0")).to_string()));
    }

    fn method(&self) -> &str {
        self.method.as_deref().unwrap_or_default()
    }

    /// The statement that builds it: the way back from dropping it.
    pub fn definition(&self, schema: &str, table: &str, index: &str) -> String {
        let parts: Vec<String> = self.parts.iter().map(Part::sql).collect();
        let kind = match (self.method(), self.is_unique) {
            ("fulltext", _) => "FULLTEXT ",
            ("spatial", _) => "SPATIAL ",
            (_, true) => "UNIQUE ",
            (_, false) => "",
        };
        format!(
            "ALTER TABLE {} ADD {kind}INDEX {} ({}){}",
            qualified(schema, table),
            identifier(index),
            parts.join(", "),
            self.hidden.as_deref().unwrap_or_default()
        )
    }
}

/// The indexes of tables, by their names.
pub type OfTable = HashMap<String, Shape>;

/// Reads an answer, a row for each part of an index, in their order.
#[derive(Debug)]
pub struct Reader {
    tables: HashMap<String, OfTable>,
    /// Ten thousand indexes are made of few words.
    names: Names,
    /// Without names.
    bytes: usize,
    room: usize,
    found_no_room: bool,
}

impl Reader {
    pub fn new(room: usize) -> Self {
        let (tables, names, bytes, found_no_room) = Default::default();
        Self { tables, names, bytes, room, found_no_room }
    }

    /// What there is of each table; none if it found no room.
    pub fn finish(mut self) -> Option<HashMap<String, OfTable>> {
        for shape in self.tables.values_mut().flat_map(HashMap::values_mut) {
            shape.parts.shrink_to_fit();
        }
        (!self.found_no_room).then_some(self.tables)
    }
}

/// Bytes that are held of a table beside its indexes: the map of these has room for four at least.
const OF_A_TABLE: usize = 4 * (size_of::<String>() + size_of::<Shape>()) + 2 * size_of::<String>() + 64;

/// Bytes that are held of an index and its parts, without the names of these.
fn bytes(index: &str, parts: usize) -> usize {
    const IN_A_MAP: usize = 2 * size_of::<String>();
    size_of::<Shape>() + IN_A_MAP + index.len() + parts * size_of::<Part>()
}

/// Bytes that are held of all these tables.
pub fn bytes_of<'a>(tables: impl Iterator<Item = &'a OfTable>) -> usize {
    let (mut seen, mut all) = (HashSet::new(), 0);
    for indexes in tables {
        all += OF_A_TABLE;
        for (index, shape) in indexes {
            let names = shape.parts.iter().flat_map(|part| part.column.iter().chain(&part.expression));
            let news = names.filter(|name| seen.insert(name.place()));
            all += bytes(index, shape.parts.len()) + news.map(Name::bytes).sum::<usize>();
        }
    }
    all
}

impl Sink for Reader {
    fn row(&mut self, row: &TextRow<'_>) {
        self.learn(&Named::of(row));
    }

    fn is_full(&self) -> bool {
        self.found_no_room
    }

    fn let_go(&mut self) {
        *self = Self::new(self.room);
    }
}

impl Reader {
    fn learn(&mut self, row: &Named) {
        let (Some(table), Some(index)) = (row.text("table"), row.text("index")) else { return };
        if self.found_no_room {
            return;
        }
        if !self.tables.contains_key(table) {
            self.bytes += OF_A_TABLE;
        }
        let shape = self.tables.entry(table.to_owned()).or_default().entry(index.to_owned()).or_default();
        shape.is_unique = row.whole("is_unique") == Some(1);
        shape.is_visible = row.whole("is_visible").map(|visible| visible == 1);
        shape.hidden = row.text("hidden").map(|hidden| self.names.intern(hidden));
        shape.method = row.text("method").map(|method| self.names.intern(method));
        self.bytes += if shape.parts.is_empty() { bytes(index, 1) } else { size_of::<Part>() };
        shape.parts.push(Part::of(row, &mut self.names));
        if self.bytes + self.names.bytes() > self.room {
            self.found_no_room = true;
            (self.tables, self.names) = Default::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(column: &str, prefix: Option<i64>, is_descending: bool) -> Part {
        Part { column: Some(column.into()), expression: None, prefix, is_descending }
    }

    #[test]
    fn an_index_can_be_built_again_whatever_it_is_called() {
        let expression =
            Part { column: None, expression: Some("(`a` + 1)".into()), prefix: None, is_descending: false };
        let shape = Shape {
            is_unique: true,
            hidden: Some(" INVISIBLE".into()),
            method: Some("btree".into()),
            parts: vec![part("o`dd", Some(10), false), part("b", None, true), expression],
            ..Shape::default()
        };
        assert_eq!(
            shape.definition("s", "t`", "i`"),
            "ALTER TABLE `s`.`t``` ADD UNIQUE INDEX `i``` (`o``dd`(10), `b` DESC, ((`a` + 1))) INVISIBLE"
        );
        let text = Shape {
            method: Some("fulltext".into()),
            parts: vec![part("a", None, false)],
            ..Shape::default()
        };
        assert_eq!(text.definition("s", "t", "i"), "ALTER TABLE `s`.`t` ADD FULLTEXT INDEX `i` (`a`)");
    }

    #[test]
    fn what_finds_no_room_is_not_taken_for_half_of_it() {
        let row = |nth: usize| {
            let (table, column) = (format!("t{nth}"), format!("{nth}_{}", "x".repeat(200)));
            Named::recorded(&[("table", &table), ("index", "i"), ("is_unique", "1"), ("column", &column)])
        };
        let read = |rows: usize, room: usize| {
            let mut reader = Reader::new(room);
            (0..rows).for_each(|nth| reader.learn(&row(nth)));
            assert_eq!(reader.is_full(), reader.found_no_room);
            reader.finish()
        };
        let whole = read(10, usize::MAX).unwrap();
        let bytes = bytes_of(whole.values());
        assert_eq!(read(10, bytes).map(|tables| tables.len()), Some(10), "weighed as it is read");
        for room in [0, 1, bytes / 3, bytes / 2, bytes - 1] {
            assert!(read(10, room).is_none() && read(20, room).is_none(), "{room}");
        }
    }

    #[test]
    fn a_foreign_key_is_served_by_whole_columns_at_the_beginning() {
        let shape = Shape { parts: vec![part("A", None, false), part("b", None, false)], ..Shape::default() };
        let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(shape.begins_with(&columns(&["a"])));
        assert!(shape.begins_with(&columns(&["b", "a"])));
        assert!(
            shape.serves(&columns(&["a", "b"])) && !shape.serves(&columns(&["b", "a"])),
            "a key wants its order"
        );
        assert!(!shape.begins_with(&columns(&["b"])));
        assert!(!shape.begins_with(&columns(&["a", "b", "c"])));
        let beginning = Shape { parts: vec![part("a", Some(4), false)], ..Shape::default() };
        assert!(!beginning.begins_with(&columns(&["a"])));
    }
}
