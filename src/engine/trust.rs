//! `sslmode` and its kin as libpq means them, on rustls; whatever the engine's protocol, TLS is the same.

use super::EngineError;
use super::verify::{Expires, Verifier};
use crate::config::Target;
use crate::disk;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use std::sync::Arc;

/// How far the server's certificate is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Encrypted against listeners, not against impostors: `prefer` and `require` without a root.
    Anybody,
    /// Signed by a root that we trust, whatever its name.
    Chain,
    /// Signed, and for the host that we asked for.
    Full,
}

/// What `sslmode` stands for when nobody says it.
pub fn mode(target: &Target) -> &str {
    let usual = if target.url.param("sslrootcert") == Some("system") { "verify-full" } else { "prefer" };
    target.url.param("sslmode").unwrap_or(usual)
}

/// `None` where TLS is disabled.
pub fn of(target: &Target) -> Option<Trust> {
    match mode(target) {
        "disable" => None,
        "verify-full" => Some(Trust::Full),
        "verify-ca" => Some(Trust::Chain),
        // libpq's rule: a root that is given is used.
        "require" if target.url.param("sslrootcert").is_some() => Some(Trust::Chain),
        _ => Some(Trust::Anybody),
    }
}

/// How TLS to a target begins.
#[derive(Debug, Clone)]
pub struct Client {
    pub config: Arc<ClientConfig>,
    /// When the certificate ends that the server has shown.
    pub expires: Expires,
}

/// `None` where TLS is disabled. Files are read at each connect: certificates are replaced while we run.
pub async fn client(target: &Target) -> Result<Option<Client>, EngineError> {
    let reads = |name| target.url.param(name).is_some();
    // Nothing has to be read where anybody is believed and we show nothing.
    if of(target).is_none_or(|trust| trust == Trust::Anybody) && !reads("sslcert") {
        return prepare(target);
    }
    let own = target.clone();
    let prepared = disk::read(&format!("certificates of {}", target.name), move || prepare(&own)).await;
    prepared.unwrap_or_else(|hangs| Err(unsupported("certificates", hangs)))
}

/// May wait for a disk.
fn prepare(target: &Target) -> Result<Option<Client>, EngineError> {
    let of = |name| target.url.param(name);
    let root = of("sslrootcert");
    let Some(trust) = self::of(target) else { return Ok(None) };
    let provider = Arc::new(ring::default_provider());
    let roots = if trust == Trust::Anybody { Vec::new() } else { roots(root)? };
    let verifier = Verifier::new(trust, roots, &provider).map_err(|what| unsupported("sslrootcert", what))?;
    let expires = verifier.expires();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(target))
        .map_err(|error| unsupported("TLS", error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match (of("sslcert"), of("sslkey")) {
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(certificates("sslcert", cert)?, private_key("sslkey", key)?)
            .map_err(|error| unsupported("sslcert", error))?,
        _ => builder.with_no_client_auth(),
    };
    config.enable_sni = of("sslsni") != Some("0");
    Ok(Some(Client { config: Arc::new(config), expires }))
}

fn unsupported(name: &str, what: impl std::fmt::Display) -> EngineError {
    EngineError::Unsupported(format!("{name}: {what}"))
}

fn versions(target: &Target) -> Vec<&'static SupportedProtocolVersion> {
    let bound = |name| target.url.param(name).unwrap_or_default();
    let (least, most) = (bound("ssl_min_protocol_version"), bound("ssl_max_protocol_version"));
    let mut versions = Vec::new();
    if most != "TLSv1.2" {
        versions.push(&TLS13);
    }
    if least != "TLSv1.3" {
        versions.push(&TLS12);
    }
    versions
}

/// `name` is the setting that names the file.
pub fn certificates(name: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, EngineError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| unsupported(name, error))?;
    if read.is_empty() {
        Err(unsupported(name, format!("there is no certificate in {path}")))
    } else {
        Ok(read)
    }
}

pub fn private_key(name: &str, path: &str) -> Result<PrivateKeyDer<'static>, EngineError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        // What the file holds is not repeated.
        let what = match error {
            pem::Error::NoItemsFound => "there is no key in it that needs no passphrase".to_owned(),
            pem::Error::Io(error) => error.kind().to_string(),
            _ => "it is not PEM".to_owned(),
        };
        unsupported(name, what)
    })
}

/// The roots of a file, or those that this machine trusts.
fn roots(file: Option<&str>) -> Result<Vec<CertificateDer<'static>>, EngineError> {
    match file {
        None | Some("system") => Ok(rustls_native_certs::load_native_certs().certs),
        Some(path) => certificates("sslrootcert", path),
    }
}
