//! `/metrics`: computed from the board when it is scraped. Nothing here runs SQL and nothing sets a metric, so no
//! series outlives what it speaks of: a part that is too old, or a target that is down, has none.

use super::exposition::{Family, Format, Type, Writer, write_label};
use crate::board::Report;
use crate::model::{Digest, Kind, Metric, Name, Scope, Topic, When};
use crate::tally::{OTHER, Series};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes of a statement shown as a label.
const MAX_FINGERPRINT: usize = 200;

/// A metric of ours, beside those of the nouns.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    pub name: &'static str,
    pub kind: Type,
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

macro_rules! own {
    ($($(#[doc = $help:literal])+ $id:ident = $kind:ident $name:literal $(in $unit:literal)? by [$($label:literal),*];)+) => {
        $(const $id: Own = Own {
            name: $name,
            kind: Type::$kind,
            unit: concat!($($unit)?),
            labels: &[$($label),*],
            help: concat!($($help),+).trim_ascii(),
        };)+
        /// Every metric of a target that does not come from a noun.
        pub const OWN: &[Own] = &[$($id,)+];
    };
}

own! {
    /// Does the target answer us? 1 if it does.
    UP = Gauge "dbsonde_target_up" by ["target"];
    /// What the target is.
    INFO = Info "dbsonde_target" by ["target", "engine", "version", "role"];
    /// When the certificate ends that the target has shown us. Absent where the connection is not encrypted.
    CERTIFICATE = Gauge "dbsonde_target_certificate_expires_timestamp_seconds" in "seconds" by ["target"];
    /// When we began to watch the target: the birth of all its totals.
    WATCH_START = Gauge "dbsonde_watch_start_time_seconds" in "seconds" by ["target"];
    /// Age of what we know of a topic, of the oldest part of it.
    AGE = Gauge "dbsonde_snapshot_age_seconds" in "seconds" by ["target", "topic"];
    /// Did the last reading succeed? 1 if it did.
    SUCCESS = Gauge "dbsonde_collector_success" by ["target", "collector"];
    /// How long the last reading took.
    DURATION = Gauge "dbsonde_collector_duration_seconds" in "seconds" by ["target", "collector"];
    /// Open findings.
    FINDINGS = Gauge "dbsonde_findings" by ["target", "rule", "severity"];
    /// Places of a topic that could not be read, wholly or in part; /api/v1/gaps has the reasons.
    GAPS = Gauge "dbsonde_gaps" by ["target", "topic"];
    /// Times the numbers of a topic did not go on from the reading before: a reset, a restart, other rights, another
    /// server. What happened in between is in no total.
    BREAKS = Counter "dbsonde_window_breaks" by ["target", "topic"];
    /// What watching costs the target: its own word where it gives one, else how long we waited for its answers.
    COST = Counter "dbsonde_watch_cost_seconds" in "seconds" by ["target", "source"];
    /// How many times longer than configured each pace is now, to keep within our budget of load; 0 while it rests.
    STRETCH = Gauge "dbsonde_watch_stretch_ratio" in "ratio" by ["target", "pace"];
    /// The text behind a digest, without its literals.
    STATEMENT = Info "dbsonde_statement" by ["target", "digest", "fingerprint"];
    /// Label sets that have no series of their own and count in `other`.
    HIDDEN = Gauge "dbsonde_series_hidden" by ["target", "topic"];
    /// Series of the target in this answer, this one left out.
    SERIES = Gauge "dbsonde_series" by ["target"];
    /// The most series that the target may have.
    BUDGET = Gauge "dbsonde_series_budget" by ["target"];
}

impl Own {
    fn family(&self) -> Family<'static> {
        Family { name: self.name, kind: self.kind, unit: self.unit, help: self.help }
    }

    pub fn metric_name(&self) -> String {
        format!("{}{}", self.name, self.kind.suffix())
    }
}

/// One target in one answer.
struct Target<'a> {
    report: &'a Report,
    /// What it may still write.
    left: usize,
    written: usize,
}

impl Target<'_> {
    fn may_write(&mut self) -> bool {
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        self.written += usize::from(may);
        may
    }

    /// `target`, the given labels, and the operator's own; where a name is taken his gets another one.
    fn labels<'b>(&self, pairs: impl IntoIterator<Item = (&'b str, &'b str)>) -> Vec<u8> {
        let mut labels = Vec::with_capacity(160);
        let mut taken = vec!["target"];
        write_label(&mut labels, "target", &self.report.target);
        for (name, value) in pairs {
            taken.push(name);
            write_label(&mut labels, name, value);
        }
        for (name, value) in self.report.labels.iter().filter(|(name, _)| is_label(name)) {
            if taken.contains(&name.as_str()) {
                write_label(&mut labels, &format!("operator_{name}"), value);
            } else {
                write_label(&mut labels, name, value);
            }
        }
        labels
    }
}

