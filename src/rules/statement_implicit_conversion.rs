use crate::config::Span;
use crate::model::{Column, Finding, Flavour, Index, Severity, Table, Topic};
use crate::rule::catalogue::{self, Catalogue, live_rows};
use crate::rule::statement::{self, Ran};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use crate::sql::shape::{self, Role, Use};
use crate::sql::{Dialect, SqlMode};
use crate::workload::{Cost, Key, Sum};
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementImplicitConversion {
    /// Rows of the table. Smaller ones are read in no time.
    min_rows: f64,
    /// Share of the table that a run looks at. Calibrated by us: a half leaves room for runs that send a text.
    min_read: f64,
    /// Share of what it looks at that it returns or changes, at most. Above some five per cent reading everything is often the
    /// better plan, whatever was sent.
    max_share: f64,
    /// Runs within the time looked at. Calibrated by us: less is somebody at a console.
    min_calls: f64,
    /// Sessions that it keeps busy on average. Calibrated by us: a hundredth of a core is worth a look.
    min_load: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementImplicitConversion {
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

impl Rule for StatementImplicitConversion {
    const ID: &'static str = "statement-implicit-conversion";
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
        let lookups: Vec<Lookup<'a>> = costly.into_iter().filter_map(Lookup::of).take(MAX_LOOKED_AT).collect();
        let tables = lookups.iter().map(|lookup| (lookup.ran.key.database.clone(), lookup.table.clone()));
        let known = Catalogue::of_each(seen, tables);
        let found = lookups.into_iter().filter_map(move |lookup| {
            let known = known.get(&lookup.ran.key.database)?;
            self.converted(known, &lookup).map(Word::from)
        });
        found.take(statement::MAX_NAMED)
    }
}

/// Statements whose tables are looked up: the dearest.
const MAX_LOOKED_AT: usize = 50;

/// A statement that looks for values in one table, and has no other reason to read all of it.
struct Lookup<'a> {
    ran: Ran<'a>,
    table: String,
    uses: Vec<Use>,
}

impl<'a> Lookup<'a> {
    fn of(ran: Ran<'a>) -> Option<Lookup<'a>> {
        let read = shape::read(Dialect::Mysql(SqlMode::default()), ran.text);
        let [of] = read.tables.as_slice() else { return None };
        // A plan for the order of its rows, or for an alternative, may have another reason to read them all.
        let has_other_reasons =
            |used: &Use| used.under_or || matches!(used.role, Role::Sort { .. } | Role::Group | Role::Join { .. });
        let is_foreign = of.schema.as_ref().is_some_and(|schema| **schema != *ran.key.database);
        if !read.understood || is_foreign || read.limit || read.uses.iter().any(has_other_reasons) {
            return None;
        }
        Some(Lookup { table: of.name.clone(), uses: read.uses, ran })
    }
}

/// The index that ought to be used, and where.
struct Unused<'a> {
    table: &'a Table,
    column: &'a Column,
    index: &'a Index,
    rows: f64,
}

impl StatementImplicitConversion {
    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let looks_at_much = cost.each(cost.examined_rows) >= self.min_read * self.min_rows;
        let for_little = cost.rows <= self.max_share * cost.examined_rows;
        let again_and_again = cost.calls >= self.min_calls;
        looks_at_much && for_little && again_and_again && sum.rate(cost.exec_seconds) >= self.min_load
    }

    fn converted(&self, known: &Catalogue<'_>, lookup: &Lookup<'_>) -> Option<Finding> {
        let (ran, table) = (&lookup.ran, known.table(&lookup.table)?);
        let rows = live_rows(table).filter(|rows| *rows >= self.min_rows)?;
        let is_read = ran.cost.each(ran.cost.examined_rows) >= self.min_read * rows;
        let (column, index) = lookup.uses.iter().find_map(|used| served(known, table, used))?;
        is_read.then(|| finding(ran, &Unused { table, column, index, rows }))
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
