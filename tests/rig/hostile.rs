//! A PostgreSQL server that only misbehaves. It speaks as much of the protocol as its trick needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What it does, and when: before it lets anybody in, or to the first query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malice {
    /// The first message has this length field.
    Length(u32),
    /// A text from before the protocol, as a server writes that cannot fork.
    PlainText,
    /// It takes the connection and says nothing.
    Silence,
    /// It asks for the password in clear text.
    CleartextPassword,
    /// Its SCRAM wants 2³¹ iterations.
    EndlessScram,
    /// Notices instead of a log-in, for ever.
    Notices,
    /// An error of one megabyte with line breaks and terminal codes.
    LongError,
    /// A query is answered with this many columns of this type.
    Columns(u16, u32),
    /// A row that announces 2 GiB and comes.
    HugeRow,
    /// Rows of half a megabyte without end.
    EndlessRows,
    /// Half a message, then nothing.
    HalfMessage,
    /// It is a good server until it is asked what it has: then come rows of empty cells without end.
    EmptyCells,
    /// With every answer it tells of many settings that nobody has heard of.
    Settings,
    /// A row that has fewer cells than there are columns.
    ShortRow,
    /// A row whose cells are longer than itself.
    LyingRow,
    /// It wants a file of ours instead of answering.
    CopyIn,
    /// It gives what nobody asked for, without end.
    CopyOut,
    /// It asks for a proof that nobody has invented.
    OddProof,
    /// It ends the proof before it has begun.
    ProofAtOnce,
    /// An error that has no end.
    BrokenError,
}

pub struct Hostile {
    pub port: u16,
    opened: Arc<AtomicUsize>,
    /// What clients sent after the start-up packet, as far as somebody looks for a password.
    heard: Arc<std::sync::Mutex<Vec<u8>>>,
    accept: JoinHandle<()>,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Hostile {
    pub async fn start(malice: Malice) -> Hostile {
        Hostile::serve(move |stream, ear| betray(stream, malice, ear)).await
    }

    /// One that treats every connection so.
    pub async fn serve<T>(treat: impl Fn(TcpStream, Ear) -> T + Send + 'static) -> Hostile
    where
        T: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener").port();
        let (opened, heard) = (Arc::<AtomicUsize>::default(), Arc::default());
        let (count, ear) = (opened.clone(), Arc::clone(&heard));
        let accept = tokio::spawn(async move {
            let mut victims = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let treated = treat(stream, Arc::clone(&ear));
                victims.spawn(async move { drop(treated.await) });
                while victims.try_join_next().is_some() {}
            }
        });
        Hostile { port, opened, heard, accept }
    }

    /// Connections taken so far.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().expect("the ear")).into_owned()
    }
}

/// What clients said, as far as somebody looks for a password in it.
pub type Ear = Arc<std::sync::Mutex<Vec<u8>>>;

