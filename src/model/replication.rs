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
        label {
            /// Which of several sources, where they have names. MySQL and MariaDB only.
            channel: Option<Name>,
        }
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
            /// 1 while it receives from its source, else 0.
            receiving: Option<Level<Count>>,
            /// 1 while it applies what has arrived, else 0.
            applying: Option<Level<Count>>,
            /// Number of the error that keeps it from receiving, else 0. MySQL and MariaDB only.
            receive_error: Option<Level<Count>>,
            /// Number of the error that it could not apply, else 0. MySQL and MariaDB only.
            apply_error: Option<Level<Count>>,
            /// Position in the log up to which it has received and synced. PostgreSQL only.
            received_bytes: Option<Total<Position>>,
            /// Position in the log up to which it has applied. PostgreSQL only.
            replayed_bytes: Option<Total<Position>>,
            /// Log that the sender is known to have and that has not arrived. PostgreSQL only.
            ship_lag_bytes: Option<Level<Bytes>>,
            /// Log that has arrived and is not applied; with MySQL and MariaDB while both ends are in one file of the source.
            apply_lag_bytes: Option<Level<Bytes>>,
            /// Age of the last transaction applied, zero when all that arrived is applied.
            apply_lag_seconds: Option<Level<Seconds>>,
            /// Transactions that have arrived and are not applied, by their global ids. MySQL and MariaDB only.
            apply_lag_transactions: Option<Level<Count>>,
            /// Time that it is told to stay behind. Of PostgreSQL from version 12 on.
            delay_seconds: Option<Level<Seconds>>,
            /// Log that has arrived and is kept, files not wholly applied among it. MySQL and MariaDB only.
            kept_bytes: Option<Level<Bytes>>,
            /// Time since the sender last said something.
            silence_seconds: Option<Level<Seconds>>,
        }
    }
}

noun! {
    /// A thread that applies what a source has sent. MySQL only.
    ReplicationWorker as "replication_worker", topic "replication_workers" {
        label {
            channel: Name,
            worker: Name,
        }
        facts {
            /// 1 while it runs, else 0.
            running: Level<Count>,
            /// Number of the error that ended it, else 0.
            error: Level<Count>,
            /// Age of the transaction that it applies, zero when it has none. MySQL 8 and later.
            lag_seconds: Option<Level<Seconds>>,
            /// Times it has tried that transaction again. MySQL 8 and later.
            retries: Option<Level<Count>>,
        }
    }
}

noun! {
    /// A member of the group that the server belongs to. MySQL only.
    GroupMember as "group_member", topic "group_members" {
        label { member: Name }
        about {
            /// `ONLINE`, `RECOVERING`, `OFFLINE`, `ERROR` or `UNREACHABLE`.
            state: Name,
            /// `PRIMARY` or `SECONDARY`. MySQL 8 and later.
            role: Option<Name>,
            version: Option<Name>,
        }
        facts {
            /// 1 while it takes part, else 0.
            online: Level<Count>,
            /// Transactions that wait to be checked for conflicts.
            check_queue: Option<Level<Count>>,
            /// Transactions checked for conflicts.
            checked: Option<Total<Count>>,
            /// Transactions that did not pass.
            conflicts: Option<Total<Count>>,
            /// Transactions of other members that wait to be applied. MySQL 8 and later.
            apply_queue: Option<Level<Count>>,
            /// Transactions of other members that were applied. MySQL 8 and later.
            applied: Option<Total<Count>>,
            /// Transactions that it has sent to the others. MySQL 8 and later.
            proposed: Option<Total<Count>>,
            /// Of these, the ones that the group rolled back. MySQL 8 and later.
            rolled_back: Option<Total<Count>>,
        }
    }
}

noun! {
    /// The cluster that a server writes together with. MariaDB and Percona XtraDB Cluster, while it is on.
    Galera as "galera", topic "galera" {
        about {
            /// `Primary` where there is a majority.
            cluster_status: Option<Name>,
            /// `Synced` while it takes part.
            state: Option<Name>,
            ready: Option<bool>,
            connected: Option<bool>,
        }
        facts {
            /// Members that it sees, itself included.
            members: Option<Level<Count>>,
            /// Writes received that wait to be applied.
            receive_queue: Option<Level<Count>>,
            /// Writes that wait to be sent.
            send_queue: Option<Level<Count>>,
            /// Time that writes stood still because a member could not keep up.
            paused_seconds: Option<Total<Seconds>>,
            /// Times it asked the others to wait.
            pauses_asked: Option<Total<Count>>,
            /// Times it was asked to wait, its own askings included.
            pauses: Option<Total<Count>>,
            /// Its transactions that conflicted with those of others.
            conflicts: Option<Total<Count>>,
            /// Its transactions that were ended in favour of those of others.
            aborted_transactions: Option<Total<Count>>,
            /// Writes it has sent.
            sent_writes: Option<Total<Count>>,
            /// Bytes of writes it has sent.
            sent_bytes: Option<Total<Bytes>>,
            /// Writes it has received.
            received_writes: Option<Total<Count>>,
            /// Bytes of writes it has received.
            received_bytes: Option<Total<Bytes>>,
            /// Number of the last transaction that it has committed.
            committed: Option<Total<Count>>,
        }
    }
}

noun! {
    /// Commits that wait until a replica has them. MySQL and MariaDB, where they have the plugin.
    SemiSync as "semi_sync", topic "semi_sync" {
        about {
            /// Commits wait for a replica now.
            waits_for_replica: Option<bool>,
            /// It tells its source of what it has, as a replica.
            acknowledges: Option<bool>,
        }
        facts {
            /// Replicas that tell what they have.
            replicas: Option<Level<Count>>,
            /// Commits that a replica had before their client was told.
            acknowledged: Option<Total<Count>>,
            /// Commits whose client was told before any replica had them.
            unacknowledged: Option<Total<Count>>,
            /// Times the server stopped to wait because none answered.
            given_up: Option<Total<Count>>,
            /// Commits that waited.
            waits: Option<Total<Count>>,
            /// Time they waited.
            wait_seconds: Option<Total<Seconds>>,
            /// Sessions that wait now.
            waiting: Option<Level<Count>>,
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
            received_bytes: Option<Total<Position>>,
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
