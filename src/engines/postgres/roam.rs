//! The roaming lane: walks from database to database for tables, indexes and schema, one stop a visit, on one
//! connection that moves at most once in ten seconds.

use super::collectors::COLLECTORS;
use super::explain::Explainer;
use super::known::Known;
use super::link::{Link, locked};
use super::sizes::Sizes;
use super::visit::{ask_identity, time};
use crate::engine::reading::{Failure, Identity};
use crate::engine::round::Round;
use crate::engine::{Async, Due, EngineError, Probe, Visit};
use crate::model::Name;
use crate::model::question::{Answer, Question};
use std::collections::HashMap;
use tokio_postgres::Row;

#[derive(Debug)]
pub struct Roam {
    link: Link,
    round: Round,
    sizes: Sizes,
    explainer: Explainer,
}

impl Probe for Roam {
    fn visit<'a>(&'a mut self, due: &'a Due) -> Async<'a, Result<Visit, EngineError>> {
        Box::pin(self.stop(due))
    }
}

impl Roam {
    pub fn new(link: Link) -> Self {
        Self { link, round: Round::new(COLLECTORS), sizes: Sizes::default(), explainer: Explainer::default() }
    }

    async fn stop(&mut self, due: &Due) -> Result<Visit, EngineError> {
        let databases = self.databases();
        let mut visit = Visit::default();
        self.round.forget_gone(&databases, &mut visit);
        self.sizes.forget(&visit.sample.gone);
        let is_watched = |question: &&Question| databases.contains(question.database());
        let unwatched = due.questions.iter().filter(|question| !is_watched(question));
        let why = || Answer::Unknown("its database is not watched".into());
        visit.answers.extend(unwatched.map(|question| (question.clone(), why())));
        let Some(next) = self.round.next(&databases, self.link.database(), due) else { return Ok(visit) };
        if !self.link.may_move_to(&next).await? {
            self.round.not_seen(&databases, &mut visit);
            return Ok(visit);
        }
        let known = match self.link.ready(Some(&next)).await {
            Ok(known) => known,
            Err(EngineError::Denied(why) | EngineError::Refused(why))
                if *next != *self.link.server.target.url.database() =>
            {
                self.round.refuse(next, why);
                self.round.not_seen(&databases, &mut visit);
                return Ok(visit);
            }
            Err(error) => return Err(error),
        };
        let identity = self.identity(&known).await?;
        self.round.stop(&mut self.link, Some(&next), &identity, due, &mut visit).await?;
        self.sizes.measure(&mut self.link, &next, &identity, due.rare, &mut visit).await?;
        self.answer(&next, due, &mut visit).await?;
        self.explainer.answer(&mut self.link, &next, &due.questions, &mut visit).await?;
        self.round.not_seen(&databases, &mut visit);
        visit.paces = self.round.paces(databases.len(), due);
        Ok(visit)
    }

    /// The databases that the operator wants watched and the server lets us enter, the target's own first.
    fn databases(&self) -> Vec<Name> {
        let target = &self.link.server.target;
        let oids = locked(&self.link.server.memory);
        let enterable = oids.databases.values().filter(|database| database.enterable);
        let names = enterable.map(|database| database.name.clone());
        Round::databases(&target.databases, Some(Name::new(target.url.database())), names)
    }

    async fn identity(&mut self, known: &Known) -> Result<Identity, EngineError> {
        let mut identity = ask_identity(&mut self.link, known).await?;
        let rows = self.link.ask("began", &[]).await?;
        identity.database = rows.first().and_then(|row| time(row, "database_reset"));
        Ok(identity)
    }

    async fn answer(&mut self, here: &Name, due: &Due, visit: &mut Visit) -> Result<(), EngineError> {
        let here: Vec<(&Question, i64)> = due
            .questions
            .iter()
            .filter_map(|question| match question {
                Question::IndexDefinition { database, id } if database == here => Some((question, *id)),
                _ => None,
            })
            .collect();
        let ids: Vec<u32> = here.iter().map(|(_, id)| u32::try_from(*id).unwrap_or_default()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let answer = self.link.ask("index_definitions", &[&ids]).await;
        let Some(rows) = Failure::forgive(answer)? else { return Ok(()) };
        let definition = |row: &Row| {
            let oid = row.try_get::<_, u32>("oid").ok()?;
            Some((i64::from(oid), row.try_get::<_, Option<String>>("definition").ok()??))
        };
        let answers: HashMap<i64, String> = rows.iter().filter_map(definition).collect();
        for (question, id) in here {
            let answer = match answers.get(&id) {
                Some(definition) => Answer::Text(definition.clone()),
                None => Answer::Unknown("the index is gone".into()),
            };
            visit.answers.push((question.clone(), answer));
        }
        Ok(())
    }
}
