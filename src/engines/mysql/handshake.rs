//! From an open stream to a session: the greeting, TLS, and the proof of the password.

use super::door::Refusal;
use super::scramble;
use super::wire::{Fields, ServerError, Stream, Wire, absurd, put_counted, unreachable};
use crate::config::Secret;
use crate::engine::EngineError;
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// What we can and what we ask for. Never LOCAL_FILES (0x80), MULTI_STATEMENTS (0x1_0000), MULTI_RESULTS.
mod can {
    pub const LONG_PASSWORD: u32 = 0x1;
    pub const CONNECT_WITH_DB: u32 = 0x8;
    pub const PROTOCOL_41: u32 = 0x200;
    pub const TLS: u32 = 0x800;
    pub const TRANSACTIONS: u32 = 0x2000;
    pub const SECURE_CONNECTION: u32 = 0x8000;
    pub const PLUGIN_AUTH: u32 = 0x8_0000;
    pub const CONNECT_ATTRIBUTES: u32 = 0x10_0000;
    pub const NO_EOF: u32 = 0x100_0000;
    pub const NEEDED: u32 = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;
    pub const WANTED: u32 = NEEDED | LONG_PASSWORD | TRANSACTIONS | CONNECT_ATTRIBUTES | NO_EOF;
}

/// `utf8mb4_general_ci`, which every version has.
const UTF8MB4: u8 = 45;
/// Bytes of an answer's packet that we would take.
const MAX_PACKET: u32 = 4 << 20;
/// Turns of asking and answering before a server is not taken seriously any more.
const MAX_TURNS: usize = 8;

/// Who knocks, and how.
#[derive(Debug, Clone)]
pub struct Login {
    pub user: String,
    pub password: Option<Secret>,
    pub database: Option<String>,
    /// What a person who lists sessions sees of us.
    pub application: String,
    pub tls: Option<Arc<ClientConfig>>,
    /// Without TLS we do not go on.
    pub tls_needed: bool,
    pub host: String,
    /// A socket of this machine: nobody listens.
    pub is_local: bool,
    /// With TLS we know who the server is.
    pub is_verified: bool,
}

/// A session that may be asked.
#[derive(Debug)]
pub struct Session {
    pub wire: Wire,
    /// The server's number for it.
    pub id: u32,
    /// Columns are followed by an end packet of their own.
    pub has_eof: bool,
}

struct Greeting {
    version: String,
    id: u32,
    can: u32,
    nonce: Vec<u8>,
    plugin: String,
}

/// Talks until the server takes us or says why not.
pub async fn shake(stream: impl Stream + 'static, login: &Login) -> Result<Session, Refusal> {
    let broken = |error| Refusal::Broken(unreachable(error));
    let mut wire = Wire::new(stream);
    let packet = wire.receive().await.map_err(|error| match error.kind() {
        // It, or who stands before it, hung up before it said anything: that is not held against us.
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
            Refusal::Said(unreachable(error))
        }
        _ => broken(error),
    })?;
    let greeting = match packet.first() {
        Some(0xFF) => return Err(said(ServerError::read(Fields(packet.get(1..).unwrap_or_default())))),
        _ => Greeting::read(Fields(packet)).ok_or_else(|| broken(absurd("this is not a MySQL server")))?,
    };
    if greeting.can & can::NEEDED != can::NEEDED {
        return Err(Refusal::Broken(EngineError::Unsupported(format!(
            "{} cannot check passwords by plugin: it is older than 5.6",
            greeting.version
        ))));
    }
    let mut flags = can::WANTED & greeting.can;
    if login.database.is_some() {
        flags |= can::CONNECT_WITH_DB;
    }
    let tls = login.tls.clone().filter(|_| greeting.can & can::TLS != 0);
    if tls.is_none() && login.tls_needed {
        return Err(Refusal::Broken(EngineError::Unsupported("the server does not offer TLS".into())));
    }
    let is_private = tls.is_some() || login.is_local;
    if let Some(config) = tls {
        flags |= can::TLS;
        wire.send(&opening(flags)).await.map_err(broken)?;
        wire = wire.encrypt(config, &login.host).await.map_err(broken)?;
    }
    let mut talk =
        Talk { wire, login, plugin: greeting.plugin.clone(), nonce: greeting.nonce.clone(), is_private };
    let proof = talk.proof().unwrap_or_default();
    talk.wire.send(&response(flags, login, &talk.plugin, &proof)).await.map_err(broken)?;
    talk.until_taken().await?;
    Ok(Session { wire: talk.wire, id: greeting.id, has_eof: flags & can::NO_EOF == 0 })
}

impl Greeting {
    fn read(mut fields: Fields<'_>) -> Option<Greeting> {
        (fields.u8()? == 10).then_some(())?;
        let version = String::from_utf8_lossy(fields.zero_ended()).chars().take(100).collect();
        let id = fields.u32()?;
        let mut nonce = fields.bytes(8)?.to_vec();
        fields.bytes(1)?;
        let low = u32::from(fields.u16()?);
        fields.bytes(3)?;
        let high = u32::from(fields.u16()?);
        let length = usize::from(fields.u8()?);
        fields.bytes(10)?;
        let second = fields.bytes(length.saturating_sub(8).max(13))?;
        nonce.extend(second.strip_suffix(&[0]).unwrap_or(second));
        let plugin = String::from_utf8_lossy(fields.zero_ended()).into_owned();
        Some(Greeting { version, id, can: low | high << 16, nonce, plugin })
    }
}

