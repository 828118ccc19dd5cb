//! The plain spelling of plans, which tells by indentation what belongs to what.

use super::step::{JOINS, KIB, Raw, Telling};
use super::{setting_off, tree};
use crate::explain::lines::{self, Quotes};
use crate::model::plan::{MAX_NODES, PlanNode, Trigger};

/// What may follow the words of a step.
const NUMBERS: [&str; 3] = ["  (cost=", " (actual ", " (never executed)"];

pub fn plain(text: &str, telling: Telling) -> Option<PlanNode> {
    let mut nodes: Vec<(usize, Raw)> = Vec::new();
    // Above the first step of a subquery stands which it is.
    let mut place = None;
    let mut triggers = Vec::new();
    let (mut margin, mut is_over) = (0, false);
    // Where a worker stands; what it tells of its share stands further to the right.
    let mut worker: Option<usize> = None;
    for line in lines::whole(text, Quotes::Doubled) {
        let body = line.trim_start();
        let depth = line.len() - body.len();
        let (head, arrow) = match body.strip_prefix("->") {
            Some(head) => (head.trim_start(), true),
            None => (body, false),
        };
        is_over |= nodes.len() >= MAX_NODES;
        worker = worker.filter(|column| depth > *column);
        let found = step(head.trim_end(), arrow, nodes.is_empty());
        if let Some((head, costs)) = found.filter(|_| !is_over) {
            let mut raw = plain_node(head, costs, telling);
            raw.node.place = place.take().map(str::to_owned);
            margin = if nodes.is_empty() { depth } else { margin };
            nodes.push((if nodes.is_empty() { 0 } else { depth + 1 }, raw));
        } else if let Some(trigger) = trigger(body) {
            triggers.push(trigger);
        } else if depth <= margin && !body.is_empty() {
            // How it was planned stands behind the last step, and has lines like it.
            is_over = true;
        } else if let Some(of) = subquery(body).filter(|_| !is_over) {
            place = Some(of);
        } else if let Some((_, raw)) = nodes.last_mut().filter(|_| !is_over) {
            // All but sorts is in the numbers of the step already.
            if worker.is_none() || body.starts_with("Sort Method: ") {
                detail(body.trim_end(), raw);
            }
            worker = worker.or_else(|| body.starts_with("Worker ").then_some(depth));
        }
    }
    tree(nodes).map(|mut root| {
        take_places(&mut root);
        setting_off(root, triggers)
    })
}

/// The words of a step and its numbers, of which it has none with `COSTS OFF`. Only the first one has no arrow.
fn step(head: &str, arrow: bool, is_first: bool) -> Option<(&str, &str)> {
    if !arrow && !is_first {
        return None;
    }
    let numbers = NUMBERS.iter().filter_map(|phrase| head.find(phrase)).min();
    match numbers {
        Some(at) => Some((head.get(..at)?.trim_end(), head.get(at..)?)),
        None => Some((head, ""))
            .filter(|_| arrow || plain_node(head, "", Telling::Steps).settle().kind != "other"),
    }
}

/// `Trigger for constraint notes_order_fkey on orders: time=1.250 calls=300`, `Trigger keep_sums: time=…`, and with
/// `TIMING OFF` the calls alone.
fn trigger(line: &str) -> Option<Trigger> {
    let (named, told) = line.strip_prefix("Trigger ")?.rsplit_once(": ")?;
    if !["time=", "calls="].iter().any(|first| told.starts_with(first)) {
        return None;
    }
    let (named, relation) = match named.rsplit_once(" on ") {
        Some((named, relation)) => (named, Some(relation)),
        None => (named, None),
    };
    let (name, constraint) = match named.split_once("for constraint ") {
        Some((name, constraint)) => (name.trim_end(), Some(constraint)),
        None => (named, None),
    };
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Some(Trigger {
        name: text(name),
        constraint: constraint.and_then(text),
        relation: relation.and_then(text),
        calls: behind(told, "calls=")?,
        seconds: behind(told, "time=").unwrap_or_default() / 1e3,
    })
}

/// `SubPlan 1`, `InitPlan 1 (returns $0)`, `CTE recent`.
fn subquery(line: &str) -> Option<&'static str> {
    let (word, _) = line.split_once(' ').filter(|_| !line.contains(": "))?;
    match word {
        "SubPlan" => Some("SubPlan"),
        "InitPlan" | "CTE" => Some("InitPlan"),
        _ => None,
    }
}

/// The plain spelling does not say which side of a join a step is: the outer one comes first.
fn take_places(node: &mut PlanNode) {
    let sides = node.children.iter_mut().filter(|child| child.place.is_none());
    let is_join = node.kind == "Nested Loop" || node.kind.ends_with(" Join");
    for (side, child) in ["Outer", "Inner"].into_iter().zip(sides).take(if is_join { 2 } else { 0 }) {
        child.place = Some(side.to_owned());
    }
    node.children.iter_mut().for_each(take_places);
}

