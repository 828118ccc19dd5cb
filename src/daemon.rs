//! The composition root: targets, views, sinks, store; reload and shutdown. Everything is started here, handed
//! what it needs, and stopped here.

mod front;
pub mod lists;
mod ourselves;

use self::front::Front;
use self::lists::Lists;
use self::ourselves::Ourselves;
use crate::board::{Board, Report};
use crate::clock::{self, Clock};
use crate::config::{Config, ConfigError, ConfigSource, DEFAULT_PATH, Silence, Target};
use crate::disk::{self, Hangs};
use crate::engine::EngineError;
use crate::engine::presence::new_instance;
use crate::engines;
use crate::model::Name;
use crate::sinks::{self, Sinks};
use crate::store::{Keeper, Recall};
use crate::stores::files::Files;
use crate::telemetry::journal::Journal;
use crate::telemetry::{SinkHealth, Telemetry};
use crate::watch::{Outlets, Plan, Rules, Watch, watch};
use crate::web;
use notify::{RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Reloads asked for over HTTP that wait their turn.
const RELOADS: usize = 4;
/// The state file never grows beyond this.
const MAX_STATE: u64 = 512 << 20;
/// Sinks and store may finish what they have begun.
const GOODBYE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("target {target}: {error}")]
    Target { target: Name, error: EngineError },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A reload that somebody waits for.
pub type ReloadRequest = oneshot::Sender<Result<(), String>>;

/// One target that is being watched.
#[derive(Debug)]
struct Watched {
    target: Target,
    key: PlanKey,
    report: watch::Receiver<Arc<Report>>,
    rules: watch::Sender<Rules>,
    stop: CancellationToken,
}

/// What of the configuration, beside the target itself, restarts its watch when it changes.
#[derive(Debug, Clone, PartialEq)]
struct PlanKey {
    pace: crate::config::Paces,
    budget: crate::config::Budget,
}

struct Daemon {
    clock: Clock,
    /// Who we are among the sessions of servers.
    instance: Name,
    keeper: Keeper,
    sinks: Sinks,
    watched: BTreeMap<Name, Watched>,
    board: watch::Sender<Board>,
    front: Front,
    lists: Lists,
    ourselves: Ourselves,
    silences: Arc<Vec<Silence>>,
    /// What was read, without the targets of lists.
    config: Config,
}

