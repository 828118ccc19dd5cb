//! The pulse: who is connected and what they wait for, every second; who blocks whom, only when somebody waits.

use super::blocking;
use super::collectors::COLLECTORS;
use super::link::Link;
use super::meaning::ask_identity;
use crate::engine::crowd::Crowd;
use crate::engine::reading::{Failure, LastIdentity, collect_all, gap};
use crate::engine::{Async, Due, EngineError, Pace, Probe, Visit};
use crate::model::{InTopic, Name, Scope, Session, Topic};
use std::time::Duration;
use tokio::time::Instant;

/// Whether others of our kind are here is asked this often: the sessions themselves do not say.
const WATCHERS_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Pulse {
    link: Link,
    identity: LastIdentity,
    crowd: Crowd,
    watchers_asked: Option<Instant>,
}

impl Probe for Pulse {
    fn visit<'a>(&'a mut self, _: &'a Due) -> Async<'a, Result<Visit, EngineError>> {
        Box::pin(self.pulse())
    }
}

impl Pulse {
    pub fn new(link: Link) -> Self {
        Self { link, identity: LastIdentity::default(), crowd: Crowd::default(), watchers_asked: None }
    }

    async fn pulse(&mut self) -> Result<Visit, EngineError> {
        let known = self.link.ready().await?;
        let identity = match self.identity.fresh() {
            Some(identity) => identity,
            None => self.identity.keep(ask_identity(&mut self.link, &known).await?),
        };
        let mut visit = Visit::default();
        self.look_for_watchers().await?;
        collect_all(&mut self.link, COLLECTORS, Pace::Pulse, &identity, &mut visit).await?;
        if let Some(why) = &self.link.scene.no_digests {
            let sampled = "what sessions run is sampled from the process list, so that the shortest statements are rarely seen";
            gap(&mut visit, Topic::Load, &Scope::Server, format!("{sampled}: {why}"));
        }
        let seen = visit.sample.parts.iter().find(|(topic, ..)| *topic == Topic::Sessions);
        let Some(rows) = seen.map(|(.., part)| part.rows.clone()) else { return Ok(visit) };
        let sessions = Session::of(&rows);
        if let Some(waiting) = self.crowd.look(sessions) {
            let waits = blocking::look(&mut self.link, sessions, &waiting, &mut visit).await?;
            self.crowd.learn(&waits);
        }
        let shared = &self.link.server.shared;
        let texts = shared.texts();
        self.crowd.report(sessions, &texts, &identity, shared.clock, &mut visit);
        Ok(visit)
    }

    async fn look_for_watchers(&mut self) -> Result<(), EngineError> {
        if self.watchers_asked.is_some_and(|asked| asked.elapsed() < WATCHERS_EVERY) {
            return Ok(());
        }
        self.watchers_asked = Some(Instant::now());
        let Some(rows) = Failure::forgive(self.link.ask("watchers").await)? else { return Ok(()) };
        let named =
            rows.iter().filter_map(|row| Some((row.whole("pid")?, Name::new(row.text("application")?))));
        self.link.watchers = named.collect();
        Ok(())
    }
}
