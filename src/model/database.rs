//! What happened in each database of a server.

use super::prelude::*;

noun! {
    /// One database of the server.
    Database as "database", topic "databases", began stats_reset {
        id { dbid: i64 }
        label { database: Name }
        about {
            is_template: bool,
            allows_connections: bool,
            /// By which its texts are sorted where nothing else is said, as the C library names it. PostgreSQL only.
            collation: Option<Name>,
            /// Who sorts them instead: `c` the C library, `i` ICU, `b` the server itself. PostgreSQL 15 and later.
            locale_provider: Option<Name>,
            /// Unknown where a page never failed its check. PostgreSQL 12 and later.
            last_checksum_failure: Option<Timestamp>,
            stats_reset: Option<Timestamp>,
        }
        facts {
            /// Sessions connected to it now.
            connections: Level<Count>,
            /// Sessions it admits; absent without a limit of its own.
            connections_max: Option<Level<Count>>,
            /// Age of the oldest transaction id that its tables may still hold. PostgreSQL only.
            xid_age: Option<Level<Count>>,
            /// Age of the oldest multixact id that its tables may still hold. PostgreSQL only.
            mxid_age: Option<Level<Count>>,
            /// Transactions committed.
            commits: Option<Total<Count>>,
            /// Transactions rolled back.
            rollbacks: Option<Total<Count>>,
            /// Data found in the server's own cache.
            hit_bytes: Option<Total<Bytes>>,
            /// Data read from outside the server's own cache.
            read_bytes: Option<Total<Bytes>>,
            /// Time sessions waited for data to be read. PostgreSQL with track_io_timing.
            read_seconds: Option<Total<Seconds>>,
            /// Time sessions waited for data to be written. PostgreSQL with track_io_timing.
            write_seconds: Option<Total<Seconds>>,
            /// Rows read by scans of tables, and entries read by scans of indexes.
            rows_returned: Option<Total<Count>>,
            /// Rows fetched through indexes.
            rows_fetched: Option<Total<Count>>,
            /// Rows inserted.
            rows_inserted: Option<Total<Count>>,
            /// Rows updated.
            rows_updated: Option<Total<Count>>,
            /// Rows deleted.
            rows_deleted: Option<Total<Count>>,
            /// Spill files created by sorts, hashes and the like.
            temp_files: Option<Total<Count>>,
            /// Bytes written to spill files.
            temp_bytes: Option<Total<Bytes>>,
            /// Deadlocks that the server broke.
            deadlocks: Option<Total<Count>>,
            /// Queries of a standby cancelled because a tablespace was dropped. PostgreSQL only.
            tablespace_conflicts: Option<Total<Count>>,
            /// Queries of a standby cancelled because replay waited too long for their locks. PostgreSQL only.
            lock_conflicts: Option<Total<Count>>,
            /// Queries of a standby cancelled because replay removed rows they could still see. PostgreSQL only.
            snapshot_conflicts: Option<Total<Count>>,
            /// Queries of a standby cancelled because they held a page that replay had to clean. PostgreSQL only.
            pin_conflicts: Option<Total<Count>>,
            /// Queries of a standby cancelled because they and replay waited for each other. PostgreSQL only.
            deadlock_conflicts: Option<Total<Count>>,
            /// Logical slots of a standby invalidated by replay. PostgreSQL 16 and later.
            slot_conflicts: Option<Total<Count>>,
            /// Pages that failed their checksum. PostgreSQL 12 and later, with checksums.
            checksum_failures: Option<Total<Count>>,
            /// Sessions that were opened. PostgreSQL 14 and later.
            sessions: Option<Total<Count>>,
            /// Sessions whose client went away without a word. PostgreSQL 14 and later.
            sessions_abandoned: Option<Total<Count>>,
            /// Sessions ended by a fatal error. PostgreSQL 14 and later.
            sessions_fatal: Option<Total<Count>>,
            /// Sessions ended by an operator. PostgreSQL 14 and later.
            sessions_killed: Option<Total<Count>>,
            /// Time sessions were connected. PostgreSQL 14 and later.
            session_seconds: Option<Total<Seconds>>,
            /// Time sessions were executing statements. PostgreSQL 14 and later.
            active_seconds: Option<Total<Seconds>>,
            /// Time sessions were idle within a transaction. PostgreSQL 14 and later.
            idle_in_transaction_seconds: Option<Total<Seconds>>,
            /// Parallel workers that plans asked for. PostgreSQL 18 and later.
            parallel_workers_wanted: Option<Total<Count>>,
            /// Parallel workers that were given. PostgreSQL 18 and later.
            parallel_workers_launched: Option<Total<Count>>,
        }
    }
}

noun! {
    /// The size of one database, asked for rarely: the server walks all its files.
    DatabaseSize as "database", topic "database_sizes" {
        id { dbid: i64 }
        label { database: Name }
        facts {
            /// Bytes on disk of everything in it; absent where the login may not ask.
            size_bytes: Option<Level<Bytes>>,
        }
    }
}
