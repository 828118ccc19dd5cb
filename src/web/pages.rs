//! `/`: one page for eyes. No script, nothing from elsewhere, and every word that came from outside is escaped.

use super::api::{Cost, costs};
use super::metrics::ages;
use super::plans::planned;
use super::server::{Views, answer};
use crate::board::Report;
use crate::ledger::{Entry, State, by_root};
use crate::model::is_disguise;
use crate::model::{Blocker, Confidence, Fix, Load, Noun, Topic, When};
use axum::extract;
use axum::http::StatusCode;
use axum::response::Response;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};
use std::sync::Arc;

const STYLE: &str = include_str!("style.css");
/// What fits an eye; the API has the rest.
const MAX_FINDINGS: usize = 100;
const MAX_STATEMENTS: usize = 20;
const MAX_WAITS: usize = 12;
const MAX_BLOCKERS: usize = 20;
const MAX_GAPS: usize = 30;

pub async fn style() -> Response {
    answer(StatusCode::OK, "text/css; charset=utf-8", STYLE)
}

pub async fn page(extract::State(views): extract::State<Arc<Views>>) -> Response {
    const HTML: &str = "text/html; charset=utf-8";
    let written = tokio::task::spawn_blocking(move || {
        let board = views.board();
        let reports: Vec<Arc<Report>> = board.reports().collect();
        html(&reports, &board.own, &views.moments.now(&reports))
    });
    match written.await {
        Ok(html) => answer(StatusCode::OK, HTML, html),
        Err(_) => answer(StatusCode::INTERNAL_SERVER_ERROR, HTML, "This page could not be written."),
    }
}

/// Text that is shown as it is, whatever is in it.
struct Plain<'a>(&'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(char)?,
                c if is_disguise(c) => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A length of time as a person says it.
struct Span(f64);

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s if s < 0.001 => write!(f, "{:.0} µs", s * 1e6),
            s if s < 0.1 => write!(f, "{:.1} ms", s * 1e3),
            s if s < 0.95 => write!(f, "{:.0} ms", s * 1e3),
            s if s < 120.0 => write!(f, "{s:.1} s"),
            s if s < 7_200.0 => write!(f, "{:.0} min", s / 60.0),
            s if s < 172_800.0 => write!(f, "{:.1} h", s / 3_600.0),
            s => write!(f, "{:.1} d", s / 86_400.0),
        }
    }
}

pub fn html(reports: &[Arc<Report>], own: &[Entry], now: &When) -> String {
    let mut out = String::with_capacity(32 << 10);
    // Writing into a string has no way to fail.
    let _ = page_of(&mut out, reports, own, now);
    out
}

fn page_of(out: &mut String, reports: &[Arc<Report>], own: &[Entry], now: &When) -> fmt::Result {
    let open: usize = reports.iter().map(|report| report.findings.len()).sum::<usize>() + own.len();
    let down = reports.iter().filter(|report| !report.up).count();
    let title = match (down, open) {
        (0, 0) => "all is well".to_owned(),
        (0, open) => format!("{open} open"),
        (down, _) => format!("{down} down"),
    };
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>dbsonde: {title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <link rel=\"stylesheet\" href=\"style.css\"></head><body>\n\
         <header><h1>dbsonde</h1><small>{}</small><a href=\"metrics\">metrics</a>\
         <a href=\"api/v1/targets\">targets</a><a href=\"api/v1/findings\">findings</a>\
         <a href=\"api/v1/statements\">statements</a><a href=\"api/v1/plans\">plans</a><a href=\"-/ready\">ready</a></header>\n",
        env!("CARGO_PKG_VERSION")
    )?;
    targets(out, reports, now)?;
    findings(out, reports, own, now)?;
    verified(out, reports, now)?;
    for report in reports {
        let many = reports.len() > 1;
        statements(out, report, now, many)?;
        plans(out, report, now, many)?;
        load(out, report, now, many)?;
        blocking(out, report, now, many)?;
    }
    gaps(out, reports)?;
    out.write_str("</body></html>\n")
}

/// Names the target where there is more than one.
fn heading(out: &mut String, title: &str, report: &Report, many: bool, aside: &str) -> fmt::Result {
    let target = if many { format!(" on {}", Plain(&report.target)) } else { String::new() };
    writeln!(out, "<h2>{title}{target}<small>{aside}</small></h2>")
}

