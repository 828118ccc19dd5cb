//! A stream that refuses what no PostgreSQL server sends, before the driver believes it.
//!
//! Length fields are trusted by drivers: a length of 1 has killed monitors, one of 2 GiB has made them reserve
//! it, and the plain text of a server that cannot fork ("Ecould not fork…") reads as a length of 1.6 GiB.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longer messages are not for us: no row that we ask for comes near.
const MAX_MESSAGE: u32 = 32 << 20;
/// An error message before the protocol is agreed: longer means that it is plain text.
const MAX_GREETING: u32 = 30_000;

#[derive(Debug)]
pub struct Guarded<S> {
    stream: S,
    state: State,
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
    Body(u32),
}

const START: State = State::Header { seen: 0, kind: 0, length: 0, greeting: true };
const NEXT: State = State::Header { seen: 0, kind: 0, length: 0, greeting: false };

impl<S> Guarded<S> {
    /// Around the raw socket. `negotiates` when the client begins by asking for TLS.
    pub fn outside(stream: S, negotiates: bool) -> Self {
        Self { stream, state: if negotiates { State::Negotiating } else { START } }
    }

    /// Around a socket that is encrypted from the first byte.
    pub fn blind(stream: S) -> Self {
        Self { stream, state: State::Blind }
    }

    /// Around the decrypted stream.
    pub fn inside(stream: S) -> Self {
        Self { stream, state: START }
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
                    }
                }
                State::Body(left) => {
                    let take = (*left as usize).min(bytes.len());
                    *left -= take as u32;
                    if *left == 0 {
                        self.state = NEXT;
                    }
                    bytes = bytes.get(take..).unwrap_or_default();
                }
            }
        }
        Ok(())
    }
}

fn body(kind: u8, length: u32, greeting: bool) -> io::Result<State> {
    let absurd = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    if greeting && kind == b'E' && length > MAX_GREETING {
        return absurd("the server cannot accept connections now".into());
    }
    match length {
        ..4 => absurd(format!("a message of length {length} is not PostgreSQL's protocol")),
        4 => Ok(NEXT),
        _ if length > MAX_MESSAGE => absurd(format!("refused a message of {length} bytes")),
        _ => Ok(State::Body(length - 4)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(bytes: &[u8], pieces: usize) -> io::Result<()> {
        let mut guard = Guarded::outside((), false);
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
    fn absurd_lengths_are_refused_at_the_header() {
        for bytes in [&b"T\0\0\0\x01"[..], b"T\x7f\xff\xff\xf0", b"T\0\0\0\0", b"Ecould not fork new process"]
        {
            assert!(fed(bytes, 1).is_err(), "{bytes:?}");
        }
    }
}
