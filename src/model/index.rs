//! Indexes: what they are for, how big they are and how much they are used.

use super::prelude::*;

noun! {
    /// One index on a user's table.
    // REINDEX CONCURRENTLY builds another index, hands it the name and the counters, and drops the old one.
    Index as "index", topic "indexes", rank [size_bytes], heir by table_oid, index once is_valid {
        id { oid: i64 }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            table: Name,
            index: Name,
        }
        about {
            table_oid: i64,
            /// `i` index, `I` index of a partitioned table, which has no data of its own.
            kind: Name,
            /// `p` permanent, `u` unlogged, `t` temporary.
            persistence: Name,
            /// Changes when the index is rebuilt.
            file_node: Option<i64>,
            access_method: Name,
            /// The index of the partitioned table that it belongs to.
            parent_oid: Option<i64>,
            /// Storage parameters, `name=value`, comma-joined.
            options: Option<Name>,
            is_unique: bool,
            is_primary: bool,
            is_exclusion: bool,
            /// False if uniqueness is checked at the end of the transaction.
            is_immediate: bool,
            is_clustered: bool,
            is_valid: bool,
            is_ready: bool,
            /// Something builds an index on its table. PostgreSQL 12 and later.
            is_being_built: Option<bool>,
            is_replica_identity: bool,
            /// PostgreSQL 15 and later.
            nulls_not_distinct: Option<bool>,
            /// How many of the columns are searched; the rest is included. PostgreSQL 11 and later, before that all.
            key_columns: Option<i64>,
            /// Column numbers, 0 for an expression.
            columns: Name,
            /// As a person writes them, parts of columns and directions told. MySQL and MariaDB.
            column_list: Option<Name>,
            /// May queries use it? MySQL 8 and MariaDB 10.6, and later.
            is_visible: Option<bool>,
            operator_classes: Name,
            collations: Name,
            /// Of each column: 1 descending, 2 nulls first.
            column_options: Name,
            has_expressions: bool,
            has_predicate: bool,
            /// Equal for equal expressions.
            expressions_hash: Option<Name>,
            /// Equal for equal conditions.
            predicate_hash: Option<Name>,
            /// A primary key, unique or exclusion constraint stands on it.
            backs_constraint: bool,
            /// A foreign key of some table points at it.
            backs_foreign_key: bool,
            /// PostgreSQL 16 and later.
            last_scan: Option<Timestamp>,
        }
        facts {
            /// Size when its table was last vacuumed or analysed.
            size_bytes: Option<Level<Bytes>>,
            /// Entries when its table was last vacuumed or analysed.
            rows: Option<Level<Count>>,
            /// Times it was searched.
            scans: Option<Total<Count>>,
            /// Entries read by those searches.
            read_entries: Option<Total<Count>>,
            /// Time that reading them took. MySQL and MariaDB only.
            read_seconds: Option<Total<Seconds>>,
            /// Live rows fetched through it, bitmap scans apart.
            fetched_rows: Option<Total<Count>>,
            /// Its data found in the server's own cache.
            hit_bytes: Option<Total<Bytes>>,
            /// Its data read from outside the server's own cache.
            read_bytes: Option<Total<Bytes>>,
        }
    }
}

impl Index {
    /// Zero where it is not known.
    pub fn size(&self) -> f64 {
        self.size_bytes.map_or(0.0, |size| size.float())
    }

    /// As an operator would name it.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.index)
    }

    /// Has data of its own that queries can use: not being built, not a partitioned table's.
    pub fn is_usable(&self) -> bool {
        self.is_valid && self.is_ready && &*self.kind == "i"
    }

    /// Usable, and described whole: what has more columns than a name has room for is like nothing else.
    pub fn is_comparable(&self) -> bool {
        let lists = [&self.columns, &self.operator_classes, &self.collations, &self.column_options];
        let is_described = !self.columns.is_empty();
        self.is_usable() && is_described && !lists.iter().any(|list| list.may_be_cut())
    }

    /// How often it was read, as its server counts: searches, or entries where those are not counted. Not known where nothing
    /// was read in no little time: an ALTER TABLE has MySQL count anew, and it may have come to the number that it had before.
    pub fn uses(&self) -> Option<f64> {
        let uses = self.scans.or(self.read_entries).map(|uses| uses.float())?;
        let took = self.read_seconds.map_or(0.0, |seconds| seconds.float());
        (uses > 0.0 || took == 0.0).then_some(uses)
    }

    /// Its columns, by name where we know them.
    pub fn columns_told(&self) -> &str {
        self.column_list.as_deref().unwrap_or(&self.columns)
    }

    /// Something else than queries needs it by name.
    pub fn is_bound(&self) -> bool {
        self.is_primary
            || self.is_exclusion
            || self.backs_constraint
            || self.backs_foreign_key
            || self.is_replica_identity
            || self.is_clustered
            || self.parent_oid.is_some()
    }

    /// The numbers of the columns that it is searched by, 0 for an expression.
    pub fn searched_columns(&self) -> Vec<i64> {
        self.columns.split(' ').filter_map(|number| number.parse().ok()).take(self.most_keys()).collect()
    }

    /// How many of its columns are searched.
    pub fn searched(&self) -> usize {
        self.columns.split(' ').filter(|number| !number.is_empty()).take(self.most_keys()).count()
    }

    fn most_keys(&self) -> usize {
        self.key_columns.and_then(|keys| usize::try_from(keys).ok()).unwrap_or(usize::MAX)
    }

    /// Could a search by these columns, in whatever order, use it? One with a condition is taken to fit: the search for what
    /// a foreign key points at never looks for nulls, which is what most of them leave out.
    pub fn finds_by(&self, columns: &[i64]) -> bool {
        let first: Vec<i64> = self.searched_columns().into_iter().take(columns.len()).collect();
        // An invalid one is on its way, or has a page of its own.
        first.len() == columns.len() && columns.iter().all(|column| first.contains(column))
    }
}
