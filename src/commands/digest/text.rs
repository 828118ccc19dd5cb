//! The report for a terminal: what cost most first, then what went wrong.

use super::figures::{bytes, count, duration, percent};
use crate::commands::text::{fill, indent, table};
use crate::digest::report::{DeadlockReport, LockChain, Query, Report};
use crate::sql::shorten;

/// So many lines of each list: a page to read, not a data set; that is what the other formats are for.
const LISTED: usize = 10;
/// The most of a fingerprint on a terminal; the digest finds the rest.
const MAX_FINGERPRINT: usize = 600;

pub fn text(report: &Report, width: usize) -> String {
    let mut said = head(report);
    let parts = [
        ("Statements by total time", by_total(report, width)),
        (
            "The slowest by 95th percentile",
            ranked(
                report,
                |query| query.p95_seconds.unwrap_or(0.0),
                |q| duration(q.p95_seconds.unwrap_or(0.0)),
            ),
        ),
        (
            "Most rows examined",
            ranked(report, |query| query.rows_examined as f64, |q| count(q.rows_examined)),
        ),
        (
            "Most spilled to temporary files",
            ranked(
                report,
                |query| query.temp_bytes as f64,
                |q| format!("{} in {} files", bytes(q.temp_bytes), count(q.temp_files)),
            ),
        ),
        ("Plans", plans(report, width)),
        ("Events", events(report)),
        ("Errors by SQLSTATE", errors(report)),
        ("Waits for locks", locks(report)),
        ("Deadlocks", report.deadlocks.iter().take(LISTED).map(|one| deadlock(one, width)).collect()),
        ("Autovacuum", autovacuum(report)),
        ("Checkpoints", checkpoints(report)),
        ("Not in the list", other(report)),
    ];
    for (title, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
        said.push_str(&format!("\n{title}\n{}", indent(&part, 2)));
    }
    said
}

fn head(report: &Report) -> String {
    let when = match (&report.from, &report.to) {
        (Some(from), Some(to)) => format!(", {from} to {to}"),
        _ => String::new(),
    };
    let files = if report.files == 1 { "1 file".to_owned() } else { format!("{} files", report.files) };
    let mut said = format!(
        "{files}, {}, {} entries{when}\n{} statements, {} executions, {}\n",
        bytes(report.bytes),
        count(report.entries),
        count(report.statements as u64),
        count(report.calls()),
        duration(report.total_seconds()),
    );
    for (number, what) in [
        (report.unclassified, "entries of no known class"),
        (report.noise, "pieces that are no entries"),
        (report.left_out, "entries left out by a filter"),
        (report.ours, "entries about dbsonde itself, left out"),
        (report.durations_without_statement, "durations without their statement"),
    ] {
        if number > 0 {
            said.push_str(&format!("{} {what}\n", count(number)));
        }
    }
    said
}

fn by_total(report: &Report, width: usize) -> String {
    let total = report.total_seconds();
    report.queries.iter().zip(1..).map(|(query, rank)| statement(query, rank, total, width)).collect()
}

fn statement(query: &Query, rank: usize, total: f64, width: usize) -> String {
    let time = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), duration);
    let mut said = format!(
        "{rank}. {}  {} ({})  {} calls\n   mean {}  p50 {}  p95 {}  p99 {}  max {}\n",
        query.digest,
        duration(query.total_seconds),
        percent(query.total_seconds, total),
        count(query.calls),
        time(query.mean_seconds),
        time(query.p50_seconds),
        time(query.p95_seconds),
        time(query.p99_seconds),
        time(query.max_seconds),
    );
    let more = notes(query);
    if !more.is_empty() {
        said.push_str(&format!("   {}\n", more.join(", ")));
    }
    let fingerprint = fill(&shorten(&query.fingerprint, MAX_FINGERPRINT), width.saturating_sub(6));
    said + &indent(&fingerprint, 3)
}

fn notes(query: &Query) -> Vec<String> {
    let numbers = [
        (query.rows_examined, "rows examined"),
        (query.rows_sent, "sent"),
        (query.rows_affected, "affected"),
        (query.errors, "errors"),
        (query.plans, "plans"),
        (query.lock_waits, "waits for locks"),
    ];
    let mut notes: Vec<String> =
        numbers.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(*n))).collect();
    if query.lock_seconds > 0.0 {
        notes.push(format!("{} in locks", duration(query.lock_seconds)));
    }
    if query.temp_bytes > 0 {
        notes.push(format!("{} spilled", bytes(query.temp_bytes)));
    }
    for (names, what) in [(&query.databases, "in"), (&query.users, "by")] {
        if !names.is_empty() {
            notes.push(format!("{what} {}", names.join(" ")));
        }
    }
    if query.partial {
        notes.push("there was more of it".to_owned());
    }
    notes
}

