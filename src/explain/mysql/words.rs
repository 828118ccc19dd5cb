//! What the iterators of MySQL are called, with what stands behind their names: `Index lookup on o using k (a = 1)`.

use super::{condition, with_terms};
use crate::explain::lines;
use crate::model::plan::{PlanNode, Terms};

/// What stands behind the words of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Behind {
    /// Nothing that says more, or nothing that may be said.
    Nothing,
    /// ` on t using i (a = 1)`.
    Access,
    /// ` t (immediate)`.
    Table,
    /// ` i`.
    Index,
    Filter,
    Sort,
    /// ` (a.x = b.y)`.
    Join,
    /// ` #2 (subquery in condition; run only once)`.
    Query,
}

use Behind::{Access, Filter, Index, Join, Nothing, Query, Sort, Table};

/// Of MySQL 8.0 to 9.7. Of several that fit the longest counts.
const STEPS: &[(&str, Behind)] = &[
    ("Table scan", Access),
    ("Sample scan", Access),
    ("Index scan", Access),
    ("Covering index scan", Access),
    ("Index distance scan", Access),
    ("Covering index distance scan", Access),
    ("Index lookup", Access),
    ("Covering index lookup", Access),
    ("Single-row index lookup", Access),
    ("Single-row covering index lookup", Access),
    ("Multi-range index lookup", Access),
    ("Multi-range covering index lookup", Access),
    ("Full-text index search", Access),
    ("Full-text covering index search", Access),
    ("Index range scan", Access),
    ("Covering index range scan", Access),
    ("Index skip scan", Access),
    ("Covering index skip scan", Access),
    ("Index skip scan for grouping", Access),
    ("Covering index skip scan for grouping", Access),
    ("Index skip scan for deduplication", Access),
    ("Covering index skip scan for deduplication", Access),
    ("Scan new records", Access),
    ("Constant row from", Table),
    ("Count rows in", Table),
    ("Fill information schema table", Table),
    ("Insert into", Table),
    ("Replace into", Table),
    ("Update", Table),
    ("Delete from", Table),
    ("Materialize CTE", Table),
    ("Materialize union CTE", Table),
    ("Materialize recursive CTE", Table),
    ("Filter", Filter),
    ("Sort", Sort),
    ("Sort row IDs", Sort),
    ("Sort with duplicate removal", Sort),
    ("Sort row IDs with duplicate removal", Sort),
    ("Nested loop inner join", Nothing),
    ("Nested loop left join", Nothing),
    ("Nested loop semijoin", Nothing),
    ("Nested loop antijoin", Nothing),
    ("Nested loop semijoin with duplicate removal on", Index),
    ("Batched key access inner join", Nothing),
    ("Batched key access left join", Nothing),
    ("Batched key access semijoin", Nothing),
    ("Batched key access antijoin", Nothing),
    ("Inner hash join", Join),
    ("Left hash join", Join),
    ("Right hash join", Join),
    ("Full hash join", Join),
    ("Full outer hash join", Join),
    ("Hash semijoin", Join),
    ("Hash antijoin", Join),
    ("Hash", Nothing),
    ("Batch input rows", Nothing),
    ("Select", Query),
    ("Aggregate", Nothing),
    ("Aggregate using temporary table", Nothing),
    ("Group aggregate", Nothing),
    ("Group aggregate with rollup", Nothing),
    ("Group aggregate with cube", Nothing),
    ("Group (no aggregates)", Nothing),
    ("Window aggregate", Nothing),
    ("Window aggregate with buffering", Nothing),
    ("Window multi-pass aggregate", Nothing),
    ("Window multi-pass aggregate with buffering", Nothing),
    ("Limit", Nothing),
    ("Limit/Offset", Nothing),
    ("Offset", Nothing),
    ("Limit table size", Nothing),
    ("Stream results", Nothing),
    ("Append", Nothing),
    ("Repeat until convergence", Nothing),
    ("Materialize", Nothing),
    ("Materialize with deduplication", Nothing),
    ("Materialize table function", Nothing),
    ("Union materialize", Nothing),
    ("Union all materialize", Nothing),
    ("Union materialize with deduplication", Nothing),
    ("Intersect materialize", Nothing),
    ("Intersect materialize with deduplication", Nothing),
    ("Intersect all materialize", Nothing),
    ("Except materialize", Nothing),
    ("Except materialize with deduplication", Nothing),
    ("Except all materialize", Nothing),
    ("Disable deduplication", Nothing),
    ("Temporary table", Nothing),
    ("Temporary table with deduplication", Nothing),
    ("Sort-deduplicate by row ID", Nothing),
    ("Intersect rows sorted by row ID", Nothing),
    ("Deduplicate rows sorted by row ID", Nothing),
    ("Clustered primary key (scanned separately)", Nothing),
    ("Remove duplicates from input grouped on", Nothing),
    ("Remove duplicates from input sorted on", Index),
    ("Remove duplicate", Nothing),
    ("Rows fetched before execution", Nothing),
    ("Zero rows", Nothing),
    ("Zero input rows", Nothing),
    ("Alternative plans for IN subquery", Nothing),
    ("Invalidate materialized tables", Nothing),
    ("<not executable by iterator executor>", Nothing),
];

/// The words before a table or a CTE that belong to what is said of it, not to the kind.
const WRITES: [(&str, &str); 3] =
    [("Insert into", "Insert"), ("Replace into", "Replace"), ("Delete from", "Delete")];

