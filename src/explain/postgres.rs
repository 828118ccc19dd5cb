//! What EXPLAIN of PostgreSQL prints and auto_explain writes, in their four spellings, as one tree.
//!
//! Only words that the server itself chose, and names of tables and indexes, come into the tree. Kinds of nodes are
//! taken from a list: what else stands in their place is text that somebody typed.

mod json;
mod pattern;
mod plain;
mod step;
mod xml;
mod yaml;

pub use json::asked;

use super::nested;
use crate::model::plan::{MAX_TRIGGERS, PlanNode, Trigger};
use plain::plain;
use std::borrow::Cow;
use step::{Raw, Telling};

/// Lines that may be the first of a plan, of which the text before them is no statement after all. A plan has as many
/// such lines as it has steps, and each time all before it is read.
const MAX_GUESSES: usize = 20;

/// A plan, and the statement that it is for.
#[derive(Debug)]
pub struct Explained<'a> {
    /// Raw.
    pub query: Cow<'a, [u8]>,
    pub plan: Option<PlanNode>,
}

/// Reads what stands behind `plan:`. `is_whole` tells whether a text can be a whole statement: in the plain
/// spelling nothing else separates the query from its plan.
pub fn logged<'a>(text: &'a [u8], mut is_whole: impl FnMut(&[u8]) -> bool) -> Option<Explained<'a>> {
    let trimmed = text.trim_ascii_start();
    if trimmed.starts_with(b"{") {
        return json::logged(trimmed);
    }
    if trimmed.starts_with(b"<explain") {
        return xml::logged(trimmed);
    }
    let rest = trimmed.strip_prefix(b"Query Text: ")?;
    if rest.starts_with(b"\"") && memchr::memmem::find(rest, b"\nPlan: ").is_some() {
        return yaml::logged(rest);
    }
    let (mut at, mut guesses) = (0, 0);
    while guesses < MAX_GUESSES {
        let newline = memchr::memchr(b'\n', rest.get(at..)?)?;
        at += newline + 1;
        let line = rest.get(at..)?.split(|b| *b == b'\n').next()?;
        if memchr::memmem::find(line, b"  (cost=").is_none() {
            continue;
        }
        guesses += 1;
        let query = without_parameters(rest.get(..at - 1)?);
        if is_whole(query) {
            let plan = plain(&String::from_utf8_lossy(rest.get(at..)?), Telling::Steps);
            return Some(Explained { query: Cow::Borrowed(query), plan });
        }
    }
    None
}

/// What EXPLAIN has printed, with the terms of its steps. None where it is no plan.
pub fn printed(text: &str) -> Option<PlanNode> {
    let text = text.trim_start_matches(['\r', '\n']);
    match text.trim_start() {
        json if json.starts_with(['[', '{']) => asked(json.as_bytes()),
        xml if xml.starts_with("<explain") => xml::plan(xml, Telling::Terms),
        yaml if yaml.starts_with("- Plan:") || yaml.starts_with("Plan:") => yaml::plan(text, Telling::Terms),
        _ => plain(text, Telling::Terms).filter(|plan| plan.kind != "other" || plan.cost.is_some()),
    }
}

/// A name whose first quote was passed, and what stands behind its last one.
fn quoted_name(quoted: &str) -> Option<(String, &str)> {
    let mut quotes = quoted.match_indices('"').map(|(at, _)| at);
    let mut end = quotes.next()?;
    // Two of them are one that belongs to the name.
    while quoted.get(end + 1..)?.starts_with('"') {
        quotes.next()?;
        end = quotes.next()?;
    }
    Some((quoted.get(..end)?.replace("\"\"", "\""), quoted.get(end + 1..)?))
}

/// From PostgreSQL 16 on they are told in a line of their own.
fn without_parameters(query: &[u8]) -> &[u8] {
    let end = memchr::memmem::rfind(query, b"\nQuery Parameters: ");
    end.and_then(|end| query.get(..end)).unwrap_or(query)
}

/// The first step tells what the statement has set off.
fn setting_off(mut plan: PlanNode, triggers: impl IntoIterator<Item = Trigger>) -> PlanNode {
    let mut triggers: Vec<Trigger> = triggers.into_iter().take(MAX_TRIGGERS).collect();
    if !triggers.is_empty() {
        let mut written = None;
        plan.each(&mut |step| written = written.or(step.relation.as_ref().filter(|_| step.writes())));
        // The plain spelling names the table where there are several.
        triggers
            .iter_mut()
            .for_each(|trigger| trigger.relation = trigger.relation.take().or(written.cloned()));
        plan.work.get_or_insert_default().triggers = triggers;
    }
    plan
}

