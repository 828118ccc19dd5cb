//! `/api/v1/…`: the board as JSON. The shapes are promises that scripts rely on.

use super::metrics::ages;
use super::plans::{Planned, planned};
use super::server::{Views, answer, failed};
use crate::board::{Board, Report};
use crate::ledger::Entry;
use crate::model::{
    Digest, Gap, InTopic, Latency, Name, Noun, Row, Severity, Statement, Topic, When, Window,
};
use crate::tally::Merge;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Statements in one answer: the heaviest. More of them is a file of megabytes that nobody reads.
const MAX_STATEMENTS: usize = 5_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    target: Option<String>,
    /// `/api/v1/statements` only: how far back, `30s`, `15m`, `1d`.
    span: Option<String>,
    limit: Option<usize>,
}

/// What is wrong with a request.
#[derive(Debug)]
pub struct Refusal(StatusCode, String);

pub type Answer<T> = Result<T, Refusal>;

/// From the reports of the chosen targets, and what is found about ourselves.
pub type Work<T> = fn(&[Arc<Report>], &[Entry], &When, &Asked) -> Answer<T>;

/// Works out an answer aside, because it may take longer than a task should hold its thread.
pub async fn answered<T: Serialize + Send + 'static>(
    views: Arc<Views>,
    asked: Result<Query<Asked>, QueryRejection>,
    work: Work<T>,
) -> Response {
    let Ok(Query(asked)) = asked else {
        return failed(
            StatusCode::BAD_REQUEST,
            "the parameters are target, and for statements span and limit",
        );
    };
    let done = tokio::task::spawn_blocking(move || {
        let board = views.board();
        let reports = chosen(&board, asked.target.as_deref())?;
        let now = views.moments.now(&reports);
        let own = if asked.target.is_none() { &*board.own } else { &[] };
        let value = work(&reports, own, &now, &asked)?;
        serde_json::to_vec(&value)
            .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    });
    match done.await {
        Ok(Ok(body)) => answer(StatusCode::OK, "application/json", body),
        Ok(Err(Refusal(status, why))) => failed(status, &why),
        Err(_) => failed(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be worked out"),
    }
}

fn chosen(board: &Board, target: Option<&str>) -> Answer<Vec<Arc<Report>>> {
    let Some(target) = target else { return Ok(board.reports().collect()) };
    let report = board.report(target);
    report
        .map(|r| vec![r])
        .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, format!("no target is named {target:?}")))
}

pub async fn targets(
    State(views): State<Arc<Views>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    answered(views, asked, |reports, _, now, _| {
        Ok(reports.iter().map(|r| Target::of(r, now)).collect::<Vec<_>>())
    })
    .await
}

pub async fn findings(
    State(views): State<Arc<Views>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    answered(views, asked, |reports, own, _, _| {
        let of_targets = reports.iter().flat_map(|report| report.findings.iter());
        let mut findings: Vec<Entry> = of_targets.chain(own).cloned().collect();
        findings.sort_by(|a, b| b.finding.severity.cmp(&a.finding.severity).then_with(|| a.id.cmp(&b.id)));
        let verified = reports.iter().flat_map(|report| report.verified.iter()).cloned().collect();
        Ok(Findings { findings, verified, gaps: all_gaps(reports) })
    })
    .await
}

pub async fn gaps(State(views): State<Arc<Views>>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    answered(views, asked, |reports, _, _, _| Ok(all_gaps(reports))).await
}

pub async fn statements(
    State(views): State<Arc<Views>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    answered(views, asked, |reports, _, now, asked| {
        let span = asked.span.as_deref().map(parse_span).transpose()?;
        let limit = asked.limit.unwrap_or(MAX_STATEMENTS).min(MAX_STATEMENTS);
        let mut all: Vec<Cost> = reports.iter().flat_map(|report| costs(report, now, span)).collect();
        all.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        all.truncate(limit);
        Ok(all)
    })
    .await
}

