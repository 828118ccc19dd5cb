//! What each target gives us: connects once to every one and asks for its rights.

use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{Due, EngineError, Lane, ServerFacts};
use crate::engines;
use crate::model::Name;
use std::time::Duration;

pub async fn check_targets(config: &Config) -> Vec<(Name, Result<ServerFacts, EngineError>)> {
    let mut checked = Vec::new();
    for target in &config.target {
        checked.push((target.name.clone(), facts(target).await));
    }
    checked
}

async fn facts(target: &crate::config::Target) -> Result<ServerFacts, EngineError> {
    let engine = engines::open(target, Clock::start())?;
    let due = Due { every: Duration::from_secs(15), ..Due::default() };
    let visit = engine.open(Lane::Beat).visit(&due).await?;
    visit.server.ok_or_else(|| EngineError::Unsupported("the engine tells nothing of its server".into()))
}
