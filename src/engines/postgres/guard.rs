//! A stream that refuses what no PostgreSQL server sends, before the driver believes it.
//!
//! Length fields are trusted by drivers: a length of 1 has killed monitors, one of 2 GiB has made them reserve
//! it, and the plain text of a server that cannot fork ("Ecould not fork…") reads as a length of 1.6 GiB.

use super::demand::{self, Demand};
use super::knocks::Heard;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longer messages are not for us: our longest row holds a text of 64 Ki characters.
const MAX_MESSAGE: u32 = 2 << 20;
/// All rows of one answer. 100,000 tables, the most that we promise to watch, take 54 MB.
const MAX_ANSWER: u64 = 64 << 20;
/// The log-in and the first answer, one row about the session: who sends more is nobody that we know yet.
const MAX_FIRST: u64 = 1 << 20;
/// Notices and the like during one answer. We ask for errors only, so an honest server sends hardly any.
const MAX_ASIDES: u32 = 1_000;
/// What it says of its settings over the life of a connection, a kilobyte or so: the driver keeps each name.
const MAX_SETTINGS: u64 = 1 << 20;
/// Descriptions of columns and requests for proof are read by us as well, so they must fit into our hand.
const MAX_READ: u32 = 64 << 10;
/// An error message before the protocol is agreed: longer means that it is plain text.
const MAX_GREETING: u32 = 30_000;

#[derive(Debug)]
pub struct Guarded<S> {
    stream: S,
    /// Told as soon as the server says anything.
    heard: Heard,
    state: State,
    demand: Demand,
    /// The message that we read ourselves, as far as it is here.
    kept: Vec<u8>,
    /// The server has asked for a proof.
    asked: bool,
    /// Bytes and asides since the server was last ready for a query.
    answer: u64,
    asides: u32,
    /// Bytes about settings since the connection was opened.
    settings: u64,
    /// How often the server was ready for a query.
    ready: u32,
}

#[derive(Debug)]
enum State {
    /// One byte answers the request for TLS.
    Negotiating,
    /// What follows is encrypted; the guard inside TLS takes over.
    Blind,
    /// Collecting the five bytes of a header.
    Header { seen: u8, kind: u8, length: u32, greeting: bool },
    /// So many bytes of the message are still to come.
    Body { kind: u8, left: u32 },
}

const START: State = State::Header { seen: 0, kind: 0, length: 0, greeting: true };
const NEXT: State = State::Header { seen: 0, kind: 0, length: 0, greeting: false };

impl<S> Guarded<S> {
    /// Around the raw socket. `negotiates` when the client begins by asking for TLS.
    pub fn outside(stream: S, negotiates: bool, demand: Demand) -> Self {
        Self::new(stream, if negotiates { State::Negotiating } else { START }, demand)
    }

    /// Around a socket that is encrypted from the first byte.
    pub fn blind(stream: S, demand: Demand) -> Self {
        Self::new(stream, State::Blind, demand)
    }

    /// Around the decrypted stream.
    pub fn inside(stream: S, demand: Demand) -> Self {
        Self::new(stream, START, demand)
    }

    fn new(stream: S, state: State, demand: Demand) -> Self {
        Self {
            stream,
            heard: Heard::default(),
            state,
            demand,
            kept: Vec::new(),
            asked: false,
            answer: 0,
            asides: 0,
            settings: 0,
            ready: 0,
        }
    }