fn is_label(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.starts_with("__")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Everything, in the order in which a reader wants it: is it up, how old, what is wrong, then the numbers.
pub fn render(reports: &[Arc<Report>], now: &When, writer: &mut Writer) {
    let mut targets: Vec<Target<'_>> = reports
        .iter()
        .map(|report| {
            // One is kept for the number of series itself.
            let left = report.tally.budget().saturating_sub(1);
            Target { report, left, written: 0 }
        })
        .collect();
    about_targets(writer, &mut targets, now);
    for topic in Topic::ALL {
        noun(writer, &mut targets, *topic, now);
    }
    texts(writer, &mut targets, now);
    let family = SERIES.family();
    writer.family(&family);
    for target in &targets {
        writer.sample(&family, &target.labels([]), target.written as f64);
    }
}

type Each<'a> = &'a mut dyn FnMut(&[&str], f64);

/// Writes one of our own metrics for every target; `each` calls back with label values and the value.
fn own(writer: &mut Writer, targets: &mut [Target<'_>], own: Own, series: impl Fn(&Report, Each<'_>)) {
    let family = own.family();
    let mut begun = false;
    for target in targets {
        let report = target.report;
        let mut written: Vec<(Vec<u8>, f64)> = Vec::new();
        series(report, &mut |values, value| {
            if target.may_write() {
                let names = own.labels.iter().skip(1).copied();
                written.push((target.labels(names.zip(values.iter().copied())), value));
            }
        });
        if !written.is_empty() && !begun {
            writer.family(&family);
            begun = true;
        }
        for (labels, value) in written {
            writer.sample(&family, &labels, value);
            writer.created(&family, &labels, report.began.wall);
        }
    }
}

fn about_targets(writer: &mut Writer, targets: &mut [Target<'_>], now: &When) {
    own(writer, targets, UP, |report, each| each(&[], f64::from(u8::from(report.up))));
    own(writer, targets, INFO, |report, each| {
        let server = &report.server;
        if !server.engine.is_empty() {
            each(&[server.engine, &server.version, server.role], 1.0);
        }
    });
    own(writer, targets, CERTIFICATE, |report, each| {
        report.server.certificate_expires.into_iter().for_each(|at| each(&[], at));
    });
    own(writer, targets, WATCH_START, |report, each| each(&[], report.began.wall));
    own(writer, targets, BUDGET, |report, each| each(&[], report.tally.budget() as f64));
    own(writer, targets, AGE, |report, each| {
        ages(report, now).into_iter().for_each(|(topic, age)| each(&[topic.name()], age));
    });
    let by_topic =
        |report: &Report, of: &dyn Fn(&crate::engine::Reading) -> f64, worst: fn(f64, f64) -> f64| {
            let mut all: BTreeMap<Topic, f64> = BTreeMap::new();
            for ((topic, _), reading) in &report.readings {
                let value = of(reading);
                all.entry(*topic).and_modify(|old| *old = worst(*old, value)).or_insert(value);
            }
            all
        };
    own(writer, targets, SUCCESS, |report, each| {
        let all = by_topic(report, &|reading| f64::from(u8::from(reading.success)), f64::min);
        all.into_iter().for_each(|(topic, success)| each(&[topic.name()], success));
    });
    own(writer, targets, DURATION, |report, each| {
        let all = by_topic(report, &|reading| reading.took.as_secs_f64(), f64::max);
        all.into_iter().for_each(|(topic, took)| each(&[topic.name()], took));
    });
    own(writer, targets, COST, |report, each| {
        report.cost.iter().for_each(|(lane, seconds)| each(&[lane.name()], *seconds));
    });
    own(writer, targets, STRETCH, |report, each| {
        report.stretched.iter().for_each(|(pace, times)| each(&[pace.name()], *times));
    });
    own(writer, targets, FINDINGS, |report, each| {
        let mut open: BTreeMap<(&Name, &str), f64> = BTreeMap::new();
        for entry in report.findings.iter() {
            *open.entry((&entry.finding.rule, entry.finding.severity.name())).or_default() += 1.0;
        }
        open.into_iter().for_each(|((rule, severity), count)| each(&[rule, severity], count));
    });
    own(writer, targets, GAPS, |report, each| {
        let mut gaps: BTreeMap<Topic, f64> = BTreeMap::new();
        report.snapshot.gaps.keys().for_each(|(topic, _)| *gaps.entry(*topic).or_default() += 1.0);
        gaps.into_iter().for_each(|(topic, count)| each(&[topic.name()], count));
    });
    own(writer, targets, BREAKS, |report, each| {
        report.tally.breaks().for_each(|(topic, count)| each(&[topic.name()], count as f64));
    });
    own(writer, targets, HIDDEN, |report, each| {
        let hidden = Topic::ALL.iter().map(|topic| (topic, report.tally.hidden(*topic)));
        hidden.filter(|(_, count)| *count > 0).for_each(|(topic, count)| each(&[topic.name()], count as f64));
    });
}

/// The age of the oldest part of each topic.
pub fn ages(report: &Report, now: &When) -> BTreeMap<Topic, f64> {
    let mut ages: BTreeMap<Topic, f64> = BTreeMap::new();
    for ((topic, _), part) in &report.snapshot.parts {
        let age = now.seconds_since(&part.taken);
        ages.entry(*topic).and_modify(|oldest| *oldest = oldest.max(age)).or_insert(age);
    }
    ages
}

/// Scopes whose newest part is still true.
fn fresh<'a>(report: &'a Report, topic: Topic, now: &When) -> BTreeSet<&'a Scope> {
    let parts = report.snapshot.parts_of(topic).filter(|_| report.up);
    parts.filter(|(_, part)| !report.is_stale(topic, &part.taken, now)).map(|(scope, _)| scope).collect()
}

