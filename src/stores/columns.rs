//! The form on disk: a part as a set of columns, deflated, behind a checksum. A flipped bit is noticed before
//! anything is believed or allocated.

use crate::model::{Epoch, InTopic, Part, Rows, Scope, Topic, TopicVisitor, When};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

const FORMAT: u8 = 1;
const CHECKSUM_BYTES: usize = 8;
/// Before deflating. A hundred thousand tables with every counter large need 41 MB.
pub const MAX_PART_BYTES: usize = 48 << 20;
/// Above the largest server that we promise to watch.
pub const MAX_ROWS: u32 = 200_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("damaged")]
    Damaged,
    #[error("written in a form that is not known here")]
    Unknown,
    #[error("larger than {} MiB or {MAX_ROWS} rows", MAX_PART_BYTES >> 20)]
    TooLarge,
}

#[derive(Serialize, Deserialize)]
struct Header {
    /// By name: a reader may not know the topic.
    topic: String,
    scope: Scope,
    taken: When,
    epoch: Epoch,
    complete: bool,
    rows: u32,
}

/// Checksum, format, deflated content.
struct Sealer {
    out: DeflateEncoder<Vec<u8>>,
    written: usize,
}

impl Sealer {
    fn new() -> Self {
        let mut head = vec![0; CHECKSUM_BYTES];
        head.push(FORMAT);
        // The fastest: what is left out already makes it small, and it runs beside somebody's database.
        Self { out: DeflateEncoder::new(head, Compression::fast()), written: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        self.written += bytes.len();
        if self.written > MAX_PART_BYTES {
            return Err(Unreadable::TooLarge);
        }
        // Writing to memory has no way to fail.
        self.out.write_all(bytes).map_err(|_| Unreadable::TooLarge)
    }

    fn finish(self) -> Result<Vec<u8>, Unreadable> {
        let mut blob = self.out.finish().map_err(|_| Unreadable::TooLarge)?;
        if let Some((sum, rest)) = blob.split_at_mut_checked(CHECKSUM_BYTES) {
            sum.copy_from_slice(&xxh3_64(rest).to_le_bytes());
        }
        Ok(blob)
    }
}

pub fn seal(content: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut sealer = Sealer::new();
    sealer.put(content)?;
    sealer.finish()
}

pub fn unseal(blob: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let (sum, rest) = blob.split_first_chunk::<CHECKSUM_BYTES>().ok_or(Unreadable::Damaged)?;
    if u64::from_le_bytes(*sum) != xxh3_64(rest) {
        return Err(Unreadable::Damaged);
    }
    let (format, deflated) = rest.split_first().ok_or(Unreadable::Damaged)?;
    if *format != FORMAT {
        return Err(Unreadable::Unknown);
    }
    let mut content = Vec::new();
    let mut bounded = DeflateDecoder::new(deflated).take(MAX_PART_BYTES as u64 + 1);
    bounded.read_to_end(&mut content).map_err(|_| Unreadable::Damaged)?;
    if content.len() > MAX_PART_BYTES { Err(Unreadable::TooLarge) } else { Ok(content) }
}

pub fn encode(scope: &Scope, part: &Part) -> Result<Vec<u8>, Unreadable> {
    let topic = part.rows.topic();
    let rows = u32::try_from(part.rows.len()).unwrap_or(u32::MAX);
    if rows > MAX_ROWS {
        return Err(Unreadable::TooLarge);
    }
    let mut sealer = Sealer::new();
    sealer.put(&bare(&Header {
        topic: topic.name().to_owned(),
        scope: scope.clone(),
        taken: part.taken,
        epoch: part.epoch.clone(),
        complete: part.complete,
        rows,
    }))?;
    topic.visit(Writing { rows: &part.rows, sealer: &mut sealer })?;
    sealer.finish()
}

fn bare<T: Serialize>(value: &T) -> Vec<u8> {
    // Numbers and texts into memory: no way to fail.
    postcard::to_stdvec(value).unwrap_or_default()
}

struct Writing<'a> {
    rows: &'a Rows,
    sealer: &'a mut Sealer,
}

