//! A fleet that several dbsondes share.

/// One of several dbsondes that share a fleet: `2/3` is the second of three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    nth: u32,
    of: u32,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(nth, of)| Some((nth.parse().ok()?, of.parse().ok()?)));
        match parsed {
            Some((nth, of)) if (1..=of).contains(&nth) && of <= 1_000 => Ok(Self { nth, of }),
            _ => Err("write 1/3 for the first of three".to_owned()),
        }
    }
}

impl Shard {
    /// Is the target ours? Every shard draws a lot for it and the highest wins, so that one shard more takes its
    /// part from each of the others, and nothing else moves.
    pub fn has(self, target: &str) -> bool {
        let lot = |shard: u32| xxhash_rust::xxh3::xxh3_64(format!("shard-v1\0{shard}\0{target}").as_bytes());
        (1..=self.of).max_by_key(|shard| (lot(*shard), *shard)) == Some(self.nth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_a_fleet_and_one_more_moves_little() {
        let fleet: Vec<String> = (0..1_000).map(|nth| format!("db{nth}")).collect();
        let owner = |of: u32, target: &str| {
            let owners: Vec<u32> = (1..=of).filter(|nth| Shard { nth: *nth, of }.has(target)).collect();
            assert_eq!(owners.len(), 1, "{target} of {of}");
            owners[0]
        };
        for target in &fleet {
            let (before, after) = (owner(3, target), owner(4, target));
            assert!(after == before || after == 4);
        }
        let last = fleet.iter().filter(|target| owner(4, target) == 4).count();
        assert!((200..300).contains(&last), "{last}");
        for wrong in ["0/3", "4/3", "1", "a/b", "1/100000"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
