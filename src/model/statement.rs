//! What statements cost, and how many of them the server can remember.

use super::prelude::*;

noun! {
    /// What one normalised statement has cost one user in one database.
    Statement as "statement", topic "statements", rank [exec_seconds], began stats_since, named by digest {
        id {
            dbid: i64,
            userid: i64,
            /// The server's own digest; unknown where the login may not see whose statement it is.
            server_digest: Option<i64>,
            /// Called by a client, not from within a function. Unknown before PostgreSQL 14.
            toplevel: Option<bool>,
        }
        // engine: database user digest
        label {
            database: Option<Name>,
            user: Option<Name>,
            digest: Option<Digest>,
            toplevel,
        }
        about {
            /// When the server began to count this row. PostgreSQL 17 and later, MySQL and MariaDB.
            stats_since: Option<Timestamp>,
            /// When the server began to look for its shortest and longest run. PostgreSQL 17 and later.
            minmax_since: Option<Timestamp>,
        }
        facts {
            /// Times the statement was executed.
            calls: Total<Count>,
            /// Rows it returned or changed.
            rows: Total<Count>,
            /// Time spent executing it.
            exec_seconds: Total<Seconds>,
            /// Its shortest execution since the server began to look.
            min_exec_seconds: Option<Level<Seconds>>,
            /// Its longest execution since the server began to look.
            max_exec_seconds: Option<Level<Seconds>>,
            /// Standard deviation of its execution times since the server began to look.
            stddev_exec_seconds: Option<Level<Seconds>>,
            /// Processor time it took. MySQL 8.0.28 and later, with the consumer events_statements_cpu.
            cpu_seconds: Option<Total<Seconds>>,
            /// Time it waited for locks of tables. MySQL and MariaDB only.
            lock_seconds: Option<Total<Seconds>>,
            /// Rows it sent to the client. MySQL and MariaDB only.
            sent_rows: Option<Total<Count>>,
            /// Rows it looked at to find those that it wanted. MySQL and MariaDB only.
            examined_rows: Option<Total<Count>>,
            /// Times it ended in an error. MySQL and MariaDB only.
            errors: Option<Total<Count>>,
            /// Warnings it gave. MySQL and MariaDB only.
            warnings: Option<Total<Count>>,
            /// Temporary tables it made for itself. MySQL and MariaDB only.
            tmp_tables: Option<Total<Count>>,
            /// Of these, the ones on disk. MySQL and MariaDB only.
            tmp_disk_tables: Option<Total<Count>>,
            /// Joins that read a whole table for each row, for want of an index. MySQL and MariaDB only.
            full_joins: Option<Total<Count>>,
            /// Joins that look for a usable index anew for each row. MySQL and MariaDB only.
            range_checks: Option<Total<Count>>,
            /// Times it read its first table from end to end. MySQL and MariaDB only.
            full_scans: Option<Total<Count>>,
            /// Rows it sorted. MySQL and MariaDB only.
            sorted_rows: Option<Total<Count>>,
            /// Passes of its sorts that did not fit their buffer. MySQL and MariaDB only.
            sort_merge_passes: Option<Total<Count>>,
            /// Times it ran without an index. MySQL and MariaDB only.
            no_index_used: Option<Total<Count>>,
            /// Times it ran with an index that hardly helped. MySQL and MariaDB only.
            no_good_index_used: Option<Total<Count>>,
            /// The most memory that one execution took. MySQL 8.0.31 and later.
            max_memory_bytes: Option<Level<Bytes>>,
        }
        // What only PostgreSQL tells.
        apart StatementOfPostgres {
            /// Times it was planned. PostgreSQL 13 and later, with pg_stat_statements.track_planning.
            plans: Option<Total<Count>>,
            /// Time spent planning it. PostgreSQL 13 and later, with pg_stat_statements.track_planning.
            plan_seconds: Option<Total<Seconds>>,
            /// Table and index data it found in the server's own cache. PostgreSQL only.
            shared_hit_bytes: Option<Total<Bytes>>,
            /// Table and index data it read from outside the server's own cache. PostgreSQL only.
            shared_read_bytes: Option<Total<Bytes>>,
            /// Table and index data that it was the first to change in the cache. PostgreSQL only.
            shared_dirtied_bytes: Option<Total<Bytes>>,
            /// Table and index data it had to write itself to make room. PostgreSQL only.
            shared_written_bytes: Option<Total<Bytes>>,
            /// Data of temporary tables it found in the session's cache. PostgreSQL only.
            local_hit_bytes: Option<Total<Bytes>>,
            /// Data of temporary tables it read from files. PostgreSQL only.
            local_read_bytes: Option<Total<Bytes>>,
            /// Data of temporary tables it changed. PostgreSQL only.
            local_dirtied_bytes: Option<Total<Bytes>>,
            /// Data of temporary tables it wrote to files. PostgreSQL only.
            local_written_bytes: Option<Total<Bytes>>,
            /// Bytes it read back from spill files of sorts, hashes and the like. PostgreSQL only.
            temp_read_bytes: Option<Total<Bytes>>,
            /// Bytes it spilled to files for sorts, hashes and the like. PostgreSQL only.
            temp_written_bytes: Option<Total<Bytes>>,
            /// Time it waited for table and index data to be read; before 17 with temporary tables. PostgreSQL with track_io_timing.
            shared_read_seconds: Option<Total<Seconds>>,
            /// Time it waited for table and index data to be written; before 17 with temporary tables. PostgreSQL with track_io_timing.
            shared_write_seconds: Option<Total<Seconds>>,
            /// Time it waited for temporary tables to be read. PostgreSQL 17 and later, with track_io_timing.
            local_read_seconds: Option<Total<Seconds>>,
            /// Time it waited for temporary tables to be written. PostgreSQL 17 and later, with track_io_timing.
            local_write_seconds: Option<Total<Seconds>>,
            /// Time it waited for spill files to be read. PostgreSQL 15 and later, with track_io_timing.
            temp_read_seconds: Option<Total<Seconds>>,
            /// Time it waited for spill files to be written. PostgreSQL 15 and later, with track_io_timing.
            temp_write_seconds: Option<Total<Seconds>>,
            /// Records it added to the write-ahead log. PostgreSQL 13 and later.
            wal_records: Option<Total<Count>>,
            /// Whole pages it added to the write-ahead log, being the first to change them after a checkpoint. PostgreSQL 13 and later.
            wal_full_images: Option<Total<Count>>,
            /// Bytes it added to the write-ahead log. PostgreSQL 13 and later.
            wal_bytes: Option<Total<Bytes>>,
            /// Times it had to write the log itself because its buffers were full. PostgreSQL 18 and later.
            wal_buffers_full: Option<Total<Count>>,
            /// Functions compiled for it. PostgreSQL 15 and later.
            jit_functions: Option<Total<Count>>,
            /// Time spent generating code for it. PostgreSQL 15 and later.
            jit_generation_seconds: Option<Total<Seconds>>,
            /// Times functions were inlined for it. PostgreSQL 15 and later.
            jit_inlinings: Option<Total<Count>>,
            /// Time spent inlining functions for it. PostgreSQL 15 and later.
            jit_inlining_seconds: Option<Total<Seconds>>,
            /// Times its code was optimised. PostgreSQL 15 and later.
            jit_optimizations: Option<Total<Count>>,
            /// Time spent optimising its code. PostgreSQL 15 and later.
            jit_optimization_seconds: Option<Total<Seconds>>,
            /// Times its code was emitted. PostgreSQL 15 and later.
            jit_emissions: Option<Total<Count>>,
            /// Time spent emitting its code. PostgreSQL 15 and later.
            jit_emission_seconds: Option<Total<Seconds>>,
            /// Functions compiled to take rows apart for it. PostgreSQL 17 and later.
            jit_deforms: Option<Total<Count>>,
            /// Time spent compiling functions that take rows apart for it. PostgreSQL 17 and later.
            jit_deform_seconds: Option<Total<Seconds>>,
            /// Parallel workers its plans asked for. PostgreSQL 18 and later.
            parallel_workers_wanted: Option<Total<Count>>,
            /// Parallel workers it was given. PostgreSQL 18 and later.
            parallel_workers_launched: Option<Total<Count>>,
            /// Executions with a plan made for any parameters. PostgreSQL 19 and later.
            generic_plan_calls: Option<Total<Count>>,
            /// Executions with a plan made for the parameters at hand. PostgreSQL 19 and later.
            custom_plan_calls: Option<Total<Count>>,
        }
    }
}