/// What is told of triggers, key by key; each begins with its name.
#[derive(Debug, Default)]
struct Triggers(Vec<Trigger>);

impl Triggers {
    fn set(&mut self, key: &str, value: &str) {
        if key == "Trigger Name" {
            self.0.push(Trigger::default());
        }
        if let Some(trigger) = self.0.last_mut() {
            trigger.set(key, value);
        }
    }
}

/// Steps as they were met, each with how deep it lies, as a tree.
fn tree(steps: Vec<(usize, Raw)>) -> Option<PlanNode> {
    nested(steps.into_iter().map(|(depth, raw)| (depth, raw.settle())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> String {
        logged(text.as_bytes(), |_| true).unwrap().plan.unwrap().shape()
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
            assert_eq!(logged(text.as_bytes(), |_| true).unwrap().query.trim_ascii_end(), b"select 1");
        }
        // As PostgreSQL 16 has it.
        let with_parameters = [
            plain.replace("select 1\n", "select 1\nQuery Parameters: $1 = '5'\n"),
            yaml.replace("1\"\n", "1\"\nQuery Parameters: \"$1 = '5'\"\n"),
        ];
        for text in &with_parameters {
            assert!(text.contains("Parameters"));
            assert_eq!(shape(text), expected, "{text}");
            assert_eq!(
                logged(text.as_bytes(), |_| true).unwrap().query.trim_ascii_end(),
                b"select 1",
                "{text}"
            );
        }
        let plan = logged(plain.as_bytes(), |_| true).unwrap().plan.unwrap();
        let scan = &plan.children[0].children[0];
        assert_eq!(
            (scan.rows, scan.loops, scan.rows_removed, scan.filters),
            (Some(30.0), Some(3.0), Some(7722.0), true)
        );
        assert_eq!(plan.seconds, Some(0.0512));
    }

    /// Of a statement that cannot be read each step of its plan could be the first.
    #[test]
    fn the_end_of_a_statement_is_not_looked_for_without_end() {
        let step = "  ->  Seq Scan on orders  (cost=0.00..1.00 rows=1 width=4)\n";
        let text = format!("Query Text: select '\n{}", step.repeat(10_000));
        let mut looked_at = 0;
        let read = logged(text.as_bytes(), |query| {
            looked_at += query.len();
            false
        });
        assert!(read.is_none() && looked_at < text.len(), "{looked_at} of {}", text.len());
    }

    #[test]
    fn a_path_hides_no_step() {
        let text = "Query Text: select 1\nAppend  (cost=1.00..2.00 rows=5 width=4)\n  \
            ->  Foreign Scan on f  (cost=1.00..2.00 rows=5 width=4)\n        Foreign File: /data/it's.csv\n  \
            ->  Seq Scan on lost  (cost=1.00..2.00 rows=5 width=4)";
        assert_eq!(shape(text), "Append\n  Foreign Scan on f\n  Seq Scan on lost\n");
    }

    #[test]
    fn what_is_no_node_has_no_name() {
        let text = "Query Text: select 1\ngeheim  (cost=1.00..2.00 rows=5 width=4)";
        assert_eq!(shape(text), "other\n");
    }

    /// What a run tells of its steps, in the four spellings: of a sort in files with a worker, a hash in parts, a bitmap
    /// that lost its rows, and which side of a join each is.
    #[test]
    fn four_spellings_of_how_it_went() {
        let plain = "Query Text: select 1\nHash Join  (cost=1.0..2.0 rows=2 width=4) (actual time=1.0..2.0 rows=9 loops=1)\n  \
            Hash Cond: (a.x = b.x)\n  Rows Removed by Join Filter: 3\n  ->  Sort  (cost=1.0..2.0 rows=2 width=4)\n        \
            Sort Method: external merge  Disk: 2048kB\n        Worker 0:  Sort Method: external merge  Disk: 1024kB\n        \
            ->  Index Only Scan using i on a  (cost=0.0..1.0 rows=1 width=1)\n              Heap Fetches: 70\n  \
            ->  Hash  (cost=1.0..2.0 rows=2 width=4)\n        \
            Buckets: 65536 (originally 1024)  Batches: 4 (originally 1)  Memory Usage: 512kB\n        \
            ->  Bitmap Heap Scan on b  (cost=1.0..2.0 rows=2 width=4)\n              Rows Removed by Index Recheck: 8\n              \
            Heap Blocks: exact=5 lossy=6";
        let json = r#"{"Query Text":"select 1","Plan":{"Node Type":"Hash Join","Rows Removed by Join Filter":3,"Plans":[
            {"Node Type":"Sort","Parent Relationship":"Outer","Sort Space Used":2048,"Sort Space Type":"Disk","Actual Rows":5,"Actual Loops":1,
             "Workers":[{"Worker Number":0,"Actual Rows":1,"Sort Method":"external merge","Sort Space Used":1024,"Sort Space Type":"Disk"}],
             "Plans":[{"Node Type":"Index Only Scan","Parent Relationship":"Outer","Index Name":"i","Relation Name":"a","Heap Fetches":70}]},
            {"Node Type":"Hash","Parent Relationship":"Inner","Hash Batches":4,"Original Hash Batches":1,"Peak Memory Usage":512,"Plans":[
             {"Node Type":"Bitmap Heap Scan","Parent Relationship":"Outer","Relation Name":"b","Rows Removed by Index Recheck":8,
              "Exact Heap Blocks":5,"Lossy Heap Blocks":6}]}]}}"#;
        let yaml = "Query Text: \"select 1\"\nPlan: \n  Node Type: \"Hash Join\"\n  Rows Removed by Join Filter: 3\n  Plans: \n    \
            - Node Type: \"Sort\"\n      Parent Relationship: \"Outer\"\n      Actual Rows: 5\n      Actual Loops: 1\n      \
            Sort Space Used: 2048\n      Sort Space Type: \"Disk\"\n      Workers: \n        - Worker Number: 0\n          \
            Actual Rows: 1\n          Sort Space Used: 1024\n          Sort Space Type: \"Disk\"\n      Plans: \n        \
            - Node Type: \"Index Only Scan\"\n          Parent Relationship: \"Outer\"\n          Index Name: \"i\"\n          \
            Relation Name: \"a\"\n          Heap Fetches: 70\n    - Node Type: \"Hash\"\n      Parent Relationship: \"Inner\"\n      \
            Hash Batches: 4\n      Peak Memory Usage: 512\n      Plans: \n        - Node Type: \"Bitmap Heap Scan\"\n          \
            Relation Name: \"b\"\n          Rows Removed by Index Recheck: 8\n          Exact Heap Blocks: 5\n          Lossy Heap Blocks: 6";
        let xml = "<explain xmlns=\"http://x\"><Query-Text>select 1</Query-Text><Plan><Node-Type>Hash Join</Node-Type>\
            <Rows-Removed-by-Join-Filter>3</Rows-Removed-by-Join-Filter><Plans><Plan><Node-Type>Sort</Node-Type>\
            <Parent-Relationship>Outer</Parent-Relationship><Actual-Rows>5</Actual-Rows><Actual-Loops>1</Actual-Loops>\
            <Sort-Space-Used>2048</Sort-Space-Used><Sort-Space-Type>Disk</Sort-Space-Type><Workers><Worker>\
            <Worker-Number>0</Worker-Number><Actual-Rows>1</Actual-Rows><Sort-Space-Used>1024</Sort-Space-Used>\
            <Sort-Space-Type>Disk</Sort-Space-Type></Worker></Workers><Plans><Plan><Node-Type>Index Only Scan</Node-Type>\
            <Index-Name>i</Index-Name><Relation-Name>a</Relation-Name><Heap-Fetches>70</Heap-Fetches></Plan></Plans></Plan>\
            <Plan><Node-Type>Hash</Node-Type><Parent-Relationship>Inner</Parent-Relationship><Hash-Batches>4</Hash-Batches>\
            <Peak-Memory-Usage>512</Peak-Memory-Usage><Plans><Plan><Node-Type>Bitmap Heap Scan</Node-Type><Relation-Name>b</Relation-Name>\
            <Rows-Removed-by-Index-Recheck>8</Rows-Removed-by-Index-Recheck><Exact-Heap-Blocks>5</Exact-Heap-Blocks>\
            <Lossy-Heap-Blocks>6</Lossy-Heap-Blocks></Plan></Plans></Plan></Plans></Plan></explain>";
        for text in [plain, json, yaml, xml] {
            let plan = logged(text.as_bytes(), |_| true).unwrap().plan.unwrap();
            let [sort, hash] = &plan.children[..] else { panic!("two sides: {text}") };
            let (index, bitmap) = (&sort.children[0], &hash.children[0]);
            assert_eq!(plan.worked(|work| work.unjoined), Some(3.0), "{text}");
            assert_eq!(sort.worked(|work| work.sorted_on_disk), Some(3.0 * 1_048_576.0), "{text}");
            assert_eq!(sort.worked(|work| work.sorted_on_disk_most), Some(2.0 * 1_048_576.0), "{text}");
            assert_eq!(index.worked(|work| work.heap_fetches), Some(70.0), "{text}");
            assert_eq!(hash.worked(|work| work.batches), Some(4.0), "{text}");
            assert_eq!(hash.worked(|work| work.memory), Some(524_288.0), "{text}");
            let pages = (bitmap.worked(|work| work.exact_pages), bitmap.worked(|work| work.lossy_pages));
            assert_eq!(
                (pages, bitmap.worked(|work| work.rechecked)),
                ((Some(5.0), Some(6.0)), Some(8.0)),
                "{text}"
            );
            assert_eq!((sort.is_inner(), hash.is_inner()), (false, true), "{text}");
            assert!(sort.rows.is_none_or(|rows| rows == 5.0), "a worker's rows are not the step's: {text}");
        }
    }

    /// What a statement has set off, in the four spellings; and a condition with a place for a value.
    #[test]
    fn four_spellings_of_triggers() {
        let plain = "Query Text: delete from a\nDelete on a  (cost=1.0..2.0 rows=2 width=4) (actual time=1.0..2.0 rows=0 loops=1)\n  \
            ->  Index Scan using i on a  (cost=0.0..1.0 rows=1 width=1)\n        Index Cond: (x = $1)\n\
            Trigger for constraint b_fk: time=1250.500 calls=30\nTrigger keep_sums on a: time=0.5 calls=2";
        let json = r#"{"Query Text":"delete from a","Plan":{"Node Type":"ModifyTable","Operation":"Delete","Plans":[
            {"Node Type":"Index Scan","Index Name":"i","Relation Name":"a","Index Cond":"(x = $1)"}]},"Triggers":[
            {"Trigger Name":"RI_ConstraintTrigger_a_1","Constraint Name":"b_fk","Relation":"a","Time":1250.500,"Calls":30},
            {"Trigger Name":"keep_sums","Relation":"a","Time":0.5,"Calls":2}]}"#;
        let yaml = "Query Text: \"delete from a\"\nPlan: \n  Node Type: \"ModifyTable\"\n  Operation: \"Delete\"\n  Plans: \n    \
            - Node Type: \"Index Scan\"\n      Index Name: \"i\"\n      Relation Name: \"a\"\n      Index Cond: \"(x = $1)\"\nTriggers: \n  \
            - Trigger Name: \"RI_ConstraintTrigger_a_1\"\n    Constraint Name: \"b_fk\"\n    Relation: \"a\"\n    Time: 1250.500\n    Calls: 30\n  \
            - Trigger Name: \"keep_sums\"\n    Relation: \"a\"\n    Time: 0.5\n    Calls: 2";
        let xml = "<explain xmlns=\"http://x\"><Query-Text>delete from a</Query-Text><Plan><Node-Type>ModifyTable</Node-Type>\
            <Operation>Delete</Operation><Plans><Plan><Node-Type>Index Scan</Node-Type><Index-Name>i</Index-Name>\
            <Relation-Name>a</Relation-Name><Index-Cond>(x = $1)</Index-Cond></Plan></Plans></Plan><Triggers><Trigger>\
            <Trigger-Name>RI_ConstraintTrigger_a_1</Trigger-Name><Constraint-Name>b_fk</Constraint-Name><Relation>a</Relation>\
            <Time>1250.500</Time><Calls>30</Calls></Trigger><Trigger><Trigger-Name>keep_sums</Trigger-Name><Relation>a</Relation>\
            <Time>0.5</Time><Calls>2</Calls></Trigger></Triggers></explain>";
        let trigger = |name: &str, constraint: Option<&str>, seconds, calls| Trigger {
            name: Some(name.into()),
            constraint: constraint.map(str::to_owned),
            relation: Some("a".into()),
            calls,
            seconds,
        };
        let both = [
            trigger("RI_ConstraintTrigger_a_1", Some("b_fk"), 1.2505, 30.0),
            trigger("keep_sums", None, 0.0005, 2.0),
        ];
        for text in [plain, json, yaml, xml] {
            let plan = logged(text.as_bytes(), |_| true).unwrap().plan.unwrap();
            let mut triggers = plan.work.unwrap().triggers;
            // The plain spelling does not tell what the server calls it.
            triggers[0].name.get_or_insert("RI_ConstraintTrigger_a_1".into());
            assert_eq!(triggers, both, "{text}");
            assert_eq!((plan.takes_values, plan.children[0].takes_values), (false, true), "{text}");
        }
        let quoted = json.replace("(x = $1)", "((x = '$1') AND (\\\"$1\\\" = 2))");
        assert!(!logged(quoted.as_bytes(), |_| true).unwrap().plan.unwrap().children[0].takes_values);
    }
}