impl TopicVisitor for Writing<'_> {
    type Out = Result<(), Unreadable>;

    fn visit<N: InTopic>(self) -> Self::Out {
        let mut outcome = Ok(());
        N::to_columns(N::of(self.rows), &mut |name, bytes| {
            if outcome.is_ok() {
                outcome = self
                    .sealer
                    .put(&bare(&(name, bytes.len() as u64)))
                    .and_then(|()| self.sealer.put(&bytes));
            }
        });
        outcome
    }
}

pub fn decode(blob: &[u8]) -> Result<(Scope, Part), Unreadable> {
    let content = unseal(blob)?;
    let (header, mut rest) =
        postcard::take_from_bytes::<Header>(&content).map_err(|_| Unreadable::Damaged)?;
    if header.rows > MAX_ROWS {
        return Err(Unreadable::TooLarge);
    }
    let topic: Topic = header.topic.parse().map_err(|()| Unreadable::Unknown)?;
    let mut columns = HashMap::new();
    while !rest.is_empty() {
        let ((name, length), after) =
            postcard::take_from_bytes::<(&str, u64)>(rest).map_err(|_| Unreadable::Damaged)?;
        let length = usize::try_from(length).map_err(|_| Unreadable::Damaged)?;
        let (column, after) = after.split_at_checked(length).ok_or(Unreadable::Damaged)?;
        // Columns that are not known any more are not asked for.
        columns.insert(name, column);
        rest = after;
    }
    let rows = topic.visit(Reading { count: header.rows as usize, columns }).ok_or(Unreadable::Damaged)?;
    let Header { scope, taken, epoch, complete, .. } = header;
    Ok((scope, Part { taken, epoch, complete, rows: Arc::new(rows) }))
}

struct Reading<'a> {
    count: usize,
    columns: HashMap<&'a str, &'a [u8]>,
}

