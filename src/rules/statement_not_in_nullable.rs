use crate::config::Span;
use crate::model::plan::PlanNode;
use crate::model::{Flavour, Finding, Severity, Topic};
use crate::rule::plan::{self, Planned};
use crate::rule::{Rule, Seen, Word, statement};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # NOT IN that is looked through for every row
///
/// A `NOT IN (SELECT …)` is planned as a list that is gone through from the beginning for each row of the query around it.
///
/// ## Why it hurts
///
/// A null in the list makes the answer unknown, so the server may not treat it as a join. As long as the list fits into
/// `work_mem` it is hashed; as soon as it does not, the time grows with the one table times the other, from one day to the next.
///
/// ## What to do
///
/// Write `NOT EXISTS (SELECT 1 FROM … WHERE …)` with the comparison inside: it means what was meant, and it is a join.
///
/// ## When this page is wrong
///
/// When nulls are in the list and nothing is to be returned then: NOT EXISTS returns the rows. Nobody has ever meant that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementNotInNullable {
    /// Rows of the list, as the planner expects them. Calibrated by us: a list of a thousand is gone through in no time.
    min_rows: f64,
    /// Seconds per second that it takes. Calibrated by us: a hundredth of a core is worth a look.
    min_load: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementNotInNullable {
    fn default() -> Self {
        Self { min_rows: 1_000.0, min_load: 0.01, min_window: Span::secs(300) }
    }
}

impl Rule for StatementNotInNullable {
    const ID: &'static str = "statement-not-in-nullable";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        plan::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let planned = plan::statements(seen, self.min_window).into_iter();
        let dear = planned.filter(|planned| planned.ran.load() >= self.min_load && planned.shape().not_in_query);
        let found = dear.filter_map(|planned| {
            let rows = list(planned.plan).filter(|rows| *rows >= self.min_rows)?;
            Some(finding(&planned, rows).into())
        });
        found.take(statement::MAX_NAMED)
    }
}

/// Rows of a list that is kept and gone through again, not hashed.
fn list(plan: &PlanNode) -> Option<f64> {
    let mut rows: Option<f64> = None;
    plan.each(&mut |node| {
        let lists = node.children.iter().filter(|child| child.place() == Some("SubPlan") && child.kind == "Materialize");
        let denies = node.filter().is_some_and(|filter| filter.contains("not (") && !filter.contains("hashed"));
        if denies {
            rows = lists.filter_map(|list| list.rows_expected).chain(rows).max_by(f64::total_cmp);
        }
    });
    rows
}

fn finding(planned: &Planned<'_>, rows: f64) -> Finding {
    let ran = &planned.ran;
    ran.finding(
        StatementNotInNullable::ID,
        Severity::Warning,
        format!(
            "{} took {} a run {}: its NOT IN goes through a list of about {} rows for each row that it looks at",
            ran.name(),
            script::moment(ran.cost.mean_seconds()),
            ran.when(),
            script::count(rows),
        ),
        [("rows_of_list", json!(rows)), ("mean_seconds", json!(ran.cost.mean_seconds())), ("load", json!(ran.load()))],
        "Write NOT EXISTS instead. That is a change in the client, so there is no script.".into(),
        None,
    )
}
