//! The roaming lane: from schema to schema for tables, indexes and keys, one stop a visit.

use super::collectors::COLLECTORS;
use super::link::Link;
use super::meaning::ask_identity;
use crate::engine::reading::{Failure, gap};
use crate::engine::round::Round;
use crate::engine::{Async, Due, EngineError, Probe, Visit};
use crate::model::question::{Answer, Question};
use crate::model::{InTopic, Index, Name, Rows, Scope, Table, Topic};
use crate::script::mysql::identifier;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tokio::time::Instant;

/// What is the server's own, and no place for tables of users.
const SYSTEM: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];

#[derive(Debug)]
pub struct Roam {
    link: Link,
    round: Round,
    here: Option<Name>,
    /// The schemas, and when they were asked for.
    schemas: Option<(Vec<Name>, Instant)>,
    /// The indexes of each schema as they were read last.
    indexes: HashMap<Name, Arc<Rows>>,
    /// The tables of each schema, where the server tells more of those that are open.
    tables: HashMap<Name, Vec<Box<str>>>,
}

impl Probe for Roam {
    fn visit<'a>(&'a mut self, due: &'a Due) -> Async<'a, Result<Visit, EngineError>> {
        Box::pin(self.stop(due))
    }
}

impl Roam {
    pub fn new(link: Link) -> Self {
        let (schemas, indexes, tables) = Default::default();
        Self { link, round: Round::new(COLLECTORS), here: None, schemas, indexes, tables }
    }

    async fn stop(&mut self, due: &Due) -> Result<Visit, EngineError> {
        let known = self.link.ready().await?;
        let mut visit = Visit::default();
        let schemas = self.schemas(due).await?;
        self.round.forget_gone(&schemas, &mut visit);
        self.forget(&visit.sample.gone);
        let next = self.round.next(&schemas, self.here.as_ref(), due);
        if next.is_none() && !self.round.server_is_due(due) {
            return Ok(visit);
        }
        let identity = ask_identity(&mut self.link, &known).await?;
        self.round.stop(&mut self.link, next.as_ref(), &identity, due, &mut visit).await?;
        if let Some(next) = &next {
            self.take_stock(next, &mut visit);
            self.tell_unopened(next, &mut visit);
            self.answer(next, due, &mut visit);
        }
        self.round.not_seen(&schemas, &mut visit);
        visit.paces = self.round.paces(schemas.len(), due);
        self.here = next.or(self.here.take());
        Ok(visit)
    }

    /// The schemas that the operator wants watched and that there are: asked for as often as a round goes by, as a visit
    /// comes a little early or late.
    async fn schemas(&mut self, due: &Due) -> Result<Vec<Name>, EngineError> {
        let is_fresh = |asked: &Instant| asked.elapsed() + due.every / 2 < due.slow;
        if let Some((schemas, _)) = self.schemas.as_ref().filter(|(_, asked)| is_fresh(asked)) {
            return Ok(schemas.clone());
        }
        let Some(rows) = Failure::forgive(self.link.ask("schemas").await)? else { return Ok(Vec::new()) };
        let names: BTreeSet<&str> = rows.iter().filter_map(|row| row.text("name")).collect();
        let users =
            names.into_iter().filter(|name| !SYSTEM.contains(&name.to_lowercase().as_str())).map(Name::new);
        let schemas = Round::databases(&self.link.server.shared.target.databases, None, users);
        self.schemas = Some((schemas.clone(), Instant::now()));
        Ok(schemas)
    }

