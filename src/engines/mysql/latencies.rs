//! How long statements took, by the server's own histograms: what came to their buckets between two looks gives true
//! percentiles. Only the statements that take most time are looked at. What was not read before, or began anew
//! meanwhile, has no difference and is said to have none.
//!
//! The issue that asked for this wanted it every beat. But the server walks all statements that it remembers to find
//! one, so it is read at the pace of what is slow, and fewer statements where it remembers many.

use super::answer::Named;
use super::link::Link;
use crate::engine::layout::Read;
use crate::engine::reading::Failure;
use crate::engine::shared::locked;
use crate::engine::template::is_absent;
use crate::model::{Count, Digest, InTopic, Latency, Level, Name, Noun, Seconds, Statement};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::time::Instant;

/// Statements looked at, at most.
const MAX_STATEMENTS: usize = 50;
/// Statements that the server may walk for one look of ours: 1.5 us each, so 60 ms a minute.
const MAX_WALKED: usize = 40_000;

/// The server's own name of a statement, 64 letters of it: it keeps five thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed([u8; 32]);

impl Packed {
    /// None for what is no such name. It goes into a statement of ours.
    pub fn of(digest: &str) -> Option<Packed> {
        let mut packed = [0; 32];
        if digest.len() != 64 || !digest.is_ascii() {
            return None;
        }
        for (nth, byte) in packed.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digest.get(2 * nth..2 * nth + 2)?, 16).ok()?;
        }
        Some(Packed(packed))
    }

    fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// One statement of the server, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Empty for what was called in none.
    pub schema: Name,
    /// The server's own name of it.
    pub server_digest: Arc<str>,
    pub digest: Digest,
}

/// How dear each statement was lately: what it took in the newest beat, and half as much of what it took before. It
/// only chooses; nothing that is told comes from here.
#[derive(Debug, Default)]
pub struct Dear {
    spent: HashMap<(i64, i64), (f64, f64)>,
}

impl Dear {
    /// Takes a reading of statements in and says which to look at, the dearest first, and how often each had run.
    pub fn choose(&mut self, rows: &[Statement], names: &HashMap<i64, Packed>) -> Vec<(Wanted, u64)> {
        let mut spent = HashMap::with_capacity(rows.len());
        let mut ranked: Vec<(f64, f64, &Statement)> = Vec::with_capacity(rows.len());
        for row in rows {
            let (Some(id), Some(_)) = (row.server_digest, row.digest) else { continue };
            let (key, all) = ((row.dbid, id), row.exec_seconds.float());
            let known = self.spent.get(&key);
            let lately = known.map_or(0.0, |(last, lately)| lately / 2.0 + (all - last).max(0.0));
            spent.insert(key, (all, lately));
            ranked.push((lately, all, row));
        }
        self.spent = spent;
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
        let affordable = (MAX_WALKED / rows.len().max(1)).clamp(1, MAX_STATEMENTS);
        let wanted = ranked.into_iter().take(affordable).filter_map(|(.., row)| {
            let server_digest = names.get(&row.server_digest?)?.text().into();
            let wanted = Wanted { schema: row.database.clone()?, server_digest, digest: row.digest? };
            Some((wanted, row.calls.0.get()))
        });
        wanted.collect()
    }
}

/// What the server says of one statement at one look.
#[derive(Debug, Clone, Default, PartialEq)]
struct Histogram {
    began: Option<f64>,
    /// How long ago that was.
    age: Option<f64>,
    calls: u64,
    /// How often each bucket was met, and how long its executions took at most.
    buckets: BTreeMap<i64, (u64, f64)>,
}

/// What came to a histogram since an earlier look.
#[derive(Debug, PartialEq)]
enum Since {
    Came(BTreeMap<i64, (u64, f64)>),
    /// Nobody looked before, and it is older than our last look.
    Unseen,
    /// It was emptied meanwhile.
    Emptied,
}

impl Histogram {
    fn total(&self) -> u64 {
        self.buckets.values().map(|(count, _)| count).sum()
    }

    /// Executions counted for the statement that no bucket has: of the time before the histogram alone was emptied.
    fn missing(&self) -> u64 {
        self.calls.saturating_sub(self.total())
    }

