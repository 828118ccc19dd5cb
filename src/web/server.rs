//! The HTTP server: bounded connections, short patience, a fixed table of paths. A stranger can neither hold it up nor
//! make it do anything but read the board.

use super::gate::{Gate, sent_by_a_strange_page};
use super::moment::Moments;
use super::patience::Patient;
use super::room::{Busy, Room, Seat, Taken};
use super::scrape::{self, Cache};
use super::{api, lifecycle, logs, pages};
use crate::board::{Board, Report};
use crate::telemetry::Telemetry;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Who has knocked waits here until we get to him, as many as Linux allows by itself. A knock that finds no room is
/// repeated only after a second.
const QUEUE: u32 = 4_096;
/// A request that is not there by then is not meant to come.
const HEADERS: Duration = Duration::from_secs(5);
/// Bytes and number of headers; larger ones are not meant for us.
const MAX_HEADER_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
/// The longest that one answer may take to be worked out.
const DEADLINE: Duration = Duration::from_secs(30);
/// A connection ends after this, so that one whose client does not read cannot stay.
const LIFETIME: Duration = Duration::from_secs(300);
/// What is being answered may be finished.
const GOODBYE: Duration = Duration::from_secs(3);

/// The end of a request to read the configuration again.
type Reload = oneshot::Sender<Result<(), String>>;

/// What every handler works with.
#[derive(Debug)]
pub struct Views {
    pub boards: watch::Receiver<Board>,
    pub gate: watch::Receiver<Arc<Gate>>,
    pub telemetry: Telemetry,
    pub reload: mpsc::Sender<Reload>,
    pub moments: Moments,
    pub cache: Cache,
}

impl Views {
    pub fn board(&self) -> Board {
        self.boards.borrow().clone()
    }
}

/// A door at this address.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

/// Serves until it is told to stop, and then until what has begun is answered.
pub async fn serve(
    listeners: Vec<TcpListener>,
    boards: watch::Receiver<Board>,
    gate: watch::Receiver<Arc<Gate>>,
    telemetry: Telemetry,
    reload: mpsc::Sender<Reload>,
    stop: CancellationToken,
) {
    let (moments, cache) = (Moments::start(), Cache::default());
    let views = Arc::new(Views { boards, gate, telemetry, reload, moments, cache });
    // Reads the difference of the clocks while both are young.
    let reports: Vec<Arc<Report>> = views.board().reports().collect();
    views.moments.now(&reports);
    let host = Host { router: router(views.clone()), views, room: Arc::default(), stop };
    let tasks = TaskTracker::new();
    for listener in listeners {
        tasks.spawn(accept(listener, host.clone(), tasks.clone()));
    }
    tasks.close();
    tasks.wait().await;
}

/// What every connection is given.
#[derive(Clone)]
struct Host {
    router: Router,
    views: Arc<Views>,
    room: Arc<Room>,
    stop: CancellationToken,
}

async fn accept(listener: TcpListener, host: Host, tasks: TaskTracker) {
    while let Some(accepted) = host.stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, or a client that has left already: both pass.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let on_loopback = stream.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
        match host.room.enter(on_loopback) {
            Some(taken) => drop(tasks.spawn(receive(stream, host.clone(), taken))),
            None => host.views.telemetry.queue_dropped("connections"),
        }
    }
}

