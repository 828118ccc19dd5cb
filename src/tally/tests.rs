use super::*;
use crate::model::Metric;
use crate::model::{
    Count, Digest, Level, Load, Noun, SessionGroup, Setting, Statement, Total, When, noun::Cell,
};
use proptest::prelude::*;

fn statement(user: &str, digest: Option<u64>, calls: u64, seconds: f64) -> Statement {
    let mut cells = |nth: usize| match Statement::COLUMNS[nth] {
        "dbid" | "userid" => Cell::Int(1),
        "user" => Cell::Text(user.to_owned().into()),
        "database" => Cell::Text("shop".into()),
        "digest" => digest.map_or(Cell::Null, |digest| Cell::Text(Digest(digest).to_string().into())),
        "calls" | "rows" => Cell::Int(calls as i64),
        "exec_seconds" | "max_exec_seconds" | "min_exec_seconds" => Cell::Float(seconds),
        _ => Cell::Null,
    };
    Statement::read(&mut cells, &mut Default::default()).unwrap()
}

fn stretch(rows: Rows, fresh: bool, unpaired: usize) -> Stretch {
    let when = When { run: 1, monotonic: 0.0, wall: 0.0 };
    let fresh = vec![fresh; rows.len()].into();
    Stretch { from: when, to: when, seconds: 15.0, rows: Arc::new(rows), fresh, unpaired }
}

fn column(noun: &[Metric], field: &str) -> usize {
    noun.iter().position(|metric| metric.field == field).unwrap()
}

fn calls(tally: &Tally) -> BTreeMap<String, f64> {
    let nth = column(Statement::METRICS, "calls");
    let label = |series: &Series<'_>, name: &str| {
        series.labels.iter().find(|(of, _)| *of == name).map_or(String::new(), |(_, value)| value.to_string())
    };
    let all = tally.series(Topic::Statements);
    all.filter_map(|series| Some((label(&series, "digest"), series.value(nth)?))).collect()
}

fn other_calls(tally: &Tally) -> Option<f64> {
    tally.other(Topic::Statements)?.value(column(Statement::METRICS, "calls"))
}

fn feed(tally: &mut Tally, rows: Vec<Statement>) {
    tally.add(Topic::Statements, &Scope::Server, &stretch(Rows::Statements(rows), false, 0));
}

/// The statements that a budget has room for here: five facts are told, and one series explains.
fn budget_for(members: usize) -> usize {
    // The shares are rounded down, so a little more.
    ((members + 1) * 6) * 100 / 45 * 100 / 65 * 5 / 4 + 12
}

#[test]
fn what_has_no_series_is_in_other() {
    let mut tally = Tally::new(5_000);
    feed(&mut tally, vec![statement("a", Some(1), 5, 1.0), statement("a", None, 7, 9.0)]);
    // Its row existed before we had a series for it.
    assert_eq!(calls(&tally), [("0000000000000001".to_owned(), 0.0)].into());
    assert_eq!(other_calls(&tally), Some(12.0));
    feed(&mut tally, vec![statement("a", Some(1), 5, 1.0), statement("a", None, 7, 9.0)]);
    assert_eq!(calls(&tally).values().sum::<f64>(), 5.0);
    assert_eq!(other_calls(&tally), Some(19.0));
    assert_eq!(tally.hidden(Topic::Statements), 1);
}

#[test]
fn a_new_row_counts_from_its_beginning() {
    let mut tally = Tally::new(5_000);
    let rows = Rows::Statements(vec![statement("a", Some(1), 5, 1.0)]);
    tally.add(Topic::Statements, &Scope::Server, &stretch(rows, true, 0));
    assert_eq!(calls(&tally).values().sum::<f64>(), 5.0);
    assert_eq!(other_calls(&tally), None);
}

