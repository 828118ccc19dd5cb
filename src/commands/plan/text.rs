//! A plan for eyes: numbers on the left, steps on the right, below each what is worth knowing of it.

use crate::commands::findings::clean;
use crate::commands::text::fill;
use crate::explain::run::{self, Step};
use crate::model::plan::{MAX_NODES, PlanNode, Trigger, Work};
use crate::script::{bytes, count, moment};

/// A remark has so much room, however deep its step lies.
const NARROW: usize = 50;
/// An estimate that is off by less is none to look at.
const SHOWN: f64 = 2.0;

pub fn text(plan: &PlanNode, width: usize) -> String {
    let steps = run::steps(plan);
    let total = run::total(plan, &steps);
    let columns: Vec<Column> = COLUMNS.into_iter().filter(|column| column.is_told(&steps, total)).collect();
    let widths: Vec<usize> = columns.iter().map(|column| column.width(&steps, total)).collect();
    let left: usize = widths.iter().map(|wide| wide + 2).sum();
    let numbers = |cells: Vec<String>| -> String {
        cells.iter().zip(&widths).map(|(cell, wide)| format!("{cell:>wide$}  ")).collect()
    };
    let mut said = numbers(columns.iter().map(|column| column.name.to_owned()).collect());
    said.push_str("step\n");
    for step in &steps {
        let indent = 2 * step.depth;
        let line = numbers(columns.iter().map(|column| column.cell(step, total)).collect());
        said.push_str(&format!("{line}{:indent$}{}\n", "", title(step.node)));
        let at = left + indent + 4;
        for remark in remarks(step.node) {
            let filled = fill(&in_a_line(&remark), width.saturating_sub(at).max(NARROW))
                .replace('\n', &format!("\n{:at$}", ""));
            said.push_str(&format!("{:at$}{filled}\n", ""));
        }
    }
    let triggers = plan.work.iter().flat_map(|work| &work.triggers);
    for line in triggers.map(trigger).chain(points(&steps, total)) {
        said.push_str(&format!("\n{line}\n"));
    }
    said
}

/// Numbers of which each step has one, or none.
struct Column {
    name: &'static str,
    of: fn(&Step<'_>, Option<f64>) -> Option<String>,
}

const COLUMNS: [Column; 7] = [
    Column { name: "cost", of: |step, total| step.node.cost.filter(|_| total.is_none()).map(amount) },
    Column { name: "expected", of: |step, _| step.node.rows_expected.map(amount) },
    Column { name: "came", of: |step, _| came(step.node).map(amount) },
    Column { name: "off", of: |step, _| step.factor.and_then(off) },
    Column { name: "loops", of: |step, _| step.node.loops.map(count) },
    Column { name: "own", of: |step, _| step.own.map(moment) },
    Column { name: "share", of: |step, total| Some(format!("{:.0} %", 100.0 * step.own? / total?)) },
];

impl Column {
    fn cell(&self, step: &Step<'_>, total: Option<f64>) -> String {
        (self.of)(step, total).unwrap_or_default()
    }

