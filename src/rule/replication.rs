//! What pages about standbys share: over which time they look, and how they name a source.

use super::Seen;
use crate::config::Span;
use crate::model::{Name, ReplicationReceiver, Stretch};

/// Stretches that cover at least so much.
pub fn long_enough<'a>(
    seen: &Seen<'a>,
    min_window: Span,
) -> impl Iterator<Item = (&'a Stretch, &'a [ReplicationReceiver])> {
    let min = min_window.get().as_secs_f64();
    let stretches = seen.windows().flat_map(|window| window.stretches_of::<ReplicationReceiver>());
    stretches.map(|(_, stretch, rows)| (stretch, rows)).filter(move |(stretch, _)| stretch.seconds >= min)
}

/// The shortest of them: what was mended before is not held against anybody.
pub fn shortest<'a>(seen: &Seen<'a>, min_window: Span) -> Option<(&'a Stretch, &'a [ReplicationReceiver])> {
    long_enough(seen, min_window).min_by(|(a, _), (b, _)| a.seconds.total_cmp(&b.seconds))
}

/// By the name of its channel, else by its host.
pub fn source_of(row: &ReplicationReceiver) -> Name {
    row.channel.clone().or_else(|| row.sender.clone()).unwrap_or_else(|| Name::new("its source"))
}
