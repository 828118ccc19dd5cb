use crate::model::{Flavour, Confidence, Database, Finding, Fix, Level, Name, Severity, Table, Topic, Unit, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Table near transaction id wraparound
///
/// A table has not been frozen for so long that the server's supply of transaction ids is running out.
///
/// ## Why it hurts
///
/// Ids are numbers of 32 bits. Some two thousand million after a row was written its transaction would seem to
/// lie in the future, so before that the server refuses every write, and only a vacuum brings it back.
///
/// ## What to do
///
/// Find out why autovacuum does not freeze it: an old transaction, a forgotten replication slot or prepared
/// transaction holds it back, it is cancelled again and again by schema changes, or it is too slow for the table.
/// Remove the cause, then freeze the table at a quiet hour. A temporary table is beyond the reach of vacuum: end the
/// session that has kept it so long, or drop what a crash has left behind.
///
/// ## When this page is wrong
///
/// Never for long. A server whose `autovacuum_freeze_max_age` was raised on purpose may live above `warn_age`;
/// raise that as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TableWraparound {
    /// Age in transactions that makes a warning. Autovacuum should have come at 200 million; at four times that it
    /// has failed.
    warn_age: u64,
    /// Age that makes it urgent: the server stops at 2,145 million and itself begins to warn at 2,107 million.
    urgent_age: u64,
    /// Tables named at most, oldest first: one database has one horizon.
    max_tables: usize,
}

/// The server refuses to give out ids three million before the end of their circle.
const STOPS_AT: f64 = 2_144_483_647.0;

impl Default for TableWraparound {
    fn default() -> Self {
        Self { warn_age: 800_000_000, urgent_age: 1_600_000_000, max_tables: 5 }
    }
}

impl Rule for TableWraparound {
    const ID: &'static str = "table-wraparound";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Tables];
    const LOOKS_BACK_AT: &'static [Topic] = &[Topic::Databases];

    fn span(&self) -> Duration {
        // Long enough to even out a batch job, short enough to speak of the present.
        Duration::from_secs(600)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let old = |table: &&Table| age(table) >= self.warn_age as f64;

        let mut tables: Vec<&Table> = seen.now.rows::<Table>().filter(old).collect();
        tables.sort_by(|a, b| age(b).total_cmp(&age(a)));
        tables.into_iter().take(self.max_tables).map(|table| self.finding(table, seen).into())
    }
}

fn level<U: Unit>(level: Option<Level<U>>) -> f64 {
    level.map_or(0.0, |level| level.float())
}

/// Of the table or its TOAST table, by transaction or multixact ids: whichever is nearest to the end.
fn age(table: &Table) -> f64 {
    let ages = [table.xid_age, table.mxid_age, table.toast_xid_age, table.toast_mxid_age];
    ages.into_iter().map(level).fold(0.0, f64::max)
}

/// Multixact ids have a circle and a speed of their own.
fn is_by_multixacts(table: &Table) -> bool {
    let age = age(table);
    level(table.xid_age) < age && level(table.toast_xid_age) < age
}

/// Ids that the database uses up in a second: the most that any stretch of a minute or more shows. A freeze within
/// a stretch hides some of it, never adds to it.
fn burn_rate(database: &str, by_multixacts: bool, seen: &Seen<'_>) -> Option<f64> {
    let stretches = seen.windows().flat_map(|window| window.stretches_of::<Database>());
    let rates = stretches.filter(|(_, stretch, _)| stretch.seconds >= 60.0).filter_map(|(_, stretch, rows)| {
        let row = rows.iter().find(|row| &*row.database == database)?;
        let age = if by_multixacts { row.mxid_age } else { row.xid_age }?;
        let used = age.max.float() - age.min.float();
        (age.last == age.max && used > 0.0).then_some(used / stretch.seconds)
    });
    rates.max_by(f64::total_cmp)
}

impl TableWraparound {
    fn finding(&self, table: &Table, seen: &Seen<'_>) -> Finding {
        let age = age(table);
        let name = format!("{}.{}", table.schema, table.table);
        let database = table.database.clone();
        let left = (STOPS_AT - age).max(0.0);
        let by_multixacts = is_by_multixacts(table);
        let rate = database.as_deref().and_then(|database| burn_rate(database, by_multixacts, seen));
        let when = rate.map_or(String::new(), |rate| {
            format!(", which at up to {} a second is in {}", script::count(rate.max(1.0)), script::duration(left / rate))
        });
        let size = level(table.size_bytes) + level(table.toast_size_bytes);
        Finding {
            rule: Name::new(Self::ID),
            severity: if age >= self.urgent_age as f64 { Severity::Urgent } else { Severity::Warning },
            database,
            subject: name.clone(),
            because: format!(
                "table {name} ({}) holds ids {} transactions old; writes stop after {} more{when}",
                script::bytes(size),
                script::count(age),
                script::count(left),
            ),
            evidence: evidence([
                ("age_transactions", json!(age)),
                ("left_transactions", json!(left)),
                ("burned_per_second", json!(rate)),
                ("size_bytes", json!(size)),
                ("last_autovacuum_unix_seconds", json!(table.last_autovacuum.map(|at| at.get().round()))),
            ]),
            advice: if is_temporary(table) {
                "No vacuum reaches it: end the session that keeps it, or drop it if a crash has left it behind.".into()
            } else {
                "Remove what holds vacuum back, then freeze the table at a quiet hour.".into()
            },
            fix: Some(if is_temporary(table) { dropped(table) } else { frozen(table) }),
            confidence: Confidence::Measured,
        }
    }
}

fn is_temporary(table: &Table) -> bool {
    &*table.persistence == "t"
}

fn frozen(table: &Table) -> Fix {
    Fix {
        sql: vec![
            script::patience(2),
            format!("VACUUM (FREEZE, VERBOSE) {};", script::qualified(&table.schema, &table.table)),
        ],
        rollback: Vec::new(),
        lock: "SHARE UPDATE EXCLUSIVE on the table".into(),
        blocks: "other schema changes of this table; no reads, no writes".into(),
        transactional: false,
        caution: "Reads and may rewrite the whole table; there is nothing to take back.".into(),
    }
}

/// Only its own session can freeze a temporary table, so all that others can do is to look who that may be.
fn dropped(table: &Table) -> Fix {
    Fix {
        sql: vec![
            "SELECT pid, usename, backend_start, state FROM pg_stat_activity WHERE datname = current_database() \
             ORDER BY backend_start;"
                .into(),
            script::patience(2),
            format!("DROP TABLE {};", script::qualified(&table.schema, &table.table)),
        ],
        rollback: Vec::new(),
        lock: "ACCESS EXCLUSIVE on the table".into(),
        blocks: "the session that uses it, if there is one".into(),
        transactional: true,
        caution: "Run the last line only if none of these sessions has been there all the while: it would lose its \
                  table in mid-work. What a crash has left, autovacuum drops as well when it comes by."
            .into(),
    }
}
