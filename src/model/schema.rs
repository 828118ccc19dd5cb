//! What is declared in a database beside tables and indexes: columns, keys, sequences, functions, policies.

use super::prelude::*;

noun! {
    /// A sequence, and how much of it is used up.
    Sequence as "sequence", topic "sequences", rank [used_ratio] {
        id { oid: i64 }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            sequence: Name,
        }
        about {
            /// The column that takes its values from it, where the server knows.
            table_oid: Option<i64>,
            column_number: Option<i64>,
            /// In MySQL and MariaDB the column itself is the sequence, which bears the name of its table.
            column: Option<Name>,
            data_type: Name,
            cycles: bool,
            increment: i64,
            lowest: i64,
            highest: i64,
            /// Unknown without a right on the sequence, or if it was never used.
            last_value: Option<i64>,
        }
        facts {
            /// Share of its range that is used up.
            used_ratio: Option<Level<Ratio>>,
        }
    }
}

noun! {
    /// A stored program. PostgreSQL with track_functions; MySQL and MariaDB with performance_schema, those that ran.
    Function as "function", topic "functions", rank [exec_seconds] {
        id { oid: i64 }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            function: Name,
            /// `function`, `procedure`, `trigger` or `event`.
            kind: Name,
        }
        about {
            /// PostgreSQL.
            arguments: Option<i64>,
        }
        facts {
            /// Times it was called.
            calls: Total<Count>,
            /// Time spent in it and in what it called.
            exec_seconds: Total<Seconds>,
            /// Time spent in itself. PostgreSQL.
            self_seconds: Option<Total<Seconds>>,
            /// Statements that it ran. MySQL 8 and later.
            statements: Option<Total<Count>>,
            /// Rows that these statements looked at. MySQL 8 and later.
            examined_rows: Option<Total<Count>>,
            /// Errors that these statements met. MySQL 8 and later.
            errors: Option<Total<Count>>,
        }
    }
}

noun! {
    /// What the server is to do by the clock. MySQL and MariaDB, as far as the login is shown events.
    ScheduledEvent as "scheduled_event", topic "scheduled_events" {
        id { oid: i64 }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            event: Name,
        }
        about {
            /// `enabled`, `disabled`, or `source`: a replica leaves it to the server that it copies.
            status: Name,
            /// More than once.
            recurs: bool,
            /// It has run at least once.
            has_run: bool,
        }
    }
}

noun! {
    /// A column of a table.
    Column as "column", topic "columns" {
        id { table_oid: i64, position: i64 }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            table: Name,
            column: Name,
        }
        about {
            data_type: Name,
            type_oid: Option<i64>,
            not_null: bool,
            has_default: bool,
            /// `a` always, `d` by default, empty if it is none.
            identity: Name,
            /// `s` stored, `v` virtual, empty if it is not. PostgreSQL 12 and later.
            generated: Option<Name>,
            /// `p` plain, `m` main, `e` external, `x` extended.
            storage: Option<Name>,
            /// PostgreSQL 14 and later.
            compression: Option<Name>,
            /// 0 for a type without collation.
            collation_oid: Option<i64>,
            /// MySQL and MariaDB.
            collation: Option<Name>,
            /// Absent or -1 for the default.
            statistics_target: Option<i64>,
        }
    }
}

noun! {
    /// What the planner knows of a column, without any of its values.
    ColumnStatistics as "column", topic "column_statistics" {
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            table: Name,
            column: Name,
            is_inherited: bool,
        }
        about {
            null_ratio: f64,
            width_bytes: i64,
            /// Negative: a share of the rows.
            distinct_values: f64,
            /// Between the order of its values and the order on disk, -1 to 1.
            correlation: Option<f64>,
            /// How many of its most common values are kept.
            common_values: Option<i64>,
            /// Share of the rows that have the most common one.
            most_common_ratio: Option<f64>,
        }
    }
}

noun! {
    /// What the planner knows of several columns of a table together, or of expressions. PostgreSQL.
    ExtendedStatistics as "statistics", topic "extended_statistics" {
        id { oid: i64 }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            statistics: Name,
            table: Name,
        }
        about {
            table_oid: i64,
            /// Column numbers, `1 2`.
            columns: Name,
            /// Letters as the server writes an array: `d` distinct values, `f` dependencies, `m` common values, `e` expressions.
            kinds: Name,
        }
    }
}

noun! {
    /// A key or check of a table.
    Constraint as "constraint", topic "constraints" {
        id { oid: i64 }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            table: Name,
            constraint: Name,
        }
        about {
            /// `p` primary key, `u` unique, `f` foreign key, `c` check, `x` exclusion.
            kind: Name,
            table_oid: i64,
            /// Column numbers as the server writes an array: `{1,2}`.
            columns: Option<Name>,
            /// The index that it stands on, or, of a foreign key, that it points at; 0 if none.
            index_oid: i64,
            /// The table that a foreign key points at; 0 if none.
            target_oid: i64,
            target_columns: Option<Name>,
            /// `a` nothing, `r` restrict, `c` cascade, `n` null, `d` default, a blank if it is no foreign key.
            on_delete: Name,
            on_update: Name,
            is_deferrable: bool,
            is_validated: bool,
            /// PostgreSQL 18 and later.
            is_enforced: Option<bool>,
            /// The constraint of the partitioned table that it belongs to; 0 if none. PostgreSQL 11 and later.
            parent_oid: Option<i64>,
            /// Of a check, cut to 250 characters. Holds literals: never in labels or logs.
            definition: Option<Name>,
        }
    }
}

noun! {
    /// A page of the handbook that a comment on a table or an index silences there. PostgreSQL; MySQL 8 and later.
    Remark as "remark", topic "remarks" {
        id {
            oid: i64,
            /// An id, or `all`.
            page: Name,
        }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            table: Name,
            /// Absent where the comment is on the table itself, and holds for its columns and indexes as well.
            index: Option<Name>,
        }
    }
}

noun! {
    /// How a table is partitioned.
    Partitioning as "partitioning", topic "partitions" {
        id { oid: i64 }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            table: Name,
        }
        about {
            /// `r` range, `l` list, `h` hash.
            strategy: Name,
            /// Column numbers, 0 for an expression.
            columns: Name,
            /// The partition that takes what fits no other; 0 if none. PostgreSQL 11 and later.
            default_oid: Option<i64>,
        }
        facts {
            /// Its partitions.
            partitions: Level<Count>,
        }
    }
}

noun! {
    /// A row security policy, without its conditions.
    Policy as "policy", topic "policies" {
        id { oid: i64 }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            table: Name,
            policy: Name,
        }
        about {
            table_oid: i64,
            /// `r` select, `a` insert, `w` update, `d` delete, `*` all.
            command: Name,
            is_permissive: bool,
            filters_reads: bool,
            checks_writes: bool,
            /// It is for everybody.
            is_public: bool,
            /// Row security is on for its table.
            is_enabled: bool,
        }
    }
}

impl Constraint {
    pub fn column_numbers(&self) -> Vec<i64> {
        let columns = self.columns.as_deref().unwrap_or_default().trim_matches(['{', '}']);
        columns.split(',').filter_map(|number| number.parse().ok()).collect()
    }
}
