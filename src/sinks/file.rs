//! A line of JSON for each change, appended to a file. It is opened for each line, so that it can be rotated away.

use crate::config::SinkConfig;
use crate::ledger::Change;
use crate::sink::{Delivery, Sink, SinkError};
use serde_json::json;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
pub struct File {
    path: PathBuf,
    /// The last line has not been taken yet: a disk that hangs keeps one thread of ours, not one for each try.
    hangs: Arc<AtomicBool>,
}

impl Sink for File {
    fn deliver<'a>(&'a self, change: &'a Change) -> Delivery<'a> {
        Box::pin(self.append(change))
    }
}

impl File {
    pub fn new(config: &SinkConfig) -> Self {
        Self { path: config.path.clone().unwrap_or_default(), hangs: Arc::default() }
    }

    async fn append(&self, change: &Change) -> Result<(), SinkError> {
        let failed =
            |why: &dyn std::fmt::Display| SinkError::Retry(format!("{}: {why}", self.path.display()));
        if self.hangs.swap(true, Ordering::AcqRel) {
            return Err(failed(&"the disk does not answer"));
        }
        let line = json!({ "version": 1, "change": change }).to_string() + "\n";
        let (path, hangs) = (self.path.clone(), self.hangs.clone());
        let written = tokio::task::spawn_blocking(move || {
            let written = write(&path, &line);
            hangs.store(false, Ordering::Release);
            written
        });
        match written.await {
            Ok(written) => written.map_err(|error| failed(&error)),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// One write for the whole line, so that no reader sees half of one.
fn write(path: &Path, line: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
    file.write_all(line.as_bytes())
}
