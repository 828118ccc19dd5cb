//! The engines we speak. Add one: a folder here and one line in [`open`].

pub mod postgres;

use crate::clock::Clock;
use crate::config::Target;
use crate::engine::{Engine, EngineError};
use std::sync::Arc;

/// The engine that a target's URL names.
pub fn open(target: &Target, clock: Clock) -> Result<Arc<dyn Engine>, EngineError> {
    match target.url.scheme() {
        "postgres" | "postgresql" => Ok(Arc::new(postgres::Postgres::new(target, clock))),
        other => Err(EngineError::Unsupported(format!("{other}:// (known: postgres://)"))),
    }
}
