//! The engines we speak. Add one: a folder here and one line in [`open`].

pub mod mysql;
pub mod postgres;

use crate::clock::Clock;
use crate::config::Target;
use crate::engine::{Engine, EngineError};
use std::sync::Arc;

/// The engine that a target's URL names.
pub fn open(target: &Target, clock: Clock) -> Result<Arc<dyn Engine>, EngineError> {
    match target.url.scheme() {
        "postgres" | "postgresql" => Ok(Arc::new(postgres::Postgres::new(target, clock))),
        "mysql" => Ok(Arc::new(mysql::Mysql::new(target, clock))),
        other => {
            Err(EngineError::Unsupported(format!("{other}:// (known: postgres://, mysql://, mariadb://)")))
        }
    }
}

/// The engine that wrote this name down, for what is read without a server.
pub fn named(name: &str) -> &'static str {
    let known = ["mysql", "postgres"];
    known.into_iter().find(|known| *known == name).unwrap_or("postgres")
}
