//! Levels by the hour, for forecasts: how full, how old, how many, over more than a year.

use super::ladder::{parse_scope, scope_text};
use crate::model::{InTopic, Kind, Name, Row, Rows, Scope, Snapshot, Topic, TopicVisitor};
use crate::store::{Hourly, LEVEL_TOPICS};
use rusqlite::{Connection, OptionalExtension, Result, Transaction, params};
use std::collections::HashMap;

/// A year and the month to compare it with. Counted in rows, not in time: a clock that jumps deletes nothing.
const MAX_HOURS: i64 = 400 * 24;
/// Of one topic in one scope, those that matter most.
const MAX_ROWS: usize = 50;
/// Of all targets: at twenty bytes an hour they fill less than half of the file.
const MAX_SERIES: i64 = 1_000;

/// What has been written already.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    last_hour: HashMap<Name, i64>,
    series: i64,
}

/// One level on its way to the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Fresh {
    topic: Topic,
    scope: Scope,
    key: String,
    field: &'static str,
    value: f64,
}

impl Levels {
    pub fn open(connection: &Connection) -> Result<Self> {
        let series = connection.query_row("SELECT count(*) FROM series", [], |row| row.get(0))?;
        Ok(Self { last_hour: HashMap::new(), series })
    }

    /// Nothing more than once an hour.
    pub fn due(&self, target: &Name, now: f64, snapshot: &Snapshot) -> Vec<Fresh> {
        if self.last_hour.get(target) == Some(&hour(now)) {
            return Vec::new();
        }
        let parts = snapshot.parts.iter().filter(|((topic, _), _)| LEVEL_TOPICS.contains(&topic.name()));
        parts.flat_map(|((topic, scope), part)| topic.visit(Picking { scope, rows: &part.rows })).collect()
    }

    pub fn write(
        &self,
        transaction: &Transaction<'_>,
        target: &Name,
        now: f64,
        fresh: &[Fresh],
    ) -> Result<Self> {
        let mut after = self.clone();
        after.last_hour.insert(target.clone(), hour(now));
        let mut find = transaction.prepare_cached(
            "SELECT id FROM series WHERE (target, topic, scope, key, field) = (?1, ?2, ?3, ?4, ?5)",
        )?;
        let mut add = transaction.prepare_cached(
            "INSERT INTO series (target, topic, scope, key, field) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        // The first word of an hour stays, also when a restart says another.
        let mut insert = transaction.prepare_cached(
            "INSERT INTO level (series, hour, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?;
        let mut trim = transaction.prepare_cached(
            "DELETE FROM level WHERE series = ?1 AND hour <=
                 (SELECT hour FROM level WHERE series = ?1 ORDER BY hour DESC LIMIT 1 OFFSET ?2)",
        )?;
        for level in fresh {
            let scope = scope_text(&level.scope);
            let series = params![target.as_str(), level.topic.name(), scope, level.key, level.field];
            let id: i64 = match find.query_row(series, |row| row.get(0)).optional()? {
                Some(id) => id,
                None if after.series >= MAX_SERIES => continue,
                None => {
                    after.series += 1;
                    add.insert(series)?
                }
            };
            insert.execute(params![id, hour(now), level.value])?;
            trim.execute(params![id, MAX_HOURS])?;
        }
        Ok(after)
    }

    /// Oldest first for each series.
    pub fn read(connection: &Connection, target: &Name, topic: Topic) -> Result<Vec<Hourly>> {
        let mut query = connection.prepare_cached(
            "SELECT scope, key, field, hour, value FROM series JOIN level ON level.series = series.id
             WHERE target = ?1 AND topic = ?2 ORDER BY series.id, hour",
        )?;
        let rows = query.query_map([target.as_str(), topic.name()], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?;
        let mut levels = Vec::new();
        for row in rows {
            let (scope, key, field, hour, value) = row?;
            levels.extend(parse_scope(&scope).map(|scope| Hourly { scope, key, field, hour, value }));
        }
        Ok(levels)
    }
}

fn hour(wall: f64) -> i64 {
    (wall / 3_600.0).floor() as i64
}

struct Picking<'a> {
    scope: &'a Scope,
    rows: &'a Rows,
}

impl TopicVisitor for Picking<'_> {
    type Out = Vec<Fresh>;

    fn visit<N: InTopic>(self) -> Vec<Fresh> {
        let mut rows: Vec<&N> = N::of(self.rows).iter().collect();
        rows.sort_unstable_by(|a, b| b.weight().total_cmp(&a.weight()));
        let mut picked = Vec::new();
        for row in rows.into_iter().take(MAX_ROWS) {
            let key = key(row);
            for (nth, metric) in
                N::METRICS.iter().enumerate().filter(|(_, metric)| metric.kind == Kind::Gauge)
            {
                picked.extend(row.fact(nth).map(|value| Fresh {
                    topic: N::IN,
                    scope: self.scope.clone(),
                    key: key.clone(),
                    field: metric.field,
                    value,
                }));
            }
        }
        picked
    }
}

fn key(row: &dyn Row) -> String {
    let mut key = Vec::new();
    row.labels(&mut |name, value| key.push(format!("{name}={value}")));
    key.join(",")
}
