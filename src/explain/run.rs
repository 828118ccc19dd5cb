//! What a run says of each step of its plan: which time was its own, and how far off the planner was.

use crate::model::plan::PlanNode;

/// From here on an estimate is noticed to be off (PEV2): what stands above such a step has its number from it.
const BEGINS: f64 = 10.0;

/// A step in the order in which a plan is read.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    pub node: &'a PlanNode,
    pub depth: usize,
    /// Seconds that it took without the steps below, by the clock: of what several processes did beside each other a
    /// part.
    pub own: Option<f64>,
    /// Seconds of what is done once and shown below it, that some other step took.
    elsewhere: f64,
    /// How many times as many rows came as were expected; below one, how many times fewer.
    pub factor: Option<f64>,
    /// Whoever took its rows may have had enough before it was done.
    may_stop: bool,
}

/// All steps, each above those below it.
pub fn steps(plan: &PlanNode) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    walk(plan, None, Place { depth: 0, processes: 1.0, may_stop: false }, &mut steps);
    take_from_readers(&mut steps);
    steps
}

/// Where a step lies.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    processes: f64,
    may_stop: bool,
}

fn walk<'a>(node: &'a PlanNode, parent: Option<&PlanNode>, place: Place, steps: &mut Vec<Step<'a>>) {
    let Place { depth, processes, may_stop } = place;
    let below = processes * node.processes_below();
    let (own, elsewhere) = own(node, processes, below);
    steps.push(Step { node, depth, own, elsewhere, factor: factor(node, parent), may_stop });
    let is_end = ["Limit", "Limit/Offset", "Merge Join"].contains(&node.kind.as_str());
    // These take all rows, whoever wants only some of theirs.
    let takes_all =
        node.kind.starts_with("Sort") || node.kind.contains("aterialize") || node.kind.starts_with("Hash");
    let may_stop = (may_stop && !takes_all) || is_end;
    let looks_for_one = node.join.as_deref().is_some_and(|join| ["Semi", "Anti"].contains(&join))
        || ["semijoin", "antijoin"].iter().any(|join| node.kind.contains(join));
    let is_loop = node.kind.starts_with("Nested") || node.kind.starts_with("Batched");
    for child in &node.children {
        let has_enough =
            looks_for_one && is_loop && child.is_inner() || child.place.as_deref() == Some("SubPlan");
        // What is done once, one process does.
        let processes = if is_done_once(child) { processes } else { below };
        let place = Place { depth: depth + 1, processes, may_stop: may_stop || has_enough };
        walk(child, Some(node), place, steps);
    }
}

fn is_done_once(node: &PlanNode) -> bool {
    node.place.as_deref() == Some("InitPlan")
}

/// What a step took by itself, and what was done once and shown below it, but must be part of what another one took.
fn own(node: &PlanNode, processes: f64, below: f64) -> (Option<f64>, f64) {
    let (once, each): (Vec<&PlanNode>, Vec<&PlanNode>) =
        node.children.iter().partition(|child| is_done_once(child));
    let took = |steps: &[&PlanNode]| steps.iter().filter_map(|step| seconds(step)).sum::<f64>();
    let once = took(&once) / processes;
    // Most of what a scan of a CTE took is that of the query which it reads, and that is told there.
    let told = node.seconds.filter(|_| node.loops != Some(0.0) && node.kind != "CTE Scan");
    let own = told.map(|all| (all / processes - took(&each) / below).max(0.0));
    // It is shown here, but done where it is first read, which may be anywhere below.
    match own {
        Some(own) if own >= once => (Some(own - once), 0.0),
        own => (own, once),
    }
}

/// What was done once is part of the time of the step that was the first to want it, where that can be told.
fn take_from_readers(steps: &mut [Step<'_>]) {
    for nth in 0..steps.len() {
        let Some(Step { elsewhere: once, depth, .. }) = steps.get(nth).copied() else { return };
        if once == 0.0 {
            continue;
        }
        let end = steps.iter().skip(nth + 1).take_while(|step| step.depth > depth).count();
        let mut within: Option<usize> = None;
        let mut candidates = steps.iter_mut().skip(nth + 1).take(end);
        let reader = candidates.find(|step| {
            if within.is_some_and(|depth| step.depth > depth) {
                return false;
            }
            within = is_done_once(step.node).then_some(step.depth);
            within.is_none() && reads_once(step.node) && step.own.is_some_and(|own| own >= once)
        });
        if let Some(reader) = reader {
            reader.own = reader.own.map(|own| own - once);
        }
    }
}

/// Do its conditions have a place for what a subquery finds?
fn reads_once(node: &PlanNode) -> bool {
    let terms = node.terms.as_deref();
    let texts = terms.into_iter().flat_map(|terms| [&terms.filter, &terms.index, &terms.join]);
    node.takes_values || texts.flatten().any(|text| text.contains("initplan") || text.contains("(subquery"))
}

/// What a step took with those below it: a step that only holds others tells no time.
pub fn seconds(node: &PlanNode) -> Option<f64> {
    node.seconds.or_else(|| {
        let below: Vec<f64> = node.children.iter().filter_map(seconds).collect();
        (!below.is_empty()).then(|| below.iter().sum())
    })
}

fn factor(node: &PlanNode, parent: Option<&PlanNode>) -> Option<f64> {
    // A bitmap is no rows, and a write gives none.
    let gives_none =
        node.writes() || ["BitmapAnd", "BitmapOr", "Bitmap Index Scan"].contains(&node.kind.as_str());
    // A merge goes back to where equal rows began, and counts them again.
    let goes_back = node.is_inner() && parent.is_some_and(|parent| parent.kind == "Merge Join");
    if gives_none || goes_back {
        return None;
    }
    let came = node.rows_each()?;
    Some(came.max(1.0) / node.rows_expected?.max(1.0))
}

/// The step that took most of the time by itself.
pub fn slowest<'a, 'b>(steps: &'b [Step<'a>]) -> Option<&'b Step<'a>> {
    let timed = steps.iter().filter(|step| step.own.is_some_and(|own| own > 0.0));
    timed.max_by(|a, b| a.own.unwrap_or_default().total_cmp(&b.own.unwrap_or_default()))
}

