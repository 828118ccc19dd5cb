//! Plans of statements that the handbook asks for. Planning is harmless or does not happen: `dbsonde.explain()` of tier
//! advise refuses what could run a function of a user, and what it plans it plans in a transaction that may write
//! nothing, waits for nobody, and is rolled back at once. Of a statement that writes it is shown what that reads.

use super::link::Link;
use super::texts;
use crate::engine::reading::Failure;
use crate::engine::{EngineError, Visit};
use crate::explain::postgres;
use crate::model::Name;
use crate::model::plan::PlanNode;
use crate::model::question::{Answer, Question};
use crate::sql::written::{self, Read};
use crate::sql::{self, Digest};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// Plans asked for in one visit; the lane has other things to do.
const MAX_A_VISIT: usize = 4;
/// Between one plan and the next.
const APART: Duration = Duration::from_secs(1);
/// Plans of one statement in an hour.
const MAX_AN_HOUR: usize = 60;
const HOUR: Duration = Duration::from_secs(3_600);
/// Texts kept to be planned again, of some hundred bytes each.
const MAX_TEXTS: usize = 500;
/// Longer ones the function refuses as well.
const MAX_TEXT: usize = 65_536;

const BEGIN: &str = "begin /* dbsonde roam */ transaction read only";
const LIMITS: &str = "set /* dbsonde roam */ local statement_timeout = '1s'";
const PATIENCE: &str = "set /* dbsonde roam */ local lock_timeout = '50ms'";
/// A write does not share its reading among workers.
const ALONE: &str = "set /* dbsonde roam */ local max_parallel_workers_per_gather = 0";
const END: &str = "rollback /* dbsonde roam */";

#[derive(Debug, Default)]
pub struct Explainer {
    last: Option<Instant>,
    /// When each statement was planned within the last hour.
    planned: HashMap<(Name, Digest), Vec<Instant>>,
    /// As they can be planned, or why they cannot be.
    texts: HashMap<Digest, Result<Plannable, String>>,
    texts_next: Option<Instant>,
}

/// A query, and what is done with its rows.
#[derive(Debug)]
struct Plannable {
    query: String,
    write: Option<Write>,
}

#[derive(Debug)]
struct Write {
    step: &'static str,
    table: String,
}

/// A question that waits here for its plan.
struct Asked<'a> {
    question: &'a Question,
    digest: Digest,
    schemas: &'a [Name],
}

impl Explainer {
    /// Answers some of what is asked about this database; the rest is asked again.
    pub async fn answer(
        &mut self,
        link: &mut Link,
        here: &Name,
        questions: &[Question],
        visit: &mut Visit,
    ) -> Result<(), EngineError> {
        let now = Instant::now();
        self.planned.retain(|_, times| {
            times.retain(|time| now - *time < HOUR);
            !times.is_empty()
        });
        let asked = questions.iter().filter_map(|question| match question {
            Question::Plan { database, digest, schemas } if database == here => {
                Some(Asked { question, digest: *digest, schemas })
            }
            _ => None,
        });
        let may_again = |asked: &Asked<'_>| {
            self.planned.get(&(here.clone(), asked.digest)).is_none_or(|times| times.len() < MAX_AN_HOUR)
        };
        let asked: Vec<Asked<'_>> = asked.filter(may_again).take(MAX_A_VISIT).collect();
        if asked.is_empty() {
            return Ok(());
        }
        if !is_explainable(link).await? {
            let why = format!(
                "dbsonde.explain() is not here: dbsonde grants --engine postgres --tier advise | psql -d {here}"
            );
            visit
                .answers
                .extend(asked.iter().map(|asked| (asked.question.clone(), Answer::Unknown(why.clone()))));
            return Ok(());
        }
        self.read_texts(link, &asked).await?;
        for Asked { question, digest, schemas } in asked {
            let answer = match self.texts.get(&digest) {
                None => continue,
                Some(Err(why)) => {
                    let why = why.clone();
                    // It may have another text when it is asked about again.
                    self.texts.remove(&digest);
                    Answer::Unknown(why)
                }
                Some(Ok(plannable)) => {
                    if let Some(last) = self.last {
                        tokio::time::sleep_until(last + APART).await;
                    }
                    self.planned.entry((here.clone(), digest)).or_default().push(Instant::now());
                    let began = Instant::now();
                    let answer = explain(link, plannable, schemas).await;
                    self.last = Some(Instant::now());
                    visit.cost += began.elapsed();
                    answer?
                }
            };
            visit.answers.push((question.clone(), answer));
        }
        Ok(())
    }

    /// The texts of what is asked that are not known yet, if the file of texts may be read now.
    async fn read_texts(&mut self, link: &mut Link, asked: &[Asked<'_>]) -> Result<(), EngineError> {
        let wanted: HashSet<Digest> = asked
            .iter()
            .map(|asked| asked.digest)
            .filter(|digest| !self.texts.contains_key(digest))
            .collect();
        let now = Instant::now();
        if wanted.is_empty() || self.texts_next.is_some_and(|next| next > now) {
            return Ok(());
        }
        if self.texts.len() + wanted.len() > MAX_TEXTS {
            self.texts.clear();
        }
        let known = link.server.texts();
        let ids: HashMap<i64, Digest> = known.ids_of(&wanted).collect();
        let asked_for: Vec<i64> = ids.keys().copied().collect();
        self.texts_next = Some(now + texts::LATER);
        match texts::read(link, &asked_for).await {
            Ok(read) => {
                self.texts_next = Some(now + read.pause);
                for (id, text) in read.texts {
                    if let Some(digest) = ids.get(&id) {
                        self.texts.insert(*digest, plannable(&text));
                    }
                }
                for digest in wanted {
                    let gone = || Err("its text is no longer in pg_stat_statements".to_owned());
                    self.texts.entry(digest).or_insert_with(gone);
                }
            }
            Err(Failure::Lost(error)) => return Err(error),
            Err(Failure::Refused { message, .. }) => {
                self.texts.extend(wanted.into_iter().map(|digest| (digest, Err(message.clone()))));
            }
        }
        Ok(())
    }
}

