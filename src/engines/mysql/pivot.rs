//! An answer of names and values, a row each, read as one row of a noun: the head of its file says which name
//! becomes which field of which topic. One answer may tell of several topics.

use super::answer::{TextRow, number};
use super::connect::Sink;
use crate::engine::layout::{Layout, Read, Record, decoder};
use crate::engine::reading::Failure;
use crate::model::noun::Cell;
use crate::model::{Names, Topic};
use std::borrow::Cow;
use std::collections::HashMap;

/// A name of an answer, and the field that it becomes, as `topic.field`.
type Field = (&'static str, &'static str);

#[derive(Debug)]
pub struct Pivot {
    file: &'static str,
    fields: Vec<Field>,
    /// By lower-case name: names of variables have no case.
    values: HashMap<String, Option<String>>,
    told: Vec<Topic>,
}

impl Pivot {
    /// `None` for a file that is read row by row.
    pub fn of(file: &'static str, fields: &[Field]) -> Option<Pivot> {
        let values = fields.iter().map(|(name, _)| (name.to_lowercase(), None)).collect();
        (!fields.is_empty()).then(|| Pivot { file, fields: fields.to_vec(), values, told: Vec::new() })
    }

    /// Does it tell of this topic, and has not told of it yet? What is asked for twice is asked anew.
    pub fn tells(&self, file: &str, topic: Topic) -> bool {
        self.file == file && !self.told.contains(&topic)
    }

    pub fn read(&mut self, topic: Topic, block_size: f64, names: &mut Names) -> Result<Read, Failure> {
        self.told.push(topic);
        let field = |(name, field): &Field| {
            let alias = field.strip_prefix(topic.name())?.strip_prefix('.')?;
            // One field may have several names, of which a server knows one.
            Some((alias, self.values.get(&name.to_lowercase())?.as_deref()?))
        };
        let (aliases, values): (Vec<&str>, Vec<&str>) = self.fields.iter().filter_map(field).unzip();
        let mut decoder = decoder(topic, usize::MAX);
        // Else nothing that it would tell of is there.
        if !aliases.is_empty() {
            let layout = Layout::of(topic, aliases.into_iter(), block_size).map_err(Failure::Lost)?;
            decoder.row(&Values(values), &layout, "", names);
        }
        decoder.finish()
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
        if let Some(place) = self.values.get_mut(&name.to_lowercase()) {
            *place = match value {
                Cell::Text(text) => Some(text.into_owned()),
                Cell::Int(value) => Some(value.to_string()),
                Cell::Float(value) => Some(value.to_string()),
                Cell::Bool(_) | Cell::Null => None,
            };
        }
    }

    fn let_go(&mut self) {
        self.values.values_mut().for_each(|value| *value = None);
    }
}

struct Values<'a>(Vec<&'a str>);

impl Record for Values<'_> {
    fn cell(&self, column: usize) -> Cell<'_> {
        match self.0.get(column) {
            Some(text) => match number(text) {
                Cell::Null => word(text),
                value => value,
            },
            None => Cell::Null,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activity, InTopic, Innodb};

    const FIELDS: [Field; 4] = [
        ("Questions", "activity.questions"),
        ("Innodb_deadlocks", "innodb.deadlocks"),
        ("lock_deadlocks", "innodb.deadlocks"),
        ("Innodb_row_lock_time", "innodb.row_lock_seconds:ms"),
    ];

    #[test]
    fn one_answer_tells_of_several_topics_once_each() {
        let mut pivot = Pivot::of("status", &FIELDS).unwrap();
        for (name, value) in [("questions", "12"), ("lock_deadlocks", "3"), ("innodb_row_lock_time", "1500")]
        {
            *pivot.values.get_mut(name).unwrap() = Some(value.to_owned());
        }
        assert!(pivot.tells("status", Topic::Activity) && !pivot.tells("galera", Topic::Galera));
        let mut names = Names::default();
        let read = pivot.read(Topic::Activity, 16_384.0, &mut names).unwrap();
        assert_eq!(Activity::of(&read.rows)[0].questions.unwrap().0.get(), 12);
        assert!(!pivot.tells("status", Topic::Activity) && pivot.tells("status", Topic::Innodb));
        let read = pivot.read(Topic::Innodb, 16_384.0, &mut names).unwrap();
        let innodb = &Innodb::of(&read.rows)[0];
        assert_eq!(innodb.deadlocks.unwrap().0.get(), 3);
        assert_eq!(innodb.row_lock_seconds.unwrap().0.get(), 1.5);
        assert_eq!(pivot.read(Topic::SemiSync, 16_384.0, &mut names).unwrap().rows.len(), 0);
    }

    /// What the status does not tell is asked for by its name, which stands in the head as well.
    #[test]
    fn each_field_of_the_status_is_asked_for() {
        let sql = include_str!("sql/status.sql");
        let body = sql.split_once("select /*").unwrap().1;
        let fields = sql.lines().filter_map(|line| line.strip_prefix("-- field: ")?.split_once(" as "));
        let elsewhere = |name: &&str| name.starts_with(|first: char| first.is_ascii_lowercase());
        let names: Vec<&str> = fields.map(|(name, _)| name).filter(elsewhere).collect();
        assert_eq!(body.matches('\'').count(), 2 * (names.len() + 1), "and 'enabled'");
        for name in names {
            assert!(body.contains(&format!("'{name}'")), "{name}");
        }
    }
}
