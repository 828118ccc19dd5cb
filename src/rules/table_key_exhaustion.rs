use crate::model::{Column, Confidence, Finding, Fix, Flavour, InTopic, Name, Scope, Sequence, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script::{self, mysql};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;

/// # Key that is nearly used up
///
/// A column that numbers its rows has given out most of the numbers that its type, or the sequence behind it, can
/// hold.
///
/// ## Why it hurts
///
/// After the last number every insert into the table fails. The way out then is a rewrite of the whole table while
/// nobody can write to it, and this at a moment that nobody chose.
///
/// ## What to do
///
/// Make the column a `bigint` while there is time: at once where a short stop is possible, or with a second column
/// that is filled bit by bit and then takes the place of the first. Columns of other tables that refer to it are as
/// narrow: widen those before.
///
/// ## When this page is wrong
///
/// When the numbers were once set high by hand, and what is left lasts for ever: then the sentence says for how long.
/// Sequences that begin again at their end are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TableKeyExhaustion {
    /// Share used that makes a warning. Calibrated by us: to widen the key of a big table without a stop is a project
    /// of weeks.
    warn_ratio: f64,
    /// Share used that makes it urgent; PgHero names them from there on.
    urgent_ratio: f64,
}

impl Default for TableKeyExhaustion {
    fn default() -> Self {
        Self { warn_ratio: 0.75, urgent_ratio: 0.9 }
    }
}

impl Rule for TableKeyExhaustion {
    const ID: &'static str = "table-key-exhaustion";
    const NEEDS: &'static [Topic] = &[Topic::Sequences, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = &[Topic::Sequences];

    fn span(&self) -> Duration {
        // A day has its busy hours and its quiet ones.
        Duration::from_secs(86_400)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let ends = |key: &Key<'_>| !key.sequence.cycles;
        let nearly_used_up = |key: &Key<'_>| key.used >= self.warn_ratio;

        keys(seen).filter(ends).filter(nearly_used_up).map(|key| self.finding(&key, seen).into())
    }
}

/// A sequence with the column that it numbers, if there is one.
struct Key<'a> {
    sequence: &'a Sequence,
    column: Option<&'a Column>,
    /// The last number that both can hold.
    limit: f64,
    /// Share of all numbers up to there.
    used: f64,
    left: f64,
}

fn keys<'a>(seen: &Seen<'a>) -> impl Iterator<Item = Key<'a>> {
    seen.now.parts_of(Topic::Sequences).flat_map(|(scope, part)| {
        let columns = columns(scope, seen);
        let keys = Sequence::of(&part.rows).iter().filter_map(move |sequence| {
            let place = sequence.table_oid.zip(sequence.column_number);
            Key::of(sequence, place.and_then(|place| columns.get(&place).copied()))
        });
        keys.collect::<Vec<_>>()
    })
}

fn columns<'a>(scope: &Scope, seen: &Seen<'a>) -> HashMap<(i64, i64), &'a Column> {
    let part = seen.now.parts.get(&(Topic::Columns, scope.clone()));
    let columns = part.map_or(&[][..], |part| Column::of(&part.rows));
    columns.iter().map(|column| ((column.table_oid, column.position), column)).collect()
}

impl<'a> Key<'a> {
    fn of(sequence: &'a Sequence, column: Option<&'a Column>) -> Option<Key<'a>> {
        let used_ratio = sequence.used_ratio?.float();
        if sequence.increment < 0 {
            let left = (1.0 - used_ratio) * range(sequence);
            return Some(Key { sequence, column: None, limit: sequence.lowest as f64, used: used_ratio, left });
        }
        let highest = sequence.highest as f64;
        // A sequence is often wider than its column.
        let limit = column.and_then(|column| most(&column.data_type)).map_or(highest, |most| most.min(highest));
        let last = sequence.last_value? as f64;
        let lowest = sequence.lowest as f64;
        Some(Key { sequence, column, limit, used: (last - lowest) / (limit - lowest), left: (limit - last).max(0.0) })
    }

    /// As an operator would name it.
    fn name(&self) -> String {
        if let Some(column) = &self.sequence.column {
            return format!("{}.{}.{column}", self.sequence.schema, self.sequence.sequence);
        }
        match self.column {
            Some(Column { schema, table, column, .. }) => format!("{schema}.{table}.{column}"),
            None => format!("{}.{}", self.sequence.schema, self.sequence.sequence),
        }
    }

    /// Is it the column that has no more room, not only the sequence?
    fn is_narrow(&self) -> bool {
        if self.sequence.column.is_some() {
            return mysql::widened(&self.sequence.data_type).is_some();
        }
        self.column.and_then(|column| most(&column.data_type)).is_some_and(|most| self.limit >= most)
    }
}

fn range(sequence: &Sequence) -> f64 {
    sequence.highest as f64 - sequence.lowest as f64
}

/// The highest number of a type that can be widened.
fn most(data_type: &str) -> Option<f64> {
    match data_type {
        "smallint" => Some(f64::from(i16::MAX)),
        "integer" => Some(f64::from(i32::MAX)),
        _ => None,
    }
}

