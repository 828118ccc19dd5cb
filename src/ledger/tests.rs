//! Histories of findings: made up, and at random.

use super::*;
use crate::config::Silence;
use crate::model::Confidence;
use proptest::prelude::*;
use std::collections::HashMap;

const RULE: &str = "index-unused";

pub fn finding(subject: &str, severity: Severity, size: f64) -> Finding {
    Finding {
        rule: RULE.into(),
        severity,
        database: Some("shop".into()),
        subject: subject.into(),
        because: format!("{size} bytes for nothing"),
        evidence: [("size_bytes", size), ("window_seconds", size * 7.0)]
            .map(|(key, value)| (Name::new(key), serde_json::json!(value)))
            .into(),
        advice: "drop it".into(),
        fix: None,
        confidence: Confidence::Measured,
    }
}

fn silence(subject: &str) -> Silence {
    Silence { subject: Some(subject.parse().unwrap()), reason: Some("known".into()), ..Silence::default() }
}

/// Applies one reading and returns the kinds of its changes.
fn read(ledger: &mut Ledger, at: f64, found: &[Finding], silences: &[Silence]) -> Vec<Kind> {
    let silence = |entry: &Entry| Silence::any(silences, entry, at);
    let changes = ledger.apply(at, &"db1".into(), found.to_vec(), |rule, _| rule == RULE, silence);
    changes.iter().map(|change| change.kind).collect()
}

#[test]
fn a_finding_opens_at_once_and_resolves_after_a_while() {
    let mut ledger = Ledger::default();
    let it = [finding("a", Severity::Warning, 1.0)];
    assert_eq!(read(&mut ledger, 0.0, &it, &[]), [Kind::Opened]);
    assert_eq!(read(&mut ledger, 1.0, &it, &[]), []);
    assert_eq!(read(&mut ledger, 2.0, &[], &[]), []);
    assert_eq!(read(&mut ledger, 3.0, &[], &[]), []);
    assert_eq!(read(&mut ledger, 4.0, &it, &[]), [], "said again in time");
    assert_eq!(read(&mut ledger, 5.0, &[], &[]), []);
    assert_eq!(read(&mut ledger, 6.0, &[], &[]), []);
    assert_eq!(read(&mut ledger, 7.0, &[], &[]), [Kind::Resolved]);
    assert_eq!(ledger.open().count(), 0);
    assert_eq!(read(&mut ledger, 900.0, &it, &[]), [Kind::Reopened]);
    assert_eq!(ledger.open().next().unwrap().opened_at, 0.0);
}

#[test]
fn what_is_recalled_later_lends_its_age_to_what_was_found_meanwhile() {
    let [a, b, c] = ["a", "b", "c"].map(|subject| finding(subject, Severity::Warning, 1.0));
    let (mut before, mut now) = (Ledger::default(), Ledger::default());
    read(&mut before, 0.0, &[a.clone(), b], &[]);
    let found = [a, c];
    read(&mut now, 100.0, &found, &[]);
    now.recall(before.to_vec());
    let opened: Vec<(&str, f64)> =
        now.open().map(|entry| (entry.finding.subject.as_str(), entry.opened_at)).collect();
    assert!([("a", 0.0), ("b", 0.0), ("c", 100.0)].iter().all(|entry| opened.contains(entry)), "{opened:?}");
    let told: Vec<Kind> = (101..=103).flat_map(|at| read(&mut now, at.into(), &found, &[])).collect();
    assert_eq!(told, [Kind::Resolved], "only what is over is news");
}

#[test]
fn what_comes_back_after_a_day_is_news() {
    let mut ledger = Ledger::default();
    let it = [finding("a", Severity::Note, 1.0)];
    read(&mut ledger, 0.0, &it, &[]);
    (1..=3).for_each(|at| drop(read(&mut ledger, at.into(), &[], &[])));
    let later = 3.0 + REOPEN_WITHIN + 1.0;
    assert_eq!(read(&mut ledger, later, &it, &[]), [Kind::Opened]);
    assert_eq!(ledger.open().next().unwrap().opened_at, later);
}

