//! Which entries of a log are wanted.

use crate::log::{Entry, Micros};

/// Which entries count.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub since: Option<Micros>,
    pub until: Option<Micros>,
    pub database: Option<String>,
    pub user: Option<String>,
}

impl Filter {
    pub(super) fn admits(&self, entry: &Entry) -> bool {
        let name = |wanted: &Option<String>, is: &[u8]| wanted.as_ref().is_none_or(|w| w.as_bytes() == is);
        // Without a time of its own an entry cannot be told to lie outside.
        self.since.is_none_or(|since| entry.time.is_none_or(|at| at >= since))
            && self.until.is_none_or(|until| entry.time.is_none_or(|at| at < until))
            && name(&self.database, entry.who.database)
            && name(&self.user, entry.who.user)
    }
}
