//! A line of JSON for each change, appended to a file. It is opened for each line, so that it can be rotated away.

use crate::config::SinkConfig;
use crate::ledger::Change;
use crate::sink::{Delivery, Sink, SinkError};
use serde_json::json;
use std::path::PathBuf;
use tokio::io::AsyncWriteExt;

#[derive(Debug)]
pub struct File {
    path: PathBuf,
}

impl Sink for File {
    fn deliver<'a>(&'a self, change: &'a Change) -> Delivery<'a> {
        Box::pin(self.append(change))
    }
}

impl File {
    pub fn new(config: &SinkConfig) -> Self {
        Self { path: config.path.clone().unwrap_or_default() }
    }

    /// One write for the whole line, so that no reader sees half of one.
    async fn append(&self, change: &Change) -> Result<(), SinkError> {
        let line = json!({ "version": 1, "change": change }).to_string() + "\n";
        let write = async {
            let mut options = tokio::fs::OpenOptions::new();
            let mut file = options.append(true).create(true).mode(0o640).open(&self.path).await?;
            file.write_all(line.as_bytes()).await?;
            file.flush().await
        };
        write.await.map_err(|error| SinkError::Retry(format!("{}: {error}", self.path.display())))
    }
}
