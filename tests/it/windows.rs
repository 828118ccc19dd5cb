//! Windows against a model of a server that counts, resets, evicts, recreates, renames and fails over at random.
//! The model knows the truth; a window may say less than it, never more, and must add up.

use dbsonde::model::{
    Count, Epoch, InTopic, Name, Noun, Part, Rows, Scope, Seconds, Snapshot, Statement, Timestamp, Topic,
    Total, When, Window,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What may happen to a server between two readings.
#[derive(Debug, Clone)]
enum Event {
    Run { statement: i64, calls: u64 },
    Evict { statement: i64 },
    Reset,
    Restart,
    Crash,
    Failover,
    LoseRights,
    RegainRights,
    Read,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..6i64, 1..100u64).prop_map(|(statement, calls)| Event::Run { statement, calls }),
        2 => (0..6i64).prop_map(|statement| Event::Evict { statement }),
        1 => Just(Event::Reset),
        1 => Just(Event::Restart),
        1 => Just(Event::Crash),
        1 => Just(Event::Failover),
        1 => Just(Event::LoseRights),
        1 => Just(Event::RegainRights),
        6 => Just(Event::Read),
    ]
}

/// A server with its books, and ours about what really ran.
struct Server {
    clock: f64,
    identity: u32,
    started: f64,
    reset: f64,
    hidden: bool,
    /// By statement: calls since it began, and when it began.
    counters: BTreeMap<i64, (u64, f64)>,
    /// Every run that ever was: when, which, how often.
    truth: Vec<(f64, i64, u64)>,
    tells_stats_since: bool,
}

impl Server {
    fn new(tells_stats_since: bool) -> Self {
        Server {
            clock: 1_000.0,
            identity: 1,
            started: 900.0,
            reset: 900.0,
            hidden: false,
            counters: BTreeMap::new(),
            truth: Vec::new(),
            tells_stats_since,
        }
    }

    fn happen(&mut self, event: &Event) {
        self.clock += 1.0;
        match event {
            Event::Run { statement, calls } => {
                self.counters.entry(*statement).or_insert((0, self.clock)).0 += calls;
                self.truth.push((self.clock, *statement, *calls));
            }
            Event::Evict { statement } => {
                self.counters.remove(statement);
            }
            Event::Reset => self.lose_statistics(),
            // A clean stop saves the statistics.
            Event::Restart => self.started = self.clock,
            // The start time does not move when one backend's crash restarts the others.
            Event::Crash => self.lose_statistics(),
            Event::Failover => {
                self.identity += 1;
                self.started = self.clock;
                self.counters.values_mut().for_each(|(calls, _)| *calls *= 7);
            }
            Event::LoseRights => self.hidden = true,
            Event::RegainRights => self.hidden = false,
            Event::Read => {}
        }
    }

    fn lose_statistics(&mut self) {
        self.counters.clear();
        self.reset = self.clock;
    }

    fn read(&self) -> Snapshot {
        let visible = self.counters.iter().filter(|(statement, _)| !self.hidden || **statement < 2);
        let rows =
            visible.map(|(statement, (calls, began))| row(*statement, *calls, self.told(*began))).collect();
        let part = Part {
            taken: When { run: 1, monotonic: self.clock, wall: self.clock },
            epoch: Epoch {
                server: Name::new(&self.identity.to_string()),
                started: Some(Timestamp::new(self.started)),
                reset: Some(Timestamp::new(self.reset)),
                volatile: false,
            },
            complete: !self.hidden,
            rows: Arc::new(Rows::Statements(rows)),
        };
        let mut snapshot = Snapshot::default();
        snapshot.parts.insert((Topic::Statements, Scope::Server), part);
        snapshot
    }

    fn told(&self, began: f64) -> Option<Timestamp> {
        self.tells_stats_since.then(|| Timestamp::new(began))
    }

    /// What really ran between two readings.
    fn ran(&self, statement: i64, from: f64, to: f64) -> u64 {
        let within =
            self.truth.iter().filter(|(at, which, _)| *which == statement && *at > from && *at <= to);
        within.map(|(_, _, calls)| calls).sum()
    }
}