    pub fn telling(self, heard: Heard) -> Self {
        Self { heard, ..self }
    }

    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    fn inspect(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some((&first, rest)) = bytes.split_first() {
            match &mut self.state {
                State::Blind => return Ok(()),
                State::Negotiating => {
                    bytes = rest;
                    match first {
                        b'S' => self.state = State::Blind,
                        b'N' => self.state = START,
                        _ => {
                            self.state = State::Header { seen: 1, kind: first, length: 0, greeting: true };
                        }
                    }
                }
                State::Header { seen, kind, length, greeting } => {
                    bytes = rest;
                    if *seen == 0 {
                        *kind = first;
                    } else {
                        *length = (*length << 8) | u32::from(first);
                    }
                    *seen += 1;
                    if *seen == 5 {
                        let (kind, length, greeting) = (*kind, *length, *greeting);
                        self.state = body(kind, length, greeting)?;
                        self.count(kind, length)?;
                    }
                }
                State::Body { kind, left } => {
                    let take = (*left as usize).min(bytes.len());
                    *left -= take as u32;
                    let (kind, is_whole) = (*kind, *left == 0);
                    let (piece, rest) = bytes.split_at(take);
                    bytes = rest;
                    if is_read(kind) {
                        self.kept.extend_from_slice(piece);
                    }
                    if is_whole {
                        self.state = NEXT;
                        self.judge(kind)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// What a server may pour out between two queries.
impl<S> Guarded<S> {
    fn count(&mut self, kind: u8, length: u32) -> io::Result<()> {
        self.answer += u64::from(length);
        match kind {
            b'Z' => {
                (self.answer, self.asides) = (0, 0);
                self.ready = self.ready.saturating_add(1);
            }
            b'N' | b'S' | b'A' => self.asides += 1,
            _ => {}
        }
        if kind == b'S' {
            self.settings += u64::from(length);
        }
        if self.settings > MAX_SETTINGS {
            return absurd(format!("refused more than {MAX_SETTINGS} bytes about settings"));
        }
        if self.asides > MAX_ASIDES {
            return absurd(format!("refused more than {MAX_ASIDES} notices in one answer"));
        }
        let most = if self.ready < 2 { MAX_FIRST } else { MAX_ANSWER };
        if self.answer > most {
            return absurd(format!("refused an answer of more than {most} bytes"));
        }
        Ok(())
    }

    /// A message that we read is here as a whole.
    fn judge(&mut self, kind: u8) -> io::Result<()> {
        let judged = match kind {
            b'R' => {
                let judged = self.demand.proof(&self.kept, self.asked);
                self.asked = true;
                judged
            }
            b'T' => demand::columns(&self.kept),
            b't' => demand::parameters(&self.kept),
            _ => Ok(()),
        };
        self.kept = Vec::new();
        judged
    }
}

fn is_read(kind: u8) -> bool {
    matches!(kind, b'R' | b'T' | b't')
}

fn absurd<T>(what: String) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

fn body(kind: u8, length: u32, greeting: bool) -> io::Result<State> {
    if greeting && kind == b'E' && length > MAX_GREETING {
        return absurd("the server cannot accept connections now".into());
    }
    match length {
        ..4 => absurd(format!("a message of length {length} is not PostgreSQL's protocol")),
        4 => Ok(NEXT),
        _ if length > MAX_MESSAGE || (is_read(kind) && length > MAX_READ) => {
            absurd(format!("refused a message of {length} bytes"))
        }
        _ => Ok(State::Body { kind, left: length - 4 }),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        if !fresh.is_empty() {
            self.heard.note();
        }
        Poll::Ready(self.inspect(fresh))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What somebody says whom we have taken for a server.
#[cfg(any(test, fuzzing))]
pub fn hear(said: &[u8]) {
    let Ok(url) = "postgres://u@h/db".parse() else { return };
    let target = crate::config::Target::new(url);
    for (negotiates, piece) in [(false, 1), (false, 4_096), (true, 7)] {
        let demand = Demand::of(&target, demand::Way::Exposed);
        let mut guard = Guarded::outside((), negotiates, demand);
        let _ = said.chunks(piece).try_for_each(|piece| guard.inspect(piece));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(bytes: &[u8], pieces: usize) -> io::Result<()> {
        let target = crate::config::Target::new("postgres://u@h/db".parse().unwrap());
        let demand = Demand::of(&target, demand::Way::Exposed);
        let mut guard = Guarded::outside((), false, demand);
        bytes.chunks(pieces).try_for_each(|piece| guard.inspect(piece))
    }

    #[test]
    fn honest_messages_pass_however_they_are_cut() {
        let honest =
            [&b"R\0\0\0\x08\0\0\0\0"[..], b"Z\0\0\0\x05I", b"I\0\0\0\x04", b"D\0\0\0\x06ab"].concat();
        for pieces in 1..honest.len() {
            assert!(fed(&honest, pieces).is_ok());
        }
    }

    #[test]
    fn mangled_messages() {
        let columns = [&b"T\0\0\0\x1b\0\x01abc\0"[..], &[0; 6], &25_u32.to_be_bytes(), &[0; 8]].concat();
        let corpus: [&[u8]; 6] = [
            b"R\0\0\0\x08\0\0\0\x0aSCRAM-SHA-256\0\0",
            b"R\0\0\0\x20\0\0\0\x0br=abc,s=c2FsdA==,i=4096,x=",
            b"Z\0\0\0\x05IN\0\0\0\x08abcdS\0\0\0\x0ca\0b\0cdef",
            b"t\0\0\0\x0a\0\x01\0\0\0\x19D\0\0\0\x0c\0\x01\0\0\0\x02ab",
            b"ESFATAL\0C57000\0Mall is lost\0\0",
            &columns,
        ];
        crate::fuzz::fuzz("messages of PostgreSQL", &corpus, |bytes| {
            let whole = fed(bytes, bytes.len().max(1)).is_ok();
            assert_eq!(whole, fed(bytes, 7).is_ok(), "judged by how it was cut");
        });
    }

    #[test]
    fn what_never_ends_is_ended() {
        let notice = b"N\0\0\0\x08abcd";
        assert!(fed(&notice.repeat(MAX_ASIDES as usize), 64).is_ok());
        assert!(fed(&notice.repeat(MAX_ASIDES as usize + 1), 64).is_err());
        let with_rest = [notice.repeat(900), b"Z\0\0\0\x05I".to_vec(), notice.repeat(900)].concat();
        assert!(fed(&with_rest, 64).is_ok(), "each answer counts for itself");
        let row = [&b"D\0\x10\0\0"[..], &vec![0; (1 << 20) - 4]].concat();
        let later = |rows: usize| [&b"Z\0\0\0\x05I".repeat(2)[..], &row.repeat(rows)].concat();
        assert!(fed(&later(63), 1 << 16).is_ok() && fed(&later(65), 1 << 16).is_err());
        assert!(fed(&row.repeat(2), 1 << 16).is_err(), "the first answer is short");
    }

    #[test]
    fn settings_are_kept_by_the_driver_and_so_are_counted_for_good() {
        let setting = [&b"S\0\0\x04\0"[..], &[b'a'; 1_020]].concat();
        let answers = |many: usize| [setting.repeat(100), b"Z\0\0\0\x05I".to_vec()].concat().repeat(many);
        assert!(fed(&answers(10), 512).is_ok() && fed(&answers(11), 512).is_err());
    }

    #[test]
    fn a_password_in_clear_text_is_not_given_to_anybody() {
        for pieces in 1..9 {
            let error = fed(b"R\0\0\0\x08\0\0\0\x03", pieces).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
    }

    #[test]
    fn absurd_lengths_are_refused_at_the_header() {
        for bytes in [
            &b"T\0\0\0\x01"[..],
            b"T\x7f\xff\xff\xf0",
            b"T\0\0\0\0",
            b"Ecould not fork new process",
            b"T\0\x02\0\0",
        ] {
            assert!(fed(bytes, 1).is_err(), "{bytes:?}");
        }
    }
}
