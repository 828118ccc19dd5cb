use crate::config::ByteSize;
use crate::model::{Confidence, Finding, Fix, Flavour, Index, Name, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word, index};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Redundant index
///
/// An index whose columns are the first columns of another index of the same table, in the same order.
///
/// ## Why it hurts
///
/// Whatever is looked up by the shorter one the longer one can look up as well. Every write maintains both, both
/// take cache and disk, and vacuum reads both.
///
/// ## What to do
///
/// Drop the shorter one, unless the longer one is much bigger and the shorter one serves many scans of ranges.
///
/// ## When this page is wrong
///
/// In InnoDB every index ends in the primary key: a query that looks up by the shorter one and sorts by that key finds
/// its rows sorted there, but not in the longer one.
///
/// When the shorter one is so much smaller that it stays in memory and the longer one does not: `max_growth`
/// bounds that. When a query is served from the shorter one alone and sorts by something after its columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexRedundantPrefix {
    /// Smaller indexes are not worth a conversation. Calibrated by us: what a cache does not notice.
    min_bytes: ByteSize,
    /// The longer one may be this many times bigger. Calibrated by us: a second column of a few bytes makes an index
    /// of mostly different keys up to twice as big, one whose keys repeat up to three times.
    max_growth: f64,
}

impl Default for IndexRedundantPrefix {
    fn default() -> Self {
        Self { min_bytes: ByteSize::mib(10), max_growth: 3.0 }
    }
}

impl Rule for IndexRedundantPrefix {
    const ID: &'static str = "index-redundant-prefix";
    const NEEDS: &'static [Topic] = &[Topic::Indexes];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let worth_it = |index: &Index| index.size() >= self.min_bytes.get() as f64;
        let droppable = |index: &Index| !index.is_bound() && !index.is_unique;

        pairs(seen, move |index| worth_it(index) && droppable(index), self.max_growth)
            .map(move |(longer, index)| finding(longer, index, seen))
    }
}

/// Each index that `is_wanted` with the smallest that begins like it.
fn pairs<'a>(
    seen: &Seen<'a>,
    is_wanted: impl Fn(&Index) -> bool + 'a,
    max_growth: f64,
) -> impl Iterator<Item = (&'a Index, &'a Index)> {
    let has_its_own_page = seen.flavour != Flavour::Postgres;
    index::of_each_table(seen).flat_map(move |of_table| {
        let plain = of_table.iter().copied().filter(|index| is_plain(index));
        let pair = |index: &'a Index| {
            // One that only has the primary key behind it is the one to drop: a page of its own says so.
            let is_the_same =
                |longer: &Index| has_its_own_page && index::is_appended_to(longer, index, &of_table);
            let serving = plain.clone().filter(|longer| {
                (index::is_seen(longer) || !index::is_seen(index))
                    && is_prefix(index, longer)
                    && longer.size() <= max_growth * index.size()
                    && !is_the_same(longer)
            });
            Some((serving.min_by(|a, b| a.size().total_cmp(&b.size()))?, index))
        };
        plain.clone().filter(|index| is_wanted(index)).filter_map(pair).collect::<Vec<_>>()
    })
}

/// A B-tree over columns: what its order means is known, expressions are known by their hash only.
fn is_plain(index: &Index) -> bool {
    &*index.access_method == "btree" && !index.has_expressions
}

/// Does `longer` begin with all of `index`, so that it can do whatever that one does?
fn is_prefix(index: &Index, longer: &Index) -> bool {
    let keys = index.searched();
    let begins = |of: fn(&Index) -> &str| {
        let (short, long) = (of(index).split(' '), of(longer).split(' '));
        short.take(keys).eq(long.take(keys))
    };
    begins(|index| &index.columns)
        && keys < longer.searched()
        && begins(|index| &index.operator_classes)
        && begins(|index| &index.collations)
        && begins(|index| &index.column_options)
        && includes(longer, index)
        && index.has_predicate == longer.has_predicate
        && index.predicate_hash == longer.predicate_hash
}

/// Are the columns that `index` only carries along somewhere in `longer` as well?
fn includes(longer: &Index, index: &Index) -> bool {
    let mut columns = index.columns.split(' ');
    columns.all(|column| longer.columns.split(' ').any(|other| other == column))
}

fn finding(longer: &Index, index: &Index, seen: &Seen<'_>) -> Word {
    let Some(database) = &index.database else { return unnamed(longer, index, None).into() };
    let caution = match seen.flavour {
        Flavour::Postgres => "Scans of long ranges read more from the bigger index. Standbys lose it as well.",
        Flavour::Mysql | Flavour::Mariadb => {
            "Scans of long ranges read more from the bigger index, and its rows do not come in the order of the primary \
             key. Replicas lose it as well."
        }
    };
    let fix = |definition| script::drop_index(seen.flavour, index, definition, caution);
    match seen.definition(database, index) {
        Ok(definition) => unnamed(longer, index, definition.map(fix)).into(),
        Err(question) => question.into(),
    }
}

fn unnamed(longer: &Index, index: &Index, fix: Option<Fix>) -> Finding {
    Finding {
        rule: Name::new(IndexRedundantPrefix::ID),
        severity: Severity::Note,
        database: index.database.clone(),
        subject: index.full_name(),
        because: format!(
            "index {} ({}) on {} is the beginning of {} ({}), which can do all that it does",
            index.full_name(),
            script::bytes(index.size()),
            index.table,
            longer.index,
            script::bytes(longer.size()),
        ),
        evidence: evidence([
            ("size_bytes", json!(index.size())),
            ("longer_size_bytes", json!(longer.size())),
            ("longer", json!(longer.full_name())),
            ("table", json!(format!("{}.{}", index.schema, index.table))),
            ("columns", json!(index.columns_told())),
        ]),
        advice: format!("Drop it; {} serves its queries.", longer.index),
        fix,
        confidence: Confidence::Measured,
    }
}
