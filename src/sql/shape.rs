//! What a statement does, read from its fingerprint: operation, tables, and which columns it compares, joins,
//! sorts and groups by.
//!
//! ```
//! use dbsonde::sql::{Dialect, shape::{Role, read}};
//! let shape = read(Dialect::Postgres, "select * from shop.orders o where o.customer = ? order by o.placed limit ?");
//! assert_eq!(shape.tables[0].name, "orders");
//! assert_eq!((shape.uses[0].column.as_str(), &shape.uses[0].role), ("customer", &Role::Equal));
//! assert!(shape.star && shape.limit && shape.understood);
//! ```
//!
//! It is a tolerant parser for both dialects that never fails: what it does not know it passes over, says so
//! ([`Shape::understood`]) and reads on. Of a text cut short it gives what was there. It asks no catalogue: a
//! column without a qualifier belongs to the one table of its query, else to one of several, and a view looks like
//! a table.

mod call;
mod condition;
mod expression;
mod from;
mod operator;
mod parser;
mod query;
mod resolve;
mod statement;
#[cfg(test)]
mod tests;

mod words;
mod write;

use super::Dialect;

/// As many tokens as are read. A statement of that size was written by a program, and its beginning tells.
const MAX_TOKENS: usize = 30_000;
/// Tables and column uses that are kept. Plans of statements with more say nothing about one index any more.
const MAX_TABLES: usize = 200;
const MAX_USES: usize = 500;

/// What a statement does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// Nothing for a utility statement, and for what is no statement.
    pub verb: Option<Verb>,
    /// Every table by its name, once for each place where it stands. Common table expressions and derived tables
    /// are none.
    pub tables: Vec<Table>,
    /// Columns and what is done with them, in the order of the text. Only what an index could serve: conditions of
    /// `where` and `on`, sorting, grouping, and what an update assigns.
    pub uses: Vec<Use>,
    /// `select *` or `select t.*` in the outermost query.
    pub star: bool,
    pub distinct: bool,
    /// Aggregate functions of the outermost query by name, each once.
    pub aggregates: Vec<String>,
    /// `count(*)` is among them.
    pub counts_rows: bool,
    /// The outermost query, or the update or delete, has one.
    pub limit: bool,
    pub offset: bool,
    /// Conditions `not in (select column …)` that each row must meet. One null in that column, and no row does.
    pub not_in: Vec<NotIn>,
    /// A condition whose alternatives test different columns: `a = ? or b = ?`.
    pub or_across_columns: bool,
    /// A subquery reads a column of a query around it.
    pub correlated: bool,
    pub locks_rows: bool,
    /// The whole text was there and each token had a place. Otherwise there may be more than is told here.
    pub understood: bool,
}

/// The operation of a statement; of `with … insert` it is the insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    Select,
    Insert,
    Replace,
    Update,
    Delete,
    Merge,
    Values,
}

/// A table where it stands in the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// As written; nothing if the search path or the present database decides.
    pub schema: Option<String>,
    pub name: String,
    /// What its columns are qualified with, if not its name.
    pub alias: Option<String>,
    /// It is the target of the insert, update, delete or merge.
    pub written: bool,
}

/// One use of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Its table as a place in [`Shape::tables`]; nothing if only a catalogue could tell, or if it is a column of a
    /// derived table.
    pub table: Option<usize>,
    pub column: String,
    pub role: Role,
    /// The operator as written: `=`, `between`, `not in`, `ilike`, `@>`. Empty for sorting, grouping and assigning.
    pub operator: String,
    /// What stands between the column and the operator, innermost first. An index on the bare column does not
    /// serve it.
    pub wrapped: Vec<Wrap>,
    /// It stands under an `or`: alone it does not narrow down the rows.
    pub under_or: bool,
    /// It is compared with a column of a query around its own, so with another value for each row of that.
    pub correlated: bool,
}

/// What a `not in` compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotIn {
    /// Its place in [`Shape::tables`].
    pub table: usize,
    pub column: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrap {
    Function(String),
    Cast(String),
    Collation(String),
    /// Arithmetic or another operator.
    Operator(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// With a value: `=`, `<=>`, `is not distinct from`.
    Equal,
    /// `<`, `>=`, `between`.
    Range,
    /// A list of values, `= any (…)`, or the result of a query.
    In,
    /// `like`, `ilike`, `regexp`, `~`. Whether the pattern begins with a wildcard is not in a fingerprint.
    Like,
    /// `is null`, `is not null`.
    Null,
    /// `!=`, `not in`, `not like`, `not between`.
    Unlike,
    /// Compared with a column, by whichever operator: its table as in [`Use::table`], and its name.
    Join {
        table: Option<usize>,
        column: String,
    },
    /// A Boolean column that is a condition by itself.
    Truth,
    /// Any other part of a condition: `data @> ?`, `f(a, b)`.
    Other,
    Sort {
        descending: bool,
    },
    Group,
    /// An update gives it a value.
    Assigned,
}

/// Reads a fingerprint, or any text as typed.
pub fn read(dialect: Dialect, text: &str) -> Shape {
    statement::read(parser::Parser::new(dialect, text))
}

impl Shape {
    /// The uses of one table's columns.
    pub fn uses_of(&self, table: usize) -> impl Iterator<Item = &Use> {
        self.uses.iter().filter(move |used| used.table == Some(table))
    }
}
