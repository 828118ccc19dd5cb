use crate::config::ByteSize;
use crate::model::{Column, Confidence, Finding, Fix, Flavour, Index, Name, Scope, Severity, Topic, evidence};
use crate::rule::catalogue::Catalogue;
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// # Bloated index
///
/// A B-tree that is several times as large as its entries need, because most of what it once held is gone.
///
/// ## Why it hurts
///
/// Pages that are almost empty take as much cache, backup and time to scan as full ones. Vacuum empties the pages of an index,
/// but gives none of them back, and an index that fills up at one end does not use them again.
///
/// ## What to do
///
/// Build it again in its place. If it grows back, look for what empties it: a queue, or a nightly delete of old rows, is better
/// served by partitions that are dropped whole.
///
/// ## When this page is wrong
///
/// What the entries need is reckoned from the types of the columns, or for those without a fixed length from the planner's
/// statistics, and always with too much room rather than too little. It may be too little where long values are kept outside
/// their table. An index that is about to fill up again needs no rebuild.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexBloated {
    /// Less room is not worth the work of a rebuild. Calibrated by us: what disks and caches notice.
    min_wasted: ByteSize,
    /// The share of it that holds nothing. Calibrated by us: entries that come in any order leave pages filled to two thirds,
    /// which is no bloat.
    min_wasted_share: f64,
}

impl Default for IndexBloated {
    fn default() -> Self {
        Self { min_wasted: ByteSize::mib(100), min_wasted_share: 0.6 }
    }
}

impl Rule for IndexBloated {
    const ID: &'static str = "index-bloated";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Indexes, Topic::Columns];
    const MENDED_WITH: &'static [&'static str] = &["index-duplicate", "index-redundant-prefix", "index-unused"];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let large_enough = |index: &&Index| index.size() >= self.min_wasted.get() as f64 && is_plain(index);
        let mut suspects: BTreeMap<&Name, Vec<&Index>> = BTreeMap::new();
        for (scope, part) in seen.now.parts_of(Topic::Indexes) {
            let Scope::Database(database) = scope else { continue };
            let large: Vec<&Index> = crate::model::InTopic::of(&part.rows).iter().filter(large_enough).collect();
            if !large.is_empty() {
                suspects.insert(database, large);
            }
        }
        suspects.into_iter().flat_map(move |(database, indexes)| {
            let tables: BTreeSet<String> = indexes.iter().map(|index| index.table.to_string()).collect();
            let known = Catalogue::of(seen, database, &tables);
            let wasted = move |index: &&'a Index| self.wasted(index, &known);
            indexes.into_iter().filter_map(move |index| Some(finding(index, wasted(&index)?).into()))
        })
    }
}

impl IndexBloated {
    /// Bytes that hold nothing, if that is worth a rebuild.
    fn wasted(&self, index: &Index, known: &Catalogue<'_>) -> Option<f64> {
        let wasted = index.size() - needed(index, known)?;
        let enough = wasted >= self.min_wasted.get() as f64 && wasted / index.size() >= self.min_wasted_share;
        enough.then_some(wasted)
    }
}

/// What it is made of can be reckoned: columns and nothing else, counted when it was measured.
fn is_plain(index: &Index) -> bool {
    let counted = index.rows.is_some_and(|rows| rows.float() >= 1.0);
    counted && index.is_comparable() && &*index.access_method == "btree" && &*index.persistence != "t" && !index.has_expressions
}

/// A page has 8 KiB; of them its head and its note to its neighbours take 40 bytes.
const PAGE: f64 = 8_192.0;
const ROOM: f64 = PAGE - 40.0;
/// How full pages are left when nothing else is said.
const FILLFACTOR: f64 = 90.0;
/// Pages above the leaves: with the widest entries that are reckoned here still less than this.
const UPPER: f64 = 1.05;
/// The head of an entry, its place in the page's list, and which of its columns are null.
const ENTRY: f64 = 8.0 + 4.0 + 8.0;

/// At most so many bytes need its entries, if all their columns are known.
fn needed(index: &Index, known: &Catalogue<'_>) -> Option<f64> {
    let mut entry = ENTRY;
    for position in index.columns.split(' ') {
        let column = known.column_at(index.table_oid, position.parse().ok()?)?;
        // Each begins where a number of eight bytes may begin.
        entry += (width(column, known)? / 8.0).ceil() * 8.0;
    }
    let fillfactor = index.options.as_deref().and_then(fillfactor).unwrap_or(FILLFACTOR);
    let in_a_page = (ROOM * fillfactor / 100.0 / entry).floor().max(1.0);
    let pages = (index.rows?.float() / in_a_page).ceil() * UPPER + 2.0;
    Some(pages * PAGE)
}

fn fillfactor(options: &str) -> Option<f64> {
    options.split(',').find_map(|option| option.strip_prefix("fillfactor=")?.parse().ok())
}

/// Types whose values all have one length.
fn fixed(type_oid: i64) -> Option<f64> {
    Some(match type_oid {
        16 | 18 => 1.0,                                         // boolean, "char"
        21 => 2.0,                                              // smallint
        23 | 26 | 700 | 1082 => 4.0,                            // integer, oid, real, date
        20 | 701 | 790 | 1083 | 1114 | 1184 => 8.0,             // bigint, double precision, money, time, timestamps
        2950 | 1186 => 16.0,                                    // uuid, interval
        _ => return None,
    })
}

/// Values that are longer on average may lie outside the table, where the planner does not see how long they are.
const LONG: i64 = 128;

fn width(column: &Column, known: &Catalogue<'_>) -> Option<f64> {
    let learned = || {
        let statistics = known.statistics(column)?;
        (1..=LONG).contains(&statistics.width_bytes).then_some(statistics.width_bytes as f64)
    };
    column.type_oid.and_then(fixed).or_else(learned)
}

fn finding(index: &Index, wasted: f64) -> Finding {
    let (size, rows) = (index.size(), index.rows.map_or(0.0, |rows| rows.float()));
    let name = script::qualified(&index.schema, &index.index);
    // REINDEX CONCURRENTLY came with the view that shows its progress.
    let fix = index.is_being_built.map(|_| Fix {
        sql: vec![script::UNHURRIED.into(), format!("REINDEX INDEX CONCURRENTLY {name};")],
        rollback: Vec::new(),
        lock: "SHARE UPDATE EXCLUSIVE on the table".into(),
        blocks: "other schema changes and VACUUM of this table; no reads, no writes".into(),
        transactional: false,
        caution: "It waits for every older transaction, reads the whole table twice, and needs room for both until the old one \
                  is gone. What an interrupted build leaves behind is named by index-invalid. There is nothing to take back."
            .into(),
    });
    let advice = match fix {
        Some(_) => "Build it again in its place.",
        None => "Build one like it beside it with CREATE INDEX CONCURRENTLY, then drop this one.",
    };
    Finding {
        rule: Name::new(IndexBloated::ID),
        severity: Severity::Note,
        database: index.database.clone(),
        subject: index.full_name(),
        because: format!(
            "index {} on {} has {} for {} entries that need {} at most: {:.0} % of it holds nothing",
            index.full_name(),
            index.table,
            script::bytes(size),
            script::count(rows),
            script::bytes(size - wasted),
            (100.0 * wasted / size).floor(),
        ),
        evidence: evidence([
            ("size_bytes", json!(size)),
            ("wasted_bytes", json!(wasted)),
            ("entries", json!(rows)),
            ("table", json!(format!("{}.{}", index.schema, index.table))),
        ]),
        advice: advice.into(),
        fix,
        confidence: Confidence::Estimated,
    }
}