async fn betray(mut stream: TcpStream, malice: Malice, ear: Ear) -> std::io::Result<()> {
    start_up(&mut stream).await?;
    match malice {
        Malice::Length(length) => stream.write_all(&[&b"R"[..], &length.to_be_bytes()].concat()).await?,
        Malice::PlainText => stream.write_all(b"Ecould not fork new process for connection\n\0").await?,
        Malice::Silence => {}
        Malice::HalfMessage => stream.write_all(b"R\0\0\0\x17\0\0").await?,
        Malice::CleartextPassword => stream.write_all(&message(b'R', &3_u32.to_be_bytes())).await?,
        Malice::EndlessScram => return scram(&mut stream).await,
        Malice::OddProof => stream.write_all(&message(b'R', &99_u32.to_be_bytes())).await?,
        Malice::ProofAtOnce => stream.write_all(&message(b'R', b"\0\0\0\x0cv=bm90aGluZw==")).await?,
        Malice::BrokenError => stream.write_all(&message(b'E', b"SFATAL\0C57000\0Mall is")).await?,
        Malice::EmptyCells | Malice::Settings | Malice::ShortRow | Malice::LyingRow => {
            return pretend(&mut stream, malice).await;
        }
        Malice::CopyIn | Malice::CopyOut => return pretend(&mut stream, malice).await,
        Malice::Notices => {
            let notice = message(b'N', b"SNOTICE\0C00000\0Mhello\0\0").repeat(1_000);
            loop {
                stream.write_all(&notice).await?;
            }
        }
        Malice::LongError => {
            let said = format!("\x1b[2J{}\n", "all is lost\r\n".repeat(80_000));
            let body = [b"SFATAL\0C57000\0M", said.as_bytes(), b"\0\0"].concat();
            stream.write_all(&message(b'E', &body)).await?;
        }
        Malice::Columns(..) | Malice::HugeRow | Malice::EndlessRows => {
            let welcome = [message(b'R', &[0; 4]), message(b'K', &[0; 8]), message(b'Z', b"I")].concat();
            stream.write_all(&welcome).await?;
            let asked = stream.read_u8().await?;
            return answer(&mut stream, malice, asked).await;
        }
    }
    // It keeps the connection for as long as the client does.
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut piece).await {
        let mut ear = ear.lock().expect("the ear");
        if ear.len() < 1 << 20 {
            ear.extend_from_slice(&piece[..n]);
        }
    }
    Ok(())
}

/// Refuses TLS and reads the start-up packet.
async fn start_up(stream: &mut TcpStream) -> std::io::Result<()> {
    loop {
        let length = stream.read_u32().await? as usize;
        let mut body = vec![0; length.saturating_sub(4).min(10_000)];
        stream.read_exact(&mut body).await?;
        // The request for TLS; what else comes is the start.
        if !body.starts_with(&80_877_103_u32.to_be_bytes()) {
            return Ok(());
        }
        stream.write_all(b"N").await?;
    }
}

