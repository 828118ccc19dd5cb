//! One step of a plan as it is read, word by word, whatever the spelling.

use super::pattern::pattern;
use crate::model::plan::{PlanNode, Terms, Trigger, Work};
use crate::sql::{self, Dialect};

/// Whether what a step tests and sorts by is wanted, without its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    Steps,
    Terms,
}

/// What a node says before it is settled.
#[derive(Debug, Default)]
pub struct Raw {
    pub node: PlanNode,
    pub parallel: bool,
    backward: bool,
    pub partial: String,
    operation: String,
    alias: Option<String>,
    stand_in: Option<String>,
    pub per_loop: (Option<f64>, Option<f64>),
    pub work: Work,
    /// A sort tells in either order how much room it took and where.
    sorted: (Option<f64>, Option<bool>),
}

pub const KIB: f64 = 1024.0;
/// What a step is to the one above it.
const PLACES: &[&str] = &["Outer", "Inner", "Member", "Subquery", "SubPlan", "InitPlan"];

impl Raw {
    pub fn of(telling: Telling) -> Raw {
        let terms = (telling == Telling::Terms).then(Box::default);
        Raw { node: PlanNode { terms, ..PlanNode::default() }, ..Raw::default() }
    }

    pub fn sort_key(&mut self, key: &str) {
        if let Some(terms) = &mut self.node.terms {
            terms.sort.extend(sql::without_literals(Dialect::Postgres, key));
        }
    }

    pub fn set(&mut self, key: &str, value: &str) {
        if let Some(terms) = &mut self.node.terms {
            term(terms, key, value);
        }
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
            "Filter" => {
                node.filters = true;
                node.takes_values |= takes_values(value);
                self.work.pattern = pattern(value);
            }
            "Parent Relationship" => node.place = name().filter(|place| PLACES.contains(&place.as_str())),
            _ => self.work(key, value),
        }
    }

    /// What only some steps of a run tell. Amounts of memory and disk are kibibytes there.
    pub fn work(&mut self, key: &str, value: &str) {
        let number = || value.parse::<f64>().ok().filter(|number| number.is_finite());
        let bytes = || number().map(|kibibytes| kibibytes * KIB);
        let work = &mut self.work;
        match key {
            "Index Cond" | "Recheck Cond" => self.node.takes_values |= takes_values(value),
            "Sort Space Used" => {
                self.sorted.0 = bytes();
                self.sort();
            }
            "Sort Space Type" => {
                self.sorted.1 = Some(value == "Disk");
                self.sort();
            }
            "Hash Batches" | "HashAgg Batches" => work.batches = number(),
            "Peak Memory Usage" => work.memory = bytes(),
            "Disk Usage" => work.hashed_on_disk = bytes(),
            "Exact Heap Blocks" => work.exact_pages = number(),
            "Lossy Heap Blocks" => work.lossy_pages = number(),
            "Rows Removed by Index Recheck" => work.rechecked = number(),
            "Rows Removed by Join Filter" => work.unjoined = number(),
            "Heap Fetches" => work.heap_fetches = number(),
            "Workers Planned" => work.workers_planned = number(),
            "Workers Launched" => work.workers_launched = number(),
            _ => {}
        }
    }

    fn sort(&mut self) {
        if let (Some(bytes), Some(on_disk)) = self.sorted {
            self.sorted_on_disk(if on_disk { bytes } else { 0.0 });
            self.sorted = (None, None);
        }
    }

    /// Each worker tells of a sort of its own: all of them together.
    pub fn sorted_on_disk(&mut self, bytes: f64) {
        *self.work.sorted_on_disk.get_or_insert_default() += bytes;
        let most = self.work.sorted_on_disk_most.get_or_insert_default();
        *most = most.max(bytes);
    }

    /// What one worker tells of its share. All but sorts is in the numbers of the step already.
    pub fn worker(&mut self, key: &str, value: &str) {
        if key.starts_with("Sort Space") {
            self.work(key, value);
        }
    }

    /// The kind as the plain spelling has it, whatever the spelling was.
    pub fn settle(self) -> PlanNode {
        let Self {
            mut node, parallel, backward, partial, operation, alias, stand_in, per_loop, work, ..
        } = self;
        node.work = (work != Work::default()).then(|| Box::new(work));
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

fn term(terms: &mut Terms, key: &str, text: &str) {
    let place = match key {
        "Alias" => return terms.alias = Some(text.to_owned()),
        "Filter" => &mut terms.filter,
        "Index Cond" => &mut terms.index,
        "Join Filter" | "Hash Cond" | "Merge Cond" => &mut terms.join,
        _ => return,
    };
    *place = sql::without_literals(Dialect::Postgres, text);
}

pub const JOINS: &[&str] = &["Left", "Right", "Full", "Semi", "Anti", "Right Semi", "Right Anti"];

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

/// Has a condition a place for a value, `$1`? What stands between quotes is a text or a name.
fn takes_values(condition: &str) -> bool {
    let bare = condition.split('\'').step_by(2).flat_map(|piece| piece.split('"').step_by(2));
    let mut places = bare.flat_map(|piece| piece.split('$').skip(1));
    places.any(|place| place.starts_with(|first: char| first.is_ascii_digit()))
}

impl Trigger {
    /// What one of them tells, in the words of all spellings but the plain one.
    pub fn set(&mut self, key: &str, value: &str) {
        let number = || value.parse::<f64>().ok().filter(|number| number.is_finite()).unwrap_or_default();
        match key {
            "Trigger Name" => self.name = Some(value.to_owned()),
            "Constraint Name" => self.constraint = Some(value.to_owned()),
            "Relation" => self.relation = Some(value.to_owned()),
            "Time" => self.seconds = number() / 1e3,
            "Calls" => self.calls = number(),
            _ => {}
        }
    }
}

pub fn is_known(kind: &str) -> bool {
    KINDS.contains(&kind)
}