#[test]
fn a_first_reading_shows_levels_and_zeroes() {
    let mut tally = Tally::new(5_000);
    tally.levels(
        Topic::Statements,
        &Scope::Server,
        &Rows::Statements(vec![statement("a", Some(1), 500, 2.0)]),
    );
    let series: Vec<_> = tally.series(Topic::Statements).collect();
    assert_eq!(series[0].value(column(Statement::METRICS, "calls")), Some(0.0));
    assert_eq!(series[0].value(column(Statement::METRICS, "max_exec_seconds")), Some(2.0));
    assert_eq!(series[0].value(column(Statement::METRICS, "plans")), None);
    drop(series);
    feed(&mut tally, vec![statement("a", Some(1), 3, 1.0)]);
    assert_eq!(calls(&tally).values().sum::<f64>(), 3.0);
    assert_eq!(other_calls(&tally), None);
}

#[test]
fn equal_labels_are_one_series() {
    let mut tally = Tally::new(5_000);
    let rows = || vec![statement("a", Some(1), 2, 1.0), statement("a", Some(1), 3, 4.0)];
    feed(&mut tally, rows());
    feed(&mut tally, rows());
    let series: Vec<_> = tally.series(Topic::Statements).collect();
    let value = |field| series[0].value(column(Statement::METRICS, field));
    assert_eq!(series.len(), 1);
    assert_eq!(value("calls"), Some(5.0));
    assert_eq!(value("exec_seconds"), Some(5.0));
    assert_eq!(value("max_exec_seconds"), Some(4.0));
    assert_eq!(value("min_exec_seconds"), Some(1.0));
}

#[test]
fn a_reset_shows_no_fall_and_what_left_the_server_leaves_us() {
    let mut tally = Tally::new(5_000);
    tally.levels(
        Topic::Statements,
        &Scope::Server,
        &Rows::Statements(vec![statement("a", Some(1), 500, 2.0)]),
    );
    feed(&mut tally, vec![statement("a", Some(1), 3, 1.0)]);
    // The server has forgotten everything; our totals are still true.
    tally.levels(Topic::Statements, &Scope::Server, &Rows::Statements(vec![]));
    assert_eq!(calls(&tally).values().sum::<f64>(), 3.0);
    feed(&mut tally, vec![statement("a", Some(1), 4, 1.0)]);
    assert_eq!(calls(&tally).values().sum::<f64>(), 7.0);
    // Gone within one epoch: evicted. It returns where it stopped.
    feed(&mut tally, vec![]);
    assert_eq!(calls(&tally).len(), 0);
    feed(&mut tally, vec![statement("a", Some(1), 4, 1.0)]);
    assert_eq!(calls(&tally).values().sum::<f64>(), 7.0);
    assert_eq!(other_calls(&tally), Some(4.0));
    // Where rows are left out, one absence proves nothing.
    let torn = || stretch(Rows::Statements(vec![]), false, 3);
    tally.add(Topic::Statements, &Scope::Server, &torn());
    assert_eq!(calls(&tally).values().sum::<f64>(), 7.0);
    tally.add(Topic::Statements, &Scope::Server, &torn());
    assert_eq!(calls(&tally).len(), 0);
}

#[test]
fn a_scope_that_is_gone_takes_its_series_along() {
    let mut tally = Tally::new(5_000);
    feed(&mut tally, vec![statement("a", Some(1), 3, 1.0)]);
    tally.forget(Topic::Statements, &Scope::Server);
    assert_eq!(tally.series(Topic::Statements).count(), 0);
    assert_eq!(tally.hidden(Topic::Statements), 0);
}

#[test]
fn the_heaviest_have_series_and_keep_them_until_clearly_outdone() {
    let mut tally = Tally::new(budget_for(4));
    let mut rows: Vec<Statement> = (0..50).map(|n| statement("a", Some(n), 1, 50.0 - n as f64)).collect();
    for _ in 0..6 {
        feed(&mut tally, rows.clone());
    }
    let before = calls(&tally);
    assert!((4..8).contains(&before.len()), "{}", before.len());
    let heaviest: Vec<String> = (0..before.len() as u64).map(|n| Digest(n).to_string()).collect();
    assert!(before.keys().eq(&heaviest));
    // Somewhat heavier is not enough.
    rows[40] = statement("a", Some(40), 1, 60.0);
    for _ in 0..20 {
        feed(&mut tally, rows.clone());
    }
    assert!(calls(&tally).keys().eq(&heaviest));
    // A single burst neither; twice as heavy for a while is.
    rows[41] = statement("a", Some(41), 1, 150.0);
    feed(&mut tally, rows.clone());
    assert!(calls(&tally).keys().eq(&heaviest));
    for _ in 0..10 {
        feed(&mut tally, rows.clone());
    }
    assert!(calls(&tally).contains_key(&Digest(41).to_string()));
    assert_eq!(calls(&tally).len(), before.len());
}

