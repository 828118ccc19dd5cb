//! `FORMAT=TREE` and `EXPLAIN ANALYZE` of MySQL: a line for each step, as far to the right as it lies deep.

use super::{take_sides, values, words};
use crate::explain::lines::{self, Quotes};
use crate::explain::nested;
use crate::model::plan::{MAX_NODES, PlanNode};

pub fn tree(text: &str) -> Option<PlanNode> {
    let mut nodes = Vec::new();
    for line in lines::whole(text, Quotes::Escaped) {
        let body = line.trim_start();
        let Some(said) = body.strip_prefix("-> ") else { continue };
        nodes.push((line.len() - body.len(), step(said.trim_end())));
        // Where a value does not end where it seems to, what follows may be more of it.
        if nodes.len() >= MAX_NODES || !values::are_told(said) {
            break;
        }
    }
    nested(nodes).map(|mut root| {
        sides(&mut root);
        root
    })
}

fn sides(node: &mut PlanNode) {
    if node.kind.contains("join") {
        take_sides(&mut node.children);
    }
    node.children.iter_mut().for_each(sides);
}

fn step(said: &str) -> PlanNode {
    let (operation, numbers) = numbers(said).unwrap_or((said, Numbers::default()));
    let mut node = words::step(operation);
    let Numbers { cost, expected, ran } = numbers;
    (node.cost, node.rows_expected) = (cost, expected);
    if let Some(ran) = ran {
        ran.tell(&mut node);
    }
    node
}

#[derive(Debug, Default)]
struct Numbers {
    cost: Option<f64>,
    expected: Option<f64>,
    ran: Option<Ran>,
}

/// What a run tells of a step: of one loop, but for how many there were.
#[derive(Debug, Default, Clone, Copy)]
pub struct Ran {
    pub millis: f64,
    pub rows: f64,
    pub loops: f64,
}

impl Ran {
    pub fn tell(self, node: &mut PlanNode) {
        node.rows = Some(self.rows * self.loops);
        node.loops = Some(self.loops);
        node.seconds = Some(self.millis * self.loops / 1e3);
    }
}

/// What stands at the end of a line, `(cost=93 rows=90) (actual time=0.1..0.2 rows=3 loops=1)`, and nothing but that: a
/// condition before it may hold anything.
fn numbers(said: &str) -> Option<(&str, Numbers)> {
    // The last two blanks are before them, if there are any.
    for (at, _) in said.rmatch_indices("  (").take(1) {
        let (operation, mut rest) = (said.get(..at)?, said.get(at + 2..)?);
        let mut numbers = Numbers::default();
        if let Some((cost, after)) = rest.strip_prefix("(cost=").and_then(|rest| rest.split_once(')')) {
            let (cost, rows) = cost.split_once(" rows=").unwrap_or((cost, ""));
            (numbers.cost, numbers.expected) = (last(cost), rows.parse().ok());
            rest = after.trim_start();
        }
        if rest == "(never executed)" {
            numbers.ran = Some(Ran::default());
            rest = "";
        }
        if let Some((ran, after)) = rest.strip_prefix("(actual ").and_then(|rest| rest.split_once(')')) {
            numbers.ran = ran_as(ran);
            rest = after;
        }
        if rest.is_empty() {
            // A line that was cut may end within a value.
            return Some((operation, numbers)).filter(|_| !lines::is_open(operation, Quotes::Escaped));
        }
    }
    None
}

/// `time=0.1..0.2 rows=3 loops=1`.
fn ran_as(text: &str) -> Option<Ran> {
    let mut ran = Ran::default();
    for word in text.split(' ') {
        match word.split_once('=')? {
            ("time", time) => ran.millis = last(time)?,
            ("rows", rows) => ran.rows = rows.parse().ok()?,
            ("loops", loops) => ran.loops = loops.parse().ok()?,
            _ => return None,
        }
    }
    Some(ran)
}

/// The end of `0.1..0.2`, or all of `0.2`.
fn last(text: &str) -> Option<f64> {
    let number = text.rsplit_once("..").map_or(text, |(_, last)| last);
    number.parse::<f64>().ok().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_end() {
        let line = "Filter: (a = 'x  (cost=4711 rows=4711)')  (cost=1e+6 rows=0.333) (actual time=58e-6..0.5 rows=2 loops=10)";
        let node = step(line);
        assert_eq!((node.cost, node.rows_expected), (Some(1e6), Some(0.333)));
        assert_eq!((node.rows, node.loops, node.seconds), (Some(20.0), Some(10.0), Some(0.005)));
        let never = step("Index lookup on o using k (a = 1)  (cost=1..2 rows=10) (never executed)");
        assert_eq!((never.cost, never.rows, never.loops), (Some(2.0), Some(0.0), Some(0.0)));
        let uncosted = step("Sort: d.s  (actual time=1.41..1.41 rows=0 loops=1)");
        assert_eq!((uncosted.cost, uncosted.loops), (None, Some(1.0)));
        let planned = step("Filter: (a = 'x  (cost=4711 rows=4711)')");
        assert_eq!((planned.cost, planned.rows_expected), (None, None));
    }
}
