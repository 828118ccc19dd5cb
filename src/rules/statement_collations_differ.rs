use crate::config::Span;
use crate::model::{Column, Finding, Fix, Flavour, Index, Severity, Table, Topic};
use crate::rule::catalogue::{self, Catalogue, live_rows};
use crate::rule::statement::{self, Ran};
use crate::rule::{Rule, Seen, Word};
use crate::script::{self, mysql};
use crate::sql::shape::{self, Role, Use};
use crate::sql::{Dialect, SqlMode};
use crate::workload::{Cost, Key, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Join of two character sets
///
/// A statement joins two text columns that are written in different character sets or sorted by different collations, and goes
/// through a whole table that has an index on its column.
///
/// ## Why it hurts
///
/// To compare them the server turns every text of the one column into the character set of the other, and the index is sorted by
/// the texts as they were. So for each row of one table it reads all of the other. It grows with the table, and nothing in the
/// statement tells why. Usually one table is older than the other: it is still utf8mb3 or latin1.
///
/// ## What to do
///
/// Give both columns one character set and one collation. Better than one column after the other is a plan for the whole schema.
///
/// ## When this page is wrong
///
/// It is told by what the runs looked at and how the columns are declared; the plan is not seen. A hint, or a condition that wants
/// most of the table anyway, reads as much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementCollationsDiffer {
    /// Rows of the table whose index is not used. Smaller ones are read in no time.
    min_rows: f64,
    /// Share of that table that a run looks at. Calibrated by us: a half leaves room for estimates.
    min_read: f64,
    /// Share of what it looks at that it returns or changes, at most. Calibrated by us: above some five per cent reading everything
    /// is often the better plan.
    max_share: f64,
    /// Runs within the time looked at. Calibrated by us: less is somebody at a console.
    min_calls: f64,
    /// Sessions that it keeps busy on average. Calibrated by us: a hundredth of a core is worth a look.
    min_load: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementCollationsDiffer {
    fn default() -> Self {
        Self {
            min_rows: 10_000.0,
            min_read: 0.5,
            max_share: 0.05,
            min_calls: 10.0,
            min_load: 0.01,
            min_window: Span::secs(300),
        }
    }
}

impl Rule for StatementCollationsDiffer {
    const ID: &'static str = "statement-collations-differ";
    const OF: &'static [Flavour] = &[Flavour::Mysql, Flavour::Mariadb];
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables, Topic::Indexes, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        statement::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let is_costly = |_: &Key, cost: &Cost, sum: &Sum| self.is_costly(cost, sum);
        let costly = statement::all_queries(seen, self.min_window, is_costly, |cost| cost.exec_seconds);
        let joins: Vec<Joins<'a>> = costly.into_iter().filter_map(Joins::of).take(MAX_LOOKED_AT).collect();
        let tables = joins.iter().flat_map(|joins| {
            let names = joins.pairs.iter().flat_map(|((one, _), (other, _))| [one, other]);
            names.map(|table| (joins.ran.key.database.clone(), table.clone()))
        });
        let known = Catalogue::of_each(seen, tables);
        let found = joins.into_iter().filter_map(move |joins| {
            let known = known.get(&joins.ran.key.database)?;
            self.converted(known, &joins).map(Word::from)
        });
        found.take(statement::MAX_NAMED)
    }
}

/// Statements whose tables are looked up: the dearest.
const MAX_LOOKED_AT: usize = 50;

/// A column as a statement names it: its table and its name.
type Named = (String, String);

/// A statement that compares columns of its tables with each other.
struct Joins<'a> {
    ran: Ran<'a>,
    pairs: Vec<(Named, Named)>,
}

impl<'a> Joins<'a> {
    fn of(ran: Ran<'a>) -> Option<Joins<'a>> {
        let read = shape::read(Dialect::Mysql(SqlMode::default()), ran.text);
        let named = |table: usize, column: &str| {
            let table = read.tables.get(table)?;
            let is_here = table.schema.as_ref().is_none_or(|schema| **schema == *ran.key.database);
            is_here.then(|| (table.name.clone(), column.to_owned()))
        };
        let pair = |used: &Use| {
            let Role::Join { table: Some(other), column } = &used.role else { return None };
            let is_plain = used.wrapped.is_empty() && used.operator == "=" && !used.under_or;
            Some((named(used.table.filter(|_| is_plain)?, &used.column)?, named(*other, column)?))
        };
        // Each comparison stands there from both sides: which of the two is turned, their declarations tell.
        let pairs: Vec<(Named, Named)> = read.uses.iter().filter_map(pair).collect();
        (read.understood && !pairs.is_empty()).then_some(Joins { ran, pairs })
    }
}

/// The index that is not used, and why.
struct Unused<'a> {
    table: &'a Table,
    column: &'a Column,
    index: &'a Index,
    rows: f64,
    /// What the column is compared with.
    with: &'a Column,
}