/// Runs until it is told to stop by a signal.
pub async fn run(source: ConfigSource, journal: Option<Journal>) -> Result<(), DaemonError> {
    // From before it is read: what changes while we start is a change.
    let mut edits = Edits::of(&source);
    let config = load(&source).await?;
    let mut front = Front::open(&config.web).await?;
    let listeners = listen(&config)?;
    front.listens_on(listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect());
    let gate = front.gate();
    let telemetry = Telemetry::new();
    let clock = Clock::start();
    let keeper = match config.state_dir() {
        Some(dir) => Keeper::start(Box::new(Files::new(dir, MAX_STATE, clock)), clock),
        None => Keeper::off(),
    };
    telemetry.watch_store(keeper.health());
    let (board, boards) = watch::channel(Board::default());
    let spools = config.state_dir().map(|dir| dir.join("sinks"));
    let sinks = sinks::start(&config.sink, clock, boards.clone(), spools);
    let (watched, silences) = (BTreeMap::new(), Arc::default());
    let mut lists = Lists::new(config.state_dir().map(|dir| dir.join("lists")));
    lists.reload(&config.discovery.http);
    let ourselves = Ourselves::default();
    let instance = new_instance();
    tracing::info!(%instance, "among the sessions of servers this process has a name of its own");
    let mut daemon =
        Daemon { clock, instance, keeper, sinks, watched, board, front, lists, ourselves, silences, config };
    daemon.apply_with_lists(&source).await?;

    let stop = CancellationToken::new();
    let (reload, mut reloads) = mpsc::channel::<ReloadRequest>(RELOADS);
    for listener in &listeners {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "listening");
        }
    }
    let server = tokio::spawn(web::serve(listeners, boards, gate, telemetry.clone(), reload, stop.clone()));
    let mut hangup = signal(SignalKind::hangup())?;
    let mut ends = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
    let mut count = tokio::time::interval(COUNT);
    // Told from the loop that does the work: a watchdog fed from elsewhere would see a stuck loop as well.
    let mut alive = sd_notify::watchdog_enabled().map(|limit| tokio::time::interval(limit / 2));
    tell_systemd(&[sd_notify::NotifyState::Ready]);
    tracing::info!(targets = daemon.watched.len(), "watching");

    loop {
        edits.follow(daemon.config.discovery.directories());
        tokio::select! {
            () = any(&mut ends) => break,
            _ = hangup.recv() => { daemon.reload(&source, &telemetry).await.ok(); }
            Some(asked) = reloads.recv() => {
                let outcome = daemon.reload(&source, &telemetry).await;
                asked.send(outcome).ok();
            }
            look = daemon.front.looked() => daemon.front.take(look),
            () = edits.changed() => { daemon.reload(&source, &telemetry).await.ok(); }
            () = daemon.lists.changed() => {
                if let Err(error) = daemon.apply_with_lists(&source).await {
                    tracing::error!(%error, "a list of targets has not taken effect");
                }
            }
            () = clock::due(alive.as_mut()) => tell_systemd(&[sd_notify::NotifyState::Watchdog]),
            _ = count.tick() => {
                telemetry.sinks(health(&daemon.sinks));
                telemetry.lists(daemon.lists.health());
                telemetry.queue_lost("log", journal.as_ref().map_or(0, Journal::newly_lost));
                daemon.keeper.look();
                daemon.look_at_ourselves(&telemetry).await;
            }
        }
    }
    tell_systemd(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping");
    stop.cancel();
    for watched in daemon.watched.values() {
        watched.stop.cancel();
    }
    let Daemon { keeper, sinks, .. } = daemon;
    let farewell = async {
        sinks.finish(GOODBYE).await;
        keeper.flush().await;
        server.await.ok();
    };
    if tokio::time::timeout(GOODBYE, farewell).await.is_err() {
        tracing::warn!("stopped before every queue was empty");
    }
    Ok(())
}

/// The settings, from a disk that may hang.
async fn load(source: &ConfigSource) -> Result<Config, ConfigError> {
    let own = source.clone();
    let hangs = |Hangs| {
        let file = source.path.as_deref().unwrap_or(Path::new(DEFAULT_PATH)).display().to_string();
        ConfigError::plain(file, &format!("cannot read the configuration: {Hangs}"))
    };
    disk::read("the configuration", move || own.load()).await.map_err(hangs)?
}

fn health(sinks: &Sinks) -> Vec<SinkHealth> {
    let told = sinks.counts().map(|(name, counts)| SinkHealth {
        name: name.to_owned(),
        delivered: counts.delivered,
        dropped: counts.dropped + counts.given_up,
        waiting: counts.waiting,
        unkept: counts.unkept,
    });
    told.collect()
}

