//! What an entry means. Texts of statements are still raw; whoever keeps one takes it through `sql`.

use super::classes::Class;
use super::message;
use crate::log::{Body, Entry, Slow};

#[derive(Debug, Clone, Copy)]
pub struct Fact<'a> {
    /// `None`: no class is known for it.
    pub class: Option<Class>,
    pub kind: Kind<'a>,
}

#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// The class says it all.
    Plain,
    Execution(Execution<'a>),
    /// A duration of a statement that an entry before has shown, in microseconds.
    Bare(u64),
    /// A statement whose duration may follow.
    Logged(Phase, &'a [u8]),
    /// What auto_explain says of an execution; not an execution of its own.
    Plan {
        micros: u64,
        text: &'a [u8],
    },
    /// A spill of so many bytes.
    TempFile(u64),
    Wait(Wait<'a>),
    /// The processes and their statements stand in the detail.
    Deadlock,
    Vacuum(Vacuum<'a>),
    Checkpoint(Checkpoint),
    /// A session has ended after so many microseconds.
    Disconnection(u64),
    Error,
}

/// Which part of the work on a statement took the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Execute,
    /// One more batch of rows of an execution that was counted.
    Fetch,
    Parse,
    Bind,
}

#[derive(Debug, Clone, Copy)]
pub struct Execution<'a> {
    pub phase: Phase,
    /// In microseconds.
    pub micros: u64,
    pub text: &'a [u8],
    /// Only a slow log tells more than the duration.
    pub slow: Option<&'a Slow<'a>>,
}

/// A wait for a lock, while it lasts or when it has ended.
#[derive(Debug, Clone, Copy)]
pub struct Wait<'a> {
    pub process: u64,
    pub mode: &'a [u8],
    /// `relation`, `tuple`, `transaction`: the first word of what is waited for, without its numbers.
    pub object: &'a [u8],
    pub micros: u64,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    Waiting,
    Acquired,
    Deadlock,
    Avoided,
    Failed,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Acquired => "acquired",
            Self::Deadlock => "deadlock",
            Self::Avoided => "avoided",
            Self::Failed => "failed",
        }
    }
}

/// One run of the autovacuum on a table.
#[derive(Debug, Clone, Copy, Default)]
pub struct Vacuum<'a> {
    pub table: &'a [u8],
    pub analyze: bool,
    /// Against wraparound, or aggressive.
    pub aggressive: bool,
    pub tuples_removed: u64,
    pub tuples_dead: u64,
    pub pages_removed: u64,
    pub pages_scanned: u64,
    pub buffer_hits: u64,
    pub buffer_misses: u64,
    pub buffer_dirtied: u64,
    pub wal_bytes: u64,
    /// In microseconds.
    pub elapsed: u64,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Checkpoint {
    pub buffers: u64,
    pub wal_added: u64,
    pub wal_removed: u64,
    pub wal_recycled: u64,
    /// In microseconds.
    pub write: u64,
    pub sync: u64,
    pub total: u64,
    pub distance_bytes: u64,
}

/// The meaning of an entry; `None` for what is none.
pub fn fact<'a>(entry: &'a Entry<'a>) -> Option<Fact<'a>> {
    match &entry.body {
        Body::Noise | Body::Banner => None,
        Body::Message(message) => Some(message::fact(message, entry.severity, entry.sqlstate)),
        Body::Slow(slow) => Some(slow_fact(slow)),
        Body::Notice(notice) => {
            let by_text = Class::of(notice.text, entry.severity, None, true);
            let class = by_text.or(match notice.subsystem {
                b"InnoDB" => Some(Class::MysqlInnodb),
                b"Repl" => Some(Class::MysqlReplication),
                _ => None,
            });
            Some(Fact { class, kind: Kind::Plain })
        }
    }
}

fn slow_fact<'a>(slow: &'a Slow<'a>) -> Fact<'a> {
    let class = if slow.command.is_some() { Class::AdministratorCommand } else { Class::StatementDuration };
    let execution =
        Execution { phase: Phase::Execute, micros: slow.query_time, text: slow.text, slow: Some(slow) };
    Fact { class: Some(class), kind: Kind::Execution(execution) }
}
