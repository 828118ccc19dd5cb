//! Alerts for an Alertmanager (API v2). It forgets what it does not hear of again, so that a finding is told anew
//! every half minute for as long as it is open, from the board: nothing has to be remembered over a restart of either
//! side. For a pair of Alertmanagers write two sinks: each must hear everything.

use super::post::Post;
use crate::board::{Board, Report};
use crate::config::SinkConfig;
use crate::ledger::{Change, Entry, State};
use crate::model::{Name, Severity};
use crate::sink::{Delivery, Sink, SinkError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

const AGAIN: Duration = Duration::from_secs(30);
/// Three reminders may be lost before an alert ends by itself.
const LASTS: Duration = Duration::from_secs(120);
/// Alerts of one request.
const BATCH: usize = 500;

#[derive(Debug)]
pub struct Alertmanager {
    post: Post,
    boards: watch::Receiver<Board>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
}

impl Sink for Alertmanager {
    fn deliver<'a>(&'a self, change: &'a Change) -> Delivery<'a> {
        Box::pin(async move {
            let report = self.boards.borrow().report(&change.entry.target);
            let labels = report.map(|report| report.labels.clone()).unwrap_or_default();
            self.send(&[alert(&change.entry, &labels, SystemTime::now())]).await
        })
    }

    fn reminds(&self) -> Option<Duration> {
        Some(AGAIN)
    }

    fn remind(&self) -> Delivery<'_> {
        let reports: Vec<_> = self.boards.borrow().reports().collect();
        Box::pin(async move {
            let now = SystemTime::now();
            let least = self.post.config.severity;
            let open = reports.iter().flat_map(|report| alerts(report, least, now)).collect::<Vec<_>>();
            for batch in open.chunks(BATCH) {
                self.send(batch).await?;
            }
            Ok(())
        })
    }
}

impl Alertmanager {
    pub fn new(config: SinkConfig, boards: watch::Receiver<Board>) -> Self {
        Self { post: Post::new(config, "/api/v2/alerts"), boards }
    }

    async fn send(&self, alerts: &[Alert]) -> Result<(), SinkError> {
        // Texts and maps of texts: no way to fail.
        self.post.send(&[], serde_json::to_vec(alerts).unwrap_or_default()).await
    }
}

fn alerts(report: &Report, least: Severity, now: SystemTime) -> impl Iterator<Item = Alert> {
    let wanted = move |entry: &&Entry| entry.state == State::Open && entry.worst >= least;
    report.findings.iter().filter(wanted).map(move |entry| alert(entry, &report.labels, now))
}

/// The labels are who it is, the same from the first word to the last: severity may change, so it is none of them
/// but for the worst, which routes are made of and which only grows.
fn alert(entry: &Entry, own: &[(Name, Name)], now: SystemTime) -> Alert {
    let finding = &entry.finding;
    let mut labels: BTreeMap<String, String> =
        own.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let mut put = |name: &str, value: &str| drop(labels.insert(name.to_owned(), value.to_owned()));
    put("alertname", &finding.rule);
    put("target", &entry.target);
    put("subject", &finding.subject);
    put("finding", &entry.id);
    put("severity", entry.worst.name());
    if let Some(database) = &finding.database {
        put("database", database);
    }
    let mut annotations = BTreeMap::from([
        ("summary", finding.because.clone()),
        ("description", finding.advice.clone()),
        ("severity_now", finding.severity.name().to_owned()),
    ]);
    if let Some(fix) = &finding.fix {
        annotations.insert("fix", fix.sql.join("\n"));
    }
    let ends = if entry.state == State::Open { now + LASTS } else { now };
    let opened = UNIX_EPOCH + Duration::try_from_secs_f64(entry.opened_at).unwrap_or_default();
    Alert { labels, annotations, starts_at: rfc3339(opened.min(ends)), ends_at: rfc3339(ends) }
}

fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::ledger::tests::finding;

    #[test]
    fn an_alert_lasts_while_it_is_open_and_ends_when_it_is_not() {
        let mut ledger = Ledger::default();
        let found = vec![finding("public.a", Severity::Warning, 1.5)];
        let mut entry = ledger.apply(1e9, &"db1".into(), found, |_, _| true, |_| None).remove(0).entry;
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000_100);
        let own = [("team".into(), "shop".into())];
        let open = alert(&entry, &own, now);
        assert_eq!(open.starts_at, "2001-09-09T01:46:40.000Z");
        assert_eq!(open.ends_at, "2001-09-09T01:50:20.000Z");
        assert_eq!(open.labels["team"], "shop");
        assert_eq!(open.labels["alertname"], *entry.finding.rule);
        entry.state = State::Resolved;
        entry.finding.severity = Severity::Note;
        let over = alert(&entry, &own, now);
        assert_eq!((over.labels, over.ends_at.as_str()), (open.labels, "2001-09-09T01:48:20.000Z"));
    }
}
