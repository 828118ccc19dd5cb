//! `/api/v1/logs`: what the logs of each target have added up to since they were first followed, restarts of ours
//! included.

use super::api::{Answer, Asked, answered};
use super::server::Views;
use crate::board::Report;
use crate::follow::account::TOPICS;
use crate::model::{InTopic, Rows, Scope, Topic, TopicVisitor};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub async fn logs(State(views): State<Arc<Views>>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    answered(views, asked, |reports, _, _, _| -> Answer<Vec<Value>> {
        Ok(reports.iter().filter_map(|report| of(report)).collect())
    })
    .await
}

/// `None` where no log is followed.
fn of(report: &Report) -> Option<Value> {
    let part = |topic: Topic| report.snapshot.parts.get(&(topic, Scope::Server));
    let since = part(Topic::Logs)?.epoch.reset?;
    let mut told = Map::new();
    told.insert("target".into(), json!(report.target.as_str()));
    told.insert("since".into(), json!(since.get()));
    for topic in TOPICS {
        if let Some(part) = part(topic) {
            told.insert(topic.name().into(), topic.visit(Telling { rows: &part.rows, report }));
        }
    }
    Some(Value::Object(told))
}

struct Telling<'a> {
    rows: &'a Rows,
    report: &'a Report,
}

impl TopicVisitor for Telling<'_> {
    type Out = Value;

    fn visit<N: InTopic>(self) -> Value {
        let row = |row: &N| {
            let mut told = Map::new();
            row.labels(&mut |name, value| drop(told.insert(name.into(), json!(value))));
            let digest = told.get("digest").and_then(Value::as_str).and_then(|digest| digest.parse().ok());
            if let Some(wording) = digest.and_then(|digest| self.report.texts.fingerprint(digest)) {
                told.insert("fingerprint".into(), json!(wording));
            }
            for (nth, metric) in N::METRICS.iter().enumerate() {
                if let Some(value) = row.fact(nth) {
                    told.insert(metric.field.into(), json!(value));
                }
            }
            Value::Object(told)
        };
        N::of(self.rows).iter().map(row).collect()
    }
}
