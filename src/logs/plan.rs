//! What auto_explain writes, in its four spellings, as one tree.
//!
//! Only words that the server itself chose, and names of tables and indexes, come into the tree. Kinds of nodes are
//! taken from a list: what else stands in their place is text that somebody typed.

use crate::model::plan::{MAX_DEPTH, MAX_NODES, PlanNode, Terms};
use crate::sql;
use serde_json::Value;
use std::borrow::Cow;

/// A plan, and the statement that it is for.
#[derive(Debug)]
pub struct Explained<'a> {
    /// Raw.
    pub query: Cow<'a, [u8]>,
    pub plan: Option<PlanNode>,
}

/// Reads what stands behind `plan:`. `is_whole` tells whether a text can be a whole statement: in the plain
/// spelling nothing else separates the query from its plan.
pub fn read<'a>(text: &'a [u8], mut is_whole: impl FnMut(&[u8]) -> bool) -> Option<Explained<'a>> {
    let trimmed = text.trim_ascii_start();
    if trimmed.starts_with(b"{") {
        return json(trimmed);
    }
    if trimmed.starts_with(b"<explain") {
        return xml(trimmed);
    }
    let rest = trimmed.strip_prefix(b"Query Text: ")?;
    if rest.starts_with(b"\"") && memchr::memmem::find(rest, b"\nPlan: ").is_some() {
        return yaml(rest);
    }
    let mut at = 0;
    loop {
        let newline = memchr::memchr(b'\n', rest.get(at..)?)?;
        at += newline + 1;
        let line = rest.get(at..)?.split(|b| *b == b'\n').next()?;
        let query = rest.get(..at - 1)?;
        if memchr::memmem::find(line, b"  (cost=").is_some() && is_whole(query) {
            let plan = plain(&String::from_utf8_lossy(rest.get(at..)?));
            return Some(Explained { query: Cow::Borrowed(query), plan });
        }
    }
}

/// What a node says before it is settled.
#[derive(Debug, Default)]
struct Raw {
    node: PlanNode,
    parallel: bool,
    backward: bool,
    partial: String,
    operation: String,
    alias: Option<String>,
    stand_in: Option<String>,
    per_loop: (Option<f64>, Option<f64>),
}

impl Raw {
    fn set(&mut self, key: &str, value: &str) {
        let number = || value.parse::<f64>().ok().filter(|number| number.is_finite());
        let name = || Some(value.to_owned());
        let node = &mut self.node;
        match key {
            "Node Type" => node.kind = value.to_owned(),
            "Schema" => node.schema = name(),
            "Relation Name" => node.relation = name(),
            "Function Name" | "CTE Name" | "Tuplestore Name" | "Table Function Name" => {
                self.stand_in = name()
            }
            "Alias" => self.alias = name(),
            "Index Name" => node.index = name(),
            "Join Type" => node.join = name().filter(|join| join != "Inner"),
            "Strategy" => node.strategy = name(),
            "Partial Mode" => self.partial = value.to_owned(),
            "Operation" => self.operation = value.to_owned(),
            "Command" => self.operation = value.to_owned(),
            "Parallel Aware" => self.parallel = value == "true",
            "Scan Direction" => self.backward = value == "Backward",
            "Total Cost" => node.cost = number(),
            "Plan Rows" => node.rows_expected = number(),
            "Actual Rows" => self.per_loop.0 = number(),
            "Actual Total Time" => self.per_loop.1 = number(),
            "Actual Loops" => node.loops = number(),
            "Rows Removed by Filter" => node.rows_removed = number(),
            "Shared Hit Blocks" => node.buffers_hit = number(),
            "Shared Read Blocks" => node.buffers_read = number(),
            "Temp Written Blocks" => node.temp_written = number(),
            "Filter" => node.filters = true,
            _ => {}
        }
    }

