//! What sinks post over HTTP, and how the answer is meant: of it only the status counts.

use crate::config::SinkConfig;
use crate::http::{self, Tls};
use crate::sink::SinkError;
use axum::body::Body;
use hyper::{Request, Uri};
use secrecy::ExposeSecret;

/// Where the requests of one sink go.
#[derive(Debug)]
pub struct Post {
    pub config: SinkConfig,
    /// What is added to the path of the address.
    below: &'static str,
    tls: Tls,
}

impl Post {
    pub fn new(config: SinkConfig, below: &'static str) -> Self {
        Self { config, below, tls: Tls::default() }
    }

    /// Posts JSON, with these headers beside the usual ones.
    pub async fn send(&self, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<(), SinkError> {
        let uri = self.uri().await?;
        let host = uri.host().unwrap_or_default().to_owned();
        let login = self.config.login();
        let tls = match http::is_tls(&uri) {
            true => Some(login.tls(&self.tls).await.map_err(SinkError::Retry)?),
            false => None,
        };
        let login = login.authorization().await;
        let login = login.map_err(|error| SinkError::Retry(error.to_string()))?;
        let mut request = Request::post(below(&uri, self.below)).header("Content-Type", "application/json");
        if let Some(login) = login {
            request = request.header("Authorization", login);
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(body));
        let request = request.map_err(|_| SinkError::Retry("the login holds what a header cannot".into()))?;
        let answer = http::call(request, tls, 0).await;
        let answer = answer.map_err(|error| SinkError::Retry(format!("{host}: {error}")))?;
        judge(&host, answer.status.as_u16())
    }

    /// Read anew each time, so that a file can be rotated; what is wrong with it may be mended meanwhile.
    async fn uri(&self) -> Result<Uri, SinkError> {
        let none = || SinkError::GiveUp("there is no address to post to".into());
        let address = self.config.address().await;
        let address = address.map_err(|error| SinkError::Retry(error.to_string()))?.ok_or_else(none)?;
        let wrong = |what: &str| SinkError::Retry(format!("the address to post to {what}"));
        let uri: Uri = address.get().expose_secret().trim().parse().map_err(|_| wrong("is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("begins with neither http:// nor https://"));
        }
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(wrong("holds a login: write user and password_file beside it"));
        }
        Ok(uri)
    }
}

/// The address with a path below its own.
fn below(uri: &Uri, path: &str) -> String {
    let (own, query) = (uri.path(), uri.query().map(|query| format!("?{query}")).unwrap_or_default());
    let (scheme, authority) =
        (uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |a| a.as_str()));
    let own = if path.is_empty() { own } else { own.trim_end_matches('/') };
    format!("{scheme}://{authority}{own}{path}{query}")
}

fn judge(host: &str, status: u16) -> Result<(), SinkError> {
    let said = |what: &str| format!("{host} answered {status}{what}");
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(SinkError::GiveUp(said(": it redirects, which is not followed"))),
        // Files with logins and addresses are renewed.
        401 | 403 => Err(SinkError::Retry(said(": it does not take our login"))),
        408 | 429 => Err(SinkError::Retry(said(""))),
        400..=499 => Err(SinkError::GiveUp(said(""))),
        _ => Err(SinkError::Retry(said(""))),
    }
}
