//! MySQL's packets on a stream: three bytes of length, one of sequence, then the payload.
//!
//! We speak the protocol ourselves. The driver that we know takes no stream of ours, so nothing could stand
//! between it and the server, and it always offers to send local files and to take several statements in one.
//! What we never offer, no server can ask for.

use crate::engine::EngineError;
use crate::model::is_disguise;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// Longer packets are not for us: the longest that we ask for is the text of a digest, at most 1 MiB.
const MAX_PACKET: usize = 4 << 20;
/// Read at once; most answers of the pulse fit.
const BUFFER: usize = 16 << 10;

/// What carries the bytes: TCP, a socket file, or TLS.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for S {}

pub struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    /// What the next packet of either side must be numbered.
    sequence: u8,
    packet: Vec<u8>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl Wire {
    pub fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: BufReader::with_capacity(BUFFER, Box::new(stream)), sequence: 0, packet: Vec::new() }
    }

    /// The payload of the next packet.
    pub async fn receive(&mut self) -> io::Result<&[u8]> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header).await?;
        let [a, b, c, sequence] = header;
        let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        if length > MAX_PACKET {
            return Err(absurd(&format!("refused a packet of {length} bytes")));
        }
        if sequence != self.sequence {
            return Err(absurd("a packet is out of sequence"));
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.packet.resize(length, 0);
        self.stream.read_exact(&mut self.packet).await?;
        Ok(&self.packet)
    }

    pub async fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        if payload.len() > MAX_PACKET {
            return Err(absurd("a statement of ours is too long"));
        }
        let [a, b, c, _] = length.to_le_bytes();
        let packet = [&[a, b, c, self.sequence], payload].concat();
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.write_all(&packet).await?;
        self.stream.flush().await
    }

    /// Begins a command: sequences start again.
    pub async fn command(&mut self, kind: u8, text: &str) -> io::Result<()> {
        self.sequence = 0;
        self.send(&[&[kind], text.as_bytes()].concat()).await
    }

    /// Goes on in TLS, after both sides agreed to.
    pub async fn encrypt(self, config: Arc<ClientConfig>, host: &str) -> io::Result<Wire> {
        // A server that talks before it is asked would have its words taken for encrypted ones.
        if !self.stream.buffer().is_empty() {
            return Err(absurd("the server talks before TLS begins"));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = tokio_rustls::TlsConnector::from(config).connect(name, self.stream.into_inner()).await?;
        Ok(Wire { sequence: self.sequence, ..Wire::new(tls) })
    }
}

/// Not what a MySQL server sends.
pub fn absurd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

pub fn unreachable(error: io::Error) -> EngineError {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        _ => error.to_string(),
    };
    EngineError::Unreachable(what)
}

/// A payload, read from the front. `None` means that it ends too early.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Up to a zero byte, or to the end.
    pub fn zero_ended(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let (head, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.get(1..).unwrap_or_default();
        head
    }

    /// A number whose first byte tells its length.
    pub fn number(&mut self) -> Option<u64> {
        match self.u8()? {
            0xFC => self.u16().map(u64::from),
            0xFD => self.array::<3>().map(|[a, b, c]| u64::from_le_bytes([a, b, c, 0, 0, 0, 0, 0])),
            0xFE => self.array().map(u64::from_le_bytes),
            0xFB | 0xFF => None,
            small => Some(small.into()),
        }
    }

    /// Bytes with their length before them.
    pub fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.bytes(usize::try_from(length).ok()?)
    }
}

/// Bytes with their length before them, as a client writes them: short ones only.
pub fn put_counted(into: &mut Vec<u8>, bytes: &[u8]) {
    // Names and scrambles of ours are shorter than 251 bytes, where one byte of length is enough.
    let kept = bytes.get(..bytes.len().min(250)).unwrap_or_default();
    into.push(kept.len() as u8);
    into.extend_from_slice(kept);
}

/// What the server says of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    pub code: u16,
    pub message: String,
}

/// Characters of a server's sentence that are worth keeping.
const MAX_SENTENCE: usize = 300;

impl ServerError {
    /// The body of an error packet, after its first byte.
    pub fn read(mut fields: Fields<'_>) -> ServerError {
        let code = fields.u16().unwrap_or_default();
        if fields.0.first() == Some(&b'#') {
            fields.bytes(6);
        }
        let said = String::from_utf8_lossy(fields.0);
        let message = said.chars().take(MAX_SENTENCE).map(|c| if is_disguise(c) { ' ' } else { c }).collect();
        ServerError { code, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn received(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let (ours, mut theirs) = tokio::io::duplex(64);
        theirs.write_all(bytes).await.unwrap();
        drop(theirs);
        Wire::new(ours).receive().await.map(<[u8]>::to_vec)
    }

    #[tokio::test]
    async fn absurd_packets_are_refused_at_their_header() {
        assert_eq!(received(b"\x02\0\0\0ab").await.unwrap(), b"ab");
        for bytes in [&b"\xff\xff\xff\0"[..], b"\x02\0\0\x05ab", b"\x02\0\0\0a", b"HTTP/1.1 400"] {
            assert!(received(bytes).await.is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn mangled_fields() {
        let corpus: [&[u8]; 3] = [
            b"\x05hello\xfc\x01\x02\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x15\x04#08004gone",
            b"a\0b\0\xfb\xfd\x01\0\0x",
        ];
        crate::fuzz::fuzz("fields of MySQL", &corpus, |bytes| {
            let mut fields = Fields(bytes);
            while fields.counted().is_some_and(|read| !read.is_empty()) {}
            fields.zero_ended();
            let _ = (fields.number(), fields.u32());
            assert!(ServerError::read(Fields(bytes)).message.chars().count() <= MAX_SENTENCE);
        });
    }

    #[test]
    fn numbers_tell_their_length() {
        for (bytes, value) in [
            (&b"\x05"[..], Some(5)),
            (b"\xfc\x01\x02", Some(0x201)),
            (b"\xfd\x01\0\x01", Some(0x1_0001)),
            (b"\xfe\x01\0\0\0\0\0\0\x01", Some((1 << 56) + 1)),
            (b"\xfb", None),
            (b"\xfc\x01", None),
        ] {
            assert_eq!(Fields(bytes).number(), value, "{bytes:?}");
        }
        assert_eq!(
            Fields(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xffab").counted(),
            None,
            "a length beyond the end"
        );
    }
}
