use crate::config::{ByteSize, Span};
use crate::model::{Flavour, Finding, Fix, Severity, Topic};
use crate::rule::catalogue::{self, Catalogue, size};
use crate::rule::plan::{self, Dear, Planned, Waste, Wasteful};
use crate::rule::{Rule, Seen, Word, statement};
use crate::script;
use crate::sql::shape::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Alternatives that read a whole table
///
/// A statement looks for rows by one column *or* another, and because one of the two has no index it reads everything.
///
/// ## Why it hurts
///
/// An index on one of the columns helps nothing: the rows that the other one would find are anywhere. Only with an index for
/// each alternative the server can look both up and put the results together.
///
/// ## What to do
///
/// Build the indexes that are missing, all of them. Where the alternatives are never both given, two statements are better than
/// one.
///
/// ## When this page is wrong
///
/// How many rows are thrown away is the planner's estimate for values of average frequency. That the whole table is read is
/// measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementOrAcrossColumns {
    /// Smaller tables are read in no time. Ten megabytes is where a known indexing service begins to look.
    min_bytes: ByteSize,
    /// Share of the rows that are wanted, at most. Above some five per cent reading everything is often the better plan.
    max_share: f64,
    /// Share of the table that each run must have gone through. Calibrated by us: a half leaves room for a table that grows.
    min_read: f64,
    /// Runs within the time looked at. Calibrated by us: less is a report.
    min_calls: f64,
    /// Seconds per second that it takes. Calibrated by us: a hundredth of a core is worth a look.
    min_load: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementOrAcrossColumns {
    fn default() -> Self {
        Self {
            min_bytes: ByteSize::mib(10),
            max_share: 0.05,
            min_read: 0.5,
            min_calls: 10.0,
            min_load: 0.01,
            min_window: Span::secs(300),
        }
    }
}

impl Rule for StatementOrAcrossColumns {
    const ID: &'static str = "statement-or-across-columns";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables, Topic::Indexes, Topic::Columns];
    const LOOKS_BACK_AT: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        plan::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let Self { min_bytes, max_share, min_read, min_calls, min_load, min_window } = *self;
        let dear = Dear { min_window, min_calls, min_load };
        Wasteful { min_bytes, max_share, min_read }.findings(seen, dear, |known, planned, waste| {
            let (all, missing) = alternatives(known, waste)?;
            Some(finding(known, planned, waste, &all, &missing))
        }).into_iter()
    }
}

/// The columns of the alternatives, and those that no index begins with; none unless every condition is an equality of
/// its own under the `or`.
fn alternatives(known: &Catalogue<'_>, waste: &Waste<'_>) -> Option<(Vec<String>, Vec<String>)> {
    let tests = plan::tests_of(waste.node, waste.node.filter()?);
    let simple = tests.uses.iter().all(|used| {
        used.under_or && used.wrapped.is_empty() && matches!(used.role, Role::Equal | Role::In)
    });
    if !tests.understood || !tests.or_across_columns || !simple {
        return None;
    }
    let (mut all, mut missing): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for used in tests.uses.iter() {
        let column = known.column(waste.table, &used.column)?;
        if all.contains(&used.column) {
            continue;
        }
        all.push(used.column.clone());
        if known.begins_with(waste.table, column).next().is_none() {
            missing.push(used.column.clone());
        }
    }
    // An alternative of two conditions on the same column needs no second index.
    (all.len() > 1 && !missing.is_empty()).then_some((all, missing))
}

fn finding(known: &Catalogue<'_>, planned: &Planned<'_>, waste: &Waste<'_>, all: &[String], missing: &[String]) -> Finding {
    let (ran, table) = (&planned.ran, catalogue::name(waste.table));
    ran.finding(
        StatementOrAcrossColumns::ID,
        Severity::Warning,
        format!(
            "{} read all of {table} ({}) in each of {} runs {}, {} each: it looks for {}, and no index begins with {}",
            ran.name(),
            script::bytes(size(waste.table)),
            script::count(ran.cost.calls),
            ran.when(),
            script::moment(ran.cost.mean_seconds()),
            all.join(" or "),
            missing.join(" or "),
        ),
        [
            ("size_bytes", json!(size(waste.table))),
            ("touched_bytes_per_call", json!(ran.cost.each(ran.cost.touched_bytes).round())),
            ("mean_seconds", json!(ran.cost.mean_seconds())),
            ("rows_expected", json!(waste.expected)),
            ("load", json!(ran.load())),
            ("columns", json!(all)),
        ],
        "Build an index for each alternative that has none; one without the others changes nothing.".into(),
        Some(together(known, waste, missing)),
    )
}

/// The scripts of all indexes as one.
fn together(known: &Catalogue<'_>, waste: &Waste<'_>, missing: &[String]) -> Fix {
    let mut fixes = missing.iter().map(|column| known.create_index(waste.table, &[column]));
    let mut whole = fixes.next().unwrap_or_default();
    for further in fixes {
        whole.sql.extend(further.sql.into_iter().skip(1));
        whole.rollback.extend(further.rollback);
    }
    whole
}
