//! A MySQL server that only misbehaves. It speaks as much of the protocol as its trick needs.

use crate::rig::hostile::{Ear, Hostile};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What it does, and when: before it lets anybody in, or to the first question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malice {
    /// The greeting announces so many bytes, at most 0xff_ffff.
    Length(u32),
    /// The greeting is numbered as if others had come before it.
    OutOfOrder,
    /// A text of another protocol.
    PlainText,
    /// It takes the connection and says nothing.
    Silence,
    /// Half a greeting, then nothing.
    HalfGreeting,
    /// An error of one megabyte with line breaks and terminal codes.
    LongError,
    /// It is as old as the first passwords.
    Ancient,
    /// It wants the password in clear text: from the beginning, or after it was given a proof.
    ClearAtOnce,
    ClearLater,
    /// It wants the proof of before 4.1, which gives the password away.
    OldPassword,
    /// It asks for another proof, for ever.
    EndlessProof,
    /// It never stops saying that there is more to say.
    EndlessHandshake,
    /// It answers a question by asking for a file of the client's machine.
    LocalFile,
    /// An answer of so many columns.
    Columns(u16),
    /// Columns whose names are of a megabyte.
    LongNames,
    /// Columns that nobody asked for, of a type that does not exist.
    MadeUp,
    /// A row of the most bytes that a packet may announce.
    HugeRow,
    /// Rows of half a megabyte without end.
    EndlessRows,
    /// Rows of many empty cells without end.
    EndlessCells,
    /// A row whose cells are longer than itself.
    LyingRow,
    /// The packets of an answer come in the wrong order.
    Shuffled,
}

impl Malice {
    pub async fn start(self) -> Hostile {
        Hostile::serve(move |stream, ear| betray(stream, self, ear)).await
    }
}

const TAKEN: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];

async fn betray(mut stream: TcpStream, malice: Malice, ear: Ear) -> io::Result<()> {
    match malice {
        Malice::Length(length) => {
            let [a, b, c, _] = length.to_le_bytes();
            stream.write_all(&[a, b, c, 0, 10]).await?;
        }
        Malice::OutOfOrder => stream.write_all(&packet(7, &greeting("caching_sha2_password"))).await?,
        Malice::PlainText => stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?,
        Malice::Silence => {}
        Malice::HalfGreeting => {
            let greeting = packet(0, &greeting("caching_sha2_password"));
            stream.write_all(&greeting[..greeting.len() / 2]).await?;
        }
        Malice::LongError => {
            let said = format!("\x1b[2J{}\n", "all is lost\r\n".repeat(80_000));
            let body = [&[0xFF, 0x15, 0x04][..], b"#08004", said.as_bytes()].concat();
            stream.write_all(&packet(0, &body)).await?;
        }
        Malice::Ancient => {
            let mut greeting = greeting("");
            // Only the oldest of what a server can do.
            let flags = greeting.iter().position(|byte| *byte == 0).unwrap_or(0) + 1 + 4 + 8 + 1;
            greeting[flags..flags + 2].copy_from_slice(&[1, 0]);
            stream.write_all(&packet(0, &greeting)).await?;
        }
        _ => {
            let plugin =
                if malice == Malice::ClearAtOnce { "mysql_clear_password" } else { "caching_sha2_password" };
            stream.write_all(&packet(0, &greeting(plugin))).await?;
            hear(&mut stream, &ear).await?;
            proof(&mut stream, malice, &ear).await?;
        }
    }
    // It keeps the connection for as long as the client does.
    loop {
        hear(&mut stream, &ear).await?;
    }
}

/// The part of the handshake in which it asks for proof, and if it lets in, what it answers.
async fn proof(stream: &mut TcpStream, malice: Malice, ear: &Ear) -> io::Result<()> {
    let other = |plugin: &str| [&[0xFE][..], plugin.as_bytes(), b"\0", &[b'n'; 20], b"\0"].concat();
    match malice {
        Malice::ClearAtOnce | Malice::ClearLater => {
            stream.write_all(&packet(2, &other("mysql_clear_password"))).await
        }
        Malice::OldPassword => stream.write_all(&packet(2, &[0xFE])).await,
        Malice::EndlessProof => {
            for sequence in (2u8..=254).step_by(2) {
                stream.write_all(&packet(sequence, &other("mysql_native_password"))).await?;
                hear(stream, ear).await?;
            }
            Ok(())
        }
        Malice::EndlessHandshake => {
            let mut sequence = 2u8;
            loop {
                stream.write_all(&packet(sequence, &[1, 3])).await?;
                sequence = sequence.wrapping_add(1);
            }
        }
        _ => {
            stream.write_all(&packet(2, &TAKEN)).await?;
            loop {
                let asked = hear(stream, ear).await?;
                // It lets its victim settle in.
                if !asked.windows(5).any(|word| word == b"\x03set ") {
                    return answer(stream, malice).await;
                }
                stream.write_all(&packet(1, &TAKEN)).await?;
            }
        }
    }
}

