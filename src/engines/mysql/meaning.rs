//! What the rows of MySQL mean: which statements and sessions are our own, which digest stands for which wording.

use super::known::Known;
use super::link::Link;
use super::receiver;
use crate::engine::presence;
use crate::engine::reading::{Failure, Identity, gap};
use crate::engine::shared::{locked, name_statements};
use crate::engine::{EngineError, Lane, Visit};
use crate::model::{
    Activity, Bytes, Count, InTopic, Innodb, Level, Name, Rows, Scope, Statement, StatementsInfo, Table,
    Timestamp, Topic, Total, Unit,
};
use crate::remark;
use tokio::time::Instant;

pub fn understand(rows: &mut Rows, link: &Link, visit: &mut Visit) {
    let shared = &link.server.shared;
    match rows {
        Rows::Statements(rows) => {
            let firsts = rows.iter().filter_map(|row| row.stats_since);
            let oldest = firsts.min_by(|a, b| a.get().total_cmp(&b.get()));
            // Read in the instant after all were forgotten: the next reading tells since when it counts anew.
            if oldest.is_some() {
                locked(&shared.memory).life.oldest_digest = oldest;
            }
            name_statements(rows, &shared.texts(), visit);
        }
        Rows::Sessions(rows) => {
            for row in rows.iter_mut() {
                row.application = link.watchers.get(&row.pid).cloned();
                presence::note(row);
            }
            rows.retain(|row| !shared.is_own(row.pid) && !presence::is_ours(row, &shared.target));
            rows.iter_mut().for_each(|row| link.scene.complete(row));
        }
        Rows::Tables(rows) => {
            rows.dedup_by(|next, table| is_partition_of(next, table));
            rows.iter_mut().for_each(|row| link.survey.complete_table(row));
        }
        Rows::Indexes(rows) => {
            rows.dedup_by(|next, index| {
                let is_same = next.oid == index.oid;
                index.size_bytes = sum(index.size_bytes, next.size_bytes.filter(|_| is_same));
                is_same
            });
            let mut names = locked(&shared.names);
            for row in rows.iter_mut() {
                link.survey.complete_index(row, &mut names);
                link.elsewhere.correct(&mut row.size_bytes, &row.schema, &row.table);
            }
        }
        // That is not asked for with the rest: what a standby is we know better than one variable.
        Rows::Server(rows) => {
            let is_standby = visit.server.as_ref().is_some_and(|server| server.role == "standby");
            rows.iter_mut().for_each(|row| row.in_recovery = is_standby);
        }
        Rows::Remarks(rows) => remark::understand(rows),
        Rows::Activity(rows) => rows.iter().for_each(|row| tell_executes(row, link, visit)),
        Rows::StatementsInfo(rows) => rows.iter_mut().for_each(|row| count(row, visit)),
        Rows::Latencies(_) => {
            let lack = locked(&shared.memory).latencies.lack().map(str::to_owned);
            if let Some(why) = lack {
                gap(visit, Topic::Latencies, &Scope::Server, why);
            }
        }
        Rows::ScheduledEvents(_) => {
            if let Some(why) = link.hides_events() {
                gap(visit, Topic::ScheduledEvents, &Scope::Server, why);
            }
        }
        Rows::Innodb(rows) => rows.iter_mut().for_each(age_of_checkpoint),
        _ => {}
    }
}

/// Adds the next row to a table if it is another partition of it. Rows come sorted by the ids of tables.
fn is_partition_of(next: &Table, table: &mut Table) -> bool {
    let is_same = next.oid == table.oid;
    if is_same {
        table.size_bytes = sum(table.size_bytes, next.size_bytes);
        table.rows = sum(table.rows, next.rows);
        table.last_autoanalyze = table.last_autoanalyze.max(next.last_autoanalyze);
    }
    is_same
}

fn sum<U: Unit>(a: Option<Level<U>>, b: Option<Level<U>>) -> Option<Level<U>> {
    match (a, b) {
        (Some(a), Some(b)) => U::from_float(a.float() + b.float()).map(Level::new),
        (a, b) => a.or(b),
    }
}

/// Where no status tells it and the metric is off.
fn age_of_checkpoint(row: &mut Innodb) {
    let ends = row.log_position_bytes.zip(row.checkpoint_position_bytes);
    let age = ends.map(|(end, begin)| end.0.get().saturating_sub(begin.0.get()));
    row.checkpoint_age_bytes = row.checkpoint_age_bytes.or(age.map(|age| Level::new(Bytes::new(age))));
}

/// What the digests, read just before, tell of their table: the one without a name has what found no room.
fn count(info: &mut StatementsInfo, visit: &Visit) {
    let statements = visit.sample.parts.iter().find(|(topic, ..)| *topic == Topic::Statements);
    let Some((.., part)) = statements else { return };
    let unnamed = |row: &&Statement| row.server_digest.is_none();
    let lost = Statement::of(&part.rows).iter().find(unnamed).map_or(0, |row| row.calls.0.get());
    info.lost = Some(Total(Count::new(lost)));
    info.entries = Some(Level::new(Count::new(part.rows.len() as u64)));
}

/// What clients prepare and run in the protocol, MariaDB counts as executions and by no digest: while there are such, its
/// statements do not tell all.
fn tell_executes(row: &Activity, link: &Link, visit: &mut Visit) {
    let executes = row.executes.map_or(0, |executes| executes.0.get());
    let before = std::mem::replace(&mut locked(&link.server.shared.memory).executes, executes);
    if executes > 0 && executes != before && link.digests_no_executes() {
        let why = "statements that clients prepare and run in the protocol are missing: MariaDB makes no digest of them";
        gap(visit, Topic::Statements, &Scope::Server, why.into());
    }
}

/// Does it copy another server? The beat asks, the others know it from there. A server that takes no writes need not
/// be a copy, and a copy may take some.
async fn has_source(link: &mut Link) -> Result<bool, EngineError> {
    let known = locked(&link.server.shared.memory).has_source;
    if let Some(known) = known.filter(|_| link.lane() != Lane::Beat) {
        return Ok(known);
    }
    let rows = Failure::forgive(link.ask("replication_receiver").await)?;
    let found = rows.as_deref().is_some_and(receiver::has_source);
    link.sources = rows;
    locked(&link.server.shared.memory).has_source = Some(found);
    Ok(found)
}

/// Who answers, and in which role: what another server, or the same after a promotion, would not say.
pub async fn ask_identity(link: &mut Link, known: &Known) -> Result<Identity, EngineError> {
    let rows = link.ask("identity").await?;
    let Some(row) = rows.first() else { return Err(EngineError::Unreachable("no identity".into())) };
    let follows = row.whole("follows").unwrap_or_default() > 0;
    link.clock = row.number("now");
    let role = if has_source(link).await? || follows { "standby" } else { "primary" };
    let started = match (row.number("now"), row.number("uptime")) {
        (Some(now), Some(uptime)) => {
            Some(locked(&link.server.shared.memory).life.started(now, uptime, Instant::now()))
        }
        _ => None,
    };
    Ok(Identity {
        server: Name::new(&format!("{role} {}", known.server)),
        started: started.map(Timestamp::new),
        statistics: None,
        database: None,
        statements: None,
    })
}