    /// `passed` are the seconds since the last look at any statement.
    fn since(&self, earlier: Option<&Histogram>, passed: Option<f64>) -> Since {
        let Some(earlier) = earlier else {
            let is_new = self.age.zip(passed).is_some_and(|(age, passed)| age < passed);
            return if is_new { Since::Came(self.buckets.clone()) } else { Since::Unseen };
        };
        if self.began != earlier.began || self.missing() > earlier.missing() {
            return Since::Emptied;
        }
        let mut came = BTreeMap::new();
        for (bucket, (count, length)) in &self.buckets {
            let before = earlier.buckets.get(bucket).map_or(0, |(count, _)| *count);
            let Some(more) = count.checked_sub(before) else { return Since::Emptied };
            if more > 0 {
                came.insert(*bucket, (more, *length));
            }
        }
        let is_whole = earlier.buckets.keys().all(|bucket| self.buckets.contains_key(bucket));
        if is_whole { Since::Came(came) } else { Since::Emptied }
    }
}

/// The length that a share of all executions stayed within.
fn percentile(buckets: &BTreeMap<i64, (u64, f64)>, share: f64) -> Option<f64> {
    let total: u64 = buckets.values().map(|(count, _)| count).sum();
    let wanted = (total as f64 * share).ceil() as u64;
    let mut seen = 0;
    let found = buckets.values().find(|(count, _)| {
        seen += count;
        seen >= wanted.max(1)
    });
    found.map(|(_, length)| *length)
}

/// What the last look saw.
#[derive(Debug, Default)]
pub struct Latencies {
    looked: Option<Instant>,
    seen: HashMap<Wanted, Histogram>,
    /// What could not be told at the last look, and why.
    lack: Option<String>,
}

impl Latencies {
    /// Says what was missed, with the rows.
    pub fn lack(&self) -> Option<&str> {
        self.lack.as_deref()
    }

    /// What did not run since the last look is as it was: the others are to be looked at.
    fn changed(&self, dear: Vec<(Wanted, u64)>) -> (Vec<Wanted>, HashMap<Wanted, Histogram>) {
        let (mut changed, mut same) = (Vec::new(), HashMap::new());
        for (wanted, calls) in dear {
            match self.seen.get(&wanted).filter(|seen| seen.calls == calls) {
                Some(seen) => {
                    same.insert(wanted, seen.clone());
                }
                None => changed.push(wanted),
            }
        }
        (changed, same)
    }

    /// What came since the last look, which this one becomes.
    fn take(&mut self, seen: HashMap<Wanted, Histogram>, now: Instant) -> Vec<Latency> {
        let passed = self.looked.map(|looked| (now - looked).as_secs_f64());
        let (mut unseen, mut emptied) = (0, 0);
        // Several statements of the server may be one of ours.
        let mut sums: BTreeMap<(Name, Digest), BTreeMap<i64, (u64, f64)>> = BTreeMap::new();
        for (wanted, histogram) in &seen {
            match histogram.since(self.seen.get(wanted), passed) {
                Since::Unseen => unseen += 1,
                Since::Emptied => emptied += 1,
                Since::Came(came) => {
                    let sum = sums.entry((wanted.schema.clone(), wanted.digest)).or_default();
                    for (bucket, (count, length)) in came {
                        sum.entry(bucket).or_insert((0, length)).0 += count;
                    }
                }
            }
        }
        let mut lacks = Vec::new();
        let all = seen.len();
        if unseen > 0 {
            lacks.push(format!("{unseen} of the {all} dearest statements were not looked at before"));
        }
        if emptied > 0 {
            lacks.push(format!(
                "the histograms of {emptied} of {all} statements were emptied since the last look"
            ));
        }
        self.lack = (!lacks.is_empty()).then(|| lacks.join("; "));
        (self.seen, self.looked) = (seen, Some(now));
        sums.into_iter().filter_map(|((schema, digest), sum)| latency(schema, digest, &sum)).collect()
    }
}

/// None for what did not run.
fn latency(database: Name, digest: Digest, came: &BTreeMap<i64, (u64, f64)>) -> Option<Latency> {
    let runs = came.values().map(|(count, _)| count).sum();
    let share = |share| Some(Level::new(Seconds::new(percentile(came, share)?)));
    Some(Latency {
        database: Some(database),
        digest: Some(digest),
        runs: Level::new(Count::new(runs)),
        p50_seconds: share(0.5)?,
        p95_seconds: share(0.95)?,
        p99_seconds: share(0.99)?,
    })
}