/// A step as its line or its heading says it. Its numbers are not there.
pub fn step(operation: &str) -> PlanNode {
    let operation = operation.trim();
    let fitting = STEPS.iter().filter(|(words, _)| begins(operation, words));
    let Some((words, behind)) = fitting.max_by_key(|(words, _)| words.len()) else {
        return PlanNode { kind: "other".to_owned(), ..PlanNode::default() };
    };
    let kind = WRITES.iter().find(|(written, _)| written == words).map_or(*words, |(_, kind)| kind);
    let mut node = PlanNode { kind: kind.to_owned(), ..PlanNode::default() };
    let rest = operation.get(words.len()..).unwrap_or_default();
    let mut terms = Terms::default();
    match behind {
        Nothing => {}
        Access => access(rest, &mut node, &mut terms),
        Table => node.relation = name(rest),
        Index => node.index = name(rest),
        Filter => {
            node.filters = true;
            terms.filter = rest.strip_prefix(": ").and_then(condition);
        }
        Sort => terms.sort = sorted(rest),
        Join => terms.join = Some(rest).filter(|rest| !rest.contains("(no condition)")).and_then(joined),
        Query => {
            let place = if rest.contains("run only once") { "InitPlan" } else { "SubPlan" };
            node.place = Some(place.to_owned());
        }
    }
    with_terms(&mut node, terms);
    node
}

/// Do these words stand there, and no longer ones?
fn begins(operation: &str, words: &str) -> bool {
    let rest = operation.strip_prefix(words);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ':', ',']))
}

/// ` on o using k (a = 1), with index condition: (b = 2)`, ` on o using k over (1 < a) (reverse)`.
fn access(rest: &str, node: &mut PlanNode, terms: &mut Terms) {
    let Some(rest) = rest.strip_prefix(" on ") else { return };
    let (table, rest) = match rest.split_once(" using ") {
        Some((table, rest)) if !table.contains(" (") => (table, rest),
        _ => return node.relation = name(rest),
    };
    node.relation = Some(table.to_owned());
    node.index = name(rest);
    let searched = rest.get(node.index.as_ref().map_or(0, String::len)..).unwrap_or_default();
    let (searched, pushed) = match searched.split_once(", with index condition: ") {
        Some((searched, pushed)) => (searched, Some(pushed)),
        None => (searched, None),
    };
    let searched = searched.trim_start().trim_start_matches("over ").trim_end_matches(" (reverse)");
    terms.index = condition(searched);
    terms.filter = pushed.and_then(condition);
    node.filters = pushed.is_some();
}

/// A name, which ends where something is said of it.
fn name(rest: &str) -> Option<String> {
    let rest = rest.trim_start();
    let ends = [" (", ", ", " over ", " in secondary engine ", " if needed", ": "];
    let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
    rest.get(..end).map(str::to_owned).filter(|name| !name.is_empty())
}

/// `: a, b DESC, limit input to 5 row(s) per chunk`. An alias may be any text, and then it is no term.
fn sorted(rest: &str) -> Vec<String> {
    let keys = rest.strip_prefix(": ").unwrap_or_default();
    let keys = lines::listed(keys).filter(|key| !key.starts_with("limit input to "));
    keys.filter_map(condition).collect()
}

/// ` (a.x = b.y), (c.z = d.z), extra conditions: (a.w > 1) and (b.w > 1)`.
fn joined(rest: &str) -> Option<String> {
    let conditions = rest.replacen(", extra conditions: ", " and ", 1);
    let all: Vec<&str> = lines::listed(&conditions).collect();
    condition(&all.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_names() {
        for (operation, shape) in [
            ("Table scan on <temporary>", "Table scan on <temporary>"),
            (
                "Index lookup on o using k_c (a = 'x using y'), with index condition: (o.b = 2)",
                "Index lookup using k_c on o",
            ),
            (
                "Covering index range scan on c using k over ('a' <= name <= 'b') (reverse)",
                "Covering index range scan using k on c",
            ),
            ("Index range scan on o (re-planned for each iteration)", "Index range scan on o"),
            ("Inner hash join (no condition)", "Inner hash join"),
            ("Hash", "Hash"),
            ("Update o (buffered), c (immediate)", "Update on o"),
            ("Delete from orders (immediate)", "Delete on orders"),
            ("Materialize CTE t if needed (query plan printed elsewhere)", "Materialize CTE on t"),
            ("Remove duplicates from input sorted on k", "Remove duplicates from input sorted on using k"),
            ("Select #2 (subquery in projection; dependent)", "Select"),
            ("Zero rows (no matching row in const table)", "Zero rows"),
            ("Tablets", "other"),
            ("kanari", "other"),
        ] {
            assert_eq!(step(operation).shape().trim_end(), shape, "{operation}");
        }
    }

    #[test]
    fn terms_have_no_values() {
        let terms = |operation| step(operation).terms.map(|terms| *terms).unwrap_or_default();
        let lookup = terms("Index lookup on o using k (a = 'kanari'), with index condition: (o.b = 4711)");
        assert_eq!((lookup.index.as_deref(), lookup.filter.as_deref()), (Some("(a = ?)"), Some("(o.b = ?)")));
        let range = terms("Index range scan on o using k over ('kanari' < a)");
        assert_eq!(range.index.as_deref(), Some("(? < a)"));
        let sort = terms("Sort: o.note, f(o.a, 'kanari') DESC, limit input to 5 row(s) per chunk");
        assert_eq!(sort.sort, ["o.note", "f(o.a, ?) desc"]);
        let join = terms("Left hash join (a.x = b.y), (a.z = b.z), extra conditions: (a.w > 4711)");
        assert_eq!(join.join.as_deref(), Some("(a.x = b.y) and (a.z = b.z) and (a.w > ?)"));
    }
}
