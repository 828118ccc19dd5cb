//! JSON by POST: `{"version":1,"change":{…}}`, or the operator's own template; signed if there is a key.

use super::post::Post;
use crate::config::{SinkConfig, pieces};
use crate::ledger::Change;
use crate::sink::{Delivery, Sink, SinkError};
use ring::hmac;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug)]
pub struct Webhook {
    post: Post,
}

impl Sink for Webhook {
    fn deliver<'a>(&'a self, change: &'a Change) -> Delivery<'a> {
        Box::pin(self.tell(change))
    }
}

impl Webhook {
    pub fn new(config: SinkConfig) -> Self {
        Self { post: Post::new(config, "") }
    }

    async fn tell(&self, change: &Change) -> Result<(), SinkError> {
        let body = match &self.post.config.template {
            Some(template) => filled(template, change),
            None => json!({ "version": 1, "change": change }).to_string(),
        };
        let key = self.post.config.signature_key().await;
        let key = key.map_err(|error| SinkError::Retry(error.to_string()))?;
        let headers = key.map(|key| signature(key.get().expose_secret(), &body)).unwrap_or_default();
        self.post.send(&headers, body.into_bytes()).await
    }
}

/// The time is signed along, so that whoever listens can refuse what somebody recorded and sends again.
fn signature(key: &str, body: &str) -> Vec<(&'static str, String)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let signature = format!("sha256={}", signed(key, now, body));
    vec![("X-Dbsonde-Timestamp", now.to_string()), ("X-Dbsonde-Signature", signature)]
}

fn signed(key: &str, now: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, format!("{now}.{body}").as_bytes());
    tag.as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The template with the values in their places, each as it stands inside a JSON string.
fn filled(template: &str, change: &Change) -> String {
    let entry = serde_json::to_value(&change.entry).unwrap_or_default();
    let value = |name: &str| match name {
        "change" => change.kind.name().to_owned(),
        "verdict" => change.entry.verdict.as_ref().map(|verdict| verdict.because.clone()).unwrap_or_default(),
        "fix" => change.entry.finding.fix.as_ref().map(|fix| fix.sql.join("\n")).unwrap_or_default(),
        field => entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    pieces(template).fold(String::new(), |mut text, (plain, name)| {
        text.push_str(plain);
        if let Some(name) = name {
            let quoted = Value::String(value(name)).to_string();
            text.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::Secret;
    use crate::ledger::Ledger;
    use crate::ledger::tests::finding;
    use crate::model::Severity;
    use crate::sinks;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    fn change(severity: Severity) -> Change {
        Ledger::default()
            .apply(1e9, &"db1".into(), vec![finding("public.é", severity, 1.5)], |_, _| true, |_| None)
            .remove(0)
    }

    fn config(url: String) -> SinkConfig {
        let text = "kind = \"webhook\"\nseverity = \"warning\"";
        SinkConfig { url: Some(Secret::new(url)), ..toml::from_str(text).unwrap() }
    }

    fn boards() -> tokio::sync::watch::Receiver<crate::board::Board> {
        tokio::sync::watch::channel(crate::board::Board::default()).1
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
        Webhook::new(config(url)).tell(&change).await.unwrap();
        let text = posted.recv().await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /hook/s3cret?a=b HTTP/1.1\r\nHost: 127.0.0.1:"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
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
            let error = Webhook::new(config(url)).tell(&change(Severity::Note)).await.unwrap_err();
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
            let error = Webhook::new(config(url.to_owned())).tell(&change(Severity::Note)).await.unwrap_err();
            assert!(retry(&error) && !error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_template_is_filled_and_the_request_is_signed() {
        let (url, mut posted) = server(vec!["HTTP/1.1 200 OK\r\n\r\n"]).await;
        let key = std::env::temp_dir().join(format!("dbsonde-key-{}", std::process::id()));
        std::fs::write(&key, "s3cret\n").unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let template = "{\"text\": \"{change} {severity} on {target}: {subject}\\n{because}\"}".to_owned();
        let config =
            SinkConfig { template: Some(template), signature_key_file: Some(key.clone()), ..config(url) };
        let mut change = change(Severity::Urgent);
        change.entry.finding.because = "a \"quoted\"\nsentence".into();
        Webhook::new(config).tell(&change).await.unwrap();
        std::fs::remove_file(key).unwrap();
        let text = posted.recv().await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let told: Value = serde_json::from_str(body).unwrap();
        assert_eq!(told["text"], "opened urgent on db1: public.é\na \"quoted\"\nsentence");
        let header = |name: &str| head.split(name).nth(1).unwrap().lines().next().unwrap().to_owned();
        let at: u64 = header("X-Dbsonde-Timestamp: ").parse().unwrap();
        assert_eq!(header("X-Dbsonde-Signature: sha256="), signed("s3cret", at, body));
    }

    /// A test vector that another implementation made.
    #[test]
    fn the_signature_is_the_usual_one() {
        let expected = "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
        assert_eq!(signed("key", 1_700_000_000, "{}"), expected);
    }

    #[tokio::test]
    async fn one_slow_sink_delays_nobody() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let slow = config(format!("http://{}/", silent.local_addr().unwrap()));
        let (url, mut posted) = server(vec!["HTTP/1.1 200 OK\r\n\r\n"; 2]).await;
        let mut sinks = sinks::start(std::slice::from_ref(&slow), Clock::start(), boards(), None);
        sinks.reload(&[slow, config(url)]);
        sinks.listeners().tell(&[change(Severity::Note), change(Severity::Urgent)]).await;
        let text = tokio::time::timeout(Duration::from_secs(5), posted.recv()).await.unwrap().unwrap();
        assert!(text.contains("\"urgent\""), "the note is below what this sink wants");
        let counts =
            |sinks: &sinks::Sinks| sinks.counts().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(counts(&sinks), ["webhook-1", "webhook-2"]);
        let begun = std::time::Instant::now();
        sinks.finish(Duration::from_millis(200)).await;
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}
