//! Who keeps others waiting: the root of a tree of lock waits, with what it has cost.

use super::prelude::*;

noun! {
    /// A session, or a prepared transaction, that holds up others and waits for nobody itself.
    Blocker as "blocker", topic "blockers" {
        id {
            /// Of a prepared transaction, which has no process, the negative of its id; 0 if that is not known.
            pid: i64,
            backend_start: Option<Timestamp>,
        }
        about {
            database: Name,
            user: Name,
            application: Name,
            state: Name,
            digest: Option<Digest>,
            /// When its transaction began.
            transaction_start: Option<Timestamp>,
            /// Rows that its transaction has locked. MySQL and MariaDB only.
            locked_rows: Option<i64>,
            /// What its direct victims wait for, as lock type and mode.
            lock: Name,
            /// The table, by oid in its database, where the wait is about one.
            relation: Option<i64>,
            /// The same by name. MySQL and MariaDB only.
            object: Option<Name>,
            /// Everybody who waits for it, directly or through others, as pids with `<` before the one waited for.
            tree: Name,
        }
        facts {
            /// Sessions that wait for it, directly or through others.
            victims: Level<Count>,
            /// How long the most patient of them has waited.
            longest_wait_seconds: Level<Seconds>,
            /// Session time lost by waiting for it; who waits for several at once is shared among them.
            lost_seconds: Total<Seconds>,
        }
    }
}

impl Blocker {
    /// The id of the prepared transaction that it is.
    pub fn prepared(&self) -> Option<i64> {
        (self.pid <= 0).then_some(-self.pid)
    }

    /// See [`Session::is_servers_own`](super::Session::is_servers_own).
    pub fn is_servers_own(&self) -> bool {
        &*self.state == "background"
    }
}
