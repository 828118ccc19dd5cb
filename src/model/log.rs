//! What a server writes down about single executions, errors and itself, added up. The numbers begin when its log was
//! first followed and outlive us.

use super::prelude::*;

noun! {
    /// The logs of a server as a whole.
    Log as "log", topic "logs" {
        about {
            /// The file that is read now.
            path: Name,
        }
        facts {
            /// Entries read.
            entries: Total<Count>,
            /// Of these, the ones that no class is known for.
            unclassified: Total<Count>,
            /// Entries about dbsonde's own sessions and statements, which count nowhere else.
            own_entries: Option<Total<Count>>,
            /// Pieces that are no entry of the format.
            noise: Total<Count>,
            /// Entries longer than we take in; only their beginning was understood.
            cut: Total<Count>,
            /// Durations logged apart from their statement which never found it.
            unjoined: Total<Count>,
            /// Bytes read.
            read_bytes: Total<Bytes>,
            /// Files begun.
            files: Total<Count>,
            /// Files that went away before they were read to their end.
            lost_files: Total<Count>,
            /// What is known to have stood in them beyond what was read.
            lost_bytes: Total<Bytes>,
            /// Bytes written and not yet read.
            behind_bytes: Level<Bytes>,
        }
    }
}

noun! {
    /// Entries of one kind.
    LogEvent as "log_event", topic "log_events" {
        label {
            /// What it is about; `unclassified` where that is not known.
            class: Name,
            severity: Name,
        }
        facts {
            /// Entries of this kind.
            entries: Total<Count>,
        }
    }
}

noun! {
    /// Warnings and errors with one SQLSTATE.
    LogError as "log_error", topic "log_errors" {
        label {
            severity: Name,
            /// Empty where the log tells none.
            sqlstate: Name,
        }
        facts {
            /// Entries with it.
            entries: Total<Count>,
        }
    }
}

noun! {
    /// What the log says of one statement: only of executions that were logged.
    LogStatement as "log_statement", topic "log_statements", rank [exec_seconds], named by digest {
        label { digest: Option<Digest> }
        facts {
            /// Executions logged, times the rate at which the server logs.
            calls: Total<Count>,
            /// Time that they took.
            exec_seconds: Total<Seconds>,
            /// Waits for a lock that were long enough to be logged.
            lock_waits: Total<Count>,
            /// Time they waited for locks, as far as the log tells.
            lock_seconds: Total<Seconds>,
            /// Rows they returned, where a slow log tells.
            rows: Total<Count>,
            /// Rows they looked at, where a slow log tells.
            rows_examined: Total<Count>,
            /// Errors it ended with.
            errors: Total<Count>,
            /// Of these, the ones where it was cancelled: by a limit of time or by its user.
            cancels: Total<Count>,
            /// Temporary files it wrote.
            temp_files: Total<Count>,
            /// Bytes in them.
            temp_bytes: Total<Bytes>,
            /// Half of the executions of the last five to ten minutes were faster.
            p50_seconds: Option<Level<Seconds>>,
            /// 95 of 100 of them were faster.
            p95_seconds: Option<Level<Seconds>>,
            /// 99 of 100 of them were faster.
            p99_seconds: Option<Level<Seconds>>,
        }
    }
}

noun! {
    /// Waits for locks of one kind that were long enough to be logged.
    LogLock as "log_lock", topic "log_locks" {
        label {
            mode: Name,
            /// `relation`, `tuple`, `transaction` and their like.
            object: Name,
        }
        facts {
            /// Waits that were reported while they lasted.
            waits: Total<Count>,
            /// Time of those that ended.
            wait_seconds: Total<Seconds>,
        }
    }
}

noun! {
    /// Deadlocks between the same statements.
    LogDeadlock as "log_deadlock", topic "log_deadlocks" {
        label {
            /// The digests of those that took part; `unnamed` for one that cannot be known.
            statements: Name,
        }
        about {
            /// The tables and kinds of locks they waited for.
            objects: Name,
        }
        facts {
            /// Deadlocks logged.
            seen: Total<Count>,
        }
    }
}
