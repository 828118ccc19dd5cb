//! Somebody before a server who gives his clients' statements to sessions of his own, as ProxySQL does: it answers the
//! log-in itself with a number of its own, and each statement goes to whichever session is next (or always to the same).
//!
//! For users without a password: the proof that a client gives is passed on to both sessions.

use std::io::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Columns are followed by an end packet unless the client wants none.
const NO_EOF: u32 = 0x100_0000;
/// What the sessions of the server must not do differently: TLS and compression.
const NOT_OFFERED: u32 = 0x800 | 0x20 | 0x400_0000;

#[derive(Debug)]
pub struct Pool {
    pub port: u16,
    accept: JoinHandle<()>,
}

impl Pool {
    /// `hands_on`: each statement goes to the other of two sessions.
    pub async fn start(server: u16, hands_on: bool) -> Pool {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener").port();
        let next = Arc::new(AtomicU32::new(900_000));
        let accept = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = next.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(client, server, number, hands_on));
            }
        });
        Pool { port, accept }
    }

    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/", self.port)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

async fn serve(mut client: TcpStream, server: u16, number: u32, hands_on: bool) -> Result<()> {
    let mut sessions = [connect(server).await?, connect(server).await?];
    let mut greeting = receive(&mut sessions[0]).await?;
    receive(&mut sessions[1]).await?;
    // After the version and its zero byte comes the number, eight bytes of a nonce, a zero, and what it can.
    let version = greeting.iter().skip(5).position(|byte| *byte == 0).expect("a version") + 5;
    greeting[version + 1..version + 5].copy_from_slice(&number.to_le_bytes());
    let (low, high) = (version + 14, version + 19);
    for (at, mask) in [(low, NOT_OFFERED), (high, NOT_OFFERED >> 16)] {
        let [a, b] = (mask as u16).to_le_bytes();
        greeting[at] &= !a;
        greeting[at + 1] &= !b;
    }
    client.write_all(&greeting).await?;
    let login = receive(&mut client).await?;
    let has_eof = u32::from_le_bytes([login[4], login[5], login[6], login[7]]) & NO_EOF == 0;
    let mut taken = Vec::new();
    for session in &mut sessions {
        session.write_all(&login).await?;
        taken = receive(session).await?;
        assert_eq!(taken[4], 0, "the server does not take us: {:?}", String::from_utf8_lossy(&taken));
    }
    client.write_all(&taken).await?;
    let mut nth = 0;
    loop {
        let command = receive(&mut client).await?;
        let session = &mut sessions[nth % 2];
        session.write_all(&command).await?;
        answer(session, &mut client, has_eof).await?;
        nth += usize::from(hands_on);
    }
}

async fn connect(server: u16) -> Result<TcpStream> {
    let session = TcpStream::connect(("127.0.0.1", server)).await?;
    session.set_nodelay(true)?;
    Ok(session)
}

/// Passes on one whole answer: a word, or columns and rows.
async fn answer(from: &mut TcpStream, to: &mut TcpStream, has_eof: bool) -> Result<()> {
    let first = receive(from).await?;
    to.write_all(&first).await?;
    if matches!(first[4], 0 | 0xFF) {
        return Ok(());
    }
    for _ in 0..usize::from(first[4]) + usize::from(has_eof) {
        let column = receive(from).await?;
        to.write_all(&column).await?;
    }
    loop {
        let row = receive(from).await?;
        to.write_all(&row).await?;
        // No row of ours begins with a text of sixteen megabytes.
        if matches!(row[4], 0xFE | 0xFF) {
            return Ok(());
        }
    }
}

/// One packet with its head.
async fn receive(from: &mut TcpStream) -> Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet).await?;
    let length = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]) as usize;
    packet.resize(4 + length, 0);
    from.read_exact(&mut packet[4..]).await?;
    Ok(packet)
}
