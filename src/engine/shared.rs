//! What the lanes of one server share: who it is, what is known of it, its names and its texts.

use super::{Lane, Visit};
use crate::clock::Clock;
use crate::config::Target;
use crate::model::{Count, Digest, InTopic, Level, Names, Rows, Statement, Topic};
use crate::remark::Hush;
use crate::texts::{Known as Text, Texts};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Ids whose wording is asked for in one read; the rest waits for the next.
const MAX_STRANGERS: usize = 10_000;

/// `K` is what probing finds out, `M` what the engine remembers beside it.
#[derive(Debug)]
pub struct Shared<K, M> {
    pub target: Target,
    pub clock: Clock,
    pub names: Mutex<Names>,
    pub texts: Mutex<Arc<Texts>>,
    /// The sessions of our own lanes: left out of every number.
    pub own: Mutex<HashMap<Lane, i64>>,
    pub memory: Mutex<M>,
    known: Mutex<Option<Arc<K>>>,
    /// Set by whoever notices that the server is not as probing found it.
    changed: AtomicBool,
}

/// A lock is held for a few instructions and never across an await; a panic elsewhere does not spoil its value.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K, M: Default> Shared<K, M> {
    pub fn new(target: Target, clock: Clock) -> Self {
        Self {
            target,
            clock,
            names: Mutex::default(),
            texts: Mutex::default(),
            own: Mutex::default(),
            memory: Mutex::default(),
            known: Mutex::default(),
            changed: AtomicBool::new(false),
        }
    }

    pub fn address(&self) -> String {
        format!("{}:{}", self.target.url.host(), self.target.url.port())
    }

    pub fn known(&self) -> Option<Arc<K>> {
        locked(&self.known).clone()
    }

    pub fn note_change(&self) {
        self.changed.store(true, Ordering::Relaxed);
    }

    /// What is known, as far as this lane may rely on it: the beat probes anew when something has changed, and
    /// the others use what it found.
    pub fn believed(&self, lane: Lane) -> Option<Arc<K>> {
        self.known().filter(|_| lane != Lane::Beat || !self.changed.load(Ordering::Relaxed))
    }

    /// To be said before probing, so that what changes meanwhile is not lost.
    pub fn probing(&self) {
        self.changed.store(false, Ordering::Relaxed);
    }

    pub fn learn(&self, known: K) -> Arc<K> {
        let known = Arc::new(known);
        *locked(&self.known) = Some(known.clone());
        known
    }

    pub fn is_own(&self, pid: i64) -> bool {
        locked(&self.own).values().any(|own| *own == pid)
    }

    pub fn texts(&self) -> Arc<Texts> {
        locked(&self.texts).clone()
    }

    /// Changes what is known of wording; readers keep what they have.
    pub fn teach(&self, teach: impl FnOnce(&mut Texts)) {
        teach(Arc::make_mut(&mut locked(&self.texts)));
    }
}

/// What a text of the server says about an id. The text itself goes no further. `is_cut` when its end is lost.
pub fn learn_text(
    texts: &mut Texts,
    dialect: crate::sql::Dialect,
    id: i64,
    text: &str,
    is_cut: bool,
    ours: Option<Lane>,
) {
    use crate::sql::{Refused, normalise, normalise_cut};
    if let Some(lane) = ours {
        return texts.learn(id, Text::Ours(lane), None);
    }
    let normal = if is_cut { normalise_cut } else { normalise };
    match normal(dialect, text) {
        Ok(normal) => match normal.key() {
            Some(digest) => {
                texts.learn(id, Text::Digest(digest), Some(&normal.fingerprint));
                texts.heed(id, Hush::in_text(dialect, text));
            }
            // Half a text names nothing; the whole one may still be read.
            None if is_cut => {}
            None => texts.learn(id, Text::Unnamed, None),
        },
        // Hidden from this login now, perhaps not for ever.
        Err(Refused::Hidden) => {}
        Err(_) => texts.learn(id, Text::Unnamed, None),
    }
}

