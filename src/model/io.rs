//! Reads and writes of the server as a whole, and its caches.

use super::prelude::*;

noun! {
    /// Reads and writes by who did them, on what, and in which manner: PostgreSQL 16 and later. By the kind of file alone:
    /// MySQL and MariaDB.
    Io as "io", topic "io", began stats_reset {
        label {
            backend_type: Name,
            object: Name,
            context: Name,
        }
        about {
            stats_reset: Option<Timestamp>,
        }
        facts {
            /// Read operations.
            reads: Option<Total<Count>>,
            /// Bytes read.
            read_bytes: Option<Total<Bytes>>,
            /// Time spent reading, with track_io_timing.
            read_seconds: Option<Total<Seconds>>,
            /// Write operations.
            writes: Option<Total<Count>>,
            /// Bytes written.
            written_bytes: Option<Total<Bytes>>,
            /// Time spent writing, with track_io_timing.
            write_seconds: Option<Total<Seconds>>,
            /// Pages that the kernel was asked to write soon.
            writebacks: Option<Total<Count>>,
            /// Time spent asking for that, with track_io_timing.
            writeback_seconds: Option<Total<Seconds>>,
            /// Times files were extended.
            extends: Option<Total<Count>>,
            /// Bytes they were extended by.
            extended_bytes: Option<Total<Bytes>>,
            /// Time spent extending files, with track_io_timing.
            extend_seconds: Option<Total<Seconds>>,
            /// Times the page was in the server's own cache.
            hits: Option<Total<Count>>,
            /// Pages pushed out of the cache to make room.
            evictions: Option<Total<Count>>,
            /// Pages of a ring buffer used again.
            reuses: Option<Total<Count>>,
            /// Files synced to disk.
            fsyncs: Option<Total<Count>>,
            /// Time spent syncing files, with track_io_timing.
            fsync_seconds: Option<Total<Seconds>>,
        }
    }
}

noun! {
    /// A small cache: transaction status, multixacts, subtransactions, notifications. PostgreSQL 13 and later.
    Slru as "slru", topic "slru", began stats_reset {
        label { cache: Name }
        about {
            stats_reset: Option<Timestamp>,
        }
        facts {
            /// Pages begun empty.
            zeroed_bytes: Option<Total<Bytes>>,
            /// Pages found in it.
            hit_bytes: Option<Total<Bytes>>,
            /// Pages read into it.
            read_bytes: Option<Total<Bytes>>,
            /// Pages written from it.
            written_bytes: Option<Total<Bytes>>,
            /// Times it was asked whether a page exists.
            exists_checks: Option<Total<Count>>,
            /// Times it was flushed.
            flushes: Option<Total<Count>>,
            /// Times it was cut.
            truncates: Option<Total<Count>>,
        }
    }
}

noun! {
    /// Pages that the background writer cleaned ahead of need, and pages that were given out.
    BackgroundWriter as "background_writer", topic "background_writer", began stats_reset {
        about {
            stats_reset: Option<Timestamp>,
        }
        facts {
            /// Data the background writer wrote.
            written_bytes: Option<Total<Bytes>>,
            /// Times it stopped early because it had written bgwriter_lru_maxpages.
            stopped_early: Option<Total<Count>>,
            /// Pages given out to hold data.
            allocated_bytes: Option<Total<Bytes>>,
            /// Data that sessions had to write themselves. PostgreSQL before 17, afterwards see io.
            backend_written_bytes: Option<Total<Bytes>>,
            /// Files that sessions had to sync themselves. PostgreSQL before 17, afterwards see io.
            backend_fsyncs: Option<Total<Count>>,
        }
    }
}
