//! The life of one target: what its lanes bring becomes the next snapshot, its windows, its findings, and a
//! report that readers see. [`Watch`] is pure and takes time as a value, so that a recording replays exactly;
//! [`watch`] is the task around it.

mod deeds;
#[cfg(test)]
mod large;
mod memory;
mod task;
mod told;
mod wishes;

pub use task::{Outlets, watch};
pub use wishes::{Plan, Rules};

use crate::board::Report;
use crate::config::Silence;
use crate::engine::{Due, EngineError, Lane, Pace, Reading, ServerFacts, Visit};
use crate::lane::{News, Orders};
use crate::ledger::{Change, Entry, Ledger};
use crate::model::question::{Answer, Question};
use crate::model::{Finding, Flavour, Name, Place, Sample, Scope, Snapshot, Topic, When, Window};
use crate::plans::Plans;
use crate::remark::Remarks;
use crate::rule::{Seen, Word};
use crate::store::{Lessons, Past};
use crate::tally::Tally;
use crate::texts::Texts;
use crate::throttle::Throttle;
use crate::verdict::Trials;
use crate::workload::{self, Cost, Key, Workload};
use memory::{LooksBack, Memory};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use told::Told;

/// The roaming connection moves at most this often.
const ROAM_EVERY: Duration = Duration::from_secs(10);
/// Questions open at a time, and how long an answer is believed.
const MAX_QUESTIONS: usize = 100;
const MAX_ANSWERS: usize = 1_000;
const ANSWER_AGES: f64 = 3_600.0;
/// Without the functions of tier advise nobody plans anything for us.
const TIERS_THAT_EXPLAIN: [&str; 3] = ["advise", "full", "superuser"];

