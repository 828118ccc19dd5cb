//! A sum as a report: what is printed, in every form, comes from here. Nothing in it is a literal of a statement.

use super::locks::{Chain, Deadlock};
use super::statements::{Rest, Row};
use super::sum::Sum;
use super::upkeep::{Checkpoints, Table};
use crate::log::Micros;
use crate::logs::moment;
use crate::model::plan::PlanNode;
use crate::sql::Digest;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;

#[derive(Debug, Serialize)]
pub struct Report {
    pub files: usize,
    pub bytes: u64,
    pub lines: u64,
    pub entries: u64,
    /// Entries that no class is known for: with the events they add up to the entries.
    pub unclassified: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unclassified_by: Vec<State>,
    /// Left out by a filter.
    pub left_out: u64,
    /// Entries about dbsonde's own sessions and statements; they count nowhere else.
    pub ours: u64,
    /// Pieces of the files that are no entries.
    pub noise: u64,
    pub from: Option<String>,
    pub to: Option<String>,
    pub events: BTreeMap<&'static str, u64>,
    /// Warnings and worse, by SQLSTATE.
    pub errors: Vec<State>,
    /// Distinct statements; of them `queries` are the costliest.
    pub statements: usize,
    pub queries: Vec<Query>,
    /// What the shown queries leave out, and what belongs to no query.
    pub other: Other,
    pub plans: Vec<PlanReport>,
    pub locks: Vec<Lock>,
    pub lock_chains: Vec<LockChain>,
    pub deadlocks: Vec<DeadlockReport>,
    pub autovacuum: BTreeMap<String, Table>,
    pub checkpoints: Checkpoints,
    pub sessions: Sessions,
    /// Durations whose statement is not in the log.
    pub durations_without_statement: u64,
    #[serde(skip)]
    pub minutes: BTreeMap<i64, (u64, u64)>,
}

#[derive(Debug, Serialize)]
pub struct State {
    pub severity: &'static str,
    pub sqlstate: Option<String>,
    pub count: u64,
}

#[derive(Debug, Serialize)]
pub struct Sessions {
    pub ended: u64,
    pub seconds: f64,
}

#[derive(Debug, Serialize)]
pub struct Query {
    pub digest: Digest,
    pub fingerprint: String,
    pub calls: u64,
    pub total_seconds: f64,
    pub mean_seconds: Option<f64>,
    pub min_seconds: Option<f64>,
    pub max_seconds: Option<f64>,
    pub p50_seconds: Option<f64>,
    pub p95_seconds: Option<f64>,
    pub p99_seconds: Option<f64>,
    pub rows_sent: u64,
    pub rows_examined: u64,
    pub rows_affected: u64,
    pub bytes_sent: u64,
    pub lock_seconds: f64,
    pub lock_waits: u64,
    pub parses: u64,
    pub parse_seconds: f64,
    pub binds: u64,
    pub bind_seconds: f64,
    pub temp_files: u64,
    pub temp_bytes: u64,
    pub errors: u64,
    pub plans: u64,
    pub databases: Vec<String>,
    pub users: Vec<String>,
    pub applications: Vec<String>,
    pub first_seen: Option<String>,
    pub last_seen: Option<String>,
    /// Sums of what else the log tells.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, f64>,
    /// There was more of it before this was kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// Calls by power of two of microseconds.
    #[serde(skip)]
    pub octaves: Vec<(u32, u64)>,
}

#[derive(Debug, Default, Serialize)]
pub struct Other {
    pub statements: u64,
    pub calls: u64,
    pub total_seconds: f64,
    /// Executions without a digest, by reason.
    pub reasons: BTreeMap<&'static str, Reason>,
}

#[derive(Debug, Serialize)]
pub struct Reason {
    pub calls: u64,
    pub total_seconds: f64,
}

/// A plan of one shape for one statement.
#[derive(Debug, Serialize)]
pub struct PlanReport {
    pub digest: Option<Digest>,
    /// The fingerprint of its shape.
    pub plan: Digest,
    pub count: u64,
    pub total_seconds: f64,
    pub max_seconds: f64,
    pub shape: String,
    /// Of the slowest execution.
    pub tree: PlanNode,
}

