//! The roaming lane: walks from database to database for tables, indexes and schema, one stop a visit, on one
//! connection that moves at most once in ten seconds. Many databases stretch its round, never its haste.

use super::collectors::{COLLECTORS, Collector, Reach};
use super::connect::Failure;
use super::known::Known;
use super::link::{Link, locked};
use super::sizes::Sizes;
use super::visit::{Identity, collect, gap, time};
use crate::engine::{Async, Due, EngineError, Pace, Probe, Visit};
use crate::model::question::{Answer, Question};
use crate::model::{Name, Scope, Topic};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// A database that refused us is tried again after this long.
const REFUSED_AGAIN: Duration = Duration::from_secs(300);
/// A reading may take one thousandth of the time until its next: what is large is read less often.
const LEISURE: u32 = 1_000;

#[derive(Debug)]
pub struct Roam {
    link: Link,
    /// When each collector last ran in each scope, and how long that took.
    done: HashMap<(Topic, Scope), (Instant, Duration)>,
    /// Databases that did not let us in, until when they are left alone, and why.
    refused: BTreeMap<Name, (Instant, String)>,
    sizes: Sizes,
}

impl Probe for Roam {
    fn visit<'a>(&'a mut self, due: &'a Due) -> Async<'a, Result<Visit, EngineError>> {
        Box::pin(self.stop(due))
    }
}

impl Roam {
    pub fn new(link: Link) -> Self {
        Self { link, done: HashMap::new(), refused: BTreeMap::new(), sizes: Sizes::default() }
    }

    async fn stop(&mut self, due: &Due) -> Result<Visit, EngineError> {
        let databases = self.databases();
        let mut visit = Visit::default();
        self.forget_gone(&databases, &mut visit);
        let Some(next) = self.next(&databases, due) else { return Ok(visit) };
        let known = match self.link.ready(Some(&next)).await {
            Ok(known) => known,
            // One closed door does not end the walk.
            Err(EngineError::Denied(why)) if *next != *self.link.server.target.url.database() => {
                self.refused.insert(next, (Instant::now() + REFUSED_AGAIN, why));
                self.not_seen(&databases, &mut visit);
                return Ok(visit);
            }
            Err(error) => return Err(error),
        };
        let identity = self.identity(&known).await?;
        for collector in roaming() {
            let scope = scope_of(collector, &next);
            if self.is_due(collector, &scope, due) {
                let asked = Instant::now();
                collect(&mut self.link, collector, &identity, &scope, &mut visit).await?;
                self.done.insert((collector.topic, scope), (asked, asked.elapsed()));
            }
        }
        self.sizes.measure(&mut self.link, &next, &identity, due.rare, &mut visit).await?;
        self.answer(&next, due, &mut visit).await?;
        self.not_seen(&databases, &mut visit);
        let round = due.every * u32::try_from(databases.len()).unwrap_or(u32::MAX);
        visit.paces = roaming().map(|c| (c.topic, self.longest_pace(c, due).max(round))).collect();
        Ok(visit)
    }

    /// The databases that the operator wants watched and the server lets us enter, the target's own first.
    fn databases(&self) -> Vec<Name> {
        let target = &self.link.server.target;
        let own = Name::new(target.url.database());
        let oids = locked(&self.link.server.oids);
        let mut others: Vec<Name> = oids
            .databases
            .values()
            .filter(|database| database.enterable && target.databases.matches(&database.name))
            .map(|database| database.name.clone())
            .filter(|name| *name != own)
            .collect();
        others.sort_unstable();
        others.truncate(target.databases.cap.saturating_sub(1));
        let mut all = vec![own];
        all.extend(others);
        all
    }

    fn forget_gone(&mut self, databases: &[Name], visit: &mut Visit) {
        let is_gone = |scope: &Scope| match scope {
            Scope::Server => false,
            Scope::Database(name) => !databases.contains(name),
        };
        let mut gone: Vec<Scope> = self.done.keys().map(|(_, scope)| scope.clone()).filter(is_gone).collect();
        gone.sort_unstable();
        gone.dedup();
        self.done.retain(|(_, scope), _| !gone.contains(scope));
        visit.sample.gone = gone;
    }

