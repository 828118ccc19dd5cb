//! Servers made of rows, and rows made of the few columns that matter to a test.

use crate::engine::Lack;
use crate::model::question::{Answer, Question};
use crate::model::{
    Cell, Epoch, Finding, Fix, Flavour, InTopic, Index, Name, Names, Noun, Part, Scope, Timestamp, When,
    Window,
};
use crate::plans::Plans;
use crate::rule::{Reading, Seen, Word};
use crate::rules::Handbook;
use crate::texts::Texts;
use crate::workload::Workload;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

pub use crate::model::Snapshot;

/// A row of any noun. Columns that are not given are null or, where they must not be, false, zero or empty.
pub fn row<N: Noun>(columns: Value) -> N {
    let mut given = columns.as_object().unwrap().clone();
    for column in given.keys() {
        assert!(N::COLUMNS.contains(&column.as_str()), "{} has no column {column}", N::NAME);
    }
    loop {
        let mut cell = |nth: usize| given.get(N::COLUMNS[nth]).map_or(Cell::Null, cell);
        let misfit = match N::read(&mut cell, &mut Names::default()) {
            Ok(row) => return row,
            Err(misfit) => misfit,
        };
        let guess = match given.get(misfit.column) {
            None => json!(false),
            guess => {
                assert_eq!(guess, Some(&json!(false)), "{misfit}");
                json!(0)
            }
        };
        given.insert(misfit.column.to_owned(), guess);
    }
}

fn cell(value: &Value) -> Cell<'_> {
    match value {
        Value::Bool(value) => Cell::Bool(*value),
        Value::Number(number) => {
            number.as_i64().map_or(Cell::Float(number.as_f64().unwrap_or(f64::NAN)), Cell::Int)
        }
        Value::String(text) => Cell::Text(text.as_str().into()),
        _ => Cell::Null,
    }
}

pub fn with(mut columns: Value, changes: Value) -> Value {
    columns.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    columns
}

pub const NOTHING: &[&str] = &[];
pub const MIB: u64 = 1 << 20;

fn note() -> Value {
    json!({
        "oid": 7, "database": "shop", "schema": "public", "table": "orders", "index": "note_idx", "table_oid": 1,
        "kind": "i", "persistence": "p", "access_method": "btree", "is_valid": true, "is_ready": true,
        "key_columns": 1, "columns": "2", "operator_classes": "1978", "collations": "0", "column_options": "0",
        "nulls_not_distinct": false, "size_bytes": 20 * MIB, "scans": 5,
    })
}

pub fn index(changes: Value) -> Index {
    row(with(note(), changes))
}

pub fn shop() -> Scope {
    Scope::Database("shop".into())
}

/// One topic of one scope, read at some second of a server whose statistics began at zero.
pub fn snapshot<N: InTopic>(at: f64, scope: Scope, mut rows: Vec<N>) -> Snapshot {
    rows.sort_by_key(Noun::key);
    let epoch = Epoch {
        server: Name::new("one"),
        started: Some(Timestamp::new(0.0)),
        reset: Some(Timestamp::new(0.0)),
        volatile: false,
    };
    let taken = When { run: 1, monotonic: at, wall: at };
    let part = Part { taken, epoch, complete: true, rows: Arc::new(N::into_rows(rows)) };
    Snapshot { parts: [((N::IN, scope), part)].into(), ..Snapshot::default() }
}

/// Several topics as one.
pub fn together(snapshots: impl IntoIterator<Item = Snapshot>) -> Snapshot {
    let parts = snapshots.into_iter().flat_map(|snapshot| snapshot.parts);
    Snapshot { parts: parts.collect(), ..Snapshot::default() }
}

pub fn definition_of(id: i64) -> Question {
    Question::IndexDefinition { database: "shop".into(), id }
}

/// All that a rule can see, owned.
#[derive(Default)]
pub struct World {
    pub now: Snapshot,
    pub latest: Window,
    pub ladder: Vec<Window>,
    pub since_reset: Option<Window>,
    pub workload: Workload,
    pub texts: Texts,
    pub answers: HashMap<Question, Answer>,
    pub plans: Plans,
    pub explains: bool,
    pub lacks: Vec<Lack>,
    pub flavour: Flavour,
}

impl World {
    pub fn told(mut self, index: i64, definition: &str) -> World {
        self.answers.insert(definition_of(index), Answer::Text(definition.into()));
        self
    }

    pub fn refused(mut self, index: i64) -> World {
        self.answers.insert(definition_of(index), Answer::Unknown("it is locked".into()));
        self
    }

    pub fn seen(&self) -> Seen<'_> {
        Seen {
            now: &self.now,
            latest: &self.latest,
            ladder: &self.ladder,
            since_reset: self.since_reset.as_ref(),
            workload: &self.workload,
            texts: &self.texts,
            answers: &self.answers,
            plans: &self.plans,
            explains: self.explains,
            lacks: &self.lacks,
            flavour: self.flavour,
            at: 0.0,
        }
    }

    pub fn read(&self) -> Reading {
        Handbook::default().read(&self.seen())
    }

    pub fn could_speak(&self) -> Vec<&'static str> {
        self.read().could_speak.into_iter().map(|(id, _)| id).collect()
    }

    pub fn found(&self, rule: &str) -> Vec<Finding> {
        let words = self.read().words.into_iter();
        let findings =
            words.filter_map(|word| if let Word::Finding(finding) = word { Some(*finding) } else { None });
        findings.filter(|finding| &*finding.rule == rule).collect()
    }

    /// The findings of one rule, in short: severity, subject, sentence.
    pub fn said(&self, rule: &str) -> Vec<String> {
        let short = |finding: Finding| {
            let Finding { severity, subject, because, .. } = finding;
            format!("{severity:?} {subject}: {because}")
        };
        self.found(rule).into_iter().map(short).collect()
    }

    /// The way out that its first finding shows.
    pub fn fix(&self, rule: &str) -> Option<Fix> {
        self.found(rule).remove(0).fix
    }
}
