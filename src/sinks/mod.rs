//! Who is told, and how the telling is shared out. Each sink has a queue and a task of its own, so that one that
//! is slow or gone delays nobody.

/// Open findings as alerts, told again for as long as they are open.
pub mod alertmanager;
/// Where what waits for one sink is written down.
mod desk;
/// Lines of JSON in a file.
pub mod file;
/// A line in our own log.
pub mod log;
/// A request over HTTP, as webhook, slack and alertmanager send it.
mod post;
/// What waits for one sink.
pub(crate) mod queue;
/// A message for a chat.
pub mod slack;
/// The same on disk.
pub(crate) mod spool;
/// JSON by POST to a URL.
pub mod webhook;

use crate::board::Board;
use crate::clock::Clock;
use crate::config::{SinkConfig, SinkKind};
use crate::ledger::Change;
use crate::model::Severity;
use crate::sink::Sink;
use futures_util::future::join_all;
pub use queue::Counts;
use queue::Queue;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

#[derive(Debug)]
struct Running {
    config: SinkConfig,
    queue: Arc<Queue>,
    task: JoinHandle<()>,
}

/// Those who want to be told, as whoever tells them knows them: the least severity worth telling, and where to put
/// it. Nobody listens at first.
#[derive(Debug, Clone, Default)]
pub struct Listeners(Arc<Mutex<List>>);

type List = Vec<(Severity, Arc<Queue>)>;

impl Listeners {
    /// Never waits for a sink, and for a disk only a moment: when it returns, the changes are put down wherever what
    /// waits survives, or it is told that this fails.
    pub async fn tell(&self, changes: &[Change]) {
        let told: Vec<(Arc<Queue>, u64)> = {
            let list = self.list();
            let told = list.iter().filter_map(|(least, queue)| {
                // By the worst it was, so that whoever heard of a finding also hears how it ends.
                let wanted = changes.iter().filter(|change| change.entry.worst >= *least);
                let noted = wanted.fold(None, |_, change| Some(queue.push(change.clone())));
                Some((queue.clone(), noted?))
            });
            told.collect()
        };
        join_all(told.iter().map(|(queue, noted)| queue.written(*noted))).await;
    }

    pub(crate) fn replace(&self, listeners: List) {
        *self.list() = listeners;
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sinks at work.
#[derive(Debug)]
pub struct Sinks {
    clock: Clock,
    boards: watch::Receiver<Board>,
    /// Where what waits is kept, if it is.
    spools: Option<PathBuf>,
    running: Vec<Running>,
    listeners: Listeners,
}

/// Starts a task for each sink. `spools` is the directory where what waits survives.
pub fn start(
    configs: &[SinkConfig],
    clock: Clock,
    boards: watch::Receiver<Board>,
    spools: Option<PathBuf>,
) -> Sinks {
    let mut sinks = Sinks { clock, boards, spools, running: Vec::new(), listeners: Listeners::default() };
    sinks.reload(configs);
    sinks
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
        let told = |running: &Running| (running.config.severity, running.queue.clone());
        self.listeners.replace(self.running.iter().map(told).collect());
    }

    pub fn listeners(&self) -> Listeners {
        self.listeners.clone()
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
        let jitter = self.clock.jitter(&name);
        let queue = Arc::new(Queue::new(name, self.spools.is_some()));
        let (spool, own) =
            (self.spools.clone().map(|directory| (directory, config.identity())), queue.clone());
        let task = tokio::spawn(async move {
            if let Some((directory, identity)) = spool {
                own.open(directory, identity).await;
            }
            own.run(sink, jitter).await;
        });
        Running { config: config.clone(), queue, task }
    }

    /// For our own telemetry: the name of each sink, and how it fares.
    pub fn counts(&self) -> impl Iterator<Item = (&str, Counts)> {
        self.running.iter().map(|running| (running.queue.name(), running.queue.counts()))
    }

    /// Waits until everything is told, but not for ever. What is told from now on waits for the next life.
    pub async fn finish(self, within: Duration) {
        let end = Instant::now() + within;
        self.running.iter().for_each(|running| running.queue.close());
        for Running { mut task, .. } in self.running {
            if timeout_at(end, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}