    fn is_told(&self, steps: &[Step<'_>], total: Option<f64>) -> bool {
        steps.iter().any(|step| (self.of)(step, total).is_some())
    }

    fn width(&self, steps: &[Step<'_>], total: Option<f64>) -> usize {
        let cells = steps.iter().map(|step| self.cell(step, total).chars().count());
        cells.max().unwrap_or_default().max(self.name.len())
    }
}

/// Rows of one loop. What was never begun has none to compare.
fn came(node: &PlanNode) -> Option<f64> {
    node.rows_each().or(node.rows.filter(|_| node.loops.is_none()))
}

/// Whole where it is large; an average of few rows has a part of one.
fn amount(number: f64) -> String {
    if number >= 10.0 || number.fract() == 0.0 {
        return count(number);
    }
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn off(factor: f64) -> Option<String> {
    match factor {
        more if more >= SHOWN => Some(format!("{} × more", amount(more.round()))),
        fewer if fewer <= 1.0 / SHOWN => Some(format!("{} × fewer", amount((1.0 / fewer).round()))),
        _ => None,
    }
}

fn title(node: &PlanNode) -> String {
    let words = [
        node.strategy.clone(),
        Some(node.kind.clone()),
        node.join.clone(),
        node.index.as_ref().map(|index| format!("using {index}")),
        node.relation.as_ref().map(|relation| match &node.schema {
            Some(schema) => format!("on {schema}.{relation}"),
            None => format!("on {relation}"),
        }),
        node.alias()
            .filter(|alias| node.relation.as_deref() != Some(alias))
            .map(|alias| format!("as {alias}")),
        place(node).map(str::to_owned),
    ];
    in_a_line(&words.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// Names come from strangers, and must not look like what we say.
fn in_a_line(text: &str) -> String {
    clean(text).replace('\n', "\u{fffd}")
}

fn place(node: &PlanNode) -> Option<&'static str> {
    match node.place.as_deref()? {
        "SubPlan" => Some("(a subquery)"),
        "InitPlan" => Some("(a subquery, done once)"),
        _ => None,
    }
}

fn remarks(node: &PlanNode) -> Vec<String> {
    let mut said = Vec::new();
    if node.loops == Some(0.0) {
        said.push("never begun".to_owned());
    }
    if let Some(terms) = &node.terms {
        let named = [("searches", &terms.index), ("keeps", &terms.filter), ("joins by", &terms.join)];
        said.extend(named.iter().filter_map(|(verb, term)| Some(format!("{verb} {}", term.as_ref()?))));
        if !terms.sort.is_empty() {
            said.push(format!("sorts by {}", terms.sort.join(", ")));
        }
    }
    let none = Work::default();
    let work = node.work.as_deref().unwrap_or(&none);
    said.extend(thrown_away(node, work));
    said.extend(room(node, work));
    said
}

/// Rows that were looked at for nothing.
fn thrown_away(node: &PlanNode, work: &Work) -> Option<String> {
    let some = |rows: Option<f64>| rows.filter(|rows| *rows > 0.0);
    let each = if node.loops.is_some_and(|loops| loops > 1.0) { " each time" } else { "" };
    let looks_at =
        node.reads_expected.filter(|reads| node.rows.is_none() && Some(*reads) > node.rows_expected);
    let parts = [
        looks_at.map(|rows| format!("expects to look at {} rows", amount(rows))),
        some(node.rows_removed).map(|rows| format!("throws away {} rows{each}", amount(rows))),
        some(work.rechecked).map(|rows| format!("throws away {} rows looked at again{each}", amount(rows))),
        some(work.unjoined).map(|rows| format!("throws away {} pairs{each}", amount(rows))),
        some(work.compared).map(|pairs| format!("compares {} pairs", count(pairs))),
        some(work.heap_fetches).map(|rows| format!("looks {} rows up in the table", count(rows))),
        some(work.lossy_pages).map(|pages| format!("lost the rows of {} pages", count(pages))),
    ];
    joined(parts)
}

/// Files, memory, pages and workers.
fn room(node: &PlanNode, work: &Work) -> Option<String> {
    let some = |amount: Option<f64>| amount.filter(|amount| *amount > 0.0);
    let parts = [
        some(work.sorted_on_disk).map(|size| format!("sorts {} in files", bytes(size))),
        some(work.sort_passes).map(|passes| format!("merges {} times in files", count(passes))),
        some(work.hashed_on_disk).map(|size| format!("hashes {} in files", bytes(size))),
        work.batches.filter(|batches| *batches > 1.0).map(|batches| format!("in {} batches", count(batches))),
        some(work.memory).map(|size| format!("takes {} of memory", bytes(size))),
        some(node.buffers_hit).map(|pages| format!("{} pages in memory", count(pages))),
        some(node.buffers_read).map(|pages| format!("{} pages read", count(pages))),
        some(node.temp_written).map(|pages| format!("{} pages written to files", count(pages))),
        work.workers_planned.map(|planned| {
            let launched = work.workers_launched.map(|launched| format!(", {} came", count(launched)));
            format!("{} workers planned{}", count(planned), launched.unwrap_or_default())
        }),
    ];
    joined(parts)
}

fn joined(parts: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn trigger(trigger: &Trigger) -> String {
    let name = trigger.constraint.as_ref().or(trigger.name.as_ref());
    let of = trigger.relation.as_ref().map(|relation| format!(" on {relation}")).unwrap_or_default();
    in_a_line(&format!(
        "Sets off {}{of}: {} calls, {}.",
        name.map_or("a trigger", String::as_str),
        count(trigger.calls),
        moment(trigger.seconds)
    ))
}

/// Where to look first.
fn points(steps: &[Step<'_>], total: Option<f64>) -> Vec<String> {
    let mut said = Vec::new();
    if let (Some(step), Some(total)) = (run::slowest(steps), total) {
        let own = step.own.unwrap_or_default();
        let share = 100.0 * own / total;
        said.push(format!(
            "Most time of its own: {}, {} of {} ({share:.0} %).",
            title(step.node),
            moment(own),
            moment(total)
        ));
    }
    if let Some(step) = run::deepest_surprise(steps) {
        let times = step.node.loops.filter(|loops| *loops > 1.0);
        said.push(format!(
            "The deepest misestimate: {}, {} rows expected{} and {} came ({}).",
            title(step.node),
            step.node.rows_expected.map(amount).unwrap_or_default(),
            times.map_or(String::new(), |times| format!(" each of {} times", count(times))),
            came(step.node).map(amount).unwrap_or_default(),
            step.factor.and_then(off).unwrap_or_default()
        ));
    }
    if steps.len() >= MAX_NODES {
        said.push(format!("The plan has more steps: these are its first {}.", count(steps.len() as f64)));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain;
    use std::fs;
    use std::path::Path;

    fn shown(name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans").join(name);
        text(&explain::read(&fs::read(path).unwrap()).unwrap(), 100)
    }

    #[test]
    fn a_plan_that_was_run() {
        let expected = "\
expected  came  loops      own  share  step
      90   100      1  0.01 ms    5 %  Nested loop inner join
      10    10      1  0.03 ms   13 %    Index lookup using k_region on c
                                             searches (region = ?)
       9    10     10  0.01 ms    6 %    Filter
                                             keeps (o.note != ?)
      10    10     10  0.15 ms   75 %      Index lookup using k_customer on o
                                               searches (customer = c.id)

Most time of its own: Index lookup using k_customer on o, 0.15 ms of 0.20 ms (75 %).
";
        assert_eq!(shown("mysql97.join.analyze"), expected);
    }

    #[test]
    fn a_plan_that_was_not() {
        let expected = " cost  expected  step
1,360            query_block
                   ordering_operation
                     nested_loop
   10       100        index using k_name on c
  350        10        ref using <auto_key0> on d
                         materialized_from_subquery
  104                      query_block
                             grouping_operation
  104     1,000                index using k_customer on orders
";
        assert_eq!(shown("mysql97.derived.json1"), expected);
    }

    #[test]
    fn a_subquery_and_what_was_never_begun() {
        let expected = "\
expected  came          off  loops      own  share  step
     333     0  333 × fewer      1  0.26 ms    2 %  Seq Scan on customer as c
                                                        keeps ((region)::numeric > (initplan ?).col1)
                                                        throws away 1,000 rows
                                                        643 pages in memory
       1     1                   1  0.01 ms    0 %    Aggregate (a subquery, done once)
                                                          637 pages in memory
       1     0                   1    15 ms   98 %      Seq Scan on orders
                                                            keeps (note = ?::text)
                                                            throws away 100,000 rows
                                                            637 pages in memory
       1                         0                    Aggregate (a subquery)
                                                          never begun
     100                         0                      Bitmap Heap Scan on orders as o
                                                            never begun
     100                         0                        Bitmap Index Scan using orders_customer_idx
                                                              never begun
                                                              searches (customer = c.id)

Most time of its own: Seq Scan on orders, 15 ms of 15 ms (98 %).

The deepest misestimate: Seq Scan on customer as c, 333 rows expected and 0 came (333 × fewer).
";
        assert_eq!(shown("postgres18.sub.text"), expected);
    }
}