async fn scram(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(&message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0")).await?;
    let mut said = vec![0; 4096];
    let n = stream.read(&mut said).await?;
    let said = String::from_utf8_lossy(&said[..n]).into_owned();
    let nonce = said.split("r=").nth(1).unwrap_or_default().to_owned();
    let wanted = format!("\0\0\0\x0br={nonce}server,s=c2FsdHNhbHRzYWx0,i=2147483648");
    stream.write_all(&message(b'R', wanted.as_bytes())).await?;
    tokio::time::sleep(Duration::from_secs(60)).await;
    Ok(())
}

/// The trick, in the form in which it was asked: at once to a simple query, else parsed, described and bound first.
async fn answer(stream: &mut TcpStream, malice: Malice, asked: u8) -> std::io::Result<()> {
    let described = |many: u16, oid: u32| {
        let column = [&b"c\0\0\0\0\0\0\0"[..], &oid.to_be_bytes(), &[0, 4, 0, 0, 0, 0, 0, 0]].concat();
        message(b'T', &[&many.to_be_bytes()[..], &column.repeat(many.into())].concat())
    };
    let (many, oid) = if let Malice::Columns(many, oid) = malice { (many, oid) } else { (1, 23) };
    if asked == b'Q' {
        stream.write_all(&described(many, oid)).await?;
    } else {
        let prepared = [message(b'1', b""), message(b't', b"\0\0")].concat();
        stream.write_all(&[prepared, described(many, oid), message(b'Z', b"I")].concat()).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream.write_all(&message(b'2', b"")).await?;
    }
    if malice == Malice::HugeRow {
        stream.write_all(b"D\x7f\xff\xff\xf0\0\x01\x7f\xff\xff\x00").await?;
    }
    let row = message(b'D', &[&b"\0\x01\0\x08\0\0"[..], &vec![b'x'; 512 << 10]].concat());
    loop {
        stream.write_all(&row).await?;
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

/// Answers as a server does whose every value is empty, until the trick.
async fn pretend(stream: &mut TcpStream, malice: Malice) -> std::io::Result<()> {
    let welcome = [message(b'R', &[0; 4]), message(b'K', &[0; 8]), message(b'Z', b"I")].concat();
    stream.write_all(&welcome).await?;
    let many: u16 = if malice == Malice::EmptyCells { 400 } else { 7 };
    let column = |format: u8| {
        [&b"c\0\0\0\0\0\0\0"[..], &25_u32.to_be_bytes(), &[0, 4, 0, 0, 0, 0, 0, format]].concat()
    };
    let described =
        |format: u8| message(b'T', &[&many.to_be_bytes()[..], &column(format).repeat(many.into())].concat());
    let cell = |text: &str| [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
    let session: Vec<u8> =
        ["7", "f", "on", "1s", "100ms", "2s", "on"].iter().flat_map(|text| cell(text)).collect();
    let session = message(b'D', &[&7_u16.to_be_bytes()[..], &session].concat());
    let empty = message(b'D', &[&many.to_be_bytes()[..], &[0xFF; 4].repeat(many.into())].concat());
    let done = [message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
    let (mut asked, mut nth) = (Vec::new(), 0_u64);
    loop {
        let kind = stream.read_u8().await?;
        let mut body = vec![0; (stream.read_u32().await? as usize).saturating_sub(4).min(1 << 20)];
        stream.read_exact(&mut body).await?;
        let parameters = (1..9)
            .filter(|nth| body.windows(2).any(|two| two == format!("${nth}").as_bytes()))
            .count() as u16;
        match kind {
            b'Q' => {
                let columns = message(b'T', &[&7_u16.to_be_bytes()[..], &column(0).repeat(7)].concat());
                stream.write_all(&[columns, session.clone(), done.clone()].concat()).await?;
            }
            b'P' => asked.push((b'P', parameters)),
            b'B' => asked.push((b'B', 0)),
            b'S' => {
                let mut out = Vec::new();
                for (kind, parameters) in asked.drain(..) {
                    if kind == b'P' {
                        let types = 1009_u32.to_be_bytes().repeat(parameters.into());
                        out.extend(message(b'1', b""));
                        out.extend(message(b't', &[&parameters.to_be_bytes()[..], &types].concat()));
                        out.extend(described(1));
                        continue;
                    }
                    nth += 1;
                    out.extend(message(b'2', b""));
                    match malice {
                        Malice::ShortRow => {
                            out.extend(message(b'D', b"\0\x02\xff\xff\xff\xff\xff\xff\xff\xff"))
                        }
                        Malice::LyingRow => out.extend(message(b'D', b"\0\x07\0\x0f\xff\xffx")),
                        Malice::CopyIn => out.extend(message(b'G', b"\0\0\x01\0\0")),
                        Malice::CopyOut => {
                            stream.write_all(&[out, message(b'H', b"\0\0\x01\0\0")].concat()).await?;
                            let data = message(b'd', &[b'x'; 60_000]);
                            loop {
                                stream.write_all(&data).await?;
                            }
                        }
                        // After what is asked first about the server and about us.
                        Malice::EmptyCells if nth > 3 => {
                            stream.write_all(&out).await?;
                            let rows = empty.repeat(100);
                            loop {
                                stream.write_all(&rows).await?;
                            }
                        }
                        Malice::Settings => {
                            for of in 0..400 {
                                let setting = format!("s{nth}.{of}\0{}\0", "x".repeat(50_000));
                                out.extend(message(b'S', setting.as_bytes()));
                            }
                            out.extend_from_slice(&empty);
                        }
                        _ => out.extend_from_slice(&empty),
                    }
                    out.extend(message(b'C', b"SELECT 1\0"));
                }
                out.extend(message(b'Z', b"I"));
                stream.write_all(&out).await?;
            }
            b'X' => return Ok(()),
            _ => {}
        }
    }
}
