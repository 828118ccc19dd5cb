//! Version 2 of MySQL's JSON: the steps of `FORMAT=TREE`, each with its line as `operation`.

use super::tree::Ran;
use super::{Room, take_sides, words};
use crate::explain::json::Json;
use crate::model::plan::PlanNode;

/// The plan itself, or what lies around it since 8.4.
pub fn plan(json: &Json, room: &mut Room) -> Option<PlanNode> {
    let plan = json.get("query_plan").unwrap_or(json);
    plan.text("operation")?;
    step(plan, 1, room)
}

fn step(json: &Json, depth: usize, room: &mut Room) -> Option<PlanNode> {
    // In the text it has a line of its own.
    match json.text("heading") {
        Some(heading) => {
            room.take(depth)?;
            let mut above = words::step(heading);
            above.children.extend(operation(json, depth + 1, room));
            Some(above)
        }
        None => operation(json, depth, room),
    }
}

fn operation(json: &Json, depth: usize, room: &mut Room) -> Option<PlanNode> {
    room.take(depth)?;
    let mut node = words::step(json.text("operation").unwrap_or_default());
    if let Some(name) = json.text("alias").filter(|_| node.relation.is_some()) {
        node.relation = Some(name.to_owned());
    }
    if let Some(name) = json.text("index_name").filter(|_| node.index.is_some()) {
        node.index = Some(name.to_owned());
    }
    node.cost = json.number("estimated_total_cost");
    node.rows_expected = json.number("estimated_rows");
    if json.get("actual_loops").is_some() {
        let number = |key| json.number(key).unwrap_or_default();
        let ran = Ran {
            millis: number("actual_last_row_ms"),
            rows: number("actual_rows"),
            loops: number("actual_loops"),
        };
        ran.tell(&mut node);
    }
    let inputs = ["inputs", "inputs_from_select_list"].into_iter().filter_map(|key| json.get(key));
    for input in inputs.flat_map(Json::items) {
        node.children.extend(step(input, depth + 1, room));
    }
    if node.kind.contains("join") {
        take_sides(&mut node.children);
    }
    Some(node)
}
