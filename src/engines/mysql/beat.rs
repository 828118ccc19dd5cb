//! The beat: counters of statements and of the server, and the wording of statements that are new.

use super::collectors::COLLECTORS;
use super::digests;
use super::latencies::Dear;
use super::link::Link;
use super::logs;
use super::meaning::ask_identity;
use crate::engine::errand::{Errand, Fetched};
use crate::engine::layout::hash;
use crate::engine::reading::{Failure, collect_all, gap};
use crate::engine::shared::{locked, strangers, tell_splits};
use crate::engine::{Async, Due, EngineError, Pace, Probe, Visit};
use crate::model::{InTopic, Scope, Statement, Topic};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// The server makes each text anew for every read of the table, so those that did not come with their counters are read at
/// most this often.
const TEXTS_EVERY: Duration = Duration::from_secs(60);

/// Comments for us are looked for this often.
const REMARKS_EVERY: Duration = Duration::from_secs(900);

#[derive(Debug)]
pub struct Beat {
    link: Link,
    texts_next: Option<Instant>,
    remarks_next: Option<Instant>,
    /// Statements whose wording names nothing, since the server kept only its beginning.
    nameless: HashSet<i64>,
    dear: Dear,
}

impl Probe for Beat {
    fn visit<'a>(&'a mut self, _: &'a Due) -> Async<'a, Result<Visit, EngineError>> {
        Box::pin(self.beat())
    }

    fn fetch<'a>(&'a mut self, errand: &'a Errand) -> Async<'a, Result<Fetched, Failure>> {
        Box::pin(logs::fetch(&mut self.link, errand))
    }
}

impl Beat {
    pub fn new(link: Link) -> Self {
        Self { link, texts_next: None, remarks_next: None, nameless: HashSet::new(), dear: Dear::default() }
    }

    async fn beat(&mut self) -> Result<Visit, EngineError> {
        let known = self.link.ready().await?;
        let mut visit = Visit::default();
        let identity = ask_identity(&mut self.link, &known).await?;
        visit.server = Some(known.facts_of(&identity, self.link.certificate_expires()));
        collect_all(&mut self.link, COLLECTORS, Pace::Beat, &identity, &mut visit).await?;
        let digests = visit.sample.parts.iter_mut().find(|(topic, ..)| *topic == Topic::Statements);
        self.link.reread.keep(digests.as_ref().map(|(.., part)| part.rows.clone()));
        if let Some((.., part)) = digests {
            let dear = self.dear.choose(Statement::of(&part.rows), &self.link.server_digests);
            let mut memory = locked(&self.link.server.shared.memory);
            part.epoch.reset = memory.life.oldest_digest;
            memory.dear = dear;
        }
        self.texts(&mut visit).await?;
        self.remarks().await?;
        tell_splits(&mut visit);
        visit.texts = Some(self.link.server.shared.texts());
        Ok(visit)
    }

    /// Learns what comments in statements ask of us, where the server keeps a run of each as it was typed.
    async fn remarks(&mut self) -> Result<(), EngineError> {
        let now = Instant::now();
        if self.remarks_next.is_some_and(|next| next > now) {
            return Ok(());
        }
        self.remarks_next = Some(now + REMARKS_EVERY);
        let Some(rows) = Failure::forgive(self.link.ask("remarked_texts").await)? else { return Ok(()) };
        self.link.server.shared.teach(|texts| {
            texts.heed_nothing();
            for row in &rows {
                if let (Some(digest), Some(text)) = (row.text("digest"), row.text("query")) {
                    digests::heed(texts, hash(digest), text);
                }
            }
        });
        Ok(())
    }

    /// Learns the wording of statements that did not come with their counters.
    async fn texts(&mut self, visit: &mut Visit) -> Result<(), EngineError> {
        let shared = &self.link.server.shared;
        let mut unknown = strangers(visit, &shared.texts());
        let now = Instant::now();
        if unknown.is_subset(&self.nameless) || self.texts_next.is_some_and(|next| next > now) {
            return Ok(());
        }
        self.texts_next = Some(now + TEXTS_EVERY);
        match self.link.ask("statement_texts").await {
            Ok(rows) => {
                self.link.server.shared.teach(|texts| {
                    for row in &rows {
                        if let (Some(digest), Some(text)) = (row.text("digest"), row.text("digest_text")) {
                            digests::learn(texts, hash(digest), text);
                        }
                    }
                    unknown.retain(|id| texts.known(*id).is_none());
                });
                self.nameless = unknown;
            }
            Err(Failure::Lost(error)) => return Err(error),
            Err(Failure::Refused { message, .. }) => {
                let why = format!("{} statements have no name yet: {message}", unknown.len());
                gap(visit, Topic::Statements, &Scope::Server, why);
            }
        }
        Ok(())
    }
}
