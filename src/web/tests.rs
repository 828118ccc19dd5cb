mod made_up;

use super::exposition::Format;
use super::gate::Gate;
use super::metrics::{catalogue, text};
use super::moment::Moments;
use super::scrape::Cache;
use super::server::{Views, router};
use super::{api, pages};
use crate::board::{Board, Report};
use crate::clock::Clock;
use crate::model::{Digest, Rows, Scope, Snapshot, Topic, When};
use crate::tally::Tally;
use crate::telemetry::Telemetry;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use made_up::{AT, MadeUp, later, report};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tower::ServiceExt;

fn written(reports: &[Arc<Report>], now: &When, format: Format) -> String {
    String::from_utf8(text(reports, &Telemetry::new(), now, format, 0)).unwrap()
}

#[test]
fn every_metric_of_the_catalogue_is_written_once_and_families_stay_together() {
    let reports = [Arc::new(report("a", 2, 100_000)), Arc::new(report("b", 2, 100_000))];
    for format in [Format::Classic, Format::OpenMetrics] {
        let text = written(&reports, &later(16.0), format);
        let families: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        assert_eq!(families.len(), families.iter().collect::<BTreeSet<_>>().len(), "a family is torn apart");
        let mut series = BTreeSet::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(series.insert(line.rsplit_once(' ').unwrap().0), "twice: {line}");
        }
        for listed in catalogue() {
            let conditional = ["dbsonde_store_healthy", "dbsonde_series_hidden"];
            let silent = ["dbsonde_http_requests", "dbsonde_queue", "dbsonde_sink", "dbsonde_discovery"];
            let absent = conditional.contains(&listed.name.as_str())
                || silent.iter().any(|s| listed.name.starts_with(s));
            let is_there = [" ", "{"].iter().any(|end| text.contains(&format!("\n{}{end}", listed.name)));
            assert!(absent || is_there, "{} is not written", listed.name);
        }
    }
}

#[test]
fn names_in_the_catalogue_are_unique_and_fit_to_each_other() {
    let mut names = BTreeSet::new();
    for listed in catalogue() {
        let family = listed.name.strip_suffix(listed.kind.suffix()).unwrap().to_owned();
        assert!(names.insert(family), "{} is taken", listed.name);
        assert!(!listed.help.is_empty() && !listed.name.ends_with("_count"), "{}", listed.name);
    }
}

