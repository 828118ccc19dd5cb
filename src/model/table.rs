//! Tables: their size, their rows, what is done to them and what vacuum has done for them.

use super::prelude::*;

noun! {
    /// One table, materialised view or partitioned table. Scans through indexes are counted with the indexes.
    Table as "table", topic "tables", rank [size_bytes, toast_size_bytes] {
        id { oid: i64 }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            table: Name,
        }
        about {
            /// `r` table, `m` materialised view, `p` partitioned table.
            kind: Name,
            /// `p` permanent, `u` unlogged, `t` temporary.
            persistence: Name,
            owner_oid: Option<i64>,
            /// Changes when the table is rewritten or truncated.
            file_node: Option<i64>,
            /// The storage engine. MySQL and MariaDB.
            engine: Option<Name>,
            /// When it was last written to, by its file. MariaDB and MySQL 5.7, of tables that InnoDB does not keep.
            last_written: Option<Timestamp>,
            is_partition: bool,
            parent_oid: Option<i64>,
            /// Of a partitioned table: the numbers of the columns that tell where a row belongs, 0 for an expression. PostgreSQL
            /// only.
            partition_key: Option<Name>,
            /// Storage parameters, `name=value`, comma-joined.
            options: Option<Name>,
            row_security: Option<bool>,
            /// `d` primary key, `n` nothing, `f` whole row, `i` an index.
            replica_identity: Option<Name>,
            /// Storage parameters of its TOAST table.
            toast_options: Option<Name>,
            toast_last_autovacuum: Option<Timestamp>,
            last_vacuum: Option<Timestamp>,
            last_autovacuum: Option<Timestamp>,
            last_analyze: Option<Timestamp>,
            last_autoanalyze: Option<Timestamp>,
            /// PostgreSQL 16 and later.
            last_sequential_scan: Option<Timestamp>,
        }
        facts {
            /// Size without indexes and TOAST when it was last vacuumed or analysed. InnoDB: of the clustered index.
            size_bytes: Option<Level<Bytes>>,
            /// Rows when it was last vacuumed or analysed; absent if it never was.
            rows: Option<Level<Count>>,
            /// Rows read by scans from end to end.
            sequential_rows: Option<Total<Count>>,
            /// Rows read, whatever way they were found. MySQL and MariaDB with performance_schema.
            returned_rows: Option<Total<Count>>,
            /// Time spent reading its rows. MySQL and MariaDB with performance_schema.
            row_read_seconds: Option<Total<Seconds>>,
            /// Time spent writing its rows. MySQL and MariaDB with performance_schema.
            row_write_seconds: Option<Total<Seconds>>,
            /// Rows inserted.
            inserted_rows: Option<Total<Count>>,
            /// Rows updated.
            updated_rows: Option<Total<Count>>,
            /// Rows deleted.
            deleted_rows: Option<Total<Count>>,
        }
        // What only PostgreSQL tells.
        apart TableOfPostgres {
            /// The part of it whose rows every transaction sees.
            all_visible_bytes: Option<Level<Bytes>>,
            /// The part of it that no vacuum against wraparound needs to read. PostgreSQL 18 and later.
            all_frozen_bytes: Option<Level<Bytes>>,
            /// Age of the oldest transaction id that it may still hold.
            xid_age: Option<Level<Count>>,
            /// Age of the oldest multixact id that it may still hold.
            mxid_age: Option<Level<Count>>,
            /// Size of its TOAST table when that was last vacuumed.
            toast_size_bytes: Option<Level<Bytes>>,
            /// Pieces in its TOAST table when that was last vacuumed.
            toast_rows: Option<Level<Count>>,
            /// Dead pieces in its TOAST table.
            toast_dead_rows: Option<Level<Count>>,
            /// Age of the oldest transaction id in its TOAST table.
            toast_xid_age: Option<Level<Count>>,
            /// Age of the oldest multixact id in its TOAST table.
            toast_mxid_age: Option<Level<Count>>,
            /// Data of its TOAST table found in the server's own cache.
            toast_hit_bytes: Option<Total<Bytes>>,
            /// Data of its TOAST table read from outside the server's own cache.
            toast_read_bytes: Option<Total<Bytes>>,
            /// Times it was read from end to end.
            sequential_scans: Option<Total<Count>>,
            /// Rows fetched by bitmap scans.
            fetched_rows: Option<Total<Count>>,
            /// Rows updated without new index entries.
            hot_updated_rows: Option<Total<Count>>,
            /// Rows whose new version went to another page. PostgreSQL 16 and later.
            new_page_updated_rows: Option<Total<Count>>,
            /// Live rows, estimated.
            live_rows: Option<Level<Count>>,
            /// Dead rows, estimated.
            dead_rows: Option<Level<Count>>,
            /// Rows changed since it was last analysed.
            modified_since_analyze_rows: Option<Level<Count>>,
            /// Rows inserted since it was last vacuumed. PostgreSQL 13 and later.
            inserted_since_vacuum_rows: Option<Level<Count>>,
            /// Its data found in the server's own cache.
            hit_bytes: Option<Total<Bytes>>,
            /// Its data read from outside the server's own cache.
            read_bytes: Option<Total<Bytes>>,
            /// Vacuums by hand.
            vacuums: Option<Total<Count>>,
            /// Vacuums by autovacuum.
            autovacuums: Option<Total<Count>>,
            /// Analyzes by hand.
            analyzes: Option<Total<Count>>,
            /// Analyzes by autovacuum.
            autoanalyzes: Option<Total<Count>>,
            /// Time of vacuums by hand. PostgreSQL 18 and later.
            vacuum_seconds: Option<Total<Seconds>>,
            /// Time of vacuums by autovacuum. PostgreSQL 18 and later.
            autovacuum_seconds: Option<Total<Seconds>>,
            /// Time of analyzes by hand. PostgreSQL 18 and later.
            analyze_seconds: Option<Total<Seconds>>,
            /// Time of analyzes by autovacuum. PostgreSQL 18 and later.
            autoanalyze_seconds: Option<Total<Seconds>>,
        }
    }
}

noun! {
    /// The true size of one table, asked for rarely and for the biggest first: the server looks at every file.
    TableSize as "table", topic "sizes", rank [data_bytes, index_bytes] {
        id { oid: i64 }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            table: Name,
        }
        facts {
            /// Bytes on disk with TOAST and maps, without indexes.
            data_bytes: Option<Level<Bytes>>,
            /// Bytes on disk of its indexes.
            index_bytes: Option<Level<Bytes>>,
        }
    }
}