async fn answer(stream: &mut TcpStream, malice: Malice) -> io::Result<()> {
    let described = |many: u8, name: &[u8], kind: u8| {
        let mut out = packet(1, &[many]);
        for nth in 0..many {
            out.extend(packet(nth + 2, &column(name, kind)));
        }
        out.extend(packet(many + 2, &[0xFE, 0, 0, 2, 0]));
        out
    };
    match malice {
        Malice::LocalFile => stream.write_all(&packet(1, b"\xfb/etc/passwd")).await,
        Malice::Columns(many) => {
            let [low, high] = many.to_le_bytes();
            stream.write_all(&packet(1, &[0xFC, low, high])).await
        }
        Malice::LongNames => {
            stream.write_all(&packet(1, &[250])).await?;
            let column = column(&vec![b'x'; 1 << 20], 253);
            for sequence in 2..252 {
                stream.write_all(&packet(sequence, &column)).await?;
            }
            Ok(())
        }
        Malice::MadeUp => stream.write_all(&described(3, b"nobody_asked", 77)).await,
        Malice::HugeRow => {
            stream.write_all(&described(2, b"Value", 253)).await?;
            stream.write_all(&[0xFF, 0xFF, 0xFF, 5]).await
        }
        Malice::LyingRow => {
            stream.write_all(&described(2, b"Value", 253)).await?;
            stream.write_all(&packet(5, &[0xFD, 0xFF, 0xFF, 0xFF, b'x'])).await
        }
        Malice::Shuffled => {
            stream.write_all(&packet(1, &[2])).await?;
            stream.write_all(&packet(3, &column(b"Value", 253))).await
        }
        Malice::EndlessRows | Malice::EndlessCells => {
            let (many, row) = match malice {
                Malice::EndlessRows => {
                    let cell = [&[0xFD, 0, 0, 8][..], &vec![b'x'; 512 << 10]].concat();
                    (1, cell)
                }
                _ => (100, vec![0; 100]),
            };
            stream.write_all(&described(many, b"c", 253)).await?;
            let mut sequence = many + 3;
            loop {
                let mut out = Vec::new();
                while out.len() < 64 << 10 {
                    out.extend(packet(sequence, &row));
                    sequence = sequence.wrapping_add(1);
                }
                stream.write_all(&out).await?;
            }
        }
        _ => Ok(()),
    }
}

fn greeting(plugin: &str) -> Vec<u8> {
    let mut out = b"\x0a9.9.9\0".to_vec();
    out.extend(7u32.to_le_bytes());
    out.extend(*b"nnnnnnnn\0");
    // All but TLS: local files and several statements in one among it.
    out.extend((!0x800_u16).to_le_bytes());
    out.extend([45, 2, 0]);
    out.extend(0x00FF_u16.to_le_bytes());
    out.push(21);
    out.extend([0; 10]);
    out.extend(*b"nnnnnnnnnnnn\0");
    out.extend(plugin.as_bytes());
    out.push(0);
    out
}

/// The description of a column.
fn column(name: &[u8], kind: u8) -> Vec<u8> {
    let counted = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).expect("a short name").to_le_bytes();
        if bytes.len() < 251 {
            [&length[..1], bytes].concat()
        } else {
            [&[0xFD], &length[..3], bytes].concat()
        }
    };
    let mut out =
        [counted(b"def"), counted(b""), counted(b""), counted(b""), counted(name), counted(name)].concat();
    out.extend([0x0C, 45, 0, 0, 1, 0, 0, kind, 0, 0, 0, 0, 0]);
    out
}

fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = u32::try_from(body.len()).expect("a short packet").to_le_bytes();
    [&[a, b, c, sequence], body].concat()
}

/// The next packet of the client, which is remembered.
async fn hear(stream: &mut TcpStream, ear: &Ear) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let [a, b, c, _] = header;
    let mut body = vec![0; usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16];
    stream.read_exact(&mut body).await?;
    let mut ear = ear.lock().expect("the ear");
    if ear.len() < 1 << 20 {
        ear.extend_from_slice(&body);
    }
    Ok(body)
}
