//! What EXPLAIN and ANALYZE of MySQL and MariaDB print, as one tree: their JSON in its three forms and the text of
//! `FORMAT=TREE`. What they show as a table is in `table.rs`.

mod blocks;
mod iterators;
mod mended;
mod tree;
mod words;

use super::json::Json;
use crate::model::plan::{MAX_DEPTH, MAX_NODES, PlanNode, Terms};
use crate::sql::{self, Dialect};

pub use tree::tree;

/// None where it is no plan.
pub fn json(text: &str) -> Option<PlanNode> {
    let json = Json::read(&mended::mended(text))?;
    let mut room = Room { steps: MAX_NODES };
    match json.get("query_block") {
        Some(block) => blocks::plan(block, &mut room),
        None => iterators::plan(&json, &mut room),
    }
}

/// How many more steps there is room for.
struct Room {
    steps: usize,
}

impl Room {
    /// For a step that lies so deep.
    fn take(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.steps = self.steps.checked_sub(1)?;
        Some(())
    }
}

/// A condition without its values. None where that cannot be told.
fn condition(text: &str) -> Option<String> {
    sql::without_literals(Dialect::MYSQL, text.trim()).filter(|text| !text.is_empty())
}

fn with_terms(node: &mut PlanNode, terms: Terms) {
    if terms != Terms::default() {
        node.terms = Some(Box::new(terms));
    }
}

/// Which side of a join each step is: the outer one comes first.
fn take_sides(children: &mut [PlanNode]) {
    let sides = children.iter_mut().filter(|child| child.place.is_none());
    for (side, child) in ["Outer", "Inner"].into_iter().zip(sides) {
        child.place = Some(side.to_owned());
    }
}