fn shown<'a>(report: &'a Report, topic: Topic, now: &When) -> Vec<Series<'a>> {
    let fresh = fresh(report, topic, now);
    if fresh.is_empty() {
        return Vec::new();
    }
    let mut series: Vec<Series<'_>> =
        report.tally.series(topic).filter(|series| fresh.contains(series.scope)).collect();
    // The order of a hash table is no order to read.
    series.sort_unstable_by(|a, b| a.labels.cmp(b.labels));
    series
}

/// All families of one noun. Each family has the series of all targets together, as the format demands.
fn noun(writer: &mut Writer, targets: &mut [Target<'_>], topic: Topic, now: &When) {
    let metrics: &'static [Metric] = topic.metrics();
    if metrics.is_empty() {
        return;
    }
    // The labels of a row are written once and copied for each of its metrics.
    let mut rows: Vec<(usize, Vec<u8>, Series<'_>)> = Vec::new();
    let mut others = Vec::new();
    for (nth, target) in targets.iter().enumerate() {
        let report = target.report;
        for series in shown(report, topic, now) {
            let pairs = series.labels.iter().map(|(name, value)| (*name, value.as_str()));
            rows.push((nth, target.labels(pairs), series));
        }
        if let Some(other) = report.tally.other(topic).filter(|_| !fresh(report, topic, now).is_empty()) {
            others.push((nth, target.labels(other.labels.iter().map(|name| (*name, OTHER))), other));
        }
    }
    for (column, metric) in metrics.iter().enumerate() {
        let name = metric.family();
        let kind = if metric.kind == Kind::Counter { Type::Counter } else { Type::Gauge };
        let family =
            Family { name: &name, kind, unit: metric.unit.trim_start_matches('_'), help: metric.help };
        let mut begun = false;
        let series =
            rows.iter().map(|(nth, labels, row)| (nth, labels, row.value(column), row.labels.is_empty()));
        let others = others.iter().map(|(nth, labels, other)| (nth, labels, other.value(column), true));
        for (nth, labels, value, is_all) in series.chain(others) {
            let Some((target, value)) = targets.get_mut(*nth).zip(value) else { continue };
            if !target.may_write() {
                continue;
            }
            if !begun {
                writer.family(&family);
                begun = true;
            }
            writer.sample(&family, labels, value);
            // Prometheus stores each as a series of its own: once for a target is enough to say the same moment.
            if is_all {
                writer.created(&family, labels, target.report.began.wall);
            }
        }
    }
}

/// The wording of every digest that has a series.
fn texts(writer: &mut Writer, targets: &mut [Target<'_>], now: &When) {
    own(writer, targets, STATEMENT, |report, each| {
        let mut digests: BTreeSet<&str> = BTreeSet::new();
        for topic in [Topic::Statements, Topic::Load] {
            let labels = shown(report, topic, now).into_iter().flat_map(|series| series.labels);
            digests.extend(labels.filter(|(name, _)| *name == "digest").map(|(_, digest)| digest.as_str()));
        }
        for text in digests {
            let Ok(digest) = text.parse::<Digest>() else { continue };
            if let Some(fingerprint) = report.texts.fingerprint(digest) {
                each(&[text, &crate::sql::shorten(fingerprint, MAX_FINGERPRINT)], 1.0);
            }
        }
    });
}

/// One line of the reference.
#[derive(Debug, Clone)]
pub struct Listed {
    pub name: String,
    pub kind: Type,
    pub labels: Vec<&'static str>,
    pub help: &'static str,
}

/// Every metric that can be scraped.
pub fn catalogue() -> Vec<Listed> {
    let of = |topic: &Topic| {
        let labels: Vec<&str> = ["target"].into_iter().chain(topic.labels().iter().copied()).collect();
        topic.metrics().iter().map(move |metric| Listed {
            name: metric.name(),
            kind: if metric.kind == Kind::Counter { Type::Counter } else { Type::Gauge },
            labels: labels.clone(),
            help: metric.help,
        })
    };
    let nouns = Topic::ALL.iter().flat_map(of);
    let ours = OWN.iter().chain(crate::telemetry::OWN).map(|own| Listed {
        name: own.metric_name(),
        kind: own.kind,
        labels: own.labels.to_vec(),
        help: own.help,
    });
    nouns.chain(ours).collect()
}

/// The whole text.
pub fn text(
    reports: &[Arc<Report>],
    telemetry: &crate::telemetry::Telemetry,
    now: &When,
    format: Format,
    capacity: usize,
) -> Vec<u8> {
    let mut writer = Writer::new(format, capacity);
    render(reports, now, &mut writer);
    telemetry.render(&mut writer);
    writer.finish()
}
