//! Reports made up of every noun there is, without knowing any.

use crate::board::Report;
use crate::engine::{Lane, Pace, Reading, ServerFacts};
use crate::ledger::{Entry, State};
use crate::model::noun::Cell;
use crate::model::plan::PlanNode;
use crate::model::{
    Confidence, Digest, Epoch, Finding, Fix, InTopic, Part, Rows, Scope, Severity, Snapshot, Topic,
    TopicVisitor, When, Window,
};
use crate::plans::Plans;
use crate::tally::Tally;
use crate::texts::{Known, Texts};
use crate::verdict::{Outcome, Verdict};
use crate::workload::Key;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub const AT: When = When { run: 7, monotonic: 100.0, wall: 1_800_000_000.0 };

pub fn later(seconds: f64) -> When {
    When { run: 7, monotonic: AT.monotonic + seconds, wall: AT.wall + seconds }
}

/// Rows made up without knowing their noun: in each column what makes a row tell most, all facts being `value`.
#[derive(Debug)]
pub struct MadeUp {
    pub rows: usize,
    pub value: i64,
}

impl TopicVisitor for MadeUp {
    type Out = Rows;

    fn visit<N: InTopic>(self) -> Rows {
        let is_fact = |at: usize| N::METRICS.iter().any(|metric| metric.field == N::COLUMNS[at]);
        let read = |shape: &[u8], nth: usize| {
            let cell = |at: usize| match shape[at] {
                0 => Cell::Null,
                1 => Cell::Int(if is_fact(at) { self.value } else { nth as i64 }),
                2 => Cell::Text(format!("{nth:016x}").into()),
                _ => Cell::Bool(true),
            };
            N::read(&mut { cell }, &mut Default::default())
        };
        let tells = |shape: &[u8]| {
            read(shape, 1).map_or(0, |row| {
                let mut told = 1 + usize::from(row.named());
                told += (0..N::METRICS.len()).filter(|nth| row.fact(*nth).is_some()).count();
                row.labels(&mut |_, text| told += usize::from(!text.is_empty()) * 2);
                told
            })
        };
        let with = |shape: &[u8], at: usize, kind: u8| {
            let mut tried = shape.to_vec();
            tried[at] = kind;
            tried
        };
        let mut shape = vec![0; N::COLUMNS.len()];
        // First what each column takes at all, then what tells most.
        while let Err(misfit) = read(&shape, 1) {
            let at = N::COLUMNS.iter().position(|column| *column == misfit.column).unwrap();
            let fits = |kind: &u8| {
                read(&with(&shape, at, *kind), 1).map_or_else(|e| e.column != misfit.column, |_| true)
            };
            let kind = (0..4).find(fits).unwrap_or_else(|| panic!("{} fits nothing", misfit.column));
            shape[at] = kind;
        }
        for at in 0..shape.len() {
            let best = (0..4).rev().max_by_key(|kind| tells(&with(&shape, at, *kind))).unwrap();
            if tells(&with(&shape, at, best)) > tells(&shape) {
                shape[at] = best;
            }
        }
        N::into_rows((1..=self.rows).map(|nth| read(&shape, nth).unwrap()).collect())
    }
}

fn part(rows: Rows, taken: When) -> Part {
    let epoch = Epoch { server: "s".into(), started: None, reset: None, volatile: false };
    Part { taken, epoch, complete: true, rows: Arc::new(rows) }
}

fn finding() -> Entry {
    let finding = Finding {
        rule: "index-unused".into(),
        severity: Severity::Warning,
        database: Some("shop".into()),
        subject: "public.<script>alert(1)</script>\u{202e}".into(),
        because: "Nobody read it in 31 d.".into(),
        evidence: BTreeMap::new(),
        advice: "Drop it.".into(),
        fix: Some(Fix { sql: vec!["DROP INDEX CONCURRENTLY \"i\";".into()], ..Fix::default() }),
        confidence: Confidence::Measured,
    };
    Entry::opened("db", finding)
}

trait Opened {
    fn opened(target: &str, finding: Finding) -> Entry;
}

