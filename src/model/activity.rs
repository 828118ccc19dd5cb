//! What a MySQL server as a whole does, by its own counters: some of hundreds, each under a name that says what it is.

use super::prelude::*;

noun! {
    /// What the server as a whole has done. MySQL and MariaDB only.
    Activity as "server", topic "activity" {
        facts {
            /// Statements that clients sent.
            questions: Option<Total<Count>>,
            /// Statements executed, those within stored programs too.
            queries: Option<Total<Count>>,
            /// SELECT statements.
            selects: Option<Total<Count>>,
            /// INSERT statements.
            inserts: Option<Total<Count>>,
            /// INSERT … SELECT statements.
            insert_selects: Option<Total<Count>>,
            /// UPDATE statements of one table.
            updates: Option<Total<Count>>,
            /// DELETE statements of one table.
            deletes: Option<Total<Count>>,
            /// REPLACE statements.
            replaces: Option<Total<Count>>,
            /// COMMIT statements; what commits by itself is not counted.
            commits: Option<Total<Count>>,
            /// ROLLBACK statements.
            rollbacks: Option<Total<Count>>,
            /// Statements prepared.
            prepares: Option<Total<Count>>,
            /// Statements run that a client had prepared in the protocol.
            executes: Option<Total<Count>>,
            /// Stored procedures called.
            procedure_calls: Option<Total<Count>>,
            /// Statements that took longer than long_query_time.
            slow_statements: Option<Total<Count>>,
            /// Statements ended because they took longer than they were allowed to.
            timed_out_statements: Option<Total<Count>>,
            /// Connections that were tried.
            connections: Option<Total<Count>>,
            /// Sessions connected now.
            connected: Option<Level<Count>>,
            /// Sessions that run something now.
            running: Option<Level<Count>>,
            /// The most sessions that were connected at once.
            most_connected: Option<Level<Count>>,
            /// Threads started because none was kept for the connection.
            threads_created: Option<Total<Count>>,
            /// Sessions whose client went away without a word.
            aborted_clients: Option<Total<Count>>,
            /// Connections that came to no session.
            aborted_connects: Option<Total<Count>>,
            /// Of these, the ones that ended before the login was checked. MariaDB only.
            aborted_handshakes: Option<Total<Count>>,
            /// Logins and statements refused for lack of rights. MariaDB only.
            access_denied: Option<Total<Count>>,
            /// Connections refused because max_connections was reached.
            refused_connections: Option<Total<Count>>,
            /// Connections refused for lack of memory or threads.
            failed_connections: Option<Total<Count>>,
            /// Bytes that clients sent.
            received_bytes: Option<Total<Bytes>>,
            /// Bytes sent to clients.
            sent_bytes: Option<Total<Bytes>>,
            /// Temporary tables that statements made for themselves.
            tmp_tables: Option<Total<Count>>,
            /// Of these, the ones on disk.
            tmp_disk_tables: Option<Total<Count>>,
            /// Temporary files made.
            tmp_files: Option<Total<Count>>,
            /// Times the first entry of an index was read: scans of whole indexes.
            first_entry_reads: Option<Total<Count>>,
            /// Rows fetched by a key.
            key_reads: Option<Total<Count>>,
            /// Rows read on in the order of a key.
            next_entry_reads: Option<Total<Count>>,
            /// Rows read on against the order of a key.
            previous_entry_reads: Option<Total<Count>>,
            /// Rows read by their position, as sorts do.
            position_reads: Option<Total<Count>>,
            /// Rows read on in the order of the data: scans of whole tables.
            scan_reads: Option<Total<Count>>,
            /// Rows inserted, those of temporary tables too.
            rows_inserted: Option<Total<Count>>,
            /// Rows updated.
            rows_updated: Option<Total<Count>>,
            /// Rows deleted.
            rows_deleted: Option<Total<Count>>,
            /// Commits within the server, those of single statements too.
            internal_commits: Option<Total<Count>>,
            /// Rollbacks within the server, those of single statements too.
            internal_rollbacks: Option<Total<Count>>,
            /// Joins that read a whole table for each row, for want of an index.
            full_joins: Option<Total<Count>>,
            /// Joins that searched a range of a table for each row.
            full_range_joins: Option<Total<Count>>,
            /// Joins that looked for an index anew for each row.
            range_checks: Option<Total<Count>>,
            /// Statements that read their first table from end to end.
            full_scans: Option<Total<Count>>,
            /// Passes of sorts that did not fit their buffer.
            sort_merge_passes: Option<Total<Count>>,
            /// Rows sorted.
            sorted_rows: Option<Total<Count>>,
            /// Times a lock of a whole table was waited for.
            table_lock_waits: Option<Total<Count>>,
            /// Tables opened because they were not open in the cache.
            tables_opened: Option<Total<Count>>,
            /// Tables that the cache holds open.
            open_tables: Option<Level<Count>>,
            /// Definitions of tables read.
            definitions_opened: Option<Total<Count>>,
            /// Times the cache of open tables had to close one to make room.
            table_cache_overflows: Option<Total<Count>>,
            /// Files the server itself holds open.
            open_files: Option<Level<Count>>,
            /// Prepared statements kept for sessions.
            prepared_statements: Option<Level<Count>>,
            /// Transactions gathered for the binary log.
            binlog_transactions: Option<Total<Count>>,
            /// Of these, the ones that did not fit their buffer.
            binlog_spills: Option<Total<Count>>,
            /// Statements answered from the query cache. MariaDB and MySQL before 8.
            query_cache_hits: Option<Total<Count>>,
            /// Answers pushed out of the query cache. MariaDB and MySQL before 8.
            query_cache_prunes: Option<Total<Count>>,
            /// Memory that the server says it uses, without the buffer pool. MariaDB only.
            memory_bytes: Option<Level<Bytes>>,
        }
    }
}

