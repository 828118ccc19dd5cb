//! Replication: who is sent the write-ahead log, how far they are behind, and what is kept for them.

use super::prelude::*;

noun! {
    /// A client that is sent the write-ahead log: a standby, a subscriber, a backup.
    ReplicationSender as "replication", topic "replication_senders" {
        // Pids come round again.
        id { pid: i64, backend_start: Option<Timestamp> }
        label {
            application: Option<Name>,
            client: Option<Name>,
            state: Option<Name>,
            sync_state: Option<Name>,
        }
        about {
            sync_priority: Option<i64>,
        }
        facts {
            /// Log that is not sent yet.
            send_lag_bytes: Option<Level<Bytes>>,
            /// Log sent that the client has not written.
            write_lag_bytes: Option<Level<Bytes>>,
            /// Log written by the client that it has not synced to disk.
            flush_lag_bytes: Option<Level<Bytes>>,
            /// Log synced by the client that it has not applied.
            replay_lag_bytes: Option<Level<Bytes>>,
            /// Log that the client has not applied, wherever it is.
            all_lag_bytes: Option<Level<Bytes>>,
            /// Time until recent log was written by the client; absent when idle.
            write_lag_seconds: Option<Level<Seconds>>,
            /// Time until recent log was synced by the client; absent when idle.
            flush_lag_seconds: Option<Level<Seconds>>,
            /// Time until recent log was applied by the client; absent when idle.
            replay_lag_seconds: Option<Level<Seconds>>,
            /// Transactions begun since the oldest that the client may still see.
            xmin_age: Option<Level<Count>>,
            /// Time since the client last answered. PostgreSQL 12 and later.
            silence_seconds: Option<Level<Seconds>>,
        }
    }
}

noun! {
    /// How a standby keeps up. Absent on a primary.
    ReplicationReceiver as "replication_receiver", topic "replication_receiver" {
        about {
            /// Unknown when nothing is received, or without the right to see.
            state: Option<Name>,
            slot: Option<Name>,
            /// The host it receives from. PostgreSQL 11 and later.
            sender: Option<Name>,
            timeline: Option<i64>,
            is_paused: bool,
        }
        facts {
            /// Position in the log up to which it has received and synced.
            received_bytes: Option<Total<Bytes>>,
            /// Position in the log up to which it has applied.
            replayed_bytes: Option<Total<Bytes>>,
            /// Log that the sender is known to have and that has not arrived.
            ship_lag_bytes: Option<Level<Bytes>>,
            /// Log that has arrived and is not applied.
            apply_lag_bytes: Option<Level<Bytes>>,
            /// Age of the last transaction applied, zero when all that arrived is applied.
            apply_lag_seconds: Option<Level<Seconds>>,
            /// Time since the sender last said something.
            silence_seconds: Option<Level<Seconds>>,
        }
    }
}

