use crate::model::{Column, Finding, Fix, Flavour, Index, Severity, Table, Topic};
use crate::rule::catalogue::{self, Catalogue};
use crate::rule::statement::{self, AlmostAll, Ran};
use crate::rule::understood::Understood;
use crate::rule::{Rule, Seen, Word};
use crate::script::{self, mysql};
use crate::sql::shape::{Role, Use};
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
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StatementCollationsDiffer(AlmostAll);

impl Rule for StatementCollationsDiffer {
    const ID: &'static str = "statement-collations-differ";
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
        let joins = |read: &Understood<'a>| read.shape.uses.iter().any(|used| pair(used).is_some());
        self.0.findings(seen, joins, |known, read| self.converted(known, read)).into_iter()
    }
}

/// A column as a statement names it: the place of its table, and its name.
type Named<'a> = (usize, &'a str);

/// Two columns that are compared as they are. Each comparison stands there from both sides: which of the two is turned,
/// their declarations tell.
fn pair(used: &Use) -> Option<(Named<'_>, Named<'_>)> {
    let Role::Join { table: Some(other), column } = &used.role else { return None };
    let is_plain = used.wrapped.is_empty() && used.operator == "=" && !used.under_or;
    Some(((used.table.filter(|_| is_plain)?, &used.column), (*other, column)))
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
    fn converted(&self, known: &Catalogue<'_>, read: &Understood<'_>) -> Option<Finding> {
        let unused = read.shape.uses.iter().filter_map(pair).find_map(|((place, column), (other, with))| {
            let table = read.table(known, place)?;
            let rows = self.0.rows_of(table, &read.ran)?;
            let (column, with) = (known.column(table, column)?, known.column(read.table(known, other)?, with)?);
            let index = known.finds(table, column).filter(|_| is_turned(column, with))?;
            Some(Unused { table, column, index, rows, with })
        });
        unused.map(|unused| finding(&read.ran, &unused))
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

/// None where the column has a default: it would have to be said again, and it may be a text of somebody's. Nor where it
/// is computed: without its expression it would be an ordinary column from then on.
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
    let is_computed = column.generated.as_deref().is_some_and(|how| !how.is_empty());
    (!column.has_default && !is_computed).then(|| Fix {
        sql: vec![mysql::patience(2), to(other)],
        rollback: vec![to(own)],
        lock: "a shared metadata lock on the table".into(),
        blocks: "writers of the table, until all of it and its indexes are written anew; readers only at the end, for a moment".into(),
        transactional: false,
        caution: "Writes the whole table anew and needs room for a second copy; replicas do the same after it. Joins of this column \
                  with others of its present character set become what this one was: look at all of them first. If the column has \
                  a comment, is invisible or is checked, say that again. The way back fails once there is a text that the old character set cannot write."
            .into(),
    })
}
