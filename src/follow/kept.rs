//! What survives us, as one whole: how far each file was read, and what all of them have added up to. The one without
//! the other would lose entries or count them twice.

use super::account::Account;
use super::files::Files;
use super::through::Place;
use super::tracked::Mark;
use crate::model::{Epoch, Name, Part, Rows, Scope, Timestamp, When};
use crate::stores::columns;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// A checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// When the numbers began, in unix seconds.
    pub since: f64,
    /// When the files were looked at, likewise.
    pub looked: f64,
    pub patterns: Vec<PathBuf>,
    pub marks: Vec<Mark>,
    /// How far the server has read for us.
    pub through: Option<Place>,
    pub rows: Vec<Rows>,
}

#[derive(Serialize, Deserialize)]
struct Form {
    /// As JSON, because it will get more fields.
    head: String,
    parts: Vec<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    since: f64,
    looked: f64,
    patterns: Vec<PathBuf>,
    marks: Vec<Mark>,
    #[serde(default)]
    through: Option<Place>,
}

/// Of numbers that began at `since`: they have nothing to do with the server's own.
pub fn epoch(since: f64) -> Epoch {
    Epoch { server: Name::new("log"), started: None, reset: Some(Timestamp::new(since)), volatile: false }
}

impl Kept {
    /// `None` if something of it cannot be kept: then nothing may be.
    pub fn encode(
        files: &Files,
        patterns: Vec<PathBuf>,
        through: Option<Place>,
        account: &Account,
    ) -> Option<Vec<u8>> {
        let (looked, marks) = (files.looked(), files.marks());
        let head = Head { since: account.since, looked, patterns, marks, through };
        let head = serde_json::to_string(&head).ok()?;
        let taken = When { run: 0, monotonic: 0.0, wall: account.since };
        let part = |rows: &Arc<Rows>| {
            let part = Part { taken, epoch: epoch(account.since), complete: true, rows: rows.clone() };
            columns::encode(&Scope::Server, &part).ok()
        };
        let parts = account.rows().map(part).collect::<Option<Vec<_>>>()?;
        columns::seal(&postcard::to_stdvec(&Form { head, parts }).ok()?).ok()
    }

    pub fn decode(blob: &[u8]) -> Option<Self> {
        let form: Form = postcard::from_bytes(&columns::unseal(blob).ok()?).ok()?;
        let Head { since, looked, patterns, marks, through } = serde_json::from_str(&form.head).ok()?;
        let rows = form.parts.iter().map(|part| Some(Rows::clone(&columns::decode(part).ok()?.1.rows)));
        Some(Self { since, looked, patterns, marks, through, rows: rows.collect::<Option<_>>()? })
    }
}