    /// The kind as the plain spelling has it, whatever the spelling was.
    fn settle(self) -> PlanNode {
        let Self { mut node, parallel, backward, partial, operation, alias, stand_in, per_loop } = self;
        let strategy = node.strategy.take();
        let kind = match (node.kind.as_str(), strategy.as_deref()) {
            ("Aggregate", Some("Hashed")) => "HashAggregate".to_owned(),
            ("Aggregate", Some("Sorted")) => "GroupAggregate".to_owned(),
            ("Aggregate", Some("Mixed")) => "MixedAggregate".to_owned(),
            ("SetOp", Some("Hashed")) => "HashSetOp".to_owned(),
            ("ModifyTable", _) if !operation.is_empty() => operation,
            (kind @ ("Index Scan" | "Index Only Scan"), _) if backward => format!("{kind} Backward"),
            (kind, _) => kind.to_owned(),
        };
        node.kind = if is_known(&kind) { kind } else { "other".to_owned() };
        node.strategy = match (parallel, partial.as_str()) {
            (true, _) => Some("Parallel".to_owned()),
            (_, mode @ ("Partial" | "Finalize")) => Some(mode.to_owned()),
            _ => None,
        };
        if node.relation.is_none() {
            let named = matches!(node.kind.as_str(), "Subquery Scan" | "Values Scan");
            node.relation = stand_in.or(alias.filter(|_| named));
        }
        node.join = node.join.filter(|join| JOINS.contains(&join.as_str()));
        let loops = node.loops.unwrap_or(1.0);
        node.rows = per_loop.0.map(|rows| rows * loops);
        node.seconds = per_loop.1.map(|millis| millis * loops / 1e3);
        node
    }
}

const JOINS: &[&str] = &["Left", "Right", "Full", "Semi", "Anti", "Right Semi", "Right Anti"];

/// Kinds of nodes of PostgreSQL 10 to 18, as the plain spelling has them.
const KINDS: &[&str] = &[
    "Result",
    "ProjectSet",
    "Insert",
    "Update",
    "Delete",
    "Merge",
    "Append",
    "Merge Append",
    "Recursive Union",
    "BitmapAnd",
    "BitmapOr",
    "Nested Loop",
    "Merge Join",
    "Hash Join",
    "Seq Scan",
    "Sample Scan",
    "Gather",
    "Gather Merge",
    "Index Scan",
    "Index Scan Backward",
    "Index Only Scan",
    "Index Only Scan Backward",
    "Bitmap Index Scan",
    "Bitmap Heap Scan",
    "Tid Scan",
    "Tid Range Scan",
    "Subquery Scan",
    "Function Scan",
    "Table Function Scan",
    "Values Scan",
    "CTE Scan",
    "Named Tuplestore Scan",
    "WorkTable Scan",
    "Foreign Scan",
    "Foreign Insert",
    "Foreign Update",
    "Foreign Delete",
    "Custom Scan",
    "Materialize",
    "Memoize",
    "Sort",
    "Incremental Sort",
    "Group",
    "Aggregate",
    "HashAggregate",
    "GroupAggregate",
    "MixedAggregate",
    "WindowAgg",
    "Unique",
    "SetOp",
    "HashSetOp",
    "LockRows",
    "Limit",
    "Hash",
];

fn is_known(kind: &str) -> bool {
    KINDS.contains(&kind)
}

fn json(text: &[u8]) -> Option<Explained<'_>> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let query = value.get("Query Text")?.as_str()?.as_bytes().to_vec();
    let plan = value.get("Plan").and_then(|plan| Tree { room: MAX_NODES, terms: false }.node(plan, 0));
    Some(Explained { query: Cow::Owned(query), plan })
}

/// The answer to an `EXPLAIN (FORMAT JSON)` of our own, with the terms of its steps.
pub fn asked(text: &[u8]) -> Option<PlanNode> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let plan = value.get(0)?.get("Plan")?;
    Tree { room: MAX_NODES, terms: true }.node(plan, 0)
}

/// A tree that is read from JSON: how many more steps may come, and whether their terms are wanted.
struct Tree {
    room: usize,
    terms: bool,
}

