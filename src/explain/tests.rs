//! Plans of real servers, kept in `tests/plans` as they were printed. What was typed into their statements was `kanari` and
//! 4711.

use super::*;
use std::fs;
use std::path::Path;

fn samples() -> Vec<(String, Vec<u8>)> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans");
    let entries = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut all: Vec<_> = entries.map(|path| (name(&path), fs::read(&path).unwrap())).collect();
    all.sort();
    assert!(all.len() > 30);
    all
}

fn sample(name: &str) -> PlanNode {
    let (_, bytes) = samples().into_iter().find(|(known, _)| known == name).unwrap();
    read(&bytes).unwrap_or_else(|| panic!("{name}"))
}

fn holds_no_canary(name: &str, plan: &PlanNode) {
    let told = serde_json::to_string(plan).unwrap().to_lowercase();
    assert!(!told.contains("kanari") && !told.contains("4711"), "{name}: {told}");
}

#[test]
fn each_is_read_and_holds_no_literal() {
    for (name, bytes) in samples() {
        let plan = read(&bytes).unwrap_or_else(|| panic!("{name}"));
        holds_no_canary(&name, &plan);
        let mut kinds = Vec::new();
        plan.each(&mut |step| kinds.push(step.kind.clone()));
        assert!(kinds.len() > 1 || name.contains("forged"), "{name}: {kinds:?}");
        assert!(!kinds.contains(&"other".to_owned()), "{name}: {kinds:?}");
    }
}

#[test]
fn no_cut_panics_or_lets_a_literal_out() {
    for (name, bytes) in samples() {
        for end in (0..bytes.len()).step_by(1 + bytes.len() / 500) {
            if let Some(plan) = read(&bytes[..end]) {
                holds_no_canary(&format!("{name} up to {end}"), &plan);
            }
        }
    }
}

/// One plan has one shape in each spelling of its server.
#[test]
fn spellings_of_one_plan_agree() {
    let one = |names: &[&str]| {
        let first = sample(names[0]).shape();
        names.iter().for_each(|name| assert_eq!(sample(name).shape(), first, "{name}"));
        first
    };
    one(&["postgres18.join.text", "postgres18.join.json", "postgres18.join.yaml", "postgres18.join.xml"]);
    one(&["postgres18.sub.text", "postgres18.sub.json"]);
    one(&["postgres18.forged.text", "postgres18.forged.json"]);
    one(&[
        "mysql97.derived.tree",
        "mysql97.derived.json2",
        "mysql97.derived.analyze",
        "mysql97.derived.ajson",
    ]);
    one(&["mysql97.merge.tree", "mysql97.merge.json2"]);
    one(&["mysql97.update.tree", "mysql97.update.json2"]);
    one(&["mysql97.cte.analyze", "mysql97.cte.ajson"]);
    one(&["mysql97.notin.analyze", "mysql97.notin.ajson"]);
    let join =
        one(&["mysql97.join.tree", "mysql97.join.json2", "mysql97.join.analyze", "mysql97.join.ajson"]);
    assert_eq!(
        join,
        "Nested loop inner join\n  Index lookup using k_region on c\n  Filter\n    Index lookup using k_customer on o\n"
    );
}

/// What is told of a step is the same as well, as far as each spelling tells it.
#[test]
fn spellings_of_one_run_tell_the_same() {
    let told = |name: &str| {
        let mut all = Vec::new();
        sample(name).each(&mut |step| {
            let terms = step.terms.clone().unwrap_or_default();
            let place = step.place.clone().filter(|place| place != "Outer" && place != "Inner");
            all.push((step.rows_expected, step.rows_removed, step.loops, step.filters, terms, place));
        });
        all
    };
    for others in ["postgres18.join.json", "postgres18.join.yaml", "postgres18.join.xml"] {
        let zero = |mut all: Vec<(_, Option<f64>, _, _, _, _)>| {
            all.iter_mut().for_each(|step| step.1 = step.1.filter(|rows| *rows > 0.0));
            all
        };
        assert_eq!(zero(told("postgres18.join.text")), zero(told(others)), "{others}");
    }
    let (tree, json) = (sample("mysql97.join.analyze"), sample("mysql97.join.ajson"));
    assert_eq!((tree.rows, tree.loops, tree.terms.clone()), (json.rows, json.loops, json.terms.clone()));
    assert_eq!(tree.children[1].terms.clone().unwrap().filter.as_deref(), Some("(o.note != ?)"));
}

