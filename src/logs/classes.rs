//! The kinds of entries, and how a message of PostgreSQL is told to be of one.
//!
//! The text decides first, because the plain log has no SQLSTATE; where the text is not known, in another language
//! or of another version, the SQLSTATE does. A class tells its SQLSTATE, so the three spellings of one run agree.

use crate::log::{Severity, SqlState};
use std::sync::LazyLock;

macro_rules! classes {
    ($($group:literal: $($class:ident $name:literal $state:literal [$($pattern:literal),*])*;)*) => {
        /// What an entry is about. Names are published.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Class { $($($class,)*)* }

        impl Class {
            pub const ALL: &[Self] = &[$($(Self::$class,)*)*];

            pub fn name(self) -> &'static str {
                match self { $($(Self::$class => $name,)*)* }
            }

            /// What it has to do with.
            pub fn group(self) -> &'static str {
                match self { $($(Self::$class => $group,)*)* }
            }

            /// Its SQLSTATE, empty if it has none of its own.
            fn state(self) -> &'static str {
                match self { $($(Self::$class => $state,)*)* }
            }

            /// What its texts look like; `*` is anything.
            fn patterns(self) -> &'static [&'static str] {
                match self { $($(Self::$class => &[$($pattern),*],)*)* }
            }
        }
    };
}

