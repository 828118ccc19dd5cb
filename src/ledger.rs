//! Findings over time: opened, changed, resolved, come back. Pure: time is a value, and whoever applies a reading
//! gets the changes worth telling.

mod root;

pub use root::by_root;

use crate::model::finding::finding_id;
use crate::model::{Finding, Name, Severity};
use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Readings in a row in which a rule could speak and was silent before its finding is over, or in which it spoke
/// more mildly before the finding is milder. Opening needs one reading only: thresholds of duration belong to the
/// rules, urgent things do not wait, and the one reading of an inspection has to count.
pub const RESOLVE_AFTER: u32 = 3;
/// Numbers are told again when one of them has doubled or halved since they were last told,
const MATERIAL: f64 = 2.0;
/// but not more often than this, because some numbers swing.
const TELL_NUMBERS_EVERY: f64 = 3_600.0;
/// Numbers that say nothing about how bad it is.
const IMMATERIAL: [&str; 2] = ["pid", "window_seconds"];
/// What comes back within a day is the same trouble: it keeps its first `opened_at`, because its age decides what
/// to do about it. Later it is news.
pub const REOPEN_WITHIN: f64 = 86_400.0;
/// What was a part of something that is over gets this long to end as well before it is told by itself: pages look back
/// over minutes.
const ENDS_WITHIN: f64 = 900.0;
/// Nobody reads more of one target; what is worse has room that the rest may not fill.
pub const MAX_OPEN: usize = 1_000;
const KEPT_FOR_WORSE: usize = 100;
/// How long, and how many, resolved findings stay to be looked back at.
const RESOLVED_FOR: f64 = 30.0 * 86_400.0;
const MAX_RESOLVED: usize = 1_000;
/// How long, and how many, of them are shown with what became of them.
const SHOWN_FOR: f64 = 7.0 * 86_400.0;
const MAX_SHOWN: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Open,
    /// Open, and the operator does not want to hear about it.
    Silenced,
    Resolved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Opened,
    Changed,
    Resolved,
    Reopened,
    /// It is over, and what became of it was measured.
    Verified,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Opened => "opened",
            Kind::Changed => "changed",
            Kind::Resolved => "resolved",
            Kind::Reopened => "reopened",
            Kind::Verified => "verified",
        }
    }
}

/// A finding with what only time can tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub id: String,
    pub target: Name,
    pub state: State,
    #[serde(flatten)]
    pub finding: Finding,
    /// The worst it was since it opened: whoever was told of that wants to hear of the end, however mild.
    pub worst: Severity,
    #[serde(with = "rfc3339::always")]
    pub opened_at: f64,
    #[serde(with = "rfc3339::always")]
    pub changed_at: f64,
    /// When the rule last said it.
    #[serde(with = "rfc3339::always")]
    pub seen_at: f64,
    #[serde(default, with = "rfc3339::perhaps", skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<f64>,
    /// The operator's reason for the silence that covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced_because: Option<String>,
    /// The finding whose mend mends this one as well. While that is open, nobody is told of this one by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
    /// Whether it helped, once that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What the sinks heard of it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Kind>,
}

impl Entry {
    pub fn is_open(&self) -> bool {
        self.state != State::Resolved
    }

    /// What the operator is to look at: nobody wants silence about it, and it is not a part of something else.
    pub fn stands_alone(&self) -> bool {
        self.state == State::Open && self.part_of.is_none()
    }

    /// Do the sinks believe that it is open?
    fn is_told(&self) -> bool {
        !matches!(self.told, None | Some(Kind::Resolved))
    }
}

/// Nobody is to be told of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silenced {
    pub because: Option<String>,
}

/// What a sink gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub kind: Kind,
    pub entry: Entry,
}

/// An entry and what the ledger needs to judge the next reading.
#[derive(Debug, Clone)]
struct Line {
    entry: Entry,
    /// Readings in a row without a word of it.
    silent: u32,
    /// Readings in a row in which it was milder, and the worst of them.
    calm: u32,
    calmest: Severity,
    /// The finding as the sinks heard it last, and when.
    told: Finding,
    told_at: f64,
    /// When it was last a part of something else.
    was_part_at: Option<f64>,
}

/// The findings of one target.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    lines: BTreeMap<String, Line>,
    dropped: usize,
}

impl Ledger {
    /// What a former life left. Streaks begin anew: nobody knows what was said in between.
    pub fn restore(entries: Vec<Entry>) -> Self {
        let mut ledger = Self::default();
        ledger.recall(entries);
        ledger
    }

    /// The same heard of later, when this life has found things by itself: what it found before is as old as it was then.
    pub fn recall(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().take(MAX_OPEN + MAX_RESOLVED) {
            match self.lines.get_mut(&entry.id) {
                Some(line) => line.began_as(entry),
                None => drop(self.lines.insert(entry.id.clone(), Line::of(entry))),
            }
        }
    }

    pub fn to_vec(&self) -> Vec<Entry> {
        self.entries().cloned().collect()
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.lines.values().map(|line| &line.entry)
    }

