//! TLS as the file words it (Go's names) on rustls, which knows only what is safe today.

use crate::config::yaml::{Place, Wrong};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion, version,
};
use std::net::IpAddr;
use std::sync::Arc;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// What is written, and where.
type Pem = Option<(Place, Vec<u8>)>;

#[derive(Debug)]
pub struct Tls {
    place: Place,
    pub certificate: Pem,
    pub key: Pem,
    pub authority: Pem,
    pub client: Client,
    pub names: Vec<String>,
    pub least: Option<Version>,
    pub most: Option<Version>,
    pub suites: Vec<SupportedCipherSuite>,
    pub curves: Vec<&'static dyn SupportedKxGroup>,
    pub ours_first: bool,
}

/// Whether a client shows a certificate. The kinds that ask for one without verifying it protect nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    NotAsked,
    IfGiven,
    Required,
}

impl Client {
    pub fn of(place: Place, name: &str) -> Result<Client, Wrong> {
        match name {
            "" | "NoClientCert" => Ok(Client::NotAsked),
            "VerifyClientCertIfGiven" => Ok(Client::IfGiven),
            "RequireAndVerifyClientCert" => Ok(Client::Required),
            _ => Err((
                place,
                format!(
                    "`{name}` verifies nothing\nwrite RequireAndVerifyClientCert, VerifyClientCertIfGiven or NoClientCert"
                ),
            )),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Tls12,
    Tls13,
}

pub fn version(place: Place, name: &str) -> Result<Version, Wrong> {
    match name {
        "TLS12" => Ok(Version::Tls12),
        "TLS13" => Ok(Version::Tls13),
        _ => Err((place, format!("`{name}` is not a version that dbsonde speaks\nwrite TLS12 or TLS13"))),
    }
}

/// By the names of Go; those of TLS 1.2 with ChaCha have a shorter form there.
pub fn suite(place: Place, name: &str) -> Result<SupportedCipherSuite, Wrong> {
    let known = |suite: &SupportedCipherSuite| {
        let ours = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
        ours == name || ours.strip_suffix("_SHA256") == Some(name) && name.ends_with("POLY1305")
    };
    let found = ring::ALL_CIPHER_SUITES.iter().copied().find(known);
    let hint = "write names such as TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, or leave the list out";
    found.ok_or_else(|| (place, format!("`{name}` is not a cipher suite that dbsonde speaks\n{hint}")))
}

pub fn curve(place: Place, name: &str) -> Result<&'static dyn SupportedKxGroup, Wrong> {
    match name {
        "X25519" => Ok(ring::kx_group::X25519),
        "CurveP256" => Ok(ring::kx_group::SECP256R1),
        "CurveP384" => Ok(ring::kx_group::SECP384R1),
        _ => Err((
            place,
            format!("`{name}` is not a curve that dbsonde speaks\nwrite X25519, CurveP256 or CurveP384"),
        )),
    }
}

impl Tls {
    pub fn new(place: Place) -> Self {
        Self {
            place,
            certificate: None,
            key: None,
            authority: None,
            client: Client::NotAsked,
            names: Vec::new(),
            least: None,
            most: None,
            suites: Vec::new(),
            curves: Vec::new(),
            ours_first: true,
        }
    }

    pub fn build(self) -> Result<Arc<ServerConfig>, Wrong> {
        let wrong = |said: &str| Err((self.place, said.to_owned()));
        let (Some((at, chain)), Some((at_key, key))) = (&self.certificate, &self.key) else {
            return wrong("TLS wants a certificate and its key\nwrite cert_file and key_file");
        };
        let chain = certificates(*at, chain)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| (*at_key, "there is no private key in this, or one with a password".to_owned()))?;
        let provider = Arc::new(self.provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.versions()?)
            .map_err(|error| (self.place, format!("these settings leave nothing to speak: {error}")))?;
        let builder = match self.verifier(&provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| (*at_key, format!("the certificate and the key do not serve: {error}")))?;
        config.ignore_client_order = self.ours_first;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, Wrong> {
        let (least, most) = (self.least.unwrap_or(Version::Tls12), self.most.unwrap_or(Version::Tls13));
        let all = [(Version::Tls13, &version::TLS13), (Version::Tls12, &version::TLS12)];
        let chosen = all.iter().filter(|(version, _)| (least..=most).contains(version));
        let chosen: Vec<_> = chosen.map(|(_, version)| *version).collect();
        if chosen.is_empty() {
            return Err((self.place, "min_version is above max_version".to_owned()));
        }
        Ok(chosen)
    }

    /// A list chooses among the suites of TLS 1.2; those of TLS 1.3 are all good and stay, as they do in Go.
    fn provider(&self) -> CryptoProvider {
        let mut provider = ring::default_provider();
        if !self.suites.is_empty() {
            let mut suites = self.suites.clone();
            let of_13 = provider.cipher_suites.iter().filter(|suite| suite.tls13().is_some());
            suites.extend(of_13.copied().filter(|suite| !self.suites.contains(suite)));
            provider.cipher_suites = suites;
        }
        if !self.curves.is_empty() {
            provider.kx_groups.clone_from(&self.curves);
        }
        provider
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Option<Arc<dyn ClientCertVerifier>>, Wrong> {
        let Some((at, authority)) = &self.authority else {
            return match (self.client, self.names.is_empty()) {
                (Client::NotAsked, true) => Ok(None),
                _ => Err((
                    self.place,
                    "client certificates want an authority\nwrite client_ca_file".to_owned(),
                )),
            };
        };
        if self.client == Client::NotAsked {
            let hint = "write client_auth_type: RequireAndVerifyClientCert";
            return Err((*at, format!("an authority for clients is named, and no client is asked\n{hint}")));
        }
        let mut roots = RootCertStore::empty();
        for certificate in certificates(*at, authority)? {
            roots.add(certificate).map_err(|error| (*at, format!("this is no authority: {error}")))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let builder = if self.client == Client::IfGiven { builder.allow_unauthenticated() } else { builder };
        let inner = builder.build().map_err(|error| (*at, format!("this is no authority: {error}")))?;
        if self.names.is_empty() {
            return Ok(Some(inner));
        }
        Ok(Some(Arc::new(Named { inner, names: self.names.clone() })))
    }
}

fn certificates(at: Place, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err((at, "there is no certificate in this".to_owned())),
    }
}

/// A certificate of the authority is not enough: it must be for one of these names.
#[derive(Debug)]
struct Named {
    inner: Arc<dyn ClientCertVerifier>,
    names: Vec<String>,
}

impl Named {
    fn knows(&self, certificate: &CertificateDer<'_>) -> bool {
        let names = names(certificate).unwrap_or_default();
        names.iter().any(|name| self.names.contains(name))
    }
}

/// The alternative names of a certificate, as the file would write them.
fn names(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let extensions = certificate.tbs_certificate.extensions?;
    let of_names = |e: &&x509_cert::ext::Extension| e.extn_id.to_string() == "2.5.29.17";
    let names = SubjectAltName::from_der(extensions.iter().find(of_names)?.extn_value.as_bytes()).ok()?;
    let name = |name: &GeneralName| match name {
        GeneralName::DnsName(name) | GeneralName::Rfc822Name(name) => Some(name.to_string()),
        GeneralName::UniformResourceIdentifier(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => match bytes.as_bytes() {
            bytes if bytes.len() == 4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
            bytes => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        },
        _ => None,
    };
    Some(names.0.iter().filter_map(name).collect())
}

impl ClientCertVerifier for Named {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }
    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }
    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(certificate, chain, now)?;
        if self.knows(certificate) {
            return Ok(verified);
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