classes! {
    "statements":
        StatementDuration "statement_duration" "" []
        StatementParse "statement_parse_duration" "" []
        StatementBind "statement_bind_duration" "" []
        StatementAutoExplain "statement_auto_explain" "" []
        StatementLog "statement_log" "" ["statement: *", "execute *: *", "fastpath function call: *", "prepare *: *"]
        StatementStatistics "statement_statistics" "" [
            "QUERY STATISTICS*", "PARSER STATISTICS*", "PARSE ANALYSIS STATISTICS*", "REWRITER STATISTICS*",
            "PLANNER STATISTICS*", "EXECUTOR STATISTICS*"
        ]
        StatementCanceledTimeout "statement_canceled_timeout" "57014" ["canceling statement due to statement timeout"]
        StatementCanceledUser "statement_canceled_user" "57014" ["canceling statement due to user request"]
        AdministratorCommand "administrator_command" "" [];
    "server":
        ServerCrashed "server_crashed" "" [
            "server process (PID *) was terminated by signal *",
            "terminating connection because of crash of another server process",
            "all server processes terminated; reinitializing"
        ]
        ServerStart "server_start" "" [
            "database system is ready to accept *", "starting PostgreSQL *", "listening on *",
            "database system was shut down at *", "redirecting log output to *", "ending log output to *",
            "starting backup recovery*"
        ]
        ServerStartRecovering "server_start_recovering" "" [
            "database system was interrupted*", "database system was not properly shut down*",
            "database system was shut down in recovery at *", "the database system is starting up",
            "the database system is not yet accepting connections", "the database system is in recovery mode"
        ]
        ServerShutdown "server_shutdown" "" [
            "received * shutdown request", "database system is shut down", "shutting down",
            "the database system is shutting down", "aborting any active transactions"
        ]
        ServerOutOfMemory "server_out_of_memory" "53200" ["out of memory*"]
        ServerInvalidChecksum "server_invalid_checksum" "XX001" [
            "page verification failed, calculated checksum * but expected *",
            "invalid page in block * of relation *"
        ]
        ServerTempFileCreated "server_temp_file_created" "" ["temporary file: path *"]
        ServerReload "server_reload" "" [
            "received SIGHUP, reloading configuration files", "parameter \"*\" changed to *",
            "parameter \"*\" removed from configuration file*",
            "parameter \"*\" cannot be changed without restarting the server",
            "configuration file \"*\" contains errors*"
        ]
        ServerProcessExited "server_process_exited" "" [
            "* (PID *) exited with exit code *", "* (PID *) was terminated by *", "background worker \"*\" *"
        ]
        ServerStatsCollectorTimeout "server_stats_collector_timeout" "" [
            "using stale statistics instead of current ones because stats collector is not responding",
            "pgstat wait timeout"
        ]
        ServerMisc "server_misc" "" [
            "could not open usermap file *", "could not link file *", "unexpected pageaddr *",
            "could not resolve \"localhost\"*", "logger shutting down"
        ];
    "connections":
        ConnectionReceived "connection_received" "" ["connection received: *"]
        ConnectionAuthorized "connection_authorized" "" [
            "connection authorized: *", "replication connection authorized: *"
        ]
        ConnectionAuthenticated "connection_authenticated" "" ["connection authenticated: *"]
        ConnectionRejected "connection_rejected" "28000" [
            "no pg_hba.conf entry for *", "pg_hba.conf rejects *", "password authentication failed for *",
            "* authentication failed for user *", "role \"*\" is not permitted to log in",
            "role \"*\" does not exist", "database \"*\" is not currently accepting connections",
            "permission denied for database *", "no PostgreSQL user name specified *",
            "user \"*\" has no password assigned*"
        ]
        ConnectionDisconnected "connection_disconnected" "" ["disconnection: session time: *"]
        ConnectionClientFailedToConnect "connection_client_failed_to_connect" "" [
            "incomplete startup packet", "invalid length of startup packet"
        ]
        ConnectionLost "connection_lost" "08006" [
            "could not receive data from client: *", "could not send data to client: *",
            "connection to client lost", "unexpected EOF on client connection",
            "unexpected EOF on standby connection"
        ]
        ConnectionLostOpenTx "connection_lost_open_tx" "" [
            "unexpected EOF on client connection with an open transaction"
        ]
        ConnectionTerminated "connection_terminated" "57P01" [
            "terminating connection due to *", "terminating walreceiver process due to *",
            "terminating background worker *", "terminating autovacuum process *",
            "terminating logical replication worker *"
        ]
        OutOfConnections "out_of_connections" "53300" [
            "remaining connection slots are reserved *", "sorry, too many clients already"
        ]
        TooManyConnectionsRole "too_many_connections_role" "53300" ["too many connections for role *"]
        TooManyConnectionsDatabase "too_many_connections_database" "53300" ["too many connections for database *"]
        CouldNotAcceptSslConnection "could_not_accept_ssl_connection" "" ["could not accept SSL connection: *"]
        ProtocolErrorUnsupportedVersion "protocol_error_unsupported_version" "" ["unsupported frontend protocol *"]
        ProtocolErrorIncompleteMessage "protocol_error_incomplete_message" "08P01" [
            "incomplete message from client", "invalid message length", "invalid frontend message type *"
        ];
    "checkpoints":
        CheckpointStarting "checkpoint_starting" "" ["checkpoint starting: *"]
        CheckpointComplete "checkpoint_complete" "" ["checkpoint complete: *"]
        CheckpointTooFrequent "checkpoint_too_frequent" "" ["checkpoints are occurring too frequently *"]
        RestartpointStarting "restartpoint_starting" "" ["restartpoint starting: *"]
        RestartpointComplete "restartpoint_complete" "" ["restartpoint complete: *"]
        RestartpointAt "restartpoint_at" "" ["recovery restart point at *"];
    "wal":
        WalInvalidRecordLength "wal_invalid_record_length" "" [
            "invalid record length at *", "record with incorrect prev-link *", "invalid resource manager ID *",
            "invalid magic number *"
        ]
        WalRedo "wal_redo" "" [
            "redo starts at *", "redo done at *", "redo is not required",
            "last completed transaction was at log time *", "redo in progress*"
        ]
        WalArchiveCommandFailed "wal_archive_command_failed" "" [
            "archive command failed with exit code *", "archive command was terminated by *",
            "archiving write-ahead log file \"*\" failed too many times*",
            "archiving transaction log file \"*\" failed too many times*"
        ]
        WalBaseBackupComplete "wal_base_backup_complete" "" [
            "pg_stop_backup complete, all required WAL segments have been archived",
            "all required WAL segments have been archived"
        ];
    "vacuum":
        AutovacuumCancel "autovacuum_cancel" "57014" ["canceling autovacuum task"]
        TxidWraparoundWarning "txid_wraparound_warning" "" [
            "database * must be vacuumed within * transactions", "oldest xmin is far in the past",
            "oldest multixact is far in the past", "bypassing nonessential maintenance of table *"
        ]
        TxidWraparoundError "txid_wraparound_error" "54000" [
            "database is not accepting commands to avoid wraparound *",
            "database is not accepting commands that assign new * to avoid wraparound *"
        ]
        AutovacuumLauncherStarted "autovacuum_launcher_started" "" ["autovacuum launcher started"]
        AutovacuumLauncherShuttingDown "autovacuum_launcher_shutting_down" "" ["autovacuum launcher shutting down"]
        AutovacuumCompleted "autovacuum_completed" "" [
            "automatic vacuum of table *", "automatic aggressive vacuum of table *",
            "automatic aggressive vacuum to prevent wraparound of table *",
            "automatic vacuum to prevent wraparound of table *"
        ]
        AutoanalyzeCompleted "autoanalyze_completed" "" ["automatic analyze of table *"]
        SkippingVacuumLockNotAvailable "skipping_vacuum_lock_not_available" "" [
            "skipping vacuum of \"*\" --- lock not available*"
        ]
        SkippingAnalyzeLockNotAvailable "skipping_analyze_lock_not_available" "" [
            "skipping analyze of \"*\" --- lock not available*"
        ]
        SkippingMaintenancePermissionDenied "skipping_maintenance_permission_denied" "" [
            "skipping \"*\" --- only *", "permission denied to vacuum \"*\", skipping it",
            "permission denied to analyze \"*\", skipping it"
        ];
    "locks":
        LockAcquired "lock_acquired" "" ["process * acquired * after * ms"]
        LockWaiting "lock_waiting" "" ["process * still waiting for * after * ms"]
        LockTimeout "lock_timeout" "55P03" [
            "canceling statement due to lock timeout", "could not obtain lock on *",
            "process * failed to acquire * after * ms"
        ]
        LockDeadlockDetected "lock_deadlock_detected" "40P01" [
            "deadlock detected", "process * detected deadlock while waiting for * after * ms"
        ]
        LockDeadlockAvoided "lock_deadlock_avoided" "" [
            "process * avoided deadlock for * by rearranging queue order after * ms"
        ];
    "standby":
        StandbyRestoredWalFromArchive "standby_restored_wal_from_archive" "" ["restored log file \"*\" from archive"]
        StandbyStartedStreaming "standby_started_streaming" "" [
            "started streaming WAL from primary at *", "restarted WAL streaming at *"
        ]
        StandbyStreamingInterrupted "standby_streaming_interrupted" "" [
            "could not receive data from WAL stream: *", "could not connect to the primary server: *",
            "streaming replication terminated *"
        ]
        StandbyStoppedStreaming "standby_stopped_streaming" "" [
            "terminating walreceiver *", "replication terminated by primary server",
            "waiting for WAL to become available at *"
        ]
        StandbyConsistentRecoveryState "standby_consistent_recovery_state" "" [
            "consistent recovery state reached at *", "entering standby mode", "archive recovery complete",
            "selected new timeline ID: *", "received promote request", "starting archive recovery"
        ]
        StandbyStatementCanceled "standby_statement_canceled" "40001" [
            "canceling statement due to conflict with recovery"
        ]
        StandbyInvalidTimeline "standby_invalid_timeline" "" [
            "according to history file, WAL location * belongs to timeline *",
            "new timeline * forked off current database system timeline *"
        ];
    "constraints":
        UniqueConstraintViolation "unique_constraint_violation" "23505" [
            "duplicate key value violates unique constraint *", "could not create unique index *"
        ]
        ForeignKeyConstraintViolation "foreign_key_constraint_violation" "23503" [
            "insert or update on table * violates foreign key constraint *",
            "update or delete on table * violates * constraint *"
        ]
        NotNullConstraintViolation "not_null_constraint_violation" "23502" [
            "null value in column * violates not-null constraint", "column \"*\" * contains null values",
            "domain * does not allow null values"
        ]
        CheckConstraintViolation "check_constraint_violation" "23514" [
            "new row for relation * violates check constraint *",
            "check constraint * of relation * is violated by some row",
            "value for domain * violates check constraint *",
            "column * of table * contains values that violate the new constraint"
        ]
        ExclusionConstraintViolation "exclusion_constraint_violation" "23P01" [
            "conflicting key value violates exclusion constraint *", "could not create exclusion constraint *"
        ];
    "application":
        SyntaxError "syntax_error" "42601" [
            "syntax error at or near *", "syntax error at end of input*", "syntax error in *"
        ]
        InvalidInputSyntax "invalid_input_syntax" "22P02" ["invalid input syntax for *", "invalid input value for *"]
        ValueTooLongForType "value_too_long_for_type" "22001" ["value too long for type *"]
        InvalidValue "invalid_value" "22023" ["invalid value * for *"]
        MalformedArrayLiteral "malformed_array_literal" "22P02" [
            "malformed array literal: *", "malformed range literal: *", "malformed record literal: *"
        ]
        SubqueryMissingAlias "subquery_missing_alias" "42601" ["subquery in FROM must have an alias*"]
        InsertTargetColumnMismatch "insert_target_column_mismatch" "42601" [
            "INSERT has more expressions than target columns*",
            "INSERT has more target columns than expressions*"
        ]
        AnyAllRequiresArray "any_all_requires_array" "42809" ["op ANY/ALL (array) requires array on right side*"]
        ColumnMissingFromGroupBy "column_missing_from_group_by" "42803" [
            "column \"*\" must appear in the GROUP BY clause or be used in an aggregate function*"
        ]
        RelationDoesNotExist "relation_does_not_exist" "42P01" [
            "relation \"*\" does not exist*", "missing FROM-clause entry for table *",
            "invalid reference to FROM-clause entry for table *"
        ]
        ColumnDoesNotExist "column_does_not_exist" "42703" [
            "column \"*\" does not exist*", "column * does not exist*"
        ]
        OperatorDoesNotExist "operator_does_not_exist" "42883" ["operator does not exist: *"]
        ColumnReferenceAmbiguous "column_reference_ambiguous" "42702" ["column reference \"*\" is ambiguous*"]
        PermissionDenied "permission_denied" "42501" [
            "permission denied*", "must be owner of *", "must be superuser *"
        ]
        TransactionIsAborted "transaction_is_aborted" "25P02" [
            "current transaction is aborted, commands ignored until end of transaction block"
        ]
        OnConflictNoConstraintMatch "on_conflict_no_constraint_match" "42P10" [
            "there is no unique or exclusion constraint matching the ON CONFLICT specification*"
        ]
        OnConflictRowAffectedTwice "on_conflict_row_affected_twice" "21000" [
            "ON CONFLICT DO UPDATE command cannot affect row a second time"
        ]
        ColumnCannotBeCast "column_cannot_be_cast" "42804" [
            "column \"*\" cannot be cast to type *", "column \"*\" cannot be cast automatically to type *"
        ]
        DivisionByZero "division_by_zero" "22012" ["division by zero"]
        CannotDrop "cannot_drop" "2BP01" ["cannot drop *"]
        IntegerOutOfRange "integer_out_of_range" "22003" [
            "integer out of range", "bigint out of range", "smallint out of range",
            "value \"*\" is out of range for type *", "numeric field overflow"
        ]
        InvalidRegexp "invalid_regexp" "2201B" ["invalid regular expression: *"]
        ParamMissing "param_missing" "42P02" [
            "there is no parameter $*",
            "bind message supplies * parameters, but prepared statement * requires *"
        ]
        FunctionDoesNotExist "function_does_not_exist" "42883" [
            "function * does not exist*", "procedure * does not exist*"
        ]
        NoSuchSavepoint "no_such_savepoint" "3B001" ["savepoint \"*\" does not exist", "no such savepoint"]
        UnterminatedQuotedString "unterminated_quoted_string" "42601" ["unterminated quoted string at or near *"]
        UnterminatedQuotedIdentifier "unterminated_quoted_identifier" "42601" [
            "unterminated quoted identifier at or near *", "zero-length delimited identifier *"
        ]
        InvalidByteSequence "invalid_byte_sequence" "22021" [
            "invalid byte sequence for encoding *",
            "character with byte sequence * has no equivalent in encoding *"
        ]
        CouldNotSerializeRepeatableRead "could_not_serialize_repeatable_read" "40001" [
            "could not serialize access due to concurrent *"
        ]
        CouldNotSerializeSerializable "could_not_serialize_serializable" "40001" [
            "could not serialize access due to read/write dependencies among transactions"
        ]
        InconsistentRangeBounds "inconsistent_range_bounds" "22000" [
            "range lower bound must be less than or equal to range upper bound"
        ]
        ValueOutOfRange "value_out_of_range" "22008" [
            "date/time field value out of range: *", "value out of range: *", "timestamp out of range*",
            "date out of range*", "interval out of range"
        ]
        ObjectDoesNotExist "object_does_not_exist" "42704" [
            "* \"*\" does not exist*", "type * does not exist*", "schema * does not exist*"
        ]
        RowLevelSecurityViolation "row_level_security_violation" "42501" [
            "new row violates row-level security policy *",
            "query would be affected by row-level security policy *"
        ]
        WithCheckOptionViolation "with_check_option_violation" "44000" ["new row violates check option for view *"]
        CannotModifyView "cannot_modify_view" "55000" [
            "cannot insert into *", "cannot update view *", "cannot delete from view *",
            "cannot update column *"
        ]
        SqlJsonError "sql_json_error" "22030" ["JSON path *", "jsonpath *", "SQL/JSON *", "no SQL/JSON item *"]
        PartitionError "partition_error" "23514" [
            "no partition of relation * found for row", "partition * would overlap partition *",
            "cannot attach *", "updated partition constraint *",
            "partition constraint of relation * is violated by some row"
        ]
        ObjectAlreadyExists "object_already_exists" "42P07" ["* already exists*"]
        WrongObjectType "wrong_object_type" "42809" ["\"*\" is not a *", "\"*\" is a *"];
    "transactions":
        NoTransactionInProgress "no_transaction_in_progress" "25P01" [
            "there is no transaction in progress", "there is already a transaction in progress"
        ];
    "mysql":
        MysqlAccessDenied "mysql_access_denied" "" ["Access denied for user *"]
        MysqlAbortedConnection "mysql_aborted_connection" "" [
            "Aborted connection *", "Got an error reading communication packets*"
        ]
        MysqlStart "mysql_start" "" [
            "*: ready for connections*", "Starting MariaDB *", "* starting as process *",
            "*(*) starting as process *"
        ]
        MysqlShutdown "mysql_shutdown" "" ["*Normal shutdown", "*Shutdown complete*", "Received SHUTDOWN *"]
        MysqlDeadlock "mysql_deadlock" "40001" ["*ransactions deadlock detected, dumping detailed information*"]
        MysqlReplication "mysql_replication" "" [
            "Slave *", "Replica *", "Relay log *", "Start binlog_dump *", "Multi-threaded slave *"
        ]
        MysqlInnodb "mysql_innodb" "" ["InnoDB: *"]
        MysqlPlugin "mysql_plugin" "" ["Plugin '*"]
        MysqlDeprecated "mysql_deprecated" "" ["*deprecated*"]
        MysqlServer "mysql_server" "" [
            "mysqld: *", "mariadbd: *", "Server socket created *", "IP address *", "Server hostname *",
            "X Plugin ready*", "Event Scheduler: *", "CA certificate *"
        ];
}

