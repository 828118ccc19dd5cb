//! The round of the roaming lane: from database to database, one stop a visit. Many databases stretch its round,
//! never its haste.

use super::collector::{Collector, Reach};
use super::reading::{Identity, Source, collect, gap, no_room, took};
use super::room::Room;
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

#[derive(Debug)]
pub struct Round {
    collectors: &'static [Collector],
    /// When each collector last ran in each scope, and how long that took.
    done: HashMap<Place, (Instant, Duration)>,
    room: Room,
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
            room: Room::default(),
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
        self.room.retain(|scope| !is_gone(scope));
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
                let place = (collector.topic, scope);
                source.give_room(self.room.left(&place, due.room));
                collect(source, collector, identity, &place.1, visit).await?;
                let took = took(source, asked.into_std(), queued);
                self.hold(source, &place, due, visit);
                self.done.insert(place, (asked, took));
            }
        }
        // What else is asked there is a few rows.
        source.give_room(usize::MAX);
        Ok(())
    }

    /// Takes note of what was just read of a place, and lets go of it where it finds no room beside all others. Of what
    /// could not be read the last rows are kept for later, and so they keep their room.
    fn hold(&mut self, source: &mut impl Source, place: &Place, due: &Due, visit: &mut Visit) {
        let read =
            visit.sample.parts.last().filter(|(topic, scope, _)| (topic, scope) == (&place.0, &place.1));
        let rows = read.map(|(.., part)| (part.rows.len(), part.rows.bytes()));
        let left = self.room.left(place, due.room);
        match rows {
            Some((_, bytes)) if bytes <= left => {
                let mut kept = source.keeps(place);
                if bytes + kept > left {
                    source.let_go(place);
                    kept = 0;
                }
                return self.room.hold(place.clone(), bytes + kept);
            }
            Some((rows, _)) => {
                visit.sample.parts.pop();
                visit.sample.dropped.push(place.clone());
                gap(visit, place.0, &place.1, no_room(rows));
            }
            None if visit.sample.dropped.contains(place) => {}
            None => return,
        }
        self.room.let_go(place);
        source.let_go(place);
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
    use super::super::layout::{Layout, Read, Record, decoder};
    use super::super::reading::Failure;
    use super::*;
    use crate::clock::Clock;
    use crate::model::question::Question;
    use crate::model::{Cell, Names, Noun, Plugin, Rows};

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
            room: usize::MAX,
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

    fn identity() -> Identity {
        let (started, statistics, database, statements) = Default::default();
        Identity { server: "one".into(), started, statistics, database, statements }
    }

    /// Brings as many plugins as it is told to, in the room that it is given, or fails.
    struct Shelf {
        rows: Option<usize>,
        room: usize,
        kept: usize,
    }

    struct AllTheSame;

    impl Record for AllTheSame {
        fn cell(&self, _: usize) -> Cell<'_> {
            Cell::Text("same".into())
        }
    }

    impl Source for Shelf {
        async fn read(&mut self, topic: Topic, _: &'static str, _: &Scope) -> Result<Read, Failure> {
            let rows = self.rows.ok_or_else(|| Failure::refused("locked"))?;
            let layout = Layout::of(topic, Plugin::COLUMNS.iter().copied(), 1.0).unwrap();
            let (mut decoder, mut names) = (decoder(topic, self.room), Names::default());
            (0..rows).for_each(|_| decoder.row(&AllTheSame, &layout, "", &mut names));
            decoder.finish()
        }
        fn understand(&self, _: &mut Rows, _: &mut Visit) -> usize {
            0
        }
        fn clock(&self) -> Clock {
            Clock::start()
        }
        fn give_room(&mut self, bytes: usize) {
            self.room = bytes;
        }
        fn keeps(&self, _: &Place) -> usize {
            self.kept
        }
        fn let_go(&mut self, _: &Place) {
            self.kept = 0;
        }
    }

    #[tokio::test]
    async fn what_finds_no_room_is_a_gap_until_others_leave() {
        static SHELVES: [Collector; 1] = [collector(Topic::Plugins, Reach::Database)];
        let (mut round, mut shelf) =
            (Round::new(&SHELVES), Shelf { rows: Some(30), room: usize::MAX, kept: 0 });
        let each = shelf.read(Topic::Plugins, "", &Scope::Server).await.unwrap().rows.bytes() / 30;
        // Of 400 rows' room, a quarter is for reading the same once more.
        let due = Due { room: each * 400, ..Due::default() };
        let mut read = async |name: &str, rows: Option<usize>, kept: usize| {
            (shelf.rows, shelf.kept) = (rows, kept * each);
            round.done.clear();
            let mut visit = Visit::default();
            let at = Name::new(name);
            round.stop(&mut shelf, Some(&at), &identity(), &due, &mut visit).await.unwrap();
            if name == "gone" {
                round.forget_gone(&["other".into()], &mut Visit::default());
            }
            let rows: Vec<usize> = visit.sample.parts.iter().map(|(.., part)| part.rows.len()).collect();
            (rows, visit.sample.gaps.len(), visit.sample.dropped.len(), shelf.kept / each)
        };
        let no_room = (vec![], 1, 1, 0);
        assert_eq!(read("shop", Some(290), 0).await, (vec![290], 0, 0, 0));
        assert_eq!(read("other", Some(290), 50).await, no_room, "both are too much");
        assert_eq!(read("other", Some(5), 0).await.0, [5], "what is small finds room");
        assert_eq!(read("shop", Some(285), 0).await.0, [285], "who is read again takes his own place");
        assert_eq!(read("shop", None, 0).await, (vec![], 1, 0, 0), "what cannot be read is kept for later");
        assert_eq!(read("other", Some(290), 0).await, no_room, "and keeps its room");
        assert_eq!(read("other", Some(5), 5).await, (vec![5], 0, 0, 5));
        assert_eq!(
            read("other", Some(5), 100).await,
            (vec![5], 0, 0, 0),
            "what is kept beside the rows goes first"
        );
        assert_eq!(read("gone", Some(0), 0).await.0, [0]);
        assert_eq!(read("other", Some(290), 0).await.0, [290], "the others are gone");
        assert_eq!(read("other", Some(400), 0).await, no_room, "it has grown");
        assert_eq!(read("shop", Some(290), 0).await.0, [290], "and its place is free");
    }
}
