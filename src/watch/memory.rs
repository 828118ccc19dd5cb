//! Where longer windows begin: a moving beginning for pages that ask what happened lately, the first word since
//! we watch for those that look further back, and what a former life of ours left.

use crate::model::{Part, Place, Snapshot, Topic, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Pages that look back no further than this get a beginning that moves along; for the others it is the first
/// word since we watch, or what a former life left.
const NEAR: Duration = Duration::from_secs(3_600);

/// How far each page looks back, and at what.
type LooksBack = [(Duration, &'static [Topic])];

#[derive(Debug, Default)]
pub struct Memory {
    /// The first word on each place since we watch.
    base: Snapshot,
    near: BTreeMap<(Duration, Place), Rung>,
    /// The oldest word that a former life of ours left on each place.
    past: Snapshot,
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

    fn beginning(&self) -> Option<&Part> {
        self.older.as_ref()
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
        let is_wanted = |topic: &Topic| looks_back.iter().any(|(_, needs)| needs.contains(topic));
        for snapshot in past {
            self.past.parts.extend(snapshot.parts.into_iter().filter(|((topic, _), _)| is_wanted(topic)));
        }
    }

    /// A place whose statistics began anew has no beginning here any more.
    pub fn forget(&mut self, place: &Place) {
        self.base.parts.remove(place);
        self.near.retain(|(_, near), _| near != place);
        self.windows.values_mut().for_each(|window| drop(window.stretches.remove(place)));
    }

    /// Takes in what was just read, and makes the windows from each beginning to it. What was not read again keeps
    /// its stretches: the indexes are not compared anew with every beat.
    pub fn look_back(&mut self, looks_back: &LooksBack, mut read: Snapshot, now: &Snapshot) {
        let is_wanted = |topic: &Topic| looks_back.iter().any(|(_, needs)| needs.contains(topic));
        read.parts.retain(|(topic, _), _| is_wanted(topic));
        if read.parts.is_empty() {
            return;
        }
        for (place, part) in &read.parts {
            self.base.parts.entry(place.clone()).or_insert_with(|| part.clone());
            let near = looks_back.iter().filter(|(span, needs)| *span <= NEAR && needs.contains(&place.0));
            for (span, _) in near {
                self.near.entry((*span, place.clone())).or_default().take(part, *span);
            }
        }
        let spans: BTreeSet<Duration> = self.near.keys().map(|(span, _)| *span).collect();
        let near = spans.into_iter().map(|span| (Beginning::Near(span), self.begun(span)));
        let rest = [(Beginning::Start, self.base.clone()), (Beginning::Past, self.past.clone())];
        let begins: Vec<(Beginning, Snapshot)> = near.chain(rest).collect();
        for (beginning, from) in begins {
            let fresh = window(&from, &read);
            let window = self.windows.entry(beginning).or_default();
            window
                .stretches
                .retain(|place, _| now.parts.contains_key(place) && !read.parts.contains_key(place));
            window.stretches.extend(fresh.stretches);
        }
        self.ladder = Arc::new(self.windows.values().cloned().collect());
    }

    /// The beginnings that move along at one span.
    fn begun(&self, span: Duration) -> Snapshot {
        let of_span = self.near.iter().filter(|((of, _), _)| *of == span);
        let begun = of_span.filter_map(|((_, place), rung)| Some((place.clone(), rung.beginning()?.clone())));
        Snapshot { parts: begun.collect(), ..Snapshot::default() }
    }
}

/// Only of the places that have a beginning: the rest would be gaps that nobody asked about.
fn window(from: &Snapshot, read: &Snapshot) -> Window {
    let known = read.parts.iter().filter(|(place, _)| from.parts.contains_key(place));
    let read = Snapshot {
        parts: known.map(|(place, part)| (place.clone(), part.clone())).collect(),
        ..Snapshot::default()
    };
    Window::between(from, &read)
}