/// The server's ids of statements whose wording is not known yet.
pub fn strangers(visit: &Visit, texts: &Texts) -> HashSet<i64> {
    let statements = visit.sample.parts.iter().filter_map(|(.., part)| match &*part.rows {
        Rows::Statements(rows) => Some(rows),
        _ => None,
    });
    let ids = statements.flatten().filter_map(|row| row.server_digest);
    ids.filter(|id| texts.known(*id).is_none()).take(MAX_STRANGERS).collect()
}

/// Gives statements the digest of their wording, and leaves out our own, adding up what they cost.
pub fn name_statements(rows: &mut Vec<Statement>, texts: &Texts, visit: &mut Visit) {
    let mut own = [Duration::ZERO; 3];
    rows.retain_mut(|row| {
        match row.server_digest.and_then(|id| texts.known(id)) {
            Some(Text::Ours(lane)) => {
                let spent = Duration::try_from_secs_f64(row.exec_seconds.float()).unwrap_or_default();
                if let Some(sum) = own.get_mut(lane as usize) {
                    *sum += spent;
                }
                return false;
            }
            Some(Text::Digest(digest)) => row.digest = Some(digest),
            Some(Text::Unnamed) | None => {}
        }
        true
    });
    visit.told_cost = Some(own);
}

/// Where the server tells statements apart that are one of ours: other search paths, lists of other lengths. Said of
/// the statements as they were read and named.
pub fn tell_splits(visit: &mut Visit) {
    let of = |visit: &Visit, topic| visit.sample.parts.iter().position(|(read, ..)| *read == topic);
    let (Some(statements), Some(info)) = (of(visit, Topic::Statements), of(visit, Topic::StatementsInfo))
    else {
        return;
    };
    let Some((.., part)) = visit.sample.parts.get(statements) else { return };
    let named = Statement::of(&part.rows).iter().filter_map(|row| row.digest.zip(row.server_digest));
    let mut pairs: Vec<(Digest, i64)> = named.collect();
    pairs.sort_unstable();
    pairs.dedup();
    let several = pairs.chunk_by(|(one, _), (next, _)| one == next).filter(|ids| ids.len() > 1);
    let (split, lumped) = several.fold((0, 0), |(split, lumped), ids| (split + 1, lumped + ids.len()));
    let Some((.., part)) = visit.sample.parts.get_mut(info) else { return };
    if let Rows::StatementsInfo(rows) = Arc::make_mut(&mut part.rows) {
        for row in rows {
            row.split = Some(Level::new(Count::new(split)));
            row.lumped = Some(Level::new(Count::new(lumped as u64)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Scope, StatementsInfo};
    use crate::rules::tests::made_up::{row, snapshot};
    use serde_json::json;

    #[test]
    fn several_ids_behind_one_digest_are_counted_and_users_and_databases_are_not() {
        let statement = |dbid: i64, id: i64, digest: &str| {
            row::<Statement>(
                json!({"dbid": dbid, "userid": 1, "server_digest": id, "digest": digest, "calls": 1,
                "rows": 1, "exec_seconds": 1.0}),
            )
        };
        let (one, other) = ("00000000000000aa", "00000000000000bb");
        let nameless =
            row::<Statement>(json!({"dbid": 1, "userid": 1, "server_digest": 9, "calls": 1, "rows": 1,
            "exec_seconds": 1.0}));
        let statements = vec![
            statement(1, 1, one),
            statement(1, 2, one),
            statement(2, 2, one),
            statement(1, 3, other),
            statement(2, 3, other),
            nameless,
        ];
        let mut visit = Visit::default();
        let read = [
            snapshot::<Statement>(0.0, Scope::Server, statements),
            snapshot::<StatementsInfo>(0.0, Scope::Server, vec![row(json!({"entries_max": 5_000}))]),
        ];
        for ((topic, scope), part) in read.into_iter().flat_map(|snapshot| snapshot.parts) {
            visit.sample.parts.push((topic, scope, part));
        }
        tell_splits(&mut visit);
        let info = visit.sample.parts.iter().find(|(topic, ..)| *topic == Topic::StatementsInfo).unwrap();
        let info = &StatementsInfo::of(&info.2.rows)[0];
        let last = |level: Option<Level<Count>>| level.unwrap().last.get();
        assert_eq!((last(info.split), last(info.lumped)), (1, 2));
    }
}