/// Encrypted or not, as the door is at this moment.
async fn receive(stream: TcpStream, host: Host, taken: Taken) {
    let tls = host.views.gate.borrow().door.tls.clone();
    let stream = Patient::new(stream);
    let Some(config) = tls else { return converse(stream, &host, &taken).await };
    let greeting = tokio::time::timeout(HEADERS, TlsAcceptor::from(config).accept(stream));
    let greeted = tokio::select! {
        biased;
        greeted = greeting => greeted,
        () = taken.seat.leave.cancelled() => return,
        () = host.stop.cancelled() => return,
    };
    if let Ok(Ok(stream)) = greeted {
        converse(stream, &host, &taken).await;
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, host: &Host, taken: &Taken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(taken.seat.clone());
        host.router.clone().oneshot(request)
    });
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut farewell = None;
    // How a connection ends is its client's affair.
    tokio::select! {
        // Whoever has to leave before we got to him may have asked long ago: that is heard first.
        biased;
        _ = connection.as_mut() => return,
        () = taken.seat.leave.cancelled() => {
            farewell = host.room.farewell().filter(|_| taken.seat.was_heard());
            if farewell.is_none() {
                return;
            }
        }
        () = host.stop.cancelled() => {}
        () = tokio::time::sleep(LIFETIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(GOODBYE, connection).await;
    drop(farewell);
}

/// Every path there is, and the name it has in our own metrics.
const PATHS: [(&str, &str); 12] = [
    ("/", "page"),
    ("/style.css", "style"),
    ("/metrics", "metrics"),
    ("/-/healthy", "healthy"),
    ("/-/ready", "ready"),
    ("/-/reload", "reload"),
    ("/api/v1/targets", "targets"),
    ("/api/v1/findings", "findings"),
    ("/api/v1/gaps", "gaps"),
    ("/api/v1/statements", "statements"),
    ("/api/v1/plans", "plans"),
    ("/api/v1/logs", "logs"),
];

pub fn router(views: Arc<Views>) -> Router {
    // No handler reads a body; hyper closes the connection of whoever sends one.
    Router::new()
        .route("/", get(pages::page))
        .route("/style.css", get(pages::style))
        .route("/metrics", get(scrape::metrics))
        .route("/-/healthy", get(lifecycle::healthy))
        .route("/-/ready", get(lifecycle::ready))
        .route("/-/reload", post(lifecycle::reload).put(lifecycle::reload))
        .route("/api/v1/targets", get(api::targets))
        .route("/api/v1/findings", get(api::findings))
        .route("/api/v1/gaps", get(api::gaps))
        .route("/api/v1/statements", get(api::statements))
        .route("/api/v1/plans", get(api::plans))
        .route("/api/v1/logs", get(logs::logs))
        .fallback(async || failed(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || failed(StatusCode::METHOD_NOT_ALLOWED, "not with this method"))
        .layer(from_fn_with_state(views.clone(), guard))
        .with_state(views)
}

/// Around every answer: the gate, a deadline, headers that keep browsers from making anything of it, and a count.
async fn guard(State(views): State<Arc<Views>>, request: Request, next: Next) -> Response {
    let seat = request.extensions().get::<Arc<Seat>>().cloned();
    let on_loopback = seat.as_ref().is_none_or(|seat| seat.on_loopback);
    let _busy = Busy::at(seat);
    let path = request.uri().path();
    let handler = PATHS.iter().find(|(of, _)| *of == path).map_or("unknown", |(_, name)| name);
    let gate = views.gate.borrow().clone();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let answered = async {
        if !is_read && sent_by_a_strange_page(request.headers()) {
            return failed(StatusCode::FORBIDDEN, "a page of somebody else has sent this");
        }
        match gate.admit(request.uri(), request.headers(), on_loopback).await {
            Ok(()) => next.run(request).await,
            Err((status, why)) => failed(status, why),
        }
    };
    let answered = tokio::time::timeout(DEADLINE, answered).await;
    let mut response =
        answered.unwrap_or_else(|_| failed(StatusCode::SERVICE_UNAVAILABLE, "this took too long"));
    dress(&mut response, &gate);
    views.telemetry.request(handler, response.status().as_u16());
    response
}

/// The operator's headers come before ours.
fn dress(response: &mut Response, gate: &Gate) {
    const OURS: [(HeaderName, &str); 5] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let status = response.status();
    let headers = response.headers_mut();
    for (name, value) in &gate.headers {
        headers.insert(name, value.clone());
    }
    for (name, value) in OURS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    let more = match status {
        StatusCode::UNAUTHORIZED => (header::WWW_AUTHENTICATE, "Basic realm=\"dbsonde\", charset=\"UTF-8\""),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => (header::RETRY_AFTER, "1"),
        _ => return,
    };
    headers.entry(more.0).or_insert(HeaderValue::from_static(more.1));
}

pub fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An error as a program wants it.
pub fn failed(status: StatusCode, why: &str) -> Response {
    answer(status, "application/json", serde_json::json!({ "error": why }).to_string())
}
