//! What somebody did to the server, seen from what two readings show: indexes that came and went, settings that changed.

use crate::model::{InTopic, Index, Part, Rows, Sample, Setting, Snapshot, Topic};
use crate::verdict::{Deed, Trials};
use std::collections::HashMap;

/// Compares what was just read with what was known.
pub fn notice(trials: &mut Trials, known: &Snapshot, sample: &Sample) {
    for (topic, scope, part) in &sample.parts {
        let Some(old) = known.parts.get(&(*topic, scope.clone())) else { continue };
        if !old.complete || !part.complete {
            continue;
        }
        match topic {
            Topic::Indexes => indexes(trials, old, part),
            Topic::Settings => settings(trials, old, part),
            _ => {}
        }
    }
}

fn indexes(trials: &mut Trials, old: &Part, new: &Part) {
    let by_id = |rows: &'_ Rows| -> HashMap<i64, Index> {
        Index::of(rows)
            .iter()
            .filter(|index| index.is_valid)
            .map(|index| (index.oid, index.clone()))
            .collect()
    };
    let (before, after) = (by_id(&old.rows), by_id(&new.rows));
    let mut tell = |index: &Index, done: &str| {
        trials.note(Deed {
            after: old.taken.wall,
            before: new.taken.wall,
            database: index.database.clone(),
            table: Some(index.table.clone()),
            what: format!("index {} was {done}", index.full_name()),
        });
    };
    after.values().filter(|index| !before.contains_key(&index.oid)).for_each(|index| tell(index, "created"));
    before.values().filter(|index| !after.contains_key(&index.oid)).for_each(|index| tell(index, "dropped"));
}

fn settings(trials: &mut Trials, old: &Part, new: &Part) {
    let before: HashMap<&str, Option<&str>> =
        Setting::of(&old.rows).iter().map(|setting| (&*setting.setting, setting.value.as_deref())).collect();
    for setting in Setting::of(&new.rows) {
        let (Some(Some(was)), Some(is)) = (before.get(&*setting.setting), setting.value.as_deref()) else {
            continue;
        };
        if *was != is {
            trials.note(Deed {
                after: old.taken.wall,
                before: new.taken.wall,
                database: None,
                table: None,
                what: format!("{} was changed from {was} to {is}", setting.setting),
            });
        }
    }
}
