//! What a lane fetches for somebody else between its visits, on the connection that it has anyway.
//!
//! An errand opens no connection: while the lane has none it fails at once. It takes its turn with the visits, so
//! that one connection runs one thing at a time; who sends it sees to it that it is small and seldom.

use super::Probe;
use super::reading::Failure;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

#[derive(Debug, Clone, PartialEq)]
pub enum Errand {
    /// The files in the server's log directory.
    LogFiles,
    /// What a file begins with, and what stands at a place in it.
    LogBytes { path: String, head: u32, from: u64, length: u32 },
    /// How many rows the table of the slow log has.
    SlowCount,
    /// Tables that may be one that was renamed.
    SlowTables,
    /// Rows of the table of the slow log, or of one beside it, in the order in which they were written.
    SlowRows { table: Option<String>, from: u64, most: u32 },
}

/// A file in the server's log directory, as it is there.
#[derive(Debug, Clone, PartialEq)]
pub struct LogFile {
    pub name: String,
    pub size: u64,
    /// By the server's clock, in unix seconds.
    pub modified: f64,
}

/// A row of the table of the slow log; times in microseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SlowRow {
    pub start: Option<i64>,
    pub query_time: u64,
    pub lock_time: u64,
    pub rows_sent: u64,
    pub rows_examined: u64,
    pub rows_affected: u64,
    /// `user[user] @ host [address]`, as the file of the slow log has it.
    pub user_host: String,
    pub database: String,
    pub text: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Fetched {
    LogFiles(Vec<LogFile>),
    /// `None` where there is no such file.
    LogBytes(Option<Piece>),
    SlowCount(u64),
    SlowTables(Vec<String>),
    SlowRows(Vec<SlowRow>),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Piece {
    pub head: Vec<u8>,
    pub bytes: Vec<u8>,
}

/// What an errand brought, and how long the server's answer took.
#[derive(Debug)]
pub struct Brought {
    pub what: Result<Fetched, Failure>,
    pub took: Duration,
}

/// An errand and who waits for it.
#[derive(Debug)]
pub struct Call {
    errand: Errand,
    reply: oneshot::Sender<Brought>,
}

impl Call {
    /// Runs it; gives how long that took.
    pub async fn run(self, probe: &mut dyn Probe) -> Duration {
        let asked = Instant::now();
        let what = probe.fetch(&self.errand).await;
        let took = asked.elapsed();
        // Who has gone meanwhile does not need it.
        let _ = self.reply.send(Brought { what, took });
        took
    }
}

/// Where errands are sent from.
#[derive(Debug, Clone)]
pub struct Errands(mpsc::Sender<Call>);

/// One at a time: each waits for its answer.
pub fn errands() -> (Errands, mpsc::Receiver<Call>) {
    let (send, receive) = mpsc::channel(1);
    (Errands(send), receive)
}

impl Errands {
    /// `None` when the lane has ended.
    pub async fn run(&self, errand: Errand) -> Option<Brought> {
        let (reply, brought) = oneshot::channel();
        self.0.send(Call { errand, reply }).await.ok()?;
        brought.await.ok()
    }
}
