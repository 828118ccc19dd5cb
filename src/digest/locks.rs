//! Waits for locks as chains, and deadlocks with their statements.

use super::statements::Statements;
use crate::log::Micros;
use crate::logs::fact::{Outcome, Wait};
use std::collections::BTreeMap;

/// Processes that wait at one time, as far as we remember: more than a server has connections.
const MAX_OPEN: usize = 10_000;
/// The longest waits that are shown one by one.
const MAX_CHAINS: usize = 100;
/// Deadlocks of different statements that are told apart.
const MAX_DEADLOCKS: usize = 200;
/// Processes in one deadlock or one chain; the server's own lists end long before.
const MAX_PROCESSES: usize = 64;
/// Kinds of lock × kinds of object: the server has 9 and 12.
const MAX_KINDS: usize = 256;

#[derive(Debug, Default)]
pub struct Locks {
    /// By mode and kind of object.
    pub kinds: BTreeMap<(String, String), Waits>,
    open: BTreeMap<u64, Chain>,
    /// Ends of waits whose beginning lies before this piece.
    ends: Vec<Chain>,
    pub chains: Vec<Chain>,
    /// By the digests of those that took part.
    pub deadlocks: BTreeMap<Vec<Option<u64>>, Deadlock>,
    pub deadlocks_dropped: u64,
}

#[derive(Debug, Default, Clone, Copy)]
pub struct Waits {
    pub waited: u64,
    pub acquired: u64,
    /// In microseconds.
    pub time: u64,
    pub longest: u64,
}

/// One wait, with everybody who stood before it.
#[derive(Debug, Clone)]
pub struct Chain {
    pub at: Option<Micros>,
    pub mode: String,
    pub object: String,
    /// The waiting process, whom it waits for, whom that waits for, and so on.
    pub processes: Vec<u64>,
    pub queue: usize,
    pub digest: Option<u64>,
    pub micros: u64,
    pub outcome: Outcome,
}

#[derive(Debug, Clone)]
pub struct Deadlock {
    pub count: u64,
    pub first: Option<Micros>,
    pub last: Option<Micros>,
    pub participants: Vec<Participant>,
}

#[derive(Debug, Clone, Default)]
pub struct Participant {
    pub process: u64,
    pub mode: String,
    pub object: String,
    pub blocked_by: u64,
    pub digest: Option<u64>,
    pub fingerprint: Option<String>,
}

impl Locks {
    pub fn wait(&mut self, wait: &Wait, detail: &[u8], at: Option<Micros>, digest: Option<u64>) {
        let (holders, queue) = holders(detail);
        let mode = word(wait.mode);
        let object = word(wait.object);
        self.kind(&mode, &object, wait);
        let mut processes = vec![wait.process];
        let mut next = holders.first().copied();
        while let Some(process) = next {
            if processes.contains(&process) || processes.len() >= MAX_PROCESSES {
                break;
            }
            processes.push(process);
            next = self.open.get(&process).and_then(|chain| chain.processes.get(1)).copied();
        }
        let chain =
            Chain { at, mode, object, processes, queue, digest, micros: wait.micros, outcome: wait.outcome };
        if wait.outcome == Outcome::Waiting {
            if self.open.len() < MAX_OPEN || self.open.contains_key(&wait.process) {
                self.open.insert(wait.process, chain);
            }
        } else {
            self.ended(chain);
        }
    }

    fn kind(&mut self, mode: &str, object: &str, wait: &Wait) {
        let key = (mode.to_owned(), object.to_owned());
        if self.kinds.len() >= MAX_KINDS && !self.kinds.contains_key(&key) {
            return;
        }
        let waits = self.kinds.entry(key).or_default();
        match wait.outcome {
            Outcome::Waiting => waits.waited += 1,
            outcome => {
                waits.acquired += u64::from(outcome == Outcome::Acquired);
                waits.time = waits.time.saturating_add(wait.micros);
                waits.longest = waits.longest.max(wait.micros);
            }
        }
    }

    fn ended(&mut self, end: Chain) {
        let begun = end.processes.first().and_then(|process| self.open.remove(process));
        match begun {
            Some(begun) => {
                let processes = if end.processes.len() > 1 { end.processes } else { begun.processes };
                let chain = Chain { at: begun.at, processes, queue: begun.queue.max(end.queue), ..end };
                self.keep(chain);
            }
            None if self.ends.len() < MAX_OPEN => self.ends.push(end),
            None => self.keep(end),
        }
    }

    fn keep(&mut self, chain: Chain) {
        self.chains.push(chain);
        if self.chains.len() >= 2 * MAX_CHAINS {
            longest_first(&mut self.chains);
        }
    }

    pub fn deadlock(&mut self, detail: &[u8], at: Option<Micros>, statements: &mut Statements) {
        let mut participants = participants(detail, statements);
        participants.truncate(MAX_PROCESSES);
        let mut key: Vec<_> = participants.iter().map(|one| one.digest).collect();
        key.sort_unstable();
        self.add_deadlock(key, Deadlock { count: 1, first: at, last: at, participants });
    }

