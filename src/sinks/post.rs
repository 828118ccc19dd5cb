//! HTTP by hand: a request of a few lines and one number of the answer need no client library. One connection for
//! each request, since changes are rare; of the answer only the status counts, redirects are not followed.

use crate::config::SinkConfig;
use crate::sink::SinkError;
use hyper::Uri;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// Of an answer; its status comes first.
const MAX_ANSWER: usize = 64 << 10;

/// Where the requests of one sink go.
#[derive(Debug)]
pub struct Post {
    pub config: SinkConfig,
    /// What is added to the path of the address.
    below: &'static str,
    /// Made at the first need: reading the system's certificates takes a while.
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Post {
    pub fn new(config: SinkConfig, below: &'static str) -> Self {
        Self { config, below, tls: OnceCell::new() }
    }

    /// Posts JSON. `headers` are whole lines.
    pub async fn send(&self, headers: &str, body: &[u8]) -> Result<(), SinkError> {
        let uri = self.uri()?;
        let host = uri.host().unwrap_or_default();
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let bare_host = host.trim_start_matches('[').trim_end_matches(']');
        let failed = |error: io::Error| SinkError::Retry(format!("{host}: {error}"));
        let request = self.request(&uri, headers, body);
        let stream = TcpStream::connect((bare_host, port)).await.map_err(failed)?;
        let status = if is_tls {
            let name = ServerName::try_from(bare_host.to_owned())
                .map_err(|_| SinkError::GiveUp(format!("{host} is not a name that certificates know")))?;
            let tls = TlsConnector::from(self.tls().await?.clone());
            exchange(tls.connect(name, stream).await.map_err(failed)?, &request).await
        } else {
            exchange(stream, &request).await
        };
        judge(host, status.map_err(failed)?)
    }

    /// Read anew each time, so that a file can be rotated; what is wrong with it may be mended meanwhile.
    fn uri(&self) -> Result<Uri, SinkError> {
        let none = || SinkError::GiveUp("there is no address to post to".into());
        let address =
            self.config.address().map_err(|error| SinkError::Retry(error.to_string()))?.ok_or_else(none)?;
        let wrong = |what: &str| SinkError::Retry(format!("the address to post to {what}"));
        let uri: Uri = address.get().expose_secret().trim().parse().map_err(|_| wrong("is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("begins with neither http:// nor https://"));
        }
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(wrong("holds a login, which is not supported"));
        }
        Ok(uri)
    }

    /// `Uri` admits no blanks and line breaks, so the address cannot add lines of its own.
    fn request(&self, uri: &Uri, headers: &str, body: &[u8]) -> Vec<u8> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
        let path = match self.below {
            "" => path.to_owned(),
            below => format!("{}{below}", path.trim_end_matches('/')),
        };
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let head = format!(
            "POST {path}{query} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: dbsonde/{}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n{headers}Connection: close\r\n\r\n",
            env!("CARGO_PKG_VERSION"),
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    async fn tls(&self) -> Result<&Arc<ClientConfig>, SinkError> {
        self.tls.get_or_try_init(trust).await
    }
}

/// Trusts whom the system trusts.
async fn trust() -> Result<Arc<ClientConfig>, SinkError> {
    let failed = |why: String| SinkError::Retry(format!("cannot prepare TLS: {why}"));
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(found.map_err(|error| failed(error.to_string()))?.certs);
    if known == 0 {
        return Err(failed("the system has no certificates of authorities".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| failed(error.to_string()))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Sends, and returns the status of the answer.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> io::Result<u16> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut answer = Vec::with_capacity(1_024);
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
    loop {
        if let Some(status) = status(&answer) {
            return status.ok_or_else(odd);
        }
        if answer.len() > MAX_ANSWER {
            return Err(odd());
        }
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer"));
        }
    }
}

/// The first final status: `None` while more has to be read, `Some(None)` when it will never be one.
fn status(mut answer: &[u8]) -> Option<Option<u16>> {
    loop {
        let end = answer.windows(2).position(|pair| pair == b"\r\n")?;
        let line = answer.get(..end).and_then(|line| std::str::from_utf8(line).ok());
        let code = line.and_then(|line| line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok());
        match code {
            Some(100..=199) => {
                let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
                answer = answer.get(head + 4..)?;
            }
            code => return Some(code),
        }
    }
}

fn judge(host: &str, status: u16) -> Result<(), SinkError> {
    let said = |what: &str| format!("{host} answered {status}{what}");
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(SinkError::GiveUp(said(": it redirects, which is not followed"))),
        408 | 429 => Err(SinkError::Retry(said(""))),
        400..=499 => Err(SinkError::GiveUp(said(""))),
        _ => Err(SinkError::Retry(said(""))),
    }
}