#[test]
fn promtool_has_nothing_to_say() {
    let rig =
        std::env::var("DBSONDE_RIG").unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/target/rig").into());
    let promtool = std::path::Path::new(&rig).join("prometheus/usr/bin/promtool");
    if !promtool.exists() {
        return eprintln!("skipped: tests/run.sh installs promtool");
    }
    let text = written(&[Arc::new(report("a", 3, 100_000))], &later(16.0), Format::Classic);
    let tool = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut tool = tool.unwrap();
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = tool.wait_with_output().unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn the_budget_is_hard_for_each_target() {
    for budget in [0, 1, 7, 60, 500, 5_000] {
        let reports = [Arc::new(report("a", 30, budget)), Arc::new(report("b", 30, budget))];
        let text = written(&reports, &later(16.0), Format::Classic);
        let count = text.lines().filter(|line| line.contains("{target=\"a\"")).count();
        assert!(count <= budget.max(1), "{count} series within {budget}");
    }
}

#[test]
fn what_is_old_or_down_has_no_series_but_an_age() {
    let mut old = report("a", 2, 100_000);
    let calls = "\ndbsonde_statement_calls_total{";
    assert!(written(&[Arc::new(old.clone())], &later(59.0), Format::Classic).contains(calls));
    let text = written(&[Arc::new(old.clone())], &later(61.0), Format::Classic);
    assert!(!text.contains(calls) && !text.contains("\ndbsonde_database_connections{"));
    assert!(
        text.contains("dbsonde_snapshot_age_seconds{target=\"a\",topic=\"statements\",team=\"a\\\"b\\\\c\""),
        "{text}"
    );
    old.up = false;
    let text = written(&[Arc::new(old)], &later(16.0), Format::Classic);
    assert!(!text.contains(calls) && text.contains("\ndbsonde_target_up{target=\"a\""));
}

#[test]
fn operators_labels_never_break_a_series() {
    let text = written(&[Arc::new(report("a", 2, 100_000))], &later(16.0), Format::Classic);
    let line = text.lines().find(|line| line.starts_with("dbsonde_database_commits_total{")).unwrap();
    assert!(
        line.contains("operator_database=\"mine\"") && line.contains("team=") && !line.contains("no-label"),
        "{line}"
    );
}

fn views(reports: Vec<Report>) -> (Arc<Views>, Vec<watch::Sender<Arc<Report>>>, mpsc::Receiver<Reload>) {
    let channels =
        reports.into_iter().map(|report| (report.target.clone(), watch::channel(Arc::new(report))));
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for (name, (sender, receiver)) in channels {
        senders.push(sender);
        receivers.push((name, receiver));
    }
    let (reload, reloads) = mpsc::channel(1);
    let boards = watch::channel(Board::new(receivers)).1;
    let views = Views {
        boards,
        gate: open_gate(),
        telemetry: Telemetry::new(),
        reload,
        moments: Moments::start(),
        cache: Cache::default(),
    };
    (Arc::new(views), senders, reloads)
}

fn open_gate() -> watch::Receiver<Arc<Gate>> {
    watch::channel(Arc::default()).1
}

type Reload = tokio::sync::oneshot::Sender<Result<(), String>>;

/// A report of just now by a clock that is not the server's.
fn fresh(rows: usize, budget: usize) -> Report {
    let mut report = report("db", rows, budget);
    let made = Clock::start().now();
    report.made = made;
    let taken = When { run: made.run, monotonic: made.monotonic - 1.0, wall: made.wall - 1.0 };
    report.snapshot.parts.values_mut().for_each(|part| part.taken = taken);
    report.window.stretches.values_mut().for_each(|stretch| stretch.to = taken);
    report
}

async fn ask(views: &Arc<Views>, method: &str, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:9909");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router(views.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn body(response: Response<Body>) -> Vec<u8> {
    axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()
}

async fn json(views: &Arc<Views>, path: &str) -> (StatusCode, Value) {
    let response = ask(views, "GET", path, &[]).await;
    let status = response.status();
    (status, serde_json::from_slice(&body(response).await).unwrap())
}

#[tokio::test]
async fn metrics_are_negotiated_packed_and_kept() {
    let (views, _boards, _reloads) = views(vec![fresh(2, 5_000)]);
    let plain = ask(&views, "GET", "/metrics", &[]).await;
    assert_eq!(plain.headers()[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    let plain = body(plain).await;
    let accept = [("accept", "application/openmetrics-text;version=1.0.0"), ("accept-encoding", "gzip")];
    let packed = ask(&views, "GET", "/metrics", &accept).await;
    assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
    let mut unpacked = Vec::new();
    let packed = body(packed).await;
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut unpacked).unwrap();
    let unpacked = String::from_utf8(unpacked).unwrap();
    assert!(
        unpacked.ends_with("\n# EOF\n") && unpacked.contains("dbsonde_wal_bytes_created{target=\"db\""),
        "{unpacked}"
    );
    assert!(String::from_utf8(plain).unwrap().contains("\ndbsonde_statement_calls_total{target=\"db\""));
    let head = ask(&views, "HEAD", "/metrics", &[]).await;
    assert_eq!((head.status(), body(head).await.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn the_api_has_the_shapes_it_promises() {
    let (views, _boards, _reloads) = views(vec![fresh(2, 5_000)]);
    let (_, targets) = json(&views, "/api/v1/targets").await;
    let target = &targets[0];
    assert_eq!(
        (&target["name"], &target["engine"], &target["up"]),
        (&"db".into(), &"postgres".into(), &true.into())
    );
    assert_eq!((&target["gaps"], &target["findings"]["warning"]), (&1.into(), &1.into()));
    let age = target["ages"]["statements"].as_f64().unwrap();
    assert!((0.5..30.0).contains(&age), "{age}");
    let (_, findings) = json(&views, "/api/v1/findings?target=db").await;
    assert_eq!(findings["findings"][0]["rule"], "index-unused");
    assert_eq!(findings["gaps"][0]["topic"], "policies");
    assert_eq!(json(&views, "/api/v1/gaps").await.1[0]["scope"], "shop");
    for path in ["/api/v1/statements", "/api/v1/statements?target=db&span=1h&limit=1"] {
        let (_, statements) = json(&views, path).await;
        let first = &statements[0];
        assert_eq!(first["calls"], 2, "{statements}");
        assert!(first["exec_seconds"].is_number() && first["digest"].as_str().unwrap().len() == 16);
        assert!(first["p95_seconds"].is_number(), "{path}: {first}");
    }
    let plans = json(&views, "/api/v1/plans?target=db&limit=1").await.1;
    let shapes: Vec<_> = plans[0]["shapes"].as_array().unwrap().iter().map(|shape| &shape["steps"]).collect();
    assert_eq!(shapes, ["Seq Scan on <orders>\n", "Index Scan on <orders>\n"], "{plans}");
    let known = json(&views, "/api/v1/statements").await.1;
    let texts = known.as_array().unwrap().iter().filter(|row| row["fingerprint"].is_string()).count();
    assert_eq!(texts, 1);
}

#[tokio::test]
async fn wrong_requests_get_errors_as_json() {
    let (views, _boards, _reloads) = views(vec![fresh(1, 5_000)]);
    for (method, path, status) in [
        ("GET", "/metrics/", 404),
        ("GET", "//metrics", 404),
        ("GET", "/api/v1/targets?target=nobody", 404),
        ("GET", "/api/v1/statements?span=soon", 400),
        ("GET", "/api/v1/statements?spam=1h", 400),
        ("GET", "/api/v1/statements?limit=-1", 400),
        ("GET", "/-/reload", 405),
        ("POST", "/metrics", 405),
        ("DELETE", "/", 405),
    ] {
        let response = ask(&views, method, path, &[]).await;
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(status == 405, response.headers().contains_key(header::ALLOW), "{method} {path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let error: Value = serde_json::from_slice(&body(response).await).unwrap();
        assert!(error["error"].is_string(), "{error}");
    }
}

#[tokio::test]
async fn ready_says_what_is_missing() {
    let mut untried = fresh(1, 5_000);
    (untried.up, untried.snapshot) = (false, Snapshot::default());
    let (views, boards, _reloads) = views(vec![untried.clone()]);
    let response = ask(&views, "GET", "/-/ready", &[]).await;
    assert_eq!(response.status(), 503);
    assert!(String::from_utf8(body(response).await).unwrap().contains("db: not tried yet"));
    assert_eq!(ask(&views, "GET", "/-/healthy", &[]).await.status(), 200);
    untried.down_because = Some("refused".to_owned());
    boards[0].send_replace(Arc::new(untried));
    assert_eq!(ask(&views, "GET", "/-/ready", &[]).await.status(), 200);
}

#[tokio::test]
async fn a_reload_is_answered_by_how_it_went_and_not_for_strangers() {
    let (views, _boards, mut reloads) = views(vec![]);
    let foreign = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    for header in foreign {
        assert_eq!(ask(&views, "POST", "/-/reload", &[header]).await.status(), 403);
    }
    let daemon = tokio::spawn(async move {
        for outcome in [Ok(()), Err("line 3".to_owned())] {
            reloads.recv().await.unwrap().send(outcome).unwrap();
        }
    });
    assert_eq!(ask(&views, "POST", "/-/reload", &[("origin", "http://127.0.0.1:9909")]).await.status(), 200);
    let failed = ask(&views, "PUT", "/-/reload", &[]).await;
    assert_eq!(failed.status(), 500);
    assert!(String::from_utf8(body(failed).await).unwrap().contains("line 3"));
    daemon.await.unwrap();
    assert_eq!(ask(&views, "POST", "/-/reload", &[]).await.status(), 503);
}

#[tokio::test]
async fn the_page_shows_everything_and_runs_nothing() {
    let (views, _boards, _reloads) = views(vec![fresh(3, 5_000)]);
    let response = ask(&views, "GET", "/", &[]).await;
    assert!(
        response.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    let page = String::from_utf8(body(response).await).unwrap();
    assert!(!page.contains("<script") && !page.contains('\u{202e}') && !page.contains(" style="), "{page}");
    for shown in
        ["&lt;script&gt;", "DROP INDEX CONCURRENTLY", "select * from", "Load", "Blocking", "Not measured"]
    {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
}

#[test]
fn a_stepped_wall_clock_changes_no_age() {
    let moments = Moments::start();
    let mut report = report("a", 0, 10);
    let ours = Clock::start().now();
    // A daemon that has run for an hour when we first look.
    report.made = When { run: 99, monotonic: 3_600.0, wall: ours.wall };
    let first = moments.now(&[Arc::new(report.clone())]);
    assert!(first.run == 99 && (first.monotonic - 3_600.0).abs() < 1.0, "{first:?}");
    // Its wall clock was set a day back.
    report.made = When { run: 99, monotonic: 3_601.0, wall: ours.wall - 86_400.0 };
    let now = moments.now(&[Arc::new(report)]);
    assert!((now.monotonic - 3_600.0).abs() < 1.0, "{now:?}");
}

#[tokio::test]
async fn slow_strangers_are_shown_out_and_stopping_is_quick() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let (reload, _reloads) = mpsc::channel(1);
    let boards = watch::channel(Board::default()).1;
    let served = super::serve(vec![listener], boards, open_gate(), Telemetry::new(), reload, stop.clone());
    let server = tokio::spawn(served);
    let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let mut quick = tokio::net::TcpStream::connect(address).await.unwrap();
    quick.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    quick.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let began = Instant::now();
    let mut rest = Vec::new();
    let _ =
        tokio::time::timeout(Duration::from_secs(10), slow.read_to_end(&mut rest)).await.expect("shown out");
    assert!((4..9).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), server).await.expect("stops").unwrap();
}

/// What this thread has computed so far: on the wall, others' work is counted as well.
fn computed() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

/// Not a bench: the bench is in `benches/`. This keeps a mistake of a power of ten from going unnoticed.
#[test]
fn a_hundred_thousand_series_are_quick() {
    let report = Arc::new(report("a", 2_000, 100_000));
    let reports = [report];
    let mut size = 0;
    for format in [Format::Classic, Format::OpenMetrics] {
        let began = computed();
        let text = text(&reports, &Telemetry::new(), &later(16.0), format, size);
        size = text.len();
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        eprintln!("{format:?}: {lines} lines, {size} bytes, {:?}", computed() - began);
        assert!(computed() - began < Duration::from_secs(5));
    }
    let began = computed();
    pages::html(&reports, &[], &later(16.0));
    api::costs(&reports[0], &later(16.0), None);
    assert!(computed() - began < Duration::from_secs(5));
}

#[test]
fn a_window_of_twenty_thousand_statements_is_taken_in_quickly() {
    let rows = Topic::Statements.visit(MadeUp { rows: 1, value: 2 });
    let Rows::Statements(one) = rows else { panic!("statements") };
    let rows =
        (0..20_000).map(|n| crate::model::Statement { digest: Some(Digest(n)), ..one[0].clone() }).collect();
    let rows = Arc::new(Rows::Statements(rows));
    let fresh: Arc<[bool]> = vec![false; 20_000].into();
    let stretch =
        crate::model::Stretch { from: AT, to: later(15.0), seconds: 15.0, rows, fresh, unpaired: 0 };
    let mut tally = Tally::new(5_000);
    for _ in 0..3 {
        let began = computed();
        let _report = tally.clone();
        tally.add(Topic::Statements, &Scope::Server, &stretch);
        eprintln!("20,000 statements: {:?}", computed() - began);
        assert!(computed() - began < Duration::from_secs(2));
    }
}
