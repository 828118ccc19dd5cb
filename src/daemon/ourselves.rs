//! What is found about ourselves: it is judged, told and silenced as what is found about a server.

use crate::config::Silence;
use crate::ledger::{Change, Entry, Ledger};
use crate::model::{Finding, Name};
use std::sync::Arc;

/// What stands where else the name of a target does.
const OURSELVES: &str = "dbsonde";

#[derive(Debug, Default)]
pub struct Ourselves {
    ledger: Ledger,
}

impl Ourselves {
    /// With all that there is to say now.
    pub fn judge(&mut self, at: f64, found: Vec<Finding>, silences: &[Silence]) -> Vec<Change> {
        let silence = |entry: &Entry| Silence::any(silences, entry, at);
        self.ledger.apply(at, &Name::new(OURSELVES), found, |_, _| true, silence)
    }

    pub fn findings(&self) -> Arc<[Entry]> {
        self.ledger.open().cloned().collect()
    }
}