impl Tree {
    fn node(&mut self, value: &Value, depth: usize) -> Option<PlanNode> {
        let object = value.as_object()?;
        self.room = self.room.checked_sub(1)?;
        let mut raw = Raw::default();
        let mut terms = Terms::default();
        for (key, value) in object {
            match value {
                Value::String(text) => {
                    raw.set(key, text);
                    if self.terms {
                        term(&mut terms, key, text);
                    }
                }
                Value::Number(_) | Value::Bool(_) => raw.set(key, &value.to_string()),
                Value::Array(plans) if key == "Plans" && depth < MAX_DEPTH => {
                    raw.node.children = plans.iter().filter_map(|plan| self.node(plan, depth + 1)).collect();
                }
                Value::Array(keys) if key == "Sort Key" && self.terms => {
                    terms.sort = keys.iter().filter_map(|key| sql::without_literals(key.as_str()?)).collect();
                }
                _ => {}
            }
        }
        raw.node.terms = self.terms.then(|| Box::new(terms));
        Some(raw.settle())
    }
}

fn term(terms: &mut Terms, key: &str, text: &str) {
    let place = match key {
        "Alias" => return terms.alias = Some(text.to_owned()),
        "Parent Relationship" => return terms.place = Some(text.to_owned()),
        "Filter" => &mut terms.filter,
        "Index Cond" => &mut terms.index,
        "Join Filter" | "Hash Cond" | "Merge Cond" => &mut terms.join,
        _ => return,
    };
    *place = sql::without_literals(text);
}

