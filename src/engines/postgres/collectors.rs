//! The table of collectors: topic, pace, where its rows live, what begins its epoch, and its SQL.
//! To add one: a noun in `model/`, a file in `sql/`, a line here.

use crate::engine::collector::Tool;
use crate::{collectors, sql_files};

collectors! {
    Sessions             Pulse Server   Process    "sessions"              ["sessions"];
    StatementsInfo       Beat  Server   Rows       "statements_info"       ["statements_info.14" "statements_info"];
    Statements           Beat  Server   Statements "statements"            ["statements"];
    Databases            Beat  Server   Rows       "databases"             ["databases"];
    BackgroundWriter     Beat  Server   Rows       "background_writer"     ["background_writer"];
    Checkpoints          Beat  Server   Rows       "checkpoints"           ["checkpoints.17" "checkpoints"];
    Wal                  Beat  Server   Rows       "wal"                   ["wal.14" "wal"];
    Io                   Beat  Server   Rows       "io"                    ["io"];
    Slru                 Beat  Server   Rows       "slru"                  ["slru"];
    Archive              Beat  Server   Rows       "archive"               ["archive"];
    LockCounts           Beat  Server   Process    "lock_counts"           ["lock_counts"];
    ReplicationSenders   Beat  Server   Process    "replication_senders"   ["replication_senders"];
    ReplicationReceiver  Beat  Server   Process    "replication_receiver"  ["replication_receiver"];
    ReplicationSlots     Beat  Server   Rows       "replication_slots"     ["replication_slots"];
    Subscriptions        Beat  Server   Rows       "subscriptions"         ["subscriptions.15" "subscriptions"];
    Progress             Beat  Server   Process    "progress"              ["progress"];
    PreparedTransactions Beat  Server   Process    "prepared_transactions" ["prepared_transactions"];
    Tables               Slow  Database Database   "tables"                ["tables"];
    Indexes              Slow  Database Database   "indexes"               ["indexes"];
    Sequences            Slow  Database Rows       "sequences"             ["sequences"];
    Functions            Slow  Database Database   "functions"             ["functions"];
    Remarks              Slow  Database Rows       "remarks"               ["remarks"];
    Server               Rare  Server   Rows       "server"                ["server"];
    Settings             Rare  Server   Rows       "settings"              ["settings"];
    Roles                Rare  Server   Rows       "roles"                 ["roles"];
    HostRules            Rare  Server   Rows       "host_rules"            ["host_rules"];
    Columns              Rare  Database Rows       "columns"               ["columns"];
    ColumnStatistics     Rare  Database Rows       "column_statistics"     ["column_statistics.advise" "column_statistics"];
    ExtendedStatistics   Rare  Database Rows       "extended_statistics"   ["extended_statistics"];
    Constraints          Rare  Database Rows       "constraints"           ["constraints"];
    Partitions           Rare  Database Rows       "partitions"            ["partitions"];
    Policies             Rare  Database Rows       "policies"              ["policies"];
    Extensions           Rare  Database Rows       "extensions"            ["extensions"];
    Collations           Rare  Database Rows       "collations"            ["collations"];
}

/// SQL that serves no topic of its own: what the engine asks to understand the rest.
pub const TOOLS: &[Tool] = &[
    ("identity", sql_files!["identity" "identity.plain"]),
    ("names", sql_files!["names"]),
    ("session_texts", sql_files!["session_texts"]),
    ("blocking", sql_files!["blocking"]),
    ("statement_texts", sql_files!["statement_texts"]),
    ("texts_size", sql_files!["texts_size"]),
    ("began", sql_files!["began"]),
    ("index_definitions", sql_files!["index_definitions"]),
    ("explainable", sql_files!["explainable"]),
    ("explain", sql_files!["explain"]),
    ("sizes", sql_files!["sizes"]),
    ("catalogue_locks", sql_files!["catalogue_locks"]),
    ("log_files", sql_files!["log_files"]),
    ("log_bytes", sql_files!["log_bytes"]),
    ("database_sizes", sql_files!["database_sizes"]),
];
