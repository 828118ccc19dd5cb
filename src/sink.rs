//! The contract of a sink: somebody who is told of changes of findings, and of nothing else.

use crate::ledger::Change;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// What the caller does differently; the text is for people and never holds an address or a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// Try again, with back-off.
    #[error("{0}")]
    Retry(String),
    /// This change will never be taken.
    #[error("{0}")]
    GiveUp(String),
}

pub type Delivery<'a> = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + 'a>>;

/// Delivers one change. Deadlines, repeats and their order are the caller's; dropping a delivery is safe.
pub trait Sink: Send + Sync {
    fn deliver<'a>(&'a self, change: &'a Change) -> Delivery<'a>;

    /// How often it wants to be reminded of what is open, if it forgets by itself.
    fn reminds(&self) -> Option<Duration> {
        None
    }

    fn remind(&self) -> Delivery<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
}
