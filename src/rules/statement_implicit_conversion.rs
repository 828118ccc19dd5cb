use crate::model::{Column, Finding, Flavour, Index, Severity, Table, Topic};
use crate::rule::catalogue::{self, Catalogue};
use crate::rule::statement::{self, AlmostAll, Ran};
use crate::rule::understood::Understood;
use crate::rule::{Rule, Seen, Word};
use crate::script;
use crate::sql::shape::{Role, Use};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Text compared with a number
///
/// A statement looks for one value of a text column that has an index, and yet goes through the whole table: the value is sent
/// as a number, or in another collation (MySQL, MariaDB).
///
/// ## Why it hurts
///
/// The number 77 equals the texts `77`, `077` and `77.0`, which lie anywhere in the index. So the server turns the text of every
/// row into a number and compares those. What should take one step takes as many as there are rows, and a write locks them all.
///
/// ## What to do
///
/// Send the value as a text: in quotes, or bound as a string. Where the column only ever holds numbers, make it a number.
///
/// ## When this page is wrong
///
/// The server does not show what was sent; it is told by what the runs looked at. When it cannot use the index for another
/// reason, a hint or an operator around the value, the cost is the same and the cure is not.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StatementImplicitConversion(AlmostAll);

impl Rule for StatementImplicitConversion {
    const ID: &'static str = "statement-implicit-conversion";
    const OF: &'static [Flavour] = &[Flavour::Mysql, Flavour::Mariadb];
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables, Topic::Indexes, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.0.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        statement::has_seen_enough(seen, self.0.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        self.0.findings(seen, is_lookup, |known, lookup| self.converted(known, lookup)).into_iter()
    }
}

/// It asks one table for the rows with one value, all of them as they are. Whatever else is asked of the table throws rows
/// away as well, and what only counts them reads many for the one that it returns.
fn is_lookup(read: &Understood<'_>) -> bool {
    let shape = &read.shape;
    let is_simple = shape.aggregates.is_empty() && !shape.counts_rows && !shape.distinct && !shape.limit;
    let [used] = shape.uses.as_slice() else { return false };
    shape.tables.len() == 1 && is_simple && used.role == Role::Equal && !used.under_or
}

/// The index that ought to be used, and where.
struct Unused<'a> {
    table: &'a Table,
    column: &'a Column,
    index: &'a Index,
    rows: f64,
}

impl StatementImplicitConversion {
    fn converted(&self, known: &Catalogue<'_>, lookup: &Understood<'_>) -> Option<Finding> {
        let (ran, table) = (&lookup.ran, lookup.table(known, 0)?);
        let rows = self.0.rows_of(table, ran)?;
        let (column, index) = lookup.shape.uses.iter().find_map(|used| served(known, table, used))?;
        Some(finding(ran, &Unused { table, column, index, rows }))
    }
}

/// The index that finds the rows of an equality on a text column by one step.
fn served<'a>(known: &Catalogue<'a>, table: &'a Table, used: &Use) -> Option<(&'a Column, &'a Index)> {
    let is_plain = used.wrapped.is_empty() && used.role == Role::Equal && used.operator == "=";
    let column = known.column(table, &used.column).filter(|column| is_plain && is_text(&column.data_type))?;
    Some((column, known.finds(table, column)?))
}

fn is_text(data_type: &str) -> bool {
    ["char", "varchar"].iter().any(|name| data_type.split('(').next().is_some_and(|of| of.eq_ignore_ascii_case(name)))
}

fn finding(ran: &Ran<'_>, unused: &Unused<'_>) -> Finding {
    let (table, column) = (catalogue::name(unused.table), &unused.column.column);
    ran.finding(
        StatementImplicitConversion::ID,
        Severity::Warning,
        format!(
            "{} looked at {} of the {} rows of {table} in each of {} runs {}, {} each, for one value of {column}, which is {} and \
             which index {} begins with: the value must have been sent as a number or in another collation",
            ran.name(),
            script::count(ran.cost.each(ran.cost.examined_rows).round()),
            script::count(unused.rows),
            script::count(ran.cost.calls),
            ran.when(),
            script::moment(ran.cost.mean_seconds()),
            unused.column.data_type,
            unused.index.index,
        ),
        [
            ("examined_rows_per_call", json!(ran.cost.each(ran.cost.examined_rows).round())),
            ("rows_per_call", json!(ran.cost.each(ran.cost.rows))),
            ("rows", json!(unused.rows)),
            ("column", json!(column)),
            ("data_type", json!(unused.column.data_type)),
            ("index", json!(unused.index.index)),
            ("load", json!(ran.load())),
            ("mean_seconds", json!(ran.cost.mean_seconds())),
        ],
        "Send the value as a text. That is a change in the client, so there is no script.".into(),
        None,
    )
}