#[test]
fn a_rule_that_could_not_speak_changes_nothing() {
    let mut ledger = Ledger::default();
    read(&mut ledger, 0.0, &[finding("a", Severity::Note, 1.0)], &[]);
    for at in 1..50 {
        let changes = ledger.apply(
            at.into(),
            &"db1".into(),
            Vec::new(),
            |rule, _| rule == "session-blocking",
            |_| None,
        );
        assert_eq!(changes, []);
    }
    assert_eq!(ledger.open().count(), 1);
    assert_eq!(ledger.retire(51.0, &[RULE.to_owned()]).len(), 1);
    assert_eq!(ledger.open().count(), 0);
}

#[test]
fn severity_rises_at_once_and_falls_after_a_while() {
    let mut ledger = Ledger::default();
    let [mild, bad] = [Severity::Note, Severity::Urgent].map(|severity| [finding("a", severity, 1.0)]);
    read(&mut ledger, 0.0, &mild, &[]);
    assert_eq!(read(&mut ledger, 1.0, &bad, &[]), [Kind::Changed]);
    assert_eq!(read(&mut ledger, 2.0, &mild, &[]), []);
    assert_eq!(read(&mut ledger, 3.0, &mild, &[]), []);
    assert_eq!(read(&mut ledger, 4.0, &mild, &[]), [Kind::Changed]);
    let entry = ledger.open().next().unwrap();
    assert_eq!((entry.finding.severity, entry.worst), (Severity::Note, Severity::Urgent));
}

#[test]
fn only_material_numbers_are_told_and_not_often() {
    let mut ledger = Ledger::default();
    let sized = |size| [finding("a", Severity::Note, size)];
    read(&mut ledger, 0.0, &sized(100.0), &[]);
    assert_eq!(read(&mut ledger, 10.0, &sized(250.0), &[]), [], "too soon");
    assert_eq!(read(&mut ledger, 4_000.0, &sized(150.0), &[]), [], "not much");
    assert_eq!(read(&mut ledger, 4_001.0, &sized(200.0), &[]), [Kind::Changed]);
    assert_eq!(read(&mut ledger, 9_000.0, &sized(100.0), &[]), [Kind::Changed]);
    let mut mended = sized(100.0);
    mended[0].fix = Some(Default::default());
    assert_eq!(read(&mut ledger, 9_001.0, &mended, &[]), [Kind::Changed]);
}

#[test]
fn the_silenced_are_kept_and_not_told() {
    let mut ledger = Ledger::default();
    let it = [finding("audit_1", Severity::Urgent, 1.0)];
    let hush = [silence("audit_*")];
    assert_eq!(read(&mut ledger, 0.0, &it, &hush), []);
    let entry = ledger.open().next().unwrap();
    assert_eq!((entry.state, entry.silenced_because.as_deref()), (State::Silenced, Some("known")));
    (1..=3).for_each(|at| assert_eq!(read(&mut ledger, at.into(), &[], &hush), []));
    assert_eq!(ledger.resolved().count(), 1);
    assert_eq!(read(&mut ledger, 4.0, &it, &hush), []);
    assert_eq!(read(&mut ledger, 5.0, &it, &[]), [Kind::Opened], "the first that anybody hears of it");
    (6..=7).for_each(|at| assert_eq!(read(&mut ledger, at.into(), &[], &hush), []));
    assert_eq!(read(&mut ledger, 8.0, &[], &hush), [Kind::Resolved], "who heard the beginning hears the end");
}

