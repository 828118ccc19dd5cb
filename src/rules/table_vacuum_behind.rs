use crate::config::Span;
use crate::model::{Confidence, Finding, Flavour, Name, Severity, Stretch, Table, Topic, Unit, evidence};
use crate::rule::autovacuum::{self, Limits, Work};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Table that vacuum does not keep up with
///
/// A table has had far more dead rows than autovacuum should let it have, for a long time, and no vacuum came.
///
/// ## Why it hurts
///
/// Dead rows are read and skipped by every scan, the table and its indexes grow, and what has grown does not shrink by
/// itself.
///
/// ## What to do
///
/// Look for what holds vacuum back: a transaction or a replication slot that is hours old keeps dead rows alive, a lock
/// taken again and again sends autovacuum away, and its workers may all be busy elsewhere. Then vacuum the table.
///
/// ## When this page is wrong
///
/// In the hour after a large delete, while autovacuum is on its way through larger tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TableVacuumBehind {
    /// Dead rows, as a multiple of what makes autovacuum come. Calibrated by us: at twice that much it is late.
    min_excess: f64,
    /// Fewer dead rows are not worth a conversation.
    min_dead_rows: f64,
    /// How long it must have been so. Calibrated by us: autovacuum looks every minute, and a large table takes a while.
    min_window: Span,
}

impl Default for TableVacuumBehind {
    fn default() -> Self {
        Self { min_excess: 2.0, min_dead_rows: 100_000.0, min_window: Span::secs(1_800) }
    }
}

impl Rule for TableVacuumBehind {
    const ID: &'static str = "table-vacuum-behind";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Tables, Topic::Settings, Topic::Progress];
    const LOOKS_BACK_AT: &'static [Topic] = &[Topic::Tables];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        seen.stretches_of::<Table>(self.min_window).next().is_some()
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let is_late = |table: &Table, limits: &Limits| self.is_behind(table, limits);
        let tables = autovacuum::left_alone(seen, Work::Vacuum, self.min_window, is_late);
        tables.map(|(stretch, table, limit)| finding(stretch, table, limit).into())
    }
}

impl TableVacuumBehind {
    fn is_behind(&self, table: &Table, limits: &Limits) -> bool {
        let Some(dead) = table.dead_rows else { return false };
        // At both ends, and no vacuum in between: it was so all the time.
        let always = dead.min.float().min(dead.last.float());
        let none_came = autovacuum::none_came(table.autovacuums, table.vacuums);
        none_came
            && !autovacuum::is_off_for(table)
            && &*table.kind == "r"
            && &*table.persistence != "t"
            && always >= self.min_dead_rows
            && always >= self.min_excess * limits.of_table(table)
    }
}

fn finding(stretch: &Stretch, table: &Table, limit: f64) -> Finding {
    let dead = table.dead_rows.map_or(0.0, |dead| dead.float());
    let live = table.live_rows.map_or(0.0, |live| live.float());
    let name = format!("{}.{}", table.schema, table.table);
    Finding {
        rule: Name::new(TableVacuumBehind::ID),
        severity: Severity::Warning,
        database: table.database.clone(),
        subject: name.clone(),
        because: format!(
            "table {name} has {} dead rows beside {} live ones, autovacuum should come at {}, and no vacuum came in {}",
            script::count(dead),
            script::count(live),
            script::count(limit),
            script::duration(stretch.seconds),
        ),
        evidence: evidence([
            ("dead_rows", json!(dead)),
            ("live_rows", json!(live)),
            ("limit_rows", json!(limit.round())),
            ("last_autovacuum_unix_seconds", json!(table.last_autovacuum.map(|at| at.get().round()))),
            ("window_seconds", json!(stretch.seconds.round())),
        ]),
        advice: "Find out what holds vacuum back, then vacuum the table.".into(),
        fix: Some(script::vacuum(
            &table.schema,
            &table.table,
            "Reads the table and its indexes. While an old transaction is open it removes nothing.",
        )),
        confidence: Confidence::Estimated,
    }
}