    /// All that is not over, the silenced included.
    pub fn open(&self) -> impl Iterator<Item = &Entry> {
        self.entries().filter(|entry| entry.is_open())
    }

    pub fn resolved(&self) -> impl Iterator<Item = &Entry> {
        self.entries().filter(|entry| !entry.is_open())
    }

    /// What was judged lately, the newest first.
    pub fn verified(&self, at: f64) -> Vec<Entry> {
        let lately = |entry: &&Entry| entry.resolved_at.is_some_and(|end| at - end <= SHOWN_FOR);
        let mut judged: Vec<Entry> =
            self.resolved().filter(|entry| entry.verdict.is_some()).filter(lately).cloned().collect();
        judged.sort_by(|a, b| b.resolved_at.unwrap_or(at).total_cmp(&a.resolved_at.unwrap_or(at)));
        judged.truncate(MAX_SHOWN);
        judged
    }

    /// Findings of the newest reading for which there was no room.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Takes in one reading of the handbook. `could_speak` tells whether a rule had what it needs to speak of a
    /// database: silence without that is ignorance and changes nothing. `silence` tells what the operator does not want to
    /// hear of.
    pub fn apply(
        &mut self,
        at: f64,
        target: &Name,
        mut found: Vec<Finding>,
        could_speak: impl Fn(&str, Option<&str>) -> bool,
        silence: impl Fn(&Entry) -> Option<Silenced>,
    ) -> Vec<Change> {
        // The worst first: where a subject is said twice or room is short, that is what counts.
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.dropped = 0;
        let mut said = BTreeSet::new();
        for finding in found {
            let id = finding_id(&finding.rule, target, finding.database.as_deref(), &finding.subject);
            if said.insert(id.clone()) {
                self.say(at, target, id, finding);
            }
        }
        let mut changes = Vec::new();
        for (id, line) in self.lines.iter_mut().filter(|(_, line)| line.entry.is_open()) {
            let (rule, database) = (&line.entry.finding.rule, line.entry.finding.database.as_deref());
            if !said.contains(id) && could_speak(rule, database) {
                line.silent += 1;
                if line.silent >= RESOLVE_AFTER {
                    changes.extend(line.resolve(at));
                    continue;
                }
            }
            let silenced = silence(&line.entry);
            line.entry.state = if silenced.is_some() { State::Silenced } else { State::Open };
            line.entry.silenced_because = silenced.and_then(|silenced| silenced.because);
        }
        self.fold(at);
        changes.extend(self.lines.values_mut().filter_map(|line| line.news(at)));
        self.forget(at);
        changes
    }

    /// Ends what pages that are no longer read had found: they will never say that it is over.
    pub fn retire(&mut self, at: f64, skipped: &[String]) -> Vec<Change> {
        let of_skipped = |line: &&mut Line| {
            line.entry.is_open() && skipped.iter().any(|rule| *rule == line.entry.finding.rule.as_str())
        };
        self.lines.values_mut().filter(of_skipped).filter_map(|line| line.resolve(at)).collect()
    }

    /// Writes down what became of a finding that is over. Whoever heard of its end hears of that.
    pub fn judge(&mut self, id: &str, verdict: Verdict) -> Option<Change> {
        let entry = &mut self.lines.get_mut(id)?.entry;
        entry.verdict = Some(verdict);
        (entry.told == Some(Kind::Resolved)).then(|| Change { kind: Kind::Verified, entry: entry.clone() })
    }

    fn say(&mut self, at: f64, target: &Name, id: String, finding: Finding) {
        let room = match finding.severity {
            Severity::Urgent => MAX_OPEN,
            Severity::Warning => MAX_OPEN - KEPT_FOR_WORSE,
            Severity::Note => MAX_OPEN - 2 * KEPT_FOR_WORSE,
        };
        let is_open = self.lines.get(&id).is_some_and(|line| line.entry.is_open());
        if !is_open && self.open().count() >= room {
            self.dropped += 1;
            return;
        }
        match self.lines.get_mut(&id) {
            Some(line) if is_open => line.go_on(at, finding),
            Some(line) if line.entry.resolved_at.is_some_and(|end| at - end <= REOPEN_WITHIN) => {
                let (opened_at, told) = (line.entry.opened_at, line.entry.told);
                *line = Line::of(Entry { told, ..Entry::open(id, target, opened_at, at, finding) });
            }
            _ => {
                self.lines.insert(id.clone(), Line::of(Entry::open(id, target, at, at, finding)));
            }
        }
    }

    fn forget(&mut self, at: f64) {
        self.lines.retain(|_, line| line.entry.resolved_at.is_none_or(|end| at - end <= RESOLVED_FOR));
        let excess = self.resolved().count().saturating_sub(MAX_RESOLVED);
        if excess > 0 {
            let mut ends: Vec<(f64, String)> =
                self.resolved().map(|entry| (entry.resolved_at.unwrap_or(at), entry.id.clone())).collect();
            ends.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (_, id) in ends.into_iter().take(excess) {
                self.lines.remove(&id);
            }
        }
    }
}

