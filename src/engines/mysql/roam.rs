//! The roaming lane: from schema to schema for tables, indexes and keys, one stop a visit.

use super::collectors::COLLECTORS;
use super::link::Link;
use super::meaning::ask_identity;
use crate::engine::reading::Failure;
use crate::engine::round::Round;
use crate::engine::{Async, Due, EngineError, Probe, Visit};
use crate::model::Name;

/// What is the server's own, and no place for tables of users.
const SYSTEM: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];

#[derive(Debug)]
pub struct Roam {
    link: Link,
    round: Round,
    here: Option<Name>,
}

impl Probe for Roam {
    fn visit<'a>(&'a mut self, due: &'a Due) -> Async<'a, Result<Visit, EngineError>> {
        Box::pin(self.stop(due))
    }
}

impl Roam {
    pub fn new(link: Link) -> Self {
        Self { link, round: Round::new(COLLECTORS), here: None }
    }

    async fn stop(&mut self, due: &Due) -> Result<Visit, EngineError> {
        let known = self.link.ready().await?;
        let mut visit = Visit::default();
        let schemas = self.schemas().await?;
        self.round.forget_gone(&schemas, &mut visit);
        let Some(next) = self.round.next(&schemas, self.here.as_ref(), due) else { return Ok(visit) };
        let identity = ask_identity(&mut self.link, &known).await?;
        self.round.stop(&mut self.link, &next, &identity, due, &mut visit).await?;
        self.round.not_seen(&schemas, &mut visit);
        visit.paces = self.round.paces(schemas.len(), due);
        self.here = Some(next);
        Ok(visit)
    }

    /// The schemas that the operator wants watched and the login may see.
    async fn schemas(&mut self) -> Result<Vec<Name>, EngineError> {
        let rows = Failure::forgive(self.link.ask("schemas").await)?.unwrap_or_default();
        let names = rows.iter().filter_map(|row| row.text("name"));
        let users = names.filter(|name| !SYSTEM.contains(&name.to_lowercase().as_str())).map(Name::new);
        Ok(Round::databases(&self.link.server.shared.target.databases, None, users))
    }
}