    /// What the reading of indexes left unknown, and how each could be built again.
    fn take_stock(&mut self, schema: &Name, visit: &mut Visit) {
        let scope = Scope::Database(schema.clone());
        let of =
            |topic: Topic| visit.sample.parts.iter().find(|(read, at, _)| *read == topic && *at == scope);
        let (tables, indexes) = (of(Topic::Tables), of(Topic::Indexes));
        let (tables, indexes) =
            (tables.map(|(.., part)| &part.rows), indexes.map(|(.., part)| part.rows.clone()));
        let dropped = visit.sample.dropped.contains(&(Topic::Indexes, scope.clone()));
        if indexes.is_none() && !dropped {
            return;
        }
        let names = tables.into_iter().flat_map(|rows| Table::of(rows)).map(|table| &*table.table);
        // Not every table has an index that we are told of.
        let others = indexes.iter().flat_map(|rows| Index::of(rows)).map(|index| &*index.table);
        let names: HashSet<&str> = names.chain(others).collect();
        self.link.numbering.retain(schema, &names);
        self.link.columns.retain(schema, &names);
        if !self.link.has_dictionary() {
            self.tables.insert(schema.clone(), names.iter().map(|table| (*table).into()).collect());
        }
        let survey = &mut self.link.survey;
        let strangers =
            indexes.as_ref().and_then(|indexes| survey.note_strangers(schema, Index::of(indexes)));
        let (lack, is_crowded) = (survey.lack.take(), survey.is_crowded(schema));
        survey.forget_numbers();
        match indexes {
            Some(indexes) => self.indexes.insert(schema.clone(), indexes),
            None => self.indexes.remove(schema),
        };
        if let Some(why) = strangers {
            let how = if is_crowded {
                "it finds no room in what budget.memory_mib leaves for it".into()
            } else if self.link.has_dictionary() {
                format!("GRANT SELECT, SHOW VIEW ON {}.*", identifier(schema))
            } else {
                "tables that are not open are not opened for us; those that are want a right to read them"
                    .into()
            };
            gap(visit, Topic::Indexes, &scope, format!("{why}: {how}"));
        }
        let lack = lack.map(|why| format!("how tables and indexes are read is not known: {why}"));
        let lacks: Vec<String> = self.link.elsewhere.lack.take().into_iter().chain(lack).collect();
        if !lacks.is_empty() {
            gap(visit, Topic::Tables, &scope, lacks.join("; "));
        }
    }

    /// Forgets what was known of schemas that are no more.
    fn forget(&mut self, gone: &[Scope]) {
        for schema in gone {
            let Scope::Database(schema) = schema else { continue };
            self.link.forget(schema);
            self.indexes.remove(schema);
            self.tables.remove(schema);
        }
    }

    /// Of what the server would open tables for, says of how many it is not known.
    fn tell_unopened(&self, schema: &Name, visit: &mut Visit) {
        if self.link.has_dictionary() {
            return;
        }
        let scope = Scope::Database(schema.clone());
        let parts = &visit.sample.parts;
        let read: HashSet<Topic> =
            parts.iter().filter(|(_, at, _)| *at == scope).map(|(topic, ..)| *topic).collect();
        let tables = self.tables.get(schema).map(Vec::as_slice).unwrap_or_default();
        for (topic, what, unknown) in [
            (Topic::Columns, "columns", self.link.columns.unknown(schema, tables)),
            (Topic::Sequences, "AUTO_INCREMENT", self.link.numbering.unknown(schema, tables)),
        ] {
            if unknown > 0 && read.contains(&topic) {
                let all = tables.len();
                let why = "a table that is not open is not opened for us; of those that are, a few are asked at a time, \
                           as far as the login has a right to them and there is room for what they tell";
                gap(visit, topic, &scope, format!("{what} of {unknown} of {all} tables not known: {why}"));
            }
        }
    }

    fn answer(&self, schema: &Name, due: &Due, visit: &mut Visit) {
        let here = due.questions.iter().filter(|question| question.database() == schema);
        for question in here {
            let Question::IndexDefinition { id, .. } = question else {
                let why = "plans are not asked for on this server".into();
                visit.answers.push((question.clone(), Answer::Unknown(why)));
                continue;
            };
            let known = self.indexes.get(schema).map_or(&[][..], |rows| Index::of(rows));
            let index = known.iter().find(|index| index.oid == *id);
            let answer = match index.and_then(|index| self.link.survey.definition(index)) {
                Some(definition) => Answer::Text(definition),
                None => Answer::Unknown("the index is gone, or what it is made of is hidden".into()),
            };
            visit.answers.push((question.clone(), answer));
        }
    }
}
