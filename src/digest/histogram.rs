//! Durations by size, for percentiles: buckets whose width is a sixty-fourth of their octave, so a percentile is
//! off by less than 0.8 %.

/// Buckets in an octave, as a power of two.
const BITS: u32 = 6;
const WIDTH: u64 = 1 << BITS;
/// From so many buckets in use on, a place for each is cheaper than a list.
const MAX_LISTED: usize = 96;

#[derive(Debug, Clone)]
pub enum Histogram {
    /// Pairs of bucket and count, in order.
    Listed(Vec<(u16, u32)>),
    Dense(Vec<u32>),
}

impl Default for Histogram {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Histogram {
    pub fn add(&mut self, micros: u64, times: u32) {
        self.add_to(bucket(micros), times);
    }

    fn add_to(&mut self, bucket: u16, times: u32) {
        match self {
            Self::Listed(list) => match list.binary_search_by_key(&bucket, |(at, _)| *at) {
                Ok(found) => {
                    if let Some((_, count)) = list.get_mut(found) {
                        *count = count.saturating_add(times);
                    }
                }
                Err(at) if list.len() < MAX_LISTED => list.insert(at, (bucket, times)),
                Err(_) => {
                    let mut dense = Vec::new();
                    list.iter().for_each(|(at, count)| put(&mut dense, *at, *count));
                    put(&mut dense, bucket, times);
                    *self = Self::Dense(dense);
                }
            },
            Self::Dense(dense) => put(dense, bucket, times),
        }
    }

    pub fn merge(&mut self, other: &Self) {
        other.counts(|bucket, count| self.add_to(bucket, count));
    }

    /// Bytes on the heap.
    pub fn weight(&self) -> usize {
        match self {
            Self::Listed(list) => list.capacity() * size_of::<(u16, u32)>(),
            Self::Dense(dense) => dense.capacity() * size_of::<u32>(),
        }
    }

    /// The duration that a share of all stays below, in microseconds.
    pub fn percentile(&self, share: f64) -> Option<u64> {
        let mut total = 0u64;
        self.counts(|_, count| total += u64::from(count));
        let wanted = ((total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let mut found = None;
        self.counts(|bucket, count| {
            seen += u64::from(count);
            if found.is_none() && seen >= wanted {
                found = Some(middle(bucket));
            }
        });
        found
    }

    /// Counts by power of two of microseconds, for a picture.
    pub fn octaves(&self) -> Vec<(u32, u64)> {
        let mut octaves: Vec<(u32, u64)> = Vec::new();
        self.counts(|bucket, count| {
            let octave = middle(bucket).max(1).ilog2();
            match octaves.last_mut() {
                Some((last, sum)) if *last == octave => *sum += u64::from(count),
                _ => octaves.push((octave, u64::from(count))),
            }
        });
        octaves
    }

    fn counts(&self, mut each: impl FnMut(u16, u32)) {
        match self {
            Self::Listed(list) => list.iter().for_each(|(bucket, count)| each(*bucket, *count)),
            Self::Dense(dense) => {
                for (bucket, count) in (0..).zip(dense).filter(|(_, count)| **count > 0) {
                    each(bucket, *count);
                }
            }
        }
    }
}

fn put(dense: &mut Vec<u32>, bucket: u16, times: u32) {
    let at = usize::from(bucket);
    if dense.len() <= at {
        // A whole octave at once; the last there can be is the 64th.
        dense.resize((at / WIDTH as usize + 1) * WIDTH as usize, 0);
    }
    if let Some(count) = dense.get_mut(at) {
        *count = count.saturating_add(times);
    }
}

fn bucket(micros: u64) -> u16 {
    if micros < WIDTH {
        return micros as u16;
    }
    let octave = micros.ilog2() - BITS;
    (u64::from(octave) * WIDTH + (micros >> octave)) as u16
}

fn middle(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < 2 * WIDTH {
        return bucket;
    }
    let octave = bucket / WIDTH - 1;
    ((bucket - octave * WIDTH) << octave) + (1 << octave) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_holds_what_is_near_its_middle(micros in 0u64..u64::MAX / 2) {
            let middle = middle(bucket(micros));
            let off = middle.abs_diff(micros) as f64;
            prop_assert!(off <= micros as f64 * 0.0079 + 0.5, "{micros} in the bucket of {middle}");
        }

        #[test]
        fn percentiles_are_those_of_the_sorted_list(mut values in prop::collection::vec(1u64..10_000_000, 1..400), share in 0.01f64..1.0) {
            let mut whole = Histogram::default();
            let (mut left, mut right) = (Histogram::default(), Histogram::default());
            for (nth, value) in values.iter().enumerate() {
                whole.add(*value, 1);
                if nth % 3 == 0 { left.add(*value, 1) } else { right.add(*value, 1) }
            }
            left.merge(&right);
            values.sort_unstable();
            let exact = values[((values.len() as f64 * share).ceil() as usize).max(1) - 1] as f64;
            let found = whole.percentile(share).unwrap();
            prop_assert!((found as f64 - exact).abs() <= exact * 0.0079 + 0.5);
            prop_assert_eq!(left.percentile(share), Some(found));
        }
    }
}
