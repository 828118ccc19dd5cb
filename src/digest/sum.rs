//! What a log, or a piece of one, adds up to.

use super::fields::{command, place, slow_fields};
use super::filter::Filter;
use super::innodb::Innodb;
use super::locks::Locks;
use super::names::{self, Name, Names};
use super::ours;
use super::plans::Plans;
use super::sessions::{Bare, Sessions, Waiting};
use super::statements::{Found, Row, Statements, Why};
use super::upkeep::Upkeep;
use crate::explain::postgres;
use crate::log::{Entry, Format, Message, Micros, Severity, SqlState, Who};
use crate::logs::classes::Class;
use crate::logs::fact::{Execution, Kind, Phase, fact};
use crate::logs::slow::INHERITED;
use std::collections::BTreeMap;

/// So often what has grown is weighed.
const WEIGH_EVERY: u64 = 1 << 16;

/// Done, or why an entry belongs to no statement.
type Told = Result<(), Why>;

/// How bad, and what went wrong where that is told.
pub type State = (Severity, Option<SqlState>);

#[derive(Debug)]
pub struct Sum {
    pub entries: u64,
    /// Entries that the filter left out; they count nowhere else.
    pub left_out: u64,
    /// Entries about our own sessions and statements; nor do they.
    pub ours: u64,
    /// Pieces of the file that are no entry.
    pub noise: u64,
    pub banners: u64,
    pub bytes: u64,
    pub lines: u64,
    pub from: Option<Micros>,
    pub to: Option<Micros>,
    pub classes: BTreeMap<(Class, Severity), u64>,
    /// Entries of which only the beginning was taken in.
    pub cut: u64,
    pub unclassified: BTreeMap<State, u64>,
    pub states: BTreeMap<State, u64>,
    pub statements: Statements,
    pub names: Names,
    /// Names of fields, in the order of `Row::fields`.
    pub fields: Vec<String>,
    pub fields_dropped: u64,
    pub locks: Locks,
    pub plans: Plans,
    pub upkeep: Upkeep,
    pub unjoined: u64,
    /// Entries and time by minute.
    pub minutes: BTreeMap<i64, (u64, u64)>,
    sessions: Sessions,
    innodb: Innodb,
    last_database: Option<Name>,
    filter: Filter,
}

/// Minutes that are told apart; a longer log keeps the newest.
const MAX_MINUTES: usize = 60 * 24 * 32;

impl Sum {
    pub fn new(format: Format, filter: Filter) -> Self {
        Self::of(Statements::new(format.dialect()), filter)
    }

    fn of(statements: Statements, filter: Filter) -> Self {
        Self {
            entries: 0,
            left_out: 0,
            ours: 0,
            noise: 0,
            banners: 0,
            bytes: 0,
            lines: 0,
            from: None,
            to: None,
            classes: BTreeMap::new(),
            cut: 0,
            unclassified: BTreeMap::new(),
            states: BTreeMap::new(),
            statements,
            names: Names::default(),
            fields: Vec::new(),
            fields_dropped: 0,
            locks: Locks::default(),
            plans: Plans::default(),
            upkeep: Upkeep::default(),
            unjoined: 0,
            minutes: BTreeMap::new(),
            sessions: Sessions::default(),
            innodb: Innodb::default(),
            last_database: None,
            filter,
        }
    }

    /// Begins at zero in the middle of a log: what sessions have begun goes on.
    pub fn renew(&mut self) {
        let mut next = Self::of(self.statements.renewed(), std::mem::take(&mut self.filter));
        next.sessions = std::mem::take(&mut self.sessions);
        next.sessions.renew();
        next.innodb = std::mem::take(&mut self.innodb);
        *self = next;
    }

    /// In the middle of what the log tells over several entries.
    pub fn is_amid(&self) -> bool {
        self.innodb.is_open()
    }