/// The shown statements in another order, if that says something.
fn ranked(report: &Report, by: impl Fn(&Query) -> f64, figure: impl Fn(&Query) -> String) -> String {
    let mut queries: Vec<&Query> = report.queries.iter().filter(|query| by(query) > 0.0).collect();
    queries.sort_by(|a, b| by(b).total_cmp(&by(a)));
    let row = |query: &&Query| {
        vec![query.digest.to_string(), figure(query), count(query.calls), shorten(&query.fingerprint, 60)]
    };
    table(&queries.iter().take(LISTED).map(row).collect::<Vec<_>>(), 120)
}

fn plans(report: &Report, width: usize) -> String {
    let mut said = String::new();
    for plan in report.plans.iter().take(LISTED) {
        said.push_str(&format!(
            "{}  plan {}  {} times  mean {}  max {}\n",
            plan.digest.map_or_else(String::new, |digest| digest.to_string()),
            plan.plan,
            count(plan.count),
            duration(plan.total_seconds / plan.count.max(1) as f64),
            duration(plan.max_seconds),
        ));
        for line in plan.shape.lines().take(LISTED) {
            said.push_str(&format!("  {}\n", shorten(line, width)));
        }
    }
    said
}

fn events(report: &Report) -> String {
    let mut events: Vec<_> = report.events.iter().collect();
    events.sort_by(|a, b| b.1.cmp(a.1));
    table(
        &events.into_iter().map(|(class, n)| vec![count(*n), class.replace('_', " ")]).collect::<Vec<_>>(),
        100,
    )
}

fn errors(report: &Report) -> String {
    let row = |state: &crate::digest::report::State| {
        let code = state.sqlstate.clone().unwrap_or_else(|| "?????".to_owned());
        vec![code, state.severity.to_owned(), count(state.count)]
    };
    table(&report.errors.iter().map(row).collect::<Vec<_>>(), 100)
}

fn locks(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .locks
        .iter()
        .map(|lock| {
            let what = format!("{} on {}", lock.mode, lock.object);
            let longest = format!("longest {}", duration(lock.longest_seconds));
            vec![what, format!("{} waits", count(lock.waited)), duration(lock.seconds), longest]
        })
        .collect();
    let chains: String = report.lock_chains.iter().take(LISTED).map(chain).collect();
    table(&rows, 100) + &chains
}

fn chain(chain: &LockChain) -> String {
    let processes: Vec<String> = chain.processes.iter().map(u64::to_string).collect();
    format!(
        "{}  {} on {}  {}, {}  {}\n",
        chain.at.as_deref().unwrap_or("?"),
        chain.mode,
        chain.object,
        duration(chain.seconds),
        chain.outcome,
        processes.join(" waits for "),
    )
}

fn deadlock(deadlock: &DeadlockReport, width: usize) -> String {
    let mut said = format!(
        "{} times, last {}\n",
        count(deadlock.count),
        deadlock.last.as_deref().unwrap_or("at an unknown time")
    );
    for one in &deadlock.participants {
        let statement = one.fingerprint.as_deref().unwrap_or("a statement that cannot be shown");
        let line = format!(
            "{} waits for {} on {}, held by {}: {}",
            one.process,
            one.waits_for,
            one.object,
            one.blocked_by,
            shorten(statement, MAX_FINGERPRINT)
        );
        said.push_str(&indent(&fill(&line, width.saturating_sub(6)), 2));
    }
    said
}

fn autovacuum(report: &Report) -> String {
    let mut tables: Vec<_> = report.autovacuum.iter().collect();
    tables.sort_by_key(|(_, table)| std::cmp::Reverse(table.elapsed_seconds));
    let rows: Vec<Vec<String>> = tables
        .into_iter()
        .take(LISTED)
        .map(|(name, table)| {
            vec![
                name.clone(),
                format!("{} vacuums", count(table.vacuums)),
                format!("{} analyzes", count(table.analyzes)),
                duration(table.elapsed_seconds.seconds()),
                format!(
                    "{} rows removed, at most {} could not be",
                    count(table.tuples_removed),
                    count(table.tuples_dead_max)
                ),
            ]
        })
        .collect();
    table(&rows, 120)
}

fn checkpoints(report: &Report) -> String {
    let all = &report.checkpoints;
    if all.completed == 0 {
        return String::new();
    }
    format!(
        "{} completed, {} buffers written, {} of WAL, {} in all, the longest {}\n",
        count(all.completed),
        count(all.buffers_written),
        bytes(all.distance_bytes),
        duration(all.total_seconds.seconds()),
        duration(all.total_seconds_max.seconds()),
    )
}

fn other(report: &Report) -> String {
    let other = &report.other;
    let mut said = String::new();
    if other.calls + other.statements > 0 {
        said = format!(
            "{} statements and what has no digest: {} executions, {}\n",
            count(other.statements),
            count(other.calls),
            duration(other.total_seconds)
        );
    }
    for (why, some) in &other.reasons {
        let why = why.replace('_', " ");
        said.push_str(&format!(
            "{why}: {} executions, {}\n",
            count(some.calls),
            duration(some.total_seconds)
        ));
    }
    said
}
