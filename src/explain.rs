//! Plans as servers print them, in whatever spelling, as one tree of [`PlanNode`]: `postgres` what PostgreSQL has,
//! `mysql` the JSON and the trees of MySQL and MariaDB, `table` their rows. They are read where logs are, where plans are
//! asked for, and by the command `plan`.
//!
//! No text of a stranger comes into the tree but names; conditions have a `?` for each value.

mod json;
mod lines;
pub mod mysql;
pub mod postgres;
pub mod run;
pub mod table;
mod wrapping;

use crate::model::plan::{MAX_DEPTH, MAX_NODES, PlanNode};
use crate::sql::{Dialect, normalise};

/// What EXPLAIN of any of these servers has printed, with what a client puts around it. None where it is no plan.
pub fn read(bytes: &[u8]) -> Option<PlanNode> {
    let text = String::from_utf8_lossy(bytes);
    if let Some(rows) = wrapping::rows(&text) {
        return table::printed(&rows);
    }
    let bare = wrapping::bare(&text);
    let plan = bare.trim();
    if plan.starts_with(['{', '[']) {
        return postgres::printed(plan).or_else(|| mysql::json(plan));
    }
    if plan.starts_with("->") {
        return mysql::tree(&bare);
    }
    if plan.starts_with("Query Text: ") || plan.contains("<Query-Text>") {
        let is_whole = |query: &[u8]| normalise(Dialect::Postgres, &String::from_utf8_lossy(query)).is_ok();
        return postgres::logged(plan.as_bytes(), is_whole)?.plan;
    }
    postgres::printed(&bare)
}

/// Steps in the order in which they were met, each with how deep it lies, as a tree.
fn nested(steps: impl IntoIterator<Item = (usize, PlanNode)>) -> Option<PlanNode> {
    let mut open: Vec<(usize, PlanNode)> = Vec::new();
    let close = |open: &mut Vec<(usize, PlanNode)>| {
        if let Some((_, node)) = open.pop()
            && let Some((_, parent)) = open.last_mut()
        {
            parent.children.push(node);
        }
    };
    for (depth, node) in steps.into_iter().take(MAX_NODES) {
        while open.len() > 1 && open.last().is_some_and(|(last, _)| *last >= depth) {
            close(&mut open);
        }
        if open.len() < MAX_DEPTH {
            open.push((depth, node));
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    open.pop().map(|(_, node)| node)
}

#[cfg(test)]
mod tests;
