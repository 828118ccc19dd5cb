//! A request over HTTP to somebody else. One connection for each, since they are rare; redirects are not followed, so
//! that nobody sends a login of ours on to where the operator did not.

use crate::disk;
use crate::engine::trust;
use axum::body::{Body, to_bytes};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
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

/// Certificates of the system are read again after so long: it replaces them a few times a year, and reading them costs
/// some ten milliseconds of computing.
const SYSTEM_EVERY: Duration = Duration::from_secs(60);

/// Whom to trust, an authority of the operator's or those of the system, and what to show if we are asked who we are:
/// as it was prepared last, as long as the files are the same. They are replaced while we run.
#[derive(Debug, Default)]
pub struct Tls(Mutex<Option<Prepared>>);

#[derive(Debug, Clone)]
struct Prepared {
    at: Instant,
    files: Vec<Option<FileState>>,
    config: Arc<ClientConfig>,
}

/// What tells whether a file is still the same one.
type FileState = (u64, u64, SystemTime);

impl Tls {
    pub async fn prepared(
        &self,
        authority: Option<&Path>,
        own: Option<(&Path, &Path)>,
    ) -> Result<Arc<ClientConfig>, String> {
        let paths: Vec<PathBuf> = [authority, own.map(|own| own.0), own.map(|own| own.1)]
            .into_iter()
            .flatten()
            .map(Path::to_owned)
            .collect();
        let known = self.known().clone();
        let own = own.map(|(certificate, key)| (certificate.to_owned(), key.to_owned()));
        let authority = authority.map(Path::to_owned);
        let name = format!("certificates: {paths:?}");
        let read = disk::read(&name, move || {
            let files: Vec<_> = paths.iter().map(|path| state(path)).collect();
            let is_old = |known: &Prepared| authority.is_none() && known.at.elapsed() >= SYSTEM_EVERY;
            match known.filter(|known| known.files == files && !is_old(known)) {
                Some(known) => Ok(known),
                None => prepare(authority.as_deref(), own).map(|config| Prepared {
                    at: Instant::now(),
                    files,
                    config,
                }),
            }
        });
        let prepared = read.await.unwrap_or_else(|hangs| Err(hangs.to_string()));
        let prepared = prepared.map_err(|why| format!("cannot prepare TLS: {why}"))?;
        *self.known() = Some(prepared.clone());
        Ok(prepared.config)
    }

    fn known(&self) -> MutexGuard<'_, Option<Prepared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn state(path: &Path) -> Option<FileState> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.ino(), about.len(), about.modified().ok()?))
}

fn prepare(authority: Option<&Path>, own: Option<(PathBuf, PathBuf)>) -> Result<Arc<ClientConfig>, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let found = match authority {
        Some(path) => {
            trust::certificates("ca_file", &path.to_string_lossy()).map_err(|error| said(&error))?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(found);
    if known == 0 {
        return Err("there are no certificates of authorities".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| said(&error))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = own else { return Ok(Arc::new(config.with_no_client_auth())) };
    let shown =
        trust::certificates("cert_file", &certificate.to_string_lossy()).map_err(|error| said(&error))?;
    let key = trust::private_key("key_file", &key.to_string_lossy()).map_err(|error| said(&error))?;
    config.with_client_auth_cert(shown, key).map(Arc::new).map_err(|error| said(&error))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `cargo test --release --lib -- http::tests --nocapture` says what it costs.
    #[tokio::test]
    async fn certificates_are_read_again_when_a_file_has_changed_and_not_before() {
        let tls = Tls::default();
        let took = async |tls: &Tls| {
            let began = Instant::now();
            (tls.prepared(None, None).await, began.elapsed())
        };
        let (first, read) = took(&tls).await;
        let (second, known) = took(&tls).await;
        if let (Ok(first), Ok(second)) = (first, second) {
            eprintln!("the system's certificates take {read:?}, known ones {known:?}");
            assert!(Arc::ptr_eq(&first, &second));
            // As if a minute had gone by.
            tls.known().as_mut().unwrap().at -= SYSTEM_EVERY;
            assert!(!Arc::ptr_eq(&first, &took(&tls).await.0.unwrap()));
        }
        let authority = std::env::temp_dir().join(format!("dbsonde-authority-{}", std::process::id()));
        let made = || rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap().cert.pem();
        std::fs::write(&authority, made()).unwrap();
        let first = tls.prepared(Some(&authority), None).await.unwrap();
        assert!(Arc::ptr_eq(&first, &tls.prepared(Some(&authority), None).await.unwrap()));
        // As it is replaced by whoever renews it.
        let new = authority.with_extension("new");
        std::fs::write(&new, made()).unwrap();
        std::fs::rename(&new, &authority).unwrap();
        assert!(!Arc::ptr_eq(&first, &tls.prepared(Some(&authority), None).await.unwrap()));
        std::fs::remove_file(&authority).unwrap();
        assert!(tls.prepared(Some(&authority), None).await.is_err(), "a file that is gone is not believed");
    }
}