    pub fn entry(&mut self, entry: &Entry) {
        let Some(fact) = fact(entry) else {
            match entry.body {
                crate::log::Body::Banner => self.banners += 1,
                _ => self.noise += 1,
            }
            return;
        };
        if !self.filter.admits(entry) {
            self.left_out += 1;
            return;
        }
        if ours::by_name(fact.class, entry) {
            self.ours += 1;
            return;
        }
        let message = match &entry.body {
            crate::log::Body::Message(message) => *message,
            crate::log::Body::Notice(notice) => {
                self.innodb.entry(notice.text, entry.time, &mut self.statements, &mut self.locks);
                Message::default()
            }
            _ => Message::default(),
        };
        if matches!(entry.severity, Severity::Error | Severity::Fatal | Severity::Panic) {
            self.sessions.failed(entry.who.session);
        }
        let told = match fact.kind {
            Kind::Plain => Ok(()),
            Kind::Execution(execution) => self.execution(&execution, entry),
            Kind::Bare(micros) => self.bare(micros, entry),
            Kind::Logged(phase, text) => self.logged(phase, text, entry),
            Kind::Plan { micros, text } => self.plan(micros, text, entry),
            Kind::TempFile(bytes) => self.statement(message.statement, entry, |row| {
                row.temp_files += 1;
                row.temp_bytes = row.temp_bytes.saturating_add(bytes);
            }),
            Kind::Wait(wait) => {
                let found = self.statements.find(message.statement);
                self.locks.wait(&wait, message.detail, entry.time, digest_of(&self.statements, found));
                if wait.outcome == crate::logs::fact::Outcome::Waiting {
                    found.map(drop)
                } else {
                    self.statement(message.statement, entry, |row| {
                        row.lock_waits += 1;
                        row.lock_time = row.lock_time.saturating_add(wait.micros);
                    })
                }
            }
            Kind::Deadlock => {
                self.locks.deadlock(message.detail, entry.time, &mut self.statements);
                self.statement(message.statement, entry, |row| row.errors += 1)
            }
            Kind::Vacuum(vacuum) => {
                self.upkeep.vacuum(&vacuum);
                Ok(())
            }
            Kind::Checkpoint(checkpoint) => {
                self.upkeep.checkpoint(&checkpoint);
                Ok(())
            }
            Kind::Disconnection(micros) => {
                self.upkeep.session(micros);
                Ok(())
            }
            Kind::Error => self.statement(message.statement, entry, |row| {
                row.errors += 1;
                row.cancels += u64::from(fact.class.is_some_and(Class::is_cancel));
            }),
        };
        if told == Err(Why::Ours) {
            self.ours += 1;
            return;
        }
        self.entries += 1;
        self.count(fact.class, entry);
        if self.entries.is_multiple_of(WEIGH_EVERY) {
            self.weigh();
        }
    }

    fn count(&mut self, class: Option<Class>, entry: &Entry) {
        let state = entry.sqlstate.or_else(|| untold(class, entry.severity)).filter(|s| !s.is_success());
        match class {
            Some(class) => *self.classes.entry((class, entry.severity)).or_default() += 1,
            // States are few: the server has 260.
            None => *self.unclassified.entry((entry.severity, state)).or_default() += 1,
        }
        if matches!(entry.severity, Severity::Warning | Severity::Error | Severity::Fatal | Severity::Panic) {
            *self.states.entry((entry.severity, state)).or_default() += 1;
        }
        if let Some(at) = entry.time {
            self.from = Some(self.from.map_or(at, |from| from.min(at)));
            self.to = Some(self.to.map_or(at, |to| to.max(at)));
        }
    }

    fn execution(&mut self, execution: &Execution, entry: &Entry) -> Told {
        let times = execution.slow.map_or(1, |slow| slow.times());
        let found = match execution.slow.and_then(|slow| slow.command) {
            Some(command) => Ok(self.command(command)),
            None => self.statements.find(execution.text),
        };
        if found == Err(Why::Ours) {
            return Err(Why::Ours);
        }
        if execution.phase == Phase::Execute {
            self.minute(entry.time, times, execution.micros);
        }
        self.inherit(entry);
        let row = match found {
            Ok(at) => at,
            Err(why) => {
                let (calls, micros) = match execution.phase {
                    Phase::Execute => (times, execution.micros.saturating_mul(times)),
                    Phase::Fetch => (0, execution.micros),
                    Phase::Parse | Phase::Bind => return Err(why),
                };
                self.statements.other(why, calls, micros);
                return Err(why);
            }
        };
        let who = self.who(&entry.who);
        let Some(row) = self.statements.row(row) else { return Ok(()) };
        match execution.phase {
            Phase::Execute => row.duration(execution.micros, times),
            Phase::Fetch => row.total = row.total.saturating_add(execution.micros),
            Phase::Parse => {
                row.parses += 1;
                row.parse_time = row.parse_time.saturating_add(execution.micros);
            }
            Phase::Bind => {
                row.binds += 1;
                row.bind_time = row.bind_time.saturating_add(execution.micros);
            }
        }
        who.note(row, entry.time);
        if let Some(slow) = execution.slow {
            slow_fields(row, slow, times, &mut self.fields, &mut self.fields_dropped);
            let (digest, database) = (Some(row.digest), who.database);
            row.plans +=
                u64::from(self.plans.add_rows(digest, database, execution.micros, entry.time, slow.explain));
        }
        self.make_room();
        Ok(())
    }

