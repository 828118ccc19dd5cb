use crate::config::{ByteSize, Span};
use crate::model::{Flavour, Finding, Severity};
use crate::rule::statement::{Costly, Ran};
use crate::rule::Seen;
use crate::script;
use crate::workload::{Cost, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Statement that writes much log for little change
///
/// A statement adds far more to the write-ahead log than the rows that it changes explain.
///
/// ## Why it hurts
///
/// The log goes to disk before the statement ends, then to every standby, every subscriber and the archive. What one statement
/// writes too much of delays all of them.
///
/// ## What to do
///
/// Look at what it changes: a long text or document of which a few bytes differ is written anew as a whole; each index on the
/// table writes its own; an upsert that sets what was there already writes as if it were new.
///
/// ## When this page is wrong
///
/// When the rows are large and new. A bulk load is meant to write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatementWalHeavy {
    /// Log for each changed row, without the pages that are written whole after a checkpoint. Calibrated by us: an
    /// update of a short row with six indexes writes about 660 bytes.
    min_per_row: ByteSize,
    /// Log in a second. Calibrated by us: what a small archive notices.
    min_rate: ByteSize,
    /// Share of all log that statements write.
    min_share: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: a bulk load is over by then.
    min_window: Span,
}

impl Default for StatementWalHeavy {
    fn default() -> Self {
        Self { min_per_row: ByteSize(8 << 10), min_rate: ByteSize::mib(1), min_share: 0.25, min_window: Span::secs(300) }
    }
}

impl Costly for StatementWalHeavy {
    const ID: &'static str = "statement-wal-heavy";
    const OF: &'static [Flavour] = &[Flavour::Postgres];

    fn min_window(&self) -> Span {
        self.min_window
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let for_little = cost.rows >= 1.0 && per_row(cost) >= self.min_per_row.get() as f64;
        let much = sum.rate(changes(cost)) >= self.min_rate.get() as f64;
        let of_all = cost.wal_bytes >= self.min_share * sum.whole.wal_bytes;
        for_little && much && of_all
    }

    fn measure(cost: &Cost) -> f64 {
        cost.wal_bytes
    }

    /// The rows that a statement with parts returns are not those that its parts changed.
    fn speaks_of(ran: &Ran<'_>) -> bool {
        !ran.is_select() && !ran.begins_with("with")
    }

    fn finding(&self, ran: &Ran<'_>, _: &Seen<'_>) -> Finding {
        let cost = &ran.cost;
        let share = cost.wal_bytes / ran.sum.whole.wal_bytes.max(1.0);
        ran.finding(
            Self::ID,
            Severity::Note,
            format!(
                "{} added {} to the log {}, {:.0} % of all: {} for each of {} rows that it changed",
                ran.name(),
                script::bytes(cost.wal_bytes),
                ran.when(),
                share * 100.0,
                script::bytes(per_row(cost)),
                script::count(cost.rows),
            ),
            [
                ("wal_bytes", json!(cost.wal_bytes)),
                ("wal_full_images", json!(cost.wal_full_images)),
                ("wal_bytes_per_row", json!(per_row(cost).round())),
                ("share_ratio", json!(share)),
            ],
            "Change fewer bytes: split what changes often from what is large, and leave rows alone that stay the same. \
             That is a change of the schema or the client, so there is no script."
                .into(),
            None,
        )
    }
}

/// A page written whole takes at most its size: what is left is the changes themselves, or less.
const PAGE: f64 = 8_192.0;

fn changes(cost: &Cost) -> f64 {
    (cost.wal_bytes - cost.wal_full_images * PAGE).max(0.0)
}

fn per_row(cost: &Cost) -> f64 {
    changes(cost) / cost.rows.max(1.0)
}
