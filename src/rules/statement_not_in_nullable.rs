use crate::config::Span;
use crate::model::{Column, Constraint, Finding, Severity, Table, Topic};
use crate::rule::catalogue::{self, Catalogue};
use crate::rule::understood::{self, Understood};
use crate::rule::{Rule, Seen, Word, statement};
use crate::script;
use crate::sql::shape::{NotIn, Role, Use};
use crate::workload::{Cost, Key, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # NOT IN over a column that may be null
///
/// A statement wants the rows whose value is *not in* the results of a subquery, and the column that the subquery gives may be
/// null.
///
/// ## Why it hurts
///
/// Nobody knows whether a value differs from null, so with one null among the results the condition is true of no row: the
/// statement finds nothing, says nothing, and is wrong. Whoever inserts that null sees no connection. And because the server must
/// mind it, it cannot join the two tables: PostgreSQL keeps all results in memory, or goes through them for every row where
/// they do not fit.
///
/// ## What to do
///
/// Write `NOT EXISTS (SELECT 1 FROM … WHERE … = …)`: a null upsets it not, and the server can do it as a join. Or leave the nulls
/// out in the subquery, or forbid them in the table.
///
/// ## When this page is wrong
///
/// The other conditions of the subquery may never meet a row with a null, for a reason that is in nobody's schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementNotInNullable {
    /// Runs within the time looked at. Calibrated by us: less is somebody at a console.
    min_calls: f64,
    /// The time over which runs are counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementNotInNullable {
    fn default() -> Self {
        Self { min_calls: 10.0, min_window: Span::secs(300) }
    }
}

impl Rule for StatementNotInNullable {
    const ID: &'static str = "statement-not-in-nullable";
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        statement::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        // Only what has these words is worth reading.
        let has_one = |key: &Key| seen.texts.fingerprint(key.digest).is_some_and(|text| text.contains(" not in (select "));
        let again_and_again = |key: &Key, cost: &Cost, _: &Sum| cost.calls >= self.min_calls && has_one(key);
        let ran = statement::all_queries(seen, self.min_window, again_and_again, |cost| cost.exec_seconds);
        let has_trap = |read: &Understood<'a>| !read.shape.not_in.is_empty();
        understood::findings(seen, ran, has_trap, |known, read| {
            let (table, column) = read.shape.not_in.iter().find_map(|not_in| trap(seen, known, read, not_in))?;
            Some(finding(known, read, table, column))
        })
        .into_iter()
    }
}

/// The column, if a null in it would be among the results.
fn trap<'a>(
    seen: &Seen<'a>,
    known: &Catalogue<'a>,
    read: &Understood<'a>,
    not_in: &NotIn,
) -> Option<(&'a Table, &'a Column)> {
    let table = read.table(known, not_in.table).filter(|table| matches!(&*table.kind, "r" | "p"))?;
    let column = known.column(table, &not_in.column)?;
    let leaves_nulls_out = |used: &Use| used.column == not_in.column && !used.under_or && is_true_of_no_null(used);
    let may_be_null = !column.not_null && !forbids_null_by_itself(column) && !is_checked(seen, table, column);
    (may_be_null && !read.shape.uses_of(not_in.table).any(leaves_nulls_out)).then_some((table, column))
}

/// Whatever else is asked of a column, a null does not answer it; or we take it to be so.
fn is_true_of_no_null(used: &Use) -> bool {
    match used.role {
        Role::Null => used.operator == "is not null",
        Role::Sort { .. } | Role::Group | Role::Assigned => false,
        _ => true,
    }
}

/// The first id that PostgreSQL gives to what users make.
const FIRST_OWN_OID: i64 = 16_384;

/// A type of somebody's own may forbid nulls where its column does not say so.
fn forbids_null_by_itself(column: &Column) -> bool {
    column.type_oid.is_some_and(|oid| oid >= FIRST_OWN_OID)
}

/// A check of the table may forbid them as well.
fn is_checked(seen: &Seen<'_>, table: &Table, column: &Column) -> bool {
    seen.now.rows::<Constraint>().any(|check| {
        let says = |words: &str| check.definition.as_deref().is_some_and(|text| text.contains(words));
        check.table_oid == table.oid
            && check.database == table.database
            && &*check.kind == "c"
            && says("IS NOT NULL")
            && says(&column.column)
    })
}

fn finding(known: &Catalogue<'_>, read: &Understood<'_>, table: &Table, column: &Column) -> Finding {
    let ran = &read.ran;
    let name = format!("{}.{}", catalogue::name(table), column.column);
    let nulls = known.statistics(column).map(|statistics| statistics.null_ratio).filter(|nulls| *nulls > 0.0);
    let told = nulls.map_or(String::new(), |nulls| format!(", and {:.1} % of its values are", nulls * 100.0));
    ran.finding(
        StatementNotInNullable::ID,
        if nulls.is_some() { Severity::Warning } else { Severity::Note },
        format!(
            "{} ran {} times {} and wants what is not in a query of {name}, which may be null{told}: with one null among the \
             results it finds no row at all",
            ran.name(),
            script::count(ran.cost.calls),
            ran.when(),
        ),
        [
            ("column", json!(name)),
            ("null_ratio", json!(known.statistics(column).map(|statistics| statistics.null_ratio))),
            ("rows_per_call", json!(ran.cost.each(ran.cost.rows))),
            ("mean_seconds", json!(ran.cost.mean_seconds())),
        ],
        "Write NOT EXISTS, or leave the nulls out in the subquery. That is a change in the client, so there is no script.".into(),
        None,
    )
}