/// How much of a text decides its class.
const HEAD: usize = 400;

/// The patterns that fit a text which begins with this byte, in order: messages are many, and so are patterns.
static BY_FIRST: LazyLock<[Vec<(Class, &'static str)>; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let fits = |pattern: &str| {
            pattern.bytes().next().is_none_or(|first| first == b'*' || usize::from(first) == byte)
        };
        let each =
            Class::ALL.iter().flat_map(|class| class.patterns().iter().map(|pattern| (*class, *pattern)));
        each.filter(|(_, pattern)| fits(pattern)).collect()
    })
});

impl Class {
    /// The class of a message that is not about the duration of a statement, PostgreSQL's or MySQL's.
    pub fn of(text: &[u8], severity: Severity, state: Option<SqlState>, mysql: bool) -> Option<Self> {
        let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
        let head = line.get(..HEAD.min(line.len())).unwrap_or_default();
        let own = |class: Self| (class.group() == "mysql") == mysql;
        let first = head.first().copied().unwrap_or_default();
        let mut patterns = BY_FIRST.get(usize::from(first)).into_iter().flatten();
        let by_text = patterns.find(|(class, pattern)| {
            own(*class) && class.may_be(severity) && matches(pattern.as_bytes(), head)
        });
        by_text.map(|(class, _)| *class).or_else(|| {
            let state = state.filter(|state| !state.is_success())?;
            let has_it = |class: &Self| own(*class) && class.state().as_bytes() == state.0;
            let mut classes = Self::ALL.iter().copied().filter(has_it);
            // One that several share tells none of them.
            classes.next().filter(|_| classes.next().is_none())
        })
    }

