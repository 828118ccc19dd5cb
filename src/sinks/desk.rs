//! Where it is written down what waits for a sink. Disks hang, and nobody may hang with them: whoever has something to
//! write leaves it here and waits a moment for it; a thread that may wait for the disk does the rest. What is late is
//! in memory all the same, is counted, and is written when the disk is well again.

use super::queue::Queue;
use super::spool::{Line, Spool};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// As long as anybody waits for the disk, once: a watch of one second would feel more.
const PATIENCE: Duration = Duration::from_secs(2);
/// A disk may be slow when everything starts.
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(5);
/// Lines not yet written; with more, all that waits is written anew instead.
const MAX_LINES: usize = 256;
/// After a write that failed: a disk that is full stays so for a while.
pub const AGAIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Desk {
    /// Locked only by whoever may wait for a disk.
    spool: Mutex<Option<Spool>>,
    state: watch::Sender<State>,
    /// In a simulation everything is written at once, where it is left, so that it runs twice in the same way.
    is_here: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// How much of what was ever noted is on disk.
    written: u64,
    /// It is late or it failed: nobody waits for it.
    in_trouble: bool,
}

/// How far somebody has come who keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nobody wants it kept.
    #[default]
    Unwanted,
    /// It is not known yet what waited before.
    Opening,
    Open,
    /// It cannot be kept in this life.
    Lost,
}

/// What is to be written, beside what waits: one lock is over both.
#[derive(Debug, Default)]
pub struct Page {
    pub stage: Stage,
    lines: Vec<Line>,
    /// All that waits is to be written, instead of the lines.
    anew: bool,
    /// How much was ever noted.
    noted: u64,
    /// What came before this number is on disk, if it still waits.
    pub kept_below: u64,
    is_writing: bool,
    again_at: Option<Instant>,
}

/// One piece of work for who may wait.
#[derive(Debug)]
pub struct Task {
    lines: Vec<Line>,
    anew: bool,
    noted: u64,
    kept_below: u64,
}

impl Page {
    pub fn new(is_wanted: bool) -> Page {
        Page { stage: if is_wanted { Stage::Opening } else { Stage::Unwanted }, ..Page::default() }
    }

    pub fn note(&mut self, line: Line) {
        self.noted += 1;
        match self.lines.len() < MAX_LINES {
            _ if self.anew || self.stage != Stage::Open => {}
            true => self.lines.push(line),
            false => self.write_anew(),
        }
    }

    pub fn write_anew(&mut self) {
        (self.lines, self.anew) = (Vec::new(), true);
    }

    /// What somebody waits for who wants all of it on disk.
    pub fn noted(&self) -> u64 {
        self.noted
    }

    fn has_work(&self) -> bool {
        let may = self.again_at.is_none_or(|at| at <= Instant::now());
        self.stage == Stage::Open && may && (self.anew || !self.lines.is_empty())
    }

    /// May somebody begin to write? He goes on until nothing is left.
    fn begins(&mut self) -> bool {
        let begins = !self.is_writing && self.has_work();
        self.is_writing |= begins;
        begins
    }

    /// The next piece of work, or the end of it. `live` is all that waits, and `next` what comes next.
    pub fn take(&mut self, next: u64, live: impl FnOnce() -> Vec<Line>) -> Option<Task> {
        self.is_writing = self.has_work();
        if !self.is_writing {
            return None;
        }
        let anew = std::mem::take(&mut self.anew);
        let lines = if anew { live() } else { std::mem::take(&mut self.lines) };
        Some(Task { lines, anew, noted: self.noted, kept_below: next })
    }

    fn written(&mut self, task: &Task) {
        (self.kept_below, self.again_at) = (task.kept_below, None);
    }

    fn failed(&mut self) {
        self.again_at = Some(Instant::now() + AGAIN);
        self.write_anew();
    }
}

