//! The table of collectors: topic, pace, where its rows live, what begins its epoch, and its SQL.
//! To add one: a noun in `model/`, a file in `sql/`, a line here.

use crate::engine::{Lane, Pace};
use crate::model::Topic;

/// Whose rows a collector reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// One read tells of the whole server.
    Server,
    /// To be asked in every database.
    Database,
}

/// When the numbers of a collector began, by the server's word: what makes their epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Began {
    /// pg_stat_statements' own reset; where it does not tell (before 14), the server's statistics.
    Statements,
    /// The reset of the database's statistics, or of the server's when that is later.
    Database,
    /// Each row tells for itself, or there is nothing that a reset could move.
    Rows,
    /// They die with the server's process.
    Process,
}

#[derive(Debug)]
pub struct Collector {
    pub topic: Topic,
    pub pace: Pace,
    pub reach: Reach,
    pub began: Began,
    /// The name of the SQL file without version.
    pub file: &'static str,
    /// Its variants, newest first: the first whose needs are met is used.
    pub sql: &'static [&'static str],
}

impl Collector {
    pub fn lane(&self) -> Lane {
        match self.pace {
            Pace::Pulse => Lane::Pulse,
            Pace::Beat => Lane::Beat,
            Pace::Slow | Pace::Rare => Lane::Roam,
        }
    }
}

macro_rules! files {
    ($($file:literal)+) => { &[$(include_str!(concat!("sql/", $file, ".sql")),)+] };
}

macro_rules! collectors {
    ($($topic:ident $pace:ident $reach:ident $began:ident $file:literal [$($variant:literal)+];)+) => {
        pub const COLLECTORS: &[Collector] = &[$(Collector {
            topic: Topic::$topic,
            pace: Pace::$pace,
            reach: Reach::$reach,
            began: Began::$began,
            file: $file,
            sql: files!($($variant)+),
        },)+];
    };
}

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
    Server               Rare  Server   Rows       "server"                ["server"];
    Settings             Rare  Server   Rows       "settings"              ["settings"];
    Roles                Rare  Server   Rows       "roles"                 ["roles"];
    HostRules            Rare  Server   Rows       "host_rules"            ["host_rules"];
    Columns              Rare  Database Rows       "columns"               ["columns"];
    ColumnStatistics     Rare  Database Rows       "column_statistics"     ["column_statistics"];
    Constraints          Rare  Database Rows       "constraints"           ["constraints"];
    Partitions           Rare  Database Rows       "partitions"            ["partitions"];
    Policies             Rare  Database Rows       "policies"              ["policies"];
    Extensions           Rare  Database Rows       "extensions"            ["extensions"];
    Collations           Rare  Database Rows       "collations"            ["collations"];
}

/// SQL that serves no topic of its own: what the engine asks to understand the rest.
pub const TOOLS: &[(&str, &[&str])] = &[
    ("identity", files!["identity" "identity.plain"]),
    ("names", files!["names"]),
    ("session_texts", files!["session_texts"]),
    ("blocking", files!["blocking"]),
    ("statement_texts", files!["statement_texts"]),
    ("texts_size", files!["texts_size"]),
    ("began", files!["began"]),
    ("index_definitions", files!["index_definitions"]),
    ("sizes", files!["sizes"]),
    ("database_sizes", files!["database_sizes"]),
];
