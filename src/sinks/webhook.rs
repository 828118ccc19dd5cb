//! JSON by POST: `{"version":1,"change":{…}}`. One connection for each change, since changes are rare; of the
//! answer only the status counts, redirects are not followed.
//!
//! HTTP is written by hand: a request of six lines and one number of the answer need no client library.

use crate::config::SinkConfig;
use crate::ledger::Change;
use crate::sink::{Delivery, Sink, SinkError};
use hyper::Uri;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;
use serde::Serialize;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// Of an answer; its status comes first.
const MAX_ANSWER: usize = 64 << 10;

#[derive(Debug)]
pub struct Webhook {
    config: SinkConfig,
    /// Made at the first need: reading the system's certificates takes a while.
    tls: OnceCell<Arc<ClientConfig>>,
}

#[derive(Serialize)]
struct Message<'a> {
    version: u32,
    change: &'a Change,
}

impl Sink for Webhook {
    fn deliver<'a>(&'a self, change: &'a Change) -> Delivery<'a> {
        Box::pin(self.post(change))
    }
}

impl Webhook {
    pub fn new(config: SinkConfig) -> Self {
        Self { config, tls: OnceCell::new() }
    }

    async fn post(&self, change: &Change) -> Result<(), SinkError> {
        let uri = self.uri()?;
        let host = uri.host().unwrap_or_default();
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let bare_host = host.trim_start_matches('[').trim_end_matches(']');
        let failed = |error: io::Error| SinkError::Retry(format!("{host}: {error}"));
        let request = request(&uri, &Message { version: 1, change });
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

/// `Uri` admits no blanks and line breaks, so the address cannot add lines of its own.
fn request(uri: &Uri, message: &Message<'_>) -> Vec<u8> {
    // Numbers, texts and maps with text keys: no way to fail.
    let body = serde_json::to_vec(message).unwrap_or_default();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: dbsonde/{}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION"),
        body.len()
    );
    [head.into_bytes(), body].concat()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Secret, SinkKind};
    use crate::ledger::Ledger;
    use crate::ledger::tests::finding;
    use crate::model::Severity;
    use crate::sinks;
    use std::time::Duration;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    fn change(severity: Severity) -> Change {
        Ledger::default()
            .apply(1e9, &"db1".into(), vec![finding("public.é", severity, 1.5)], |_, _| true, &[])
            .remove(0)
    }

    fn config(url: String) -> SinkConfig {
        let url = Some(Secret::new(url));
        SinkConfig { kind: SinkKind::Webhook, url, url_file: None, severity: Severity::Warning }
    }

    /// Answers each connection with the next of these, and returns what was posted.
    async fn server(answers: Vec<&'static str>) -> (String, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook/s3cret?a=b", listener.local_addr().unwrap());
        let (send, posted) = mpsc::channel(16);
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut read = Vec::new();
                let whole = |read: &[u8]| {
                    let text = String::from_utf8_lossy(read).into_owned();
                    let (head, body) = text.split_once("\r\n\r\n")?;
                    let length =
                        head.split("Content-Length: ").nth(1)?.lines().next()?.parse::<usize>().ok()?;
                    (body.len() == length).then_some(text)
                };
                let text = loop {
                    if let Some(text) = whole(&read) {
                        break text;
                    }
                    assert!(stream.read_buf(&mut read).await.unwrap() > 0);
                };
                send.send(text).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (url, posted)
    }

    #[tokio::test]
    async fn a_change_is_posted_as_json() {
        let (url, mut posted) =
            server(vec!["HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"]).await;
        let change = change(Severity::Urgent);
        Webhook::new(config(url)).post(&change).await.unwrap();
        let text = posted.recv().await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /hook/s3cret?a=b HTTP/1.1\r\nHost: 127.0.0.1:"), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["version"], &body["change"]["kind"]), (&1.into(), &"opened".into()));
        assert_eq!(serde_json::from_value::<Change>(body["change"].clone()).unwrap(), change);
    }

    #[tokio::test]
    async fn answers_are_judged_and_addresses_are_not_told() {
        let retry = |error: &SinkError| matches!(error, SinkError::Retry(_));
        for (answer, again) in [
            ("HTTP/1.1 500 Oops\r\n\r\n", true),
            ("HTTP/1.1 429 Slow\r\n", true),
            ("HTTP/1.1 404 None\r\n\r\n", false),
            ("HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\n\r\n", false),
            ("SSH-2.0-nonsense\r\n", true),
            ("", true),
        ] {
            let (url, _posted) = server(vec![answer]).await;
            let error = Webhook::new(config(url)).post(&change(Severity::Note)).await.unwrap_err();
            assert_eq!(retry(&error), again, "{answer} {error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        for url in [
            "http://u:s3cret@h/",
            "not a url s3cret",
            "ftp://h/s3cret",
            "http://127.0.0.1:1/s3cret",
            "https://127.0.0.1:1/s3cret",
        ] {
            let error = Webhook::new(config(url.to_owned())).post(&change(Severity::Note)).await.unwrap_err();
            assert!(retry(&error) && !error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[tokio::test]
    async fn one_slow_sink_delays_nobody() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let slow = config(format!("http://{}/", silent.local_addr().unwrap()));
        let (url, mut posted) = server(vec!["HTTP/1.1 200 OK\r\n\r\n"; 2]).await;
        let (send, changes) = mpsc::channel(16);
        let mut sinks = sinks::start(std::slice::from_ref(&slow), changes);
        sinks.reload(&[slow, config(url)]);
        send.send(change(Severity::Note)).await.unwrap();
        send.send(change(Severity::Urgent)).await.unwrap();
        let text = tokio::time::timeout(Duration::from_secs(5), posted.recv()).await.unwrap().unwrap();
        assert!(text.contains("\"urgent\""), "the note is below what this sink wants");
        drop(send);
        let counts =
            |sinks: &sinks::Sinks| sinks.counts().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(counts(&sinks), ["webhook-1", "webhook-2"]);
        let begun = std::time::Instant::now();
        sinks.finish(Duration::from_millis(200)).await;
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}