    /// The words of what went wrong could stand in any message, so they count only where something did.
    fn may_be(self, severity: Severity) -> bool {
        let wrong = matches!(self.group(), "constraints" | "application");
        !wrong || matches!(severity, Severity::Error | Severity::Fatal | Severity::Panic | Severity::Warning)
    }

    /// The server ended a statement before it was done, as somebody wished or a limit of time had it.
    pub fn is_cancel(self) -> bool {
        use Class::*;
        matches!(
            self,
            StatementCanceledTimeout | StatementCanceledUser | LockTimeout | StandbyStatementCanceled
        )
    }

    pub fn sqlstate(self) -> Option<SqlState> {
        SqlState::of(self.state().as_bytes())
    }
}

/// Whether the text is the pattern, where `*` stands for anything.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut pieces = pattern.split(|b| *b == b'*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if piece.is_empty() {
            continue;
        }
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = memchr::memmem::find(rest, piece) else { return false };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(
            matches(b"a * b * c", b"a x b y b z c")
                && !matches(b"a * b", b"a x b c")
                && matches(b"ab", b"ab")
        );
        assert!(matches(b"a*", b"a") && !matches(b"ab", b"abc") && matches(b"*b*", b"abc"));
    }

    /// Two classes of one text would be a matter of luck; the order of the table decides, and this shows it.
    #[test]
    fn the_first_of_the_table_is_the_most_special() {
        let class = |text: &str| Class::of(text.as_bytes(), Severity::Error, None, false).map(Class::name);
        assert_eq!(class("relation \"a\" does not exist at character 15"), Some("relation_does_not_exist"));
        assert_eq!(class("savepoint \"a\" does not exist"), Some("no_such_savepoint"));
        assert_eq!(class("extension \"a\" does not exist"), Some("object_does_not_exist"));
        assert_eq!(
            class("terminating connection due to administrator command"),
            Some("connection_terminated")
        );
        assert_eq!(class("something nobody knows"), None);
        let french = Class::of(b"division par zero", Severity::Error, SqlState::of(b"22012"), false);
        assert_eq!(french, Some(Class::DivisionByZero));
    }
}