    /// Administrator commands have no text.
    fn command(&mut self, word: &[u8]) -> u32 {
        let fingerprint = format!("administrator command: {}", command(word));
        let digest = xxhash_rust::xxh3::xxh3_64(fingerprint.as_bytes());
        self.statements.row_of(digest, &fingerprint)
    }

    fn bare(&mut self, micros: u64, entry: &Entry) -> Told {
        match self.sessions.took(entry.who.session, micros) {
            Bare::Of(waiting) => {
                if waiting.digest == Err(Why::Ours) {
                    return Err(Why::Ours);
                }
                if waiting.phase == Phase::Execute {
                    self.minute(entry.time, 1, micros);
                }
                let who = self.who(&entry.who);
                if let Some(row) = self.lasted(waiting, micros) {
                    who.note(row, entry.time);
                }
            }
            Bare::Orphan => {}
            Bare::Unjoined => self.unjoined += 1,
        }
        Ok(())
    }

    /// A statement that was logged before has taken so long; gives its row, if it has one.
    fn lasted(&mut self, Waiting { digest, phase }: Waiting, micros: u64) -> Option<&mut Row> {
        let found = digest.and_then(|digest| self.statements.by_digest(digest).ok_or(Why::Room));
        let calls = u64::from(phase == Phase::Execute);
        match found {
            Ok(at) => {
                let row = self.statements.row(at)?;
                if phase == Phase::Execute {
                    row.duration(micros, 1);
                } else {
                    row.total = row.total.saturating_add(micros);
                }
                Some(row)
            }
            Err(why) => {
                self.statements.other(why, calls, micros);
                None
            }
        }
    }

    fn logged(&mut self, phase: Phase, text: &[u8], entry: &Entry) -> Told {
        let found = self.statements.find(text);
        let digest = found.map(|at| self.statements.get(at).map_or(0, |row| row.digest));
        self.sessions.began(entry.who.session, Waiting { digest, phase });
        self.make_room();
        digest.map(drop)
    }

    fn plan(&mut self, micros: u64, text: &[u8], entry: &Entry) -> Told {
        let statements = &mut self.statements;
        let Some(explained) = postgres::logged(text, |query| statements.find(query).is_ok()) else {
            return ours::by_remark(text);
        };
        let found = self.statements.find(&explained.query);
        if let Some(tree) = explained.plan.filter(|_| found != Err(Why::Ours)) {
            let database = self.who(&entry.who).database;
            self.plans.add(digest_of(&self.statements, found), database, micros, entry.time, tree);
        }
        self.statement(&explained.query, entry, |row| row.plans += 1)
    }

    /// Notes something about the statement that an entry carries along.
    fn statement(&mut self, text: &[u8], entry: &Entry, note: impl FnOnce(&mut Row)) -> Told {
        if text.is_empty() {
            return Ok(());
        }
        let at = self.statements.find(text)?;
        let who = self.who(&entry.who);
        if let Some(row) = self.statements.row(at) {
            note(row);
            who.note(row, entry.time);
        }
        self.make_room();
        Ok(())
    }

    fn who(&mut self, who: &Who) -> Whose {
        let mut name = |text: &[u8]| (!text.is_empty()).then(|| self.names.of(text));
        Whose { user: name(who.user), database: name(who.database), application: name(who.application) }
    }

    /// Remembers the database that entries of the next piece may inherit.
    fn inherit(&mut self, entry: &Entry) {
        if !entry.who.database.is_empty() && entry.who.database != INHERITED {
            self.last_database = Some(self.names.of(entry.who.database));
        }
    }

