//! The pulse: who is connected and what they wait for, every second; who blocks whom, only when somebody waits.

use super::beat::learn;
use super::collectors::COLLECTORS;
use super::link::Link;
use super::visit::ask_identity;
use crate::engine::crowd::{Crowd, is_active};
use crate::engine::reading::{Failure, LastIdentity, collect_all};
use crate::engine::{Async, Due, EngineError, Pace, Probe, Visit};
use crate::model::{Blocking, InTopic, Session, Topic};
use std::time::Duration;
use tokio::time::Instant;

/// Texts of running statements are asked this often, for so many sessions.
const TEXTS_EVERY: Duration = Duration::from_secs(10);
const MAX_TEXTS: usize = 50;
/// Characters of a text, as the SQL cuts it, and the bytes that a letter may have.
const MAX_TEXT: usize = 8_192;
const LONGEST_LETTER: usize = 4;

#[derive(Debug)]
pub struct Pulse {
    link: Link,
    identity: LastIdentity,
    crowd: Crowd,
    texts_asked: Option<Instant>,
}

impl Probe for Pulse {
    fn visit<'a>(&'a mut self, _: &'a Due) -> Async<'a, Result<Visit, EngineError>> {
        Box::pin(self.pulse())
    }
}

impl Pulse {
    pub fn new(link: Link) -> Self {
        Self { link, identity: LastIdentity::default(), crowd: Crowd::default(), texts_asked: None }
    }

    async fn pulse(&mut self) -> Result<Visit, EngineError> {
        let known = self.link.ready(None).await?;
        let identity = match self.identity.fresh() {
            Some(identity) => identity,
            None => self.identity.keep(ask_identity(&mut self.link, &known).await?),
        };
        let mut visit = Visit::default();
        collect_all(&mut self.link, COLLECTORS, Pace::Pulse, &identity, &mut visit).await?;
        let seen = visit.sample.parts.iter().find(|(topic, ..)| *topic == Topic::Sessions);
        let Some(rows) = seen.map(|(.., part)| part.rows.clone()) else { return Ok(visit) };
        let sessions = Session::of(&rows);
        if let Some(waiting) = self.crowd.look(sessions) {
            let waiting: Vec<i32> = waiting.into_iter().filter_map(|pid| i32::try_from(pid).ok()).collect();
            let read = self.link.read_with(Topic::Blocking, "blocking", &[&waiting]).await;
            let read = Failure::forgive(read)?;
            self.crowd.learn(read.as_ref().map_or(&[], |read| Blocking::of(&read.rows)));
        }
        self.wording(sessions, known.activity_size).await?;
        let server = &self.link.server;
        let texts = server.texts();
        self.crowd.report(sessions, &texts, &identity, server.clock, &mut visit);
        Ok(visit)
    }

    /// Learns the wording of running statements that are new to us. What users typed is normalised at once.
    async fn wording(&mut self, sessions: &[Session], activity_size: usize) -> Result<(), EngineError> {
        if self.texts_asked.is_some_and(|asked| asked.elapsed() < TEXTS_EVERY) {
            return Ok(());
        }
        let texts = self.link.server.texts();
        let is_new = |session: &&Session| {
            is_active(session) && session.server_digest.is_some_and(|id| texts.known(id).is_none())
        };
        let pids: Vec<i32> = sessions
            .iter()
            .filter(is_new)
            .filter_map(|s| i32::try_from(s.pid).ok())
            .take(MAX_TEXTS)
            .collect();
        if pids.is_empty() {
            return Ok(());
        }
        self.texts_asked = Some(Instant::now());
        let answer = self.link.ask("session_texts", &[&pids]).await;
        let Some(rows) = Failure::forgive(answer)? else { return Ok(()) };
        // The server ends each text with a zero byte; ours are cut by the SQL as well, and some letters are longer.
        let full = activity_size.min(MAX_TEXT).saturating_sub(LONGEST_LETTER);
        self.link.server.teach(|texts| {
            for row in &rows {
                if let (Ok(Some(id)), Ok(Some(text))) =
                    (row.try_get::<_, Option<i64>>("server_digest"), row.try_get::<_, Option<&str>>("query"))
                {
                    learn(texts, id, text, full);
                }
            }
        });
        Ok(())
    }
}
