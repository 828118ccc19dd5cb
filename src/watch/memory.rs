//! Where longer windows begin: a moving beginning for pages that ask what happened lately, the first word since
//! we watch for those that look further back, and what a former life of ours left.

use crate::model::{Part, Place, Sample, Snapshot, Stretch, Topic, Window};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Pages that look back no further than this get a beginning that moves along; for the others it is the first
/// word since we watch, or what a former life left.
const NEAR: Duration = Duration::from_secs(3_600);

/// How far each page looks back, and at what.
pub type LooksBack = [(Duration, &'static [Topic])];

#[derive(Debug, Default)]
pub struct Memory {
    /// The last word on each place, also while it cannot be read: what the next stretch begins at.
    last: BTreeMap<Place, Part>,
    near: BTreeMap<(Duration, Place), Rung>,
    /// The oldest word that a former life of ours left on each place, until the first of this one.
    past: BTreeMap<Place, Part>,
    windows: BTreeMap<Beginning, Window>,
    ladder: Arc<Vec<Window>>,
}

/// Where a window begins, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Beginning {
    Near(Duration),
    Start,
    Past,
}

/// Two parts of one place, the older between one and two spans old: the rung of a ladder that moves along.
#[derive(Debug, Default)]
struct Rung {
    older: Option<Part>,
    younger: Option<Part>,
}

impl Rung {
    fn take(&mut self, part: &Part, span: Duration) {
        let age = self.younger.as_ref().map(|younger| part.taken.seconds_since(&younger.taken));
        if age.is_none_or(|age| age >= span.as_secs_f64()) {
            self.older = self.younger.replace(part.clone());
        }
    }
}

impl Memory {
    pub fn ladder(&self) -> &[Window] {
        &self.ladder
    }

    pub fn shared(&self) -> Arc<Vec<Window>> {
        self.ladder.clone()
    }

    /// Of the snapshots of a former life, shortest back first, the oldest word on each place that a page looks at.
    pub fn remember(&mut self, looks_back: &LooksBack, past: impl IntoIterator<Item = Snapshot>) {
        for snapshot in past {
            self.past
                .extend(snapshot.parts.into_iter().filter(|((topic, _), _)| is_wanted(looks_back, *topic)));
        }
        // What was read since then has waited for its beginning.
        for (place, last) in self.last.clone() {
            if let Some(past) = self.past.remove(&place) {
                self.set(Beginning::Past, &place, Stretch::between(&past, &last).ok());
            }
        }
    }

    /// Takes in what was just read; `newest` has its stretches. What was not read again keeps its own: the indexes
    /// are not compared anew with every beat.
    pub fn look_back(&mut self, looks_back: &LooksBack, sample: &Sample, newest: &Window, now: &Snapshot) {
        let read = sample.parts.iter().filter(|(topic, ..)| is_wanted(looks_back, *topic));
        let read: Vec<(Place, &Part)> =
            read.map(|(topic, scope, part)| ((*topic, scope.clone()), part)).collect();
        let forgets = !sample.gone.is_empty() || !sample.dropped.is_empty();
        if read.is_empty() && !forgets {
            return;
        }
        for (place, part) in read {
            self.lengthen(&place, part, newest.stretches.get(&place));
            let near = looks_back.iter().filter(|(span, needs)| *span <= NEAR && needs.contains(&place.0));
            for (span, _) in near {
                let rung = self.near.entry((*span, place.clone())).or_default();
                rung.take(part, *span);
                let stretch = rung.older.as_ref().and_then(|older| Stretch::between(older, part).ok());
                self.set(Beginning::Near(*span), &place, stretch);
            }
        }
        if forgets {
            self.last.retain(|place, _| !sample.forgets(place));
            self.past.retain(|place, _| !sample.forgets(place));
            self.near.retain(|(_, place), _| !sample.forgets(place));
            for window in self.windows.values_mut() {
                window.stretches.retain(|place, _| !sample.forgets(place));
            }
        }
        self.ladder = Arc::new(self.windows.values().map(|window| known_now(window, now)).collect());
    }

    /// Windows add up, so the long ones need no beginning of their own: each reading lengthens them by its stretch.
    fn lengthen(&mut self, place: &Place, part: &Part, newest: Option<&Stretch>) {
        let Some(last) = self.last.insert(place.clone(), part.clone()) else {
            let past = self.past.remove(place).and_then(|past| Stretch::between(&past, part).ok());
            return self.set(Beginning::Past, place, past);
        };
        // After a reading that failed, the newest stretch does not begin where ours ended.
        let step = match newest.filter(|newest| newest.from == last.taken && newest.to == part.taken) {
            Some(newest) => Ok(newest.clone()),
            None => Stretch::between(&last, part),
        };
        for beginning in [Beginning::Start, Beginning::Past] {
            let before = self.windows.get(&beginning).and_then(|window| window.stretches.get(place));
            let longer = match (&step, before) {
                (Ok(step), Some(before)) => Some(before.then(step)),
                (Ok(step), None) if beginning == Beginning::Start => Some(step.clone()),
                // Statistics that began anew have no beginning here any more.
                _ => None,
            };
            self.set(beginning, place, longer);
        }
    }

    fn set(&mut self, beginning: Beginning, place: &Place, stretch: Option<Stretch>) {
        let stretches = &mut self.windows.entry(beginning).or_default().stretches;
        match stretch {
            Some(stretch) => stretches.insert(place.clone(), stretch),
            None => stretches.remove(place),
        };
    }
}

fn is_wanted(looks_back: &LooksBack, topic: Topic) -> bool {
    // Whole snapshots of statements would be most of our memory; their newest stretches are added up in `workload`.
    topic != Topic::Statements && looks_back.iter().any(|(_, needs)| needs.contains(&topic))
}

/// What cannot be read at present keeps its stretch for later, out of sight.
fn known_now(window: &Window, now: &Snapshot) -> Window {
    let known = window.stretches.iter().filter(|(place, _)| now.parts.contains_key(place));
    Window {
        stretches: known.map(|(place, stretch)| (place.clone(), stretch.clone())).collect(),
        ..Window::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Count, Gap, InTopic, Scope, Table, Timestamp, Total};
    use crate::stores::columns::tests::part;

    const LOOKS_BACK: &LooksBack = &[(Duration::from_secs(86_400), &[Topic::Tables])];

    fn place() -> Place {
        (Topic::Tables, Scope::Database("shop".into()))
    }

    /// A watch in small: readings of one place, and now and then a reading that fails.
    #[derive(Default)]
    struct Watched {
        memory: Memory,
        now: Snapshot,
        newest: Window,
    }

    impl Watched {
        fn read(&mut self, part: Option<Part>) {
            let (topic, scope) = place();
            let mut sample = Sample::default();
            match part {
                Some(part) => sample.parts.push((topic, scope, part)),
                None => sample.gaps.push(Gap { topic, scope, reason: "locked".into() }),
            }
            let before = self.now.clone();
            self.now.merge(&sample);
            self.newest = Window::between(&before, &self.now);
            self.memory.look_back(LOOKS_BACK, &sample, &self.newest, &self.now);
        }

        fn longest(&self) -> Option<&Stretch> {
            let stretches = self.memory.ladder().iter().filter_map(|window| window.stretches.get(&place()));
            stretches.max_by(|a, b| a.seconds.total_cmp(&b.seconds))
        }
    }

    /// Three tables of which so many rows have been read.
    fn reading(returned: u64, wall: f64) -> Part {
        let mut part = part(Topic::Tables, &[1, 2, 3], wall);
        let mut tables = Table::of(&part.rows).to_vec();
        tables.iter_mut().for_each(|table| table.returned_rows = Some(Total(Count::new(returned))));
        part.rows = Arc::new(Table::into_rows(tables));
        part.taken.monotonic = wall;
        part
    }

    #[test]
    fn what_each_reading_adds_is_what_the_first_and_the_last_show() {
        let mut watched = Watched::default();
        for nth in 1..=4u32 {
            watched.read(Some(reading(nth.into(), f64::from(nth) * 60.0)));
        }
        let whole = Stretch::between(&reading(1, 60.0), &reading(4, 240.0)).unwrap();
        let long = watched.longest().unwrap();
        assert_eq!((long.seconds, long.unpaired), (whole.seconds, whole.unpaired));
        let returned = |stretch: &Stretch| -> Vec<_> {
            Table::of(&stretch.rows).iter().map(|table| table.returned_rows).collect()
        };
        assert_eq!(returned(long), returned(&whole));
    }

    #[test]
    fn a_reading_that_fails_hides_the_window_and_does_not_cut_it() {
        let mut watched = Watched::default();
        watched.read(Some(reading(1, 60.0)));
        watched.read(Some(reading(2, 120.0)));
        watched.read(None);
        watched.read(Some(reading(3, 240.0)));
        assert_eq!(watched.longest().map(|stretch| stretch.seconds), Some(180.0));
    }

    #[test]
    fn nothing_is_kept_of_what_there_is_no_room_for() {
        let mut watched = Watched::default();
        watched.read(Some(reading(1, 60.0)));
        watched.read(Some(reading(2, 120.0)));
        let (topic, scope) = place();
        let mut sample = Sample { dropped: vec![place()], ..Sample::default() };
        sample.gaps.push(Gap { topic, scope, reason: "no room".into() });
        watched.now.merge(&sample);
        assert!(watched.now.parts.is_empty() && watched.now.gaps.len() == 1, "it is told");
        watched.memory.look_back(LOOKS_BACK, &sample, &Window::default(), &watched.now);
        let Memory { last, near, past, windows, .. } = &watched.memory;
        assert!(last.is_empty() && near.is_empty() && past.is_empty());
        assert!(windows.values().all(|window| window.stretches.is_empty()));
    }

    #[test]
    fn a_former_life_that_is_heard_of_later_lengthens_it_as_well() {
        let mut watched = Watched::default();
        watched.read(Some(reading(2, 600.0)));
        watched.read(Some(reading(3, 660.0)));
        let past = Snapshot { parts: [(place(), reading(1, 0.0))].into(), ..Snapshot::default() };
        watched.memory.remember(LOOKS_BACK, [past]);
        watched.read(Some(reading(4, 720.0)));
        assert_eq!(watched.longest().map(|stretch| stretch.seconds), Some(720.0));
    }

    #[test]
    fn a_reset_ends_it_and_a_former_life_lengthens_it() {
        let mut watched = Watched::default();
        let past = Snapshot { parts: [(place(), reading(1, 0.0))].into(), ..Snapshot::default() };
        watched.memory.remember(LOOKS_BACK, [past]);
        watched.read(Some(reading(2, 600.0)));
        watched.read(Some(reading(3, 660.0)));
        assert_eq!(watched.longest().map(|stretch| stretch.seconds), Some(660.0));
        let mut reset = reading(4, 720.0);
        reset.epoch.reset = Some(Timestamp::new(700.0));
        watched.read(Some(reset.clone()));
        assert_eq!(watched.longest(), None);
        reset.taken = reading(5, 780.0).taken;
        watched.read(Some(reset));
        assert_eq!(watched.longest().map(|stretch| stretch.seconds), Some(60.0));
    }
}
