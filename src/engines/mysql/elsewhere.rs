//! Tables that InnoDB does not keep, told beside those that it keeps. Their engines are asked for seldom; where the
//! server would open a table for it, only of tables that are open anyway.

use super::answer::Named;
use super::link::Link;
use crate::engine::layout::Read;
use crate::engine::reading::Failure;
use crate::model::{InTopic, Name, Noun, Rows, Scope, Table, Topic};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

/// Tables change their engine seldom, and one that is new we see at once where the server counts its use.
const ALL_EVERY: Duration = Duration::from_secs(900);
/// Tables asked about at one stop where the server has no dictionary: ~0.05 ms each.
const TABLES_AT_ONCE: usize = 50;

/// What is known of each schema.
#[derive(Debug, Default)]
pub struct Elsewhere {
    schemas: HashMap<Name, Known>,
    /// Of how many tables nothing is known in the schema we are in, and why.
    pub lack: Option<String>,
}

#[derive(Debug, Default)]
struct Known {
    /// None for what is no table of another engine: a view, or one that we are not shown.
    tables: BTreeMap<String, (Option<Table>, Instant)>,
    /// Every name in the schema, where the server has no dictionary.
    names: HashSet<String>,
    asked: Option<Instant>,
}

impl Elsewhere {
    /// Is it known that this is none, but a view, or nothing that we are shown?
    pub fn is_no_table(&self, schema: &Name, name: &str) -> bool {
        let known = self.schemas.get(schema).and_then(|known| known.tables.get(name));
        matches!(known, Some((None, _)))
    }
}

impl Known {
    fn is_due(&self) -> bool {
        self.asked.is_none_or(|asked| asked.elapsed() >= ALL_EVERY)
    }

    /// Takes what was said of these, and of those of which nothing was said that they are nothing for us.
    fn learn(&mut self, asked_for: impl Iterator<Item = String>, found: &[Table]) {
        let now = Instant::now();
        self.tables.extend(asked_for.map(|name| (name, (None, now))));
        self.tables.extend(found.iter().map(|table| (table.table.to_string(), (Some(table.clone()), now))));
    }
}

/// Reads the tables of a schema: those of InnoDB by its statistics, then the others.
pub async fn read(
    link: &mut Link,
    file: &'static str,
    scope: &Scope,
    schema: &Name,
) -> Result<Read, Failure> {
    let mut read = link.read_in(Topic::Tables, file, scope).await?;
    let ours: HashSet<Name> = Table::of(&read.rows).iter().map(|table| table.table.clone()).collect();
    let lack = if link.has_dictionary() {
        by_dictionary(link, scope, schema, &ours).await?
    } else {
        by_what_is_open(link, scope, schema, &ours).await?
    };
    link.elsewhere.lack = lack;
    let known = link.elsewhere.schemas.get(schema).into_iter().flat_map(|known| &known.tables);
    let others = known.filter(|(name, _)| !ours.contains(name.as_str()));
    if let Rows::Tables(rows) = &mut read.rows {
        rows.extend(others.filter_map(|(_, (table, _))| table.clone()));
        rows.sort_unstable_by_key(Noun::key);
    }
    Ok(read)
}

async fn by_dictionary(
    link: &mut Link,
    scope: &Scope,
    schema: &Name,
    ours: &HashSet<Name>,
) -> Result<Option<String>, Failure> {
    let strange = strange(link, ours);
    let known = link.elsewhere.schemas.entry(schema.clone()).or_default();
    if known.is_due() || strange.iter().any(|name| !known.tables.contains_key(name)) {
        let read = link.read_in(Topic::Tables, "other_tables", scope).await?;
        let known = link.elsewhere.schemas.entry(schema.clone()).or_default();
        known.tables.clear();
        known.learn(strange.iter().cloned(), Table::of(&read.rows));
        known.asked = Some(Instant::now());
    }
    let Some(known) = link.elsewhere.schemas.get(schema) else { return Ok(None) };
    let unknown =
        strange.iter().filter(|name| matches!(known.tables.get(*name), None | Some((None, _)))).count();
    let why = "they have no persistent statistics of InnoDB, or this login is not shown them";
    Ok((unknown > 0).then(|| format!("neither engine nor size of {unknown} tables is known: {why}")))
}

/// Tables that the server counts the use of, and that are not InnoDB's.
fn strange(link: &Link, ours: &HashSet<Name>) -> Vec<String> {
    link.survey.used_tables().filter(|name| !ours.contains(*name)).map(str::to_owned).collect()
}

async fn by_what_is_open(
    link: &mut Link,
    scope: &Scope,
    schema: &Name,
    ours: &HashSet<Name>,
) -> Result<Option<String>, Failure> {
    if link.elsewhere.schemas.entry(schema.clone()).or_default().is_due() {
        let mut rows: Vec<Named> = Vec::new();
        link.run_in(&mut rows, "table_names", scope).await?;
        let names: HashSet<String> =
            rows.iter().filter_map(|row| Some(row.text("name")?.to_owned())).collect();
        let known = link.elsewhere.schemas.entry(schema.clone()).or_default();
        known.tables.retain(|name, _| names.contains(name));
        (known.names, known.asked) = (names, Some(Instant::now()));
    }
    let open = link.open_tables(schema).await?;
    let Some(known) = link.elsewhere.schemas.get(schema) else { return Ok(None) };
    // What is no table of theirs is looked at again only when all are: it may have become one.
    let is_due = |name: &String| {
        let age = known.tables.get(name).map(|(table, asked)| (table.is_some(), asked.elapsed()));
        !ours.contains(name.as_str()) && age.is_none_or(|(is_table, age)| is_table || age >= ALL_EVERY)
    };
    let mut due: Vec<String> = open.into_iter().filter(is_due).collect();
    due.sort_by_key(|name| known.tables.get(name).map(|(_, asked)| *asked));
    due.truncate(TABLES_AT_ONCE);
    if !due.is_empty() {
        let read = link.read_of(Topic::Tables, "other_tables", scope, Some(&due)).await?;
        let known = link.elsewhere.schemas.entry(schema.clone()).or_default();
        known.learn(due.into_iter(), Table::of(&read.rows));
    }
    let Some(known) = link.elsewhere.schemas.get(schema) else { return Ok(None) };
    let is_unknown = |name: &&String| !ours.contains(name.as_str()) && !known.tables.contains_key(*name);
    let used = strange(link, ours);
    let unknown: HashSet<&String> = known.names.iter().chain(&used).filter(is_unknown).collect();
    let unknown = unknown.len();
    let why = "what is not open is not opened for us, nor is shown what the login has no right to";
    Ok((unknown > 0).then(|| format!("neither engine nor size of {unknown} tables or views is known: {why}")))
}
