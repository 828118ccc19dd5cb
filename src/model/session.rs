//! Who is connected, what they wait for, and who keeps whom waiting.

use super::prelude::*;

noun! {
    /// One connected session. What it runs is known by digest, never by text.
    Session as "session", topic "sessions" {
        // Pids come round again.
        id { pid: i64, backend_start: Option<Timestamp> }
        about {
            dbid: Option<i64>,
            userid: Option<i64>,
            /// The names behind the oids; the engine fills them in.
            database: Option<Name>,
            user: Option<Name>,
            application: Option<Name>,
            /// The process of dbsonde that it belongs to, if it does.
            instance: Option<Name>,
            /// The client's address; none for a local socket.
            client: Option<Name>,
            /// What kind of process it is. Unknown without the right to see.
            backend_type: Option<Name>,
            /// Whom it helps, if it is a parallel worker. PostgreSQL 13 and later.
            leader_pid: Option<i64>,
            /// The number of its thread within the server. MySQL and MariaDB only.
            thread_id: Option<i64>,
            state: Option<Name>,
            wait_class: Option<Name>,
            wait_event: Option<Name>,
            /// The server's own digest of what it runs or ran last. PostgreSQL 14 and later.
            server_digest: Option<i64>,
            transaction_start: Option<Timestamp>,
            /// Rows that its transaction has locked. MySQL and MariaDB only.
            locked_rows: Option<i64>,
            query_start: Option<Timestamp>,
            state_change: Option<Timestamp>,
            /// Transactions begun since its own.
            xid_age: Option<i64>,
            /// Transactions begun since the oldest that it may still see: no row newer than that is cleaned.
            xmin_age: Option<i64>,
            /// The server's clock when it answered; ages are differences to it.
            asked: Option<Timestamp>,
        }
    }
}

noun! {
    /// Another dbsonde that watches the same server.
    Watcher as "watcher", topic "watchers" {
        label { watcher: Name }
        about {
            /// Where it is; none for a local socket.
            client: Option<Name>,
        }
        facts {
            /// Sessions that it has.
            sessions: Level<Count>,
            /// How long it has been seen beside us.
            seen_seconds: Level<Seconds>,
        }
    }
}

noun! {
    /// A session that waits for a lock, and those in its way.
    Blocking as "blocking", topic "blocking" {
        id { pid: i64 }
        about {
            /// Pids, comma-joined; 0 is a prepared transaction.
            blockers: Option<Name>,
            /// Ids of prepared transactions, comma-joined, that hold a lock on what it waits for.
            prepared: Option<Name>,
            lock_type: Option<Name>,
            mode: Option<Name>,
            dbid: Option<i64>,
            relation_oid: Option<i64>,
            /// The table or the like by name. MySQL and MariaDB only.
            object: Option<Name>,
            /// Since when it waits. PostgreSQL 14 and later.
            wait_start: Option<Timestamp>,
            asked: Option<Timestamp>,
        }
    }
}

noun! {
    /// Locks of one kind and mode, held or waited for.
    LockCount as "lock", topic "lock_counts" {
        label {
            lock_type: Name,
            mode: Name,
            granted: bool,
        }
        facts {
            /// Locks held or waited for now.
            locks: Level<Count>,
            /// The longest of the waits. PostgreSQL 14 and later.
            longest_wait_seconds: Option<Level<Seconds>>,
        }
    }
}

noun! {
    /// Transactions that were prepared for a two-phase commit and are neither committed nor rolled back.
    PreparedTransaction as "prepared_transaction", topic "prepared_transactions" {
        id { dbid: i64 }
        // engine: database
        label { database: Option<Name> }
        facts {
            /// How many there are.
            pending: Level<Count>,
            /// How long the oldest has been prepared.
            oldest_seconds: Option<Level<Seconds>>,
            /// Transactions begun since the oldest one: no row newer than that is cleaned.
            oldest_xid_age: Option<Level<Count>>,
        }
    }
}

impl Session {
    /// One that no client has opened: on MySQL and MariaDB what plays a source's changes is a session like all others, and holds
    /// and waits for locks, but nobody may end it.
    pub fn is_servers_own(&self) -> bool {
        self.state.as_deref() == Some("background")
    }
}

noun! {
    /// A long command that tells how far it has got: vacuum, analyze, create index, cluster, base backup, copy.
    Progress as "progress", topic "progress" {
        id { pid: i64 }
        // engine: database
        label {
            database: Option<Name>,
            command: Name,
        }
        about {
            dbid: Option<i64>,
            relation_oid: Option<i64>,
            phase: Option<Name>,
        }
        facts {
            /// Bytes of the present phase that are done.
            done_bytes: Option<Level<Bytes>>,
            /// Bytes of the present phase in all.
            all_bytes: Option<Level<Bytes>>,
            /// Share of the present phase that is done.
            done_ratio: Option<Level<Ratio>>,
            /// Times a vacuum has gone through all indexes: more than one means that its memory is too small.
            index_passes: Option<Level<Count>>,
        }
    }
}
