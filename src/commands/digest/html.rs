//! The report as one HTML file that needs nothing else: pictures are drawn as SVG, everything from outside is
//! escaped, and there is no script.

use super::figures::{bytes, count, duration, percent};
use crate::commands::page::escape;
use crate::digest::report::{Query, Report};

const STYLE: &str = include_str!("report.css");
/// Bars in the picture of load over time.
const BARS: usize = 120;

pub fn html(report: &Report) -> String {
    let total = report.total_seconds();
    let queries: String =
        report.queries.iter().zip(1..).map(|(query, rank)| article(query, rank, total)).collect();
    let title = "What the logs say";
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style></head>\n\
         <body>\n<h1>{title}</h1>\n<p>{}</p>\n{}{}<h2>Statements by total time</h2>\n{queries}{}{}{}{}</body></html>\n",
        escape(&summary(report)),
        load(report),
        shares(report, total),
        events(report),
        locks(report),
        deadlocks(report),
        upkeep(report),
    )
}

fn summary(report: &Report) -> String {
    let when = match (&report.from, &report.to) {
        (Some(from), Some(to)) => format!(" from {from} to {to}"),
        _ => String::new(),
    };
    format!(
        "{} in {} files, {} entries{when}. {} statements, {} executions, {}. {} entries of no known class.",
        bytes(report.bytes),
        report.files,
        count(report.entries),
        count(report.statements as u64),
        count(report.calls()),
        duration(report.total_seconds()),
        count(report.unclassified),
    )
}

/// Seconds of statements that ended in each stretch of time.
fn load(report: &Report) -> String {
    let (Some((first, _)), Some((last, _))) =
        (report.minutes.first_key_value(), report.minutes.last_key_value())
    else {
        return String::new();
    };
    let minutes = (last - first).max(0) as usize / BARS + 1;
    let mut bars = vec![0.0; (last - first).max(0) as usize / minutes + 1];
    for (minute, (_, micros)) in &report.minutes {
        if let Some(bar) = bars.get_mut((minute - first) as usize / minutes) {
            *bar += *micros as f64 / 1e6;
        }
    }
    let about =
        format!("Time spent in statements, by {minutes} min; the highest is {}", duration(highest(&bars)));
    figure(&about, &bars)
}

fn highest(bars: &[f64]) -> f64 {
    bars.iter().copied().fold(0.0, f64::max)
}

fn figure(about: &str, bars: &[f64]) -> String {
    const HEIGHT: f64 = 60.0;
    let most = highest(bars);
    let wide = 600.0 / bars.len().max(1) as f64;
    let bar = |(nth, value): (usize, &f64)| {
        let high = if most > 0.0 { value / most * HEIGHT } else { 0.0 };
        let (x, y) = (nth as f64 * wide, HEIGHT - high);
        format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{high:.1}\"/>",
            (wide - 1.0).max(0.5)
        )
    };
    let drawn: String = bars.iter().enumerate().map(bar).collect();
    format!(
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 600 {HEIGHT}\" role=\"img\">{drawn}</svg></figure>\n",
        escape(about)
    )
}

/// Who takes which part of the time.
fn shares(report: &Report, total: f64) -> String {
    let bar = |query: &Query| {
        format!(
            "<tr><td><a href=\"#{0}\">{0}</a></td><td class=\"n\">{1}</td><td><meter max=\"1\" value=\"{2:.4}\"></meter></td>\
             <td><code>{3}</code></td></tr>\n",
            query.digest,
            percent(query.total_seconds, total),
            if total > 0.0 { query.total_seconds / total } else { 0.0 },
            escape(&crate::sql::shorten(&query.fingerprint, 90)),
        )
    };
    let rows: String = report.queries.iter().take(10).map(bar).collect();
    format!("<h2>Where the time goes</h2>\n<table>{rows}</table>\n")
}

