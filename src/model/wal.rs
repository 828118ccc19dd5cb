//! The write-ahead log: what is written to it, when it is flushed to the data files, and where it is archived.

use super::prelude::*;

noun! {
    /// What was written to the write-ahead log.
    Wal as "wal", topic "wal", began stats_reset {
        about {
            /// PostgreSQL 14 and later.
            stats_reset: Option<Timestamp>,
        }
        facts {
            /// How far the log has got: its rate is the rate of all writes. Absent on a standby.
            position_bytes: Option<Total<Position>>,
            /// Records added to it. PostgreSQL 14 and later.
            records: Option<Total<Count>>,
            /// Whole pages added to it, at their first change after a checkpoint. PostgreSQL 14 and later.
            full_images: Option<Total<Count>>,
            /// Bytes added to it. PostgreSQL 14 and later.
            bytes: Option<Total<Bytes>>,
            /// Times a session had to write it because its buffers were full. PostgreSQL 14 and later.
            buffers_full: Option<Total<Count>>,
            /// Times it was written to disk. PostgreSQL 14 to 17, afterwards see io.
            writes: Option<Total<Count>>,
            /// Times it was synced to disk. PostgreSQL 14 to 17, afterwards see io.
            syncs: Option<Total<Count>>,
            /// Time spent writing it. PostgreSQL 14 to 17 with track_wal_io_timing, afterwards see io.
            write_seconds: Option<Total<Seconds>>,
            /// Time spent syncing it. PostgreSQL 14 to 17 with track_wal_io_timing, afterwards see io.
            sync_seconds: Option<Total<Seconds>>,
        }
    }
}

noun! {
    /// The files of the binary log, which replicas and restores read. MySQL and MariaDB only.
    BinaryLog as "binary_log", topic "binary_logs" {
        facts {
            /// Files that are kept.
            files: Level<Count>,
            /// Their size.
            bytes: Level<Bytes>,
        }
    }
}

noun! {
    /// Checkpoints: all changed data is written to the data files, so that a crash need not replay older log.
    Checkpoints as "checkpoint", topic "checkpoints", began stats_reset {
        about {
            stats_reset: Option<Timestamp>,
        }
        facts {
            /// Checkpoints that came because checkpoint_timeout had passed.
            timed: Option<Total<Count>>,
            /// Checkpoints that came because of much writing or a command.
            requested: Option<Total<Count>>,
            /// Checkpoints that were finished. PostgreSQL 18 and later.
            done: Option<Total<Count>>,
            /// Restart points of a standby that came because of the time. PostgreSQL 17 and later.
            restartpoints_timed: Option<Total<Count>>,
            /// Restart points of a standby that came because of much writing or a command. PostgreSQL 17 and later.
            restartpoints_requested: Option<Total<Count>>,
            /// Restart points of a standby that were finished. PostgreSQL 17 and later.
            restartpoints_done: Option<Total<Count>>,
            /// Data they wrote.
            written_bytes: Option<Total<Bytes>>,
            /// Transaction status and the like that they wrote. PostgreSQL 18 and later.
            slru_written_bytes: Option<Total<Bytes>>,
            /// Time they spent writing.
            write_seconds: Option<Total<Seconds>>,
            /// Time they spent syncing.
            sync_seconds: Option<Total<Seconds>>,
        }
    }
}

noun! {
    /// Segments of the write-ahead log that were archived, or failed to be.
    Archive as "archive", topic "archive", began stats_reset {
        about {
            last_archived_segment: Option<Name>,
            last_archived: Option<Timestamp>,
            last_failed_segment: Option<Name>,
            last_failed: Option<Timestamp>,
            /// The server's clock when it answered; ages are differences to it.
            asked: Option<Timestamp>,
            stats_reset: Option<Timestamp>,
        }
        facts {
            /// Segments archived.
            archived: Option<Total<Count>>,
            /// Attempts to archive that failed.
            failed: Option<Total<Count>>,
        }
    }
}