impl StatementCollationsDiffer {
    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let looks_at_much = cost.each(cost.examined_rows) >= self.min_read * self.min_rows;
        let for_little = cost.rows <= self.max_share * cost.examined_rows;
        let again_and_again = cost.calls >= self.min_calls;
        looks_at_much && for_little && again_and_again && sum.rate(cost.exec_seconds) >= self.min_load
    }

    fn converted(&self, known: &Catalogue<'_>, joins: &Joins<'_>) -> Option<Finding> {
        let examined = joins.ran.cost.each(joins.ran.cost.examined_rows);
        let unused = joins.pairs.iter().find_map(|((table, column), (other, with))| {
            let table = known.table(table)?;
            let rows = live_rows(table).filter(|rows| *rows >= self.min_rows && examined >= self.min_read * rows)?;
            let (column, with) = (known.column(table, column)?, known.column(known.table(other)?, with)?);
            let index = known.finds(table, column).filter(|_| is_turned(column, with))?;
            Some(Unused { table, column, index, rows, with })
        });
        unused.map(|unused| finding(&joins.ran, &unused))
    }
}

/// Must the texts of this column be turned into what the other is, to be compared?
fn is_turned(column: &Column, with: &Column) -> bool {
    let (Some(own), Some(other)) = (column.collation.as_deref(), with.collation.as_deref()) else { return false };
    let charset = |collation: &str| collation.split('_').next().unwrap_or_default().to_owned();
    match (breadth(&charset(own)), breadth(&charset(other))) {
        // Of two collations of one character set the binary one is what both are compared by.
        _ if charset(own) == charset(other) => own != other && other.ends_with("_bin") && !own.ends_with("_bin"),
        (Some(own), Some(other)) => own < other,
        _ => false,
    }
}

/// Of two character sets the texts of the narrower one are turned into the wider. None where we do not know.
fn breadth(charset: &str) -> Option<u8> {
    match charset {
        "utf8mb4" => Some(3),
        "utf8mb3" | "utf8" => Some(2),
        "ascii" | "latin1" | "latin2" | "latin5" | "latin7" | "greek" | "hebrew" | "cp1250" | "cp1251" | "cp1256" | "cp1257"
        | "koi8r" | "koi8u" => Some(1),
        _ => None,
    }
}

fn finding(ran: &Ran<'_>, unused: &Unused<'_>) -> Finding {
    let (table, column, with) = (catalogue::name(unused.table), unused.column, unused.with);
    let collation = |column: &Column| column.collation.as_deref().unwrap_or_default().to_owned();
    ran.finding(
        StatementCollationsDiffer::ID,
        Severity::Warning,
        format!(
            "{} looked at {} rows in each of {} runs {}, {} each: it compares {table}.{}, which is {} and which index {} begins with, \
             with {}.{}, which is {}, so that the index is of no use and all {} rows are read",
            ran.name(),
            script::count(ran.cost.each(ran.cost.examined_rows).round()),
            script::count(ran.cost.calls),
            ran.when(),
            script::moment(ran.cost.mean_seconds()),
            column.column,
            collation(column),
            unused.index.index,
            with.table,
            with.column,
            collation(with),
            script::count(unused.rows),
        ),
        [
            ("examined_rows_per_call", json!(ran.cost.each(ran.cost.examined_rows).round())),
            ("rows_per_call", json!(ran.cost.each(ran.cost.rows))),
            ("rows", json!(unused.rows)),
            ("column", json!(format!("{table}.{}", column.column))),
            ("collation", json!(collation(column))),
            ("compared_with", json!(format!("{}.{}.{}", with.schema, with.table, with.column))),
            ("other_collation", json!(collation(with))),
            ("index", json!(unused.index.index)),
            ("load", json!(ran.load())),
            ("mean_seconds", json!(ran.cost.mean_seconds())),
        ],
        "Give both columns one character set and one collation.".into(),
        fix(column, with),
    )
}

/// None where the column has a default: it would have to be said again, and it may be a text of somebody's.
fn fix(column: &Column, with: &Column) -> Option<Fix> {
    let to = |collation: &str| {
        let charset = collation.split('_').next().unwrap_or_default();
        let null = if column.not_null { "NOT NULL" } else { "NULL" };
        let name = mysql::identifier(&column.column);
        let modify =
            format!("MODIFY COLUMN {name} {} CHARACTER SET {charset} COLLATE {collation} {null}", column.data_type);
        mysql::alter_copying(&column.schema, &column.table, &modify)
    };
    let (own, other) = (column.collation.as_deref()?, with.collation.as_deref()?);
    (!column.has_default).then(|| Fix {
        sql: vec![mysql::patience(2), to(other)],
        rollback: vec![to(own)],
        lock: "a shared metadata lock on the table".into(),
        blocks: "writers of the table, until all of it and its indexes are written anew; readers only at the end, for a moment".into(),
        transactional: false,
        caution: "Writes the whole table anew and needs room for a second copy; replicas do the same after it. Joins of this column \
                  with others of its present character set become what this one was: look at all of them first. If the column has \
                  a comment, say it again. The way back fails once there is a text that the old character set cannot write."
            .into(),
    })
}
