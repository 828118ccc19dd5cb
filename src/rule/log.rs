//! What pages about logs share.

use super::Seen;
use crate::config::Span;
use crate::model::{InTopic, Scope, Setting, Stretch};

/// What the log brought lately: the shortest window that is long enough. An older one would go on after all is mended.
pub fn lately<'a, N: InTopic>(seen: &Seen<'a>, min_window: Span) -> Option<(&'a Stretch, &'a [N])> {
    let stretches = seen.windows().filter_map(|window| window.stretch(N::IN, &Scope::Server));
    let long_enough = stretches.filter(|stretch| stretch.seconds >= min_window.get().as_secs_f64());
    let shortest = long_enough.min_by(|a, b| a.seconds.total_cmp(&b.seconds))?;
    Some((shortest, N::of(&shortest.rows)))
}

/// What the server is told to do, in small letters. None where that is not known.
pub fn setting(seen: &Seen<'_>, name: &str) -> Option<String> {
    let setting = seen.now.rows::<Setting>().find(|setting| &*setting.setting == name)?;
    Some(setting.value.as_deref()?.to_lowercase())
}

pub fn has_seen_enough<N: InTopic>(seen: &Seen<'_>, min_window: Span) -> bool {
    lately::<N>(seen, min_window).is_some()
}
