use crate::config::ByteSize;
use crate::model::{Flavour, Confidence, Finding, Fix, Index, Name, Severity, Stretch, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Invalid index
///
/// An index that `CREATE INDEX CONCURRENTLY` or `REINDEX CONCURRENTLY` left behind half built: it was interrupted,
/// or met a duplicate.
///
/// ## Why it hurts
///
/// No query uses it, yet most of the time every write maintains it. Who built it believes that it is there: the
/// query that it was for is still slow, and a unique index may promise what it does not keep.
///
/// ## What to do
///
/// If it was wanted, find out why the build ended (a deadlock, a timeout, duplicate keys, which the server's log
/// tells) and build it again in its place. If its name ends in `_ccnew` or `_ccold`, it is a left-over of REINDEX:
/// drop it.
///
/// ## When this page is wrong
///
/// While somebody builds it right now with a program that works step by step. Builds that the server itself shows
/// as running are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexInvalid {
    /// Smaller ones are not named. Zero, because what hurts is that it is believed to be there.
    min_bytes: ByteSize,
}

impl Rule for IndexInvalid {
    const ID: &'static str = "index-invalid";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Indexes];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        seen.latest.knows(Topic::Indexes)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let broken = |index: &Index| !index.is_valid && &*index.kind == "i" && &*index.persistence != "t";
        // A server that does not tell what it builds makes a build and its ruin look the same.
        let abandoned = |index: &Index| index.is_being_built == Some(false);
        let worth_it = |index: &Index| index.size() >= self.min_bytes.get() as f64;

        lasting(seen)
            .filter(move |(_, index)| broken(index) && abandoned(index) && worth_it(index))
            .map(|(stretch, index)| finding(stretch, index).into())
    }
}

/// Indexes that two readings saw: a build that begins between two questions to the server is not mistaken.
fn lasting<'a>(seen: &Seen<'a>) -> impl Iterator<Item = (&'a Stretch, &'a Index)> {
    seen.latest.stretches_of::<Index>().flat_map(|(_, stretch, indexes)| {
        let pairs = indexes.iter().zip(stretch.fresh.iter());
        pairs.filter(|(_, fresh)| !**fresh).map(move |(index, _)| (stretch, index))
    })
}

/// What REINDEX CONCURRENTLY calls the new and the old one of its pair, with a number if the name was taken.
fn is_left_by_reindex(name: &str) -> bool {
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    stem.ends_with("_ccnew") || stem.ends_with("_ccold")
}

fn finding(stretch: &Stretch, index: &Index) -> Finding {
    let name = script::qualified(&index.schema, &index.index);
    let is_left = is_left_by_reindex(&index.index);
    let (deed, advice) = if is_left {
        (
            format!("DROP INDEX CONCURRENTLY {name};"),
            "It is a left-over of REINDEX CONCURRENTLY: drop it.",
        )
    } else {
        (
            format!("REINDEX INDEX CONCURRENTLY {name};"),
            "Find out why its build ended, then build it again in its place; or, if it was being dropped, drop it.",
        )
    };
    Finding {
        rule: Name::new(IndexInvalid::ID),
        severity: Severity::Warning,
        database: index.database.clone(),
        subject: index.full_name(),
        because: format!(
            "index {} on {} ({}) is invalid and nobody builds it: 0 queries can use it",
            index.full_name(),
            index.table,
            script::bytes(index.size()),
        ),
        evidence: evidence([
            ("size_bytes", json!(index.size())),
            ("is_ready", json!(index.is_ready)),
            ("is_unique", json!(index.is_unique)),
            ("window_seconds", json!(stretch.seconds.round())),
            ("table", json!(format!("{}.{}", index.schema, index.table))),
        ]),
        advice: advice.into(),
        // A partition's cannot go alone, and it is mended like any other.
        fix: (!is_left || index.parent_oid.is_none()).then(|| Fix {
            sql: vec![script::UNHURRIED.into(), deed],
            rollback: Vec::new(),
            lock: "SHARE UPDATE EXCLUSIVE on the table".into(),
            blocks: "other schema changes and VACUUM of this table; no reads, no writes".into(),
            transactional: false,
            caution: "A build waits for every older transaction and reads the whole table twice. It fails again if \
                      the reason is still there. There is nothing to take back: an invalid index serves nobody."
                .into(),
        }),
        confidence: Confidence::Measured,
    }
}
