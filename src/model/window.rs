//! A window is what a snapshot would have shown had the counters started at zero. Any two snapshots of one
//! target make one: fifteen seconds or thirty days. This is the only place that subtracts counters.

use super::noun::Noun;
use super::snapshot::{Break, InTopic, Part, Place, Rows, Scope, Snapshot, Topic, TopicVisitor, When};
use super::unit::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What one topic did in one scope between two readings of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    pub from: When,
    pub to: When,
    pub seconds: f64,
    pub rows: Arc<Rows>,
    /// For each row: did its counting begin within the stretch? A row speaks of its present life only.
    pub fresh: Arc<[bool]>,
    /// Rows left out because their beginning is not known: not in sight before, or reset on their own.
    pub unpaired: usize,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Window {
    pub stretches: BTreeMap<Place, Stretch>,
    /// Places with no stretch, or with one that does not tell all, and why.
    pub gaps: BTreeMap<Place, String>,
}

impl Window {
    pub fn between(before: &Snapshot, after: &Snapshot) -> Window {
        let mut window = Window { gaps: after.gaps.clone(), ..Window::default() };
        for (place, now) in &after.parts {
            let Some(then) = before.parts.get(place) else {
                window.gap(place, before.gaps.get(place).cloned().unwrap_or_else(|| "first reading".into()));
                continue;
            };
            match Stretch::between(then, now) {
                Ok(stretch) => {
                    window.stretches.insert(place.clone(), stretch);
                }
                Err(why) => window.gap(place, why.to_string()),
            }
        }
        window
    }

    /// Two adjacent windows as one. A place that either of them misses is missed by the sum.
    pub fn then(self, later: Window) -> Window {
        let mut sum = Window { gaps: later.gaps, ..Window::default() };
        for (place, second) in later.stretches {
            match self.stretches.get(&place) {
                Some(first) => {
                    sum.stretches.insert(place, first.then(&second));
                }
                None => {
                    let why = self.gaps.get(&place).cloned().unwrap_or_else(|| "first reading".into());
                    sum.gap(&place, why);
                }
            }
        }
        sum
    }

    /// A server seen for the first time: its counters since they began, where it tells when that was.
    pub fn since_reset(snapshot: &Snapshot) -> Window {
        let mut window = Window { gaps: snapshot.gaps.clone(), ..Window::default() };
        for (place, part) in &snapshot.parts {
            match part.epoch.reset.or_else(|| part.rows.topic().visit(OnlyBegan(&part.rows))) {
                Some(reset) => {
                    window.stretches.insert(place.clone(), Stretch::since(reset, part));
                }
                None => window.gap(place, "the server does not tell since when it counts".into()),
            }
        }
        window
    }

    fn gap(&mut self, place: &Place, why: String) {
        self.gaps.entry(place.clone()).or_insert(why);
    }

    /// Was everything of this topic measured? A scope we saw nothing of makes the answer no.
    pub fn knows(&self, topic: Topic) -> bool {
        self.stretches.keys().any(|(of, _)| *of == topic)
    }

    pub fn stretch(&self, topic: Topic, scope: &Scope) -> Option<&Stretch> {
        self.stretches.get(&(topic, scope.clone()))
    }

    pub fn stretches_of<N: InTopic>(&self) -> impl Iterator<Item = (&Scope, &Stretch, &[N])> {
        self.stretches
            .iter()
            .filter(|((topic, _), _)| *topic == N::IN)
            .map(|((_, scope), stretch)| (scope, stretch, N::of(&stretch.rows)))
    }

    pub fn rows<N: InTopic>(&self) -> impl Iterator<Item = &N> {
        self.stretches_of::<N>().flat_map(|(_, _, rows)| rows)
    }
}

impl Stretch {
    pub fn between(then: &Part, now: &Part) -> Result<Stretch, Break> {
        now.epoch.continues(&then.epoch)?;
        if then.complete != now.complete {
            return Err(Break::Rights);
        }
        if now.rows.topic().metrics().is_empty() {
            // What only describes has nothing to subtract: the newest word is the word.
            return Ok(Stretch::of(then, now, now.rows.clone(), vec![false; now.rows.len()], 0));
        }
        let paired = now.rows.topic().visit(Pairing { then, now });
        // A restart whose reset nobody stamped shows in counters that run backwards.
        if paired.backward > 0 && now.epoch.restarted_since(&then.epoch) {
            return Err(Break::Restart);
        }
        let unpaired = paired.unpaired + paired.backward;
        Ok(Stretch::of(then, now, Arc::new(paired.rows), paired.fresh, unpaired))
    }

    fn of(then: &Part, now: &Part, rows: Arc<Rows>, fresh: Vec<bool>, unpaired: usize) -> Stretch {
        Stretch {
            from: then.taken,
            to: now.taken,
            seconds: now.taken.seconds_since(&then.taken),
            rows,
            fresh: fresh.into(),
            unpaired,
        }
    }

    fn since(reset: Timestamp, part: &Part) -> Stretch {
        let from = When { run: 0, monotonic: 0.0, wall: reset.get() };
        let seconds = (part.taken.wall - reset.get()).max(0.0);
        let fresh = vec![true; part.rows.len()].into();
        Stretch { from, to: part.taken, seconds, rows: part.rows.clone(), fresh, unpaired: 0 }
    }

