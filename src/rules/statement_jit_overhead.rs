use crate::config::Span;
use crate::model::{Flavour, Finding, Severity};
use crate::rule::statement::{self, Costly, Ran};
use crate::rule::Seen;
use crate::script;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Statement that is compiled longer than it needs
///
/// The server compiles parts of a statement to machine code, and that takes much of the time that the statement takes.
///
/// ## Why it hurts
///
/// Compiling pays for statements that go through millions of rows. For others it adds tens or hundreds of milliseconds to every
/// run, because the planner has overrated what they cost.
///
/// ## What to do
///
/// Turn `jit` off for the user that sends it, or raise `jit_above_cost`. If the estimate is far off, mend that: old statistics,
/// partitions that are not pruned.
///
/// ## When this page is wrong
///
/// When other statements of the same user gain from it. Then raise `jit_above_cost` between the two instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementJitOverhead {
    /// Share of the execution time that is compiling; above 40 % it is a warning in PEV2.
    min_share: f64,
    /// Seconds of compiling per second. Calibrated by us: a fiftieth of a core.
    min_load: f64,
    /// Runs at least: the first of a session loads the compiler.
    min_calls: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: it is compiled each time.
    min_window: Span,
}

impl Default for StatementJitOverhead {
    fn default() -> Self {
        Self { min_share: 0.4, min_load: 0.02, min_calls: 10.0, min_window: Span::secs(30) }
    }
}

impl Costly for StatementJitOverhead {
    const ID: &'static str = "statement-jit-overhead";
    const OF: &'static [Flavour] = &[Flavour::Postgres];

    fn min_window(&self) -> Span {
        self.min_window
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let too_much = cost.jit_seconds > 0.0 && cost.jit_seconds >= self.min_share * cost.exec_seconds;
        let matters = sum.rate(cost.jit_seconds) >= self.min_load;
        let often = cost.calls >= self.min_calls;
        too_much && matters && often
    }

    fn measure(cost: &Cost) -> f64 {
        cost.jit_seconds
    }

    fn finding(&self, ran: &Ran<'_>, seen: &Seen<'_>) -> Finding {
        let cost = &ran.cost;
        let share = cost.jit_seconds / cost.exec_seconds;
        let fix = ran.user(seen).map(|user| {
            let caution = "Statements of this user that gain from compiling lose that gain.";
            statement::setting_of_user(&user, &ran.key.database, "jit", "off", caution)
        });
        ran.finding(
            Self::ID,
            Severity::Note,
            format!(
                "{} spent {:.0} % of its time on compiling {}: {} of {} in each of {} runs",
                ran.name(),
                share * 100.0,
                ran.when(),
                script::moment(cost.each(cost.jit_seconds)),
                script::moment(cost.mean_seconds()),
                script::count(cost.calls),
            ),
            [
                ("share_ratio", json!(share)),
                ("jit_seconds", json!(cost.jit_seconds)),
                ("jit_functions_per_call", json!(cost.each(cost.jit_functions))),
                ("mean_seconds", json!(cost.mean_seconds())),
            ],
            "Turn jit off for the user that sends it, or raise jit_above_cost.".into(),
            fix,
        )
    }
}