noun! {
    /// How long one statement takes: of the few that took most time lately, by the server's own histogram, whose
    /// buckets are 5 % wide. MySQL 8 and later.
    Latency as "statement_latency", topic "latencies", named by digest {
        // engine: database digest
        label {
            database: Option<Name>,
            digest: Option<Digest>,
        }
        facts {
            /// Executions between the last two looks, a minute or more apart.
            runs: Level<Count>,
            /// Half of these took no longer.
            p50_seconds: Level<Seconds>,
            /// 95 of 100 of these took no longer.
            p95_seconds: Level<Seconds>,
            /// 99 of 100 of these took no longer.
            p99_seconds: Level<Seconds>,
        }
    }
}

noun! {
    /// How well the server remembers its statements.
    StatementsInfo as "statements", topic "statements_info", began stats_reset {
        about {
            /// When all statements were last forgotten on request. PostgreSQL 14 and later.
            stats_reset: Option<Timestamp>,
        }
        facts {
            /// Statements the server can remember at once.
            entries_max: Option<Level<Count>>,
            /// Statements it remembers now, but for our own. MySQL and MariaDB only.
            entries: Option<Level<Count>>,
            /// Times it forgot its least used statements to make room. PostgreSQL 14 and later.
            evictions: Option<Total<Count>>,
            /// Statements counted under no name because there was no room for theirs. MySQL and MariaDB only.
            lost: Option<Total<Count>>,
            /// Statements of ours, each with one digest, of which the server makes several: other search paths, lists of other lengths.
            split: Option<Level<Count>>,
            /// The statements that the server makes of them.
            lumped: Option<Level<Count>>,
        }
    }
}
