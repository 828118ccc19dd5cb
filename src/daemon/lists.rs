//! Lists of targets that are had over HTTP. Each address is asked by a task of its own; what it answers is offered to the
//! daemon, which takes it with the rest of the configuration or refuses it. The last list that was taken stays in
//! force while the address fails, and over a restart of ours.

mod asking;
mod kept;

use crate::config::{Config, ConfigError, ConfigSource, DISCOVERY_FAILING, HttpList, Target};
use crate::http;
use crate::model::finding::evidence;
use crate::model::{Confidence, Finding, Name, Severity};
use crate::telemetry::ListHealth;
use kept::Kept;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// One failure is a hiccup.
const FAILURES_WORTH_TELLING: u32 = 3;

/// All lists that are asked for.
#[derive(Debug)]
pub struct Lists {
    running: Vec<Running>,
    offered: watch::Sender<()>,
    news: watch::Receiver<()>,
    /// Where lists are kept, if they are.
    directory: Option<PathBuf>,
}

#[derive(Debug)]
struct Running {
    config: HttpList,
    state: Arc<Mutex<State>>,
    _stop: DropGuard,
}

/// What is known of one list.
#[derive(Debug, Default)]
struct State {
    /// In force.
    targets: Vec<Target>,
    /// Another one that nobody has judged yet, with the text that says it.
    offer: Option<(Vec<Target>, String)>,
    /// The offer does not go with the rest. It stands, so that it is taken once the rest has changed.
    refused: bool,
    /// What is in force is what a former life left; nobody has said it in this one.
    is_old: bool,
    /// Unix seconds of the last answer that was taken.
    had_at: Option<f64>,
    failures: u64,
    /// Since the last good answer.
    in_a_row: u32,
    trouble: Option<String>,
    kept: Option<Kept>,
}

impl State {
    fn failed(&mut self, name: &str, why: String) {
        self.failures += 1;
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.trouble.is_none() {
            tracing::warn!(list = name, %why, "no list of targets, the last good one stays");
        }
        self.trouble = Some(why);
    }

    fn is_well(&mut self, name: &str, at: f64) {
        if self.trouble.take().is_some() {
            tracing::info!(list = name, "its list of targets is had again");
        }
        (self.in_a_row, self.had_at, self.is_old) = (0, Some(at), false);
    }
}

/// What an address lists now, for one look.
pub async fn once(list: &HttpList) -> Result<Vec<Target>, String> {
    let text = asking::text(list, &http::Tls::default()).await?;
    list.read(&text).map_err(|error| error.to_string())
}

fn open(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lists {
    pub fn new(directory: Option<PathBuf>) -> Lists {
        let (offered, news) = watch::channel(());
        Lists { running: Vec::new(), offered, news, directory }
    }

    /// Leaves alone what did not change.
    pub fn reload(&mut self, configs: &[HttpList]) {
        let mut before = std::mem::take(&mut self.running);
        for config in configs {
            let same = before.iter().position(|running| running.config == *config);
            let running = same.map(|at| before.swap_remove(at)).unwrap_or_else(|| self.begin(config));
            self.running.push(running);
        }
    }

    fn begin(&self, config: &HttpList) -> Running {
        let kept = self.directory.as_deref().map(|directory| Kept::new(directory, config.name()));
        let mut state = State::default();
        if let Some((text, at)) = kept.as_ref().and_then(Kept::read)
            && let Ok(targets) = config.read(&text)
        {
            (state.targets, state.had_at, state.is_old) = (targets, Some(at), true);
        }
        state.kept = kept;
        let (state, stop) = (Arc::new(Mutex::new(state)), CancellationToken::new());
        let asking = asking::ask(config.clone(), state.clone(), self.offered.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(asking));
        Running { config: config.clone(), state, _stop: stop.drop_guard() }
    }

    /// Until one of them offers another list. May be dropped at any time.
    pub async fn changed(&mut self) {
        // Never an error: one who tells is ours.
        self.news.changed().await.ok();
    }

    /// Adds the targets of all lists to what was read. An offer that does not go with the rest is refused, and what
    /// was in force before stays; but what a former life left never keeps us from starting.
    pub fn compose(&self, mut config: Config, source: &ConfigSource) -> Result<Config, ConfigError> {
        for running in &self.running {
            let (name, mut state) = (running.config.name(), open(&running.state));
            let with = |config: &Config, targets: &[Target]| {
                let (mut with, mut targets) = (config.clone(), targets.to_vec());
                source.keep_ours(&mut targets);
                with.admit(targets, name).map(|()| with)
            };
            let State { offer, targets, .. } = &*state;
            match offer.as_ref().map(|(offer, _)| with(&config, offer)) {
                Some(Ok(taken)) => {
                    config = taken;
                    state.take_offer(name);
                }
                Some(Err(error)) => {
                    config = with(&config, targets)?;
                    state.refuse_offer(name, &error);
                }
                None => match with(&config, targets) {
                    Ok(taken) => config = taken,
                    Err(error) if state.is_old => {
                        state.targets.clear();
                        state.failed(name, error.to_string());
                    }
                    Err(error) => return Err(error),
                },
            }
        }
        Ok(config)
    }

    pub fn health(&self) -> Vec<ListHealth> {
        let of = |running: &Running| {
            let state = open(&running.state);
            let name = running.config.name().to_owned();
            ListHealth { name, targets: state.targets.len(), failures: state.failures, had_at: state.had_at }
        };
        self.running.iter().map(of).collect()
    }

    /// What there is to say about them now.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        self.running.iter().filter_map(|running| {
            let state = open(&running.state);
            let why = state.trouble.as_ref().filter(|_| state.in_a_row >= FAILURES_WORTH_TELLING)?;
            Some(finding(running.config.name(), why, &state))
        })
    }
}

impl State {
    fn take_offer(&mut self, name: &str) {
        let Some((targets, text)) = self.offer.take() else { return };
        tracing::info!(list = name, targets = targets.len(), "another list of targets is in force");
        if let Some(kept) = &self.kept {
            kept.write_aside(name, &targets, &text);
        }
        (self.targets, self.refused) = (targets, false);
    }

    fn refuse_offer(&mut self, name: &str, error: &ConfigError) {
        self.refused = true;
        self.failed(name, error.to_string());
    }
}

fn finding(name: &str, why: &str, state: &State) -> Finding {
    let (times, count) = (state.in_a_row, state.targets.len());
    let stays = match count {
        0 => "Nothing is known of it yet.".to_owned(),
        1 => "The target of its last one is still watched.".to_owned(),
        count => format!("The {count} targets of its last one are still watched."),
    };
    Finding {
        rule: Name::new(DISCOVERY_FAILING),
        severity: Severity::Warning,
        database: None,
        subject: name.to_owned(),
        because: format!("{name} has given no good list of targets, {times} times in a row: {why}. {stays}"),
        evidence: evidence([("failures", times.into()), ("targets", count.into())]),
        advice: "See what answers at this address; servers that came or went since are not known here."
            .to_owned(),
        fix: None,
        confidence: Confidence::Measured,
    }
}
