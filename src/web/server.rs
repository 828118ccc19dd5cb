//! The HTTP server: few connections, short patience, a fixed table of paths. A stranger can neither hold it up nor
//! make it do anything but read the board.

use super::moment::Moments;
use super::scrape::{self, Cache};
use super::{api, lifecycle, pages};
use crate::board::{Board, Report};
use crate::telemetry::Telemetry;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Scrapers and a few people; whoever comes later waits until one leaves.
const MAX_CONNECTIONS: usize = 64;
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

/// Serves until it is told to stop, and then until what has begun is answered.
pub async fn serve(
    listeners: Vec<TcpListener>,
    boards: watch::Receiver<Board>,
    telemetry: Telemetry,
    reload: mpsc::Sender<Reload>,
    stop: CancellationToken,
) {
    let views =
        Arc::new(Views { boards, telemetry, reload, moments: Moments::start(), cache: Cache::default() });
    // Reads the difference of the clocks while both are young.
    let reports: Vec<Arc<Report>> = views.board().reports().collect();
    views.moments.now(&reports);
    let router = router(views);
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let tasks = TaskTracker::new();
    for listener in listeners {
        tasks.spawn(accept(listener, router.clone(), room.clone(), stop.clone(), tasks.clone()));
    }
    tasks.close();
    tasks.wait().await;
}

async fn accept(
    listener: TcpListener,
    router: Router,
    room: Arc<Semaphore>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let next = async {
            let permit = room.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await, permit))
        };
        match stop.run_until_cancelled(next).await.flatten() {
            Some((Ok((stream, _)), permit)) => {
                tasks.spawn(converse(stream, router.clone(), stop.clone(), permit));
            }
            // Out of descriptors, or a client that has left already: both pass.
            Some((Err(_), _)) => tokio::time::sleep(Duration::from_millis(100)).await,
            None => return,
        }
    }
}

async fn converse(stream: TcpStream, router: Router, stop: CancellationToken, _permit: OwnedSemaphorePermit) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    // How a connection ends is its client's affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => {}
        () = tokio::time::sleep(LIFETIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(GOODBYE, connection).await;
}

/// Every path there is, and the name it has in our own metrics.
const PATHS: [(&str, &str); 10] = [
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
        .fallback(async || failed(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || failed(StatusCode::METHOD_NOT_ALLOWED, "not with this method"))
        .layer(from_fn_with_state(views.clone(), guard))
        .with_state(views)
}

/// Around every answer: a deadline, headers that keep browsers from making anything of it, and a count.
async fn guard(State(views): State<Arc<Views>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let handler = PATHS.iter().find(|(of, _)| *of == path).map_or("unknown", |(_, name)| name);
    let mut response = match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => failed(StatusCode::SERVICE_UNAVAILABLE, "this took too long"),
    };
    const HEADERS: [(HeaderName, &str); 5] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    views.telemetry.request(handler, response.status().as_u16());
    response
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
