use crate::config::{ByteSize, Span};
use crate::model::{Finding, Flavour, LogStatement, Name, Severity, evidence};
use crate::rule::statement::{self, Costly, Ran};
use crate::rule::{Seen, log};
use crate::script;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// # Statement that spills to disk
///
/// A statement sorts or hashes more than its memory holds, and writes the rest to temporary files, again and again.
///
/// ## Why it hurts
///
/// The files are written and read back, which takes time, wears out the disk, and pushes other data out of the operating
/// system's cache.
///
/// ## What to do
///
/// Give its sessions more `work_mem`, if the amount is reasonable; or have it sort less: an index in the wanted order, a filter
/// before the sort, fewer columns.
///
/// ## When this page is wrong
///
/// When it is a report that may take its time. The amount of memory is an estimate: in memory the same rows need more than in a
/// file, and a plan with several sorts needs it several times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementSpills {
    /// Spilled in a second, on average. Calibrated by us: about a gibibyte an hour.
    min_rate: ByteSize,
    /// Spilled by a run. Less is gone with a few pages of the cache.
    min_spilled: ByteSize,
    /// Runs at least: a single one is a report.
    min_calls: f64,
    /// No script for more memory than this: sessions may use it several times each.
    max_work_mem: ByteSize,
    /// The time over which it is counted, and for how long at least. Calibrated by us: what it spills, it spills each time.
    min_window: Span,
}

impl Default for StatementSpills {
    fn default() -> Self {
        Self { min_rate: ByteSize(256 << 10), min_spilled: ByteSize::mib(1), min_calls: 5.0, max_work_mem: ByteSize::mib(256), min_window: Span::secs(30) }
    }
}

impl Costly for StatementSpills {
    const ID: &'static str = "statement-spills";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const MENDED_WITH: &'static [&'static str] = &["plan-disk-sort", "plan-hash-batches"];

    fn min_window(&self) -> Span {
        self.min_window
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let spills = cost.each(cost.spilled_bytes) >= self.min_spilled.get() as f64;
        let much = sum.rate(cost.spilled_bytes) >= self.min_rate.get() as f64;
        let again_and_again = cost.calls >= self.min_calls;
        spills && much && again_and_again
    }

    fn measure(cost: &Cost) -> f64 {
        cost.spilled_bytes
    }

    fn finding(&self, ran: &Ran<'_>, seen: &Seen<'_>) -> Finding {
        let cost = &ran.cost;
        let each = cost.each(cost.spilled_bytes);
        // The next power of two, so that two statements do not ask for two settings.
        let mebibytes = (each * IN_MEMORY / MIB).ceil().max(8.0).log2().ceil().exp2();
        let reasonable = mebibytes * MIB <= self.max_work_mem.get() as f64;
        let fix = ran.user(seen).filter(|_| reasonable).map(|user| {
            let caution = "Each sort and each hash of each session may take as much: times the connections at work it \
                           must fit the memory.";
            statement::setting_of_user(&user, &ran.key.database, "work_mem", &format!("'{mebibytes}MB'"), caution)
        });
        let advice = match fix {
            Some(_) => "Give its sessions more memory, or have it sort less.",
            None => "It needs more memory than is reasonable: have it sort less, by an index or a filter.",
        };
        let mut finding = ran.finding(
            Self::ID,
            Severity::Note,
            format!(
                "{} wrote {} to temporary files {}: {} in each of {} runs",
                ran.name(),
                script::bytes(cost.spilled_bytes),
                ran.when(),
                script::bytes(each),
                script::count(cost.calls),
            ),
            [
                ("spilled_bytes", json!(cost.spilled_bytes)),
                ("spilled_bytes_per_call", json!(each.round())),
                ("mean_seconds", json!(cost.mean_seconds())),
            ],
            advice.into(),
            fix,
        );
        finding.evidence.extend(self.logged(ran, seen));
        finding
    }
}

const MIB: f64 = 1_048_576.0;
/// The same rows take more room in memory than in a file. Calibrated by us: sorts of 300,000 rows took 2 to 3.6 times,
/// a hash of them 3 times.
const IN_MEMORY: f64 = 4.0;

impl StatementSpills {
    /// What the log says of its temporary files, where it is followed: single ones, and as large as they were.
    fn logged(&self, ran: &Ran<'_>, seen: &Seen<'_>) -> BTreeMap<Name, Value> {
        let logged = log::lately::<LogStatement>(seen, self.min_window).and_then(|(stretch, rows)| {
            let row = rows.iter().find(|row| row.digest == Some(ran.key.digest) && row.temp_files.float() > 0.0)?;
            Some(evidence([
                ("logged_files", json!(row.temp_files.float())),
                ("logged_bytes", json!(row.temp_bytes.float())),
                ("logged_seconds", json!(stretch.seconds.round())),
            ]))
        });
        logged.unwrap_or_default()
    }
}
