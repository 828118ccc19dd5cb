use crate::config::ByteSize;
use crate::model::{Flavour, 
    Column, Confidence, Constraint, Finding, Fix, InTopic, Index, Name, Scope, Severity, Stretch, Table, Topic,
    evidence,
};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;

/// # Foreign key without an index
///
/// Rows of a table are deleted while another table refers to it by columns that no index begins with, and the
/// referring table is read from end to end for it.
///
/// ## Why it hurts
///
/// For each deleted row the server looks for rows that refer to it. Without an index that is a read of the whole
/// referring table, for every single row, and the locks of the delete are held all that time. The plan of the
/// DELETE does not show it.
///
/// ## What to do
///
/// Build an index on the referring columns.
///
/// ## When this page is wrong
///
/// When the rows were deleted once, by a clean-up that will not come again. A key whose parent nobody deletes from
/// needs no index and is not named here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexMissingOnForeignKey {
    /// A smaller referring table is read as fast as an index is searched. Calibrated by us: a read of 8 MiB in memory
    /// takes some 10 ms.
    min_bytes: ByteSize,
    /// Rows that must have been deleted. Calibrated by us: fewer are a repair by hand.
    min_deletes: u64,
}

impl Default for IndexMissingOnForeignKey {
    fn default() -> Self {
        Self { min_bytes: ByteSize::mib(8), min_deletes: 10 }
    }
}

impl Rule for IndexMissingOnForeignKey {
    const ID: &'static str = "index-missing-on-foreign-key";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Constraints, Topic::Indexes, Topic::Tables, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = &[Topic::Tables];

    fn span(&self) -> Duration {
        // Deletes come in jobs: those of the last hour count.
        Duration::from_secs(3_600)
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        seen.latest.knows(Topic::Tables)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let keys = seen.now.parts_of(Topic::Constraints).flat_map(|(scope, part)| {
            Constraint::of(&part.rows).iter().filter(|key| is_own_foreign_key(key)).map(move |key| (scope, key))
        });
        let mut databases = HashMap::new();
        keys.filter_map(move |(scope, key)| {
            let known = databases.entry(scope).or_insert_with(|| Known::of(scope, seen));
            let columns = key.column_numbers();
            if columns.is_empty() || known.is_served(key.table_oid, &columns) {
                return None;
            }
            let harmful = |deleted: &Deleted<'_>| {
                // Each deleted row makes one search of the referring table; without an index it is a read of it all.
                let read_for_it = deleted.scans >= deleted.rows;
                let big_enough = size(deleted.child) >= self.min_bytes.get() as f64;
                read_for_it && big_enough && deleted.rows >= self.min_deletes as f64
            };
            let deleted = known.deletes(key).into_iter().find(harmful)?;
            known.finding(key, &columns, &deleted).map(Word::from)
        })
    }
}

/// Those of partitions come with their parent's; a partitioned table's index is built piece by piece, which is
/// no script of three lines.
fn is_own_foreign_key(key: &Constraint) -> bool {
    &*key.kind == "f" && key.parent_oid.unwrap_or_default() == 0 && key.is_enforced != Some(false)
}

fn size(table: &Table) -> f64 {
    table.size_bytes.map_or(0.0, |size| size.float())
}

/// What one database has, by the oids of its tables.
struct Known<'a> {
    indexes: HashMap<i64, Vec<&'a Index>>,
    columns: HashMap<(i64, i64), &'a Column>,
    tables: HashMap<i64, &'a Table>,
    /// What was done to its tables, the longest stretch first.
    stretches: Vec<(&'a Stretch, HashMap<i64, &'a Table>)>,
}

/// Rows that were deleted from the table that a key points at.
struct Deleted<'a> {
    child: &'a Table,
    parent: &'a Table,
    rows: f64,
    /// Reads of the whole referring table in the same time.
    scans: f64,
    stretch: &'a Stretch,
}

