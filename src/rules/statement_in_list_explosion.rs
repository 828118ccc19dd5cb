use crate::config::Span;
use crate::model::{Flavour, Finding, Name, Severity, Statement, Table, Topic};
use crate::rule::statement::{self, Ran};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use crate::sql::shape;
use crate::workload::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// # Statement with lists of every length
///
/// The server keeps one statement many times over, because its list of values has another length each time.
///
/// ## Why it hurts
///
/// Each length is another statement to pg_stat_statements: it fills the table that has room for five thousand, pushes others
/// out, and its cost is spread over entries that nobody adds up. A prepared statement is of no use, and long lists are planned
/// anew each time.
///
/// ## What to do
///
/// Send the values as one array: `= ANY ($1)`. That is one statement for every length, and it can be prepared.
///
/// ## When this page is wrong
///
/// PostgreSQL 18 counts all lengths as one; what is left of the trouble there is the planning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementInListExplosion {
    /// Entries that it has. Calibrated by us: a hundredth of the five thousand that the server keeps by itself.
    min_entries: usize,
    /// For how long statements must have been watched. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementInListExplosion {
    fn default() -> Self {
        Self { min_entries: 50, min_window: Span::secs(300) }
    }
}

impl Rule for StatementInListExplosion {
    const ID: &'static str = "statement-in-list-explosion";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables];
    const LOOKS_BACK_AT: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        statement::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let mut entries: HashMap<Key, HashSet<i64>> = HashMap::new();
        for row in seen.now.rows::<Statement>() {
            let (Some(digest), Some(database), Some(id)) = (row.digest, &row.database, row.server_digest) else { continue };
            entries.entry(Key { digest, database: database.clone() }).or_default().insert(id);
        }
        entries.retain(|_, ids| ids.len() >= self.min_entries);
        let many = statement::all_queries(seen, self.min_window, |key, _, _| entries.contains_key(key), |cost| cost.calls);
        let found: Vec<Word> = many
            .into_iter()
            .filter(|ran| has_list(ran.text) && names_one_table_each(seen, ran))
            .take(statement::MAX_NAMED)
            .map(|ran| finding(&ran, entries.get(&ran.key).map_or(0, HashSet::len)).into())
            .collect();
        found.into_iter()
    }
}

fn has_list(text: &str) -> bool {
    text.contains(" in (?)")
}

/// The same words in another schema are another statement too, and then the list need not be the cause.
fn names_one_table_each(seen: &Seen<'_>, ran: &Ran<'_>) -> bool {
    let read = shape::read(seen.flavour.dialect(), ran.text);
    let schemas = |name: &str| {
        let tables = seen.now.rows::<Table>().filter(|table| table.database.as_ref() == Some(&ran.key.database));
        tables.filter(|table| &*table.table == name).map(|table| &table.schema).collect::<HashSet<&Name>>().len()
    };
    read.tables.iter().all(|table| table.schema.is_some() || schemas(&table.name) == 1)
}

fn finding(ran: &Ran<'_>, entries: usize) -> Finding {
    ran.finding(
        StatementInListExplosion::ID,
        Severity::Note,
        format!(
            "{} stands {} times in pg_stat_statements, once for each length of its list",
            ran.name(),
            script::count(entries as f64),
        ),
        [("entries", json!(entries)), ("mean_seconds", json!(ran.cost.mean_seconds()))],
        "Send the values as one array, with = ANY ($1). That is a change in the client, so there is no script.".into(),
        None,
    )
}
