//! Where the time of sessions went, as far as looking at them every second can tell.

use super::prelude::*;

noun! {
    /// Time that sessions were active, by what they were waiting for. Average active sessions is its rate.
    Load as "load", topic "load", rank [session_seconds] {
        label {
            database: Name,
            user: Name,
            application: Name,
            /// `cpu` when it waits for nothing, else the class and the name of the wait: `IO:DataFileRead`.
            wait: Name,
            digest: Option<Digest>,
        }
        facts {
            /// Seconds of active session time, counted by looking at the sessions every second.
            session_seconds: Total<Seconds>,
        }
    }
}

noun! {
    /// The sessions of one user in one database that are in the same state.
    SessionGroup as "session", topic "session_groups", rank [open] {
        label { database: Name, user: Name, state: Name }
        facts {
            /// Sessions in this state.
            open: Level<Count>,
            /// Of these, the ones that wait for a lock.
            lock_waiting: Level<Count>,
            /// Age of the oldest transaction among them.
            oldest_transaction_seconds: Option<Level<Seconds>>,
            /// How long the one longest in this state has been in it.
            longest_in_state_seconds: Option<Level<Seconds>>,
            /// Transactions since the oldest snapshot that one of them holds; vacuum cannot clean what is younger.
            oldest_xmin_transactions: Option<Level<Count>>,
        }
    }
}