#[derive(Debug, Serialize)]
pub struct Lock {
    pub mode: String,
    pub object: String,
    pub waited: u64,
    pub acquired: u64,
    pub seconds: f64,
    pub longest_seconds: f64,
}

#[derive(Debug, Serialize)]
pub struct LockChain {
    pub at: Option<String>,
    pub mode: String,
    pub object: String,
    /// The waiting process, whom it waits for, whom that waits for.
    pub processes: Vec<u64>,
    pub queue: usize,
    pub digest: Option<Digest>,
    pub seconds: f64,
    pub outcome: &'static str,
}

#[derive(Debug, Serialize)]
pub struct DeadlockReport {
    pub count: u64,
    pub first: Option<String>,
    pub last: Option<String>,
    pub participants: Vec<ParticipantReport>,
}

#[derive(Debug, Serialize)]
pub struct ParticipantReport {
    pub process: u64,
    pub waits_for: String,
    pub object: String,
    pub blocked_by: u64,
    pub digest: Option<Digest>,
    pub fingerprint: Option<String>,
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn time(at: Option<Micros>) -> Option<String> {
    at.map(moment::show)
}

impl Report {
    /// Of all statements, shown or not.
    pub fn calls(&self) -> u64 {
        self.queries.iter().map(|query| query.calls).sum::<u64>() + self.other.calls
    }

    pub fn total_seconds(&self) -> f64 {
        self.queries.iter().map(|query| query.total_seconds).sum::<f64>() + self.other.total_seconds
    }

