use crate::config::ByteSize;
use crate::model::plan::PlanNode;
use crate::model::{Flavour, Index, Topic};
use crate::plans::logged::Run;
use crate::rule::logged::{self, Habit, Memory};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cell::LazyCell;
use std::collections::HashSet;

/// # Bitmap that forgets which rows
///
/// An index finds more rows than `work_mem` can note one by one, so of most pages only their number is kept, and all their rows are
/// looked at again, in most of the last slow runs of a statement.
///
/// ## Why it hurts
///
/// A page of the table has a hundred rows, of which the index meant one or two. All of them are taken apart and compared once
/// more, and most are thrown away: work that the index had done already.
///
/// ## What to do
///
/// Give the sessions that send it more `work_mem`: the pages of a table of one gigabyte take eight megabytes. If many pages are
/// read for few rows of each, an index over more of the columns that are compared finds fewer.
///
/// ## When this page is wrong
///
/// It knows the runs that `auto_explain` has put in the log with `log_analyze`. How much memory it needs is an estimate. What an
/// index of the kinds BRIN and Bloom finds is never exact, so of those it says nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanLossyBitmap {
    /// Rows that were looked at again and thrown away. Calibrated by us: a hundred thousand take some ten milliseconds.
    min_rows: f64,
    /// Of the pages that it read, the share of which it did not know the rows. Calibrated by us: from a half on it is the rule.
    min_share: f64,
    /// No script for more memory than this: sessions may use it several times each.
    max_work_mem: ByteSize,
    habit: Habit,
}

impl Default for PlanLossyBitmap {
    fn default() -> Self {
        Self { min_rows: 100_000.0, min_share: 0.5, max_work_mem: ByteSize::mib(256), habit: Habit::default() }
    }
}

/// What a bitmap takes to note the rows of one page, in bytes: an entry of 48, and its part of the table of entries.
const BYTES_A_PAGE: f64 = 64.0;
/// The server begins to forget before all is full.
const ROOM: f64 = 1.5;
/// Kinds of indexes that know each row that they find.
const EXACT: [&str; 5] = ["btree", "hash", "gin", "gist", "spgist"];

impl Rule for PlanLossyBitmap {
    const ID: &'static str = "plan-lossy-bitmap";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::LogEvents, Topic::Indexes];
    const LOOKS_BACK_AT: &'static [Topic] = &[];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        // Of a large server only when it is asked for.
        let exact = LazyCell::new(|| exact(seen));
        let is_exact = |step| {
            let names = bitmaps(step);
            !names.is_empty() && names.iter().all(|name| name.is_some_and(|name| exact.contains(name)))
        };
        let loses = |run: &'a Run| {
            let rows = |step: &'a PlanNode| self.rows(step).filter(|_| logged::weighs(step, &run.plan) && is_exact(step));
            logged::most(&run.plan, rows)
        };
        let faults = self.habit.faults(seen, loses);
        faults.into_iter().map(move |fault| {
            let (step, rows) = fault.what;
            let (lossy, all) = pages(step);
            // Which of several was too large is not known.
            let needs = is_one(step).then(|| of_one_bitmap(step) * BYTES_A_PAGE * ROOM);
            let memory = needs.and_then(|bytes| Memory::for_bytes(bytes, self.max_work_mem, seen, &fault.key));
            let advice = match &memory {
                Some(Memory { mebibytes, .. }) => format!("Give its sessions {mebibytes} MiB of memory, or look for an index that finds fewer rows."),
                None => "Look for an index that finds fewer rows.".into(),
            };
            let because = format!(
                "{} forgets which rows of {} of {} pages it wanted for want of memory, and throws away {} rows that it then looks at, {}",
                fault.name(),
                script::count(lossy),
                script::count(all),
                script::count(rows),
                fault.when()
            );
            let numbers = [
                ("lossy_pages", json!(lossy)),
                ("pages", json!(all)),
                ("rechecked_rows", json!(rows)),
                ("table", json!(step.relation)),
            ];
            fault.finding(Self::ID, because, numbers, advice, memory.and_then(|memory| memory.fix)).into()
        })
    }
}

impl PlanLossyBitmap {
    /// Rows that the step has looked at for nothing.
    fn rows(&self, step: &PlanNode) -> Option<f64> {
        let rows = step.worked(|work| work.rechecked)? * step.loops?;
        let (lossy, all) = pages(step);
        (rows >= self.min_rows && lossy > 0.0 && lossy >= self.min_share * all).then_some(rows)
    }
}

/// Pages of which it did not know the rows, and all that it read.
fn pages(step: &PlanNode) -> (f64, f64) {
    let lossy = step.worked(|work| work.lossy_pages).unwrap_or_default();
    (lossy, lossy + step.worked(|work| work.exact_pages).unwrap_or_default())
}

/// Pages of one bitmap. Of workers that share one only the first tells of its pages; else there is a bitmap for each loop.
fn of_one_bitmap(step: &PlanNode) -> f64 {
    let (_, all) = pages(step);
    let loops = step.loops.unwrap_or(1.0).max(1.0);
    if step.strategy.as_deref() == Some("Parallel") { all * loops } else { all / loops }
}

fn is_one(step: &PlanNode) -> bool {
    step.children.iter().all(|child| child.kind == "Bitmap Index Scan")
}

/// The indexes whose rows the step reads; none for a step below it that is no index.
fn bitmaps(step: &PlanNode) -> Vec<Option<&str>> {
    let mut names = Vec::new();
    for child in &step.children {
        child.each(&mut |below| {
            if !["BitmapAnd", "BitmapOr"].contains(&below.kind.as_str()) {
                names.push(below.index.as_deref());
            }
        });
    }
    names
}

/// Names that only exact indexes have.
fn exact<'a>(seen: &Seen<'a>) -> HashSet<&'a str> {
    let is_exact = |index: &&Index| EXACT.contains(&&*index.access_method);
    let (mut exact, mut others) = (HashSet::new(), HashSet::new());
    for index in seen.now.rows::<Index>() {
        if is_exact(&index) { exact.insert(&*index.index) } else { others.insert(&*index.index) };
    }
    exact.retain(|name| !others.contains(name));
    exact
}
