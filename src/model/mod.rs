//! The nouns: what a database server has, as plain values with arithmetic. No I/O, no clock, no driver.
//! Read `unit`, `fact`, `noun`, then `snapshot` and `window`.

pub mod fact;
pub mod field;
pub mod finding;
pub mod name;
pub mod noun;
pub mod plan;
pub mod question;
pub mod snapshot;
pub mod topics;
pub mod unit;
pub mod window;

mod activity;
mod blocker;
mod database;
mod flavour;
mod index;
mod io;
mod load;
mod log;
mod replication;
mod scales;
mod schema;
mod server;
mod session;
mod statement;
mod table;
mod wal;

pub use crate::sql::Digest;
pub use activity::{Activity, Innodb};
pub use blocker::Blocker;
pub use database::{Database, DatabaseSize};
pub use fact::{Fact, Kind, Level, Metric, Total};
pub use finding::{Confidence, Finding, Fix, Severity, evidence};
pub use flavour::Flavour;
pub use index::Index;
pub use io::{BackgroundWriter, Io, Slru};
pub use load::{Load, SessionGroup};
pub use log::{Log, LogDeadlock, LogError, LogEvent, LogLock, LogStatement};
pub use name::{Name, Names, is_disguise};
pub use noun::{Cell, Noun, Row};
pub use replication::{
    Galera, GroupMember, ReplicationReceiver, ReplicationSender, ReplicationSlot, ReplicationWorker,
    SemiSync, Subscription,
};
pub use scales::Scales;
pub use schema::{
    Column, ColumnStatistics, Constraint, ExtendedStatistics, Function, Partitioning, Policy, Remark,
    ScheduledEvent, Sequence,
};
pub use server::{Collation, Extension, HostRule, Memory, Plugin, Role, Server, ServerError, Setting};
pub use session::{Blocking, LockCount, PreparedTransaction, Progress, Session, Watcher};
pub use snapshot::{
    Break, Epoch, Gap, InTopic, Part, Place, Rows, Sample, Scope, Snapshot, Topic, TopicVisitor, When,
};
pub use statement::{Latency, Statement, StatementsInfo};
pub use table::{Table, TableSize};
pub use unit::{Bytes, Count, Position, Ratio, Seconds, Timestamp, Unit};
pub use wal::{Archive, BinaryLog, Checkpoints, Wal};
pub use window::{Stretch, Window};

/// What every file that declares a noun needs.
mod prelude {
    pub use super::fact::{Level, Total};
    pub use super::name::Name;
    pub use super::unit::{Bytes, Count, Position, Ratio, Seconds, Timestamp};
    pub use crate::noun;
    pub use crate::sql::Digest;
}