/// Nodes in the order in which they were met, each with how deep it lies, as a tree.
fn tree(nodes: Vec<(usize, Raw)>) -> Option<PlanNode> {
    let mut open: Vec<(usize, PlanNode)> = Vec::new();
    let close = |open: &mut Vec<(usize, PlanNode)>| {
        if let Some((_, node)) = open.pop()
            && let Some((_, parent)) = open.last_mut()
        {
            parent.children.push(node);
        }
    };
    for (depth, raw) in nodes.into_iter().take(MAX_NODES) {
        while open.len() > 1 && open.last().is_some_and(|(last, _)| *last >= depth) {
            close(&mut open);
        }
        if open.len() < MAX_DEPTH {
            open.push((depth, raw.settle()));
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    open.pop().map(|(_, node)| node)
}

fn plain(text: &str) -> Option<PlanNode> {
    let mut nodes: Vec<(usize, Raw)> = Vec::new();
    for line in text.lines() {
        let body = line.trim_start();
        let depth = line.len() - body.len();
        let (head, arrow) = match body.strip_prefix("->") {
            Some(head) => (head.trim_start(), true),
            None => (body, false),
        };
        if let Some((head, costs)) = head.split_once("  (cost=").filter(|_| arrow || nodes.is_empty()) {
            nodes.push((if nodes.is_empty() { 0 } else { depth + 1 }, plain_node(head, costs)));
        } else if let Some((_, raw)) = nodes.last_mut() {
            detail(body, raw);
        }
    }
    tree(nodes)
}

/// `Index Scan using orders_pkey on orders o`, `0.00..1.00 rows=1 width=4) (actual time=1.0..2.0 rows=5 loops=1)`.
fn plain_node(head: &str, costs: &str) -> Raw {
    let mut raw = Raw::default();
    let (head, on) = match head.split_once(" on ") {
        Some((head, on)) => (head, Some(on)),
        None => (head, None),
    };
    let (mut kind, index) = match head.split_once(" using ") {
        Some((kind, index)) => (kind, Some(index)),
        None => (head, None),
    };
    for word in ["Parallel", "Partial", "Finalize"] {
        if let Some(rest) = kind.strip_prefix(word).and_then(|rest| rest.strip_prefix(' ')) {
            raw.parallel = word == "Parallel";
            raw.partial = word.to_owned();
            kind = rest;
        }
    }
    for method in ["Nested Loop", "Hash", "Merge"] {
        let join = kind.strip_prefix(method).and_then(|rest| rest.strip_suffix(" Join")).map(str::trim);
        if let Some(join) = join.filter(|join| JOINS.contains(join)) {
            raw.set("Join Type", join);
            kind = match method {
                "Hash" => "Hash Join",
                "Merge" => "Merge Join",
                other => other,
            };
            break;
        }
    }
    raw.set("Node Type", kind);
    raw.node.index = index.map(str::to_owned);
    if let Some(name) = on.map(first_name) {
        match name.split_once('.') {
            _ if kind == "Bitmap Index Scan" => raw.node.index = Some(name.to_owned()),
            Some((schema, name)) if !name.starts_with('"') => {
                raw.node.schema = Some(schema.to_owned());
                raw.node.relation = Some(name.to_owned());
            }
            _ => raw.node.relation = Some(name.trim_matches('"').to_owned()),
        }
    }
    let (planned, actual) = costs.split_once(" (actual ").unwrap_or((costs, ""));
    raw.node.cost = planned.split_once("..").and_then(|(_, rest)| leading(rest));
    raw.node.rows_expected = behind(planned, "rows=");
    raw.per_loop = (behind(actual, "rows="), actual.split_once("..").and_then(|(_, rest)| leading(rest)));
    raw.node.loops = behind(actual, "loops=");
    raw
}

/// The table in `orders o`, `"my table" o`.
fn first_name(text: &str) -> &str {
    let quoted = text.strip_prefix('"').and_then(|rest| rest.split_once('"'));
    match quoted {
        Some((name, _)) => name,
        None => text.split(' ').next().unwrap_or(text),
    }
}

fn leading(text: &str) -> Option<f64> {
    let length = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    text.get(..length)?.parse().ok()
}

fn behind(text: &str, phrase: &str) -> Option<f64> {
    text.split_once(phrase).and_then(|(_, rest)| leading(rest))
}

fn detail(line: &str, raw: &mut Raw) {
    let Some((key, value)) = line.split_once(": ") else { return };
    match key {
        "Buffers" => {
            let shared = value.split(", ").find(|part| part.starts_with("shared")).unwrap_or_default();
            let temp = value.split(", ").find(|part| part.starts_with("temp")).unwrap_or_default();
            raw.node.buffers_hit = behind(shared, "hit=");
            raw.node.buffers_read = behind(shared, "read=");
            raw.node.temp_written = behind(temp, "written=");
        }
        "Filter" | "Rows Removed by Filter" => raw.set(key, value),
        _ => {}
    }
}

fn yaml(rest: &[u8]) -> Option<Explained<'_>> {
    let text = String::from_utf8_lossy(rest);
    let (query, plan) = text.split_once("\nPlan: ")?;
    let query: String = serde_json::from_str(query.trim_end()).ok()?;
    let mut nodes: Vec<(usize, Raw)> = Vec::new();
    for line in plan.lines() {
        let body = line.trim_start();
        let depth = line.len() - body.len();
        let item = body.strip_prefix("- ").unwrap_or(body);
        let Some((key, value)) = item.split_once(": ") else { continue };
        let value = value.trim().trim_matches('"');
        if key == "Node Type" {
            nodes.push((depth, Raw::default()));
        }
        if let Some((_, raw)) = nodes.last_mut() {
            raw.set(key, value);
        }
    }
    Some(Explained { query: Cow::Owned(query.into_bytes()), plan: tree(nodes) })
}

fn xml(text: &[u8]) -> Option<Explained<'_>> {
    let text = String::from_utf8_lossy(text);
    let (_, rest) = text.split_once("<Query-Text>")?;
    let (query, rest) = rest.split_once("</Query-Text>")?;
    let mut nodes: Vec<(usize, Raw)> = Vec::new();
    let mut depth = 0usize;
    for piece in rest.split('<').skip(1) {
        let Some((tag, value)) = piece.split_once('>') else { continue };
        match tag {
            "Plan" => {
                depth += 1;
                nodes.push((depth, Raw::default()));
            }
            "/Plan" => depth = depth.saturating_sub(1),
            _ if !tag.starts_with('/') && !value.trim().is_empty() => {
                if let Some((_, raw)) = nodes.last_mut() {
                    raw.set(&tag.replace('-', " "), &unescape(value));
                }
            }
            _ => {}
        }
    }
    Some(Explained { query: Cow::Owned(unescape(query).into_bytes()), plan: tree(nodes) })
}

