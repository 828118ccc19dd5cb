//! The round of the roaming lane: from database to database, one stop a visit. Many databases stretch its round,
//! never its haste.

use super::collector::{Collector, Reach};
use super::reading::{Identity, Source, collect, gap, took};
use super::{Due, EngineError, Pace, Visit};
use crate::config::Databases;
use crate::model::{Name, Place, Scope, Topic};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// A database that refused us is tried again after this long.
const REFUSED_AGAIN: Duration = Duration::from_secs(300);
/// A reading may take one thousandth of the time until its next: what is large is read less often.
const LEISURE: u32 = 1_000;
/// Bytes of rows held of all databases together: who may create tables must not fill our memory with them. That has room
/// for 10,000 tables with 30,000 indexes and 80,000 columns.
const MOST_HELD: usize = 72 << 20;

#[derive(Debug)]
pub struct Round {
    collectors: &'static [Collector],
    /// When each collector last ran in each scope, and how long that took.
    done: HashMap<Place, (Instant, Duration)>,
    /// Bytes of the rows that are held of each reading.
    held: HashMap<Place, usize>,
    /// Databases that did not let us in, until when they are left alone, and why.
    refused: BTreeMap<Name, (Instant, String)>,
    /// The last stop was a second one at the same place, for what was asked about it.
    stayed: bool,
}

impl Round {
    pub fn new(collectors: &'static [Collector]) -> Self {
        Self {
            collectors,
            done: HashMap::new(),
            held: HashMap::new(),
            refused: BTreeMap::new(),
            stayed: false,
        }
    }

    /// Of those that may be entered the ones that the operator wants watched; `first` before all others.
    pub fn databases(
        wanted: &Databases,
        first: Option<Name>,
        enterable: impl Iterator<Item = Name>,
    ) -> Vec<Name> {
        let mut others: Vec<Name> =
            enterable.filter(|name| wanted.matches(name) && Some(name) != first.as_ref()).collect();
        others.sort_unstable();
        others.truncate(wanted.cap.saturating_sub(usize::from(first.is_some())));
        first.into_iter().chain(others).collect()
    }

    /// Forgets the databases that are no more, and says so.
    pub fn forget_gone(&mut self, databases: &[Name], visit: &mut Visit) {
        let is_gone = |scope: &Scope| match scope {
            Scope::Server => false,
            Scope::Database(name) => !databases.contains(name),
        };
        let mut gone: Vec<Scope> = self.done.keys().map(|(_, scope)| scope.clone()).filter(is_gone).collect();
        gone.sort_unstable();
        gone.dedup();
        self.done.retain(|(_, scope), _| !is_gone(scope));
        self.held.retain(|(_, scope), _| !is_gone(scope));
        visit.sample.gone = gone;
    }

    /// Where to stop now: where we are, once, if what we read there has led to questions; else of the databases where
    /// something of their own is due, the one that has waited longest. What is the server's as a whole is read wherever we
    /// are, and keeps nobody there.
    pub fn next(&mut self, databases: &[Name], here: Option<&Name>, due: &Due) -> Option<Name> {
        let stays = !self.stayed && here.is_some_and(|here| databases.contains(here) && due.asks_about(here));
        self.stayed = stays;
        if stays {
            return here.cloned();
        }
        let open = |name: &&Name| self.refused.get(*name).is_none_or(|(until, _)| *until <= Instant::now());
        let scope = |name: &Name| Scope::Database(name.clone());
        let wants = |name: &Name| {
            let mut own = self.roaming().filter(|collector| collector.reach == Reach::Database);
            due.asks_about(name) || own.any(|collector| self.is_due(collector, &scope(name), due))
        };
        let seen = |name: &Name| self.done.get(&(Topic::Tables, scope(name))).copied();
        let waiting = databases.iter().filter(open).filter(|name| wants(name));
        waiting.min_by_key(|name| (seen(name), here != Some(*name))).cloned().or_else(|| {
            let anywhere = databases.iter().filter(open).filter(|_| self.server_is_due(due));
            anywhere.min_by_key(|name| here != Some(*name)).cloned()
        })
    }

