//! The beat: counters of statements and of the server, and the wording of statements that are new.

use super::collectors::COLLECTORS;
use super::link::{Database, Link, Oids, locked};
use super::logs;
use super::texts;
use super::visit::ask_identity;
use crate::engine::errand::{Errand, Fetched};
use crate::engine::reading::{Failure, collect, gap};
use crate::engine::shared::{learn_text, strangers, tell_splits};
use crate::engine::{Async, Due, EngineError, Lack, Lane, Pace, Probe, ServerFacts, Visit};
use crate::follow::Wanted;
use crate::model::{Name, Rows, Scope, Topic};
use crate::sql::Dialect;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// Texts are read again at least this often: a comment for us may have come or gone.
const TEXTS_AGAIN: Duration = Duration::from_secs(900);
/// Names are asked again at most this often when a database or a role is not who we think it is.
const NAMES_EVERY: Duration = Duration::from_secs(60);
/// And at least this often: a role that bears another's name gives no sign of it.
const NAMES_AGAIN: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub struct Beat {
    link: Link,
    names_asked: Option<Instant>,
    texts_next: Option<Instant>,
    texts_read: Option<Instant>,
    /// Why the wording of new statements cannot be read here, if it cannot.
    texts_gap: Option<String>,
}

impl Probe for Beat {
    fn visit<'a>(&'a mut self, due: &'a Due) -> Async<'a, Result<Visit, EngineError>> {
        Box::pin(self.beat(due))
    }

    fn fetch<'a>(&'a mut self, errand: &'a Errand) -> Async<'a, Result<Fetched, Failure>> {
        Box::pin(logs::fetch(&mut self.link, errand))
    }
}

impl Beat {
    pub fn new(link: Link) -> Self {
        Self { link, names_asked: None, texts_next: None, texts_read: None, texts_gap: None }
    }

    async fn beat(&mut self, _: &Due) -> Result<Visit, EngineError> {
        let known = self.link.ready(None).await?;
        let certificate_expires = self.link.certificate_expires();
        let facts = ServerFacts { certificate_expires, ..known.facts.clone() };
        let mut visit = Visit { server: Some(facts), ..Visit::default() };
        let mut identity = ask_identity(&mut self.link, &known).await?;
        self.names(false).await?;
        for collector in COLLECTORS.iter().filter(|collector| collector.pace == Pace::Beat) {
            collect(&mut self.link, collector, &identity, &Scope::Server, &mut visit).await?;
            // Read before the statements, so that their epoch is never newer than their numbers.
            if let Some((Topic::StatementsInfo, _, part)) = visit.sample.parts.last()
                && let Rows::StatementsInfo(rows) = &*part.rows
            {
                identity.statements = rows.first().and_then(|row| row.stats_reset);
            }
        }
        if self.has_strangers(&visit) {
            self.names(true).await?;
        }
        self.texts(&mut visit).await?;
        let source = &self.link.server.target.log;
        // Whoever names files knows better.
        if source.path.all().is_empty()
            && Wanted::of(source, known.logs.told.as_ref(), Dialect::Postgres).is_none()
            && let Some(Lack { what, disables, mend }) =
                known.logs.lack.as_ref().filter(|_| source.is_wanted())
        {
            gap(&mut visit, Topic::Logs, &Scope::Server, format!("{disables}; {what} is missing: {mend}"));
        }
        tell_splits(&mut visit);
        visit.texts = Some(self.link.server.texts());
        Ok(visit)
    }

    /// Is there a statement of a database or role whose name we do not know, or a database that is called otherwise by now?
    fn has_strangers(&self, visit: &Visit) -> bool {
        let oids = locked(&self.link.server.memory);
        let is_called =
            |dbid: i64, name: &Name| oids.databases.get(&dbid).is_none_or(|known| known.name == *name);
        visit.sample.parts.iter().any(|(_, _, part)| match &*part.rows {
            Rows::Statements(rows) => rows.iter().any(|row| row.database.is_none() || row.user.is_none()),
            Rows::Databases(rows) => rows.iter().any(|row| !is_called(row.dbid, &row.database)),
            _ => false,
        })
    }

    async fn names(&mut self, stranger: bool) -> Result<(), EngineError> {
        let due = match self.names_asked {
            None => true,
            Some(asked) => asked.elapsed() >= if stranger { NAMES_EVERY } else { NAMES_AGAIN },
        };
        if !due {
            return Ok(());
        }
        self.names_asked = Some(Instant::now());
        let answer = self.link.ask("names", &[]).await;
        let Some(rows) = Failure::forgive(answer)? else { return Ok(()) };
        let mut oids = Oids::default();
        for row in &rows {
            let (Ok(kind), Ok(oid), Ok(name)) = (
                row.try_get::<_, &str>("kind"),
                row.try_get::<_, u32>("oid"),
                row.try_get::<_, &str>("name"),
            ) else {
                continue;
            };
            let name = Name::new(name);
            if kind == "d" {
                let enterable = row.try_get("enterable").unwrap_or_default();
                oids.databases.insert(oid.into(), Database { name, enterable });
            } else {
                oids.roles.insert(oid.into(), name);
            }
        }
        *locked(&self.link.server.memory) = oids;
        Ok(())
    }

    /// Learns the wording of statements that are new, and what comments ask of us: seldom, and never when it would hurt.
    async fn texts(&mut self, visit: &mut Visit) -> Result<(), EngineError> {
        let unknown = strangers(visit, &self.link.server.texts());
        let now = Instant::now();
        let has_statements = visit.sample.parts.iter().any(|(topic, ..)| *topic == Topic::Statements);
        let is_old = has_statements && self.texts_read.is_none_or(|read| read + TEXTS_AGAIN <= now);
        if (is_old || !unknown.is_empty()) && self.texts_next.is_none_or(|next| next <= now) {
            self.texts_read = Some(now);
            self.texts_next = Some(now + texts::LATER);
            self.texts_gap = match self.read_texts(&unknown).await {
                Ok(wait) => {
                    self.texts_next = Some(now + wait);
                    None
                }
                Err(Failure::Lost(error)) => return Err(error),
                Err(Failure::Refused { message, .. }) => Some(message),
            };
        }
        if let Some(why) = self.texts_gap.as_ref().filter(|_| !unknown.is_empty()) {
            let why = format!("{} statements have no name yet: {why}", unknown.len());
            gap(visit, Topic::Statements, &Scope::Server, why);
        }
        Ok(())
    }

    async fn read_texts(&mut self, ids: &HashSet<i64>) -> Result<Duration, Failure> {
        let ids: Vec<i64> = ids.iter().copied().collect();
        let read = texts::read(&mut self.link, &ids).await?;
        self.link.server.teach(|texts| {
            texts.heed_nothing();
            for (id, text) in &read.texts {
                learn(texts, *id, text, texts::MAX_TEXT);
            }
        });
        Ok(read.pause)
    }
}

/// What a text of the server says about an id. One of `full` bytes has filled the space that the server keeps for
/// it, so its end is lost.
pub fn learn(texts: &mut crate::texts::Texts, id: i64, text: &str, full: usize) {
    learn_text(texts, Dialect::Postgres, id, text, text.len() >= full, our_lane(text));
}

/// Our statements say which lane sent them.
fn our_lane(text: &str) -> Option<Lane> {
    let tagged = text.split_once("/* dbsonde ")?.1;
    Lane::ALL.into_iter().find(|lane| tagged.starts_with(lane.name()))
}