fn unescape(text: &str) -> String {
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#x0d;", "\r"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, char)| text.replace(entity, char))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> String {
        read(text.as_bytes(), |_| true).unwrap().plan.unwrap().shape()
    }

    /// One plan in the four spellings has one shape, and its query is found.
    #[test]
    fn four_spellings_of_one_plan() {
        let plain = "Query Text: select 1\n\nLimit  (cost=1.00..2.00 rows=5 width=4) (actual time=51.1..51.2 rows=5 loops=1)\n  \
            ->  Hash Left Join  (cost=1.0..2.0 rows=2 width=4)\n        Hash Cond: (a.x = 'secret')\n        \
            ->  Parallel Seq Scan on orders o  (cost=0.00..2000.00 rows=200000 width=4) (actual time=15.2..33.0 rows=10 loops=3)\n              \
            Filter: (abalance > '-1'::integer)\n              Rows Removed by Filter: 7722\n        \
            ->  Index Scan using c_pkey on c  (cost=0.0..1.0 rows=1 width=1)";
        let json = r#"{"Query Text":"select 1","Plan":{"Node Type":"Limit","Plans":[{"Node Type":"Hash Join","Join Type":"Left","Plans":[
            {"Node Type":"Seq Scan","Parallel Aware":true,"Relation Name":"orders","Alias":"o","Filter":"(x = 'secret')"},
            {"Node Type":"Index Scan","Scan Direction":"Forward","Index Name":"c_pkey","Relation Name":"c"}]}]}}"#;
        let yaml = "Query Text: \"select 1\"\nPlan: \n  Node Type: \"Limit\"\n  Plans: \n    - Node Type: \"Hash Join\"\n      Join Type: \"Left\"\n      \
            Plans: \n        - Node Type: \"Seq Scan\"\n          Parallel Aware: true\n          Relation Name: \"orders\"\n        - Node Type: \
            \"Index Scan\"\n          Index Name: \"c_pkey\"\n          Relation Name: \"c\"";
        let xml = "<explain xmlns=\"http://x\">\n <Query-Text>select 1</Query-Text>\n <Plan>\n <Node-Type>Limit</Node-Type>\n <Plans>\n <Plan>\n \
            <Node-Type>Hash Join</Node-Type>\n <Join-Type>Left</Join-Type>\n <Plans><Plan><Node-Type>Seq Scan</Node-Type>\
            <Parallel-Aware>true</Parallel-Aware><Relation-Name>orders</Relation-Name></Plan><Plan><Node-Type>Index Scan</Node-Type>\
            <Index-Name>c_pkey</Index-Name><Relation-Name>c</Relation-Name></Plan></Plans></Plan></Plans></Plan></explain>";
        let expected =
            "Limit\n  Hash Join Left\n    Parallel Seq Scan on orders\n    Index Scan using c_pkey on c\n";
        for text in [plain, json, yaml, xml] {
            assert_eq!(shape(text), expected, "{text}");
            assert_eq!(read(text.as_bytes(), |_| true).unwrap().query.trim_ascii_end(), b"select 1");
        }
        let plan = read(plain.as_bytes(), |_| true).unwrap().plan.unwrap();
        let scan = &plan.children[0].children[0];
        assert_eq!(
            (scan.rows, scan.loops, scan.rows_removed, scan.filters),
            (Some(30.0), Some(3.0), Some(7722.0), true)
        );
        assert_eq!(plan.seconds, Some(0.0512));
    }

    #[test]
    fn what_is_no_node_has_no_name() {
        let text = "Query Text: select 1\ngeheim  (cost=1.00..2.00 rows=5 width=4)";
        assert_eq!(shape(text), "other\n");
    }
}
