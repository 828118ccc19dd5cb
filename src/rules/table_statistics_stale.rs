use crate::config::Span;
use crate::model::{Confidence, Finding, Flavour, Name, Severity, Stretch, Table, Topic, Unit, evidence};
use crate::rule::autovacuum::{self, Limits, Work};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Statistics that no longer fit the table
///
/// Far more rows of a table have changed since it was analysed than should have brought autovacuum, for a long time, and
/// nobody came.
///
/// ## Why it hurts
///
/// The planner goes by what it was told of the table: how many rows there are, which values are common. Of one that was filled,
/// emptied or turned over since, it guesses wrong by orders of magnitude, and joins in a way that takes minutes instead of
/// milliseconds.
///
/// ## What to do
///
/// Analyse the table. Then find out why nobody did: autovacuum switched off for it, its workers all busy with larger tables, or
/// a lock that sends them away.
///
/// ## When this page is wrong
///
/// Of a table that is never queried, or always read as a whole, statistics matter to nobody. Silence it by its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TableStatisticsStale {
    /// Changed rows, as a multiple of what makes autovacuum come. Calibrated by us: at twice that much it is late.
    min_excess: f64,
    /// Fewer changed rows mislead nobody by much. Calibrated by us: from some ten thousand on plans differ.
    min_changed_rows: f64,
    /// How long it must have been so. Calibrated by us: autovacuum looks every minute, and its workers may be busy for a while.
    min_window: Span,
}

impl Default for TableStatisticsStale {
    fn default() -> Self {
        Self { min_excess: 2.0, min_changed_rows: 10_000.0, min_window: Span::secs(1_800) }
    }
}

impl Rule for TableStatisticsStale {
    const ID: &'static str = "table-statistics-stale";
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
        let is_late = |table: &Table, limits: &Limits| self.is_stale(table, limits);
        let tables = autovacuum::left_alone(seen, Work::Analyze, self.min_window, is_late);
        tables.map(|(stretch, table, limit)| finding(stretch, table, limit, seen.at).into())
    }
}

impl TableStatisticsStale {
    fn is_stale(&self, table: &Table, limits: &Limits) -> bool {
        let Some(changed) = table.modified_since_analyze_rows else { return false };
        // At both ends, and nobody came in between: it was so all the time.
        let always = changed.min.float().min(changed.last.float());
        autovacuum::none_came(table.autoanalyzes, table.analyzes)
            && ["r", "m"].contains(&&*table.kind)
            && &*table.persistence != "t"
            && always >= self.min_changed_rows
            && always >= self.min_excess * limits.of_table(table)
    }
}

fn finding(stretch: &Stretch, table: &Table, limit: f64, at: f64) -> Finding {
    let changed = table.modified_since_analyze_rows.map_or(0.0, |rows| rows.last.float());
    let name = format!("{}.{}", table.schema, table.table);
    let analyzed = [table.last_analyze, table.last_autoanalyze].into_iter().flatten().map(|at| at.get()).reduce(f64::max);
    let since = match analyzed {
        Some(then) => format!("since it was analysed {} ago", script::duration((at - then).max(0.0))),
        // The server forgets when it was, after a crash or a reset.
        None => "since its statistics are counted, and it was not analysed in that time".to_owned(),
    };
    let why = if autovacuum::is_off_for(table) { ": autovacuum is switched off for it" } else { "" };
    Finding {
        rule: Name::new(TableStatisticsStale::ID),
        severity: Severity::Warning,
        database: table.database.clone(),
        subject: name.clone(),
        because: format!(
            "{} rows of table {name} have changed {since}; autovacuum should come at {}, and nobody came in {}{why}",
            script::count(changed),
            script::count(limit.round()),
            script::duration(stretch.seconds),
        ),
        evidence: evidence([
            ("changed_rows", json!(changed)),
            ("rows", json!(table.rows.map(|rows| rows.float()))),
            ("limit_rows", json!(limit.round())),
            ("analyzed_unix_seconds", json!(analyzed.map(f64::round))),
            ("is_switched_off", json!(autovacuum::is_off_for(table))),
            ("window_seconds", json!(stretch.seconds.round())),
        ]),
        advice: "Analyse the table, then find out why nobody did.".into(),
        fix: Some(script::analyze(&table.schema, &table.table)),
        confidence: Confidence::Estimated,
    }
}