#[derive(Debug)]
pub struct Watch {
    plan: Plan,
    began: When,
    snapshot: Snapshot,
    window: Window,
    memory: Memory,
    workload: Workload,
    plans: Arc<Plans>,
    trials: Trials,
    longer_look: Arc<[(&'static str, Duration)]>,
    tally: Arc<Tally>,
    pub ledger: Ledger,
    answers: HashMap<Question, (Answer, f64)>,
    questions: BTreeSet<Question>,
    server: ServerFacts,
    texts: Arc<Texts>,
    readings: BTreeMap<(Topic, Scope), Reading>,
    paces: BTreeMap<Topic, Duration>,
    own_paces: Vec<(Topic, Pace)>,
    waited: BTreeMap<Lane, f64>,
    told: BTreeMap<Lane, Told>,
    throttle: Throttle,
    /// Lanes whose last visits failed: why, and how many in a row.
    failed: BTreeMap<Lane, (EngineError, u32)>,
    /// May rules read what the server has counted since its own reset?
    first_sight: bool,
}

impl Watch {
    pub fn new(plan: Plan, topics: Vec<(Topic, Pace)>, now: When) -> Self {
        let tally = Arc::new(Tally::new(plan.series_budget));
        let throttle = Throttle::new(now.monotonic, !plan.throttle);
        let mut watch = Self {
            plan,
            began: now,
            snapshot: Snapshot::default(),
            window: Window::default(),
            memory: Memory::default(),
            workload: Workload::default(),
            plans: Arc::default(),
            trials: Trials::default(),
            longer_look: Arc::default(),
            tally,
            ledger: Ledger::default(),
            answers: HashMap::new(),
            questions: BTreeSet::new(),
            server: ServerFacts::default(),
            texts: Arc::default(),
            readings: BTreeMap::new(),
            paces: BTreeMap::new(),
            own_paces: topics,
            waited: BTreeMap::new(),
            told: BTreeMap::new(),
            throttle,
            failed: BTreeMap::new(),
            first_sight: false,
        };
        watch.pace();
        watch
    }

    /// Lets rules read what the server has counted since its own reset: for a server never seen before.
    pub fn at_first_sight(mut self) -> Self {
        self.first_sight = true;
        self
    }

    /// What a former life left, at the beginning or whenever it is heard of: its findings, what it learned of statements,
    /// and the snapshots where windows may begin. Of those the oldest word on each place is kept, and only where a page
    /// looks so far back.
    pub fn remember(&mut self, past: Past) {
        self.ledger.recall(past.ledger);
        Arc::make_mut(&mut self.plans).recall(past.lessons.plans);
        self.trials.recall(past.lessons.trials);
        let statements = (Topic::Statements, Scope::Server);
        let past = past.ladder.into_iter().map(|(_, snapshot)| snapshot).inspect(|snapshot| {
            snapshot.parts.get(&statements).into_iter().for_each(|part| self.workload.remember(part.clone()));
        });
        self.memory.remember(&self.plan.rules.handbook.looks_back(None), past);
    }

    pub fn rules(&self) -> Rules {
        self.plan.rules.clone()
    }

    /// What was learned of statements and must survive us.
    pub fn lessons(&self) -> Lessons {
        Lessons { plans: self.plans.to_vec(), trials: self.trials.clone() }
    }

    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Takes in what a lane brought.
    pub fn take(&mut self, news: News, now: When) {
        match news.brought {
            Ok(visit) => {
                self.failed.remove(&news.lane);
                self.account(news.lane, &visit, now);
                self.learn(visit, now);
            }
            Err(error) => {
                let times = self.failed.get(&news.lane).map_or(1, |(_, times)| times + 1);
                self.failed.insert(news.lane, (error, times));
            }
        }
        if self.throttle.judge(now.monotonic) {
            self.pace();
        }
    }

    /// Takes in what the logs have brought, which cost the target nothing.
    pub fn hear(&mut self, mut visit: Visit, now: When) {
        let shown = std::mem::take(&mut visit.logged);
        if !shown.is_empty() || self.plans.logged.since().is_none() {
            Arc::make_mut(&mut self.plans).logged.hear(shown, now.wall);
        }
        self.learn(visit, now);
    }

    fn account(&mut self, lane: Lane, visit: &Visit, now: When) {
        let waited = visit.cost.as_secs_f64();
        *self.waited.entry(lane).or_default() += waited;
        let Some(told) = visit.told_cost else {
            if self.told.is_empty() {
                self.throttle.spend(now.monotonic, waited);
            }
            return;
        };
        for (lane, total) in Lane::ALL.into_iter().zip(told) {
            let waited = self.waited.get(&lane).copied().unwrap_or_default();
            let spent = self.told.entry(lane).or_default().take(total, waited);
            self.throttle.spend(now.monotonic, spent);
        }
    }

    fn learn(&mut self, visit: Visit, now: When) {
        if let Some(server) = visit.server {
            self.server = server;
        }
        if let Some(texts) = visit.texts {
            self.texts = texts;
        }
        self.paces.extend(visit.paces);
        for reading in visit.readings {
            self.readings.insert((reading.topic, Scope::Server), reading);
        }
        for (question, answer) in visit.answers {
            self.questions.remove(&question);
            match (question, answer) {
                (Question::Plan { database, digest, .. }, answer) => {
                    let answer = match answer {
                        Answer::Plan(plan) => Ok(*plan),
                        Answer::Unknown(why) | Answer::Text(why) => Err(why),
                    };
                    Arc::make_mut(&mut self.plans).learn(Key { digest, database }, answer, now.wall);
                }
                (question, answer) if self.answers.len() < MAX_ANSWERS => {
                    self.answers.insert(question, (answer, now.monotonic));
                }
                _ => {}
            }
        }
        self.answers.retain(|_, (_, at)| now.monotonic - *at < ANSWER_AGES);
        deeds::notice(&mut self.trials, &self.snapshot, &visit.sample);
        self.compare(&visit.sample);
        self.snapshot.merge(&visit.sample);
        let looks_back = self.plan.rules.handbook.looks_back(self.flavour());
        self.add_up(&visit.sample, &looks_back);
        self.memory.look_back(&looks_back, &visit.sample, &self.window, &self.snapshot);
    }

    /// None until the server has told what it is.
    fn flavour(&self) -> Option<Flavour> {
        let ServerFacts { engine, version, .. } = &self.server;
        (!engine.is_empty()).then(|| Flavour::of(engine, version))
    }

    /// The newest stretch of the statements as part of what they cost lately.
    fn add_up(&mut self, sample: &Sample, looks_back: &LooksBack) {
        for (topic, scope, part) in &sample.parts {
            if *topic != Topic::Statements {
                continue;
            }
            let wanted = looks_back.iter().filter(|(_, topics)| topics.contains(topic));
            let span = wanted.map(|(span, _)| *span).max().unwrap_or_default();
            match self.window.stretch(*topic, scope) {
                Some(stretch) => {
                    self.workload.add(stretch, part, span);
                    let ran = workload::by_statement(stretch);
                    Arc::make_mut(&mut self.plans).run(&ran, part.taken.wall);
                    let took = |cost: &Cost| (cost.calls, cost.exec_seconds);
                    self.trials.run(part.taken.wall, |key| ran.get(key).map(took));
                }
                None => self.workload.forget(),
            }
        }
    }

    /// The newest stretch of every place that was read again, and what it adds to our own totals.
    fn compare(&mut self, sample: &Sample) {
        let mut before = Snapshot { gaps: self.snapshot.gaps.clone(), ..Snapshot::default() };
        let mut after = Snapshot::default();
        for (topic, scope, part) in &sample.parts {
            let place = (*topic, scope.clone());
            before.parts.extend(self.snapshot.parts.get(&place).map(|old| (place.clone(), old.clone())));
            after.parts.insert(place, part.clone());
        }
        let fresh = Window::between(&before, &after);
        let tally = Arc::make_mut(&mut self.tally);
        before.parts.keys().filter(|of| fresh.gaps.contains_key(*of)).for_each(|of| tally.broke(of.0));
        for (place, why) in fresh.gaps {
            // No window yet, but what is true now is true now: levels need no second sample.
            if let Some(part) = after.parts.get(&place) {
                tally.levels(place.0, &place.1, &part.rows);
            }
            self.window.stretches.remove(&place);
            self.window.gaps.insert(place, why);
        }
        for (place, stretch) in fresh.stretches {
            tally.add(place.0, &place.1, &stretch);
            // Of thousands of statements few run from beat to beat, and nobody asks what the others did.
            let stretch = match place.0 {
                Topic::Statements => stretch.keeping(workload::ran),
                _ => stretch,
            };
            self.window.gaps.remove(&place);
            self.window.stretches.insert(place, stretch);
        }
        for (place, reason) in sample.gaps_by_place() {
            if !after.parts.contains_key(&place) {
                self.window.stretches.remove(&place);
                tally.forget(place.0, &place.1);
            }
            self.window.gaps.insert(place, reason);
        }
        for scope in &sample.gone {
            self.window.stretches.retain(|(_, of), _| of != scope);
            self.window.gaps.retain(|(_, of), _| of != scope);
            Topic::ALL.iter().for_each(|topic| tally.forget(*topic, scope));
        }
    }

    /// Reads the handbook. Parts that are too old to be true are not shown to it.
    pub fn read(&mut self, now: When) -> Vec<Change> {
        let fresh = self.fresh(&now);
        let answers = self.answers.iter().map(|(q, (a, _))| (q.clone(), a.clone())).collect();
        let since_reset = self.first_sight.then(|| Window::since_reset(&fresh));
        let seen = Seen {
            now: &fresh,
            latest: &self.window,
            ladder: self.memory.ladder(),
            since_reset: since_reset.as_ref(),
            workload: &self.workload,
            texts: &self.texts,
            answers: &answers,
            plans: &self.plans,
            explains: self.server.engine == "postgres" && TIERS_THAT_EXPLAIN.contains(&self.server.tier),
            lacks: &self.server.lacks,
            flavour: self.flavour().unwrap_or_default(),
            at: now.wall,
        };
        let mut reading = self.plan.rules.handbook.read(&seen);
        self.longer_look = Arc::from(reading.longer_look.as_slice());
        let mut found: Vec<Finding> = Vec::new();
        // What no page wants to know any more is not asked, and takes nobody's place.
        self.questions.clear();
        for word in std::mem::take(&mut reading.words) {
            match word {
                Word::Finding(finding) => found.push(*finding),
                Word::Question(question) if self.questions.len() < MAX_QUESTIONS => {
                    self.questions.insert(question);
                }
                Word::Question(_) => {}
            }
        }
        let could_speak = |rule: &str, database: Option<&str>| reading.could_speak(rule, database, &fresh);
        let Rules { handbook, silences } = &self.plan.rules;
        let remarks = Remarks { now: &self.snapshot, texts: &self.texts };
        let silence =
            |entry: &Entry| Silence::any(silences, entry, now.wall).or_else(|| remarks.silence(entry));
        let mut changes = self.ledger.apply(now.wall, &self.plan.target, found, could_speak, silence);
        changes.extend(self.ledger.retire(now.wall, &handbook.skip));
        changes.extend(self.trials.follow(&mut self.ledger, now.wall));
        changes
    }

    /// What is known and still true: while the target is down nothing is.
    fn fresh(&self, now: &When) -> Snapshot {
        if !self.is_up() {
            return Snapshot::default();
        }
        let is_fresh = |place: &Place, taken: &When| {
            let pace = self.paces.get(&place.0).copied().unwrap_or(self.plan.beat);
            now.seconds_since(taken) <= 3.0 * pace.as_secs_f64()
        };
        let parts = self.snapshot.parts.iter().filter(|(place, part)| is_fresh(place, &part.taken));
        Snapshot {
            parts: parts.map(|(place, part)| (place.clone(), part.clone())).collect(),
            gaps: self.snapshot.gaps.clone(),
        }
    }

    fn is_up(&self) -> bool {
        !self.snapshot.parts.is_empty() && self.trouble().is_none()
    }

    /// What makes the target down. One slow second of the pulse does not, and neither does the roaming lane, which
    /// may fail while the server is well.
    fn trouble(&self) -> Option<&EngineError> {
        let patience = |lane: &Lane| match lane {
            Lane::Beat => 1,
            Lane::Pulse => 2,
            Lane::Roam => u32::MAX,
        };
        self.failed.iter().find(|(lane, (_, times))| *times >= patience(lane)).map(|(_, (error, _))| error)
    }

    fn stretched(&self, pace: Pace) -> Option<Duration> {
        let configured = match pace {
            Pace::Pulse => self.plan.pulse,
            Pace::Beat => self.plan.beat,
            Pace::Slow => self.plan.slow,
            Pace::Rare => self.plan.rare,
        };
        self.throttle.stretch(pace).map(|factor| configured.mul_f64(factor))
    }

    fn pace(&mut self) {
        for (topic, pace) in self.own_paces.clone() {
            // A resting topic keeps its last pace: its parts grow old and are withheld.
            if let Some(every) = self.stretched(pace) {
                self.paces.insert(topic, every);
            }
        }
    }

    pub fn orders(&self) -> Orders {
        let slow = self.stretched(Pace::Slow);
        let never = Duration::from_secs(u32::MAX.into());
        // The roaming lane comes by six times a minute, each time in one database.
        let a_visit = self.plan.questions.div_ceil(6);
        let mut of_each: BTreeMap<&Name, Vec<&Question>> = BTreeMap::new();
        for question in &self.questions {
            of_each.entry(question.database()).or_default().push(question);
        }
        let questions =
            of_each.into_values().flat_map(|asked| asked.into_iter().take(a_visit)).cloned().collect();
        Orders {
            pulse: self.stretched(Pace::Pulse).filter(|_| self.plan.connections > 1),
            beat: self.stretched(Pace::Beat),
            roam: slow.filter(|_| self.plan.connections > 2).map(|slow| Due {
                every: ROAM_EVERY,
                slow,
                rare: self.stretched(Pace::Rare).unwrap_or(never),
                room: self.plan.room,
                questions,
            }),
        }
    }

    pub fn report(&self, now: When) -> Report {
        let down = self.trouble().map(EngineError::to_string);
        let mut snapshot = self.snapshot.clone();
        if let Some((error, _)) = self.failed.get(&Lane::Roam) {
            for (topic, _) in
                self.own_paces.iter().filter(|(_, pace)| matches!(pace, Pace::Slow | Pace::Rare))
            {
                snapshot.gaps.entry((*topic, Scope::Server)).or_insert_with(|| error.to_string());
            }
        }
        Report {
            target: self.plan.target.clone(),
            labels: self.plan.labels.clone(),
            server: self.server.clone(),
            up: self.is_up(),
            down_because: down,
            began: self.began,
            made: now,
            snapshot,
            window: self.window.clone(),
            ladder: self.memory.shared(),
            tally: self.tally.clone(),
            findings: Arc::new(self.ledger.open().cloned().collect()),
            verified: Arc::new(self.ledger.verified(now.wall)),
            longer_look: self.longer_look.clone(),
            plans: self.plans.clone(),
            paces: self.paces.clone(),
            readings: self.readings.clone(),
            cost: self.cost(),
            stretched: self.stretches(),
            texts: self.texts.clone(),
        }
    }

    /// The server's own word on our cost where it gives one, else how long we waited for its answers.
    fn cost(&self) -> BTreeMap<Lane, f64> {
        if self.told.is_empty() {
            return self.waited.clone();
        }
        self.told.iter().map(|(lane, told)| (*lane, told.sum)).collect()
    }

    fn stretches(&self) -> BTreeMap<Pace, f64> {
        Pace::ALL.into_iter().map(|pace| (pace, self.throttle.stretch(pace).unwrap_or(0.0))).collect()
    }
}
