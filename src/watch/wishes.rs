//! What the operator wants of one target.

use crate::config::Silence;
use crate::model::Name;
use crate::rules::Handbook;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Plan {
    pub target: Name,
    pub labels: Vec<(Name, Name)>,
    pub pulse: Duration,
    pub beat: Duration,
    pub slow: Duration,
    pub rare: Duration,
    pub series_budget: usize,
    /// Lanes that may have a connection: the beat comes first, the roaming lane last.
    pub connections: usize,
    /// Bytes that what is read of its databases may fill.
    pub room: usize,
    /// Questions asked in a minute.
    pub questions: usize,
    pub throttle: bool,
    pub rules: Rules,
}

/// What findings depend on and a reload may change while the target is watched.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub handbook: Arc<Handbook>,
    pub silences: Arc<Vec<Silence>>,
}