fn targets(out: &mut String, reports: &[Arc<Report>], now: &When) -> fmt::Result {
    if reports.is_empty() {
        return out.write_str("<p>No target is configured.</p>\n");
    }
    out.write_str(
        "<h2>Targets</h2>\n<div class=\"scroll\"><table><thead><tr><th>target<th><th>version<th>role<th>rights\
         <th class=\"n\">running<th class=\"n\">newest<th class=\"n\">oldest<th class=\"n\">gaps</tr></thead>\n",
    )?;
    for report in reports {
        let server = &report.server;
        let ages = ages(report, now);
        let span = |age: Option<f64>| age.map_or_else(String::new, |age| Span(age).to_string());
        let state = match (&report.down_because, report.up) {
            (_, true) => "<span class=\"up\">up</span>".to_owned(),
            (Some(why), false) => format!("<span class=\"down\">down</span> {}", Plain(why)),
            (None, false) => "<span class=\"soft\">not tried yet</span>".to_owned(),
        };
        let running = (report.up && server.since > 0.0).then(|| (now.wall - server.since).max(0.0));
        writeln!(
            out,
            "<tr><th>{}<td>{state}<td>{} {}<td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
             <td class=\"n\">{}</tr>",
            Plain(&report.target),
            Plain(server.engine),
            Plain(&server.version),
            Plain(server.role),
            Plain(server.tier),
            span(running),
            span(ages.values().copied().min_by(f64::total_cmp)),
            span(ages.values().copied().max_by(f64::total_cmp)),
            report.snapshot.gaps.len(),
        )?;
    }
    out.write_str("</table></div>\n")
}

fn findings(out: &mut String, reports: &[Arc<Report>], own: &[Entry], now: &When) -> fmt::Result {
    let all = reports.iter().flat_map(|report| report.findings.iter()).chain(own);
    let mut all: Vec<&Entry> = all.collect();
    all.sort_by(|a, b| b.finding.severity.cmp(&a.finding.severity).then(a.opened_at.total_cmp(&b.opened_at)));
    let roots = by_root(&all);
    let silenced = all.iter().filter(|entry| entry.state == State::Silenced).count();
    let aside = if silenced == 0 { String::new() } else { format!("{silenced} silenced") };
    writeln!(out, "<h2>Findings<small>{aside}</small></h2>")?;
    if roots.is_empty() {
        return out.write_str("<p class=\"calm\">Nothing found.</p>\n");
    }
    for (entry, parts) in roots.iter().take(MAX_FINDINGS) {
        finding(out, entry, parts, reports.len() > 1, now)?;
    }
    if roots.len() > MAX_FINDINGS {
        writeln!(out, "<p><a href=\"api/v1/findings\">{} more</a></p>", roots.len() - MAX_FINDINGS)?;
    }
    Ok(())
}

fn finding(out: &mut String, entry: &Entry, parts: &[&Entry], many: bool, now: &When) -> fmt::Result {
    let finding = &entry.finding;
    let severity = finding.severity.name();
    let database = finding.database.as_ref().map(|name| format!(" in {}", Plain(name))).unwrap_or_default();
    let target = if many { format!(" on {}", Plain(&entry.target)) } else { String::new() };
    let doubt = match finding.confidence {
        Confidence::Measured => "",
        Confidence::Estimated => " (estimated)",
        Confidence::Unverified => " (not verified)",
    };
    writeln!(
        out,
        "<article class=\"{severity}\"><h3><span class=\"severity\">{severity}</span> {}{database}{target}\
         <small>{} · open for {}</small></h3>\n<p>{}{doubt}</p>\n<p>{}</p>",
        Plain(&finding.subject),
        Plain(&finding.rule),
        Span((now.wall - entry.opened_at).max(0.0)),
        Plain(&finding.because),
        Plain(&finding.advice),
    )?;
    if let Some(fix) = &finding.fix {
        mending(out, fix)?;
    }
    for part in parts.iter().map(|part| &part.finding) {
        writeln!(out, "<p class=\"soft\">{}</p>", Plain(&part.as_part()))?;
    }
    out.write_str("</article>\n")
}

/// What is over, and whether it helped.
fn verified(out: &mut String, reports: &[Arc<Report>], now: &When) -> fmt::Result {
    let all = reports.iter().flat_map(|report| report.verified.iter());
    let judged: Vec<_> =
        all.filter_map(|entry| Some((entry, entry.verdict.as_ref()?))).take(MAX_STATEMENTS).collect();
    if judged.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>What became of it<small>findings that are over</small></h2>\n<ul>")?;
    for (entry, verdict) in judged {
        writeln!(
            out,
            "<li><b>{}</b> {} of {}: {} <span class=\"soft\">{} ago</span></li>",
            verdict.outcome.name(),
            Plain(&entry.finding.rule),
            Plain(&entry.finding.subject),
            Plain(&verdict.because),
            Span((now.wall - entry.resolved_at.unwrap_or(now.wall)).max(0.0)),
        )?;
    }
    out.write_str("</ul>\n")
}