    /// One closed door does not end the walk.
    pub fn refuse(&mut self, database: Name, why: String) {
        self.refused.insert(database, (Instant::now() + REFUSED_AGAIN, why));
    }

    /// Is anything of the server as a whole due? For one whose databases we may not see.
    pub fn server_is_due(&self, due: &Due) -> bool {
        let mut of_server = self.roaming().filter(|collector| collector.reach == Reach::Server);
        of_server.any(|collector| self.is_due(collector, &Scope::Server, due))
    }

    /// Reads what is due at this stop; nowhere, only what is the server's as a whole.
    pub async fn stop(
        &mut self,
        source: &mut impl Source,
        at: Option<&Name>,
        identity: &Identity,
        due: &Due,
        visit: &mut Visit,
    ) -> Result<(), EngineError> {
        for collector in self.roaming() {
            let scope = match (collector.reach, at) {
                (Reach::Server, _) => Scope::Server,
                (Reach::Database, Some(at)) => Scope::Database(at.clone()),
                (Reach::Database, None) => continue,
            };
            if self.is_due(collector, &scope, due) {
                let (asked, queued) = (Instant::now(), source.queued());
                collect(source, collector, identity, &scope, visit).await?;
                let took = took(source, asked.into_std(), queued);
                self.hold((collector.topic, scope.clone()), visit);
                self.done.insert((collector.topic, scope), (asked, took));
            }
        }
        Ok(())
    }

    /// Lets go of what was just read of a place where it finds no room beside all others.
    fn hold(&mut self, place: Place, visit: &mut Visit) {
        self.held.remove(&place);
        let read =
            visit.sample.parts.last().filter(|(topic, scope, _)| (*topic, scope) == (place.0, &place.1));
        let Some((.., part)) = read else { return };
        let (rows, bytes) = (part.rows.len(), part.rows.bytes());
        if self.held.values().sum::<usize>() + bytes <= MOST_HELD {
            self.held.insert(place, bytes);
            return;
        }
        visit.sample.parts.pop();
        let most = MOST_HELD >> 20;
        let why = format!("{rows} rows find no room in the {most} MiB held of all databases");
        gap(visit, place.0, &place.1, why);
    }

    /// How often each topic is read now.
    pub fn paces(&self, databases: usize, due: &Due) -> Vec<(Topic, Duration)> {
        let round = due.every * u32::try_from(databases).unwrap_or(u32::MAX);
        self.roaming()
            .map(|collector| (collector.topic, self.longest_pace(collector, due).max(round)))
            .collect()
    }

    /// Says how much of the server has not been looked at yet.
    pub fn not_seen(&self, databases: &[Name], visit: &mut Visit) {
        let seen = |name: &&Name| self.done.contains_key(&(Topic::Tables, Scope::Database((*name).clone())));
        let unseen = databases.iter().filter(|name| !seen(name)).count();
        let refusal = self.refused.iter().find(|(name, _)| !seen(name));
        let why = match refusal {
            Some((name, (_, why))) => {
                format!("{unseen} of {} databases not seen; {name}: {why}", databases.len())
            }
            None => format!("{unseen} of {} databases not seen yet, one every 10 s", databases.len()),
        };
        let read = |topic: &Topic| self.collectors.iter().any(|collector| collector.topic == *topic);
        for topic in [Topic::Tables, Topic::Indexes].into_iter().filter(read) {
            if unseen > 0 {
                gap(visit, topic, &Scope::Server, why.clone());
            } else {
                visit.sample.closed.push((topic, Scope::Server));
            }
        }
    }

    fn roaming(&self) -> impl Iterator<Item = &'static Collector> + use<> {
        self.collectors.iter().filter(|collector| matches!(collector.pace, Pace::Slow | Pace::Rare))
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
}

fn pace(collector: &Collector, due: &Due) -> Duration {
    if collector.pace == Pace::Rare { due.rare } else { due.slow }
}

#[cfg(test)]
mod tests {
    use super::super::collector::Began;
    use super::*;
    use crate::model::question::Question;
    use crate::model::{InTopic, Setting};
    use crate::stores::columns::tests::part;

    const fn collector(topic: Topic, reach: Reach) -> Collector {
        Collector { topic, pace: Pace::Slow, reach, began: Began::Process, file: "", sql: &[] }
    }