/// `Index Scan using orders_pkey on orders o`, `0.00..1.00 rows=1 width=4) (actual time=1.0..2.0 rows=5 loops=1)`.
fn plain_node(head: &str, costs: &str, telling: Telling) -> Raw {
    let mut raw = Raw::of(telling);
    let (head, on) = match split_unquoted(head, " on ") {
        Some((head, on)) => (head, Some(on)),
        None => (head, None),
    };
    let (mut kind, index) = match split_unquoted(head, " using ") {
        Some((kind, index)) => (kind, Some(index)),
        None => (head, None),
    };
    for word in ["Parallel", "Async", "Partial", "Finalize"] {
        if let Some(rest) = kind.strip_prefix(word).and_then(|rest| rest.strip_prefix(' ')) {
            raw.parallel = word == "Parallel";
            raw.partial = word.to_owned();
            kind = rest;
        }
    }
    kind = without_extras(kind);
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
    raw.node.index = index.map(|index| name(index).0);
    let (names, alias) = on.map(target).unwrap_or_default();
    if kind == "Bitmap Index Scan" {
        raw.node.index = names.last().cloned();
    } else {
        let mut names = names.into_iter().rev();
        (raw.node.relation, raw.node.schema) = (names.next(), names.next());
    }
    if let Some(terms) = &mut raw.node.terms {
        terms.alias = alias.or_else(|| raw.node.relation.clone());
    }
    let (planned, actual) = costs.split_once(" (actual ").unwrap_or((costs, ""));
    raw.node.cost = planned.split_once("..").and_then(|(_, rest)| leading(rest));
    raw.node.rows_expected = behind(planned, "rows=");
    raw.per_loop = (behind(actual, "rows="), actual.split_once("..").and_then(|(_, rest)| leading(rest)));
    raw.node.loops = behind(actual, "loops=");
    if costs.ends_with(" (never executed)") {
        // As in the other spellings.
        raw.per_loop = (Some(0.0), Some(0.0));
        raw.node.loops = Some(0.0);
    }
    raw
}

/// `HashSetOp Except All`, `Custom Scan (ColumnarScan)`: the other spellings tell the rest apart from the kind.
fn without_extras(kind: &str) -> &str {
    const COMMANDS: [&str; 4] = [" Intersect", " Intersect All", " Except", " Except All"];
    let combining = ["HashSetOp", "SetOp"]
        .into_iter()
        .find(|of| kind.strip_prefix(of).is_some_and(|c| COMMANDS.contains(&c)));
    let provided = kind.starts_with("Custom Scan (").then_some("Custom Scan");
    combining.or(provided).unwrap_or(kind)
}

/// The schema, if it is told, the table, and its alias in `public."Order Line" l`.
fn target(text: &str) -> (Vec<String>, Option<String>) {
    let (first, mut rest) = name(text);
    let mut names = vec![first];
    while let Some(more) = rest.strip_prefix('.') {
        let (next, behind) = name(more);
        names.push(next);
        rest = behind;
    }
    names.retain(|name| !name.is_empty());
    let (alias, _) = name(rest.trim_start());
    (names, Some(alias).filter(|alias| !alias.is_empty()))
}

/// A name as the other spellings have it, and what stands behind it. Within quotes may stand anything, and quotes doubled.
fn name(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (name, rest) = text.split_at(text.find(['.', ' ']).unwrap_or(text.len()));
        return (name.to_owned(), rest);
    };
    // One that never ends was cut.
    super::quoted_name(quoted).unwrap_or_else(|| (quoted.replace("\"\"", "\""), ""))
}

