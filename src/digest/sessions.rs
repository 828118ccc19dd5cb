//! Statements and durations that are logged apart from each other, session by session.

use super::names::ByHash;
use super::statements::Why;
use crate::logs::fact::Phase;
use std::collections::hash_map::Entry;

/// Sessions that are told apart.
const MAX_SESSIONS: usize = 20_000;

/// A statement that waits for its duration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waiting {
    pub digest: Result<u64, Why>,
    pub phase: Phase,
}

/// What a duration is that is logged alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bare {
    Of(Waiting),
    /// Its statement may lie before this piece of the log.
    Orphan,
    /// Its statement was not logged.
    Unjoined,
}

#[derive(Debug, Default)]
pub struct Sessions {
    /// Those of which this piece has shown a statement; none where it waits for nothing any more.
    waiting: ByHash<u64, Option<Waiting>>,
    /// Durations that came before any statement of their session in this piece: of each session the first.
    orphans: ByHash<u64, u64>,
}

impl Sessions {
    pub fn began(&mut self, session: &[u8], waiting: Waiting) {
        self.says(session, Some(waiting));
    }

    /// After an error the server logs no duration.
    pub fn failed(&mut self, session: &[u8]) {
        self.says(session, None);
    }

    /// Where the log does not tell sessions apart, what comes next may be anybody's.
    fn says(&mut self, session: &[u8], waiting: Option<Waiting>) {
        if let Some(session) = key(session) {
            self.waiting.insert(session, waiting);
            self.make_room();
        }
    }

    pub fn took(&mut self, session: &[u8], micros: u64) -> Bare {
        key(session).map_or(Bare::Unjoined, |session| self.joined(session, micros))
    }

    fn joined(&mut self, session: u64, micros: u64) -> Bare {
        if let Some(waiting) = self.waiting.get_mut(&session) {
            return waiting.take().map_or(Bare::Unjoined, Bare::Of);
        }
        let has_room = self.orphans.len() < MAX_SESSIONS;
        match self.orphans.entry(session) {
            Entry::Vacant(place) if has_room => {
                place.insert(micros);
                Bare::Orphan
            }
            // Later ones of this session follow a statement that was never logged.
            _ => Bare::Unjoined,
        }
    }

    /// Goes on with the sessions of the next piece; gives the durations in it that were waited for, and how many belong to nobody.
    pub fn merge(&mut self, later: Self) -> (Vec<(Waiting, u64)>, u64) {
        let (mut found, mut unjoined) = (Vec::new(), 0);
        for (session, micros) in later.orphans {
            match self.joined(session, micros) {
                Bare::Of(waiting) => found.push((waiting, micros)),
                Bare::Orphan => {}
                Bare::Unjoined => unjoined += 1,
            }
        }
        self.waiting.extend(later.waiting);
        self.make_room();
        (found, unjoined)
    }

    /// What came before is over: whoever is at a statement goes on.
    pub fn renew(&mut self) {
        self.orphans.clear();
    }

    /// Durations whose statement was not found yet.
    pub fn orphans(&self) -> u64 {
        self.orphans.len() as u64
    }

    /// Sessions come and go: first those are forgotten that wait for nothing.
    fn make_room(&mut self) {
        if self.waiting.len() < MAX_SESSIONS {
            return;
        }
        self.waiting.retain(|_, waiting| waiting.is_some());
        if self.waiting.len() > MAX_SESSIONS / 2 {
            self.waiting.clear();
        }
    }
}

fn key(session: &[u8]) -> Option<u64> {
    (!session.is_empty()).then(|| xxhash_rust::xxh3::xxh3_64(session))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(digest: u64) -> Waiting {
        Waiting { digest: Ok(digest), phase: Phase::Execute }
    }

    #[test]
    fn a_duration_belongs_to_the_statement_before_it() {
        let mut all = Sessions::default();
        all.began(b"7", waits(1));
        all.began(b"8", waits(2));
        assert_eq!((all.took(b"8", 9), all.took(b"7", 9)), (Bare::Of(waits(2)), Bare::Of(waits(1))));
        assert_eq!(all.took(b"7", 9), Bare::Unjoined, "once");
        all.began(b"7", waits(1));
        all.failed(b"7");
        assert_eq!(all.took(b"7", 9), Bare::Unjoined, "an error has no duration");
        all.began(b"", waits(1));
        assert_eq!(all.took(b"", 9), Bare::Unjoined, "that could be anybody's");
    }

    #[test]
    fn where_a_log_is_cut_does_not_matter() {
        let mut first = Sessions::default();
        first.began(b"7", waits(1));
        first.began(b"8", waits(2));
        first.began(b"9", waits(3));
        let mut later = Sessions::default();
        assert_eq!((later.took(b"7", 5), later.took(b"7", 6)), (Bare::Orphan, Bare::Unjoined));
        later.failed(b"8");
        assert_eq!(later.took(b"8", 7), Bare::Unjoined);
        assert_eq!(first.merge(later), (vec![(waits(1), 5)], 0));
        let mut last = Sessions::default();
        assert_eq!((last.took(b"8", 1), last.took(b"9", 2)), (Bare::Orphan, Bare::Orphan));
        assert_eq!(first.merge(last), (vec![(waits(3), 2)], 1), "the error was heard of");
    }

    #[test]
    fn sessions_that_come_and_go_take_bounded_room() {
        let mut all = Sessions::default();
        for session in 0..100_000_u32 {
            all.began(&session.to_le_bytes(), waits(1));
            if session % 10 != 0 {
                assert_eq!(all.took(&session.to_le_bytes(), 1), Bare::Of(waits(1)));
            }
            assert!(all.waiting.len() <= MAX_SESSIONS);
        }
    }
}
