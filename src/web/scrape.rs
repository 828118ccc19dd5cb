//! `/metrics` as bytes: rendered and packed once for all who ask within the same second of the same reports.

use super::exposition::{Format, takes_gzip};
use super::metrics;
use super::server::{Views, answer, failed};
use crate::board::Report;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Which answers are the same: ages move with the second, everything else with the reports.
type Version = (u64, Vec<usize>);

#[derive(Debug, Default)]
pub struct Cache {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    version: Version,
    /// Held, so that no later report has the address of one that is gone.
    reports: Vec<Arc<Report>>,
    bodies: BTreeMap<(Format, bool), Bytes>,
    /// How long the text was last time.
    size: usize,
}

impl Cache {
    fn body(&self, views: &Views, format: Format, packed: bool) -> Bytes {
        // Whoever comes while it is rendered waits for it instead of rendering it again.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let reports: Vec<Arc<Report>> = views.board().reports().collect();
        let now = views.moments.now(&reports);
        let version = (now.wall as u64, reports.iter().map(|report| Arc::as_ptr(report) as usize).collect());
        if kept.version != version {
            *kept = Kept { version, reports, bodies: BTreeMap::new(), size: kept.size };
        }
        if let Some(body) = kept.bodies.get(&(format, packed)) {
            return body.clone();
        }
        let text = match kept.bodies.get(&(format, false)) {
            Some(text) => text.clone(),
            None => {
                metrics::text(&kept.reports, &views.telemetry, &now, format, kept.size + kept.size / 8).into()
            }
        };
        kept.size = text.len();
        kept.bodies.insert((format, false), text.clone());
        if !packed {
            return text;
        }
        let body = Bytes::from(pack(&text));
        kept.bodies.insert((format, true), body.clone());
        body
    }
}

fn pack(text: &[u8]) -> Vec<u8> {
    // The fastest level: it halves what the next one saves and costs a fraction of the time.
    let mut packed = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    // Writing into memory has no way to fail.
    let _ = packed.write_all(text);
    packed.finish().unwrap_or_default()
}

pub async fn metrics(State(views): State<Arc<Views>>, headers: HeaderMap) -> Response {
    let all = |name| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.collect::<Vec<&str>>().join(",")
    };
    let format = Format::negotiate(&all(header::ACCEPT));
    let packed = takes_gzip(&all(header::ACCEPT_ENCODING));
    let rendered = tokio::task::spawn_blocking(move || views.cache.body(&views, format, packed)).await;
    let Ok(body) = rendered else {
        return failed(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written");
    };
    let mut response = answer(StatusCode::OK, format.content_type(), body);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    if packed {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
