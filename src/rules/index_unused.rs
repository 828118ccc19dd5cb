use crate::config::{ByteSize, Span};
use crate::model::{Confidence, Finding, Flavour, Index, Name, Severity, Topic, evidence};
use crate::rule::catalogue::Catalogue;
use crate::rule::index::{Watched, is_droppable, watched};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// # Unused index
///
/// An index that nobody read during the whole time we watched, although it is big enough to matter.
///
/// ## Why it hurts
///
/// Every INSERT and most UPDATEs must maintain it. It takes cache from indexes that work, keeps updates from
/// being HOT, and vacuum and backup pay for it as well.
///
/// ## What to do
///
/// Look at the standbys first: a scan there is counted there, not here. Then drop it, without holding up
/// anybody, and keep the way back.
///
/// ## When this page is wrong
///
/// An index that serves a yearly report. Make `min_window` longer than your slowest report. Indexes that
/// enforce something (primary key, unique, exclusion, replica identity) or that an AUTO_INCREMENT column needs are never named
/// here, and neither are those of partitions, which can only be dropped with their parent's. Of a standby it says nothing: the
/// primary may read what is idle there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexUnused {
    /// Smaller indexes are not worth a conversation. Calibrated by us: what a cache does not notice.
    min_bytes: ByteSize,
    /// How long nobody may have read it. A month sees the monthly jobs.
    min_window: Span,
}

impl Default for IndexUnused {
    fn default() -> Self {
        Self { min_bytes: ByteSize::mib(10), min_window: Span::days(30) }
    }
}

impl Rule for IndexUnused {
    const ID: &'static str = "index-unused";
    const NEEDS: &'static [Topic] = &[Topic::Indexes];
    const MENDED_WITH: &'static [&'static str] = &["index-duplicate", "index-appended-primary-key", "index-redundant-prefix"];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        let min = self.min_window.get().as_secs_f64();
        let mut stretches = seen.windows().flat_map(|window| window.stretches_of::<Index>());
        stretches.any(|(_, stretch, _)| stretch.seconds >= min)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let long_enough =
            |watched: &Watched<'_>| watched.stretch.seconds >= self.min_window.get().as_secs_f64();
        let unused = |watched: &Watched<'_>| watched.index.uses() == Some(0.0);
        let worth_it = |index: &Index| index.size() >= self.min_bytes.get() as f64;

        watched(seen, self.min_window.get().as_secs_f64(), |index| is_droppable(index) && worth_it(index))
            .into_iter()
            .filter(long_enough)
            .filter(unused)
            .filter(|watched| !numbers_rows(watched, seen))
            .map(move |watched| finding(watched, seen))
    }
}

/// Is it the only index that begins with the column that numbers the rows of its table? MySQL and MariaDB take no such column
/// without one.
fn numbers_rows(watched: &Watched<'_>, seen: &Seen<'_>) -> bool {
    let Watched { database, index, .. } = watched;
    if seen.flavour == Flavour::Postgres {
        return false;
    }
    let known = Catalogue::of(seen, database, &BTreeSet::from([index.table.to_string()]));
    let Some(table) = known.table(&index.table) else { return false };
    let first = |index: &Index| known.column(table, index.column_list.as_deref()?.split(", ").next()?);
    let Some(column) = first(index).filter(|column| !column.identity.is_empty()) else { return false };
    let mut others = known.indexes(table).iter().filter(|other| other.oid != index.oid);
    !others.any(|other| first(other).is_some_and(|first| first.position == column.position))
}

fn finding(watched: Watched<'_>, seen: &Seen<'_>) -> Word {
    let Watched { database, stretch, index, by_hearsay } = watched;
    // Without the way back there is no advice to drop anything.
    let definition = match seen.definition(database, index) {
        Ok(definition) => definition,
        Err(question) => return question.into(),
    };
    let since = script::duration(stretch.seconds);
    let how = if by_hearsay { "since the server's statistics began, " } else { "in " };
    let fix = definition.map(|definition| {
        script::drop_index(seen.flavour, index, definition, "Scans on standbys are not counted here.")
    });
    Finding {
        rule: Name::new(IndexUnused::ID),
        severity: Severity::Note,
        database: Some(database.clone()),
        subject: format!("{}.{}", index.schema, index.index),
        because: format!(
            "index {}.{} on {} has {} and was not read once {how}{since}",
            index.schema,
            index.index,
            index.table,
            script::bytes(index.size()),
        ),
        evidence: evidence([
            ("scans", json!(0)),
            ("size_bytes", json!(index.size())),
            ("window_seconds", json!(stretch.seconds.round())),
            ("table", json!(format!("{}.{}", index.schema, index.table))),
        ]),
        advice: "Check that no standby reads it, then drop it.".into(),
        fix,
        confidence: if by_hearsay { Confidence::Unverified } else { Confidence::Measured },
    }
    .into()
}
