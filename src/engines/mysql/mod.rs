//! MySQL 5.7 to 9, MariaDB 10.5 to 11.8, Percona Server. To follow one sample: `door`, `handshake`, `connect`
//! (limits), `pooler` (who stands in between) → `known`, `lacks` (probing) → `collectors` (the table) → `link` (a lane's
//! connection) → `beat`, `pulse`, `roam` (the lanes) → `source` (of what a topic is read) → `answer`, `pivot`, `receiver`,
//! `gtid`, `reread`, `digests` (cells become nouns), `scene`, `blocking`, `latencies`, `survey`, `shapes`, `elsewhere`,
//! `foreign_keys`, `numbering`, `columns`, `pieces`, `kept`, `rights`, `events`, `meaning` (what they say).

mod answer;
mod beat;
mod blocking;
pub mod collectors;
mod columns;
mod connect;
mod digests;
mod door;
mod elsewhere;
mod events;
mod foreign_keys;
mod gtid;
mod handshake;
mod kept;
mod known;
mod lacks;
mod latencies;
mod life;
mod link;
mod logs;
mod meaning;
mod numbering;
mod pieces;
mod pivot;
mod pooler;
mod pulse;
mod receiver;
mod reread;
mod rights;
mod roam;
mod scene;
mod scramble;
mod shapes;
mod source;
mod survey;
mod wire;

#[cfg(any(test, fuzzing))]
pub use connect::hear;

use crate::clock::Clock;
use crate::config::Target;
use crate::engine::bell::Listener;
use crate::engine::collector::topics;
use crate::engine::crowd::DERIVED;
use crate::engine::shared::Shared;
use crate::engine::{Engine, Lane, Pace, Probe};
use crate::follow::Wanted;
use crate::model::{Digest, Topic};
use crate::sql::Dialect;
use collectors::COLLECTORS;
use door::Door;
use link::{Link, Server};
use std::sync::Arc;

#[derive(Debug)]
pub struct Mysql {
    server: Arc<Server>,
}

impl Mysql {
    pub fn new(target: &Target, clock: Clock) -> Self {
        let server = Server { shared: Shared::new(target.clone(), clock), door: Door::default() };
        Self { server: Arc::new(server) }
    }
}

impl Engine for Mysql {
    fn name(&self) -> &'static str {
        "mysql"
    }

    fn topics(&self) -> Vec<(Topic, Pace)> {
        topics(COLLECTORS, &DERIVED)
    }

    fn logs(&self) -> Option<Wanted> {
        let shared = &self.server.shared;
        let known = shared.known();
        let told = known.as_ref().and_then(|known| known.logs.as_ref());
        Wanted::of(&shared.target.log, told, Dialect::MYSQL)
    }

    fn teach(&self, wording: &[(Digest, String)]) {
        self.server.shared.teach(|texts| wording.iter().for_each(|(digest, text)| texts.show(*digest, text)));
    }

    fn open(&self, lane: Lane) -> Box<dyn Probe> {
        let link = Link::new(self.server.clone(), lane);
        match lane {
            Lane::Pulse => Box::new(pulse::Pulse::new(link)),
            Lane::Beat => Box::new(beat::Beat::new(link)),
            Lane::Roam => Box::new(roam::Roam::new(link)),
        }
    }

    fn bell(&self) -> Listener {
        self.server.door.bell()
    }
}
