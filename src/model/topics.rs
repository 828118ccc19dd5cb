//! The contents page of the model: every topic, its name and the noun of its rows. One line each.

use super::snapshot::{InTopic, TopicVisitor};
use crate::model::*;
use serde::{Deserialize, Serialize};

macro_rules! topics {
    ($($topic:ident($noun:ident),)+) => {
        /// What can be asked of a server. A collector fills one topic.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Topic { $($topic,)+ }

        /// The rows of one topic.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Rows { $($topic(Vec<$noun>),)+ }

        impl Topic {
            pub const ALL: &'static [Topic] = &[$(Topic::$topic,)+];

            pub fn name(self) -> &'static str {
                match self { $(Topic::$topic => <$noun as noun::Noun>::TOPIC,)+ }
            }

            /// What its rows measure.
            pub fn metrics(self) -> &'static [Metric] {
                match self { $(Topic::$topic => <$noun as noun::Noun>::METRICS,)+ }
            }

            /// What tells the series of its rows apart.
            pub fn labels(self) -> &'static [&'static str] {
                match self { $(Topic::$topic => <$noun as noun::Noun>::LABELS,)+ }
            }

            /// Does work for this topic with its noun as a type.
            pub fn visit<V: TopicVisitor>(self, visitor: V) -> V::Out {
                match self { $(Topic::$topic => visitor.visit::<$noun>(),)+ }
            }
        }

        impl Rows {
            pub fn topic(&self) -> Topic {
                match self { $(Rows::$topic(_) => Topic::$topic,)+ }
            }
        }

        $(impl InTopic for $noun {
            const IN: Topic = Topic::$topic;
            fn of(rows: &Rows) -> &[Self] {
                if let Rows::$topic(rows) = rows { rows } else { &[] }
            }
            fn into_rows(mut rows: Vec<Self>) -> Rows {
                rows.shrink_to_fit();
                Rows::$topic(rows)
            }
        })+
    };
}

topics! {
    Server(Server),
    Sessions(Session),
    SessionGroups(SessionGroup),
    Watchers(Watcher),
    Load(Load),
    Blocking(Blocking),
    Blockers(Blocker),
    LockCounts(LockCount),
    PreparedTransactions(PreparedTransaction),
    Progress(Progress),
    StatementsInfo(StatementsInfo),
    Statements(Statement),
    Latencies(Latency),
    Activity(Activity),
    Innodb(Innodb),
    Errors(ServerError),
    Memory(Memory),
    Databases(Database),
    DatabaseSizes(DatabaseSize),
    BackgroundWriter(BackgroundWriter),
    Checkpoints(Checkpoints),
    Wal(Wal),
    Io(Io),
    Slru(Slru),
    Archive(Archive),
    ReplicationSenders(ReplicationSender),
    ReplicationReceiver(ReplicationReceiver),
    ReplicationWorkers(ReplicationWorker),
    GroupMembers(GroupMember),
    Galera(Galera),
    SemiSync(SemiSync),
    BinaryLogs(BinaryLog),
    ReplicationSlots(ReplicationSlot),
    Subscriptions(Subscription),
    Tables(Table),
    TableSizes(TableSize),
    Indexes(Index),
    Sequences(Sequence),
    Functions(Function),
    ScheduledEvents(ScheduledEvent),
    Columns(Column),
    ColumnStatistics(ColumnStatistics),
    ExtendedStatistics(ExtendedStatistics),
    Constraints(Constraint),
    Remarks(Remark),
    Partitions(Partitioning),
    Policies(Policy),
    Extensions(Extension),
    Plugins(Plugin),
    Collations(Collation),
    Settings(Setting),
    Roles(Role),
    HostRules(HostRule),
    Logs(Log),
    LogEvents(LogEvent),
    LogErrors(LogError),
    LogStatements(LogStatement),
    LogLocks(LogLock),
    LogDeadlocks(LogDeadlock),
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Topic {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|topic| topic.name() == name).ok_or(())
    }
}

impl Serialize for Topic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(|()| serde::de::Error::custom(format!("unknown topic {name:?}")))
    }
}