fn mending(out: &mut String, fix: &Fix) -> fmt::Result {
    let script = |steps: &[String]| format!("<pre>{}</pre>", Plain(&steps.join("\n")));
    let mut conditions = Vec::new();
    if !fix.lock.is_empty() {
        conditions.push(format!("takes {}", fix.lock));
    }
    if !fix.blocks.is_empty() {
        conditions.push(format!("blocks {}", fix.blocks));
    }
    if !fix.transactional {
        conditions.push("not inside a transaction".to_owned());
    }
    writeln!(
        out,
        "<details><summary>how to mend it</summary><p class=\"soft\">{}</p>",
        Plain(&conditions.join("; "))
    )?;
    out.write_str(&script(&fix.sql))?;
    if !fix.caution.is_empty() {
        write!(out, "<p>Caution: {}</p>", Plain(&fix.caution))?;
    }
    if !fix.rollback.is_empty() {
        write!(out, "<p class=\"soft\">the way back</p>{}", script(&fix.rollback))?;
    }
    out.write_str("</details>\n")
}

fn statements(out: &mut String, report: &Report, now: &When, many: bool) -> fmt::Result {
    let costs = costs(report, now, None);
    let all: f64 = costs.iter().map(|cost| cost.weight).sum();
    let busy: Vec<&Cost> = costs.iter().filter(|cost| cost.weight > 0.0).take(MAX_STATEMENTS).collect();
    let Some(first) = busy.first() else { return Ok(()) };
    let aside = format!("by execution time, over the last {}", Span(first.window_seconds));
    heading(out, "Statements", report, many, &aside)?;
    let told = busy.iter().any(|cost| cost.latency.is_some());
    writeln!(
        out,
        "<div class=\"scroll\"><table><thead><tr><th>share<th class=\"n\">time<th class=\"n\">calls\
         <th class=\"n\">mean{}<th>statement<th>database<th>user</tr></thead>",
        if told {
            "<th class=\"n\" title=\"95 of 100 took no longer, within the last minute or so\">p95"
        } else {
            ""
        }
    )?;
    for cost in busy {
        let p95 = cost.latency.as_ref().map(|latency| Span(latency.p95_seconds.float()).to_string());
        let p95 = if told { format!("<td class=\"n\">{}", p95.unwrap_or_default()) } else { String::new() };
        let (share, calls) = (cost.weight / all, cost.value("calls").unwrap_or_default());
        let text = cost.fingerprint.as_deref().unwrap_or("text not known");
        let mean = if calls > 0.0 { Span(cost.weight / calls).to_string() } else { String::new() };
        writeln!(
            out,
            "<tr><td><meter value=\"{share:.3}\" max=\"1\"></meter> {:.0} %<td class=\"n\">{}<td class=\"n\">{calls}\
             <td class=\"n\">{mean}{p95}<td><code>{}</code><td>{}<td>{}</tr>",
            share * 100.0,
            Span(cost.weight),
            Plain(&crate::sql::shorten(text, 400)),
            Plain(cost.database.as_deref().unwrap_or_default()),
            Plain(cost.user.as_deref().unwrap_or_default()),
        )?;
    }
    out.write_str("</table></div>\n")
}

fn plans(out: &mut String, report: &Report, now: &When, many: bool) -> fmt::Result {
    let all = planned(report);
    let known: Vec<_> = all.iter().filter(|planned| planned.is_known()).take(MAX_STATEMENTS).collect();
    if known.is_empty() {
        return Ok(());
    }
    heading(
        out,
        "Plans",
        report,
        many,
        "of the statements that matter, whatever their values, the present one first; and what single runs did, as the log shows it",
    )?;
    for planned in known {
        let text = planned.fingerprint.as_deref().unwrap_or("text not known");
        writeln!(
            out,
            "<details><summary><code>{}</code> <small>{} in {}, {} known</small></summary>",
            Plain(&crate::sql::shorten(text, 400)),
            planned.digest,
            Plain(&planned.database),
            planned.shapes.len() + planned.logged.len(),
        )?;
        for shown in &planned.shapes {
            let mean = shown.mean_seconds.map_or_else(String::new, |mean| format!(", {} each", Span(mean)));
            let age = Span((now.wall - shown.since).max(0.0));
            writeln!(
                out,
                "<p class=\"soft\">since {age} ago, {:.0} runs{mean}</p><pre>{}</pre>",
                shown.calls,
                Plain(&shown.steps)
            )?;
        }
        for run in &planned.logged {
            let age = Span((now.wall - run.at).max(0.0));
            writeln!(
                out,
                "<p class=\"soft\">a run of {}, logged {age} ago</p><pre>{}</pre>",
                Span(run.seconds),
                Plain(&run.steps)
            )?;
        }
        out.write_str("</details>\n")?;
    }
    Ok(())
}

