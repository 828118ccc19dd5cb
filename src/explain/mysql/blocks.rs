//! Version 1 of MySQL's JSON, and MariaDB's: blocks in each other, in which tables lie in the order in which they are
//! joined.

use super::{Room, condition, take_sides, with_terms};
use crate::explain::json::Json;
use crate::explain::table::known_access;
use crate::explain::{lines, run};
use crate::model::plan::{PlanNode, Terms, Work};

/// What is a step with others below it.
const STEPS: &[&str] = &[
    "query_block",
    "ordering_operation",
    "grouping_operation",
    "duplicates_removal",
    "buffer_result",
    "buffer",
    "windowing",
    "union_result",
    "intersect_result",
    "except_result",
    "unary_result",
    "materialized_from_subquery",
    "materialized",
    "materialization",
    "filesort",
    "temporary_table",
    "read_sorted_file",
    "expression_cache",
    "subquery_cache",
    "window_functions_computation",
    "recursive_union",
    "rowid_filter",
];
/// What only holds others: those of a join, and those that stand beside each other.
const JOINS: &[&str] = &["nested_loop", "range-checked-for-each-record"];
const BESIDE: &[&str] = &["query_specifications", "sorts"];
const SUBQUERIES: &[&str] = &[
    "subqueries",
    "attached_subqueries",
    "select_list_subqueries",
    "having_subqueries",
    "group_by_subqueries",
    "order_by_subqueries",
    "optimized_away_subqueries",
    "update_value_subqueries",
    "insert_values_subqueries",
    "insert_update_subqueries",
];

pub fn plan(block: &Json, room: &mut Room) -> Option<PlanNode> {
    step("query_block", block, 1, room)
}

fn step(key: &str, json: &Json, depth: usize, room: &mut Room) -> Option<PlanNode> {
    room.take(depth)?;
    let mut node = match key {
        "table" => table(json),
        "block-nl-join" => return Some(buffered(json, depth, room)),
        _ => PlanNode { kind: key.to_owned(), ..PlanNode::default() },
    };
    node.children = below(json, depth + 1, room);
    match key {
        "query_block" => {
            // MySQL tells the cost of all loops.
            node.cost =
                json.get("cost_info").and_then(|cost| cost.number("query_cost")).or(json.number("cost"));
            writing(&mut node);
        }
        "filesort" => sorting(json, &mut node),
        "rowid_filter" => {
            node.index = json.get("range").and_then(|range| range.text("key")).map(str::to_owned);
            node.rows_expected = json.number("rows");
            node.rows = json.number("r_rows");
        }
        "read_sorted_file" => node.rows = json.number("r_rows"),
        "union_result" | "recursive_union" => {
            node.relation = json.text("table_name").map(str::to_owned);
            came(json, 1.0, &mut node);
        }
        _ => {}
    }
    if key != "table" {
        node.loops = node.loops.or(json.number("r_loops"));
    }
    node.seconds = seconds(key, json, &node);
    Some(node)
}

/// The steps that lie in an object or a list: those of a join as one, then what is done beside it.
fn below(json: &Json, depth: usize, room: &mut Room) -> Vec<PlanNode> {
    let (mut joined, mut beside) = (Vec::new(), Vec::new());
    let mut written = Vec::new();
    for (key, value) in json.members() {
        match key.as_str() {
            key if JOINS.contains(&key) => joined.extend(members(value, depth + 1, room)),
            key if BESIDE.contains(&key) => beside.extend(members(value, depth, room)),
            "insert_from" => written = below(value, depth + 1, room),
            "table" | "block-nl-join" => joined.extend(step(key, value, depth, room)),
            // MariaDB writes one key for all that is sorted or weeded out before it is joined.
            key if STEPS.contains(&key) => joined.extend(step(key, value, depth, room)),
            key if SUBQUERIES.contains(&key) => beside.extend(subqueries(value, depth, room)),
            _ => {}
        }
    }
    let first = joined.first_mut().filter(|first| first.writes());
    match first {
        Some(first) => first.children.extend(written),
        None => joined.extend(written),
    }
    if joined.len() > 1 && room.take(depth).is_some() {
        joined = vec![join(joined)];
    }
    joined.extend(beside);
    joined
}

fn join(mut tables: Vec<PlanNode>) -> PlanNode {
    take_sides(&mut tables);
    // Whatever comes later has all before it on its other side.
    tables.iter_mut().skip(2).for_each(|table| table.place = Some("Inner".to_owned()));
    PlanNode { kind: "nested_loop".to_owned(), children: tables, ..PlanNode::default() }
}

