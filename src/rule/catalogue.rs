//! What pages about plans and indexes ask of one database: its tables by name, their columns, indexes and statistics.

use super::Seen;
use crate::model::{Column, ColumnStatistics, Fix, InTopic, Index, Name, Scope, Stretch, Table, Topic};
use crate::script::{self, mysql};
use std::collections::{BTreeSet, HashMap};

/// Of a large database only what is asked about: thousands of tables are not sorted for the sake of three.
#[derive(Debug)]
pub struct Catalogue<'a> {
    all_tables: &'a [Table],
    all_indexes: &'a [Index],
    /// By name; a name may stand in several schemas.
    tables: HashMap<&'a str, Vec<&'a Table>>,
    columns: HashMap<i64, Vec<&'a Column>>,
    indexes: HashMap<i64, Vec<&'a Index>>,
    statistics: HashMap<(&'a str, &'a str, &'a str), &'a ColumnStatistics>,
    /// The longest window of the tables.
    stretch: Option<(&'a Stretch, HashMap<i64, &'a Table>)>,
}

fn rows<'a, N: InTopic>(seen: &Seen<'a>, scope: &Scope) -> &'a [N] {
    let part = seen.now.parts.get(&(N::IN, scope.clone()));
    part.map_or(&[][..], |part| N::of(&part.rows))
}

/// The rows of these tables, of rows that are sorted by their table, as all are whose id begins with it.
fn of_these<'a, N>(
    rows: &'a [N],
    table: impl Fn(&N) -> i64,
    tables: &BTreeSet<i64>,
) -> impl Iterator<Item = &'a N> {
    tables.iter().flat_map(move |oid| {
        let begin = rows.partition_point(|row| table(row) < *oid);
        let count = rows.iter().skip(begin).take_while(|row| table(row) == *oid).count();
        rows.iter().skip(begin).take(count)
    })
}

impl<'a> Catalogue<'a> {
    /// What is known of the tables of these names.
    pub fn of(seen: &Seen<'a>, database: &Name, names: &BTreeSet<String>) -> Catalogue<'a> {
        let scope = Scope::Database(database.clone());
        let mut known = Catalogue {
            all_tables: rows(seen, &scope),
            all_indexes: rows(seen, &scope),
            tables: HashMap::new(),
            columns: HashMap::new(),
            indexes: HashMap::new(),
            statistics: HashMap::new(),
            stretch: None,
        };
        let mut oids = BTreeSet::new();
        for table in known.all_tables.iter().filter(|table| names.contains(&*table.table)) {
            known.tables.entry(&table.table).or_default().push(table);
            oids.extend([Some(table.oid), table.parent_oid].into_iter().flatten());
        }
        if oids.is_empty() {
            return known;
        }
        for column in of_these(rows::<Column>(seen, &scope), |column| column.table_oid, &oids) {
            known.columns.entry(column.table_oid).or_default().push(column);
        }
        // They are sorted by their own ids.
        for index in known.all_indexes.iter().filter(|index| oids.contains(&index.table_oid)) {
            known.indexes.entry(index.table_oid).or_default().push(index);
        }
        let of_own = |column: &&ColumnStatistics| !column.is_inherited && names.contains(&*column.table);
        for column in rows::<ColumnStatistics>(seen, &scope).iter().filter(of_own) {
            known.statistics.insert((&column.schema, &column.table, &column.column), column);
        }
        let longest = seen.windows().filter_map(|window| window.stretch(Topic::Tables, &scope)).next();
        known.stretch = longest.map(|stretch| {
            let wanted = of_these(Table::of(&stretch.rows), |table| table.oid, &oids);
            (stretch, wanted.map(|table| (table.oid, table)).collect())
        });
        known
    }

    /// The same of several databases, for tables named with theirs.
    pub fn of_each(
        seen: &Seen<'a>,
        wanted: impl IntoIterator<Item = (Name, String)>,
    ) -> HashMap<Name, Catalogue<'a>> {
        let mut names: HashMap<Name, BTreeSet<String>> = HashMap::new();
        for (database, table) in wanted {
            names.entry(database).or_default().insert(table);
        }
        let known =
            names.iter().map(|(database, names)| (database.clone(), Catalogue::of(seen, database, names)));
        known.collect()
    }