pub async fn read(link: &mut Link) -> Result<Read, Failure> {
    let asked = Instant::now();
    let (wanted, mut found) = {
        let memory = locked(&link.server.shared.memory);
        memory.latencies.changed(memory.dear.clone())
    };
    found.extend(match link.ask_each("latencies", &wanted).await {
        Ok(rows) => histograms(&wanted, &rows),
        Err(Failure::Refused { message, .. }) if is_absent(&message) => {
            let why =
                "the server keeps no histograms of statements: MySQL has them from 8.0 on, MariaDB has none";
            locked(&link.server.shared.memory).latencies =
                Latencies { lack: Some(why.into()), ..Latencies::default() };
            return Ok(Read { rows: Latency::into_rows(Vec::new()), misfits: 0 });
        }
        Err(failure) => return Err(failure),
    });
    let mut rows = locked(&link.server.shared.memory).latencies.take(found, asked);
    rows.sort_by_key(Noun::key);
    Ok(Read { rows: Latency::into_rows(rows), misfits: 0 })
}

fn histograms(wanted: &[Wanted], rows: &[Named]) -> HashMap<Wanted, Histogram> {
    let by_key: HashMap<(&str, &str), &Wanted> =
        wanted.iter().map(|wanted| ((&*wanted.schema, &*wanted.server_digest), wanted)).collect();
    let mut found: HashMap<Wanted, Histogram> = HashMap::new();
    for row in rows {
        let key = row.text("schema").zip(row.text("digest"));
        let count = row.whole("count").and_then(|count| u64::try_from(count).ok());
        let (Some(wanted), Some(count)) = (key.and_then(|key| by_key.get(&key)), count) else { continue };
        let histogram = found.entry((*wanted).clone()).or_default();
        if let Some(began) = row.number("began") {
            (histogram.began, histogram.age, histogram.calls) = (Some(began), row.number("age"), count);
        } else if let (Some(bucket), Some(length)) = (row.whole("bucket"), row.number("length")) {
            histogram.buckets.insert(bucket, (count, length * 1e-12));
        }
    }
    // One that the server no longer counts has no beginning, and tells nothing.
    found.retain(|_, histogram| histogram.began.is_some());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::made_up::row;
    use serde_json::json;
    use std::time::Duration;

    fn histogram(began: f64, age: f64, calls: u64, buckets: &[(i64, u64)]) -> Histogram {
        let buckets = buckets.iter().map(|(bucket, count)| (*bucket, (*count, *bucket as f64 / 100.0)));
        Histogram { began: Some(began), age: Some(age), calls, buckets: buckets.collect() }
    }

    fn came(since: Since) -> Vec<(i64, u64)> {
        let Since::Came(came) = since else { panic!("{since:?}") };
        came.into_iter().map(|(bucket, (count, _))| (bucket, count)).collect()
    }

    #[test]
    fn what_came_is_told_and_nothing_else() {
        let before = histogram(5.0, 100.0, 30, &[(10, 20), (20, 10)]);
        let after = histogram(5.0, 160.0, 52, &[(10, 40), (20, 10), (30, 2)]);
        assert_eq!(came(after.since(Some(&before), Some(60.0))), [(10, 20), (30, 2)]);
        assert_eq!(came(before.since(Some(&before), Some(60.0))), []);
        // It ran on while it was read: the buckets are read after the calls.
        let running = histogram(5.0, 160.0, 50, &[(10, 40), (20, 10), (30, 2)]);
        assert_eq!(came(running.since(Some(&before), Some(60.0))), [(10, 20), (30, 2)]);
    }

    #[test]
    fn what_began_anew_has_no_difference() {
        let before = histogram(5.0, 100.0, 30, &[(10, 20), (20, 10)]);
        // The statements were emptied, or the histograms alone, and have not got as far again, or further.
        for after in [
            histogram(150.0, 10.0, 90, &[(10, 60), (20, 30)]),
            histogram(5.0, 160.0, 33, &[(10, 3)]),
            histogram(5.0, 160.0, 60, &[(20, 30)]),
            histogram(5.0, 160.0, 120, &[(10, 60), (20, 30)]),
        ] {
            assert_eq!(after.since(Some(&before), Some(60.0)), Since::Emptied, "{after:?}");
        }
        // Once that is known, it goes on from there.
        let emptied = histogram(5.0, 160.0, 120, &[(10, 60), (20, 30)]);
        let after = histogram(5.0, 220.0, 121, &[(10, 61), (20, 30)]);
        assert_eq!(came(after.since(Some(&emptied), Some(60.0))), [(10, 1)]);
    }

    #[test]
    fn what_was_not_looked_at_counts_only_if_it_is_younger_than_our_last_look() {
        let young = histogram(5.0, 20.0, 3, &[(10, 3)]);
        assert_eq!(came(young.since(None, Some(60.0))), [(10, 3)]);
        assert_eq!(young.since(None, Some(15.0)), Since::Unseen);
        assert_eq!(young.since(None, None), Since::Unseen, "the first look");
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_list() {
        let buckets = histogram(0.0, 0.0, 22, &[(5, 20), (20, 2)]).buckets;
        let of = |share| percentile(&buckets, share);
        assert_eq!((of(0.5), of(0.90), of(0.95), of(0.99)), (Some(0.05), Some(0.05), Some(0.2), Some(0.2)));
        assert_eq!(percentile(&BTreeMap::new(), 0.5), None);
    }

    #[test]
    fn several_of_the_server_are_one_of_ours_and_what_did_not_run_is_none() {
        let wanted =
            |name: &str| Wanted { schema: Name::new("shop"), server_digest: name.into(), digest: Digest(7) };
        let mut latencies = Latencies::default();
        let start = Instant::now();
        let look = |latencies: &mut Latencies, at: u64, counts: [u64; 2]| {
            let seen = [("aa", counts[0]), ("bb", counts[1])]
                .map(|(name, count)| (wanted(name), histogram(5.0, 1e6, count, &[(10, count)])));
            latencies.take(seen.into(), start + Duration::from_secs(at))
        };
        assert_eq!(look(&mut latencies, 0, [5, 6]), []);
        assert_eq!(latencies.lack(), Some("2 of the 2 dearest statements were not looked at before"));
        let rows = look(&mut latencies, 60, [8, 8]);
        assert_eq!((rows.len(), rows[0].runs.last.get()), (1, 5));
        assert_eq!(latencies.lack(), None);
        let dear = vec![(wanted("aa"), 8), (wanted("bb"), 9), (wanted("cc"), 1)];
        let (changed, same) = latencies.changed(dear);
        assert_eq!(changed, [wanted("bb"), wanted("cc")], "one ran, one is new");
        assert_eq!(same.into_keys().collect::<Vec<_>>(), [wanted("aa")]);
        assert_eq!(look(&mut latencies, 120, [8, 8]), []);
        assert_eq!(look(&mut latencies, 180, [7, 9])[0].runs.last.get(), 1);
        assert!(latencies.lack().is_some_and(|why| why.contains("1 of 2")), "{latencies:?}");
    }

    #[test]
    fn the_dearest_of_late_are_chosen_and_fewer_where_there_are_many() {
        let packed = |id: i64| Packed::of(&format!("{id:064x}")).unwrap();
        let names: HashMap<i64, Packed> = (0..30_000).map(|id| (id, packed(id))).collect();
        assert_eq!(packed(0xa1).text(), format!("{:064x}", 0xa1));
        assert_eq!((Packed::of("a1"), Packed::of(&"'".repeat(64))), (None, None));
        let statement = |id: i64, seconds: f64| {
            row::<Statement>(json!({"dbid": 1, "userid": 0, "server_digest": id, "database": "shop",
                "digest": format!("{id:016x}"), "calls": 1, "rows": 1, "exec_seconds": seconds}))
        };
        let mut dear = Dear::default();
        let first = dear.choose(&[statement(1, 900.0), statement(2, 5.0), statement(3, 7.0)], &names);
        assert_eq!(first.iter().map(|(wanted, _)| wanted.digest.0).collect::<Vec<_>>(), [1, 3, 2]);
        let next = dear.choose(&[statement(1, 900.0), statement(2, 6.0), statement(3, 7.5)], &names);
        assert_eq!(next.iter().map(|(wanted, _)| wanted.digest.0).collect::<Vec<_>>(), [2, 3, 1]);
        let many: Vec<Statement> = (0..10_000).map(|id| statement(id, 1.0)).collect();
        assert_eq!(dear.choose(&many, &names).len(), 4);
    }
}
