use crate::config::ByteSize;
use crate::model::{Confidence, Finding, Flavour, Index, Name, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word, index};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Primary key appended to an index
///
/// An index of InnoDB has at its end the columns of the primary key, and another one is the same without them.
///
/// ## Why it hurts
///
/// InnoDB puts the primary key behind every other index by itself, so both hold the same entries in the same order. Every write
/// maintains both, both take memory and disk, and no query can use the second for anything that the first does not do.
///
/// ## What to do
///
/// Keep the one without the primary key, and drop the other.
///
/// ## When this page is wrong
///
/// Queries that name the longer one in a hint will fail without it, or miss it. Look for `FORCE INDEX` and `USE INDEX` first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexAppendedPrimaryKey {
    /// Smaller indexes are not worth a conversation. Calibrated by us: what a cache does not notice.
    min_bytes: ByteSize,
}

impl Default for IndexAppendedPrimaryKey {
    fn default() -> Self {
        Self { min_bytes: ByteSize::mib(1) }
    }
}

impl Rule for IndexAppendedPrimaryKey {
    const ID: &'static str = "index-appended-primary-key";
    const OF: &'static [Flavour] = &[Flavour::Mysql, Flavour::Mariadb];
    const NEEDS: &'static [Topic] = &[Topic::Indexes];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let worth_it = |(longer, _): &(&Index, &Index)| longer.size() >= self.min_bytes.get() as f64;

        pairs(seen).filter(worth_it).filter_map(|(longer, index)| finding(longer, index, seen))
    }
}

/// Each index with the primary key at its end, and the shortest that is the same without it.
fn pairs<'a>(seen: &Seen<'a>) -> impl Iterator<Item = (&'a Index, &'a Index)> {
    index::of_each_table(seen).flat_map(|of_table| {
        let pair = |longer: &&'a Index| {
            let same = of_table.iter().filter(|index| index::is_appended_to(longer, index, &of_table));
            Some((*longer, *same.min_by_key(|index| index.key_columns)?))
        };
        of_table.iter().filter_map(pair).collect::<Vec<_>>()
    })
}

fn finding(longer: &Index, index: &Index, seen: &Seen<'_>) -> Option<Word> {
    let database = longer.database.as_ref()?;
    // Without the way back there is no advice to drop anything.
    let definition = match seen.definition(database, longer) {
        Ok(definition) => definition,
        Err(question) => return Some(question.into()),
    };
    let finding = Finding {
        rule: Name::new(IndexAppendedPrimaryKey::ID),
        severity: Severity::Warning,
        database: Some(database.clone()),
        subject: longer.full_name(),
        because: format!(
            "index {} ({}) on {} is {} with the primary key behind it, which InnoDB puts there anyway",
            longer.full_name(),
            script::bytes(longer.size()),
            longer.table,
            index.index,
        ),
        evidence: evidence([
            ("size_bytes", json!(longer.size())),
            ("kept", json!(index.full_name())),
            ("table", json!(format!("{}.{}", longer.schema, longer.table))),
            ("columns", json!(longer.columns_told())),
        ]),
        advice: format!("Keep {}, drop the other.", index.index),
        fix: definition
            .map(|definition| script::drop_index(seen.flavour, longer, definition, "Replicas lose it as well.")),
        confidence: Confidence::Measured,
    };
    Some(finding.into())
}