#[test]
fn blocks_of_mysql_and_mariadb() {
    for (name, shape) in [
        (
            "mysql97.join.json1",
            "query_block\n  nested_loop\n    ref using k_region on c\n    ref using k_customer on o\n",
        ),
        (
            "mysql97.derived.json1",
            "query_block\n  ordering_operation\n    nested_loop\n      index using k_name on c\n      ref using <auto_key0> on d\n        \
             materialized_from_subquery\n          query_block\n            grouping_operation\n              \
             index using k_customer on orders\n",
        ),
        (
            "mysql97.update.json1",
            "query_block\n  Update on o\n    nested_loop\n      ref using k_name on c\n      ref using k_customer on o\n",
        ),
        (
            "mariadb105.derived.ajson",
            "query_block\n  filesort\n    temporary_table\n      nested_loop\n        index using k_name on c\n        \
             ref using key0 on <derived2>\n          materialized\n            query_block\n              filesort\n                \
             temporary_table\n                  ALL on orders\n",
        ),
        ("mariadb105.merge.json", "query_block\n  index_merge using union(k_customer,k_total) on orders\n"),
        ("mariadb118.hash.ajson", "query_block\n  nested_loop\n    ALL on c\n    BNL ALL on i\n"),
        ("mariadb118.hash.atable", "SIMPLE\n  ALL on c\n  BNL ALL on i\n"),
        ("mariadb118.update.ajson", "query_block\n  Update on orders\n    range using k_total on orders\n"),
        (
            "mariadb118.union.ajson",
            "query_block\n  union_result on <union1,2>\n    query_block\n      ref using k_name on customer\n    \
             query_block\n      ALL on orders\n",
        ),
        (
            "mariadb118.window.json",
            "query_block\n  window_functions_computation\n    temporary_table\n      ALL on orders\n    filesort\n",
        ),
        (
            "mariadb1011.sub.ajson",
            "query_block\n  ALL on c\n  query_block\n    ALL on orders\n  expression_cache\n    query_block\n      \
             ref using k_customer on o\n",
        ),
    ] {
        assert_eq!(sample(name).shape(), shape, "{name}");
    }
}

/// As MariaDB tells it in JSON and in its table: of a hundred customers and four thousand items each pair is compared.
#[test]
fn a_run_of_mariadb_is_counted_as_in_its_table() {
    let (json, table) = (sample("mariadb118.hash.ajson"), sample("mariadb118.hash.atable"));
    let (in_json, in_table) = (&json.children[0].children[1], &table.children[1]);
    for step in [in_json, in_table] {
        assert_eq!((step.rows, step.loops, step.rows_expected), (Some(40_000.0), None, Some(4_000.0)));
        assert_eq!(step.worked(|work| work.compared), Some(400_000.0));
    }
    assert_eq!(in_json.terms.as_ref().unwrap().join.as_deref(), Some("i.n = c.region"));
    let never = &sample("mariadb1011.sub.ajson").children[2].children[0].children[0];
    assert_eq!((never.rows, never.loops), (Some(0.0), Some(0.0)));
}

#[test]
fn what_is_no_plan_is_none() {
    for text in [
        "",
        "->",
        "kanari",
        "{}",
        "[]",
        "[1]",
        "{\"query_block\": 1}",
        "{\"query_block\"",
        "id\tselect_type\n",
        "QUERY PLAN\n",
        "select 1;",
        "<explain></explain>",
        "- Plan:\n",
    ] {
        let kinds = read(text.as_bytes()).map(|plan| plan.kind);
        let odd = ["other", "query_block"];
        assert!(kinds.as_deref().is_none_or(|kind| odd.contains(&kind)), "{text}: {kinds:?}");
    }
}

/// Ten thousand steps, as wide or as deep as can be, take no time and no stack.
#[test]
fn what_is_large_is_cut() {
    let times = 10_000;
    // A line that lies deep is long: fewer of those.
    let lines = |step: &str, deep: bool| -> String {
        let depth = |nth: usize| if deep { nth } else { nth.min(1) };
        let count = if deep { times / 10 } else { times };
        (0..count).map(|nth| format!("{:1$}->{step}\n", "", depth(nth))).collect()
    };
    let (tree, plain) = (" Filter: (a = 1)  (cost=1 rows=1)", "  Append  (cost=1..2 rows=1 width=4)");
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(times), close.repeat(times));
    let blocks = nested(r#"{"query_block":{"table":{"access_type":"ALL","materialized":"#, "}}}");
    let iterators = nested(r#"{"operation":"Append","inputs":["#, "]}");
    let postgres = format!("[{{\"Plan\":{}}}]", nested(r#"{"Node Type":"Append","Plans":["#, "]}"));
    let wide =
        format!(r#"{{"operation":"Append","inputs":[{}0]}}"#, r#"{"operation":"Append"},"#.repeat(times));
    let open = "Filter: (a = 'x\n".repeat(100_000);
    let texts = [
        blocks,
        iterators,
        postgres,
        wide,
        format!("Append  (cost=1..2 rows=1 width=4)\n{open}"),
        "[".repeat(1_000_000),
    ];
    let lines = [lines(tree, true), lines(tree, false), lines(plain, true), lines(plain, false)];
    for text in texts.iter().chain(&lines) {
        let steps = read(text.as_bytes()).map_or(0, |plan| plan.steps());
        assert!(steps <= MAX_NODES, "{steps} steps of {:.60}", text);
    }
    assert_eq!(read(lines[1].as_bytes()).unwrap().steps(), MAX_NODES);
}
