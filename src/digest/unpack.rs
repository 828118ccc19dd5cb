//! Compressed logs, told by their first bytes and not by their names, and logs in UTF-16.

use ruzstd::decoding::StreamingDecoder;
use std::io::{self, BufRead, BufReader, Read};

/// The most memory that the dictionary of an .xz may take, in KiB: what `xz -9` asks for.
const MAX_XZ_KIB: u32 = 66 << 10;

type Packed = BufReader<io::Chain<io::Cursor<Vec<u8>>, Box<dyn Read>>>;

/// Whether these bytes begin something packed.
pub fn is_packed(head: &[u8]) -> bool {
    Kind::of(head).is_some()
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Gzip,
    Zstd,
    Lz4,
    Bzip2,
    Xz,
}

impl Kind {
    fn of(head: &[u8]) -> Option<Self> {
        Some(match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => return None,
        })
    }
}

/// The plain bytes of what begins with `head` and goes on in `source`.
pub fn unpack(head: Vec<u8>, source: Box<dyn Read>) -> Box<dyn Read> {
    let kind = Kind::of(&head);
    let packed = BufReader::new(io::Cursor::new(head).chain(source));
    match kind {
        None => Box::new(packed),
        Some(Kind::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        Some(Kind::Zstd) => Box::new(Frames { rest: Some(packed), frame: None }),
        Some(Kind::Lz4) => Box::new(lz4_flex::frame::FrameDecoder::new(packed)),
        Some(Kind::Bzip2) => Box::new(bzip2::bufread::MultiBzDecoder::new(packed)),
        Some(Kind::Xz) => Box::new(lzma_rust2::XzReader::new_mem_limit(packed, true, MAX_XZ_KIB)),
    }
}

/// The frames of a .zst, one behind the other.
struct Frames {
    /// Between two frames.
    rest: Option<Packed>,
    frame: Option<StreamingDecoder<Packed, ruzstd::decoding::FrameDecoder>>,
}

impl Read for Frames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                match frame.read(into)? {
                    0 => self.rest = self.frame.take().map(StreamingDecoder::into_inner),
                    read => return Ok(read),
                }
            }
            let Some(mut rest) = self.rest.take() else { return Ok(0) };
            if rest.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.frame = Some(StreamingDecoder::new(rest).map_err(io::Error::other)?);
        }
    }
}

/// How the text of a log is spelled, by what programs of Windows put before it.
pub fn spelling(head: &[u8]) -> Option<Spelling> {
    match head {
        [0xff, 0xfe, ..] => Some(Spelling::Little),
        [0xfe, 0xff, ..] => Some(Spelling::Big),
        _ => None,
    }
}

/// UTF-16, by which half of a unit comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    Little,
    Big,
}

/// UTF-16 as UTF-8. What is no letter becomes the letter that says so.
#[derive(Debug)]
pub struct Respelled<R> {
    source: R,
    spelling: Spelling,
    /// Bytes that are no whole unit yet.
    rest: Vec<u8>,
    /// The first half of a letter that takes two units.
    high: Option<u16>,
    out: Vec<u8>,
    given: usize,
}

impl<R: Read> Respelled<R> {
    pub fn new(source: R, spelling: Spelling) -> Self {
        Self { source, spelling, rest: Vec::new(), high: None, out: Vec::new(), given: 0 }
    }

    /// False at the end.
    fn fill(&mut self) -> io::Result<bool> {
        const BLOCK: u64 = 64 << 10;
        self.out.clear();
        self.given = 0;
        let read = self.source.by_ref().take(BLOCK).read_to_end(&mut self.rest)?;
        let (units, odd) = self.rest.as_chunks::<2>();
        let units: Vec<u16> = units
            .iter()
            .map(|unit| match self.spelling {
                Spelling::Little => u16::from_le_bytes(*unit),
                Spelling::Big => u16::from_be_bytes(*unit),
            })
            .collect();
        let odd = odd.to_vec();
        let mut whole: Vec<u16> = self.high.take().into_iter().chain(units).collect();
        if read > 0 && whole.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            self.high = whole.pop();
        }
        for letter in char::decode_utf16(whole) {
            let letter = letter.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.rest = odd;
        Ok(read > 0)
    }
}

impl<R: Read> Read for Respelled<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given >= self.out.len() {
            let more = self.fill()?;
            if !more && self.out.is_empty() {
                return Ok(0);
            }
        }
        let read = self.out.get(self.given..).unwrap_or_default().read(into)?;
        self.given += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the pieces are in which it comes.
    #[test]
    fn utf16_is_read_as_utf8() {
        struct Dripping<'a>(&'a [u8], usize);
        impl Read for Dripping<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let most = self.1.min(into.len());
                self.0.read(&mut into[..most])
            }
        }
        let text = "\u{feff}größer 𝄞\nzwei\n".repeat(3);
        for spelling in [Spelling::Little, Spelling::Big] {
            let bytes: Vec<u8> = text
                .encode_utf16()
                .flat_map(
                    |unit| if spelling == Spelling::Little { unit.to_le_bytes() } else { unit.to_be_bytes() },
                )
                .collect();
            assert_eq!(super::spelling(&bytes), Some(spelling));
            for step in [1, 3, 7, 4096] {
                let mut read = String::new();
                Respelled::new(Dripping(&bytes, step), spelling).read_to_string(&mut read).unwrap();
                assert_eq!(read, text, "{spelling:?} in steps of {step}");
            }
            let mut cut = String::new();
            Respelled::new(&bytes[..bytes.len() - 1], spelling).read_to_string(&mut cut).unwrap();
            assert!(text.starts_with(&cut), "half a letter is none");
            let lone: &[u8] = if spelling == Spelling::Little { &[0x34, 0xd8] } else { &[0xd8, 0x34] };
            let mut read = String::new();
            Respelled::new(lone, spelling).read_to_string(&mut read).unwrap();
            assert_eq!(read, "\u{fffd}");
        }
    }
}