impl<'a> Known<'a> {
    fn of(scope: &Scope, seen: &Seen<'a>) -> Known<'a> {
        fn rows<'a, N: InTopic>(scope: &Scope, seen: &Seen<'a>) -> impl Iterator<Item = &'a N> + use<'a, N> {
            let part = seen.now.parts.get(&(N::IN, scope.clone()));
            part.map_or(&[][..], |part| N::of(&part.rows)).iter()
        }
        let mut indexes: HashMap<i64, Vec<&Index>> = HashMap::new();
        for index in rows::<Index>(scope, seen) {
            indexes.entry(index.table_oid).or_default().push(index);
        }
        let stretches = seen.windows().filter_map(|window| window.stretch(Topic::Tables, scope));
        let by_oid = |stretch: &'a Stretch| Table::of(&stretch.rows).iter().map(|table| (table.oid, table)).collect();
        Known {
            indexes,
            columns: rows::<Column>(scope, seen).map(|column| ((column.table_oid, column.position), column)).collect(),
            tables: rows::<Table>(scope, seen).map(|table| (table.oid, table)).collect(),
            stretches: stretches.map(|stretch| (stretch, by_oid(stretch))).collect(),
        }
    }

    fn is_served(&self, table: i64, columns: &[i64]) -> bool {
        self.indexes.get(&table).into_iter().flatten().any(|index| index.finds_by(columns))
    }

    /// In each stretch, the longest first.
    fn deletes(&self, key: &Constraint) -> Vec<Deleted<'a>> {
        let plain = |oid: i64| self.tables.get(&oid).copied().filter(|table| &*table.kind == "r");
        let (Some(child), Some(parent)) = (plain(key.table_oid), plain(key.target_oid)) else { return Vec::new() };
        let in_stretch = |(stretch, tables): &(&'a Stretch, HashMap<i64, &'a Table>)| {
            let rows = tables.get(&key.target_oid)?.deleted_rows?.float();
            let scans = tables.get(&key.table_oid)?.sequential_scans?.float();
            Some(Deleted { child, parent, rows, scans, stretch })
        };
        self.stretches.iter().filter_map(in_stretch).collect()
    }

    fn finding(&self, key: &Constraint, columns: &[i64], deleted: &Deleted<'_>) -> Option<Finding> {
        let Deleted { child, parent, .. } = deleted;
        let names: Option<Vec<&str>> =
            columns.iter().map(|number| Some(&*self.columns.get(&(child.oid, *number))?.column)).collect();
        let names = names?;
        let size = size(child);
        let referring = format!("{}.{}", child.schema, child.table);
        Some(Finding {
            rule: Name::new(IndexMissingOnForeignKey::ID),
            severity: Severity::Warning,
            database: child.database.clone(),
            subject: format!("{referring} {}", key.constraint),
            because: format!(
                "{} rows were deleted from {}.{} in {}, and {referring} ({}), which refers to it by {} without an \
                 index, was read from end to end {} times",
                script::count(deleted.rows),
                parent.schema,
                parent.table,
                script::duration(deleted.stretch.seconds),
                script::bytes(size),
                names.join(", "),
                script::count(deleted.scans),
            ),
            evidence: evidence([
                ("deleted_rows", json!(deleted.rows)),
                ("sequential_scans", json!(deleted.scans)),
                ("size_bytes", json!(size)),
                ("window_seconds", json!(deleted.stretch.seconds.round())),
                ("columns", json!(names)),
            ]),
            advice: "Build an index on the referring columns.".into(),
            fix: Some(self.fix(child, &names)),
            confidence: Confidence::Measured,
        })
    }

    fn fix(&self, child: &Table, columns: &[&str]) -> Fix {
        let is_taken = |name: &str| {
            let of_index = self.indexes.values().flatten().any(|index| index.schema == child.schema && &*index.index == name);
            of_index || self.tables.values().any(|table| table.schema == child.schema && &*table.table == name)
        };
        script::create_index(&child.schema, &child.table, columns, is_taken)
    }
}