async fn any(ends: &mut [Signal; 2]) {
    let [terminate, interrupt] = ends;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn tell_systemd(states: &[sd_notify::NotifyState<'_>]) {
    // Not under systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}

/// Sockets that systemd hands over come before addresses of our own.
fn listen(config: &Config) -> Result<Vec<TcpListener>, DaemonError> {
    let mut handed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for nth in 0..handed.len() {
        if let Some(listener) = handed.take_tcp_listener(nth)? {
            listener.set_nonblocking(true)?;
            listeners.push(TcpListener::from_std(listener)?);
        }
    }
    if listeners.is_empty() {
        for address in &config.web.listen {
            let address = *address;
            let door = web::listen(address).map_err(|error| DaemonError::Listen { address, error })?;
            listeners.push(door);
        }
    }
    Ok(listeners)
}

impl Daemon {
    /// Reads the configuration anew. A bad one never replaces a good one.
    async fn reload(&mut self, source: &ConfigSource, telemetry: &Telemetry) -> Result<(), String> {
        tell_systemd(&[sd_notify::NotifyState::Reloading]);
        let outcome = match load(source).await {
            Ok(config) => self.renew(config, source).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        tell_systemd(&[sd_notify::NotifyState::Ready]);
        telemetry.reloaded(outcome.is_ok());
        match &outcome {
            Ok(()) => tracing::info!("configuration reloaded"),
            Err(error) => {
                tracing::error!(%error, "the configuration is not reloaded, the last good one stays")
            }
        }
        outcome
    }

    /// The door first, and whether the targets go with those of lists: both are refused or taken whole before anything
    /// else is touched.
    async fn renew(&mut self, config: Config, source: &ConfigSource) -> Result<(), DaemonError> {
        self.lists.reload(&config.discovery.http);
        self.lists.compose(config.clone(), source)?;
        self.front.reload(&config.web).await?;
        self.config = config;
        self.apply_with_lists(source).await
    }

    /// With what lists say now; the files are not read again, so that a mistake in one of them holds up no list.
    async fn apply_with_lists(&mut self, source: &ConfigSource) -> Result<(), DaemonError> {
        let config = self.lists.compose(self.config.clone(), source)?;
        self.apply(&config).await
    }

    async fn look_at_ourselves(&mut self, telemetry: &Telemetry) {
        self.front.look();
        telemetry.open_to_others(self.front.is_open_to_others());
        let found = self.front.finding().into_iter().chain(self.lists.findings()).collect();
        let changes = self.ourselves.judge(self.clock.now().wall, found, &self.silences);
        let listeners = self.sinks.listeners();
        listeners.tell(&changes).await;
        let own = self.ourselves.findings();
        self.board.send_if_modified(|board| {
            let is_news = board.own != own;
            board.own = own;
            is_news
        });
    }

    /// Touches what has changed and nothing else.
    async fn apply(&mut self, config: &Config) -> Result<(), DaemonError> {
        let key = PlanKey { pace: config.pace.clone(), budget: config.budget.clone() };
        let rules =
            Rules { handbook: Arc::new(config.rules.clone()), silences: Arc::new(config.silence.clone()) };
        self.silences = rules.silences.clone();
        let stays = |watched: &Watched| watched.key == key && config.target.contains(&watched.target);
        for (_, gone) in self.watched.extract_if(.., |_, watched| !stays(watched)) {
            tracing::info!(target = %gone.target.name, "no longer watched as it was");
            gone.stop.cancel();
        }
        for watched in self.watched.values() {
            watched.rules.send_replace(rules.clone());
        }
        self.sinks.reload(&config.sink);
        for target in &config.target {
            if !self.watched.contains_key(&target.name) {
                let watched = self.begin(target, key.clone(), &rules).await?;
                self.watched.insert(target.name.clone(), watched);
            }
        }
        let reports = self.watched.iter().map(|(name, watched)| (name.clone(), watched.report.clone()));
        let mut board = Board::new(reports);
        board.own = self.ourselves.findings();
        self.board.send_replace(board);
        Ok(())
    }

    async fn begin(&self, target: &Target, key: PlanKey, rules: &Rules) -> Result<Watched, DaemonError> {
        let known_by = Target { instance: Some(self.instance.clone()), ..target.clone() };
        let engine = engines::open(&known_by, self.clock)
            .map_err(|error| DaemonError::Target { target: target.name.clone(), error })?;
        let plan = Plan {
            target: target.name.clone(),
            labels: target.label_pairs(),
            pulse: key.pace.pulse.get(),
            beat: key.pace.beat.get(),
            slow: key.pace.slow.get(),
            rare: key.pace.rare.get(),
            series_budget: key.budget.series,
            connections: key.budget.connections,
            room: key.budget.room(),
            questions: key.budget.explain,
            throttle: key.budget.throttle,
            rules: rules.clone(),
        };
        let now = self.clock.now();
        let mut state = Watch::new(plan, engine.topics(), now);
        let past = match self.keeper.past(&target.name, now.wall).await {
            Recall::Here(past) => {
                state.remember(past);
                None
            }
            Recall::Later(past) => Some(past),
        };
        let (board, report) = watch::channel(Arc::new(state.report(self.clock.now())));
        let (give_rules, take_rules) = watch::channel(rules.clone());
        let outlets = Outlets {
            board,
            listeners: self.sinks.listeners(),
            keeper: self.keeper.clone(),
            follows_logs: true,
            past,
            tap: None,
        };
        let stop = CancellationToken::new();
        let life = watch(engine, state, self.clock, take_rules, outlets);
        let name = target.name.clone();
        let stopped = stop.clone();
        tokio::spawn(async move {
            // A panic costs this target, not the process.
            let task = tokio::spawn(stopped.run_until_cancelled_owned(life));
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(target = %name, "its watch has panicked; it is not watched until the next reload");
            }
        });
        Ok(Watched { target: target.clone(), key, report, rules: give_rules, stop })
    }
}

/// The configuration file as an editor or a mounted secret changes it: the directory is watched, because both
/// replace the file instead of writing to it.
struct Edits {
    tell: watch::Sender<()>,
    changed: watch::Receiver<()>,
    /// When what has changed is complete. Kept here, because waiting for it is broken off by whatever else happens.
    settled: Option<Instant>,
    watcher: Option<notify::RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

/// How often the counts of the sinks are told to our telemetry, and the files of the front door looked at.
const COUNT: Duration = Duration::from_secs(2);
/// An editor writes more than once; one reload is enough.
const SETTLE: Duration = Duration::from_millis(300);

impl Edits {
    fn of(source: &ConfigSource) -> Edits {
        let (tell, changed) = watch::channel(());
        let file = source.file().and_then(|path| path.file_name().map(OsStr::to_owned));
        // A mounted directory is switched by one link; files of targets may have any name.
        let ours = move |path: &PathBuf| {
            let name = path.file_name();
            let lists = path
                .extension()
                .is_some_and(|ending| ending == "json" || ending == "yml" || ending == "yaml");
            lists || name.is_some_and(|name| name == "..data") || (name.is_some() && name == file.as_deref())
        };
        let teller = tell.clone();
        let told = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(&ours)) {
                teller.send_replace(());
            }
        };
        let watcher = notify::recommended_watcher(told).ok();
        let mut edits = Edits { tell, changed, settled: None, watcher, watched: BTreeSet::new() };
        let home = source.file().and_then(Path::parent);
        edits.follow(home.map(|home| if home == Path::new("") { Path::new(".") } else { home }.to_owned()));
        edits.changed.mark_unchanged();
        edits
    }

    /// Directories that are watched from now on. None is ever let go: a stray reload costs nothing. A new one counts
    /// as a change, since nobody looked between its being read and its being watched.
    fn follow(&mut self, directories: impl IntoIterator<Item = PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for directory in directories {
            if !self.watched.contains(&directory)
                && watcher.watch(&directory, RecursiveMode::NonRecursive).is_ok()
            {
                self.watched.insert(directory);
                self.tell.send_replace(());
            }
        }
    }

    /// May be dropped at any time, and goes on where it was.
    async fn changed(&mut self) {
        let settled = match self.settled {
            Some(settled) => settled,
            None => {
                // Never an error: one who tells is ours.
                self.changed.changed().await.ok();
                *self.settled.insert(Instant::now() + SETTLE)
            }
        };
        tokio::time::sleep_until(settled).await;
        self.settled = None;
        self.changed.mark_unchanged();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_edit_is_not_forgotten_when_something_else_happens_meanwhile() {
        let (tell, changed) = watch::channel(());
        let mut edits = Edits { tell, changed, settled: None, watcher: None, watched: BTreeSet::new() };
        assert!(tokio::time::timeout(SETTLE * 3, edits.changed()).await.is_err(), "nothing was edited");
        edits.tell.send_replace(());
        assert!(tokio::time::timeout(SETTLE / 2, edits.changed()).await.is_err(), "not yet settled");
        assert!(tokio::time::timeout(SETTLE, edits.changed()).await.is_ok());
        assert!(tokio::time::timeout(SETTLE * 3, edits.changed()).await.is_err(), "told once");
    }
}
