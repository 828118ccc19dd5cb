//! TLS between tokio-postgres and rustls, with the guard on what it decrypts.

use super::demand::{Demand, Way};
use super::guard::Guarded;
use crate::config::Target;
use crate::engine::{EngineError, trust};
use rustls::ClientConfig;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

pub fn mode(target: &Target) -> SslMode {
    match trust::mode(target) {
        "disable" => SslMode::Disable,
        // `allow` asks for plain text first; no reason of ours makes that better than `prefer`.
        "allow" | "prefer" => SslMode::Prefer,
        _ => SslMode::Require,
    }
}

/// Whether TLS begins with the first byte, as from 17 on it may.
pub fn negotiation(target: &Target) -> SslNegotiation {
    match target.url.param("sslnegotiation") {
        Some("direct") => SslNegotiation::Direct,
        _ => SslNegotiation::Postgres,
    }
}

#[derive(Clone)]
pub struct Connector(trust::Client, Demand);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    /// `None` where TLS is disabled.
    pub async fn of(target: &Target) -> Result<Option<Connector>, EngineError> {
        let Some(mut client) = trust::client(target).await? else { return Ok(None) };
        Arc::make_mut(&mut client.config).alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Some(Connector(client, Demand::of(target, Way::of_tls(target)))))
    }

    pub fn to(&self, host: &str) -> GuardedTls {
        GuardedTls { config: self.0.config.clone(), host: host.to_owned(), demand: self.1 }
    }

    /// When the certificate ends that the server has shown.
    pub fn certificate_expires(&self) -> Option<f64> {
        self.0.expires.get()
    }
}

/// Begins TLS and puts the guard on what it decrypts.
#[derive(Debug)]
pub struct GuardedTls {
    config: Arc<ClientConfig>,
    host: String,
    demand: Demand,
}

impl<S> TlsConnect<S> for GuardedTls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Guarded<Encrypted<S>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Stream>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let mut maker = MakeRustlsConnect::new(ClientConfig::clone(&self.config));
        let connect = <MakeRustlsConnect as MakeTlsConnect<S>>::make_tls_connect(&mut maker, &self.host);
        Box::pin(async move {
            let connect = connect.map_err(|never| io::Error::other(format!("{never:?}")))?;
            Ok(Guarded::inside(Encrypted(connect.connect(stream).await?), self.demand))
        })
    }
}

/// The bridge's stream type has no public name but this one.
pub struct Encrypted<S>(<MakeRustlsConnect as MakeTlsConnect<S>>::Stream)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static;

impl<S> AsyncRead for Encrypted<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S> AsyncWrite for Encrypted<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<S> TlsStream for Guarded<Encrypted<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn channel_binding(&self) -> ChannelBinding {
        self.get_ref().0.channel_binding()
    }
}