fn opening(flags: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend(flags.to_le_bytes());
    out.extend(MAX_PACKET.to_le_bytes());
    out.push(UTF8MB4);
    out.extend([0; 23]);
    out
}

fn response(flags: u32, login: &Login, plugin: &str, proof: &[u8]) -> Vec<u8> {
    let mut out = opening(flags);
    let zero_ended = |out: &mut Vec<u8>, text: &str| {
        out.extend(text.bytes().filter(|byte| *byte != 0));
        out.push(0);
    };
    zero_ended(&mut out, &login.user);
    put_counted(&mut out, proof);
    if let Some(database) = &login.database {
        zero_ended(&mut out, database);
    }
    zero_ended(&mut out, plugin);
    if flags & can::CONNECT_ATTRIBUTES != 0 {
        let mut attributes = Vec::new();
        for word in ["program_name", &login.application] {
            put_counted(&mut attributes, word.as_bytes());
        }
        put_counted(&mut out, &attributes);
    }
    out
}

/// The part of the handshake in which the server asks for proof.
struct Talk<'a> {
    wire: Wire,
    login: &'a Login,
    plugin: String,
    nonce: Vec<u8>,
    /// Nobody listens, so the password itself may be said.
    is_private: bool,
}

impl Talk<'_> {
    fn password(&self) -> &str {
        self.login.password.as_ref().map_or("", |password| password.get().expose_secret())
    }

    /// What the plugin wants at first, `None` for one that we do not speak.
    fn proof(&self) -> Option<Vec<u8>> {
        let password = self.password();
        match self.plugin.as_str() {
            _ if password.is_empty() => Some(Vec::new()),
            "mysql_native_password" => Some(scramble::native(password, &self.nonce)),
            "caching_sha2_password" => Some(scramble::caching_sha2(password, &self.nonce)),
            "client_ed25519" => scramble::ed25519(password, &self.nonce),
            "sha256_password" if self.is_private => Some(self.open_password()),
            // What can be had for the asking goes only where nobody else can have asked for it.
            "mysql_clear_password" if self.is_safe() => Some(self.open_password()),
            // Asks for the server's key.
            "sha256_password" => Some(vec![1]),
            _ => None,
        }
    }

    fn is_safe(&self) -> bool {
        self.is_private && (self.login.is_local || self.login.is_verified)
    }

    fn open_password(&self) -> Vec<u8> {
        [self.password().as_bytes(), &[0]].concat()
    }

    async fn until_taken(&mut self) -> Result<(), Refusal> {
        for _ in 0..MAX_TURNS {
            let packet = self.receive().await?;
            let mut fields = Fields(&packet);
            match fields.u8() {
                Some(0) => return Ok(()),
                Some(0xFF) => return Err(said(ServerError::read(fields))),
                Some(0xFE) => {
                    self.plugin = String::from_utf8_lossy(fields.zero_ended()).into_owned();
                    self.nonce = nonce(fields.0).to_vec();
                    let proof = self.proof().ok_or_else(|| self.unspoken())?;
                    self.send(&proof).await?;
                }
                // The cache of the server knows us; its word that we are in comes next.
                Some(1) if fields.0 == [3] => {}
                Some(1) if fields.0 == [4] => match self.is_private {
                    true => self.send(&self.open_password()).await?,
                    false => self.send(&[2]).await?,
                },
                Some(1) if fields.0.starts_with(b"-----BEGIN") => {
                    let sealed = scramble::for_key(self.password(), &self.nonce, fields.0);
                    let sealed = sealed.ok_or_else(|| broken("the server's key cannot be used"))?;
                    self.send(&sealed).await?;
                }
                _ => return Err(broken("the server asks for proof in a way that we do not know")),
            }
        }
        Err(broken("the server never stops asking for proof"))
    }

    fn unspoken(&self) -> Refusal {
        let plugin: String = self.plugin.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
        let why = match plugin.as_str() {
            "mysql_clear_password" => {
                "the server wants the bare password, which needs a certificate that is verified: sslmode=verify-full".to_owned()
            }
            "" => "the login is checked as before MySQL 4.1, which gives the password away".to_owned(),
            _ => format!(
                "the login is checked by {plugin}; use caching_sha2_password or mysql_native_password for it"
            ),
        };
        // We hang up on a server that waits for an answer, which it holds against this host.
        Refusal::Broken(EngineError::Denied(why))
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Refusal> {
        let packet = self.wire.receive().await;
        packet.map(<[u8]>::to_vec).map_err(|error| Refusal::Broken(unreachable(error)))
    }

    async fn send(&mut self, payload: &[u8]) -> Result<(), Refusal> {
        self.wire.send(payload).await.map_err(|error| Refusal::Broken(unreachable(error)))
    }
}

/// A nonce has an even length, and some servers end it with a zero.
fn nonce(sent: &[u8]) -> &[u8] {
    match sent {
        [nonce @ .., 0] if nonce.len().is_multiple_of(2) => nonce,
        whole => whole,
    }
}

fn broken(what: &str) -> Refusal {
    Refusal::Broken(unreachable(io::Error::new(ErrorKind::InvalidData, what)))
}

/// What a refusal in the handshake means.
fn said(error: ServerError) -> Refusal {
    Refusal::Said(match error.code {
        // 1044, 1045, 1049, 1698 login; 1129, 1130 host; 1251, 1862, 3118, 4151 method, expired or locked account.
        1044 | 1045 | 1049 | 1129 | 1130 | 1251 | 1698 | 1820 | 1862 | 3118 | 4151 => {
            EngineError::Denied(error.message)
        }
        _ => EngineError::Unreachable(error.message),
    })
}