pub async fn plans(State(views): State<Arc<Views>>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    answered(views, asked, |reports, _, _, asked| {
        let limit = asked.limit.unwrap_or(MAX_STATEMENTS).min(MAX_STATEMENTS);
        let mut all: Vec<Planned> = reports.iter().flat_map(|report| planned(report)).collect();
        all.truncate(limit);
        Ok(all)
    })
    .await
}

fn parse_span(text: &str) -> Answer<Duration> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let why = || {
        Refusal(StatusCode::BAD_REQUEST, format!("span {text:?} is no length of time such as 30s, 15m or 1d"))
    };
    seconds.or_else(|| humantime::parse_duration(text).ok()).ok_or_else(why)
}

#[derive(Debug, Serialize)]
struct Target {
    name: String,
    engine: &'static str,
    version: String,
    role: &'static str,
    up: bool,
    down_because: Option<String>,
    /// When the server was started, in unix seconds.
    since: f64,
    ages: BTreeMap<Topic, f64>,
    tier: &'static str,
    gaps: usize,
    findings: BTreeMap<&'static str, usize>,
}

impl Target {
    fn of(report: &Report, now: &When) -> Target {
        let server = &report.server;
        let of = |severity: Severity| {
            let count = report.findings.iter().filter(|entry| entry.finding.severity == severity).count();
            (severity.name(), count)
        };
        Target {
            name: report.target.to_string(),
            engine: server.engine,
            version: server.version.clone(),
            role: server.role,
            up: report.up,
            down_because: report.down_because.clone(),
            since: server.since,
            ages: ages(report, now),
            tier: server.tier,
            gaps: report.snapshot.gaps.len(),
            findings: Severity::ALL.into_iter().map(of).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Findings {
    findings: Vec<Entry>,
    /// What is over, and whether it helped.
    verified: Vec<Entry>,
    gaps: Vec<Missing>,
}

#[derive(Debug, Serialize)]
struct Missing {
    target: String,
    scope: String,
    topic: &'static str,
    reason: String,
}

fn all_gaps(reports: &[Arc<Report>]) -> Vec<Missing> {
    let of = |report: &Arc<Report>| {
        let target = report.target.to_string();
        let gaps = report.snapshot.gaps.iter().map(|((topic, scope), reason)| Gap {
            topic: *topic,
            scope: scope.clone(),
            reason: reason.clone(),
        });
        let missing = gaps.map(|gap| Missing {
            target: target.clone(),
            scope: gap.scope.to_string(),
            topic: gap.topic.name(),
            reason: gap.reason,
        });
        missing.collect::<Vec<_>>()
    };
    reports.iter().flat_map(of).collect()
}

/// What one statement of one user in one database cost within a window.
#[derive(Debug, Clone)]
pub struct Cost {
    pub target: String,
    pub digest: Option<Digest>,
    pub fingerprint: Option<String>,
    pub database: Option<String>,
    pub user: Option<String>,
    pub window_seconds: f64,
    /// In the order of `Statement::METRICS`; not a number where it is unknown.
    pub values: Vec<f64>,
    pub weight: f64,
    /// How long it took when its server last told, whoever sent it: only with the newest window.
    pub latency: Option<Latency>,
    /// The server's own ids that it is counted under.
    server_digests: BTreeSet<i64>,
}

impl Cost {
    pub fn value(&self, field: &str) -> Option<f64> {
        let nth = Statement::METRICS.iter().position(|metric| metric.field == field)?;
        self.values.get(nth).copied().filter(|value| !value.is_nan())
    }
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("target", &self.target)?;
        map.serialize_entry("digest", &self.digest)?;
        map.serialize_entry("fingerprint", &self.fingerprint)?;
        map.serialize_entry("database", &self.database)?;
        map.serialize_entry("user", &self.user)?;
        map.serialize_entry("window_seconds", &self.window_seconds)?;
        for (metric, value) in
            Statement::METRICS.iter().zip(&self.values).filter(|(_, value)| !value.is_nan())
        {
            // Counts are whole numbers in JSON too.
            if value.fract() == 0.0
                && value.abs() < 9e15
                && (metric.unit.is_empty() || metric.unit == "_bytes")
            {
                map.serialize_entry(metric.field, &(*value as i64))?;
            } else {
                map.serialize_entry(metric.field, value)?;
            }
        }
        // One is the rule.
        if self.server_digests.len() > 1 {
            map.serialize_entry("server_statements", &self.server_digests.len())?;
        }
        if let Some(latency) = &self.latency {
            map.serialize_entry("p50_seconds", &latency.p50_seconds.float())?;
            map.serialize_entry("p95_seconds", &latency.p95_seconds.float())?;
            map.serialize_entry("p99_seconds", &latency.p99_seconds.float())?;
        }
        map.end()
    }
}

/// Every statement that ran in the newest window, or of the shortest that is as long as `span`, the heaviest first.
pub fn costs(report: &Report, now: &When, span: Option<Duration>) -> Vec<Cost> {
    let Some(window) = window(report, span) else { return Vec::new() };
    let merges: Vec<Merge> = Statement::METRICS.iter().map(Merge::of).collect();
    // They speak of the last minute or so, and of no longer time.
    let latencies =
        if std::ptr::eq(window, &report.window) { latencies(report, now) } else { HashMap::new() };
    let mut all: HashMap<_, Cost> = HashMap::new();
    for (_, stretch, rows) in window.stretches_of::<Statement>() {
        // What was true once is not sold as new.
        if !report.up || report.is_stale(Topic::Statements, &stretch.to, now) {
            continue;
        }
        for row in rows {
            let cost = all.entry((row.digest, &row.database, &row.user)).or_insert_with(|| Cost {
                target: report.target.to_string(),
                digest: row.digest,
                fingerprint: row
                    .digest
                    .and_then(|digest| report.texts.fingerprint(digest))
                    .map(str::to_owned),
                database: row.database.as_ref().map(ToString::to_string),
                user: row.user.as_ref().map(ToString::to_string),
                window_seconds: stretch.seconds,
                values: vec![f64::NAN; merges.len()],
                weight: 0.0,
                server_digests: BTreeSet::new(),
                latency: latencies.get(&(row.digest, &row.database)).map(|row| (*row).clone()),
            });
            cost.weight += row.weight();
            cost.server_digests.extend(row.server_digest);
            for (nth, (value, merge)) in cost.values.iter_mut().zip(&merges).enumerate() {
                if let Some(fact) = row.fact(nth) {
                    merge.apply(value, fact);
                }
            }
        }
    }
    let mut costs: Vec<Cost> = all.into_values().collect();
    costs.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.digest.cmp(&b.digest)));
    costs
}

