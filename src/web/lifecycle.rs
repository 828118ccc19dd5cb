//! What init systems, probes and deployment scripts ask: are you alive, are you ready, read your settings again.

use super::server::{Views, answer, failed};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

const TEXT: &str = "text/plain; charset=utf-8";
/// Reading a file and starting some watches; a target that does not answer does not delay it.
const RELOAD: Duration = Duration::from_secs(25);

pub async fn healthy() -> Response {
    answer(StatusCode::OK, TEXT, "dbsonde is alive.\n")
}

/// Ready when every target was tried once. One that is down is known to be down: that is an answer, and restarting
/// us would not mend it.
pub async fn ready(State(views): State<Arc<Views>>) -> Response {
    let mut waiting = String::new();
    for report in views.board().reports().filter(|report| !report.up && report.down_because.is_none()) {
        // Writing into a string has no way to fail.
        let _ = writeln!(waiting, "{}: not tried yet", report.target);
    }
    if waiting.is_empty() {
        answer(StatusCode::OK, TEXT, "dbsonde is ready.\n")
    } else {
        answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("dbsonde is not ready.\n{waiting}"))
    }
}

pub async fn reload(State(views): State<Arc<Views>>, headers: HeaderMap) -> Response {
    if is_foreign(&headers) {
        return failed(StatusCode::FORBIDDEN, "a page of another site asked for this");
    }
    let (tell, told) = oneshot::channel();
    if views.reload.try_send(tell).is_err() {
        return failed(StatusCode::SERVICE_UNAVAILABLE, "other reloads are waiting, or dbsonde is stopping");
    }
    match tokio::time::timeout(RELOAD, told).await {
        Ok(Ok(Ok(()))) => answer(StatusCode::OK, TEXT, "The configuration is reloaded.\n"),
        Ok(Ok(Err(why))) => failed(StatusCode::INTERNAL_SERVER_ERROR, &why),
        Ok(Err(_)) => failed(StatusCode::SERVICE_UNAVAILABLE, "dbsonde is stopping"),
        Err(_) => {
            failed(StatusCode::GATEWAY_TIMEOUT, "the reload takes longer; the log will say how it went")
        }
    }
}

/// Any page in the operator's browser can send a POST to loopback; the browser tells where it comes from.
fn is_foreign(headers: &HeaderMap) -> bool {
    let of = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    let host = of(header::HOST).unwrap_or_default();
    let origin = of(header::ORIGIN).map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
    site.is_some_and(|site| site != "same-origin" && site != "none")
        || origin.is_some_and(|origin| origin != host)
}