/// Where the planner was wrong and not wrong already: the deepest step that is far off, of several that are as deep the
/// one that is furthest. Fewer rows than expected prove nothing where whoever takes them may have had enough.
pub fn deepest_surprise<'a, 'b>(steps: &'b [Step<'a>]) -> Option<&'b Step<'a>> {
    let far = |step: &Step<'_>| {
        let factor = step.factor.filter(|factor| *factor >= 1.0 || !step.may_stop)?;
        Some(factor.max(1.0 / factor)).filter(|off| *off >= BEGINS)
    };
    let off = steps.iter().filter_map(|step| Some((step, far(step)?)));
    let deepest = off.max_by(|(a, off_a), (b, off_b)| (a.depth.cmp(&b.depth)).then(off_a.total_cmp(off_b)));
    deepest.map(|(step, _)| step)
}

/// What the whole run took by the clock.
pub fn total(plan: &PlanNode, steps: &[Step<'_>]) -> Option<f64> {
    let all = || steps.iter().filter_map(|step| step.own).sum();
    Some(plan.seconds.unwrap_or_else(all)).filter(|total| *total > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::Work;

    fn step(kind: &str, rows: f64, expected: f64, seconds: f64, children: Vec<PlanNode>) -> PlanNode {
        PlanNode {
            kind: kind.into(),
            rows: Some(rows),
            loops: Some(1.0),
            rows_expected: Some(expected),
            seconds: Some(seconds),
            children,
            ..PlanNode::default()
        }
    }

    #[test]
    fn own_time_is_of_the_clock() {
        let scan = step("Seq Scan", 300.0, 100.0, 6.0, vec![]);
        let mut gather = step("Gather", 300.0, 300.0, 2.5, vec![scan]);
        gather.work = Some(Box::new(Work { workers_launched: Some(2.0), ..Work::default() }));
        let steps = steps(&gather);
        assert_eq!(steps.iter().map(|step| step.own).collect::<Vec<_>>(), [Some(0.5), Some(2.0)]);
        assert_eq!(slowest(&steps).unwrap().node.kind, "Seq Scan");
        assert_eq!(total(&gather, &steps), Some(2.5));
    }

    /// PostgreSQL shows what is done once below the first step, and counts its time where it is first wanted.
    #[test]
    fn what_is_done_once_is_taken_from_its_reader() {
        let once = |seconds| PlanNode {
            place: Some("InitPlan".into()),
            ..step("Aggregate", 1.0, 1.0, seconds, vec![])
        };
        let owns = |plan: &PlanNode| {
            steps(plan).iter().map(|step| step.own.map(|own| (own * 1e3).round())).collect::<Vec<_>>()
        };
        let scan = PlanNode { takes_values: true, ..step("Seq Scan", 9.0, 9.0, 0.95, vec![]) };
        let plan = step("Aggregate", 1.0, 1.0, 1.0, vec![once(0.9), scan]);
        assert_eq!(owns(&plan), [Some(50.0), Some(900.0), Some(50.0)]);
        assert_eq!(total(&plan, &steps(&plan)), Some(1.0));
        let cte = step("Aggregate", 1.0, 1.0, 2.0, vec![once(1.4), step("CTE Scan", 9.0, 9.0, 1.5, vec![])]);
        assert_eq!(owns(&cte), [Some(500.0), Some(1_400.0), None]);
        let scans = PlanNode { loops: Some(3.0), ..step("Seq Scan", 9.0, 9.0, 0.27, vec![]) };
        let mut gather = step("Gather", 9.0, 9.0, 1.0, vec![once(0.9), scans]);
        gather.work = Some(Box::new(Work { workers_launched: Some(2.0), ..Work::default() }));
        assert_eq!(owns(&gather), [Some(10.0), Some(900.0), Some(90.0)]);
    }

    #[test]
    fn a_surprise_is_where_it_begins() {
        let scan = step("Seq Scan", 5_000.0, 10.0, 1.0, vec![step("Result", 1.0, 1.0, 0.1, vec![])]);
        let join = step("Nested Loop", 9_000.0, 10.0, 2.0, vec![scan]);
        assert_eq!(deepest_surprise(&steps(&join)).unwrap().node.kind, "Seq Scan");
        // Who had enough after ten rows, and who was asked for all of them.
        let few = |kind| step(kind, 10.0, 9_000.0, 1.0, vec![]);
        let limit = step("Limit", 10.0, 10.0, 1.0, vec![few("Seq Scan")]);
        assert!(deepest_surprise(&steps(&limit)).is_none());
        let sorted =
            step("Limit", 10.0, 10.0, 1.0, vec![step("Sort", 10.0, 10.0, 1.0, vec![few("Seq Scan")])]);
        assert_eq!(deepest_surprise(&steps(&sorted)).unwrap().node.kind, "Seq Scan");
        // Who looks for one stops at the first.
        let inner = |kind| PlanNode { place: Some("Inner".into()), ..few(kind) };
        let mut semi = step("Nested Loop", 10.0, 10.0, 1.0, vec![inner("Index Only Scan")]);
        semi.join = Some("Semi".into());
        assert!(deepest_surprise(&steps(&semi)).is_none());
        (semi.kind, semi.children) = ("Hash Join".into(), vec![inner("Hash")]);
        assert!(deepest_surprise(&steps(&semi)).is_some());
    }
}