fn latencies<'a>(report: &'a Report, now: &When) -> HashMap<(Option<Digest>, &'a Option<Name>), &'a Latency> {
    let parts = report.snapshot.parts_of(Topic::Latencies);
    let fresh = parts.filter(|(_, part)| !report.is_stale(Topic::Latencies, &part.taken, now));
    fresh
        .flat_map(|(_, part)| Latency::of(&part.rows))
        .map(|row| ((row.digest, &row.database), row))
        .collect()
}

/// The shortest window of statements that is as long as asked for, else the longest there is.
fn window(report: &Report, span: Option<Duration>) -> Option<&Window> {
    let Some(span) = span else { return Some(&report.window) };
    let length = |window: &Window| {
        let lengths = window.stretches_of::<Statement>().map(|(_, stretch, _)| stretch.seconds);
        lengths.fold(None, |longest: Option<f64>, seconds| Some(longest.map_or(seconds, |l| l.max(seconds))))
    };
    let windows = std::iter::once(&report.window).chain(report.ladder.iter());
    let mut known: Vec<(f64, &Window)> =
        windows.filter_map(|window| Some((length(window)?, window))).collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let long_enough = known.iter().find(|(seconds, _)| *seconds >= span.as_secs_f64());
    long_enough.or(known.last()).map(|(_, window)| *window)
}
