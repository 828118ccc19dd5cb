//! What dbsonde has to say: a sentence with its numbers, the way to mend it and the way back.

use super::name::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Note,
    Warning,
    Urgent,
}

impl Severity {
    pub const ALL: [Severity; 3] = [Severity::Note, Severity::Warning, Severity::Urgent];

    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Urgent => "urgent",
        }
    }
}

/// How sure we are: counted on the server, computed from a model, or not checked against anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    Measured,
    Estimated,
    Unverified,
}

/// A script that a careful person can run. dbsonde never runs it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    pub sql: Vec<String>,
    /// The way back, one step for each step of `sql` that has one.
    pub rollback: Vec<String>,
    /// The strongest lock it takes.
    pub lock: String,
    /// Whom that lock keeps waiting.
    pub blocks: String,
    /// May the steps run inside one transaction?
    pub transactional: bool,
    /// What to know before running it.
    pub caution: String,
}

/// What a rule says; the ledger adds what only time can tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub rule: Name,
    pub severity: Severity,
    pub database: Option<Name>,
    /// What it is about, as the operator would name it: `public.orders_note_idx`.
    pub subject: String,
    /// One sentence with the numbers.
    pub because: String,
    /// The same numbers as data, each with its unit in its name, and the window they were taken over.
    pub evidence: BTreeMap<Name, serde_json::Value>,
    pub advice: String,
    pub fix: Option<Fix>,
    pub confidence: Confidence,
}

impl Finding {
    pub fn place(&self) -> String {
        match &self.database {
            Some(database) => format!("{} in {database}", self.subject),
            None => self.subject.clone(),
        }
    }

    /// What is said of it below the one that it is mended with: "statement-rows-examined of 1a2b in shop: ...".
    pub fn as_part(&self) -> String {
        format!("mended with it: {} of {}: {}", self.rule, self.place(), self.because)
    }

    /// What it is about, by every name: its subject, and the statements that it was seen in.
    pub fn things(&self) -> impl Iterator<Item = &str> {
        let of = |key: &str| self.evidence.get(key);
        let many = of("digests").and_then(serde_json::Value::as_array).into_iter().flatten();
        let statements = of("digest").into_iter().chain(many).filter_map(serde_json::Value::as_str);
        std::iter::once(self.subject.as_str()).chain(statements)
    }
}

/// The numbers of a finding, by names that hold their units.
pub fn evidence<const N: usize>(
    numbers: [(&str, serde_json::Value); N],
) -> BTreeMap<Name, serde_json::Value> {
    numbers.map(|(name, value)| (Name::new(name), value)).into()
}

/// Stable for as long as rule, target and subject are: silences, history and alerts hang on it.
pub fn finding_id(rule: &str, target: &str, database: Option<&str>, subject: &str) -> String {
    let parts = ["finding-v1", rule, target, database.unwrap_or_default(), subject].join("\0");
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(parts.as_bytes()))
}
