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
pub use queue::Counts;
use queue::Queue;
use spool::Spool;
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
    /// Never waits for a sink. When it returns, the change is put down wherever what waits survives.
    pub fn tell(&self, change: &Change) {
        for (least, queue) in self.list().iter() {
            // By the worst it was, so that whoever heard of a finding also hears how it ends.
            if change.entry.worst >= *least {
                queue.push(change.clone());
            }
        }
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
        let spool = self.spools.as_deref().and_then(|directory| {
            let opened = Spool::open(directory, &config.identity());
            opened
                .inspect_err(|error| tracing::warn!(sink = name, %error, "what waits for it is not kept"))
                .ok()
        });
        let jitter = self.clock.jitter(&name);
        let queue = Arc::new(Queue::new(name, spool));
        let task = tokio::spawn(queue.clone().run(sink, jitter));
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