    fn minute(&mut self, at: Option<Micros>, calls: u64, micros: u64) {
        let Some(minute) = at.map(|at| at.div_euclid(60_000_000)) else { return };
        let (sum, time) = self.minutes.entry(minute).or_default();
        *sum += calls;
        *time = time.saturating_add(micros.saturating_mul(calls));
        if self.minutes.len() > MAX_MINUTES {
            self.minutes.pop_first();
        }
    }

    fn make_room(&mut self) {
        if self.statements.is_full() {
            self.statements.prune();
        }
    }

    fn weigh(&mut self) {
        if self.statements.is_heavy() {
            self.statements.prune();
        }
    }

    /// Adds what comes next in the same log, or another log.
    pub fn merge(&mut self, later: Self) {
        let inherited = self.names.of(INHERITED);
        let renamed: Vec<Name> = later.names.texts().map(|text| self.names.of(text.as_bytes())).collect();
        let last_database = self.last_database;
        let rename = |name: Name| {
            let ours = renamed.get(usize::from(name)).copied()?;
            if ours == inherited { last_database.or(Some(ours)) } else { Some(ours) }
        };
        let fields: Vec<usize> =
            later.fields.iter().map(|field| place(&mut self.fields, field.as_bytes())).collect();
        let (found, unjoined) = self.sessions.merge(later.sessions);
        self.unjoined += unjoined;
        for (waiting, micros) in found {
            self.lasted(waiting, micros);
        }
        self.statements.merge(later.statements, rename, &fields);
        self.last_database = later.last_database.and_then(rename).or(self.last_database);
        self.locks.merge(later.locks);
        self.plans.merge(later.plans, rename);
        self.upkeep.merge(later.upkeep);
        let numbers = [
            (&mut self.entries, later.entries),
            (&mut self.left_out, later.left_out),
            (&mut self.ours, later.ours),
            (&mut self.noise, later.noise),
            (&mut self.banners, later.banners),
            (&mut self.bytes, later.bytes),
            (&mut self.lines, later.lines),
            (&mut self.unjoined, later.unjoined),
            (&mut self.fields_dropped, later.fields_dropped),
            (&mut self.cut, later.cut),
        ];
        numbers.into_iter().for_each(|(sum, more)| *sum += more);
        self.from = [self.from, later.from].into_iter().flatten().min();
        self.to = self.to.max(later.to);
        later.classes.into_iter().for_each(|(class, n)| *self.classes.entry(class).or_default() += n);
        later.unclassified.into_iter().for_each(|(key, n)| *self.unclassified.entry(key).or_default() += n);
        later.states.into_iter().for_each(|(key, n)| *self.states.entry(key).or_default() += n);
        for (minute, (calls, micros)) in later.minutes {
            let (sum, time) = self.minutes.entry(minute).or_default();
            *sum += calls;
            *time = time.saturating_add(micros);
        }
    }

    /// Durations that never found their statement.
    pub fn unjoined(&self) -> u64 {
        self.unjoined + self.sessions.orphans()
    }

    pub fn unclassified(&self) -> u64 {
        self.unclassified.values().sum()
    }
}

/// The SQLSTATE of an entry that tells none: that of its class, or what the server gives a warning by itself.
fn untold(class: Option<Class>, severity: Severity) -> Option<SqlState> {
    match class {
        Some(class) => class.sqlstate(),
        None if severity == Severity::Warning => Some(SqlState(*b"01000")),
        None => None,
    }
}

/// Whose entry it was, as numbers.
#[derive(Debug, Clone, Copy)]
struct Whose {
    user: Option<Name>,
    database: Option<Name>,
    application: Option<Name>,
}

impl Whose {
    fn note(self, row: &mut Row, at: Option<Micros>) {
        row.seen(at);
        let lists = [
            (&mut row.users, self.user),
            (&mut row.databases, self.database),
            (&mut row.applications, self.application),
        ];
        for (list, name) in lists {
            if let Some(name) = name {
                names::add(list, name);
            }
        }
    }
}

fn digest_of(statements: &Statements, found: Found) -> Option<u64> {
    found.ok().and_then(|at| statements.get(at)).map(|row| row.digest)
}

#[cfg(test)]
pub mod tests;
