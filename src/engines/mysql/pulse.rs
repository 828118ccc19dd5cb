//! The pulse: who is connected and what they wait for, every second; who blocks whom, only when somebody waits.

use super::blocking;
use super::collectors::COLLECTORS;
use super::link::Link;
use super::meaning::ask_identity;
use super::scene::Scene;
use crate::engine::crowd::Crowd;
use crate::engine::reading::{Failure, Identity, collect, gap};
use crate::engine::{Async, Due, EngineError, Pace, Probe, Visit};
use crate::model::{InTopic, Name, Scope, Session, Topic};
use std::time::Duration;
use tokio::time::Instant;

/// The identity of the server is asked again this often.
const IDENTITY_EVERY: Duration = Duration::from_secs(15);
/// Whether others of our kind are here is asked this often: the sessions themselves do not say.
const WATCHERS_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Pulse {
    link: Link,
    identity: Option<(Identity, Instant)>,
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
        Self { link, identity: None, crowd: Crowd::default(), watchers_asked: None }
    }

    async fn pulse(&mut self) -> Result<Visit, EngineError> {
        let known = self.link.ready().await?;
        let identity = match &self.identity {
            Some((identity, asked)) if asked.elapsed() < IDENTITY_EVERY => identity.clone(),
            _ => {
                let identity = ask_identity(&mut self.link, &known).await?;
                self.identity = Some((identity.clone(), Instant::now()));
                identity
            }
        };
        let mut visit = Visit::default();
        self.link.scene = Scene::look(&mut self.link).await?;
        self.look_for_watchers().await?;
        for collector in COLLECTORS.iter().filter(|collector| collector.pace == Pace::Pulse) {
            collect(&mut self.link, collector, &identity, &Scope::Server, &mut visit).await?;
        }
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
        for rows in self.crowd.tell(sessions, &texts) {
            let part = identity.own_part(shared.clock, rows);
            visit.sample.parts.push((part.rows.topic(), Scope::Server, part));
        }
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
