//! PostgreSQL 10 to 19. To follow one sample: `connect` (limits) → `known` (probing) → `collectors` (the table)
//! → `link` (a lane's connection) → `beat`, `pulse`, `roam` (the lanes) → `rows` (cells become nouns).

mod beat;
pub mod collectors;
mod connect;
mod demand;
mod explain;
mod failure;
mod guard;
mod knocks;
mod known;
mod link;
mod logs;
mod places;
mod pooler;
mod pulse;
mod rights;
mod roam;
mod rows;
mod session;
mod sizes;
mod texts;
mod tls;
mod visit;

#[cfg(any(test, fuzzing))]
pub use guard::hear;

use crate::clock::Clock;
use crate::config::Target;
use crate::engine::bell::Listener;
use crate::engine::collector::topics;
use crate::engine::crowd::DERIVED;
use crate::engine::{Engine, Lane, Pace, Probe};
use crate::follow::Wanted;
use crate::model::{Digest, Topic};
use crate::sql::Dialect;
use collectors::COLLECTORS;
use link::{Link, Server};
use places::Places;
use std::sync::Arc;

#[derive(Debug)]
pub struct Postgres {
    server: Arc<Server>,
    places: Arc<Places>,
}

impl Postgres {
    pub fn new(target: &Target, clock: Clock) -> Self {
        let places = Arc::new(Places::new(target.clone()));
        Self { server: Arc::new(Server::new(target.clone(), clock)), places }
    }
}

impl Engine for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn topics(&self) -> Vec<(Topic, Pace)> {
        let sizes = [(Topic::TableSizes, Pace::Rare), (Topic::DatabaseSizes, Pace::Rare)];
        topics(COLLECTORS, &[&DERIVED[..], &sizes].concat())
    }

    fn logs(&self) -> Option<Wanted> {
        let known = self.server.known();
        let told = known.as_ref().and_then(|known| known.logs.told.as_ref());
        Wanted::of(&self.server.target.log, told, Dialect::Postgres)
    }

    fn teach(&self, wording: &[(Digest, String)]) {
        self.server.teach(|texts| wording.iter().for_each(|(digest, text)| texts.show(*digest, text)));
    }

    fn open(&self, lane: Lane) -> Box<dyn Probe> {
        let link = Link::new(self.server.clone(), self.places.clone(), lane);
        match lane {
            Lane::Pulse => Box::new(pulse::Pulse::new(link)),
            Lane::Beat => Box::new(beat::Beat::new(link)),
            Lane::Roam => Box::new(roam::Roam::new(link)),
        }
    }

    fn bell(&self) -> Listener {
        self.places.bell()
    }
}