fn article(query: &Query, rank: usize, total: f64) -> String {
    let time = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), duration);
    let cells = [
        ("total", format!("{} ({})", duration(query.total_seconds), percent(query.total_seconds, total))),
        ("calls", count(query.calls)),
        ("mean", time(query.mean_seconds)),
        ("p50", time(query.p50_seconds)),
        ("p95", time(query.p95_seconds)),
        ("p99", time(query.p99_seconds)),
        ("max", time(query.max_seconds)),
        ("rows examined", count(query.rows_examined)),
        ("rows sent", count(query.rows_sent)),
        ("locks", duration(query.lock_seconds)),
        ("spilled", bytes(query.temp_bytes)),
        ("errors", count(query.errors)),
    ];
    let cells: String =
        cells.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>")).collect();
    let octaves: Vec<f64> = spread(&query.octaves);
    let about = match (query.octaves.first(), query.octaves.last()) {
        (Some((low, _)), Some((high, _))) => {
            format!(
                "executions from {} to {}",
                duration(2f64.powi(*low as i32) / 1e6),
                duration(2f64.powi(*high as i32 + 1) / 1e6)
            )
        }
        _ => "no executions".to_owned(),
    };
    format!(
        "<article id=\"{digest}\"><h3>{rank}. {digest}</h3>\n<pre>{}</pre>\n<dl>{cells}</dl>\n{}<p><small>{}</small></p></article>\n",
        escape(&query.fingerprint),
        figure(&about, &octaves),
        escape(&whose(query)),
        digest = query.digest,
    )
}

/// Every octave between the first and the last, also those without a call.
fn spread(octaves: &[(u32, u64)]) -> Vec<f64> {
    let (Some((low, _)), Some((high, _))) = (octaves.first(), octaves.last()) else { return Vec::new() };
    let calls = |octave: u32| octaves.iter().find(|(at, _)| *at == octave).map_or(0.0, |(_, n)| *n as f64);
    (*low..=*high).map(calls).collect()
}

fn whose(query: &Query) -> String {
    let lists =
        [("databases", &query.databases), ("users", &query.users), ("applications", &query.applications)];
    let said: Vec<String> = lists
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {}", names.join(", ")))
        .collect();
    said.join(" · ")
}

fn events(report: &Report) -> String {
    let mut events: Vec<_> = report.events.iter().collect();
    events.sort_by(|a, b| b.1.cmp(a.1));
    let row =
        |name: &str, n: u64| format!("<tr><td>{}</td><td class=\"n\">{}</td></tr>\n", escape(name), count(n));
    let rows: String = events.into_iter().map(|(class, n)| row(&class.replace('_', " "), *n)).collect();
    let errors: String = report
        .errors
        .iter()
        .map(|state| {
            row(&format!("{} {}", state.severity, state.sqlstate.as_deref().unwrap_or("?")), state.count)
        })
        .collect();
    format!("<h2>Events</h2>\n<table>{rows}</table>\n<h2>Errors by SQLSTATE</h2>\n<table>{errors}</table>\n")
}

fn locks(report: &Report) -> String {
    let row = |chain: &crate::digest::report::LockChain| {
        let processes: Vec<String> = chain.processes.iter().map(u64::to_string).collect();
        format!(
            "<tr><td>{}</td><td>{} on {}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>\n",
            escape(chain.at.as_deref().unwrap_or("?")),
            escape(&chain.mode),
            escape(&chain.object),
            duration(chain.seconds),
            chain.outcome,
            escape(&processes.join(" → ")),
        )
    };
    let rows: String = report.lock_chains.iter().take(20).map(row).collect();
    if rows.is_empty() {
        rows
    } else {
        format!("<h2>The longest waits for locks</h2>\n<table>{rows}</table>\n")
    }
}

fn deadlocks(report: &Report) -> String {
    let one = |deadlock: &crate::digest::report::DeadlockReport| {
        let rows: String = deadlock
            .participants
            .iter()
            .map(|one| {
                format!(
                    "<li>{} waits for {} on {}, held by {}: <code>{}</code></li>\n",
                    one.process,
                    escape(&one.waits_for),
                    escape(&one.object),
                    one.blocked_by,
                    escape(one.fingerprint.as_deref().unwrap_or("?")),
                )
            })
            .collect();
        format!("<p>{} times</p><ul>{rows}</ul>\n", count(deadlock.count))
    };
    let said: String = report.deadlocks.iter().take(20).map(one).collect();
    if said.is_empty() { said } else { format!("<h2>Deadlocks</h2>\n{said}") }
}

fn upkeep(report: &Report) -> String {
    let row = |(name, table): (&String, &crate::digest::upkeep::Table)| {
        format!(
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            escape(name),
            count(table.vacuums),
            count(table.analyzes),
            duration(table.elapsed_seconds.seconds()),
        )
    };
    let rows: String = report.autovacuum.iter().take(50).map(row).collect();
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<h2>Autovacuum</h2>\n<table><tr><th>table</th><th>vacuums</th><th>analyzes</th><th>time</th></tr>{rows}</table>\n"
    )
}
