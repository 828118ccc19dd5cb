//! What pages about indexes share: how long each was watched, and what nobody would miss.

use super::Seen;
use crate::model::{InTopic, Index, Name, Scope, Stretch, Topic};
use std::collections::BTreeMap;

/// An index together with the stretch of time that we know of it.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    pub database: &'a Name,
    pub stretch: &'a Stretch,
    pub index: &'a Index,
    /// Told by the server's own counters, not by watching: the index may be younger than they are.
    pub by_hearsay: bool,
}

/// Every index that matters with the longest stretch that covers it. The server's own memory counts only where ours
/// is too short and saw no scan either. Of a standby none: who reads an index on the primary is not seen from there, and
/// where nobody asks a standby anything, it reads none of them.
pub fn watched<'a>(seen: &Seen<'a>, min_seconds: f64, matters: impl Fn(&Index) -> bool) -> Vec<Watched<'a>> {
    if seen.is_standby() {
        return Vec::new();
    }
    let own = seen.ladder.iter().chain([seen.latest]).map(|window| (window, false));
    let mut longest = BTreeMap::new();
    for (window, by_hearsay) in own.chain(seen.since_reset.map(|window| (window, true))) {
        for (scope, stretch, indexes) in window.stretches_of::<Index>() {
            let Scope::Database(database) = scope else { continue };
            // A row that began to count within the stretch is an index younger than it.
            let lived = indexes.iter().zip(stretch.fresh.iter()).filter(|(_, fresh)| by_hearsay || !**fresh);
            for (index, _) in lived.filter(|(index, _)| matters(index)) {
                let key = (database, index.oid);
                let candidate = Watched { database, stretch, index, by_hearsay };
                let known = longest.entry(key).or_insert(candidate);
                let ours_says_nothing =
                    known.stretch.seconds < min_seconds && known.index.uses() == Some(0.0);
                let better = known.by_hearsay == by_hearsay || ours_says_nothing;
                if known.stretch.seconds < stretch.seconds && better {
                    *known = candidate;
                }
            }
        }
    }
    longest.into_values().collect()
}

/// The indexes of each table that can be compared, where there are several.
pub fn of_each_table<'a>(seen: &Seen<'a>) -> impl Iterator<Item = Vec<&'a Index>> {
    seen.now.parts_of(Topic::Indexes).flat_map(|(_, part)| {
        let comparable = Index::of(&part.rows).iter().filter(|index| index.is_comparable());
        let mut all: Vec<&Index> = comparable.collect();
        // The keys lie beside each other, the indexes do not.
        all.sort_by_cached_key(|index| index.table_oid);
        let tables = all.chunk_by(|a, b| a.table_oid == b.table_oid).filter(|of_table| of_table.len() > 1);
        tables.map(<[_]>::to_vec).collect::<Vec<_>>()
    })
}

/// Is `longer` the other index with columns of the primary key behind it? InnoDB puts them there anyway, so both are the same;
/// of the servers that we know only its indexes have them among what they carry along. The longer one is what can go.
pub fn is_appended_to(longer: &Index, index: &Index, of_table: &[&Index]) -> bool {
    let are_plain = |primary: &&&Index| {
        let mut parts = primary.operator_classes.split(' ').chain(primary.column_options.split(' '));
        primary.is_primary && parts.all(|part| part == "0")
    };
    let keys = |index: &Index| index.searched_columns().len();
    let as_it_was = |of: fn(&Index) -> &str| {
        let (mut long, mut short) = (of(longer).split(' '), of(index).split(' '));
        short.by_ref().take(keys(index)).all(|part| long.next() == Some(part))
            && long.take(keys(longer) - keys(index)).all(|part| part == "0")
    };
    keys(longer) > keys(index)
        && longer.columns == index.columns
        && as_it_was(|index| &index.operator_classes)
        && as_it_was(|index| &index.column_options)
        && [longer, index].iter().all(|index| &*index.access_method == "btree" && !index.has_expressions)
        && is_seen(index)
        // Of a primary key of parts, or one that descends, something else is carried along.
        && of_table.iter().any(|primary| are_plain(&primary))
        && !longer.is_unique
        && !longer.is_bound()
}

/// Is it used by queries? One that is hidden from them stands in for no other.
pub fn is_seen(index: &Index) -> bool {
    index.is_visible != Some(false)
}

/// Could it be dropped, if nobody read it?
pub fn is_droppable(index: &Index) -> bool {
    enforces_nothing(index) && stands_alone(index)
}

fn enforces_nothing(index: &Index) -> bool {
    !(index.is_unique
        || index.is_primary
        || index.is_exclusion
        || index.backs_constraint
        || index.backs_foreign_key
        || index.is_replica_identity
        || index.is_clustered)
}

/// Has data, and is nobody's partition.
fn stands_alone(index: &Index) -> bool {
    index.is_valid && &*index.kind == "i" && index.parent_oid.is_none() && &*index.persistence != "t"
}