impl Opened for Entry {
    /// By way of its form on disk: the ledger alone makes entries.
    fn opened(target: &str, finding: Finding) -> Entry {
        let mut value = serde_json::to_value(finding).unwrap();
        let more = serde_json::json!({
            "id": "00000000000000aa", "target": target, "state": State::Open, "worst": Severity::Warning,
            "opened_at": "2027-01-15T08:00:00Z", "changed_at": "2027-01-15T08:00:00Z", "seen_at": "2027-01-15T08:00:00Z",
            "fingerprint": 0, "silent": 0, "milder": 0,
        });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }
}

/// A target of which everything is known, after two readings, with this many rows in every topic.
/// A finding that is over, and what became of it.
fn verified() -> Entry {
    let verdict = Verdict {
        outcome: Outcome::Helped,
        because: "statement x takes 1 ms a run since index <i> was created, where it took 200 ms".into(),
        mean_seconds_before: 0.2,
        mean_seconds_after: 0.001,
        calls_before: 100.0,
        calls_after: 100.0,
        deed: Some("index <i> was created".into()),
    };
    Entry { state: State::Resolved, resolved_at: Some(AT.wall), verdict: Some(verdict), ..finding() }
}

/// One statement that had two plans.
fn plans() -> Plans {
    let scan =
        |kind: &str| PlanNode { kind: kind.into(), relation: Some("<orders>".into()), ..PlanNode::default() };
    let key = Key { digest: Digest(1), database: "shop".into() };
    let mut plans = Plans::default();
    plans.learn(key.clone(), Ok(scan("Index Scan")), AT.wall - 60.0);
    plans.learn(key, Ok(scan("Seq Scan")), AT.wall);
    plans
}

pub fn report(target: &str, rows: usize, budget: usize) -> Report {
    let (mut before, mut after) = (Snapshot::default(), Snapshot::default());
    for topic in Topic::ALL {
        before.parts.insert((*topic, Scope::Server), part(topic.visit(MadeUp { rows, value: 1 }), AT));
        after
            .parts
            .insert((*topic, Scope::Server), part(topic.visit(MadeUp { rows, value: 3 }), later(15.0)));
    }
    after.gaps.insert((Topic::Policies, Scope::Database("shop".into())), "not \"allowed\"\n".into());
    let mut tally = Tally::new(budget);
    before.parts.iter().for_each(|((topic, scope), part)| tally.levels(*topic, scope, &part.rows));
    tally.broke(Topic::Statements);
    let window = Window::between(&before, &after);
    window.stretches.iter().for_each(|((topic, scope), stretch)| tally.add(*topic, scope, stretch));
    let mut texts = Texts::default();
    texts.learn(1, Known::Digest(Digest(1)), Some("select * from \"T\" where a = ?"));
    let reading = |topic| Reading { topic, took: Duration::from_millis(3), success: true, rows: 1 };
    Report {
        target: target.into(),
        labels: vec![
            ("team".into(), "a\"b\\c".into()),
            ("database".into(), "mine".into()),
            ("no-label".into(), "x".into()),
        ],
        server: ServerFacts {
            engine: "postgres",
            version: "17.2".into(),
            role: "primary",
            certificate_expires: Some(1.9e9),
            ..ServerFacts::default()
        },
        up: true,
        down_because: None,
        began: AT,
        made: later(15.0),
        snapshot: after,
        window,
        ladder: Arc::default(),
        tally: Arc::new(tally),
        longer_look: Arc::default(),
        plans: Arc::new(plans()),
        findings: Arc::new(vec![finding()]),
        verified: Arc::new(vec![verified()]),
        paces: Topic::ALL.iter().map(|topic| (*topic, Duration::from_secs(15))).collect(),
        readings: Topic::ALL.iter().map(|topic| ((*topic, Scope::Server), reading(*topic))).collect(),
        cost: Lane::ALL.into_iter().map(|lane| (lane, 0.25)).collect(),
        stretched: Pace::ALL.into_iter().map(|pace| (pace, 1.0)).collect(),
        texts: Arc::new(texts),
    }
}