#[test]
fn there_is_always_room_for_what_is_worse() {
    let mut ledger = Ledger::default();
    let many = |severity, count: usize| -> Vec<_> {
        (0..count).map(|nth| finding(&format!("{severity:?}{nth}"), severity, 1.0)).collect()
    };
    read(&mut ledger, 0.0, &many(Severity::Note, 5_000), &[]);
    assert_eq!((ledger.open().count(), ledger.dropped()), (800, 4_200));
    read(&mut ledger, 1.0, &many(Severity::Warning, 150), &[]);
    read(&mut ledger, 2.0, &many(Severity::Urgent, 150), &[]);
    assert_eq!((ledger.open().count(), ledger.dropped()), (MAX_OPEN, 50));
    (0..9).for_each(|nth| drop(read(&mut ledger, 3.0 + f64::from(nth), &[], &[])));
    read(&mut ledger, 50.0, &many(Severity::Note, 800), &[]);
    (0..9).for_each(|nth| drop(read(&mut ledger, 60.0 + f64::from(nth), &[], &[])));
    assert_eq!((ledger.open().count(), ledger.resolved().count()), (0, MAX_RESOLVED));
    read(&mut ledger, 60.0 + 31.0 * 86_400.0, &[], &[]);
    assert_eq!(ledger.entries().count(), 0);
}

#[test]
fn an_entry_reads_as_the_design_says_and_comes_back() {
    let mut ledger = Ledger::default();
    read(&mut ledger, 1_790_000_000.25, &[finding("public.a", Severity::Note, 1.5)], &[]);
    let entries = ledger.to_vec();
    let json = serde_json::to_value(&entries).unwrap();
    assert_eq!(json[0]["opened_at"], "2026-09-21T14:13:20.250Z");
    assert_eq!((&json[0]["state"], &json[0]["rule"]), (&"open".into(), &RULE.into()));
    assert_eq!(json[0]["evidence"]["size_bytes"], 1.5);
    assert_eq!(serde_json::from_str::<Vec<Entry>>(&json.to_string()).unwrap(), entries);
    assert_eq!(Ledger::restore(entries.clone()).to_vec(), entries);
    for odd in [f64::NAN, -5.0, 1e300] {
        serde_json::to_string(&Entry { opened_at: odd, ..entries[0].clone() }).unwrap();
    }
}

#[derive(Debug, Clone)]
struct Step {
    after: f64,
    said: Vec<(usize, usize)>,
    can_speak: bool,
    silenced: bool,
    restart: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let after = prop_oneof![9 => 1.0..100.0, 1 => 50_000.0..200_000.0, 1 => -500.0..0.0];
    let said = proptest::collection::vec((0..3usize, 0..3usize), 0..3);
    let odds = |of| proptest::bool::weighted(of);
    let step = (after, said, odds(0.9), odds(0.2), odds(0.05));
    let step = step.prop_map(|(after, said, can_speak, silenced, restart)| Step {
        after,
        said,
        can_speak,
        silenced,
        restart,
    });
    proptest::collection::vec(step, 0..80)
}

