//! Load: what the pulse sees, summed up. A session that is active while we look was active for one pulse.

use crate::model::{Digest, Load, Name, Seconds, Total, Unit};
use std::collections::HashMap;

/// Combinations kept apart; what comes after joins `other`. A server has a few hundred in a busy hour.
const MAX_KEYS: usize = 2_000;
/// Combinations of database, user and wait within `other`: names are made up as easily as applications are.
const MAX_OTHERS: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub database: Name,
    pub user: Name,
    pub application: Name,
    pub wait: Name,
    pub digest: Option<Digest>,
}

#[derive(Debug, Default)]
pub struct LoadMeter {
    seconds: HashMap<Key, f64>,
}

impl LoadMeter {
    pub fn add(&mut self, key: Key, seconds: f64) {
        *self.seconds.entry(self.place(key)).or_default() += seconds;
    }

    /// Where a combination is counted: by itself, without its application and statement, or among all others.
    fn place(&self, key: Key) -> Key {
        let has_room = |key: &Key, most: usize| self.seconds.len() < most || self.seconds.contains_key(key);
        if has_room(&key, MAX_KEYS) {
            return key;
        }
        let other = Name::new("other");
        let coarse = Key { application: other.clone(), digest: None, ..key };
        if has_room(&coarse, MAX_KEYS + MAX_OTHERS) {
            return coarse;
        }
        Key { database: other.clone(), user: other.clone(), wait: other, ..coarse }
    }

    pub fn rows(&self) -> Vec<Load> {
        let mut rows: Vec<Load> = self
            .seconds
            .iter()
            .map(|(key, seconds)| Load {
                database: key.database.clone(),
                user: key.user.clone(),
                application: key.application.clone(),
                wait: key.wait.clone(),
                digest: key.digest,
                session_seconds: Total(Seconds::new(*seconds)),
            })
            .collect();
        rows.sort_unstable_by_key(crate::model::Noun::key);
        rows
    }
}

/// The level of a number of things.
pub fn seconds(value: f64) -> Option<Seconds> {
    Seconds::from_float(value.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million users, databases and applications: nothing is lost, and there is room for so many.
    #[test]
    fn names_made_up_without_end_find_a_bound() {
        let mut meter = LoadMeter::default();
        for nth in 0..1_000_000_u32 {
            let name = Name::new(&nth.to_string());
            let common = Name::new("app");
            let (database, user, application) = match nth % 3 {
                0 => (name, common.clone(), common.clone()),
                1 => (common.clone(), name, common.clone()),
                _ => (common.clone(), common.clone(), name),
            };
            meter.add(Key { database, user, application, wait: common, digest: None }, 1.0);
        }
        let rows = meter.rows();
        assert!(rows.len() <= MAX_KEYS + MAX_OTHERS + 1, "{}", rows.len());
        assert_eq!(rows.iter().map(|row| row.session_seconds.0.float()).sum::<f64>(), 1e6);
    }
}
