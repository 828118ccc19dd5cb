//! What the collectors ask of a lane: most topics are one question, some are several, or rest on what was read before.

use super::link::Link;
use super::meaning::understand;
use super::scene::Scene;
use super::survey::Survey;
use super::{columns, elsewhere, foreign_keys, latencies, numbering, reread, rights};
use crate::clock::Clock;
use crate::engine::Visit;
use crate::engine::layout::Read;
use crate::engine::reading::{Failure, Source};
use crate::model::{InTopic, Place, Rows, Scope, Session, Topic};

impl Source for Link {
    async fn read(&mut self, topic: Topic, file: &'static str, scope: &Scope) -> Result<Read, Failure> {
        match (topic, scope) {
            (Topic::Tables, Scope::Database(schema)) => {
                Survey::look(self, schema).await?;
                return elsewhere::read(self, file, scope, schema).await;
            }
            (Topic::Indexes, Scope::Database(schema)) => Survey::look(self, schema).await?,
            (Topic::Roles, _) => return rights::read(self, file).await,
            (Topic::Sessions, _) => {
                let read = self.read_in(topic, file, scope).await?;
                self.scene = Scene::look(self, Session::of(&read.rows)).await.map_err(Failure::Lost)?;
                return Ok(read);
            }
            (Topic::Statements, _) => return reread::read(self, file).await,
            (Topic::Latencies, _) => return latencies::read(self).await,
            (Topic::Constraints, Scope::Database(schema)) => return foreign_keys::read(self, schema).await,
            (Topic::Sequences, Scope::Database(schema)) => return numbering::read(self, schema).await,
            (Topic::Columns, Scope::Database(schema)) if !self.has_dictionary() => {
                return columns::read(self, file, schema).await;
            }
            _ => {}
        }
        self.read_in(topic, file, scope).await
    }

    fn understand(&self, rows: &mut Rows, visit: &mut Visit) -> usize {
        understand(rows, self, visit);
        0
    }

    fn clock(&self) -> Clock {
        self.server.shared.clock
    }

    fn give_room(&mut self, bytes: usize) {
        self.room = bytes;
    }

    fn keeps(&self, (topic, scope): &Place) -> usize {
        match (topic, scope) {
            (Topic::Tables, Scope::Database(schema)) => self.survey.keeps(schema),
            (Topic::Columns, Scope::Database(schema)) => columns::keeps(&self.columns, schema),
            _ => 0,
        }
    }

    fn let_go(&mut self, (topic, scope): &Place) {
        match (topic, scope) {
            (Topic::Tables, Scope::Database(schema)) => self.survey.let_go(schema),
            (Topic::Columns, Scope::Database(schema)) => self.columns.forget(schema),
            _ => {}
        }
    }
}
