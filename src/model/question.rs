//! A rule that needs a fact nobody measured does not fetch it: it asks. The watch loop hands open questions to
//! a probe within a budget and keeps the answers for a while.

use super::name::Name;
use super::plan::PlanNode;
use crate::sql::Digest;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Question {
    /// The statement that creates an index as it is: the way back from dropping it.
    IndexDefinition { database: Name, id: i64 },
    /// The plan that the server has for a statement, whatever its values: never run for it. Its tables are in these
    /// schemas.
    Plan { database: Name, digest: Digest, schemas: Vec<Name> },
}

impl Question {
    pub fn database(&self) -> &Name {
        match self {
            Question::IndexDefinition { database, .. } | Question::Plan { database, .. } => database,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    Text(String),
    Plan(Box<PlanNode>),
    /// Asked and not to be had; says why. Not asked again before the answer ages.
    Unknown(String),
}
