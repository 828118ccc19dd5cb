use crate::config::{ByteSize, Span};
use crate::model::{Flavour, Finding, Severity, Topic};
use crate::rule::catalogue::Catalogue;
use crate::rule::statement::{self, Ran};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use crate::sql::shape;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Statement that counts everything, again and again
///
/// A `count(*)` over a whole table is asked many times, and each time all of it is read.
///
/// ## Why it hurts
///
/// The server keeps no count of rows: to tell it, it looks at every one of them. The answer is old when it arrives, and it is
/// asked for again.
///
/// ## What to do
///
/// Where a round number will do, show the estimate that the server has already: `reltuples` in `pg_class`. Where pages are
/// counted, ask for one row more than a page holds instead. Where the number must be right, keep it in a row that is changed
/// with the table.
///
/// ## When this page is wrong
///
/// When it is a check that has to look at every row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementCountsEverything {
    /// Data that each count goes through. Ten megabytes is where a known indexing service begins to look at tables.
    min_bytes: ByteSize,
    /// Counts within the time looked at. Calibrated by us: less is a report.
    min_calls: f64,
    /// Seconds per second that it takes. Calibrated by us: a hundredth of a core is worth a look.
    min_load: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    min_window: Span,
}

impl Default for StatementCountsEverything {
    fn default() -> Self {
        Self { min_bytes: ByteSize::mib(10), min_calls: 10.0, min_load: 0.01, min_window: Span::secs(300) }
    }
}

impl Rule for StatementCountsEverything {
    const ID: &'static str = "statement-counts-everything";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Statements, Topic::Tables];
    const LOOKS_BACK_AT: &'static [Topic] = statement::TOPICS;

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        statement::has_seen_enough(seen, self.min_window)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let much = |cost: &Cost| cost.each(cost.touched_bytes) >= self.min_bytes.get() as f64;
        let often = |cost: &Cost| cost.calls >= self.min_calls;
        let dear = |cost: &Cost, sum: &Sum| sum.rate(cost.exec_seconds) >= self.min_load;
        let costly = statement::all_queries(
            seen,
            self.min_window,
            |_, cost, sum| much(cost) && often(cost) && dear(cost, sum),
            |cost| cost.exec_seconds,
        );
        let found = costly.into_iter().filter(|ran| counts_everything(ran, seen)).take(statement::MAX_NAMED);
        found.map(|ran| finding(&ran).into())
    }
}

/// Of one table, and with nothing by which an index could help.
fn counts_everything(ran: &Ran<'_>, seen: &Seen<'_>) -> bool {
    let read = shape::read(seen.flavour.dialect(), ran.text);
    let only_counts = read.counts_rows && read.aggregates.len() == 1 && !read.distinct;
    // What is bounded or told apart within is not seen from without, and a view may leave rows out.
    let is_one = ran.text.to_ascii_lowercase().matches("select").count() == 1;
    let [table] = read.tables.as_slice() else { return false };
    let known = Catalogue::of(seen, &ran.key.database, &[table.name.to_string()].into());
    let is_table = || known.table(&table.name).is_some_and(|table| ["r", "p"].contains(&&*table.kind));
    read.understood && only_counts && is_one && read.uses.is_empty() && !ran.text.contains(" where ") && is_table()
}

fn finding(ran: &Ran<'_>) -> Finding {
    let cost = &ran.cost;
    ran.finding(
        StatementCountsEverything::ID,
        Severity::Note,
        format!(
            "{} counted every row of its table {} times {}, going through {} each time",
            ran.name(),
            script::count(cost.calls),
            ran.when(),
            script::bytes(cost.each(cost.touched_bytes)),
        ),
        [
            ("touched_bytes_per_call", json!(cost.each(cost.touched_bytes).round())),
            ("mean_seconds", json!(cost.mean_seconds())),
            ("load", json!(ran.load())),
        ],
        "Show the server's own estimate, or keep the count where it changes. That is a change in the client, so there is no \
         script."
            .into(),
        None,
    )
}