fn load(out: &mut String, report: &Report, now: &When, many: bool) -> fmt::Result {
    let (mut waits, mut seconds): (BTreeMap<&str, f64>, f64) = (BTreeMap::new(), 0.0);
    for (_, stretch, rows) in report.window.stretches_of::<Load>() {
        if !report.up || report.is_stale(Topic::Load, &stretch.to, now) {
            continue;
        }
        seconds = f64::max(seconds, stretch.seconds);
        for row in rows {
            *waits.entry(&row.wait).or_default() += row.session_seconds.float();
        }
    }
    let all: f64 = waits.values().sum();
    if seconds <= 0.0 || all <= 0.0 {
        return Ok(());
    }
    let mut waits: Vec<(&str, f64)> = waits.into_iter().filter(|(_, time)| *time > 0.0).collect();
    waits.sort_by(|a, b| b.1.total_cmp(&a.1));
    heading(out, "Load", report, many, &format!("average active sessions over the last {}", Span(seconds)))?;
    out.write_str(
        "<div class=\"scroll\"><table><thead><tr><th>share<th class=\"n\">sessions<th>doing</tr></thead>\n",
    )?;
    for (wait, time) in waits.into_iter().take(MAX_WAITS) {
        writeln!(
            out,
            "<tr><td><meter value=\"{:.3}\" max=\"1\"></meter> {:.0} %<td class=\"n\">{:.2}<td>{}</tr>",
            time / all,
            time / all * 100.0,
            time / seconds,
            Plain(wait)
        )?;
    }
    out.write_str("</table></div>\n")
}

fn blocking(out: &mut String, report: &Report, now: &When, many: bool) -> fmt::Result {
    let parts = report.snapshot.parts_of(Topic::Blockers);
    let fresh = parts.filter(|(_, part)| report.up && !report.is_stale(Topic::Blockers, &part.taken, now));
    let mut rows: Vec<&Blocker> =
        fresh.flat_map(|(_, part)| <Blocker as crate::model::InTopic>::of(&part.rows)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_by(|a, b| b.victims.float().total_cmp(&a.victims.float()).then_with(|| a.key().cmp(&b.key())));
    heading(out, "Blocking", report, many, "who keeps whom waiting")?;
    out.write_str(
        "<div class=\"scroll\"><table><thead><tr><th>session<th>state<th class=\"n\">keeps waiting\
         <th class=\"n\">longest<th class=\"n\">lost<th>for<th>who waits for whom</tr></thead>\n",
    )?;
    for row in rows.into_iter().take(MAX_BLOCKERS) {
        writeln!(
            out,
            "<tr><td>{} <span class=\"soft\">{}@{} {}</span><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
             <td>{}<td>{}</tr>",
            row.pid,
            Plain(&row.user),
            Plain(&row.database),
            Plain(&row.application),
            Plain(&row.state),
            row.victims.float(),
            Span(row.longest_wait_seconds.float()),
            Span(row.lost_seconds.float()),
            Plain(&row.lock),
            Plain(&row.tree),
        )?;
    }
    out.write_str("</table></div>\n")
}

fn gaps(out: &mut String, reports: &[Arc<Report>]) -> fmt::Result {
    let all: Vec<(&Arc<Report>, _)> =
        reports.iter().flat_map(|report| report.snapshot.gaps.iter().map(move |gap| (report, gap))).collect();
    if all.is_empty() {
        return Ok(());
    }
    let places = if all.len() == 1 { "place" } else { "places" };
    writeln!(out, "<h2>Not measured<small>{} {places}</small></h2>\n<ul>", all.len())?;
    for (report, ((topic, scope), reason)) in all.iter().take(MAX_GAPS) {
        let target = if reports.len() > 1 { format!("{}: ", Plain(&report.target)) } else { String::new() };
        writeln!(out, "<li>{target}{} of {}: {}", topic.name(), Plain(&scope.to_string()), Plain(reason))?;
    }
    out.write_str("</ul>\n")?;
    if all.len() > MAX_GAPS {
        writeln!(out, "<p><a href=\"api/v1/gaps\">{} more</a></p>", all.len() - MAX_GAPS)?;
    }
    Ok(())
}