    /// Where to stop now: where we are if anything is due here, else the database that has waited longest.
    fn next(&self, databases: &[Name], due: &Due) -> Option<Name> {
        let open = |name: &&Name| self.refused.get(*name).is_none_or(|(until, _)| *until <= Instant::now());
        let asked = |name: &&Name| due.questions.iter().any(|question| question.database() == *name);
        let wanted = |name: &&Name| {
            asked(name) || roaming().any(|collector| self.is_due(collector, &scope_of(collector, name), due))
        };
        let mut candidates = databases.iter().filter(open).filter(wanted).collect::<Vec<_>>();
        candidates.sort_by_key(|name| {
            let here = self.link.database() == Some(*name);
            (!here, self.done.get(&(Topic::Tables, Scope::Database((*name).clone()))).copied())
        });
        candidates.first().map(|name| (*name).clone())
    }

    fn is_due(&self, collector: &Collector, scope: &Scope, due: &Due) -> bool {
        let last = self.done.get(&(collector.topic, scope.clone()));
        // A visit comes a little early or late; half of its interval is the slack.
        last.is_none_or(|(asked, took)| {
            asked.elapsed() + due.every / 2 >= pace(collector, due).max(*took * LEISURE)
        })
    }

    /// How often a topic is read in the scope where that takes longest.
    fn longest_pace(&self, collector: &Collector, due: &Due) -> Duration {
        let took =
            self.done.iter().filter(|((topic, _), _)| *topic == collector.topic).map(|(_, (_, took))| *took);
        pace(collector, due).max(took.max().unwrap_or_default() * LEISURE)
    }

    async fn identity(&mut self, known: &Known) -> Result<Identity, EngineError> {
        let mut identity = Identity::ask(&mut self.link, known).await?;
        let rows = self.link.ask("began", &[]).await?;
        identity.database = rows.first().and_then(|row| time(row, "database_reset"));
        Ok(identity)
    }

    async fn answer(&mut self, here: &Name, due: &Due, visit: &mut Visit) -> Result<(), EngineError> {
        let here: Vec<&Question> =
            due.questions.iter().filter(|question| question.database() == here).collect();
        let ids: Vec<u32> = here
            .iter()
            .map(|Question::IndexDefinition { id, .. }| u32::try_from(*id).unwrap_or_default())
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        let answers: HashMap<i64, String> = match self.link.ask("index_definitions", &[&ids]).await {
            Ok(rows) => rows
                .iter()
                .filter_map(|row| {
                    let oid = row.try_get::<_, u32>("oid").ok()?;
                    Some((i64::from(oid), row.try_get::<_, Option<String>>("definition").ok()??))
                })
                .collect(),
            Err(Failure::Lost(error)) => return Err(error),
            Err(Failure::Refused { .. }) => return Ok(()),
        };
        for question in here {
            let Question::IndexDefinition { id, .. } = question;
            let answer = match answers.get(id) {
                Some(definition) => Answer::Text(definition.clone()),
                None => Answer::Unknown("the index is gone".into()),
            };
            visit.answers.push((question.clone(), answer));
        }
        Ok(())
    }

    /// Says how much of the server has not been looked at yet.
    fn not_seen(&self, databases: &[Name], visit: &mut Visit) {
        let seen = |name: &&Name| self.done.contains_key(&(Topic::Tables, Scope::Database((*name).clone())));
        let unseen = databases.iter().filter(|name| !seen(name)).count();
        let refusal = self.refused.iter().find(|(name, _)| !seen(name));
        let why = match refusal {
            Some((name, (_, why))) => {
                format!("{unseen} of {} databases not seen; {name}: {why}", databases.len())
            }
            None => format!("{unseen} of {} databases not seen yet, one every 10 s", databases.len()),
        };
        for topic in [Topic::Tables, Topic::Indexes] {
            if unseen > 0 {
                gap(visit, topic, &Scope::Server, why.clone());
            } else {
                visit.sample.closed.push((topic, Scope::Server));
            }
        }
    }
}

fn roaming() -> impl Iterator<Item = &'static Collector> {
    COLLECTORS.iter().filter(|collector| matches!(collector.pace, Pace::Slow | Pace::Rare))
}

fn pace(collector: &Collector, due: &Due) -> Duration {
    if collector.pace == Pace::Rare { due.rare } else { due.slow }
}

fn scope_of(collector: &Collector, database: &Name) -> Scope {
    match collector.reach {
        Reach::Server => Scope::Server,
        Reach::Database => Scope::Database(database.clone()),
    }
}
