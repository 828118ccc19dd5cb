//! What pages about patterns share: runs that read a whole table for the few rows that are like a pattern. Where a
//! pattern begins only a log tells: statistics of statements have a placeholder for it.

use super::Seen;
use super::catalogue::Catalogue;
use super::logged::{self, Fault, Habit};
use super::plan::is_text;
use crate::model::plan::{Pattern, PlanNode};
use crate::model::{Column, Finding, Table};
use crate::plans::logged::Run;
use crate::rule::Word;
use crate::rule::catalogue;
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// When reading a table for a pattern is a waste.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Searches {
    /// Rows that a run looked at and threw away. Calibrated by us: a hundred thousand take some ten milliseconds.
    min_rows: f64,
    /// Of the rows that it looked at, the share that it wanted, at most. Calibrated by us: above some five per cent reading
    /// everything is often the better plan.
    max_share: f64,
    pub habit: Habit,
}

impl Default for Searches {
    fn default() -> Self {
        Self { min_rows: 100_000.0, max_share: 0.05, habit: Habit::default() }
    }
}

/// A read of a whole table for a pattern, and the rows thrown away.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    step: &'a PlanNode,
    pattern: &'a Pattern,
    thrown_away: f64,
}

/// The same with what is known of the column.
#[derive(Debug)]
pub struct Found<'s, 'a> {
    pub fault: &'s Fault<'a, Search<'a>>,
    pub known: Catalogue<'a>,
    pub table: &'a Table,
    pub column: &'a Column,
}

impl Searches {
    /// What a page has to say of the searches for patterns that it is about.
    pub fn findings<'a>(
        &self,
        seen: &Seen<'a>,
        is_about: impl Fn(&Pattern) -> bool,
        judge: impl Fn(&Found<'_, 'a>) -> Option<Finding>,
    ) -> Vec<Word> {
        let faults = self.habit.faults(seen, |run| self.search(run, &is_about));
        logged::one_for_each_subject(faults.iter().filter_map(|fault| judge(&Found::of(seen, fault)?)))
    }

    fn search<'a>(&self, run: &'a Run, is_about: &impl Fn(&Pattern) -> bool) -> Option<Search<'a>> {
        let thrown_away = |step: &'a PlanNode| {
            step.work.as_ref()?.pattern.as_ref().filter(|pattern| is_about(pattern))?;
            let (rows, thrown_away) = (step.rows?, step.rows_removed? * step.loops?);
            let is_whole = step.kind == "Seq Scan" && logged::weighs(step, &run.plan);
            let is_waste = thrown_away >= self.min_rows && rows <= self.max_share * (rows + thrown_away);
            (is_whole && is_waste).then_some(thrown_away)
        };
        let (step, thrown_away) = logged::most(&run.plan, thrown_away)?;
        Some(Search { step, pattern: step.work.as_ref()?.pattern.as_ref()?, thrown_away })
    }
}

impl<'s, 'a> Found<'s, 'a> {
    fn of(seen: &Seen<'a>, fault: &'s Fault<'a, Search<'a>>) -> Option<Found<'s, 'a>> {
        let Search { step, pattern, .. } = fault.what;
        let relation = step.relation.as_deref()?;
        let known = Catalogue::of(seen, &fault.key.database, &BTreeSet::from([relation.to_owned()]));
        let table = known.table(relation).filter(|table| &*table.kind == "r" && !table.is_partition)?;
        let column = known.column(table, &pattern.column).filter(|column| is_text(&column.data_type))?;
        Some(Found { fault, known, table, column })
    }

    pub fn name(&self) -> String {
        format!("{} ({})", catalogue::name(self.table), self.column.column)
    }

    /// "statement … looked through 200,000 rows of public.prod for 3 whose sku is like a pattern that begins …, in 3 of …"
    pub fn sentence(&self, that_begins: &str) -> String {
        let rows = self.fault.what.step.rows.unwrap_or_default();
        format!(
            "{} looked through {} rows of {} for {} whose {} is like a pattern that begins with {that_begins}, {}",
            self.fault.name(),
            script::count(rows + self.fault.what.thrown_away),
            catalogue::name(self.table),
            script::count(rows),
            self.column.column,
            self.fault.when()
        )
    }

    pub fn numbers(&self) -> [(&'static str, Value); 2] {
        [
            ("rows_thrown_away", json!(self.fault.what.thrown_away)),
            ("rows_found", json!(self.fault.what.step.rows)),
        ]
    }
}

/// What an index takes that is to find a pattern's beginning. None for a type that is padded or compared in a way of its own.
pub fn class_of(column: &Column) -> Option<&'static str> {
    match &*column.data_type {
        "text" => Some("text_pattern_ops"),
        word if word.starts_with("character varying") => Some("varchar_pattern_ops"),
        _ => None,
    }
}
