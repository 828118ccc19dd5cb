use crate::config::{ByteSize, Span};
use crate::model::plan::PlanNode;
use crate::model::{Flavour, Finding, Severity, Topic};
use crate::rule::catalogue::Catalogue;
use crate::rule::plan::{self, Planned};
use crate::rule::{Rule, Seen, Word, statement};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Statement that skips most of what it reads
///
/// A query with OFFSET goes through far more data than the rows that it returns would take, and nothing in its plan throws
/// rows away but the OFFSET itself.
///
/// ## Why it hurts
///
/// The server cannot jump: it makes every row before the wanted page and drops it. The hundredth page costs a hundred times
/// the first.
///
/// ## What to do
///
/// Remember where the last page ended and ask for what comes after it: `WHERE (placed, id) > ($1, $2) ORDER BY placed, id LIMIT
/// 20`. With an index over these columns every page costs the same.
///
/// ## When this page is wrong
///
/// When few people page far and a crawler does it at night. How far the pages are is not known, only how much is read for
/// each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementDeepOffset {
    /// How many times the data that the returned rows would take. Ten, as others count rows before and after the OFFSET.
    min_factor: f64,
    /// Data that each run goes through. Calibrated by us: below a megabyte nobody notices.
    min_bytes: ByteSize,
    /// Runs within the time looked at. Calibrated by us: less is somebody looking around.
    min_calls: f64,
    /// Seconds per second that it takes. Calibrated by us: a hundredth of a core is worth a look.
    min_load: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementDeepOffset {
    fn default() -> Self {
        Self {
            min_factor: 10.0,
            min_bytes: ByteSize::mib(1),
            min_calls: 10.0,
            min_load: 0.01,
            min_window: Span::secs(300),
        }
    }
}

impl Rule for StatementDeepOffset {
    const ID: &'static str = "statement-deep-offset";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables];
    const LOOKS_BACK_AT: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        plan::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let planned = plan::statements(seen, self.min_window).into_iter();
        let dear = planned.filter(|planned| {
            let cost = &planned.ran.cost;
            let touched = cost.each(cost.touched_bytes);
            cost.calls >= self.min_calls && planned.ran.load() >= self.min_load && touched >= self.min_bytes.get() as f64
        });
        let skipping = dear.filter(|planned| planned.shape().offset).filter_map(move |planned| {
            let name = planned.plan_of_offset()?.relation.clone()?;
            let names = [name.clone()].into();
            let table = Catalogue::of(seen, &planned.ran.key.database, &names).table(&name)?;
            let needed = planned.returned_bytes(table)?;
            let touched = planned.ran.cost.each(planned.ran.cost.touched_bytes);
            (touched >= self.min_factor * needed).then(|| finding(&planned, touched, needed).into())
        });
        skipping.take(statement::MAX_NAMED)
    }
}

impl Planned<'_> {
    /// The step under the limit, if it brings its rows in order and throws none of them away.
    fn plan_of_offset(&self) -> Option<&PlanNode> {
        let limit = Some(self.plan).filter(|plan| plan.kind == "Limit")?;
        let [step] = limit.children.as_slice() else { return None };
        let in_order = ["Seq Scan", "Index Scan", "Index Scan Backward", "Index Only Scan", "Index Only Scan Backward"];
        // What hangs below it is asked for each row, and reads for itself.
        let is_alone = !step.filters && step.strategy.is_none() && step.children.is_empty();
        Some(step).filter(|step| in_order.contains(&step.kind.as_str()) && is_alone)
    }
}

fn finding(planned: &Planned<'_>, touched: f64, needed: f64) -> Finding {
    let ran = &planned.ran;
    ran.finding(
        StatementDeepOffset::ID,
        Severity::Note,
        format!(
            "{} went through {} in each of {} runs {} to return {} rows: what its OFFSET skips is read all the same",
            ran.name(),
            script::bytes(touched),
            script::count(ran.cost.calls),
            ran.when(),
            script::count(ran.cost.each(ran.cost.rows)),
        ),
        [
            ("touched_bytes_per_call", json!(touched.round())),
            ("needed_bytes_per_call", json!(needed.round())),
            ("mean_seconds", json!(ran.cost.mean_seconds())),
            ("load", json!(ran.load())),
        ],
        "Ask for what comes after the last row of the page before. That is a change in the client, so there is no script.".into(),
        None,
    )
}
