use crate::config::Span;
use crate::model::{Finding, Flavour, Severity};
use crate::rule::statement::{Costly, Ran};
use crate::rule::Seen;
use crate::script;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Statement that makes temporary tables on disk
///
/// A statement keeps rows aside in a temporary table that memory does not hold, again and again (MySQL, MariaDB).
///
/// ## Why it hurts
///
/// The table is written, read and thrown away with every run. That takes time, and room on the disk that nobody has planned
/// for.
///
/// ## What to do
///
/// Have it keep less aside: an index in the order of its GROUP BY or ORDER BY, a filter before, fewer and shorter columns. Long
/// texts go to disk by themselves on MariaDB and on MySQL before 8.0.13. If the amount is reasonable, raise `tmp_table_size` (and
/// `max_heap_table_size` with it) for the sessions that run it.
///
/// ## When this page is wrong
///
/// When it is a report that may take its time. And silence proves little on MySQL 8 and later: what its TempTable engine moves to
/// disk the server does not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementTempDiskTables {
    /// Tables made on disk in a second. Calibrated by us: one a second is no report any more.
    min_rate: f64,
    /// The share of its runs that make one.
    min_share: f64,
    /// Runs at least: a single one is a report.
    min_calls: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: what it does, it does each time.
    min_window: Span,
}

impl Default for StatementTempDiskTables {
    fn default() -> Self {
        Self { min_rate: 1.0, min_share: 0.5, min_calls: 5.0, min_window: Span::secs(60) }
    }
}

impl Costly for StatementTempDiskTables {
    const ID: &'static str = "statement-temp-disk-tables";
    const OF: &'static [Flavour] = &[Flavour::Mysql, Flavour::Mariadb];

    fn min_window(&self) -> Span {
        self.min_window
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let as_a_rule = cost.each(cost.tmp_disk_tables) >= self.min_share;
        let many = sum.rate(cost.tmp_disk_tables) >= self.min_rate;
        let again_and_again = cost.calls >= self.min_calls;
        as_a_rule && many && again_and_again
    }

    fn measure(cost: &Cost) -> f64 {
        cost.tmp_disk_tables
    }

    fn finding(&self, ran: &Ran<'_>, _: &Seen<'_>) -> Finding {
        let cost = &ran.cost;
        ran.finding(
            Self::ID,
            Severity::Note,
            format!(
                "{} made {} temporary tables on disk in {} runs {}",
                ran.name(),
                script::count(cost.tmp_disk_tables),
                script::count(cost.calls),
                ran.when(),
            ),
            [
                ("tmp_disk_tables", json!(cost.tmp_disk_tables)),
                ("tmp_disk_tables_per_call", json!(cost.each(cost.tmp_disk_tables))),
                ("tmp_tables_per_call", json!(cost.each(cost.tmp_tables))),
                ("mean_seconds", json!(cost.mean_seconds())),
            ],
            "Look at its plan for what it keeps aside: an index in the order of its groups needs no table. What to change depends on \
             that, so there is no script."
                .into(),
            None,
        )
    }
}