noun! {
    /// What InnoDB has done. MySQL and MariaDB only.
    Innodb as "innodb", topic "innodb" {
        facts {
            /// Size of the buffer pool.
            pool_bytes: Option<Level<Bytes>>,
            /// The part of it that holds nothing.
            pool_free_bytes: Option<Level<Bytes>>,
            /// The part of it that is changed and not yet written.
            pool_dirty_bytes: Option<Level<Bytes>>,
            /// Pages asked of the buffer pool.
            pool_reads: Option<Total<Count>>,
            /// Of these, the ones that had to be read from disk while a session waited.
            pool_misses: Option<Total<Count>>,
            /// Pages read ahead of need.
            pool_read_ahead: Option<Total<Count>>,
            /// Of these, the ones pushed out before anybody asked for them.
            pool_read_ahead_wasted: Option<Total<Count>>,
            /// Times a session waited for a page to become free.
            pool_free_waits: Option<Total<Count>>,
            /// Pages written from it.
            pool_flushed_bytes: Option<Total<Bytes>>,
            /// Bytes read from data files.
            read_bytes: Option<Total<Bytes>>,
            /// Bytes written to data files and the log.
            written_bytes: Option<Total<Bytes>>,
            /// Read operations.
            reads: Option<Total<Count>>,
            /// Write operations.
            writes: Option<Total<Count>>,
            /// Times files were synced.
            fsyncs: Option<Total<Count>>,
            /// Reads under way.
            pending_reads: Option<Level<Count>>,
            /// Writes under way.
            pending_writes: Option<Level<Count>>,
            /// Syncs under way.
            pending_fsyncs: Option<Level<Count>>,
            /// Times the log buffer was too small and had to be written first.
            log_waits: Option<Total<Count>>,
            /// Times the log was written.
            log_writes: Option<Total<Count>>,
            /// Bytes written to the log.
            log_written_bytes: Option<Total<Bytes>>,
            /// Times the log was synced. MySQL only.
            log_fsyncs: Option<Total<Count>>,
            /// How far the log has got: its rate is the rate of all writes.
            log_position_bytes: Option<Total<Bytes>>,
            /// How far a recovery need not read the log.
            checkpoint_position_bytes: Option<Total<Bytes>>,
            /// Log that may be written between the two before writes must wait. MariaDB, and MySQL 8.0.30 and later.
            log_capacity_bytes: Option<Level<Bytes>>,
            /// Writes to the doublewrite buffer.
            doublewrites: Option<Total<Count>>,
            /// Pages written to the doublewrite buffer.
            doublewritten_bytes: Option<Total<Bytes>>,
            /// Rows read. MySQL only.
            rows_read: Option<Total<Count>>,
            /// Rows inserted. MySQL only.
            rows_inserted: Option<Total<Count>>,
            /// Rows updated. MySQL only.
            rows_updated: Option<Total<Count>>,
            /// Rows deleted. MySQL only.
            rows_deleted: Option<Total<Count>>,
            /// Times a lock of a row was waited for.
            row_lock_waits: Option<Total<Count>>,
            /// Time spent waiting for locks of rows.
            row_lock_seconds: Option<Total<Seconds>>,
            /// The longest of these waits.
            row_lock_longest_seconds: Option<Level<Seconds>>,
            /// Sessions that wait for a lock of a row now.
            row_lock_waiting: Option<Level<Count>>,
            /// Deadlocks that the server broke.
            deadlocks: Option<Total<Count>>,
            /// Waits for a row given up after innodb_lock_wait_timeout.
            lock_timeouts: Option<Total<Count>>,
            /// Transactions whose old versions of rows are not purged yet.
            history_length: Option<Level<Count>>,
            /// Log written since the last checkpoint.
            checkpoint_age_bytes: Option<Level<Bytes>>,
            /// Pages of old versions that were purged.
            purged_undo_pages: Option<Total<Count>>,
            /// Pages of indexes that were split.
            page_splits: Option<Total<Count>>,
            /// Times delayed changes of secondary indexes were merged.
            change_buffer_merges: Option<Total<Count>>,
            /// Memory of its dictionary. MariaDB only.
            dictionary_bytes: Option<Level<Bytes>>,
            /// Memory of its adaptive hash index. MariaDB only.
            adaptive_hash_bytes: Option<Level<Bytes>>,
            /// Data files it holds open.
            open_files: Option<Level<Count>>,
            /// Tablespaces of old versions in use.
            undo_tablespaces: Option<Level<Count>>,
        }
    }
}