    /// The same with some of its rows: for readers who ask for no others.
    pub fn keeping<N: InTopic>(&self, wanted: impl Fn(&N) -> bool) -> Stretch {
        let rows = N::of(&self.rows).iter().zip(self.fresh.iter()).filter(|(row, _)| wanted(row));
        let (rows, fresh): (Vec<N>, Vec<bool>) = rows.map(|(row, fresh)| (row.clone(), *fresh)).unzip();
        Stretch { rows: Arc::new(N::into_rows(rows)), fresh: fresh.into(), ..self.clone() }
    }

    /// Two adjacent stretches of one place as one.
    pub fn then(&self, later: &Stretch) -> Stretch {
        let sum = later.rows.topic().visit(Adding { first: self, second: later });
        Stretch {
            from: self.from,
            to: later.to,
            seconds: self.seconds + later.seconds,
            rows: Arc::new(sum.rows),
            fresh: sum.fresh.into(),
            unpaired: later.unpaired + sum.unpaired,
        }
    }
}

/// When the only row of a topic began, by its own word.
struct OnlyBegan<'a>(&'a Rows);

impl TopicVisitor for OnlyBegan<'_> {
    type Out = Option<Timestamp>;

    fn visit<N: InTopic>(self) -> Option<Timestamp> {
        if let [row] = N::of(self.0) { row.began() } else { None }
    }
}

/// Seconds by which a server's word on when a row began may be too early: MariaDB counts them whole.
const COARSEST: f64 = 1.0;

struct Pairing<'a> {
    then: &'a Part,
    now: &'a Part,
}

struct Paired {
    rows: Rows,
    fresh: Vec<bool>,
    unpaired: usize,
    backward: usize,
}

impl TopicVisitor for Pairing<'_> {
    type Out = Paired;

    fn visit<N: InTopic>(self) -> Paired {
        let now = N::of(&self.now.rows);
        let (mut rows, mut fresh) = (Vec::with_capacity(now.len()), Vec::with_capacity(now.len()));
        let (mut unpaired, mut backward) = (0, 0);
        let mut keep = |row, new| {
            rows.push(row);
            fresh.push(new);
        };
        let mut lineages = Lineages { rows: N::of(&self.then.rows), by_name: None };
        for (itself, row) in side_by_side(N::of(&self.then.rows), now) {
            let itself = itself.map(|(_, before)| before);
            let before = lineages.predecessor(row, itself).or(itself);
            // The server's own word on when this row began beats every inference from its numbers.
            let age = row.began().map(|began| began.get() - self.then.taken.wall);
            // One that began when it did before is the same, wherever the server's clock stands.
            let same_life = |before: &N| age.is_some() && before.began() == row.began();
            match before {
                Some(before) if same_life(before) && row.follows(before) => {
                    keep(row.since(before), false);
                }
                Some(before) if same_life(before) => backward += 1,
                _ if age.is_some_and(|age| age > 0.0) => keep(row.anew(before), true),
                Some(before) if row.follows(before) => keep(row.since(before), false),
                Some(_) => backward += 1,
                // Absent before: new only if nothing could hide from us then.
                None if self.then.complete && age.is_none_or(|age| age > -COARSEST) => {
                    keep(row.anew(None), true)
                }
                None => unpaired += 1,
            }
        }
        Paired { rows: N::into_rows(rows), fresh, unpaired, backward }
    }
}

/// Whose place a row may have taken.
struct Lineages<'a, N> {
    rows: &'a [N],
    /// Seldom needed.
    by_name: Option<HashMap<(i64, &'a str), &'a N>>,
}

impl<'a, N: Noun> Lineages<'a, N> {
    /// The row that bore its name before, if it did not itself, and has handed it its counters.
    fn predecessor(&mut self, row: &N, itself: Option<&N>) -> Option<&'a N> {
        let lineage = row.lineage().filter(|_| itself.is_none_or(|itself| itself.lineage().is_none()))?;
        let rows = self.rows;
        let by_name = self
            .by_name
            .get_or_insert_with(|| rows.iter().filter_map(|row| Some((row.lineage()?, row))).collect());
        by_name.get(&lineage).copied().filter(|before| row.follows(before))
    }
}

struct Adding<'a> {
    first: &'a Stretch,
    second: &'a Stretch,
}

impl TopicVisitor for Adding<'_> {
    type Out = Paired;

    fn visit<N: InTopic>(self) -> Paired {
        let second = N::of(&self.second.rows);
        let (mut rows, mut fresh) = (Vec::with_capacity(second.len()), Vec::with_capacity(second.len()));
        let mut unpaired = 0;
        let pairs = side_by_side(N::of(&self.first.rows), second);
        for ((first, second), new) in pairs.zip(self.second.fresh.iter().copied()) {
            match first {
                _ if new => (rows.push(second.clone()), fresh.push(true)),
                Some((nth, first)) => (
                    rows.push(first.then(second)),
                    fresh.push(self.first.fresh.get(nth).copied().unwrap_or_default()),
                ),
                None => {
                    unpaired += 1;
                    continue;
                }
            };
        }
        Paired { rows: N::into_rows(rows), fresh, unpaired, backward: 0 }
    }
}

/// Every row of `now` with its row of `then` and that one's place. Both are sorted by key, as engines
/// deliver them.
fn side_by_side<'a, N: Noun>(
    then: &'a [N],
    now: &'a [N],
) -> impl Iterator<Item = (Option<(usize, &'a N)>, &'a N)> {
    let mut earlier = then.iter().enumerate().peekable();
    now.iter().map(move |row| {
        let key = row.key();
        while earlier.next_if(|(_, candidate)| candidate.key() < key).is_some() {}
        (earlier.next_if(|(_, candidate)| candidate.key() == key), row)
    })
}