fn plannable(text: &str) -> Result<Plannable, String> {
    if text.len() >= MAX_TEXT {
        return Err("its text is too long".to_owned());
    }
    let query = sql::plannable(text).map_err(|why| why.to_string())?;
    match written::read(&query) {
        None => Ok(Plannable { query, write: None }),
        Some(Ok(Read { query, step, table })) => Ok(Plannable { query, write: Some(Write { step, table }) }),
        Some(Err(why)) => Err(why.to_string()),
    }
}

async fn is_explainable(link: &mut Link) -> Result<bool, EngineError> {
    let rows = Failure::forgive(link.ask("explainable", &[]).await)?.unwrap_or_default();
    Ok(rows.first().is_some_and(|row| row.try_get("explainable").unwrap_or_default()))
}

/// Begin, limits and the plan are messages of their own: nothing that is planned stands in one text with them.
async fn explain(link: &mut Link, asked: &Plannable, schemas: &[Name]) -> Result<Answer, EngineError> {
    let Plannable { query, write } = asked;
    let alone = write.as_ref().map(|_| ALONE);
    for command in [BEGIN, LIMITS, PATIENCE].into_iter().chain(alone) {
        if let Err(Failure::Refused { message, .. }) = link.say(command).await {
            let _ = link.say(END).await;
            return Ok(Answer::Unknown(message));
        }
    }
    let schemas: Vec<&str> = schemas.iter().map(Name::as_str).collect();
    let planned = link.ask("explain", &[query, &schemas]).await;
    let ended = link.say(END).await;
    let rows = match planned {
        Ok(rows) => rows,
        Err(Failure::Refused { message, .. }) => return Ok(Answer::Unknown(message)),
        Err(Failure::Lost(error)) => return Err(error),
    };
    ended?;
    let text =
        |column: &str| rows.first().and_then(|row| row.try_get::<_, Option<String>>(column).ok().flatten());
    let read = |text: String| -> Option<PlanNode> {
        let read = postgres::asked(text.as_bytes())?;
        Some(match write {
            Some(write) => write.above(read),
            None => read,
        })
    };
    Ok(match (text("plan").and_then(read), text("refused")) {
        (Some(plan), _) => Answer::Plan(Box::new(plan)),
        (None, Some(code)) => Answer::Unknown(reason(&code)),
        (None, None) => Answer::Unknown("its plan could not be read".into()),
    })
}

impl Write {
    /// The step that writes, which nobody has planned: its rows and its cost are those of what it reads.
    fn above(&self, read: PlanNode) -> PlanNode {
        PlanNode {
            kind: self.step.to_owned(),
            relation: Some(self.table.clone()),
            cost: read.cost,
            rows_expected: read.rows_expected,
            children: vec![read],
            ..PlanNode::default()
        }
    }
}

/// What an SQLSTATE of `dbsonde.explain()` means.
fn reason(code: &str) -> String {
    let why = match code {
        "0A000" => "PostgreSQL before 12 has no plan for a statement whose values are not known",
        "42501" => "planning it could run a function of a user, lock rows, write, or ask another server",
        "42601" => "it is not one query that only reads, or it holds quotes in which a name could hide",
        "54000" => "its text is too long",
        "55P03" => "one of its tables is locked",
        "57014" => "planning it took longer than a second",
        "42P01" => "its tables are in none of the schemas that we took them to be in",
        "42P18" | "42P08" => "the types of its values cannot be told",
        code => return format!("the server would not plan it (SQLSTATE {code})"),
    };
    format!("{why} (SQLSTATE {code})")
}
