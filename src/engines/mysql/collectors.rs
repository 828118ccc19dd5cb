//! The table of collectors: topic, pace, where its rows live, what begins its epoch, and its SQL.
//! To add one: a noun in `model/`, a file in `sql/`, a line here.

use crate::engine::collector::Tool;
use crate::{collectors, sql_files};

collectors! {
    Sessions        Pulse Server   Process    "sessions"        ["sessions" "sessions.list"];
    Statements      Beat  Server   Statements "statements"      ["statements"];
    StatementsInfo  Beat  Server   Process    "statements_info" ["statements_info"];
    Server          Beat  Server   Rows       "server"          ["server"];
    Activity        Beat  Server   Process    "status"          ["status"];
    Innodb          Beat  Server   Process    "status"          ["status"];
    SemiSync        Beat  Server   Process    "status"          ["status"];
    Tables          Slow  Database Process    "tables"          ["tables"];
    Indexes         Slow  Database Process    "indexes"         ["indexes"];
    Latencies       Slow  Server   Process    "latencies"       ["latencies"];
    Sequences       Slow  Database Rows       "auto_increment"  ["auto_increment"];
    Functions       Slow  Server   Process    "programs"        ["programs"];
    ScheduledEvents Rare  Server   Rows       "scheduled_events" ["scheduled_events.table" "scheduled_events"];
    Settings        Rare  Server   Rows       "settings"        ["settings" "settings.variables"];
    Plugins         Rare  Server   Rows       "plugins"         ["plugins"];
    Roles           Rare  Server   Rows       "roles"           ["roles"];
    Partitions      Rare  Database Rows       "partitions"      ["partitions" "partitions.innodb"];
    Constraints     Rare  Database Rows       "foreign_keys"    ["foreign_keys" "foreign_keys.sys"];
    Columns         Rare  Database Rows       "columns"         ["columns"];
    Remarks         Rare  Database Rows       "remarks"         ["remarks"];
    Errors              Slow Server Process "errors"               ["errors"];
    Memory              Slow Server Process "memory"               ["memory"];
    Io                  Slow Server Process "io"                   ["io"];
    ReplicationReceiver Beat Server Process "replication_receiver"
        ["replication_receiver" "replication_receiver.table" "replication_receiver.all" "replication_receiver.slave"];
    ReplicationWorkers  Beat Server Process "replication_workers"  ["replication_workers"];
    ReplicationSenders  Beat Server Process "replication_senders"  ["replication_senders" "replication_senders.list"];
    GroupMembers        Beat Server Process "group_members"        ["group_members"];
    Galera              Beat Server Process "galera"               ["galera"];
    BinaryLogs          Slow Server Process "binary_logs"          ["binary_logs"];
}

/// SQL that serves no topic of its own: what the engine asks to understand the rest.
pub const TOOLS: &[Tool] = &[
    ("identity", sql_files!["identity"]),
    ("running", sql_files!["running"]),
    ("session_texts", sql_files!["session_texts"]),
    ("watchers", sql_files!["watchers"]),
    ("waits", sql_files!["waits"]),
    ("transactions", sql_files!["transactions"]),
    ("row_waits", sql_files!["row_waits" "row_waits.list"]),
    ("metadata_locks", sql_files!["metadata_locks"]),
    ("statement_texts", sql_files!["statement_texts"]),
    ("remarked_texts", sql_files!["remarked_texts"]),
    ("schemas", sql_files!["schemas"]),
    ("auto_columns", sql_files!["auto_columns"]),
    ("index_io", sql_files!["index_io"]),
    ("index_columns", sql_files!["index_columns"]),
    ("slow_count", sql_files!["slow_count"]),
    ("slow_rows", sql_files!["slow_rows"]),
    ("slow_tables", sql_files!["slow_tables"]),
    ("other_tables", sql_files!["other_tables" "other_tables.open"]),
    ("table_names", sql_files!["table_names"]),
    ("innodb_names", sql_files!["innodb_names"]),
    ("schema_rights", sql_files!["schema_rights"]),
    ("foreign_key_columns", sql_files!["foreign_key_columns" "foreign_key_columns.sys"]),
];