    static COLLECTORS: [Collector; 2] =
        [collector(Topic::Tables, Reach::Database), collector(Topic::Errors, Reach::Server)];

    /// At the shortest paces all is due at every visit: nobody stays where he is for that, and nobody waits for a second
    /// round of others.
    #[tokio::test(start_paused = true)]
    async fn the_walk_comes_by_everywhere_in_turn() {
        let names = ["a", "b", "c"].map(Name::new);
        let due = Due {
            every: Duration::from_secs(10),
            slow: Duration::from_secs(15),
            rare: Duration::from_secs(60),
            questions: Vec::new(),
        };
        let (mut round, mut here, mut walked) = (Round::new(&COLLECTORS), None, Vec::new());
        for _ in 0..6 {
            let next = round.next(&names, here.as_ref(), &due).unwrap();
            let now = (Instant::now(), Duration::ZERO);
            round.done.insert((Topic::Tables, Scope::Database(next.clone())), now);
            round.done.insert((Topic::Errors, Scope::Server), now);
            walked.push(next.to_string());
            here = Some(next);
            tokio::time::advance(due.every).await;
        }
        assert_eq!(walked, ["a", "b", "c", "a", "b", "c"]);
        // What is only the server's is read where we are.
        let now = (Instant::now(), Duration::ZERO);
        for name in &names {
            round.done.insert((Topic::Tables, Scope::Database(name.clone())), now);
        }
        assert_eq!(round.next(&names, names.get(1), &due), names.get(1).cloned());
        round.done.insert((Topic::Errors, Scope::Server), now);
        assert_eq!(round.next(&names, names.get(1), &due), None);
        // What is asked about where we are is answered before we go on, but it does not keep us.
        let id = 1;
        let ask = |database: &Name| Question::IndexDefinition { database: database.clone(), id };
        let due = Due { questions: names.iter().map(ask).collect(), ..due };
        let (mut round, mut here, mut walked) = (Round::new(&COLLECTORS), None, Vec::new());
        for _ in 0..6 {
            let next = round.next(&names, here.as_ref(), &due).unwrap();
            round
                .done
                .insert((Topic::Tables, Scope::Database(next.clone())), (Instant::now(), Duration::ZERO));
            walked.push(next.to_string());
            here = Some(next);
            tokio::time::advance(due.every).await;
        }
        assert_eq!(walked, ["a", "a", "b", "b", "c", "c"]);
    }

    #[test]
    fn what_finds_no_room_is_a_gap_until_others_leave() {
        let mut round = Round::new(&COLLECTORS);
        let [shop, other] = ["shop", "other"].map(|name| Scope::Database(name.into()));
        let rows = |count: usize| {
            let mut part = part(Topic::Settings, &[1], 0.0);
            let one = Setting::of(&part.rows).to_vec();
            part.rows = std::sync::Arc::new(Setting::into_rows(vec![one[0].clone(); count]));
            part
        };
        let each = rows(1).rows.bytes();
        let two_thirds = MOST_HELD / each * 2 / 3;
        let read = |round: &mut Round, scope: &Scope, count: Option<usize>| {
            let mut visit = Visit::default();
            let brought = count.map(|count| (Topic::Settings, scope.clone(), rows(count)));
            visit.sample.parts.extend(brought);
            round.hold((Topic::Settings, scope.clone()), &mut visit);
            (visit.sample.parts.len(), visit.sample.gaps.len())
        };
        assert_eq!(read(&mut round, &shop, Some(two_thirds)), (1, 0));
        assert_eq!(read(&mut round, &other, Some(two_thirds)), (0, 1), "both are too much");
        assert_eq!(read(&mut round, &other, Some(10)), (1, 0), "what is small finds room");
        assert_eq!(
            read(&mut round, &shop, Some(two_thirds)),
            (1, 0),
            "who is read again takes his own place"
        );
        assert_eq!(read(&mut round, &shop, None), (0, 0), "what could not be read is not held");
        assert_eq!(read(&mut round, &other, Some(two_thirds)), (1, 0));
        round.forget_gone(&[], &mut Visit::default());
        assert!(round.held.is_empty());
    }
}
