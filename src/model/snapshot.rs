//! Everything that is known of one server at one moment, as plain data. A sample brings parts; merging lays
//! them over the last ones. This is also what a recording holds.

use super::name::Name;
use super::noun::{Noun, Row};
use super::unit::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use super::topics::{Rows, Topic};

/// A moment by both our clocks. The monotonic one measures within a run, the wall clock across runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct When {
    /// Which life of this process: monotonic clocks of two lives do not compare.
    pub run: u64,
    pub monotonic: f64,
    pub wall: f64,
}

impl When {
    pub fn seconds_since(&self, earlier: &When) -> f64 {
        let clocks = if self.run == earlier.run {
            self.monotonic - earlier.monotonic
        } else {
            self.wall - earlier.wall
        };
        clocks.max(0.0)
    }
}

/// Where a part of the truth lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Server,
    Database(Name),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Server => f.write_str("server"),
            Scope::Database(name) => f.write_str(name),
        }
    }
}

/// Two samples compare only within one epoch of the statistics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Who is answering: system identifier, timeline, role in replication, address.
    pub server: Name,
    /// When it started. A changed time proves a restart; an unchanged one proves nothing, since a crash of one
    /// backend restarts the others without moving it.
    pub started: Option<Timestamp>,
    /// When these very statistics began, by their own word.
    pub reset: Option<Timestamp>,
    /// True for statistics that do not outlive the server's process.
    pub volatile: bool,
}

/// Why two samples do not make a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Break {
    /// Another server, timeline or role answered: failover, restore, a moved address.
    OtherServer,
    /// The server was restarted and these statistics with it.
    Restart,
    /// The statistics were reset.
    Reset,
    /// The rights changed: other rows are visible now.
    Rights,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Break::OtherServer => "another server answered (failover, restore or a moved address)",
            Break::Restart => "the server was restarted",
            Break::Reset => "the statistics were reset",
            Break::Rights => "the rights of the login changed",
        })
    }
}

impl Epoch {
    pub fn restarted_since(&self, earlier: &Epoch) -> bool {
        self.started != earlier.started
    }

    pub fn continues(&self, earlier: &Epoch) -> Result<(), Break> {
        if self.server != earlier.server {
            Err(Break::OtherServer)
        } else if self.reset != earlier.reset {
            Err(Break::Reset)
        } else if self.volatile && self.restarted_since(earlier) {
            Err(Break::Restart)
        } else {
            Ok(())
        }
    }
}

/// The rows of one topic in one scope, read at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub taken: When,
    pub epoch: Epoch,
    /// Did we see every row there is? Only then is a row that was absent before a new one.
    pub complete: bool,
    pub rows: Arc<Rows>,
}

pub type Place = (Topic, Scope);

/// What we asked for and did not get. A rule that needs it stays silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub topic: Topic,
    pub scope: Scope,
    pub reason: String,
}

/// What one visit to a server brought home: only what was due.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub parts: Vec<(Topic, Scope, Part)>,
    pub gaps: Vec<Gap>,
    /// Places whose gap has closed although no part of that very place was read.
    pub closed: Vec<Place>,
    /// Scopes that are gone (a dropped database): what was known of them is forgotten.
    pub gone: Vec<Scope>,
    /// Places that we have no room for: what was known of them is forgotten.
    #[serde(default)]
    pub dropped: Vec<Place>,
}

impl Sample {
    /// Is nothing to be kept of what was known of a place?
    pub fn forgets(&self, place: &Place) -> bool {
        self.gone.contains(&place.1) || self.dropped.contains(place)
    }

    /// Each place with all that is missing from it.
    pub fn gaps_by_place(&self) -> BTreeMap<Place, String> {
        let mut gaps: BTreeMap<Place, String> = BTreeMap::new();
        for gap in &self.gaps {
            let said = gaps.entry((gap.topic, gap.scope.clone())).or_default();
            if !said.is_empty() {
                said.push_str("; ");
            }
            said.push_str(&gap.reason);
        }
        gaps
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    pub parts: BTreeMap<Place, Part>,
    /// The last word on each place that could not be read, wholly or in part.
    pub gaps: BTreeMap<Place, String>,
}

impl Snapshot {
    /// Lays a sample over what was known. A place that was read again loses its old gap.
    pub fn merge(&mut self, sample: &Sample) {
        for place in &sample.closed {
            self.gaps.remove(place);
        }
        for (topic, scope, part) in &sample.parts {
            let place = (*topic, scope.clone());
            self.gaps.remove(&place);
            self.parts.insert(place, part.clone());
        }
        for gap in &sample.gaps {
            let place = (gap.topic, gap.scope.clone());
            // Nothing new was read here: what was true before is not sold as new.
            if !sample.parts.iter().any(|(topic, scope, _)| *topic == place.0 && *scope == place.1) {
                self.parts.remove(&place);
            }
        }
        self.gaps.extend(sample.gaps_by_place());
        self.parts.retain(|place, _| !sample.forgets(place));
        self.gaps.retain(|(_, of), _| !sample.gone.contains(of));
    }

    pub fn parts_of(&self, topic: Topic) -> impl Iterator<Item = (&Scope, &Part)> {
        self.parts.iter().filter(move |((of, _), _)| *of == topic).map(|((_, scope), part)| (scope, part))
    }

    pub fn rows<N: InTopic>(&self) -> impl Iterator<Item = &N> {
        self.parts_of(N::IN).flat_map(|(_, part)| N::of(&part.rows))
    }
}

/// Ties a noun to the topic that carries its rows.
pub trait InTopic: Noun {
    const IN: Topic;
    /// The rows, or none where `rows` are of another topic.
    fn of(rows: &Rows) -> &[Self];
    /// Takes no more room than they need: a list that grew as it was filled has room for half as many again, and rows are
    /// kept for long.
    fn into_rows(rows: Vec<Self>) -> Rows;
}

/// Work to do for one topic with its noun known; see [`Topic::visit`].
pub trait TopicVisitor {
    type Out;
    fn visit<N: InTopic>(self) -> Self::Out;
}

impl Rows {
    /// Walks the rows without knowing their noun.
    pub fn each(&self, visit: &mut dyn FnMut(&dyn Row)) {
        struct Each<'a>(&'a Rows, &'a mut dyn FnMut(&dyn Row));
        impl TopicVisitor for Each<'_> {
            type Out = ();
            fn visit<N: InTopic>(self) {
                N::of(self.0).iter().for_each(|row| (self.1)(row));
            }
        }
        self.topic().visit(Each(self, visit));
    }

    pub fn len(&self) -> usize {
        let mut count = 0;
        self.each(&mut |_| count += 1);
        count
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
