//! What EXPLAIN and ANALYZE of MySQL and MariaDB print, as one tree: their JSON in its three forms and the text of
//! `FORMAT=TREE`. What they show as a table is in `table.rs`.

mod blocks;
mod iterators;
mod mended;
mod tree;
mod values;
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
    // `(select #2)` and `(subquery#2)`: in a statement that would begin a comment.
    let named = ["(select #", "(subquery#"].iter().fold(text.trim().to_owned(), |text, begin| {
        let mut parts = text.split(begin);
        let first = parts.next().unwrap_or_default().to_owned();
        let is_digit = |letter: char| letter.is_ascii_digit();
        parts.fold(first, |text, part| text + "(subquery" + part.trim_start_matches(is_digit))
    });
    let told = Some(named).filter(|text| values::are_told(text));
    sql::without_literals(Dialect::MYSQL, &told?).filter(|text| !text.is_empty())
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

#[cfg(test)]
mod tests {
    use super::condition;

    #[test]
    fn a_condition_with_a_subquery_ends_where_it_ends() {
        let told = |text: &str| condition(text).unwrap_or_default();
        assert_eq!(told("c.region > (subquery#3) and c.a = 'kanari'"), "c.region > (subquery) and c.a = ?");
        assert_eq!(told("(c.id in (select #2) is false)"), "(c.id in (subquery) is false)");
        assert_eq!(told("c.a = '(select #2' and c.b = 4711"), "c.a = ? and c.b = ?");
    }
}
