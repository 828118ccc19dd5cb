//! State on a real disk, whole and damaged.

use super::columns::tests::part;
use super::files::{FILE, Files, MAX_SET_ASIDE};
use super::sqlite::{DEFAULT_MAX_BYTES, FORGOTTEN_AFTER, PAGE_BYTES};
use crate::clock::Clock;
use crate::ledger::tests::finding;
use crate::ledger::{Entry, Ledger};
use crate::model::plan::{MAX_DEPTH, PlanNode};
use crate::model::{Digest, Name, Scope, Severity, Snapshot, Topic, When};
use crate::plans::Plans;
use crate::store::{Health, Keeper, Lessons, Opener, Past, Recall, Rung, Store, StoreError};
use crate::workload::Key;
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that goes away again.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NTH: AtomicU32 = AtomicU32::new(0);
        let nth = NTH.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("dbsonde-state-{}-{nth}", std::process::id())))
    }
    fn files(&self) -> Files {
        Files::new(self.0.join("state"), DEFAULT_MAX_BYTES, Clock::start())
    }
    fn keeper(&self) -> Keeper {
        Keeper::start(Box::new(self.files()), Clock::start())
    }
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join("state")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
    fn set_aside(&self, label: &str) -> usize {
        let stem = format!("{FILE}.{label}-");
        self.names().iter().filter(|name| name.starts_with(&stem) && !name.ends_with("-wal")).count()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const T: f64 = 1.7e9;

fn when(wall: f64) -> When {
    When { run: 7, monotonic: wall - T, wall }
}

fn snapshot(wall: f64) -> Snapshot {
    let shop = Scope::Database("shop".into());
    let mut snapshot = Snapshot::default();
    for (topic, scope) in [
        (Topic::Tables, shop.clone()),
        (Topic::Indexes, shop.clone()),
        (Topic::Statements, Scope::Server),
        (Topic::Databases, Scope::Server),
    ] {
        snapshot.parts.insert((topic, scope), part(topic, &(1..16).collect::<Vec<_>>(), wall));
    }
    snapshot
}

fn entries(subject: &str) -> Vec<Entry> {
    let mut ledger = Ledger::default();
    ledger.apply(T, &"db1".into(), vec![finding(subject, Severity::Note, 1.0)], |_, _| true, |_| None);
    ledger.to_vec()
}

fn lessons() -> Lessons {
    let mut plans = Plans::default();
    let step = |kind: &str, children| PlanNode { kind: kind.into(), children, ..PlanNode::default() };
    // As deep as they come: one step is ours, above those of the server.
    let plan = (0..MAX_DEPTH).fold(step("Seq Scan", vec![]), |below, _| step("Sort", vec![below]));
    plans.learn(Key { digest: Digest(1), database: "shop".into() }, Ok(plan), T);
    Lessons { plans: plans.to_vec(), ..Lessons::default() }
}

async fn past_at(keeper: &Keeper, target: &Name, now: f64) -> Past {
    match keeper.past(target, now).await {
        Recall::Here(past) => past,
        Recall::Later(_) => Past::default(),
    }
}

async fn past(keeper: &Keeper, target: &Name) -> Past {
    past_at(keeper, target, T).await
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn what_is_kept_comes_back_after_a_restart() {
    let (dir, target) = (Dir::new(), Name::new("db1"));
    let first = snapshot(T);
    {
        let mut store = dir.files().open().unwrap();
        store.keep_snapshot(&target, &when(T), &first).unwrap();
        store.keep_snapshot(&target, &when(T + 3_000.0), &snapshot(T + 3_000.0)).unwrap();
        store.keep_ledger(&target, &entries("a")).unwrap();
        store.keep_ledger(&target, &entries("b")).unwrap();
        store.keep_lessons(&target, &lessons()).unwrap();
    }
    let mut store = dir.files().open().unwrap();
    let ladder = store.ladder(&target, T + 4_000.0).unwrap();
    assert_eq!(ladder, Rung::ALL.map(|rung| (rung, first.clone())));
    assert_eq!(store.ledger(&target).unwrap(), entries("b"));
    assert_eq!(store.ledger(&"db2".into()).unwrap(), []);
    assert_eq!(store.lessons(&target).unwrap(), lessons());
    assert_eq!(store.lessons(&"db2".into()).unwrap(), Lessons::default());
    store.keep_snapshot(&target, &when(T + 4_000.0), &snapshot(T + 4_000.0)).unwrap();
    store.keep_snapshot(&target, &when(T + 8_000.0), &snapshot(T + 8_000.0)).unwrap();
    let ladder = store.ladder(&target, T + 8_000.0).unwrap();
    assert_eq!(ladder[0].1, snapshot(T + 4_000.0), "of two, the younger that is old enough");
    assert_eq!(ladder[1].1, first);
    let levels = store.levels(&target, Topic::Databases).unwrap();
    let ages: Vec<_> = levels.iter().filter(|level| level.field == "xid_age").collect();
    let hours: std::collections::BTreeSet<i64> = ages.iter().map(|level| level.hour).collect();
    assert_eq!(hours.len(), 3);
    assert_eq!(std::fs::metadata(dir.0.join("state")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(
        std::fs::metadata(dir.0.join("state").join(FILE)).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn what_a_first_look_missed_and_what_was_reset_is_filled_in() {
    let (dir, target) = (Dir::new(), Name::new("db1"));
    let mut store = dir.files().open().unwrap();
    let place = (Topic::Indexes, Scope::Database("shop".into()));
    let mut partial = snapshot(T);
    partial.parts.remove(&place);
    store.keep_snapshot(&target, &when(T), &partial).unwrap();
    store.keep_snapshot(&target, &when(T + 60.0), &snapshot(T + 60.0)).unwrap();
    let mut reset = snapshot(T + 120.0);
    reset.parts.get_mut(&place).unwrap().epoch.reset = Some(crate::model::Timestamp::new(T + 100.0));
    let taken =
        |store: &mut dyn Store| store.ladder(&target, T + 130.0).unwrap()[2].1.parts[&place].taken.wall;
    assert_eq!(taken(store.as_mut()), T + 60.0);
    store.keep_snapshot(&target, &when(T + 120.0), &reset).unwrap();
    assert_eq!(taken(store.as_mut()), T + 120.0);
    store.keep_snapshot(&target, &when(T + 180.0), &reset).unwrap();
    assert_eq!(taken(store.as_mut()), T + 120.0);
}

#[test]
fn the_second_of_two_runs_without_state() {
    let dir = Dir::new();
    let first = dir.keeper();
    wait(first.flush());
    let second = dir.keeper();
    wait(second.flush());
    assert_eq!(*first.health().borrow(), Health::Ok);
    let health = second.health().borrow().clone();
    assert!(
        matches!(&health, Health::Off { why: Some(why) } if why.contains("another dbsonde")),
        "{health:?}"
    );
    assert_eq!(health.is_healthy(), Some(false));
}

#[test]
fn a_file_of_the_future_is_set_aside() {
    let dir = Dir::new();
    drop(dir.files().open().unwrap());
    let path = dir.0.join("state").join(FILE);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let keeper = dir.keeper();
    keeper.keep_ledger(&"db1".into(), entries("a"));
    wait(keeper.flush());
    assert_eq!(*keeper.health().borrow(), Health::Ok);
    assert_eq!((keeper.set_aside(), dir.set_aside("future")), (1, 1));
    assert_eq!(wait(past(&keeper, &"db1".into())).ledger, entries("a"));
}

#[test]
fn a_file_of_somebody_else_is_set_aside() {
    let dir = Dir::new();
    std::fs::create_dir_all(dir.0.join("state")).unwrap();
    let path = dir.0.join("state").join(FILE);
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE diary (dear TEXT)").unwrap();
    wait(dir.keeper().flush());
    assert_eq!(dir.set_aside("damaged"), 1);
}

#[test]
fn only_a_few_files_are_set_aside() {
    let dir = Dir::new();
    let mut files = dir.files();
    for _ in 0..MAX_SET_ASIDE {
        drop(files.open().unwrap());
        files.set_aside("damaged").unwrap();
    }
    assert!(matches!(files.set_aside("damaged"), Err(StoreError::GiveUp(_))));
    assert_eq!(dir.set_aside("damaged"), MAX_SET_ASIDE as usize);
}

#[test]
fn no_room_is_said_and_survived() {
    let dir = Dir::new();
    let files = Files::new(dir.0.join("state"), 16 * PAGE_BYTES, Clock::start());
    let keeper = Keeper::start(Box::new(files), Clock::start());
    wait(keeper.flush());
    assert_eq!(*keeper.health().borrow(), Health::Ok);
    keeper.keep_snapshot(&"db1".into(), when(T), snapshot(T));
    wait(keeper.flush());
    let health = keeper.health().borrow().clone();
    assert!(matches!(&health, Health::Failing { why, .. } if why.contains("full")), "{health:?}");
    assert_eq!(keeper.set_aside(), 0);
    assert!(keeper.dropped() > 0);
}

#[test]
fn room_is_made_from_what_is_forgotten() {
    let (dir, old, new) = (Dir::new(), Name::new("old"), Name::new("new"));
    let mut store = Files::new(dir.0.join("state"), 40 * PAGE_BYTES, Clock::start()).open().unwrap();
    store.keep_snapshot(&old, &when(T), &snapshot(T)).unwrap();
    let later = T + FORGOTTEN_AFTER + 1.0;
    let mut kept = 0;
    for nth in 0..30 {
        let at = later + f64::from(nth);
        kept += usize::from(
            store.keep_snapshot(&format!("new{nth}").as_str().into(), &when(at), &snapshot(at)).is_ok(),
        );
    }
    assert!(kept > 0);
    store.keep_ledger(&new, &entries("a")).unwrap_or_default();
    drop(store);
    let mut store = Files::new(dir.0.join("state"), 40 * PAGE_BYTES, Clock::start()).open().unwrap();
    assert_eq!(store.ladder(&old, later).unwrap(), []);
}

#[test]
fn a_directory_that_cannot_be_is_said_and_survived() {
    let dir = Dir::new();
    std::fs::create_dir_all(&dir.0).unwrap();
    std::fs::write(dir.0.join("state"), "a file").unwrap();
    let keeper = dir.keeper();
    keeper.keep_ledger(&"db1".into(), entries("a"));
    wait(keeper.flush());
    assert!(matches!(*keeper.health().borrow(), Health::Failing { .. }));
    assert_eq!(wait(past_at(&keeper, &"db1".into(), T)).ladder, []);
    assert_eq!(keeper.health().borrow().is_healthy(), Some(false));
}

/// A real file, with its log, damaged in hundreds of ways: it is opened or set aside, what is read is what
/// was written or nothing, and new state is kept.
#[test]
fn damage_anywhere_is_survived() {
    let target = Name::new("db1");
    let written = snapshot(T);
    let whole: Vec<(String, Vec<u8>)> = {
        let dir = Dir::new();
        let mut store = dir.files().open().unwrap();
        store.keep_ledger(&target, &entries("a")).unwrap();
        store.keep_snapshot(&target, &when(T), &written).unwrap();
        let path = dir.0.join("state").join(FILE);
        drop(store);
        Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
        let mut store = dir.files().open().unwrap();
        store.keep_snapshot(&target, &when(T + 4_000.0), &written).unwrap();
        drop(store);
        let read = |suffix: &str| std::fs::read(dir.0.join("state").join(format!("{FILE}{suffix}")));
        ["", "-wal"].into_iter().filter_map(|suffix| Some((suffix.to_owned(), read(suffix).ok()?))).collect()
    };
    assert_eq!(whole.len(), 2, "both the file and its log");
    let mut seed = 7u64;
    let mut number = |below: usize| {
        seed = xxhash_rust::xxh3::xxh3_64(&seed.to_le_bytes());
        seed as usize % below
    };
    let (mut set_aside, mut kept) = (0, 0);
    for round in 0..300 {
        let dir = Dir::new();
        std::fs::create_dir_all(dir.0.join("state")).unwrap();
        for (nth, (suffix, bytes)) in whole.iter().enumerate() {
            let mut bytes = bytes.clone();
            // Mostly the file itself, and there often the pages that hold everything together.
            if nth == usize::from(round % 4 == 3) {
                let at = if round % 3 == 0 { number(bytes.len().min(4_096)) } else { number(bytes.len()) };
                match round % 5 {
                    0 => bytes.truncate(at),
                    1 => bytes[at..].iter_mut().take(512).for_each(|byte| *byte = 0),
                    2 => bytes[at..].iter_mut().take(64).for_each(|byte| *byte ^= number(256) as u8),
                    _ => bytes[at] ^= 1 << number(8),
                }
            }
            std::fs::write(dir.0.join("state").join(format!("{FILE}{suffix}")), bytes).unwrap();
        }
        let keeper = dir.keeper();
        for (_, read) in wait(past_at(&keeper, &target, T + 5_000.0)).ladder {
            for (place, part) in read.parts {
                assert_eq!(written.parts.get(&place), Some(&part), "round {round}");
            }
        }
        let findings = wait(past(&keeper, &target)).ledger;
        assert!(findings.is_empty() || findings == entries("a"), "round {round}");
        keeper.keep_ledger(&target, entries("b"));
        keeper.keep_snapshot(&target, when(T + 9_000.0), written.clone());
        wait(keeper.flush());
        assert_eq!(*keeper.health().borrow(), Health::Ok, "round {round}");
        assert_eq!(wait(past(&keeper, &target)).ledger, entries("b"), "round {round}");
        let mut ladder = wait(past_at(&keeper, &target, T + 9_001.0)).ladder;
        if ladder.is_empty() {
            assert!(keeper.set_aside() > 0, "round {round}: only just found out");
            keeper.keep_snapshot(&target, when(T + 9_001.0), written.clone());
            ladder = wait(past_at(&keeper, &target, T + 9_001.0)).ladder;
        }
        assert_eq!(ladder[0].1.parts.len(), 4, "round {round}");
        assert_eq!(keeper.set_aside() as usize, dir.set_aside("damaged") + dir.set_aside("future"));
        set_aside += keeper.set_aside();
        kept += u64::from(keeper.set_aside() == 0);
    }
    assert!(set_aside > 50 && kept > 50, "{set_aside} {kept}");
}

/// A store that does what it was told to do.
struct Bad(fn() -> StoreError, Arc<AtomicU32>);

impl Opener for Bad {
    fn open(&mut self) -> Result<Box<dyn Store>, StoreError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Err(self.0())
    }
    fn set_aside(&mut self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

#[test]
fn a_store_that_fails_is_left_alone_for_a_while() {
    let opened = Arc::new(AtomicU32::new(0));
    let keeper =
        Keeper::start(Box::new(Bad(|| StoreError::Retry("gone".into()), opened.clone())), Clock::start());
    for _ in 0..50 {
        keeper.keep_ledger(&"db1".into(), entries("a"));
        wait(keeper.flush());
    }
    assert_eq!(opened.load(Ordering::Relaxed), 1);
    assert!(matches!(&*keeper.health().borrow(), Health::Failing { why, .. } if why == "gone"));
}

#[test]
fn a_store_that_panics_takes_nobody_with_it() {
    let keeper = Keeper::start(Box::new(Bad(|| panic!("on purpose"), Arc::default())), Clock::start());
    let mut health = keeper.health();
    wait(async { health.wait_for(|health| matches!(health, Health::Off { .. })).await.map(drop) }).unwrap();
    keeper.keep_ledger(&"db1".into(), entries("a"));
    assert_eq!(wait(past(&keeper, &"db1".into())).ledger, []);
}

/// A disk that answers when it is told to.
struct Hung(std::sync::mpsc::Receiver<()>, Files);

impl Opener for Hung {
    fn open(&mut self) -> Result<Box<dyn Store>, StoreError> {
        let _ = self.0.recv();
        self.1.open()
    }
    fn set_aside(&mut self, label: &str) -> Result<(), StoreError> {
        self.1.set_aside(label)
    }
}

/// Our clock stands still but for waits; the disk's is real.
#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_is_waited_for_once_and_said() {
    let (dir, target) = (Dir::new(), Name::new("db1"));
    let (heal, hung) = std::sync::mpsc::channel();
    let keeper = Keeper::start(Box::new(Hung(hung, dir.files())), Clock::start());
    let began = tokio::time::Instant::now();
    assert_eq!(past(&keeper, &target).await.ledger, []);
    let once = began.elapsed();
    assert!(once.as_secs() >= 5, "{once:?}");
    assert!(
        matches!(&*keeper.health().borrow(), Health::Failing { why, .. } if why.contains("does not answer"))
    );
    assert_eq!(past(&keeper, &target).await.ladder.len(), 0);
    assert!(!keeper.keep_logs(&target, T, vec![1]).await);
    assert_eq!(began.elapsed(), once, "nobody waits again");
    keeper.keep_ledger(&target, entries("a"));
    heal.send(()).unwrap();
    tokio::time::resume();
    let mut health = keeper.health();
    while *health.borrow_and_update() != Health::Ok {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(past(&keeper, &target).await.ledger.len(), 1, "what was handed over meanwhile is kept");
}

/// A disk that cannot be read at first, and then can.
struct Mended(u32, Files);

impl Opener for Mended {
    fn open(&mut self) -> Result<Box<dyn Store>, StoreError> {
        self.0 = self.0.saturating_sub(1);
        if self.0 > 0 { Err(StoreError::Retry("gone".into())) } else { self.1.open() }
    }
    fn set_aside(&mut self, label: &str) -> Result<(), StoreError> {
        self.1.set_aside(label)
    }
}

#[tokio::test]
async fn what_cannot_be_read_yet_is_told_later() {
    let (dir, target) = (Dir::new(), Name::new("db1"));
    let (heal, hung) = std::sync::mpsc::channel();
    {
        let keeper = dir.keeper();
        keeper.keep_ledger(&target, entries("a"));
        assert!(keeper.keep_logs(&target, T, vec![7]).await);
    }
    // Nobody but the one before has the file, once its thread has ended.
    while matches!(dir.files().open(), Err(StoreError::GiveUp(_))) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // Our clock stands still but for waits; the disk's is real.
    tokio::time::pause();
    let keeper = Keeper::start(Box::new(Hung(hung, dir.files())), Clock::start());
    let Recall::Later(later) = keeper.past(&target, T).await else { panic!("it hangs") };
    let Recall::Later(logs) = keeper.logs(&target).await else { panic!("it hangs") };
    heal.send(()).unwrap();
    tokio::time::resume();
    assert_eq!((later.await.unwrap().ledger, logs.await.unwrap()), (entries("a"), Some(vec![7])));
    drop(keeper);
    while matches!(dir.files().open(), Err(StoreError::GiveUp(_))) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    tokio::time::pause();
    let keeper = Keeper::inline(Box::new(Mended(3, dir.files())), Clock::start());
    let Recall::Later(mut later) = keeper.past(&target, T).await else { panic!("it cannot be read") };
    for _ in 0..20 {
        assert!(later.try_recv().is_err());
        tokio::time::advance(std::time::Duration::from_secs(4)).await;
        keeper.try_again();
        if let Ok(past) = later.try_recv() {
            return assert_eq!(past.ledger, entries("a"));
        }
    }
    panic!("it was never told");
}