    pub fn add_deadlock(&mut self, key: Vec<Option<u64>>, deadlock: Deadlock) {
        if let Some(known) = self.deadlocks.get_mut(&key) {
            known.count += deadlock.count;
            known.first = [known.first, deadlock.first].into_iter().flatten().min();
            known.last = known.last.max(deadlock.last);
        } else if self.deadlocks.len() < MAX_DEADLOCKS {
            self.deadlocks.insert(key, deadlock);
        } else {
            self.deadlocks_dropped += deadlock.count;
        }
    }

    pub fn merge(&mut self, later: Self) {
        for (key, waits) in later.kinds {
            let sum = self.kinds.entry(key).or_default();
            sum.waited += waits.waited;
            sum.acquired += waits.acquired;
            sum.time = sum.time.saturating_add(waits.time);
            sum.longest = sum.longest.max(waits.longest);
        }
        later.ends.into_iter().for_each(|end| self.ended(end));
        later.chains.into_iter().for_each(|chain| self.keep(chain));
        self.open.extend(later.open);
        later.deadlocks.into_iter().for_each(|(key, deadlock)| self.add_deadlock(key, deadlock));
        self.deadlocks_dropped += later.deadlocks_dropped;
    }

    /// The longest waits, also those whose end or beginning is not in the log.
    pub fn longest(&self) -> Vec<Chain> {
        let mut chains: Vec<Chain> =
            self.chains.iter().chain(self.open.values()).chain(&self.ends).cloned().collect();
        longest_first(&mut chains);
        chains
    }
}

fn longest_first(chains: &mut Vec<Chain>) {
    chains.sort_by(|a, b| b.micros.cmp(&a.micros).then_with(|| a.at.cmp(&b.at)));
    chains.truncate(MAX_CHAINS);
}

/// The mode or kind of a lock: letters only, since nothing else belongs there.
fn word(text: &[u8]) -> String {
    const MAX: usize = 40;
    text.iter().take(MAX).take_while(|b| b.is_ascii_alphabetic()).map(|b| char::from(*b)).collect()
}

/// `Process holding the lock: 18185. Wait queue: 20000, 5.`: who holds it, and how many wait.
fn holders(detail: &[u8]) -> (Vec<u64>, usize) {
    let list = |phrase: &[u8]| -> Vec<u64> {
        let Some(at) = memchr::memmem::find(detail, phrase) else { return Vec::new() };
        let rest = detail.get(at + phrase.len()..).unwrap_or_default();
        let rest = rest.split(|b| *b == b'.').next().unwrap_or_default();
        let numbers = rest.split(|b| *b == b',').filter_map(number);
        numbers.take(MAX_PROCESSES).collect()
    };
    (list(b"holding the lock: "), list(b"Wait queue: ").len())
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

/// `Process 1 waits for ShareLock on transaction 5; blocked by process 2.` and `Process 1: update …`, whose
/// statements go on over several lines.
fn participants(detail: &[u8], statements: &mut Statements) -> Vec<Participant> {
    let mut participants: Vec<Participant> = Vec::new();
    let mut text: Option<(u64, Vec<u8>)> = None;
    let mut known = |participants: &mut Vec<Participant>, text: Option<(u64, Vec<u8>)>| {
        let Some((process, text)) = text else { return };
        let row = statements.find(&text).ok().and_then(|at| statements.get(at));
        if let Some(one) = participants.iter_mut().find(|one| one.process == process) {
            one.digest = row.map(|row| row.digest);
            one.fingerprint = row.map(|row| row.fingerprint.to_string());
        }
    };
    for line in detail.split(|b| *b == b'\n') {
        match begins(line) {
            Some((process, rest)) if rest.starts_with(b" waits for ") && text.is_none() => {
                participants.push(waiting(process, rest));
            }
            Some((process, rest))
                if rest.starts_with(b": ") && participants.iter().any(|one| one.process == process) =>
            {
                known(&mut participants, text.take());
                text = Some((process, rest.get(2..).unwrap_or_default().to_vec()));
            }
            _ => {
                if let Some((_, text)) = &mut text {
                    text.push(b'\n');
                    text.extend_from_slice(line);
                }
            }
        }
    }
    known(&mut participants, text);
    participants
}

fn begins(line: &[u8]) -> Option<(u64, &[u8])> {
    let rest = line.strip_prefix(b"Process ")?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    Some((number(rest.get(..digits)?)?, rest.get(digits..)?))
}

fn waiting(process: u64, rest: &[u8]) -> Participant {
    let rest = rest.strip_prefix(b" waits for ").unwrap_or_default();
    let mode = word(rest);
    let object = memchr::memmem::find(rest, b" on ").map(|at| word(rest.get(at + 4..).unwrap_or_default()));
    let blocker = memchr::memmem::rfind(rest, b"blocked by process ").and_then(|at| {
        let digits = rest.get(at + 19..)?;
        number(digits.get(..digits.iter().take_while(|b| b.is_ascii_digit()).count())?)
    });
    Participant {
        process,
        mode,
        object: object.unwrap_or_default(),
        blocked_by: blocker.unwrap_or(0),
        ..Participant::default()
    }
}