/// Numbers given out in a second, over the longest time that we know of it.
fn speed(sequence: &Sequence, seen: &Seen<'_>) -> Option<f64> {
    seen.windows().flat_map(|window| window.stretches_of::<Sequence>()).find_map(|(_, stretch, rows)| {
        let row = rows.iter().find(|row| row.oid == sequence.oid && row.sequence == sequence.sequence)?;
        let used = row.used_ratio?;
        let given_out = (used.last.get() - used.min.get()) * range(sequence);
        (stretch.seconds >= 60.0 && given_out > 0.0).then(|| given_out / stretch.seconds)
    })
}

impl TableKeyExhaustion {
    fn finding(&self, key: &Key<'_>, seen: &Seen<'_>) -> Finding {
        let per_day = speed(key.sequence, seen).map(|speed| speed * 86_400.0);
        let until = per_day.map_or(String::new(), |per_day| {
            let seconds = key.left / per_day * 86_400.0;
            format!(", which at {} a day is in {}", script::count(per_day.max(1.0)), script::duration(seconds))
        });
        let kind = key.column.map_or(&key.sequence.data_type, |column| &column.data_type);
        Finding {
            rule: Name::new(Self::ID),
            severity: if key.used >= self.urgent_ratio { Severity::Urgent } else { Severity::Warning },
            database: key.sequence.database.clone(),
            subject: key.name(),
            because: format!(
                "{} ({kind}) has used {:.1} % of its numbers; inserts fail after {} more{until}",
                key.name(),
                key.used * 100.0,
                script::count(key.left),
            ),
            evidence: evidence([
                ("used_ratio", json!(key.used)),
                ("last_value", json!(key.sequence.last_value)),
                ("limit", json!(key.limit)),
                ("left", json!(key.left)),
                ("per_day", json!(per_day.map(f64::round))),
                ("data_type", json!(kind.as_str())),
                ("sequence", json!(format!("{}.{}", key.sequence.schema, key.sequence.sequence))),
            ]),
            advice: match (key.is_narrow(), seen.flavour) {
                (true, _) => "Make it a bigint before the numbers end; first the columns that refer to it.",
                (false, Flavour::Postgres) => {
                    "Let the sequence go on to the end of its type; find out what ended it here."
                }
                (false, _) => "Find out what uses up the numbers; no type of whole numbers is wider.",
            }
            .into(),
            fix: if seen.flavour == Flavour::Postgres { fix(key) } else { widen(key.sequence) },
            confidence: Confidence::Measured,
        }
    }
}

/// In MySQL and MariaDB, where the column itself counts. None where there is no wider type.
fn widen(sequence: &Sequence) -> Option<Fix> {
    let Sequence { schema, sequence: table, data_type, .. } = sequence;
    let column = mysql::identifier(sequence.column.as_deref()?);
    let wide = mysql::widened(data_type)?;
    let to = |data_type: &str| {
        mysql::alter_copying(schema, table, &format!("MODIFY COLUMN {column} {data_type} NOT NULL AUTO_INCREMENT"))
    };
    Some(Fix {
        sql: vec![mysql::patience(2), to(&wide)],
        rollback: vec![to(data_type)],
        lock: "a shared metadata lock on the table".into(),
        blocks: "writers of the table, until all of it and its indexes are written anew; readers only at the end, for a moment"
            .into(),
        transactional: false,
        caution: "Writes the whole table anew and needs room for a second copy; replicas do the same after it. Where nobody \
                  can wait so long, use a tool that changes a copy online. The server refuses it while foreign keys refer to \
                  the column: widen those columns in the same window. If the column has a comment, say it again. The way \
                  back fails once a number is too high for it."
            .into(),
    })
}

/// None where there is no wider type.
fn fix(key: &Key<'_>) -> Option<Fix> {
    let Sequence { schema, sequence, data_type, .. } = key.sequence;
    let sequence = format!("ALTER SEQUENCE {}", script::qualified(schema, sequence));
    let column = key.column.filter(|_| key.is_narrow()).map(|column| {
        let table = script::qualified(&column.schema, &column.table);
        let alter = format!("ALTER TABLE {table} ALTER COLUMN {} TYPE", script::identifier(&column.column));
        [format!("{alter} bigint;"), format!("{alter} {};", column.data_type)]
    });
    let rewrites = column.is_some();
    let [widen, narrow] = column.map_or([None, None], |both| both.map(Some));
    let goes_on = (&**data_type != "bigint").then(|| format!("{sequence} AS bigint;"));
    let back = goes_on.is_some().then(|| format!("{sequence} AS {data_type};"));
    let sql: Vec<String> = widen.into_iter().chain(goes_on).collect();
    (!sql.is_empty()).then(|| Fix {
        sql: [script::patience(2)].into_iter().chain(sql).collect(),
        rollback: back.into_iter().chain(narrow).collect(),
        lock: if rewrites { "ACCESS EXCLUSIVE on the table" } else { "SHARE ROW EXCLUSIVE on the sequence" }.into(),
        blocks: if rewrites {
            "readers and writers of the table, until all of it and its indexes are written anew"
        } else {
            "who wants the next number, for a moment"
        }
        .into(),
        transactional: true,
        caution: if rewrites {
            "Writes the whole table anew and needs room for a second copy. Where nobody can wait so long, fill a new \
             column bit by bit instead. The way back fails once a number is too high for it."
        } else {
            "The way back fails once a number is too high for it."
        }
        .into(),
    })
}
