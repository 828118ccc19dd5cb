//! A rule that needs a fact nobody measured does not fetch it: it asks. The watch loop hands open questions to
//! a probe within a budget and keeps the answers for a while.

use super::name::Name;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Question {
    /// The statement that creates an index as it is: the way back from dropping it.
    IndexDefinition { database: Name, id: i64 },
}

impl Question {
    pub fn database(&self) -> &Name {
        match self {
            Question::IndexDefinition { database, .. } => database,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Text(String),
    /// Asked and not to be had; says why. Not asked again before the answer ages.
    Unknown(String),
}