impl Entry {
    fn open(id: String, target: &Name, opened_at: f64, at: f64, finding: Finding) -> Self {
        Self {
            id,
            target: target.clone(),
            state: State::Open,
            worst: finding.severity,
            finding,
            opened_at,
            changed_at: at,
            seen_at: at,
            resolved_at: None,
            silenced_because: None,
            part_of: None,
            verdict: None,
            told: None,
        }
    }
}

impl Line {
    fn of(entry: Entry) -> Self {
        let (told, told_at) = (entry.finding.clone(), entry.changed_at);
        Self { entry, silent: 0, calm: 0, calmest: Severity::Note, told, told_at, was_part_at: None }
    }

    /// It was known before this life, and is the same trouble if it was not over for long.
    fn began_as(&mut self, before: Entry) {
        let entry = &mut self.entry;
        if before.resolved_at.is_none_or(|end| entry.opened_at - end <= REOPEN_WITHIN) {
            entry.opened_at = entry.opened_at.min(before.opened_at);
            entry.worst = entry.worst.max(before.worst);
            entry.told = entry.told.or(before.told);
        }
    }

    /// Said again. What is worse counts at once, what is milder after a while.
    fn go_on(&mut self, at: f64, mut finding: Finding) {
        self.silent = 0;
        self.entry.seen_at = at;
        let known = self.entry.finding.severity;
        if finding.severity >= known {
            (self.calm, self.calmest) = (0, Severity::Note);
        } else {
            self.calm += 1;
            self.calmest = self.calmest.max(finding.severity);
            if self.calm < RESOLVE_AFTER {
                finding.severity = known;
            } else {
                finding.severity = self.calmest;
                (self.calm, self.calmest) = (0, Severity::Note);
            }
        }
        self.entry.worst = self.entry.worst.max(finding.severity);
        self.entry.finding = finding;
    }

    fn resolve(&mut self, at: f64) -> Option<Change> {
        let entry = &mut self.entry;
        entry.state = State::Resolved;
        entry.part_of = None;
        (entry.resolved_at, entry.changed_at) = (Some(at), at);
        // Whoever heard of the beginning hears of the end, silence or not; nobody else does.
        entry.is_told().then(|| self.tell(at, Kind::Resolved))
    }

    /// What the sinks should hear now of a finding.
    fn news(&mut self, at: f64) -> Option<Change> {
        let ends_with_its_root = self.was_part_at.is_some_and(|last| at - last < ENDS_WITHIN);
        if !self.entry.stands_alone() || ends_with_its_root && self.entry.finding.severity < Severity::Urgent
        {
            return None;
        }
        let kind = match self.entry.told {
            None => Kind::Opened,
            Some(Kind::Resolved) => Kind::Reopened,
            Some(_) if self.has_changed(at) => Kind::Changed,
            Some(_) => return None,
        };
        Some(self.tell(at, kind))
    }

    fn has_changed(&self, at: f64) -> bool {
        let (told, now) = (&self.told, &self.entry.finding);
        told.severity != now.severity
            // The way to mend it was asked for and has been answered.
            || told.fix.is_some() != now.fix.is_some()
            || at - self.told_at >= TELL_NUMBERS_EVERY && is_material(told, now)
    }

    fn tell(&mut self, at: f64, kind: Kind) -> Change {
        self.told = self.entry.finding.clone();
        self.told_at = at;
        self.entry.told = Some(kind);
        self.entry.changed_at = at;
        Change { kind, entry: self.entry.clone() }
    }
}

fn is_material(told: &Finding, now: &Finding) -> bool {
    now.evidence.iter().filter(|(key, _)| !IMMATERIAL.contains(&key.as_str())).any(|(key, value)| {
        let before = told.evidence.get(key).and_then(serde_json::Value::as_f64);
        let (Some(before), Some(now)) = (before.map(f64::abs), value.as_f64().map(f64::abs)) else {
            return false;
        };
        now != before && (now >= MATERIAL * before || before >= MATERIAL * now)
    })
}

/// Times as people and other programs read them.
mod rfc3339 {
    use std::time::{Duration, UNIX_EPOCH};

    /// The end of the year 9999, behind which the format has no words.
    const LAST: f64 = 253_402_300_799.0;

    fn write(unix_seconds: f64) -> String {
        let known = if unix_seconds.is_nan() { 0.0 } else { unix_seconds.clamp(0.0, LAST) };
        // To the nearest millisecond: cut off, a time would lose one with every life.
        let since = Duration::from_millis((known * 1e3).round() as u64);
        humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
    }

    fn read(text: &str) -> Result<f64, String> {
        let time = humantime::parse_rfc3339_weak(text).map_err(|error| format!("{text:?}: {error}"))?;
        Ok(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64())
    }

    pub mod always {
        use serde::{Deserialize, Deserializer, Serializer, de::Error};

        pub fn serialize<S: Serializer>(at: &f64, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&super::write(*at))
        }
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
            super::read(&String::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }

    pub mod perhaps {
        use serde::{Deserialize, Deserializer, Serializer, de::Error};

        pub fn serialize<S: Serializer>(at: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => super::always::serialize(at, serializer),
                None => serializer.serialize_none(),
            }
        }
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| super::read(&text).map_err(D::Error::custom)).transpose()
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