#[test]
fn names_made_up_to_confuse_are_harmless() {
    let mut tally = Tally::new(5_000);
    let group = |user: &str, open: u64| SessionGroup {
        database: "other".into(),
        user: user.into(),
        state: "other".into(),
        open: Level::new(Count::new(open)),
        lock_waiting: Level::new(Count::new(0)),
        oldest_transaction_seconds: None,
        longest_in_state_seconds: None,
        oldest_xmin_transactions: None,
    };
    let rows = vec![group("other", 1), group("a\0", 2), group("a\\u{0}", 3)];
    tally.levels(Topic::SessionGroups, &Scope::Server, &Rows::SessionGroups(rows));
    let series: Vec<_> = tally.series(Topic::SessionGroups).collect();
    // The one called `other` has none, the two that would look the same have one together.
    assert_eq!(series.len(), 1);
    assert_eq!(series[0].value(0), Some(5.0));
}

#[test]
fn what_only_describes_is_not_counted() {
    let mut tally = Tally::new(5_000);
    assert!(Setting::METRICS.is_empty());
    tally.levels(Topic::Settings, &Scope::Server, &Rows::Settings(vec![]));
    assert!(tally.accounts.is_empty());
}

/// One reading: which digests are there with how many calls, and what kind of reading it is.
fn reading() -> impl Strategy<Value = (Vec<(u64, u64)>, u8)> {
    (prop::collection::vec((0u64..40, 0u64..1_000), 0..60), 0u8..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens, everything fed is somewhere, no series falls, and the budget holds.
    #[test]
    fn nothing_is_lost_nothing_falls_and_the_budget_holds(
        readings in prop::collection::vec(reading(), 1..40),
        budget in 0usize..600,
    ) {
        let mut tally = Tally::new(budget);
        let (mut fed, mut last) = (0.0, BTreeMap::new());
        let nth = column(Statement::METRICS, "calls");
        for (rows, kind) in readings {
            let statements = || -> Vec<Statement> {
                // Every seventh digest is not known yet.
                rows.iter().map(|(d, n)| statement("a", (d % 7 != 0).then_some(*d), *n, *n as f64)).collect()
            };
            match kind {
                0 => tally.forget(Topic::Statements, &Scope::Server),
                1 => tally.levels(Topic::Statements, &Scope::Server, &Rows::Statements(statements())),
                kind => {
                    fed += rows.iter().map(|(_, n)| *n as f64).sum::<f64>();
                    let rows = Rows::Statements(statements());
                    tally.add(Topic::Statements, &Scope::Server, &stretch(rows, kind == 2, usize::from(kind == 3)));
                }
            }
            // A neighbour that takes room as it comes.
            let load = |n: u64| Load {
                database: format!("d{n}").as_str().into(),
                user: "u".into(),
                application: "x".into(),
                wait: "cpu".into(),
                digest: None,
                session_seconds: Total(crate::model::Seconds::new(n as f64)),
            };
            let loads = (0..u64::from(kind) * 9).map(load).collect();
            tally.add(Topic::Load, &Scope::Server, &stretch(Rows::Load(loads), false, 0));
            if let Some(account) = tally.accounts.get(&Topic::Statements) {
                prop_assert_eq!(account.everything(nth), fed);
            }
            prop_assert!(tally.shown() <= budget, "{} of {}", tally.shown(), budget);
            let mut now = calls(&tally);
            now.extend(other_calls(&tally).map(|calls| ("other".to_owned(), calls)));
            for (digest, calls) in &now {
                let before = last.insert(digest.clone(), *calls).unwrap_or(0.0);
                prop_assert!(*calls >= before, "{digest} fell from {before} to {calls}");
            }
        }
    }
}