/// The steps of a list whose elements hold one each, or of an object.
fn members(json: &Json, depth: usize, room: &mut Room) -> Vec<PlanNode> {
    match json {
        Json::List(items) => items.iter().flat_map(|item| below(item, depth, room)).collect(),
        json => below(json, depth, room),
    }
}

fn subqueries(json: &Json, depth: usize, room: &mut Room) -> Vec<PlanNode> {
    let mut all = Vec::new();
    for item in json.items() {
        // MariaDB does not say it; there what is done for each row has a cache mostly.
        let once = item.get("dependent") == Some(&Json::Truth(false));
        let mut steps = below(item, depth, room);
        let place = if once { "InitPlan" } else { "SubPlan" };
        steps.iter_mut().for_each(|step| step.place = Some(place.to_owned()));
        all.extend(steps);
    }
    all
}

fn is(json: &Json, key: &str) -> bool {
    json.is(key) || json.number(key) == Some(1.0)
}

fn table(json: &Json) -> PlanNode {
    let relation = json.text("table_name").map(str::to_owned);
    if let Some(kind) = [("insert", "Insert"), ("replace", "Replace")].iter().find(|(key, _)| is(json, key)) {
        return PlanNode { kind: kind.1.to_owned(), relation, ..PlanNode::default() };
    }
    let written = [("update", "Update"), ("delete", "Delete")].iter().find(|(key, _)| is(json, key));
    let access = json.text("access_type");
    let mut node = PlanNode {
        // `Impossible WHERE`, or rows that are written down.
        kind: access.map_or("no table", |access| known_access(access)).to_owned(),
        relation,
        index: json.text("key").map(str::to_owned).or_else(|| merged(json)),
        strategy: written.map(|(_, kind)| (*kind).to_owned()),
        cost: cost(json),
        filters: json.get("attached_condition").is_some(),
        ..PlanNode::default()
    };
    let looks_at = ["rows_examined_per_scan", "rows"].into_iter().find_map(|key| json.number(key));
    node.rows_expected = looks_at.map(|rows| rows * json.number("filtered").unwrap_or(100.0) / 100.0);
    node.reads_expected = looks_at;
    came(json, json.number("r_filtered").unwrap_or(100.0) / 100.0, &mut node);
    let terms = Terms {
        filter: json.text("attached_condition").and_then(condition),
        index: json.text("index_condition").and_then(condition),
        ..Terms::default()
    };
    let buffer = json.text("using_join_buffer").map(|buffer| match buffer {
        "hash join" => "hash join",
        "Block Nested Loop" => "BNL",
        "Batched Key Access" => "BKA",
        _ => "join buffer",
    });
    node.strategy = node.strategy.or(buffer.map(str::to_owned));
    let parts = json.get("used_key_parts").map(|parts| parts.items().len() as f64);
    let work = Work {
        key_parts: parts.filter(|parts| *parts > 0.0 && access == Some("ref")),
        index_filters: json.get("index_condition").is_some(),
        ..Work::default()
    };
    node.work = (work != Work::default()).then(|| Box::new(work));
    with_terms(&mut node, terms);
    node
}

/// What came of all loops, where a run has told: of one it is told before anything was thrown away.
fn came(json: &Json, passes: f64, node: &mut PlanNode) {
    let Some(loops) = json.number("r_loops").or_else(|| json.number("r_rows").map(|_| 1.0)) else { return };
    let each = json.number("r_rows").unwrap_or_default();
    node.loops = Some(loops);
    node.rows = Some(each * passes * loops);
    node.rows_removed = Some(each * (1.0 - passes)).filter(|removed| *removed > 0.0);
}

fn cost(json: &Json) -> Option<f64> {
    let part = |key| json.get("cost_info").and_then(|cost| cost.number(key));
    let parts = part("read_cost").zip(part("eval_cost"));
    parts.map(|(read, eval)| read + eval).or(json.number("cost"))
}

/// `union(a,b)`, as MySQL has it.
fn merged(json: &Json) -> Option<String> {
    let merge = json.get("index_merge")?;
    let (how, parts) =
        ["union", "sort_union", "intersect"].iter().find_map(|how| Some((how, merge.get(how)?)))?;
    let one = |part: &Json| part.get("range").and_then(|range| range.text("key")).map(str::to_owned);
    let keys: Vec<String> = match parts {
        Json::List(items) => items.iter().filter_map(one).collect(),
        object => {
            object.members().iter().filter_map(|(_, range)| range.text("key").map(str::to_owned)).collect()
        }
    };
    Some(format!("{how}({})", keys.join(",")))
}