impl Desk {
    /// Where nothing is kept, or until it is opened.
    pub fn new() -> Desk {
        Desk { spool: Mutex::new(None), state: watch::Sender::default(), is_here: false }
    }

    #[cfg(test)]
    pub fn here(spool: Spool) -> Desk {
        Desk { spool: Mutex::new(Some(spool)), is_here: true, ..Desk::new() }
    }

    /// From now on what is added goes elsewhere; what is written anew does not.
    #[cfg(test)]
    pub fn writes_to(&self, path: &std::path::Path) {
        let file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        self.spool.lock().unwrap().as_mut().unwrap().writes_to(file);
    }
}

/// What a queue does with its desk.
impl Queue {
    /// Opens the spool, and puts what waited there before all that has come since.
    pub async fn open(self: &Arc<Self>, directory: PathBuf, identity: String) {
        let opening = tokio::task::spawn_blocking(move || Spool::open(&directory, &identity));
        let opened = match timeout(PATIENCE_AT_FIRST, opening).await {
            Ok(opened) => opened.unwrap_or_else(|_| Err(io::Error::other("its reader has panicked"))),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer")),
        };
        match opened {
            Ok((spool, kept)) => {
                *self.desk.spool.lock().unwrap_or_else(PoisonError::into_inner) = Some(spool);
                self.adopt(kept);
                self.write();
            }
            Err(error) => {
                tracing::warn!(sink = self.name(), %error, "what waits for it is not kept on disk; a restart would lose it");
                self.waiting().page.stage = Stage::Lost;
                self.desk.state.send_modify(|state| state.in_trouble = true);
            }
        }
    }

    /// Has what is to be written written. Waits for nothing.
    pub fn write(self: &Arc<Self>) {
        if !self.waiting().page.begins() {
            return;
        }
        let own = self.clone();
        match self.desk.is_here {
            true => own.write_down(),
            false => drop(tokio::task::spawn_blocking(move || own.write_down())),
        }
    }

    /// May wait for the disk for as long as that likes.
    fn write_down(&self) {
        let mut spool = self.desk.spool.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(task) = self.task() {
            let written = match spool.as_mut() {
                Some(spool) if task.anew => spool.rewrite(&task.lines),
                Some(spool) => spool.append(&task.lines),
                None => Err(io::Error::other("it is not open")),
            };
            match written {
                // What was just written anew is as short as it can be.
                Ok(()) => self.is_written(&task, !task.anew && spool.as_ref().is_some_and(Spool::is_long)),
                Err(error) => self.is_not_written(&error),
            }
        }
    }

    fn is_written(&self, task: &Task, is_long: bool) {
        let mut waiting = self.waiting();
        waiting.page.written(task);
        if is_long {
            waiting.page.write_anew();
        }
        drop(waiting);
        let was_in_trouble = self.desk.state.borrow().in_trouble;
        self.desk.state.send_replace(State { written: task.noted, in_trouble: false });
        if was_in_trouble {
            tracing::info!(sink = self.name(), "what waits for it is kept on disk again");
        }
    }

    fn is_not_written(&self, error: &io::Error) {
        self.waiting().page.failed();
        self.says_trouble(&error.to_string());
    }

    fn says_trouble(&self, why: &str) {
        let is_news =
            self.desk.state.send_if_modified(|state| !std::mem::replace(&mut state.in_trouble, true));
        if is_news {
            tracing::warn!(
                sink = self.name(),
                why,
                "what waits for it cannot be kept on disk now; a restart would lose it"
            );
        }
    }

    /// Waits until so much of what was noted is on disk, but not longer than a moment, and not at all while that fails.
    pub async fn written(&self, noted: u64) {
        if self.waiting().page.stage == Stage::Unwanted {
            return;
        }
        let mut state = self.desk.state.subscribe();
        let there = state.wait_for(|state| state.written >= noted || state.in_trouble);
        if timeout(PATIENCE, there).await.is_err() {
            self.says_trouble("the disk does not answer");
        }
    }
}
