use crate::model::plan::PlanNode;
use crate::model::{Column, Confidence, Finding, Flavour, Index, Table, Topic};
use crate::plans::logged::Run;
use crate::rule::catalogue::{self, Catalogue};
use crate::rule::logged::{self, Fault, Habit};
use crate::rule::understood::Meant;
use crate::rule::{Rule, Seen, Word};
use crate::script;
use crate::sql::shape::{Role, Shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Index that is searched by its first columns only
///
/// A statement compares columns of an index, but not all of them from the left on: behind the one that it leaves out the index is not
/// in order, so all entries of the first columns are gone through for few rows, in most of the last slow runs (MariaDB).
///
/// ## Why it hurts
///
/// The plan names an index, and nothing seems to be missing. But it is like a directory of streets, towns and names in which one looks
/// for a name in a street of any town: each entry of the street is looked at.
///
/// ## What to do
///
/// Build an index of the columns that are compared, without the one in between. Or compare that one as well, if its value is known.
///
/// ## When this page is wrong
///
/// It knows the runs that the slow log has shown with `explain` in `log_slow_verbosity`. Where conditions are tried on the entries
/// themselves (`Using index condition`), how many there were is the server's estimate. An index for one statement may be one too many
/// for the table: look first whether another order of the columns would serve all that use it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanKeyPartlyUsed {
    /// Entries that a run goes through. Calibrated by us: a hundred thousand take some ten milliseconds.
    min_entries: f64,
    /// Of these, the share whose rows it wants, at most. Calibrated by us: above, the other columns do not narrow it down.
    max_share: f64,
    habit: Habit,
}

impl Default for PlanKeyPartlyUsed {
    fn default() -> Self {
        Self { min_entries: 100_000.0, max_share: 0.05, habit: Habit::default() }
    }
}

/// Measured on MariaDB 10.11 and 11.8: 150,000 in 17 to 56 milliseconds.
const ENTRIES_A_SECOND: f64 = 5e6;

impl Rule for PlanKeyPartlyUsed {
    const ID: &'static str = "plan-key-partly-used";
    const OF: &'static [Flavour] = &[Flavour::Mariadb];
    const NEEDS: &'static [Topic] = &[Topic::LogEvents, Topic::Tables, Topic::Indexes, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = &[];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let weighs = |run: &Run, entries: f64| logged::amount_weighs(entries, ENTRIES_A_SECOND, run);
        let wades = |run: &'a Run| {
            logged::most(&run.plan, |step| self.entries(step)).filter(|(_, entries)| weighs(run, *entries))
        };
        let faults = self.habit.faults(seen, wades);
        logged::one_for_each_subject(faults.iter().filter_map(|fault| finding(seen, fault))).into_iter()
    }
}

impl PlanKeyPartlyUsed {
    /// Entries that all loops of the step have gone through, if it wanted few of them.
    fn entries(&self, step: &PlanNode) -> Option<f64> {
        step.worked(|work| work.key_parts)?;
        let filtered_before = step.work.as_deref().is_some_and(|work| work.index_filters);
        let wanted = step.rows_each()?;
        let each = if filtered_before { step.reads_expected? } else { wanted + step.rows_removed? };
        let entries = each * step.loops?;
        (entries >= self.min_entries && wanted <= self.max_share * each).then_some(entries)
    }
}

/// The step, and the entries that it went through.
type Waded<'a> = Fault<'a, (&'a PlanNode, f64)>;

fn finding(seen: &Seen<'_>, fault: &Waded<'_>) -> Option<Finding> {
    let (step, entries) = fault.what;
    let Meant { shape, known, place, table } = Meant::of(seen, fault, step.relation.as_deref()?)?;
    let index = known.indexes(table).iter().find(|index| Some(&*index.index) == step.index.as_deref())?;
    let gap = Gap::of(&known, table, index, &shape, place, step.worked(|work| work.key_parts)? as usize)?;
    let (wanted, left_out, behind) = (listed(&gap.wanted), &gap.left_out, listed(&gap.behind));
    let rows = step.rows.unwrap_or_default();
    let about = if step.work.as_deref().is_some_and(|work| work.index_filters) { "about " } else { "" };
    let because = format!(
        "{} goes through {about}{} entries of the index {} of {} for {} rows: {behind} stands behind {left_out}, which is not compared, {}",
        fault.name(),
        script::count(entries),
        index.index,
        catalogue::name(table),
        script::count(rows),
        fault.when()
    );
    let fix = known.create_index_of_mysql(table, &gap.wanted);
    let no_script = match fix {
        Some(_) => "",
        None => " How much of these columns it wants is for you to say, so there is no script.",
    };
    let advice = format!("Build an index of {wanted}, or compare {left_out} as well.{no_script}");
    let numbers = [("entries", json!(entries)), ("rows", json!(rows)), ("index", json!(index.full_name()))];
    let mut finding = fault.finding(PlanKeyPartlyUsed::ID, because, numbers, advice, fix);
    finding.subject = format!("{} ({wanted})", catalogue::name(table));
    finding.confidence = Confidence::Estimated;
    Some(finding)
}

/// A column of an index that a statement leaves out, and one behind it that it does not.
struct Gap<'a> {
    left_out: String,
    behind: Vec<&'a Column>,
    /// What an index without the gap would have.
    wanted: Vec<&'a Column>,
}

impl<'a> Gap<'a> {
    fn of(
        known: &Catalogue<'a>,
        table: &Table,
        index: &Index,
        shape: &Shape,
        place: usize,
        used: usize,
    ) -> Option<Gap<'a>> {
        let columns: Vec<&str> = index.column_list.as_deref()?.split(", ").collect();
        let (first, rest) = columns.split_at_checked(used)?;
        let (left_out, rest) = rest.split_first()?;
        let is_compared = |column: &str| {
            shape.uses_of(place).any(|used| used.column.eq_ignore_ascii_case(column) && !matches!(used.role, Role::Assigned))
        };
        let is_looked_up = |column: &str| {
            let mut uses = shape.uses_of(place).filter(|used| used.column.eq_ignore_ascii_case(column));
            uses.any(|used| matches!(used.role, Role::Equal) && used.wrapped.is_empty() && !used.under_or)
        };
        // Compared and yet not searched by: it is converted, or one of several alternatives. That is for other pages.
        if !shape.understood || is_compared(left_out) {
            return None;
        }
        let column = |name: &&str| known.column(table, name);
        let behind: Vec<&Column> = rest.iter().filter(|name| is_looked_up(name)).filter_map(column).collect();
        let wanted: Vec<&Column> = first.iter().map(column).collect::<Option<Vec<_>>>()?.into_iter().chain(behind.iter().copied()).collect();
        let is_there = known.indexes(table).iter().any(|other| begins_with(other, &wanted));
        (!behind.is_empty() && !is_there).then(|| Gap { left_out: (*left_out).to_owned(), behind, wanted })
    }
}

/// The planner had its reason then.
fn begins_with(index: &Index, columns: &[&Column]) -> bool {
    let mut own = index.column_list.as_deref().unwrap_or_default().split(", ");
    columns.iter().all(|column| own.next().is_some_and(|own| own.eq_ignore_ascii_case(&column.column)))
}

fn listed(columns: &[&Column]) -> String {
    columns.iter().map(|column| &*column.column).collect::<Vec<_>>().join(", ")
}
