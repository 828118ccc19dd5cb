//! Compressed logs, told by their first bytes and not by their names.

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
