//! Why an estimate was off, as far as the statistics of the tables tell.

use super::{Fault, Surprise};
use crate::model::{Column, ColumnStatistics, ExtendedStatistics, InTopic, Scope, Setting, Table, Topic};
use crate::rule::Seen;
use crate::rule::catalogue::{Catalogue, live_rows};
use crate::sql::shape::{Role, Shape, Use};

/// Changed rows, as a part of all, from which on statistics are said to be old. Twice what makes autovacuum come as it is
/// set when nobody sets it: what it is about to see to is not told.
const OLD: f64 = 0.2;

/// Why the planner expected so few rows.
#[derive(Debug, Clone)]
pub enum Cause<'a> {
    /// The table was never analysed.
    Unanalyzed {
        table: &'a Table,
    },
    /// So many of its rows have changed since.
    Old {
        table: &'a Table,
        changed: f64,
    },
    /// Values of these columns go together, and each column by itself could give as many rows.
    Correlated {
        table: &'a Table,
        columns: Vec<&'a Column>,
    },
    /// More values of the column are common than the server keeps.
    Skewed {
        table: &'a Table,
        column: &'a Column,
        kept: f64,
    },
    /// The plan is the one for every value, and this value is a common one, as the server knows.
    Generic {
        table: &'a Table,
        columns: Vec<&'a Column>,
    },
    Unknown,
}

impl<'a> Cause<'a> {
    /// None until all that tells the cause was read in this database, and where the statistics are younger than the run:
    /// they do not tell what the planner knew.
    pub(super) fn of(
        seen: &Seen<'a>,
        known: &Catalogue<'a>,
        fault: &Fault<'a, Surprise<'a>>,
        shape: &Shape,
    ) -> Option<Cause<'a>> {
        let of_database = [Topic::Tables, Topic::Columns, Topic::ColumnStatistics, Topic::ExtendedStatistics];
        let scope = Scope::Database(fault.key.database.clone());
        of_database.iter().all(|topic| seen.now.parts.contains_key(&(*topic, scope.clone()))).then_some(())?;
        let tables = tables_of(known, fault);
        if tables.iter().any(|table| analyzed(table).is_some_and(|at| at >= fault.run.since)) {
            return None;
        }
        let cause =
            statistics_are_old(seen, fault, tables).or_else(|| of_its_columns(seen, known, fault, shape));
        Some(cause.unwrap_or(Cause::Unknown))
    }
}

/// Any table whose rows went into the step.
fn tables_of<'a>(known: &Catalogue<'a>, fault: &Fault<'a, Surprise<'a>>) -> Vec<&'a Table> {
    let mut tables: Vec<&'a Table> = Vec::new();
    fault
        .what
        .step
        .each(&mut |step| tables.extend(step.relation.as_deref().and_then(|name| known.table(name))));
    tables
}

/// When that was last done, as far as the server remembers.
fn analyzed(table: &Table) -> Option<f64> {
    let both = [table.last_analyze, table.last_autoanalyze];
    both.into_iter().flatten().map(|at| at.get()).reduce(f64::max)
}

fn statistics_are_old<'a>(
    seen: &Seen<'a>,
    fault: &Fault<'a, Surprise<'a>>,
    tables: Vec<&'a Table>,
) -> Option<Cause<'a>> {
    let scope = Scope::Database(fault.key.database.clone());
    let statistics = seen.now.parts.get(&(Topic::ColumnStatistics, scope));
    let statistics = statistics.filter(|part| part.complete).map(|part| ColumnStatistics::of(&part.rows));
    tables.into_iter().filter(|table| ["r", "m"].contains(&&*table.kind)).find_map(|table| {
        let of_table = |of: &ColumnStatistics| of.schema == table.schema && of.table == table.table;
        // What the server counts is forgotten in a crash: that there are statistics is not, nor how many rows they found.
        let has_rows = table.rows.is_some_and(|rows| rows.float() > 0.0);
        let has_any = || statistics.is_none_or(|all| all.iter().any(of_table));
        if !was_analyzed(table) && !has_rows && !has_any() {
            return Some(Cause::Unanalyzed { table });
        }
        let changed = table.modified_since_analyze_rows?.float();
        (changed >= OLD * live_rows(table)?).then_some(Cause::Old { table, changed })
    })
}

/// As far as the server remembers.
pub fn was_analyzed(table: &Table) -> bool {
    table.last_analyze.is_some() || table.last_autoanalyze.is_some()
}

