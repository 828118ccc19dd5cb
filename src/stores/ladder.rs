//! The ladder in SQLite: which parts each step holds, which it lacks, and how they get there.

use super::columns;
use crate::model::{Epoch, Name, Part, Place, Scope, Snapshot};
use crate::store::{LADDER_TOPICS, Rung, StoreError};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Transaction, params};
use std::collections::{BTreeMap, HashMap};

/// What a step holds: enough to see what it still lacks.
#[derive(Debug, Clone)]
pub struct Held {
    pub taken: f64,
    pub places: BTreeMap<Place, Epoch>,
}

pub type Steps = BTreeMap<(Rung, u8), Held>;

/// What every target's steps hold. Whatever cannot be understood is taken as absent.
pub fn load(connection: &Connection) -> Result<HashMap<Name, Steps>, StoreError> {
    let mut targets: HashMap<Name, Steps> = HashMap::new();
    let mut query = connection.prepare("SELECT target, rung, nth, taken FROM step")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let target = Name::new(&row.get::<_, String>(0)?);
        let (rung, nth, taken) = (rung(row.get(1)?), row.get(2)?, row.get(3)?);
        if let (Some(rung), 0..=1) = (rung, nth) {
            targets.entry(target).or_default().insert((rung, nth), Held { taken, places: BTreeMap::new() });
        }
    }
    let mut query = connection.prepare("SELECT target, rung, nth, topic, scope, epoch FROM part")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let target: String = row.get(0)?;
        let epoch = row.get_ref(5)?.as_str().ok().and_then(|text| serde_json::from_str(text).ok());
        let held = rung(row.get(1)?)
            .and_then(|rung| Some((rung, row.get(2).ok()?)))
            .and_then(|step| targets.get_mut(target.as_str())?.get_mut(&step));
        if let (Some(held), Some(place), Some(epoch)) =
            (held, parse_place(row.get_ref(3)?, row.get_ref(4)?), epoch)
        {
            held.places.insert(place, epoch);
        }
    }
    Ok(targets)
}

pub type Wanted<'a> = (&'a Place, &'a Part, Vec<(Rung, u8)>);

/// What the younger step of each rung still lacks, or holds from before a reset: a first look at a server does
/// not see all of it, and a rung of thirty days would remember that for sixty.
pub fn lacking<'a>(steps: &mut Steps, snapshot: &'a Snapshot) -> Vec<Wanted<'a>> {
    let younger = |rung: Rung, steps: &Steps| {
        let of_rung = steps.iter().filter(|((of, _), _)| *of == rung);
        of_rung.max_by(|(_, a), (_, b)| a.taken.total_cmp(&b.taken)).map(|(step, _)| *step)
    };
    let newest: Vec<(Rung, u8)> = Rung::ALL.into_iter().filter_map(|rung| younger(rung, steps)).collect();
    let lasts = |(topic, _): &Place| LADDER_TOPICS.contains(&topic.name());
    let mut wanted = Vec::new();
    for (place, part) in snapshot.parts.iter().filter(|(place, _)| lasts(place)) {
        let mut into = Vec::new();
        for step in &newest {
            let Some(held) = steps.get_mut(step) else { continue };
            if held.places.get(place).is_none_or(|epoch| part.epoch.continues(epoch).is_err()) {
                held.places.insert(place.clone(), part.epoch.clone());
                into.push(*step);
            }
        }
        if !into.is_empty() {
            wanted.push((place, part, into));
        }
    }
    wanted
}

pub fn write(
    transaction: &Transaction<'_>,
    target: &Name,
    now: f64,
    begun: &[(Rung, u8)],
    parts: &[Wanted<'_>],
) -> Result<(), rusqlite::Error> {
    for (rung, nth) in begun {
        let step = params![target.as_str(), number(*rung), nth];
        transaction.execute("DELETE FROM part WHERE (target, rung, nth) = (?1, ?2, ?3)", step)?;
        let sql = "INSERT INTO step (target, rung, nth, taken) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (target, rung, nth) DO UPDATE SET taken = excluded.taken";
        transaction.execute(sql, params![target.as_str(), number(*rung), nth, now])?;
    }
    let sql = "INSERT INTO part (target, rung, nth, topic, scope, epoch, content) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (target, rung, nth, topic, scope)
               DO UPDATE SET epoch = excluded.epoch, content = excluded.content";
    let mut insert = transaction.prepare_cached(sql)?;
    for ((topic, scope), part, into) in parts {
        let content = match columns::encode(scope, part) {
            Ok(content) => content,
            Err(why) => {
                tracing::warn!(%target, %topic, %scope, %why, "cannot be kept for longer windows");
                continue;
            }
        };
        let epoch = serde_json::to_string(&part.epoch).unwrap_or_default();
        let scope = scope_text(scope);
        for (rung, nth) in into {
            insert.execute(params![
                target.as_str(),
                number(*rung),
                nth,
                topic.name(),
                scope,
                epoch,
                content
            ])?;
        }
    }
    Ok(())
}

/// A rung is stored as its length in hours.
pub fn number(rung: Rung) -> i64 {
    (rung.seconds() / 3_600.0) as i64
}

fn rung(hours: i64) -> Option<Rung> {
    Rung::ALL.into_iter().find(|rung| number(*rung) == hours)
}

pub fn scope_text(scope: &Scope) -> String {
    serde_json::to_string(scope).unwrap_or_default()
}

pub fn parse_scope(text: &str) -> Option<Scope> {
    serde_json::from_str(text).ok()
}

pub fn parse_place(topic: ValueRef<'_>, scope: ValueRef<'_>) -> Option<Place> {
    Some((topic.as_str().ok()?.parse().ok()?, parse_scope(scope.as_str().ok()?)?))
}
