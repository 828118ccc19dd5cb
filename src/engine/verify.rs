//! Who the server is, by its certificate: libpq's rules where they differ from those of the web.

use super::trust::Trust;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ALTERNATIVE_NAMES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// Unix seconds; 0 before a certificate was seen.
#[derive(Debug, Clone, Default)]
pub struct Expires(Arc<AtomicU64>);

impl Expires {
    pub fn get(&self) -> Option<f64> {
        let at = self.0.load(Ordering::Relaxed);
        (at > 0).then_some(at as f64)
    }
}

#[derive(Debug)]
pub struct Verifier {
    trust: Trust,
    roots: Vec<CertificateDer<'static>>,
    /// `None` where anybody is trusted.
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    expires: Expires,
}

impl Verifier {
    pub fn new(
        trust: Trust,
        roots: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Verifier, String> {
        let chain = match trust {
            Trust::Anybody => None,
            Trust::Chain | Trust::Full => {
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(roots.iter().cloned());
                let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone());
                Some(builder.build().map_err(|error| error.to_string())?)
            }
        };
        Ok(Verifier { trust, roots, chain, provider: provider.clone(), expires: Expires::default() })
    }

    pub fn expires(&self) -> Expires {
        self.expires.clone()
    }

    /// The certificate itself stands among the roots: signed by itself, as so many are.
    fn verify_itself(
        &self,
        shown: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = Certificate::from_der(shown)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let life = &parsed.tbs_certificate.validity;
        let now = now.as_secs();
        if now > life.not_after.to_unix_duration().as_secs() {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        if now < life.not_before.to_unix_duration().as_secs() {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        verify_server_name(&ParsedCertificate::try_from(shown)?, name)
    }

    /// What a wrong name means: nothing to `verify-ca`; and to libpq the common name counts where there is no other.
    fn forgive(&self, error: Error, shown: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
        let is_name = matches!(
            error,
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
            )
        );
        if is_name && (self.trust == Trust::Chain || has_common_name(shown, &name.to_str())) {
            return Ok(());
        }
        Err(error)
    }
}

/// For a certificate without alternative names: whether its common name is this host, a star standing for one label.
fn has_common_name(shown: &CertificateDer<'_>, host: &str) -> bool {
    let Ok(parsed) = Certificate::from_der(shown) else { return false };
    let about = &parsed.tbs_certificate;
    let mut extensions = about.extensions.iter().flatten();
    if extensions.any(|extension| extension.extn_id == ALTERNATIVE_NAMES) {
        return false;
    }
    let attributes = about.subject.0.iter().flat_map(|names| names.0.iter());
    let mut names = attributes.filter(|attribute| attribute.oid == COMMON_NAME);
    let Some(name) = names.next_back() else { return false };
    let is_host = |name: &str| match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
        None => name.eq_ignore_ascii_case(host),
    };
    std::str::from_utf8(name.value.value()).is_ok_and(is_host)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Ok(parsed) = Certificate::from_der(shown) {
            let ends = parsed.tbs_certificate.validity.not_after.to_unix_duration().as_secs();
            self.expires.0.store(ends, Ordering::Relaxed);
        }
        let verdict = match &self.chain {
            None => Ok(()),
            Some(_) if self.roots.iter().any(|root| root == shown) => self.verify_itself(shown, name, now),
            Some(chain) => chain.verify_server_cert(shown, intermediates, name, ocsp, now).map(drop),
        };
        verdict.or_else(|error| self.forgive(error, shown, name))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, shown, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, shown, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