/// Splits at the first phrase that stands within no quoted name.
fn split_unquoted<'a>(text: &'a str, phrase: &str) -> Option<(&'a str, &'a str)> {
    let mut begins = 0;
    for (nth, piece) in text.split('"').enumerate() {
        if let Some(found) = piece.find(phrase).filter(|_| nth % 2 == 0) {
            let at = begins + found;
            return Some((text.get(..at)?, text.get(at + phrase.len()..)?));
        }
        begins += piece.len() + 1;
    }
    None
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
        "Index Cond" | "Join Filter" | "Hash Cond" | "Merge Cond" => raw.set(key, value),
        "Sort Key" => lines::listed(value).for_each(|key| raw.sort_key(key)),
        // `Sort Method: external merge  Disk: 12345kB`, `Worker 0:  Sort Method: quicksort  Memory: 25kB`
        _ if line.contains("Sort Method: ") && (key == "Sort Method" || key.starts_with("Worker ")) => {
            raw.sorted_on_disk(behind(value, "Disk: ").unwrap_or_default() * KIB);
        }
        // `Buckets: 65536  Batches: 4  Memory Usage: 1234kB`, `Planned Partitions: 4  Batches: 5 …  Disk Usage: 24kB`
        "Buckets" | "Batches" | "Planned Partitions" => {
            let kibibytes = |phrase| behind(line, phrase).map(|kibibytes| kibibytes * KIB);
            raw.work.batches = behind(line, "Batches: ");
            raw.work.memory = kibibytes("Memory Usage: ");
            raw.work.hashed_on_disk = kibibytes("Disk Usage: ");
        }
        "Heap Blocks" => {
            raw.work.exact_pages = behind(value, "exact=");
            raw.work.lossy_pages = behind(value, "lossy=");
        }
        _ => raw.work(key, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(head: &str) -> PlanNode {
        plain(&format!("{head}  (cost=1.00..2.00 rows=5 width=4)"), Telling::Terms).unwrap()
    }

    #[test]
    fn kinds_are_those_of_the_other_spellings() {
        for (head, shape) in [
            ("HashSetOp Except", "HashSetOp\n"),
            ("SetOp Intersect All", "SetOp\n"),
            ("SetOp kanari", "other\n"),
            ("Custom Scan (ColumnarScan) on events", "Custom Scan on events\n"),
            ("Parallel Custom Scan (ChunkAppend) on events e", "Parallel Custom Scan on events\n"),
            ("Custom Scan (Citus Adaptive)", "Custom Scan\n"),
        ] {
            assert_eq!(one(head).shape(), shape, "{head}");
        }
    }

    #[test]
    fn names_are_those_of_the_other_spellings() {
        for (head, index, schema, relation, alias) in [
            ("Seq Scan on orders o", None, None, Some("orders"), Some("o")),
            ("Seq Scan on public.orders", None, Some("public"), Some("orders"), Some("orders")),
            (r#"Seq Scan on "Sales"."Order" o"#, None, Some("Sales"), Some("Order"), Some("o")),
            (
                r#"Seq Scan on public."Order Line" "L x""#,
                None,
                Some("public"),
                Some("Order Line"),
                Some("L x"),
            ),
            (r#"Seq Scan on "a.b" x"#, None, None, Some("a.b"), Some("x")),
            (r#"Seq Scan on "a""b on c" x"#, None, None, Some("a\"b on c"), Some("x")),
            (r#"Values Scan on "*VALUES*""#, None, None, Some("*VALUES*"), Some("*VALUES*")),
            (
                r#"Index Scan using "PK on using Order" on public."Order" o"#,
                Some("PK on using Order"),
                Some("public"),
                Some("Order"),
                Some("o"),
            ),
            (r#"Bitmap Index Scan on "I.x""#, Some("I.x"), None, None, None),
            (r#"Seq Scan on "cut o"#, None, None, Some("cut o"), Some("cut o")),
            ("Limit", None, None, None, None),
        ] {
            let node = one(head);
            let named = (node.index.as_deref(), node.schema.as_deref(), node.relation.as_deref());
            assert_eq!(named, (index, schema, relation), "{head}");
            assert_eq!(node.terms.unwrap().alias.as_deref(), alias, "{head}");
        }
    }

    #[test]
    fn a_trigger_may_have_no_time() {
        let calls = trigger("Trigger for constraint b_fk: calls=1000").unwrap();
        assert_eq!((calls.constraint.as_deref(), calls.calls, calls.seconds), (Some("b_fk"), 1000.0, 0.0));
        let timed = trigger("Trigger keep on t: time=1250.500 calls=30").unwrap();
        assert_eq!((timed.relation.as_deref(), timed.calls, timed.seconds), (Some("t"), 30.0, 1.2505));
        assert!(trigger("Trigger keep: name=1").is_none());
    }

    #[test]
    fn numbers_of_workers_are_not_those_of_the_step() {
        let text = "Gather  (cost=1.00..2.00 rows=5 width=4)\n  ->  Sort  (cost=1.00..2.00 rows=5 width=4)\n        \
            Sort Method: external merge  Disk: 8kB\n        Buffers: shared hit=90 read=70\n        \
            Worker 0:  actual time=1.0..2.0 rows=5 loops=1\n          Sort Method: external merge  Disk: 4kB\n          \
            Buffers: shared hit=7 read=5\n          Batches: 3  Memory Usage: 9kB\n        \
            ->  Parallel Bitmap Heap Scan on t  (cost=1.00..2.00 rows=5 width=4)\n              \
            Heap Blocks: exact=50\n              Worker 0:  actual time=1.0..2.0 rows=5 loops=1\n                \
            Heap Blocks: exact=2\n              Buffers: shared hit=80\n";
        let plan = plain(text, Telling::Steps).unwrap();
        let sort = &plan.children[0];
        assert_eq!((sort.buffers_hit, sort.buffers_read), (Some(90.0), Some(70.0)));
        assert_eq!(sort.worked(|work| work.batches), None);
        assert_eq!(sort.worked(|work| work.sorted_on_disk), Some(12.0 * KIB));
        let scan = &sort.children[0];
        assert_eq!((scan.worked(|work| work.exact_pages), scan.buffers_hit), (Some(50.0), Some(80.0)));
    }
}
