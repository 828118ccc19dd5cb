//! Load: what the pulse sees, summed up. A session that is active while we look was active for one pulse.

use crate::model::{Digest, Load, Name, Seconds, Total, Unit};
use std::collections::HashMap;

/// Combinations kept apart; what comes after joins `other`. A server has a few hundred in a busy hour.
const MAX_KEYS: usize = 2_000;

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
        let key = if self.seconds.len() >= MAX_KEYS && !self.seconds.contains_key(&key) {
            let other = Name::new("other");
            Key { application: other, digest: None, ..key }
        } else {
            key
        };
        *self.seconds.entry(key).or_default() += seconds;
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