/// Of a table that is read by the values of its columns alone, and once.
fn of_its_columns<'a>(
    seen: &Seen<'a>,
    known: &Catalogue<'a>,
    fault: &Fault<'a, Surprise<'a>>,
    shape: &Shape,
) -> Option<Cause<'a>> {
    let Surprise { step, is_inner, is_generic, .. } = fault.what;
    let table = known.table(step.relation.as_deref()?)?;
    let is_plain = &*table.kind == "r"
        && !table.is_partition
        && step.children.iter().all(|child| child.relation.is_none());
    if is_inner || !is_plain {
        return None;
    }
    let columns = compared(known, shape, table)?;
    let rows = step.rows?;
    let believed = columns.iter().map(|column| Believed::of(seen, known, table, column));
    let believed: Vec<Believed> = believed.collect::<Option<_>>()?;
    if is_generic {
        let knows = believed.iter().all(|column| column.knows(rows));
        return knows.then_some(Cause::Generic { table, columns });
    }
    match (columns.as_slice(), believed.as_slice()) {
        (&[column], [believed]) => {
            // The list is full, and this value could stand on the next page of it.
            let is_cut = believed.is_full && rows <= believed.most;
            is_cut.then_some(Cause::Skewed { table, column, kept: believed.kept })
        }
        _ => {
            let has_statistics = extended(seen, fault, table, &columns);
            let goes_together = believed.iter().all(|column| column.knows(rows));
            (goes_together && !has_statistics).then_some(Cause::Correlated { table, columns })
        }
    }
}

/// The columns that are compared with values, if nothing else is asked of the table.
fn compared<'a>(known: &Catalogue<'a>, shape: &Shape, table: &Table) -> Option<Vec<&'a Column>> {
    let mut places = shape.tables.iter().enumerate().filter(|(_, of)| *of.name == *table.table);
    let (Some((place, _)), None, true) = (places.next(), places.next(), shape.understood) else {
        return None;
    };
    let mut columns: Vec<&'a Column> = Vec::new();
    for used in shape.uses.iter().filter(|used| tests(used)) {
        match used.table {
            Some(other) if other != place => continue,
            Some(_) => {}
            // Only the catalogue tells whose it is.
            None if shape.tables.len() == 1 => {}
            None => {
                let has =
                    |name: &str| known.table(name).map(|table| known.column(table, &used.column).is_some());
                let owners: Option<Vec<bool>> = shape.tables.iter().map(|table| has(&table.name)).collect();
                let owners = owners?;
                match owners.iter().filter(|has| **has).count() {
                    1 if owners.get(place) == Some(&true) => {}
                    1 => continue,
                    _ => return None,
                }
            }
        }
        let is_equality =
            used.role == Role::Equal && used.operator == "=" && used.wrapped.is_empty() && !used.under_or;
        let column = known.column(table, &used.column).filter(|_| is_equality)?;
        if !columns.iter().any(|known| known.position == column.position) {
            columns.push(column);
        }
    }
    (!columns.is_empty()).then_some(columns)
}

/// Does it narrow down the rows of its table by itself?
fn tests(used: &Use) -> bool {
    match used.role {
        // With a column of its own it does.
        Role::Join { table, .. } => table.is_some() && table == used.table,
        Role::Sort { .. } | Role::Group | Role::Assigned => false,
        _ => true,
    }
}

/// What the planner takes a column for.
#[derive(Debug)]
struct Believed {
    /// Rows that a value of it has, on average and at most.
    average: f64,
    most: f64,
    /// Values whose number of rows is known one by one.
    kept: f64,
    /// There may be more such values than are kept.
    is_full: bool,
}

impl Believed {
    fn of(seen: &Seen<'_>, known: &Catalogue<'_>, table: &Table, column: &Column) -> Option<Believed> {
        let of = known.statistics(column)?;
        let all = live_rows(table)?;
        let average = all * (1.0 - of.null_ratio) / known.distinct(table, &column.column)?.max(1.0);
        let kept = of.common_values.unwrap_or_default() as f64;
        let most = of.most_common_ratio.map_or(average, |ratio| ratio * all);
        Some(Believed { average, most, kept, is_full: kept >= target(seen, column)? })
    }

    /// Would the planner have expected about so many rows of a value that has them, asked for this column alone?
    fn knows(&self, rows: f64) -> bool {
        // A sample is not exact.
        const ABOUT: f64 = 2.0;
        ABOUT * self.average >= rows || !self.is_full && ABOUT * self.most >= rows
    }
}

/// How many common values of a column are kept.
pub fn target(seen: &Seen<'_>, column: &Column) -> Option<f64> {
    let own = column.statistics_target.filter(|target| *target >= 0);
    own.map(|target| target as f64).or_else(|| {
        let setting =
            seen.now.rows::<Setting>().find(|setting| &*setting.setting == "default_statistics_target");
        setting?.value.as_deref()?.parse().ok()
    })
}

/// Are there statistics of these columns together already?
fn extended(seen: &Seen<'_>, fault: &Fault<'_, Surprise<'_>>, table: &Table, columns: &[&Column]) -> bool {
    let scope = Scope::Database(fault.key.database.clone());
    let part = seen.now.parts.get(&(Topic::ExtendedStatistics, scope));
    part.is_none_or(|part| {
        let of_table = ExtendedStatistics::of(&part.rows).iter().filter(|of| of.table_oid == table.oid);
        of_table.into_iter().any(|of| {
            let has =
                |column: &&Column| of.columns.split(' ').any(|number| number.parse() == Ok(column.position));
            columns.iter().all(has)
        })
    })
}
