use crate::config::{ByteSize, Span};
use crate::model::plan::PlanNode;
use crate::model::{Column, Finding, Flavour, Severity, Table, Topic};
use crate::rule::catalogue::{self, Catalogue, live_rows, size};
use crate::rule::plan::{self, Dear, Planned};
use crate::rule::{Rule, Seen, Word, statement};
use crate::script;
use crate::sql::shape::{Role, Shape, Use};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// # Partitions that are all read
///
/// A statement reads every partition of a table although it tests the very column by which the table is partitioned: a function or
/// a cast stands between the two.
///
/// ## Why it hurts
///
/// The server leaves partitions out by comparing the bounds of each with the value that is looked for. It does not know what a
/// function makes of those bounds. So the table is read as if it had no partitions, and each new one makes the statement slower.
///
/// ## What to do
///
/// Compare the column itself: send a value of its type, or turn the condition round (`placed >= $1 AND placed < $2` for
/// `date(placed) = $1`). A range beside the condition that is there will do.
///
/// ## When this page is wrong
///
/// When the rows that it looks for are in most of the partitions: how many they are is the planner's guess, which knows little of
/// what functions return. That most of the table is read is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanPartitionsNotPruned {
    /// Fewer partitions spare little. Calibrated by us: of four, three.
    min_partitions: f64,
    /// All of them together. Ten megabytes is where a known indexing service begins to look.
    min_bytes: ByteSize,
    /// Share of the rows that are wanted, at most. Calibrated by us: the planner guesses more where any number may fit.
    max_share: f64,
    /// Share of the partitions that each run must have gone through. Calibrated by us: a half leaves room for tables that grow.
    min_read: f64,
    /// Runs within the time looked at. Calibrated by us: less is a report.
    min_calls: f64,
    /// Seconds per second that it takes. Calibrated by us: a hundredth of a core is worth a look.
    min_load: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for PlanPartitionsNotPruned {
    fn default() -> Self {
        Self {
            min_partitions: 4.0,
            min_bytes: ByteSize::mib(10),
            max_share: 0.05,
            min_read: 0.5,
            min_calls: 10.0,
            min_load: 0.01,
            min_window: Span::secs(300),
        }
    }
}

impl Rule for PlanPartitionsNotPruned {
    const ID: &'static str = "plan-partitions-not-pruned";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        plan::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let Self { min_window, min_calls, min_load, .. } = *self;
        let (dear, known) = Dear { min_window, min_calls, min_load }.statements(seen);
        let found = dear.into_iter().filter_map(move |planned| {
            let known = known.get(&planned.ran.key.database)?;
            let mut appends = Vec::new();
            planned.plan.each(&mut |step| appends.extend(is_append(step).then_some(step)));
            appends.into_iter().find_map(|append| self.finding(known, &planned, append)).map(Word::from)
        });
        found.take(statement::MAX_NAMED)
    }
}

fn is_append(step: &PlanNode) -> bool {
    ["Append", "Merge Append"].contains(&step.kind.as_str())
}

impl PlanPartitionsNotPruned {
    fn finding(&self, known: &Catalogue<'_>, planned: &Planned<'_>, append: &PlanNode) -> Option<Finding> {
        let all = All::of(known, append)?;
        let touched = planned.ran.cost.each(planned.ran.cost.touched_bytes);
        let are_many = all.scans.len() as f64 >= self.min_partitions;
        let are_large = all.bytes >= self.min_bytes.get() as f64;
        let are_read = touched >= self.min_read * all.bytes;
        let are_spared = all.expected <= self.max_share * all.rows;
        if !(are_many && are_large && are_read && are_spared) {
            return None;
        }
        let (column, what) = all.hidden(known)?;
        let (ran, table) = (&planned.ran, catalogue::name(all.parent));
        Some(ran.finding(
            Self::ID,
            Severity::Warning,
            format!(
                "{} read all {} partitions of {table} ({}) in each of {} runs {}, {} each: {what} around {} keeps the server from \
                 leaving any out",
                ran.name(),
                all.scans.len(),
                script::bytes(all.bytes),
                script::count(ran.cost.calls),
                ran.when(),
                script::moment(ran.cost.mean_seconds()),
                column.column,
            ),
            [
                ("partitions", json!(all.scans.len())),
                ("size_bytes", json!(all.bytes)),
                ("touched_bytes_per_call", json!(touched.round())),
                ("mean_seconds", json!(ran.cost.mean_seconds())),
                ("rows_expected", json!(all.expected)),
                ("load", json!(ran.load())),
                ("condition", json!(all.scans.first().and_then(|scan| scan.filter()))),
            ],
            format!(
                "Compare {} itself with values of its own type, or add a range of it. That is a change in the client, so there is \
                 no script.",
                column.column
            ),
            None,
        ))
    }
}

/// A step that reads all partitions of one table from end to end.
struct All<'a> {
    parent: &'a Table,
    scans: Vec<&'a PlanNode>,
    bytes: f64,
    rows: f64,
    /// Rows that the planner expects to be wanted.
    expected: f64,
}

impl<'a> All<'a> {
    /// None where something else is read as well, where one is left out or not read whole, or where partitions have
    /// partitions.
    fn of(known: &Catalogue<'a>, append: &'a PlanNode) -> Option<All<'a>> {
        let mut scans = Vec::new();
        append.each(&mut |step| scans.extend(step.relation.is_some().then_some(step)));
        let first = known.table(scans.first()?.relation.as_deref()?)?;
        let parent = known.parent(first)?;
        let (mut bytes, mut rows, mut expected) = (0.0, 0.0, 0.0);
        let mut read = BTreeSet::new();
        for scan in &scans {
            let table = known.table(scan.relation.as_deref()?)?;
            let is_whole = scan.kind == "Seq Scan";
            if !is_whole || table.parent_oid != Some(parent.oid) || !read.insert(table.oid) {
                return None;
            }
            bytes += size(table);
            rows += live_rows(table).unwrap_or_default();
            expected += scan.rows_expected? * plan::sharing(scan);
        }
        let are_all = known.partitions(parent).all(|partition| &*partition.kind == "r" && read.contains(&partition.oid));
        are_all.then_some(All { parent, scans, bytes, rows, expected })
    }

    /// The column of the key that is tested by what is made of it, and never by itself.
    fn hidden(&self, known: &Catalogue<'a>) -> Option<(&'a Column, String)> {
        let positions = self.parent.partition_key.as_deref()?.split(' ').map(|position| position.parse::<i64>().ok());
        let key: Option<Vec<&Column>> =
            positions.map(|position| known.column_at(self.parent.oid, position?)).collect();
        let key = key?;
        let of_key = |used: &Use| key.iter().copied().find(|column| *column.column == *used.column);
        let scan = self.scans.first()?;
        let tests: Shape = plan::tests_of(scan, scan.filter()?);
        let mut found = None;
        for used in &tests.uses {
            let Some(column) = of_key(used) else { continue };
            let narrows = !used.under_or && matches!(used.role, Role::Equal | Role::Range | Role::In);
            let what = plan::hiding(column, &used.wrapped)?;
            if narrows {
                found.get_or_insert((column, what));
            }
        }
        found.filter(|_| tests.understood)
    }
}