noun! {
    /// What the server keeps for a client that may be away.
    ReplicationSlot as "replication_slot", topic "replication_slots", began stats_reset {
        label {
            slot: Name,
            slot_type: Name,
        }
        about {
            plugin: Option<Name>,
            /// The database of a logical slot.
            dbid: Option<i64>,
            is_temporary: bool,
            active_pid: Option<i64>,
            /// `reserved`, `extended`, `unreserved` or `lost`. PostgreSQL 13 and later.
            wal_status: Option<Name>,
            /// PostgreSQL 14 and later.
            two_phase: Option<bool>,
            /// PostgreSQL 16 and later.
            conflicting: Option<bool>,
            /// PostgreSQL 17 and later.
            inactive_since: Option<Timestamp>,
            /// PostgreSQL 17 and later.
            invalidation_reason: Option<Name>,
            /// PostgreSQL 17 and later.
            failover: Option<bool>,
            /// PostgreSQL 17 and later.
            synced: Option<bool>,
            /// The server's clock when it answered; ages are differences to it.
            asked: Option<Timestamp>,
            /// PostgreSQL 14 and later.
            stats_reset: Option<Timestamp>,
        }
        facts {
            /// 1 while a client reads from it, else 0.
            active: Level<Count>,
            /// Log that the server keeps for it.
            retained_bytes: Option<Level<Bytes>>,
            /// Log that a logical client has not confirmed.
            unconfirmed_bytes: Option<Level<Bytes>>,
            /// Log that may yet be written before it is lost; absent without max_slot_wal_keep_size. PostgreSQL 13 and later.
            safe_bytes: Option<Level<Bytes>>,
            /// Transactions begun since the oldest that its client may still see: no row newer than that is cleaned.
            xmin_age: Option<Level<Count>>,
            /// The same for the catalogue's rows.
            catalog_xmin_age: Option<Level<Count>>,
            /// Transactions spilled to disk, being larger than logical_decoding_work_mem. PostgreSQL 14 and later.
            spilled_transactions: Option<Total<Count>>,
            /// Times it spilled to disk. PostgreSQL 14 and later.
            spills: Option<Total<Count>>,
            /// Bytes spilled to disk. PostgreSQL 14 and later.
            spilled_bytes: Option<Total<Bytes>>,
            /// Transactions sent before their end. PostgreSQL 14 and later.
            streamed_transactions: Option<Total<Count>>,
            /// Times a transaction was sent before its end. PostgreSQL 14 and later.
            streams: Option<Total<Count>>,
            /// Bytes sent before the end of their transaction. PostgreSQL 14 and later.
            streamed_bytes: Option<Total<Bytes>>,
            /// Transactions decoded. PostgreSQL 14 and later.
            decoded_transactions: Option<Total<Count>>,
            /// Bytes decoded. PostgreSQL 14 and later.
            decoded_bytes: Option<Total<Bytes>>,
        }
    }
}

noun! {
    /// A logical subscription of this server to another. PostgreSQL only.
    Subscription as "subscription", topic "subscriptions", began stats_reset {
        id { oid: i64 }
        label { subscription: Name }
        about {
            /// Its main apply worker; absent when none runs.
            pid: Option<i64>,
            /// PostgreSQL 15 and later.
            stats_reset: Option<Timestamp>,
        }
        facts {
            /// Position in the publisher's log up to which it has received.
            received_bytes: Option<Total<Bytes>>,
            /// Log that the publisher is known to have and that has not arrived.
            ship_lag_bytes: Option<Level<Bytes>>,
            /// Time since the publisher last said something.
            silence_seconds: Option<Level<Seconds>>,
            /// Time since the publisher was last told how far it has got.
            report_age_seconds: Option<Level<Seconds>>,
            /// Changes that could not be applied. PostgreSQL 15 and later.
            apply_errors: Option<Total<Count>>,
            /// Tables whose first copy failed. PostgreSQL 15 and later.
            sync_errors: Option<Total<Count>>,
            /// Inserts of a row that existed. PostgreSQL 18 and later.
            insert_exists_conflicts: Option<Total<Count>>,
            /// Updates of a row that another origin had changed. PostgreSQL 18 and later.
            update_origin_conflicts: Option<Total<Count>>,
            /// Updates to a row that existed. PostgreSQL 18 and later.
            update_exists_conflicts: Option<Total<Count>>,
            /// Updates of a row that was gone. PostgreSQL 18 and later.
            update_missing_conflicts: Option<Total<Count>>,
            /// Deletes of a row that another origin had changed. PostgreSQL 18 and later.
            delete_origin_conflicts: Option<Total<Count>>,
            /// Deletes of a row that was gone. PostgreSQL 18 and later.
            delete_missing_conflicts: Option<Total<Count>>,
            /// Rows that met several unique conflicts at once. PostgreSQL 18 and later.
            multiple_unique_conflicts: Option<Total<Count>>,
        }
    }
}