fn row(statement: i64, calls: u64, stats_since: Option<Timestamp>) -> Statement {
    let columns = Statement::COLUMNS;
    let names = &mut dbsonde::model::Names::default();
    let mut cell = |nth: usize| match columns[nth] {
        "dbid" | "userid" => dbsonde::model::Cell::Int(1),
        "server_digest" => dbsonde::model::Cell::Int(statement),
        "stats_since" => {
            stats_since.map_or(dbsonde::model::Cell::Null, |at| dbsonde::model::Cell::Float(at.get()))
        }
        "calls" | "rows" => dbsonde::model::Cell::Int(calls as i64),
        "exec_seconds" => dbsonde::model::Cell::Float(calls as f64 * 0.25),
        name if name.ends_with("_bytes") => dbsonde::model::Cell::Int(0),
        _ => dbsonde::model::Cell::Null,
    };
    Statement::read(&mut cell, names).expect("every column that must be there is there")
}

fn calls(window: &Window) -> BTreeMap<i64, u64> {
    window.rows::<Statement>().map(|row| (row.server_digest.unwrap(), row.calls.0.get())).collect()
}

fn readings(server: &mut Server, events: &[Event]) -> Vec<(f64, Snapshot)> {
    let mut readings = vec![(server.clock, server.read())];
    for event in events {
        server.happen(event);
        if matches!(event, Event::Read) {
            readings.push((server.clock, server.read()));
        }
    }
    readings
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Never a spike: no window says that more ran than did.
    #[test]
    fn a_window_never_exceeds_the_truth(events in prop::collection::vec(event(), 1..60), tells in any::<bool>()) {
        let mut server = Server::new(tells);
        let readings = readings(&mut server, &events);
        for pair in readings.windows(2) {
            let (from, before) = &pair[0];
            let (to, after) = &pair[1];
            let window = Window::between(before, after);
            for (statement, calls) in calls(&window) {
                prop_assert!(calls <= server.ran(statement, *from, *to));
            }
        }
    }

    /// Never a false zero: what is missing from a window is either nothing or said.
    #[test]
    fn what_a_window_leaves_out_it_says(events in prop::collection::vec(event(), 1..60)) {
        let mut server = Server::new(true);
        let readings = readings(&mut server, &events);
        for pair in readings.windows(2) {
            let (before, after) = (&pair[0].1, &pair[1].1);
            let window = Window::between(before, after);
            let part = after.parts.values().next().unwrap();
            let stretch = window.stretch(Topic::Statements, &Scope::Server);
            let said = stretch.map_or(0, |s| Statement::of(&s.rows).len() + s.unpaired);
            prop_assert!(window.gaps.len() == 1 || said == part.rows.len());
        }
    }

    /// `between(a, c) == between(a, b).then(between(b, c))` where the server tells when each row began.
    #[test]
    fn windows_add_up(events in prop::collection::vec(event(), 1..60)) {
        let mut server = Server::new(true);
        let readings = readings(&mut server, &events);
        for three in readings.windows(3) {
            let (a, b, c) = (&three[0].1, &three[1].1, &three[2].1);
            let sum = Window::between(a, b).then(Window::between(b, c));
            // A gap in the middle is a gap in the sum, also where the ends would pair across it.
            if sum.gaps.is_empty() {
                let whole = Window::between(a, c);
                prop_assert_eq!(calls(&sum), calls(&whole));
                let seconds = |window: &Window| window.stretches.values().map(|s| s.seconds).sum::<f64>();
                prop_assert!((seconds(&sum) - seconds(&whole)).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn a_renamed_row_keeps_its_past_and_a_recreated_one_has_none() {
    let mut server = Server::new(true);
    server.happen(&Event::Run { statement: 3, calls: 5 });
    let before = server.read();
    server.happen(&Event::Evict { statement: 3 });
    server.happen(&Event::Run { statement: 3, calls: 7 });
    let window = Window::between(&before, &server.read());
    assert_eq!(calls(&window), BTreeMap::from([(3, 7)]));
}

#[test]
fn units_of_one_kind_add() {
    use dbsonde::model::Fact;
    assert_eq!(Total(Count::new(2)).then(Total(Count::new(3))), Total(Count::new(5)));
    assert_eq!(Total(Seconds::new(2.5)).since(Total(Seconds::new(1.0))), Total(Seconds::new(1.5)));
}
