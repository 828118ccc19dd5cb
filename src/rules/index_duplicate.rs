use crate::config::ByteSize;
use crate::model::{Confidence, Finding, Index, Name, Noun, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word, index};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Duplicate index
///
/// Two indexes of one table that are the same in everything but their name.
///
/// ## Why it hurts
///
/// Every write maintains both, both take cache and disk, and no query can use the second for anything that the
/// first does not do.
///
/// ## What to do
///
/// Keep the one that a constraint stands on, else the one that is read more, and drop the other.
///
/// ## When this page is wrong
///
/// When a new index was just built to take the place of a bloated one: then the old one is about to go anyway.
/// Queries that name an index in a hint will miss it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexDuplicate {
    /// Smaller indexes are not worth a conversation. Calibrated by us: what a cache does not notice.
    min_bytes: ByteSize,
}

impl Default for IndexDuplicate {
    fn default() -> Self {
        Self { min_bytes: ByteSize::mib(1) }
    }
}

impl Rule for IndexDuplicate {
    const ID: &'static str = "index-duplicate";
    const NEEDS: &'static [Topic] = &[Topic::Indexes];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let worth_it = |pair: &Pair<'_>| pair.spare.size() >= self.min_bytes.get() as f64;
        let droppable = |pair: &Pair<'_>| !pair.spare.is_bound() && !enforces_more(pair.spare, pair.kept);

        pairs(seen).filter(droppable).filter(worth_it).map(move |pair| finding(pair, seen))
    }
}

struct Pair<'a> {
    database: &'a Name,
    kept: &'a Index,
    spare: &'a Index,
}

/// Each index that is spare, with the best of its twins.
fn pairs<'a>(seen: &Seen<'a>) -> impl Iterator<Item = Pair<'a>> {
    index::of_each_table(seen).flat_map(twins).flat_map(|mut twins| {
        twins.sort_by(|a, b| worth(b).partial_cmp(&worth(a)).unwrap_or(std::cmp::Ordering::Equal));
        let kept = twins.first().copied();
        let spares = twins.into_iter().skip(1);
        spares.filter_map(move |spare| Some(Pair { database: spare.database.as_ref()?, kept: kept?, spare }))
    })
}

/// Those of a table that do the same, together.
fn twins(of_table: Vec<&Index>) -> Vec<Vec<&Index>> {
    let mut twins: Vec<Vec<&Index>> = Vec::new();
    for index in of_table {
        let has_found_its_own = |known: &&mut Vec<&Index>| known.first().is_some_and(|first| shape(first) == shape(index));
        match twins.iter_mut().find(has_found_its_own) {
            Some(known) => known.push(index),
            None => twins.push(vec![index]),
        }
    }
    twins
}

/// All that decides what an index of a table can do; two of one shape do the same.
fn shape(index: &Index) -> impl PartialEq + '_ {
    (
        (&index.access_method, &index.columns, index.key_columns),
        (&index.operator_classes, &index.collations, &index.column_options),
        (index.has_expressions, &index.expressions_hash),
        (index.has_predicate, &index.predicate_hash),
        index.nulls_not_distinct,
    )
}

/// What keeps an index: that queries may use it, then the constraint on it, then that it is unique, then its use, then its age.
fn worth(index: &Index) -> (bool, bool, bool, f64, i64) {
    (index::is_seen(index), index.is_bound(), index.is_unique, index.uses().unwrap_or(0.0), -index.key().0)
}

/// Uniqueness that goes with it: the kept one has none, or checks it only when the transaction ends.
fn enforces_more(spare: &Index, kept: &Index) -> bool {
    spare.is_unique && !(kept.is_unique && (kept.is_immediate || !spare.is_immediate))
}

fn finding(pair: Pair<'_>, seen: &Seen<'_>) -> Word {
    let Pair { database, kept, spare } = pair;
    // Without the way back there is no advice to drop anything.
    let definition = match seen.definition(database, spare) {
        Ok(definition) => definition,
        Err(question) => return question.into(),
    };
    Finding {
        rule: Name::new(IndexDuplicate::ID),
        severity: Severity::Warning,
        database: Some(database.clone()),
        subject: format!("{}.{}", spare.schema, spare.index),
        because: format!(
            "index {}.{} ({}) does nothing that {} does not do on {}",
            spare.schema,
            spare.index,
            script::bytes(spare.size()),
            kept.index,
            spare.table,
        ),
        evidence: evidence([
            ("size_bytes", json!(spare.size())),
            ("kept", json!(format!("{}.{}", kept.schema, kept.index))),
            ("table", json!(format!("{}.{}", spare.schema, spare.table))),
            ("columns", json!(spare.columns_told())),
        ]),
        advice: format!("Keep {}, drop the other.", kept.index),
        fix: definition.map(|definition| {
            script::drop_index(seen.flavour, spare, definition, "Standbys lose it as well.")
        }),
        confidence: Confidence::Measured,
    }
    .into()
}