/// A table that is joined with many rows at a time, which wait in a buffer.
fn buffered(json: &Json, depth: usize, room: &mut Room) -> PlanNode {
    let inner = json.get("table").unwrap_or(&Json::Nothing);
    let mut node = table(inner);
    node.children = below(inner, depth + 1, room);
    let how = json.text("join_type").unwrap_or_default();
    node.strategy =
        ["BNL", "BNLH", "BKA", "BKAH"].iter().find(|known| **known == how).map(|how| (*how).to_owned());
    let mut terms = node.terms.take().map(|terms| *terms).unwrap_or_default();
    terms.join = json.text("attached_condition").and_then(condition);
    with_terms(&mut node, terms);
    node.seconds = seconds("table", inner, &node);
    // How often the table was read says nothing of the rows in the buffer.
    (node.loops, node.rows, node.rows_removed) = (None, None, None);
    if let (Some(loops), Some(each)) = (json.number("r_loops"), json.number("r_effective_rows")) {
        node.rows = json.number("r_filtered").map(|passes| loops * each * passes / 100.0);
        node.work.get_or_insert_default().compared = Some(loops * each).filter(|_| how == "BNL");
    }
    let own =
        ["r_unpack_time_ms", "r_other_time_ms"].iter().filter_map(|key| json.number(key)).sum::<f64>() / 1e3;
    node.seconds = node.seconds.map(|seconds| seconds + own);
    node
}

fn sorting(json: &Json, node: &mut PlanNode) {
    let keys = json.text("sort_key").unwrap_or_default();
    let sort = lines::listed(keys).filter_map(condition).collect();
    with_terms(node, Terms { sort, ..Terms::default() });
    node.rows = json.number("r_output_rows").zip(json.number("r_loops")).map(|(rows, loops)| rows * loops);
    let bytes = json.text("r_buffer_size").and_then(amount);
    let passes = json.number("r_sort_passes").filter(|passes| *passes > 0.0);
    if bytes.is_some() || passes.is_some() {
        let work = node.work.get_or_insert_default();
        (work.memory, work.sort_passes) = (bytes, passes);
    }
}

/// `480`, `25KiB`, `2Kb`, `1Mb`.
fn amount(text: &str) -> Option<f64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.chars().next() {
        None => 1.0,
        Some('K') => 1024.0,
        Some('M') => 1024.0 * 1024.0,
        Some('G') => 1024.0 * 1024.0 * 1024.0,
        Some(_) => return None,
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

/// With all below it. MariaDB tells of a table what was its own; of a block, and of a sort that reads a table, it tells
/// of all that it did.
fn seconds(key: &str, json: &Json, node: &PlanNode) -> Option<f64> {
    let millis = |key: &str| json.number(key).map(|millis| millis / 1e3);
    let below: f64 = node.children.iter().filter_map(run::seconds).sum();
    match key {
        "query_block" => millis("r_total_time_ms"),
        "table" => {
            let read = millis("r_table_time_ms").or_else(|| millis("r_total_time_ms"));
            let own = read.map(|read| read + millis("r_other_time_ms").unwrap_or_default());
            own.map(|own| own + below)
        }
        "filesort" => {
            let sorted = millis("r_total_time_ms")?;
            let sorts_what_is_read = !node.children.iter().any(|child| child.kind == "temporary_table");
            // What it reads may have been made before.
            Some(if sorts_what_is_read { sorted.max(below) } else { sorted + below })
        }
        _ => None,
    }
}

/// What is said of a table, that it is updated, is a step above all that finds its rows.
fn writing(block: &mut PlanNode) {
    let mut written = None;
    let mut look = |step: &mut PlanNode| {
        let is_write = step.strategy.as_deref().is_some_and(|how| ["Update", "Delete"].contains(&how));
        if is_write && step.kind != "query_block" {
            let kind = step.strategy.take();
            written = written.take().or_else(|| Some((kind?, step.relation.clone())));
        }
    };
    each_of_the_block(&mut block.children, &mut look);
    if let Some((kind, relation)) = written {
        let children = std::mem::take(&mut block.children);
        block.children = vec![PlanNode { kind, relation, children, ..PlanNode::default() }];
    }
}

fn each_of_the_block(steps: &mut [PlanNode], look: &mut impl FnMut(&mut PlanNode)) {
    for step in steps.iter_mut().filter(|step| step.kind != "query_block") {
        look(step);
        each_of_the_block(&mut step.children, look);
    }
}
