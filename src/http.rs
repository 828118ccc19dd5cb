//! A request over HTTP to somebody else. One connection for each, since they are rare; redirects are not followed, so
//! that nobody sends a login of ours on to where the operator did not.

use crate::engine::trust;
use axum::body::{Body, to_bytes};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Of the head of an answer; hyper wants at least 8 KiB.
const MAX_HEAD: usize = 64 << 10;

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub content_type: String,
    pub body: Vec<u8>,
}

/// Whom to trust: an authority of the operator's or those of the system, and what to show if we are asked who we are.
/// Files are read each time, because certificates are replaced while we run.
pub async fn trust(
    authority: Option<&Path>,
    own: Option<(&Path, &Path)>,
) -> Result<Arc<ClientConfig>, String> {
    let failed = |why: &dyn std::fmt::Display| format!("cannot prepare TLS: {why}");
    let found = match authority {
        Some(path) => {
            trust::certificates("ca_file", &path.to_string_lossy()).map_err(|error| failed(&error))?
        }
        None => {
            let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
            found.map_err(|error| failed(&error))?.certs
        }
    };
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(found);
    if known == 0 {
        return Err(failed(&"there are no certificates of authorities"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = own else { return Ok(Arc::new(config.with_no_client_auth())) };
    let shown =
        trust::certificates("cert_file", &certificate.to_string_lossy()).map_err(|error| failed(&error))?;
    let key = trust::private_key("key_file", &key.to_string_lossy()).map_err(|error| failed(&error))?;
    config.with_client_auth_cert(shown, key).map(Arc::new).map_err(|error| failed(&error))
}

pub fn is_tls(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// The name or address alone, as certificates and the system's resolver want it.
fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// Sends, and returns the answer with a body of at most `limit` bytes; with 0 nobody wants it. `request` has a whole URL; `tls` is used where
/// that wants it. Deadlines are the caller's, and dropping this is safe.
pub async fn call(
    request: Request<Body>,
    tls: Option<Arc<ClientConfig>>,
    limit: usize,
) -> io::Result<Answer> {
    let uri = request.uri().clone();
    let port = uri.port_u16().unwrap_or(if is_tls(&uri) { 443 } else { 80 });
    let stream = TcpStream::connect((bare_host(&uri), port)).await?;
    match tls {
        Some(config) if is_tls(&uri) => {
            let name = ServerName::try_from(bare_host(&uri).to_owned()).map_err(io::Error::other)?;
            exchange(TlsConnector::from(config).connect(name, stream).await?, request, limit).await
        }
        _ => exchange(stream, request, limit).await,
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    mut request: Request<Body>,
    limit: usize,
) -> io::Result<Answer> {
    let uri = request.uri().clone();
    // In the order in which everybody sends them: the host, who we are, the rest.
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let own = [(header::HOST, host), (header::USER_AGENT, AGENT), (header::CONNECTION, "close")];
    let rest = std::mem::take(request.headers_mut());
    for (name, value) in own {
        let value = value.parse().map_err(io::Error::other)?;
        request.headers_mut().insert(name, value);
    }
    request.headers_mut().extend(rest);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(io::Error::other)?;

    let mut way = http1::Builder::new();
    way.title_case_headers(true).max_buf_size(MAX_HEAD);
    let (mut sender, connection) = way.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let answer = async {
        let (head, body) = sender.send_request(request).await.map_err(odd)?.into_parts();
        let body = match limit {
            0 => Vec::new(),
            limit => to_bytes(Body::new(body), limit).await.map_err(|_| too_long(limit))?.into(),
        };
        let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(Answer { status: head.status, content_type: content_type.unwrap_or_default().to_owned(), body })
    };
    let (mut answer, connection) = (pin!(answer), pin!(connection));
    tokio::select! {
        answer = &mut answer => answer,
        // What it has read is still there to be had.
        _ = connection => answer.await,
    }
}

const AGENT: &str = concat!("dbsonde/", env!("CARGO_PKG_VERSION"));

fn odd(error: hyper::Error) -> io::Error {
    let said = if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "closed without an answer"
    } else {
        "the answer is not HTTP"
    };
    io::Error::new(io::ErrorKind::InvalidData, said)
}

fn too_long(limit: usize) -> io::Error {
    let said = format!("the answer was cut off, or is longer than {limit} bytes");
    io::Error::new(io::ErrorKind::InvalidData, said)
}
