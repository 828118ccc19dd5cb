//! Who is told, and how the telling is shared out. Each sink has a queue and a task of its own, so that one that
//! is slow or gone delays nobody.

/// Open findings as alerts, told again for as long as they are open.
pub mod alertmanager;
/// Lines of JSON in a file.
pub mod file;
/// A line in our own log.
pub mod log;
/// A request over HTTP, as webhook, slack and alertmanager send it.
mod post;
/// What waits for one sink.
mod queue;
/// A message for a chat.
pub mod slack;
/// The same on disk.
mod spool;
/// JSON by POST to a URL.
pub mod webhook;

use crate::board::Board;
use crate::config::{SinkConfig, SinkKind};
use crate::ledger::Change;
use crate::model::Severity;
use crate::sink::Sink;
pub use queue::Counts;
use queue::Queue;
use spool::Spool;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

#[derive(Debug)]
struct Running {
    config: SinkConfig,
    queue: Arc<Queue>,
    task: JoinHandle<()>,
}

/// The list that sharing out goes by: the least severity worth telling, and where to put it.
type Shares = Arc<Mutex<Vec<(Severity, Arc<Queue>)>>>;

/// The sinks at work. They end when nobody can send changes any more and all is delivered.
#[derive(Debug)]
pub struct Sinks {
    boards: watch::Receiver<Board>,
    /// Where what waits is kept, if it is.
    spools: Option<PathBuf>,
    running: Vec<Running>,
    shares: Shares,
    share_out: JoinHandle<()>,
}

/// Starts a task for each sink, and one that shares out. `spools` is the directory where what waits survives.
pub fn start(
    configs: &[SinkConfig],
    mut changes: mpsc::Receiver<Change>,
    boards: watch::Receiver<Board>,
    spools: Option<PathBuf>,
) -> Sinks {
    let shares = Shares::default();
    let list = shares.clone();
    let share_out = tokio::spawn(async move {
        while let Some(change) = changes.recv().await {
            for (least, queue) in open(&list).iter() {
                // By the worst it was, so that whoever heard of a finding also hears how it ends.
                if change.entry.worst >= *least {
                    queue.push(change.clone());
                }
            }
        }
        open(&list).iter().for_each(|(_, queue)| queue.close());
    });
    let mut sinks = Sinks { boards, spools, running: Vec::new(), shares, share_out };
    sinks.reload(configs);
    sinks
}

fn open(shares: &Shares) -> MutexGuard<'_, Vec<(Severity, Arc<Queue>)>> {
    shares.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sinks {
    /// Leaves alone what did not change. What is gone delivers what it has and ends.
    pub fn reload(&mut self, configs: &[SinkConfig]) {
        let mut before = std::mem::take(&mut self.running);
        for (nth, config) in configs.iter().enumerate() {
            let same = before.iter().position(|running| running.config == *config);
            let running = same.map(|at| before.swap_remove(at)).unwrap_or_else(|| self.run(nth, config));
            self.running.push(running);
        }
        before.iter().for_each(|gone| gone.queue.close());
        *open(&self.shares) =
            self.running.iter().map(|running| (running.config.severity, running.queue.clone())).collect();
    }

    fn run(&self, nth: usize, config: &SinkConfig) -> Running {
        let own = config.clone();
        let sink: Box<dyn Sink> = match config.kind {
            SinkKind::Webhook => Box::new(webhook::Webhook::new(own)),
            SinkKind::Slack => Box::new(slack::Slack::new(own)),
            SinkKind::Alertmanager => Box::new(alertmanager::Alertmanager::new(own, self.boards.clone())),
            SinkKind::File => Box::new(file::File::new(&own)),
            SinkKind::Log => Box::new(log::Log),
        };
        // Numbered as the configuration lists them.
        let name = format!("{}-{}", config.kind.name(), nth + 1);
        let spool = self.spools.as_deref().and_then(|directory| {
            let opened = Spool::open(directory, &config.identity());
            opened
                .inspect_err(|error| tracing::warn!(sink = name, %error, "what waits for it is not kept"))
                .ok()
        });
        let queue = Arc::new(Queue::new(name, spool));
        let task = tokio::spawn(queue.clone().run(sink));
        Running { config: config.clone(), queue, task }
    }

    /// For our own telemetry: the name of each sink, and how it fares.
    pub fn counts(&self) -> impl Iterator<Item = (&str, Counts)> {
        self.running.iter().map(|running| (running.queue.name(), running.queue.counts()))
    }

    /// Waits until everything is told, but not for ever. To be called when the last sender of changes is gone.
    pub async fn finish(self, within: Duration) {
        let end = Instant::now() + within;
        let tasks = self.running.into_iter().map(|running| running.task);
        for mut task in std::iter::once(self.share_out).chain(tasks) {
            if timeout_at(end, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}