proptest! {
    /// Whatever happens, what the sinks hear of one finding makes sense as a story.
    #[test]
    fn every_history_is_a_story(steps in steps()) {
        let (mut ledger, mut at) = (Ledger::default(), 1e9);
        let mut heard: HashMap<String, Kind> = HashMap::new();
        for step in steps {
            at += step.after;
            let found = step.said.iter().map(|(subject, severity)| {
                finding(&format!("s{subject}"), Severity::ALL[*severity], at % 100.0)
            });
            let silences: &[Silence] = if step.silenced { &[silence("s1")] } else { &[] };
            let could_speak: &[&'static str] = if step.can_speak { &[RULE] } else { &[] };
            let silence = |entry: &Entry| Silence::any(silences, entry, at);
            for change in ledger.apply(at, &"db1".into(), found.collect(), |rule, _| could_speak.contains(&rule), silence) {
                let before = heard.insert(change.entry.id.clone(), change.kind);
                let was_open = before.is_some_and(|kind| kind != Kind::Resolved);
                match change.kind {
                    Kind::Opened => prop_assert!(!was_open),
                    Kind::Reopened => prop_assert_eq!(before, Some(Kind::Resolved)),
                    Kind::Changed | Kind::Resolved | Kind::Verified => prop_assert!(was_open),
                }
                let silent = change.entry.state == State::Silenced;
                prop_assert!(!silent);
                prop_assert_eq!(change.entry.state == State::Resolved, change.kind == Kind::Resolved);
            }
            for entry in ledger.entries() {
                let open_to_them = heard.get(&entry.id).is_some_and(|kind| *kind != Kind::Resolved);
                if entry.state != State::Silenced {
                    prop_assert_eq!(entry.is_open(), open_to_them);
                }
                prop_assert!(entry.worst >= entry.finding.severity);
            }
            if step.restart {
                let text = serde_json::to_string(&ledger.to_vec()).unwrap();
                ledger = Ledger::restore(serde_json::from_str(&text).unwrap());
            }
        }
    }
}

/// About a statement, as its page would say it.
fn about(rule: &str, severity: Severity, subject: &str, digest: &str) -> Finding {
    let evidence = [(Name::new("digest"), serde_json::json!(digest))].into();
    Finding { rule: rule.into(), evidence, ..finding(subject, severity, 1.0) }
}

/// Applies one reading in which every rule could speak and tells what was told.
fn told(ledger: &mut Ledger, at: f64, found: &[Finding]) -> Vec<(String, Kind)> {
    let changes = ledger.apply(at, &"db1".into(), found.to_vec(), |_, _| true, |_| None);
    let mut told: Vec<_> =
        changes.into_iter().map(|change| (change.entry.finding.rule.to_string(), change.kind)).collect();
    told.sort_by(|a, b| a.0.cmp(&b.0));
    told
}

#[test]
fn what_is_mended_with_something_else_is_told_with_it() {
    let reads = about("statement-rows-examined", Severity::Note, "1a", "1a");
    let joins = about("plan-join-buffer", Severity::Warning, "shop.orders", "1a");
    let other = about("statement-rows-examined", Severity::Note, "2b", "2b");
    let opened = |rule: &str| (rule.to_owned(), Kind::Opened);
    let mut ledger = Ledger::default();
    let found = [reads.clone(), joins.clone(), other.clone()];
    assert_eq!(
        told(&mut ledger, 0.0, &found),
        [opened("plan-join-buffer"), opened("statement-rows-examined")]
    );
    let entries = ledger.to_vec();
    let entries: Vec<&Entry> = entries.iter().collect();
    let subject = |entry: &&Entry| entry.finding.subject.clone();
    let arranged: Vec<(String, Vec<String>)> = by_root(&entries)
        .iter()
        .map(|(root, parts)| (subject(root), parts.iter().map(subject).collect()))
        .collect();
    let parts_of = |root: &str| arranged.iter().find(|(of, _)| of == root).map(|(_, parts)| parts.clone());
    assert_eq!(parts_of("shop.orders"), Some(vec!["1a".to_owned()]));
    assert_eq!((parts_of("2b"), arranged.len()), (Some(Vec::new()), 2));

    // Its root is mended; it takes a while to follow, or does not.
    let rest = [reads.clone(), other.clone()];
    assert_eq!(told(&mut ledger, 10.0, &rest), []);
    assert_eq!(told(&mut ledger, 20.0, &rest), []);
    assert_eq!(told(&mut ledger, 30.0, &rest), [("plan-join-buffer".to_owned(), Kind::Resolved)]);
    assert_eq!(told(&mut ledger, 600.0, &rest), []);
    assert_eq!(told(&mut ledger, 1_000.0, &rest), [opened("statement-rows-examined")]);
}

#[test]
fn nobody_is_kept_from_hearing_of_what_is_worse() {
    let mut ledger = Ledger::default();
    let root = about("session-idle-in-transaction", Severity::Warning, "app pid 7", "1a");
    let blocks = about("session-blocking", Severity::Urgent, "app pid 7", "1a");
    assert_eq!(told(&mut ledger, 0.0, &[root.clone(), blocks.clone()]).len(), 2);
    assert!(ledger.open().all(Entry::stands_alone));
    // In another database the same words are another thing.
    let elsewhere = Finding { database: Some("other".into()), ..root.clone() };
    let blocks = Finding { severity: Severity::Note, ..blocks };
    let mut ledger = Ledger::default();
    assert_eq!(told(&mut ledger, 0.0, &[elsewhere, blocks.clone()]).len(), 2);
    let mut ledger = Ledger::default();
    assert_eq!(told(&mut ledger, 0.0, &[root, blocks]).len(), 1);
}