impl TopicVisitor for Reading<'_> {
    type Out = Option<Rows>;

    fn visit<N: InTopic>(self) -> Self::Out {
        let mut column = |name: &str| self.columns.get(name).map(|bytes| bytes.to_vec());
        let mut rows = N::from_columns(self.count, &mut column)?;
        // Written in order; but windows pair by it, and a version to come may order its keys otherwise.
        if !rows.is_sorted_by(|one, next| one.key() <= next.key()) {
            rows.sort_unstable_by_key(N::key);
        }
        Some(N::into_rows(rows))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{Cell, Names, Noun};
    use proptest::prelude::*;

    /// Rows of any topic, filled from numbers: whatever a column refuses is tried as another kind.
    struct Made<'a>(&'a [i64]);

    impl TopicVisitor for Made<'_> {
        type Out = Rows;

        fn visit<N: InTopic>(self) -> Rows {
            let mut kinds = vec![0usize; N::COLUMNS.len()];
            let mut rows: Vec<N> = self.0.iter().map(|seed| row(*seed, &mut kinds)).collect();
            rows.sort_by_key(N::key);
            N::into_rows(rows)
        }
    }

    fn row<N: Noun>(seed: i64, kinds: &mut [usize]) -> N {
        loop {
            let mut cell = |nth: usize| match kinds[nth] {
                _ if seed % 5 == nth as i64 % 5 && kinds[nth] < 9 && seed % 2 == 0 => Cell::Null,
                0 => Cell::Int(seed.wrapping_mul(nth as i64 + 1) & i64::MAX),
                1 => Cell::Text(format!("name of {seed}").into()),
                2 => Cell::Bool(seed % 3 == 0),
                3 | 12 => Cell::Text(format!("{:016x}", seed as u64).into()),
                10 => Cell::Int(seed & i64::MAX),
                11 => Cell::Bool(true),
                _ => Cell::Float(seed as f64 / 7.0),
            };
            match N::read(&mut cell, &mut Names::default()) {
                Ok(row) => return row,
                Err(misfit) => {
                    let nth = N::COLUMNS.iter().position(|name| *name == misfit.column).unwrap();
                    kinds[nth] += 1;
                    assert!(kinds[nth] < 15, "nothing fits {}.{}", N::NAME, misfit.column);
                }
            }
        }
    }

    pub fn part(topic: Topic, seeds: &[i64], wall: f64) -> Part {
        Part {
            taken: When { run: 7, monotonic: 12.5, wall },
            epoch: Epoch { server: "sys/1".into(), started: None, reset: None, volatile: false },
            complete: true,
            rows: Arc::new(topic.visit(Made(seeds))),
        }
    }

    #[test]
    fn every_topic_comes_back() {
        for topic in Topic::ALL {
            for scope in [Scope::Server, Scope::Database("shop".into())] {
                let written = part(*topic, &[3, 9, 27, 1 << 40, 10], 1e9);
                let blob = encode(&scope, &written).unwrap();
                assert_eq!(decode(&blob), Ok((scope, written)), "{topic}");
            }
        }
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let blob = encode(&Scope::Server, &part(Topic::Tables, &[1, 2, 3], 1e9)).unwrap();
        for at in 0..blob.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bad = blob.clone();
                bad[at] ^= flip;
                assert_eq!(decode(&bad), Err(Unreadable::Damaged), "byte {at} of {}", blob.len());
            }
            assert!(decode(&blob[..at]).is_err());
        }
        assert!(decode(&[&blob[..], &[0]].concat()).is_err());
    }

    /// As if damage had found a way past the checksum.
    fn resealed(content: &[u8]) -> Vec<u8> {
        seal(content).unwrap()
    }

    #[test]
    fn what_is_unknown_is_skipped_and_what_is_missing_is_unknown() {
        let written = part(Topic::Indexes, &[5], 1e9);
        let content = unseal(&encode(&Scope::Server, &written).unwrap()).unwrap();
        let more = [&content[..], &bare(&("not_yet_invented", 3u64)), b"abc"].concat();
        assert_eq!(decode(&resealed(&more)).unwrap().1, written);

        let (header, _) = postcard::take_from_bytes::<Header>(&content).unwrap();
        let foreign = bare(&Header { topic: "moods".into(), ..header });
        assert_eq!(decode(&resealed(&foreign)), Err(Unreadable::Unknown));

        // Only the first columns: later ones, all optional, did not exist when this was written.
        let mut kept = Vec::new();
        let (header, mut rest) = postcard::take_from_bytes::<Header>(&content).unwrap();
        kept.extend(bare(&header));
        while !rest.is_empty() {
            let ((name, length), after) = postcard::take_from_bytes::<(&str, u64)>(rest).unwrap();
            let (column, after) = after.split_at(length as usize);
            if name != "size_bytes" {
                kept.extend(bare(&(name, length)));
                kept.extend(column);
            }
            rest = after;
        }
        let (_, read) = decode(&resealed(&kept)).unwrap();
        let size = crate::model::Index::of(&read.rows)[0].size_bytes;
        assert_eq!(size, None);
    }

    #[test]
    fn absurd_sizes_are_refused() {
        assert_eq!(seal(&vec![0; MAX_PART_BYTES + 1]), Err(Unreadable::TooLarge));
        let mut head = vec![0; CHECKSUM_BYTES];
        head.push(FORMAT);
        let mut bomb = DeflateEncoder::new(head, Compression::best());
        (0..100).for_each(|_| bomb.write_all(&vec![0; 1 << 20]).unwrap());
        let mut bomb = bomb.finish().unwrap();
        let sum = xxh3_64(&bomb[CHECKSUM_BYTES..]).to_le_bytes();
        bomb[..CHECKSUM_BYTES].copy_from_slice(&sum);
        assert_eq!(unseal(&bomb), Err(Unreadable::TooLarge));
    }

    proptest! {
        #[test]
        fn parts_come_back(seeds in proptest::collection::vec(any::<i64>(), 0..40), topic in 0..Topic::ALL.len()) {
            let written = part(Topic::ALL[topic], &seeds, 1e9);
            let (_, read) = decode(&encode(&Scope::Server, &written).unwrap()).unwrap();
            prop_assert_eq!(read, written);
        }

        /// Without the checksum's help: never a panic, whatever the content.
        #[test]
        fn wild_content_is_survived(content in proptest::collection::vec(any::<u8>(), 0..400), cut in any::<bool>()) {
            let written = unseal(&encode(&Scope::Server, &part(Topic::Tables, &[1, 2], 1e9)).unwrap()).unwrap();
            let mut mixed = written;
            let at = content.first().map_or(0, |first| usize::from(*first) * 3 % mixed.len());
            if cut { mixed.truncate(at); }
            mixed.splice(at.min(mixed.len())..mixed.len().min(at + content.len()), content.iter().copied());
            let _ = decode(&resealed(&mixed));
            let _ = decode(&resealed(&content));
            let _ = decode(&content);
        }
    }
}
