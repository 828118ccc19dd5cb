//! What pages about autovacuum share: when it should come to a table, and whether it came.

use super::Seen;
use crate::config::Span;
use crate::model::{Count, Progress, Setting, Stretch, Table, Total};

/// What it comes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Vacuum,
    Analyze,
}

impl Work {
    /// `autovacuum_vacuum_threshold` and its kin.
    fn setting(self, name: &str) -> String {
        let work = match self {
            Work::Vacuum => "vacuum",
            Work::Analyze => "analyze",
        };
        format!("autovacuum_{work}_{name}")
    }
}

/// How many changed rows bring it.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    work: Work,
    threshold: f64,
    scale: f64,
    /// PostgreSQL 18 and later, of vacuum alone.
    max: f64,
}

impl Limits {
    /// None where autovacuum is off: that has a page of its own.
    pub fn of(seen: &Seen<'_>, work: Work) -> Option<Limits> {
        let value = |name: &str| {
            let setting = seen.now.rows::<Setting>().find(|setting| &*setting.setting == name);
            setting.and_then(|setting| setting.value.as_deref())
        };
        let number = |name: &str| value(&work.setting(name)).and_then(|value| value.parse::<f64>().ok());
        (value("autovacuum")? == "on").then_some(())?;
        Some(Limits {
            work,
            threshold: number("threshold")?,
            scale: number("scale_factor")?,
            max: number("max_threshold").filter(|max| *max >= 0.0).unwrap_or(f64::INFINITY),
        })
    }

    pub fn of_table(&self, table: &Table) -> f64 {
        let own = |name: &str| option(table, &self.work.setting(name))?.parse::<f64>().ok();
        let threshold = own("threshold").unwrap_or(self.threshold);
        let scale = own("scale_factor").unwrap_or(self.scale);
        let max = own("max_threshold").filter(|max| *max >= 0.0).unwrap_or(self.max);
        (threshold + scale * table.rows.map_or(0.0, |rows| rows.float())).min(max)
    }
}

fn option<'a>(table: &'a Table, name: &str) -> Option<&'a str> {
    let mut options = table.options.as_deref().unwrap_or_default().split(',');
    options.find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
}

/// Did somebody switch it off for this table?
pub fn is_off_for(table: &Table) -> bool {
    option(table, "autovacuum_enabled").is_some_and(|value| ["false", "off"].contains(&value))
}

/// Neither of two totals of a stretch has moved.
pub fn none_came(by_itself: Option<Total<Count>>, by_hand: Option<Total<Count>>) -> bool {
    [by_itself, by_hand].into_iter().all(|total| total.is_some_and(|total| total.float() == 0.0))
}

/// The tables that are late all through a stretch and that nobody is at work on now, each with its stretch and with how
/// many rows should have brought the work.
pub fn left_alone<'a>(
    seen: &'a Seen<'a>,
    work: Work,
    min_window: Span,
    is_late: impl Fn(&Table, &Limits) -> bool + 'a,
) -> impl Iterator<Item = (&'a Stretch, &'a Table, f64)> {
    let limits = Limits::of(seen, work);
    let tables = seen.stretches_of::<Table>(min_window);
    let tables = tables.flat_map(|(stretch, tables)| tables.iter().map(move |table| (stretch, table)));
    tables.filter_map(move |(stretch, table)| {
        let limits = limits.filter(|limits| is_late(table, limits) && !is_at_work(seen, table))?;
        Some((stretch, table, limits.of_table(table)))
    })
}

fn is_at_work(seen: &Seen<'_>, table: &Table) -> bool {
    seen.now.rows::<Progress>().any(|work| work.relation_oid == Some(table.oid))
}