    /// The `top` costliest statements and everything else.
    pub fn of(sum: &Sum, files: usize, top: usize) -> Self {
        let mut rows: Vec<&Row> = sum.statements.rows().iter().filter(|row| row.is_worth_showing()).collect();
        rows.sort_by_key(|row| (Reverse(row.total), Reverse(row.calls), row.digest));
        let statements = rows.len();
        let rest = rows.split_off(top.min(rows.len()));
        let states = |map: &BTreeMap<_, u64>| map.iter().map(state).collect();
        Self {
            files,
            bytes: sum.bytes,
            lines: sum.lines,
            entries: sum.entries,
            unclassified: sum.unclassified(),
            unclassified_by: states(&sum.unclassified),
            left_out: sum.left_out,
            ours: sum.ours,
            noise: sum.noise,
            from: time(sum.from),
            to: time(sum.to),
            events: events(sum),
            errors: states(&sum.states),
            statements,
            queries: rows.into_iter().map(|row| query(row, sum)).collect(),
            other: other(&rest, sum),
            plans: plans(sum, top),
            locks: sum.locks.kinds.iter().map(lock).collect(),
            lock_chains: sum.locks.longest().into_iter().map(chain).collect(),
            deadlocks: sum.locks.deadlocks.values().map(deadlock).collect(),
            autovacuum: sum.upkeep.tables.clone(),
            checkpoints: sum.upkeep.checkpoints.clone(),
            sessions: Sessions { ended: sum.upkeep.sessions, seconds: seconds(sum.upkeep.session_time) },
            durations_without_statement: sum.unjoined(),
            minutes: sum.minutes.clone(),
        }
    }
}

fn state(((severity, state), count): (&(crate::log::Severity, Option<crate::log::SqlState>), &u64)) -> State {
    State { severity: severity.name(), sqlstate: state.map(|state| state.to_string()), count: *count }
}

fn query(row: &Row, sum: &Sum) -> Query {
    let ran = |value: u64| (row.calls > 0).then(|| seconds(value));
    let percentile = |share: f64| {
        let found = row.histogram.percentile(share).filter(|_| row.calls > 0)?;
        Some(seconds(found.clamp(row.min, row.max)))
    };
    let names = |list: &[u16]| {
        let mut names: Vec<String> = list.iter().map(|name| sum.names.text(*name).to_owned()).collect();
        names.retain(|name| name.as_bytes() != crate::logs::slow::INHERITED);
        names.sort_unstable();
        names
    };
    let fields = sum.fields.iter().zip(&row.fields).filter(|(_, value)| **value != 0.0);
    Query {
        digest: Digest(row.digest),
        fingerprint: row.fingerprint.to_string(),
        calls: row.calls,
        total_seconds: seconds(row.total),
        mean_seconds: (row.calls > 0).then(|| seconds(row.total) / row.calls as f64),
        min_seconds: ran(row.min),
        max_seconds: ran(row.max),
        p50_seconds: percentile(0.5),
        p95_seconds: percentile(0.95),
        p99_seconds: percentile(0.99),
        rows_sent: row.rows_sent,
        rows_examined: row.rows_examined,
        rows_affected: row.rows_affected,
        bytes_sent: row.bytes_sent,
        lock_seconds: seconds(row.lock_time),
        lock_waits: row.lock_waits,
        parses: row.parses,
        parse_seconds: seconds(row.parse_time),
        binds: row.binds,
        bind_seconds: seconds(row.bind_time),
        temp_files: row.temp_files,
        temp_bytes: row.temp_bytes,
        errors: row.errors,
        plans: row.plans,
        databases: names(&row.databases),
        users: names(&row.users),
        applications: names(&row.applications),
        first_seen: time(row.first),
        last_seen: time(row.last),
        fields: fields.map(|(name, value)| (name.clone(), rounded(*value))).collect(),
        partial: row.partial,
        octaves: row.histogram.octaves(),
    }
}

/// To the millionth that logs are written to: what is added up in another order differs behind that.
fn rounded(sum: f64) -> f64 {
    (sum * 1e6).round() / 1e6
}

fn other(rest: &[&Row], sum: &Sum) -> Other {
    let mut other = Other { statements: rest.len() as u64 + sum.statements.dropped, ..Other::default() };
    let mut all = Rest::default();
    rest.iter().for_each(|row| all.add(row.calls, row.total));
    for (why, some) in &sum.statements.others {
        all.add(some.calls, some.total);
        let reason = Reason { calls: some.calls, total_seconds: seconds(some.total) };
        other.reasons.insert(why.name(), reason);
    }
    other.calls = all.calls;
    other.total_seconds = seconds(all.total);
    other
}

fn plans(sum: &Sum, top: usize) -> Vec<PlanReport> {
    let report = |plan: super::plans::Everywhere<'_>| PlanReport {
        digest: plan.digest.map(Digest),
        plan: Digest(plan.shape),
        count: plan.count,
        total_seconds: seconds(plan.total),
        max_seconds: seconds(plan.max),
        shape: plan.tree.shape(),
        tree: plan.tree.clone(),
    };
    sum.plans.costliest().into_iter().take(top).map(report).collect()
}

fn lock((key, waits): (&(String, String), &super::locks::Waits)) -> Lock {
    Lock {
        mode: key.0.clone(),
        object: key.1.clone(),
        waited: waits.waited,
        acquired: waits.acquired,
        seconds: seconds(waits.time),
        longest_seconds: seconds(waits.longest),
    }
}

fn chain(chain: Chain) -> LockChain {
    LockChain {
        at: time(chain.at),
        mode: chain.mode,
        object: chain.object,
        processes: chain.processes,
        queue: chain.queue,
        digest: chain.digest.map(Digest),
        seconds: seconds(chain.micros),
        outcome: chain.outcome.name(),
    }
}

fn deadlock(deadlock: &Deadlock) -> DeadlockReport {
    let participants = deadlock.participants.iter().map(|one| ParticipantReport {
        process: one.process,
        waits_for: one.mode.clone(),
        object: one.object.clone(),
        blocked_by: one.blocked_by,
        digest: one.digest.map(Digest),
        fingerprint: one.fingerprint.clone(),
    });
    DeadlockReport {
        count: deadlock.count,
        first: time(deadlock.first),
        last: time(deadlock.last),
        participants: participants.collect(),
    }
}

fn events(sum: &Sum) -> BTreeMap<&'static str, u64> {
    let mut events = BTreeMap::new();
    sum.classes.iter().for_each(|((class, _), count)| *events.entry(class.name()).or_default() += count);
    events
}
