//! Tables that InnoDB does not keep, told beside those that it keeps; and of those that it keeps compressed, how large a page
//! is, since its statistics count pages. Asked for seldom; where the server would open a table for it, only of tables that are
//! open anyway.

use super::answer::Named;
use super::link::Link;
use crate::engine::layout::Read;
use crate::engine::reading::Failure;
use crate::model::{Bytes, InTopic, Level, Name, Noun, Rows, Scope, Table, Topic, Unit};
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
    tables: BTreeMap<String, (Kind, Instant)>,
    /// Every name in the schema, where the server has no dictionary.
    names: HashSet<String>,
    asked: Option<Instant>,
}

#[derive(Debug)]
enum Kind {
    /// Of another engine.
    Other(Box<Table>),
    /// In pages that are this share of a whole one.
    Innodb(f64),
    /// A view, or one that we are not shown.
    NoTable,
}

impl Elsewhere {
    /// Forgets a schema that is no more.
    pub fn forget(&mut self, schema: &Name) {
        self.schemas.remove(schema);
    }

    /// Is it known that this is none, but a view, or nothing that we are shown?
    pub fn is_no_table(&self, schema: &Name, name: &str) -> bool {
        let known = self.schemas.get(schema).and_then(|known| known.tables.get(name));
        matches!(known, Some((Kind::NoTable, _)))
    }

    /// Makes a size of what was counted in whole pages of a table of InnoDB.
    pub fn correct(&self, size: &mut Option<Level<Bytes>>, schema: &Name, table: &str) {
        let known = self.schemas.get(schema).and_then(|known| known.tables.get(table));
        if let Some((Kind::Innodb(share), _)) = known {
            *size = size.and_then(|size| Some(Level::new(Bytes::from_float(size.float() * share)?)));
        }
    }
}

/// The bytes of a page of a table that was created with these options, if it is compressed.
fn compressed(options: &str, page: f64) -> Option<f64> {
    let options = options.to_lowercase();
    let said = |what: &str| options.split(' ').find_map(|word| word.strip_prefix(what)?.strip_prefix('='));
    if said("row_format").is_some_and(|format| format != "compressed") {
        return None;
    }
    let kibibytes = said("key_block_size").and_then(|number| number.parse::<f64>().ok());
    let bytes = match kibibytes.filter(|kibibytes| *kibibytes > 0.0) {
        Some(kibibytes) => kibibytes * 1024.0,
        // Whoever does not say how large gets half.
        None => said("row_format").map(|_| page / 2.0)?,
    };
    (bytes <= page).then_some(bytes)
}

impl Known {
    fn is_due(&self) -> bool {
        self.asked.is_none_or(|asked| asked.elapsed() >= ALL_EVERY)
    }

    /// Takes what was said of these, and of those of which nothing was said that they are nothing for us.
    fn learn(
        &mut self,
        asked_for: impl Iterator<Item = String>,
        found: &[Table],
        ours: &HashSet<Name>,
        page: f64,
    ) {
        let now = Instant::now();
        let kind = |table: &Table| match table.options.as_deref() {
            options if ours.contains(&table.table) => {
                Kind::Innodb(options.and_then(|options| compressed(options, page)).unwrap_or(page) / page)
            }
            _ => Kind::Other(Box::new(table.clone())),
        };
        self.tables.extend(asked_for.map(|name| (name, (Kind::NoTable, now))));
        self.tables.extend(found.iter().map(|table| (table.table.to_string(), (kind(table), now))));
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
    let others = known.filter_map(|(name, (kind, _))| match kind {
        Kind::Other(table) if !ours.contains(name.as_str()) => Some((**table).clone()),
        _ => None,
    });
    if let Rows::Tables(rows) = &mut read.rows {
        for row in rows.iter_mut() {
            link.elsewhere.correct(&mut row.size_bytes, schema, &row.table);
        }
        rows.extend(others);
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
    let (strange, page) = (strange(link, ours), link.page_size());
    let known = link.elsewhere.schemas.entry(schema.clone()).or_default();
    if known.is_due() || strange.iter().any(|name| !known.tables.contains_key(name)) {
        let read = link.read_in(Topic::Tables, "other_tables", scope).await?;
        let known = link.elsewhere.schemas.entry(schema.clone()).or_default();
        known.tables.clear();
        known.learn(strange.iter().cloned(), Table::of(&read.rows), ours, page);
        known.asked = Some(Instant::now());
    }
    let Some(known) = link.elsewhere.schemas.get(schema) else { return Ok(None) };
    let unknown = strange
        .iter()
        .filter(|name| matches!(known.tables.get(*name), None | Some((Kind::NoTable, _))))
        .count();
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
    let (open, page) = (link.open_tables(schema).await?, link.page_size());
    let Some(known) = link.elsewhere.schemas.get(schema) else { return Ok(None) };
    // What is no table of theirs is looked at again only when all are: it may have become one. So are InnoDB's, of which only the
    // options are wanted, while they are.
    let is_due = |name: &String| match known.tables.get(name) {
        None | Some((Kind::Other(_), _)) => true,
        Some((Kind::Innodb(_), _)) if !ours.contains(name.as_str()) => true,
        Some((_, asked)) => asked.elapsed() >= ALL_EVERY,
    };
    let mut due: Vec<String> = open.into_iter().filter(is_due).collect();
    due.sort_by_key(|name| (ours.contains(name.as_str()), known.tables.get(name).map(|(_, asked)| *asked)));
    due.truncate(TABLES_AT_ONCE);
    if !due.is_empty() {
        let read = link.read_of(Topic::Tables, "other_tables", scope, Some(&due)).await?;
        let known = link.elsewhere.schemas.entry(schema.clone()).or_default();
        known.learn(due.into_iter(), Table::of(&read.rows), ours, page);
    }
    let Some(known) = link.elsewhere.schemas.get(schema) else { return Ok(None) };
    let is_unknown = |name: &&String| !ours.contains(name.as_str()) && !known.tables.contains_key(*name);
    let used = strange(link, ours);
    let unknown: HashSet<&String> = known.names.iter().chain(&used).filter(is_unknown).collect();
    let unknown = unknown.len();
    let why = "what is not open is not opened for us, nor is shown what the login has no right to";
    Ok((unknown > 0).then(|| format!("neither engine nor size of {unknown} tables or views is known: {why}")))
}

#[test]
fn a_compressed_table_has_smaller_pages() {
    let page = |options: &str| compressed(options, 16_384.0);
    assert_eq!(page("row_format=COMPRESSED"), Some(8_192.0));
    assert_eq!(page("row_format=COMPRESSED KEY_BLOCK_SIZE=4 partitioned"), Some(4_096.0));
    assert_eq!(page("key_block_size=2"), Some(2_048.0));
    for whole in [
        "",
        "row_format=DYNAMIC",
        "partitioned",
        "row_format=DYNAMIC key_block_size=8",
        "key_block_size=0",
        "key_block_size=x",
    ] {
        assert_eq!(page(whole), None, "{whole}");
    }
}