    /// The only table of this name.
    pub fn table(&self, name: &str) -> Option<&'a Table> {
        match self.tables.get(name)?.as_slice() {
            [table] => Some(table),
            _ => None,
        }
    }

    /// The table whose partition this one is.
    pub fn parent(&self, partition: &Table) -> Option<&'a Table> {
        self.all_tables.iter().find(|table| Some(table.oid) == partition.parent_oid)
    }

    pub fn partitions(&self, parent: &Table) -> impl Iterator<Item = &'a Table> {
        let parent = parent.oid;
        self.all_tables.iter().filter(move |table| table.parent_oid == Some(parent))
    }

    pub fn column(&self, table: &Table, name: &str) -> Option<&'a Column> {
        self.columns.get(&table.oid)?.iter().find(|column| &*column.column == name).copied()
    }

    pub fn column_at(&self, table: i64, position: i64) -> Option<&'a Column> {
        self.columns.get(&table)?.iter().find(|column| column.position == position).copied()
    }

    pub fn indexes(&self, table: &Table) -> &[&'a Index] {
        self.indexes.get(&table.oid).map_or(&[], Vec::as_slice)
    }

    /// Indexes whose entries are sorted by this column first, for every row.
    pub fn begins_with(&self, table: &Table, column: &Column) -> impl Iterator<Item = &'a Index> {
        let of_table = self.indexes(table).iter().copied();
        of_table.filter(|index| {
            &*index.access_method == "btree"
                && !index.has_predicate
                && index.searched_columns().first() == Some(&column.position)
        })
    }

    /// May any index of the table hold the column? Of an expression we are not told which it stands on.
    pub fn is_in_an_index(&self, table: &Table, column: &Column) -> bool {
        self.indexes(table).iter().any(|index| match &index.column_list {
            _ if index.has_expressions => true,
            Some(list) => list.split(", ").any(|part| {
                part.split(['(', ' ']).next().is_some_and(|name| name.eq_ignore_ascii_case(&column.column))
            }),
            None => table.engine.is_some() || index.searched_columns().contains(&column.position),
        })
    }

    /// What the planner knows of a column.
    pub fn statistics(&self, column: &Column) -> Option<&'a ColumnStatistics> {
        self.statistics.get(&(&*column.schema, &*column.table, &*column.column)).copied()
    }

    /// The index by which MySQL or MariaDB finds the rows that have one value in a column.
    pub fn finds(&self, table: &Table, column: &Column) -> Option<&'a Index> {
        let begins = |index: &&&Index| {
            let first = index.column_list.as_deref().and_then(|list| list.split(", ").next());
            first.is_some_and(|first| first.eq_ignore_ascii_case(&column.column))
                && index.is_visible != Some(false)
                && index.is_valid
                && index.access_method.eq_ignore_ascii_case("btree")
        };
        self.indexes(table).iter().find(begins).copied()
    }

    /// How many values a column has, where the planner knows.
    pub fn distinct(&self, table: &Table, column: &str) -> Option<f64> {
        let known = self.statistics.get(&(&*table.schema, &*table.table, column))?.distinct_values;
        Some(if known < 0.0 { -known * live_rows(table)? } else { known })
    }

    /// Rows inserted, updated or deleted in a second, and over how many seconds that was counted.
    pub fn writes(&self, table: &Table) -> Option<f64> {
        let (stretch, tables) = self.stretch.as_ref()?;
        let counted = tables.get(&table.oid)?;
        let rows = [counted.inserted_rows, counted.updated_rows, counted.deleted_rows];
        let written: f64 = rows.into_iter().flatten().map(|rows| rows.float()).sum();
        Some(written / stretch.seconds.max(1.0))
    }

    pub fn create_index(&self, table: &Table, columns: &[&str]) -> Fix {
        script::create_index(&table.schema, &table.table, columns, |name| self.is_taken(table, name))
    }

    /// The same by any method, on whatever it shall be searched by, as SQL.
    pub fn create_index_on(&self, table: &Table, method: &str, named_for: &str, keys: &[String]) -> Fix {
        let is_taken = |name: &str| self.is_taken(table, name);
        script::create_index_on(&table.schema, &table.table, method, named_for, keys, is_taken)
    }

    /// The same as MySQL and MariaDB build it. None where such an index would need a length.
    pub fn create_index_of_mysql(&self, table: &Table, columns: &[&Column]) -> Option<Fix> {
        let is_taken =
            |name: &str| self.indexes(table).iter().any(|index| index.index.eq_ignore_ascii_case(name));
        let is_kept_online =
            table.engine.as_deref().is_none_or(|engine| engine.eq_ignore_ascii_case("innodb"));
        let names: Vec<&str> = columns.iter().map(|column| &*column.column).collect();
        (is_kept_online && columns.iter().all(|column| mysql::fits_an_index(&column.data_type)))
            .then(|| mysql::create_index(&table.schema, &table.table, &names, is_taken))
    }

    pub fn is_taken(&self, table: &Table, name: &str) -> bool {
        let of_index =
            self.all_indexes.iter().any(|index| index.schema == table.schema && &*index.index == name);
        of_index || self.all_tables.iter().any(|of| of.schema == table.schema && &*of.table == name)
    }
}

pub fn live_rows(table: &Table) -> Option<f64> {
    let live = table.live_rows.map(|rows| rows.float()).filter(|rows| *rows > 0.0);
    live.or(table.rows.map(|rows| rows.float()))
}

pub fn size(table: &Table) -> f64 {
    table.size_bytes.map_or(0.0, |bytes| bytes.float())
}

/// As the operator names it.
pub fn name(table: &Table) -> String {
    format!("{}.{}", table.schema, table.table)
}
