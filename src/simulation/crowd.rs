//! As many targets as may be configured, in one process, each with all its lanes: what they take, and that nobody is
//! late. In a process of its own, since memory is counted by the process.

use super::dice::Dice;
use super::server::{Network, Sim, World};
use super::trouble::TARGET;
use super::{Wall, rules};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::model::Topic;
use crate::sinks::Listeners;
use crate::store::{Keeper, Past};
use crate::watch::{Outlets, Watch, watch};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const TARGETS: u64 = 1_000;
/// One in so many is bad, in one of the ways there are.
const ONE_IN: u64 = 10;
/// Of such small servers, beside what one of them takes.
const MOST_KB_EACH: u64 = 400;
const MINUTES: u64 = 10;

fn status_kb(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn network(nth: u64) -> Network {
    let bad = [Network::Refused, Network::Frozen, Network::Stuck, Network::Flapping, Network::Slow];
    match nth % ONE_IN {
        0 => bad[(nth / ONE_IN) as usize % bad.len()],
        _ => Network::Fine,
    }
}

#[test]
#[ignore = "run by the one below, in a process of its own"]
fn crowd() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let wall = Wall::new(7);
        let clock = Clock::simulated(7, wall);
        let (mut tasks, mut reports) = (JoinSet::new(), Vec::new());
        let began = Instant::now();
        let mut at_first = 0;
        for nth in 0..TARGETS {
            let mut world = World::new(Dice::new(nth));
            world.network = network(nth);
            let engine = Arc::new(Sim::new(Arc::new(Mutex::new(world)), clock));
            let plan = super::life::plan(&rules());
            let mut state = Watch::new(plan, engine.topics(), clock.now());
            state.remember(Past::default());
            let (board, report) = tokio::sync::watch::channel(Arc::new(state.report(clock.now())));
            let (keep, take_rules) = tokio::sync::watch::channel(rules());
            let outlets = Outlets {
                board,
                listeners: Listeners::default(),
                keeper: Keeper::off(),
                follows_logs: false,
                past: None,
                tap: None,
            };
            tasks.spawn(watch(engine, state, clock, take_rules, outlets));
            reports.push((report, keep));
            if nth == 0 {
                sleep(Duration::from_secs(60)).await;
                at_first = status_kb("VmHWM:");
            }
        }
        let (mut late, mut looks) = (0_u32, 0_u32);
        while began.elapsed() < Duration::from_secs(60 * MINUTES) {
            sleep(Duration::from_secs(20)).await;
            let now = clock.now();
            for (nth, (report, _)) in (0..).zip(&reports) {
                let report = report.borrow();
                let is_well = network(nth) == Network::Fine;
                if is_well && began.elapsed() > Duration::from_secs(180) {
                    let part = report.snapshot.parts_of(Topic::Databases).next();
                    let age = part.map(|(_, part)| now.seconds_since(&part.taken));
                    // A beat of 20 s, and a tenth of it.
                    late += u32::from(!report.up || age.is_none_or(|age| age > 22.0));
                    looks += 1;
                }
                let is_down = matches!(network(nth), Network::Refused | Network::Frozen | Network::Stuck);
                assert!(!(is_down && report.up), "{TARGET} {nth}");
            }
        }
        let each = (status_kb("VmHWM:") - at_first) / TARGETS;
        println!("{TARGETS} targets: {each} kB each, {late} of {looks} looks found a late one");
        assert!(each <= MOST_KB_EACH, "{each} kB each");
        assert_eq!(late, 0, "of {looks}");
    });
}

#[test]
fn a_thousand_targets_take_little_and_the_bad_delay_nobody() {
    let done = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "simulation::crowd::crowd"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("1 passed"), "{said}");
    println!("{}", said.lines().find(|line| line.contains("kB each")).unwrap_or_default());
}
