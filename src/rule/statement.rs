//! What pages about statements share: which statements they may speak of, and how they name them.

use super::catalogue::{Catalogue, live_rows};
use super::understood::{self, Understood};
use super::{Rule, Seen, Word};
use crate::config::Span;
use crate::model::{Confidence, Finding, Fix, Flavour, Name, Severity, Statement, Table, Topic};
use crate::script;
use crate::workload::{Cost, Key, Sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Statements that one page names at most, the dearest first: who has mended five reads again.
pub const MAX_NAMED: usize = 5;
/// Letters of a statement in a sentence, and in the evidence.
const EXCERPT: usize = 60;
const SHOWN: usize = 500;

/// Why a query goes through more than it needs. Whoever mends one of these mends its time and what it reads as well.
pub const DETOURS: &[&str] = &[
    "index-missing",
    "index-hidden-by-expression",
    "statement-implicit-conversion",
    "statement-collations-differ",
    "statement-like-collation",
    "statement-leading-wildcard",
    "statement-or-across-columns",
    "statement-range-checked",
    "statement-order-by-limit-trap",
    "statement-not-in-nullable",
    "statement-correlated-subquery",
    "statement-deep-offset",
    "plan-join-buffer",
    "plan-key-partly-used",
    "plan-inner-sequential-scan",
    "statement-plan-flipped",
];

/// A page that names the queries which cost too much of something.
pub trait Costly {
    const ID: &'static str;
    const OF: &'static [Flavour] = &Flavour::ALL;
    /// As in [`Rule`].
    const MENDED_WITH: &'static [&'static str] = &[];
    /// The time over which costs are added up, and for how long at least.
    fn min_window(&self) -> Span;
    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool;
    /// What the dearest have most of.
    fn measure(cost: &Cost) -> f64;
    /// Has the page something to say of such a query at all?
    fn speaks_of(_: &Ran<'_>) -> bool {
        true
    }
    fn finding(&self, ran: &Ran<'_>, seen: &Seen<'_>) -> Finding;
}

impl<P: Costly> Rule for P {
    const ID: &'static str = P::ID;
    const OF: &'static [Flavour] = P::OF;
    const NEEDS: &'static [Topic] = TOPICS;
    const MENDED_WITH: &'static [&'static str] = P::MENDED_WITH;

    fn span(&self) -> Duration {
        self.min_window().get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        has_seen_enough(seen, self.min_window())
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let is_costly = |_: &Key, cost: &Cost, sum: &Sum| self.is_costly(cost, sum);
        let costly = queries(seen, self.min_window(), is_costly, P::measure);
        costly.into_iter().filter(P::speaks_of).map(|ran| self.finding(&ran, seen).into())
    }
}

/// What makes a statement dear and a waste, where the server tells the rows that it looks at: again and again it goes
/// through almost all of a table and returns little.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct AlmostAll {
    /// Rows of the table whose index is not used. Smaller ones are read in no time.
    min_rows: f64,
    /// Share of the table that a run looks at. Calibrated by us: a half leaves room for estimates, and for runs that do
    /// use the index.
    min_read: f64,
    /// Share of what it looks at that it returns or changes, at most. Calibrated by us: above some five per cent reading
    /// everything is often the better plan.
    max_share: f64,
    /// Runs within the time looked at. Calibrated by us: less is somebody at a console.
    min_calls: f64,
    /// Sessions that it keeps busy on average. Calibrated by us: a hundredth of a core is worth a look.
    min_load: f64,
    /// The time over which it is counted, and for how long at least. Calibrated by us: shorter ones are noise.
    pub min_window: Span,
}

impl Default for AlmostAll {
    fn default() -> Self {
        Self {
            min_rows: 10_000.0,
            min_read: 0.5,
            max_share: 0.05,
            min_calls: 10.0,
            min_load: 0.01,
            min_window: Span::secs(300),
        }
    }
}

impl AlmostAll {
    /// What a page has to say of such statements, as many as a page names.
    pub fn findings<'a>(
        &self,
        seen: &Seen<'a>,
        speaks_of: impl Fn(&Understood<'a>) -> bool,
        judge: impl Fn(&Catalogue<'a>, &Understood<'a>) -> Option<Finding>,
    ) -> Vec<Word> {
        let is_costly = |_: &Key, cost: &Cost, sum: &Sum| self.is_costly(cost, sum);
        let costly = all_queries(seen, self.min_window, is_costly, |cost| cost.exec_seconds);
        understood::findings(seen, costly, speaks_of, judge)
    }

    fn is_costly(&self, cost: &Cost, sum: &Sum) -> bool {
        let looks_at_much = cost.each(cost.examined_rows) >= self.min_read * self.min_rows;
        let for_little = cost.rows <= self.max_share * cost.examined_rows;
        let again_and_again = cost.calls >= self.min_calls;
        looks_at_much && for_little && again_and_again && sum.rate(cost.exec_seconds) >= self.min_load
    }

    /// The rows of a table that is large, and that each run may have gone through.
    pub fn rows_of(&self, table: &Table, ran: &Ran<'_>) -> Option<f64> {
        let examined = ran.cost.each(ran.cost.examined_rows);
        live_rows(table).filter(|rows| *rows >= self.min_rows && examined >= self.min_read * rows)
    }
}

/// A query of a known wording, and what it cost.
#[derive(Debug, Clone)]
pub struct Ran<'a> {
    pub key: Key,
    pub cost: Cost,
    /// What it cost together with all others.
    pub sum: Arc<Sum>,
    pub text: &'a str,
}

/// What statements have cost lately; on first sight what the server remembers, when we have not watched for long
/// enough.
pub fn lately(seen: &Seen<'_>, min_window: Span) -> Option<Arc<Sum>> {
    let long_enough = |sum: &Arc<Sum>| sum.seconds >= min_window.get().as_secs_f64();
    let own = Some(seen.workload.lately()).filter(long_enough);
    own.or_else(|| {
        let mut stretches = seen.since_reset?.stretches_of::<Statement>();
        stretches.next().map(|(_, stretch, _)| Arc::new(Sum::since_reset(stretch))).filter(long_enough)
    })
}

/// Was there time enough for silence to mean something?
pub fn has_seen_enough(seen: &Seen<'_>, min_window: Span) -> bool {
    lately(seen, min_window).is_some()
}

/// The queries that cost what a page looks for, the dearest by its measure first, as many as a page names.
pub fn queries<'a>(
    seen: &Seen<'a>,
    min_window: Span,
    is_costly: impl Fn(&Key, &Cost, &Sum) -> bool,
    measure: impl Fn(&Cost) -> f64,
) -> Vec<Ran<'a>> {
    let mut found = all_queries(seen, min_window, is_costly, measure);
    found.truncate(MAX_NAMED);
    found
}

pub fn all_queries<'a>(
    seen: &Seen<'a>,
    min_window: Span,
    is_costly: impl Fn(&Key, &Cost, &Sum) -> bool,
    measure: impl Fn(&Cost) -> f64,
) -> Vec<Ran<'a>> {
    let Some(sum) = lately(seen, min_window) else { return Vec::new() };
    let costly = sum.statements.iter().filter(|(key, cost)| is_costly(key, cost, &sum));
    let mut found: Vec<Ran<'a>> = costly.filter_map(|(key, _)| query(seen, &sum, key)).collect();
    found.sort_by(|a, b| measure(&b.cost).total_cmp(&measure(&a.cost)));
    found
}

/// One query, if it ran lately and its wording is known.
pub fn query<'a>(seen: &Seen<'a>, sum: &Arc<Sum>, key: &Key) -> Option<Ran<'a>> {
    let (key, cost) = sum.statements.get_key_value(key)?;
    let text = seen.texts.fingerprint(key.digest).filter(|text| is_query(text))?;
    Some(Ran { key: key.clone(), cost: *cost, sum: sum.clone(), text })
}

/// What a run goes through: data where the server tells it, else the rows that it looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Through {
    Bytes(f64),
    Rows(f64),
}

impl Through {
    pub fn of(cost: &Cost) -> Through {
        if cost.touched_bytes > 0.0 {
            Through::Bytes(cost.each(cost.touched_bytes))
        } else {
            Through::Rows(cost.each(cost.examined_rows))
        }
    }

    pub fn amount(self) -> f64 {
        match self {
            Through::Bytes(amount) | Through::Rows(amount) => amount,
        }
    }
}

impl std::fmt::Display for Through {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Through::Bytes(bytes) => f.write_str(&script::bytes(*bytes)),
            Through::Rows(rows) => write!(f, "{} rows", script::count(rows.round())),
        }
    }
}

/// Utility statements share one digest for each command word, whatever they do.
fn is_query(text: &str) -> bool {
    let first = text.trim_start_matches('(').split(' ').next().unwrap_or_default();
    ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "WITH"]
        .iter()
        .any(|word| first.eq_ignore_ascii_case(word))
}

impl Ran<'_> {
    /// Does it only read?
    pub fn is_select(&self) -> bool {
        self.begins_with("select")
    }

    pub fn begins_with(&self, word: &str) -> bool {
        self.text.get(..word.len()).is_some_and(|first| first.eq_ignore_ascii_case(word))
    }

    /// As a sentence names it.
    pub fn name(&self) -> String {
        name_of(&self.key, self.text)
    }

    /// The part of a second that it takes of each.
    pub fn load(&self) -> f64 {
        self.sum.rate(self.cost.exec_seconds)
    }

    /// "in 5 min": over which time.
    pub fn when(&self) -> String {
        let seconds = script::duration(self.sum.seconds);
        if self.sum.by_hearsay {
            format!("in the {seconds} that the server remembers")
        } else {
            format!("in {seconds}")
        }
    }

    /// How much its runs differ, over all that the server remembers, so the slow ones of late are in it: who tests a
    /// difference by it errs towards silence. Where the server does not tell, the mean itself.
    pub fn deviation(&self, seen: &Seen<'_>) -> f64 {
        let rows = seen.now.rows::<Statement>();
        let own = rows.filter(|row| {
            row.digest == Some(self.key.digest) && row.database.as_ref() == Some(&self.key.database)
        });
        let told =
            own.filter_map(|row| row.stddev_exec_seconds).map(|level| level.float()).max_by(f64::total_cmp);
        told.unwrap_or_else(|| self.cost.mean_seconds())
    }

    /// Who sends it, the heaviest user first.
    pub fn user(&self, seen: &Seen<'_>) -> Option<Name> {
        user_of(seen, &self.key)
    }

    pub fn finding<const N: usize>(
        &self,
        rule: &str,
        severity: Severity,
        because: String,
        numbers: [(&str, Value); N],
        advice: String,
        fix: Option<Fix>,
    ) -> Finding {
        let mut evidence: BTreeMap<Name, Value> = crate::model::evidence(numbers);
        evidence.extend(crate::model::evidence([
            ("calls", json!(self.cost.calls)),
            ("exec_seconds", json!(self.cost.exec_seconds)),
            ("window_seconds", json!(self.sum.seconds.round())),
            ("statement", json!(shown(self.text))),
            ("digest", json!(self.key.digest.to_string())),
        ]));
        Finding {
            rule: Name::new(rule),
            severity,
            database: Some(self.key.database.clone()),
            subject: self.key.digest.to_string(),
            because,
            evidence,
            advice,
            fix,
            confidence: if self.sum.by_hearsay { Confidence::Unverified } else { Confidence::Measured },
        }
    }
}

/// As a sentence names a statement.
pub fn name_of(key: &Key, text: &str) -> String {
    format!("statement {} ({})", key.digest, excerpt(text, EXCERPT))
}

/// As the evidence shows it.
pub fn shown(text: &str) -> String {
    excerpt(text, SHOWN)
}

/// Who sends a statement, the heaviest user first.
pub fn user_of(seen: &Seen<'_>, key: &Key) -> Option<Name> {
    let rows = seen.now.rows::<Statement>();
    let own =
        rows.filter(|row| row.digest == Some(key.digest) && row.database.as_ref() == Some(&key.database));
    let heaviest = own.max_by(|a, b| a.exec_seconds.float().total_cmp(&b.exec_seconds.float()));
    heaviest.and_then(|row| row.user.clone())
}

/// The beginning of a text, up to so many letters.
fn excerpt(text: &str, letters: usize) -> String {
    let mut cut: String = text.chars().take(letters).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// A setting for the sessions of one user in one database; those that are open keep what they have.
pub fn setting_of_user(user: &str, database: &str, setting: &str, value: &str, caution: &str) -> Fix {
    let of = format!("ALTER ROLE {} IN DATABASE {}", script::identifier(user), script::identifier(database));
    Fix {
        sql: vec![format!("{of} SET {setting} = {value};")],
        rollback: vec![format!("{of} RESET {setting};")],
        lock: String::new(),
        blocks: "nobody".into(),
        transactional: true,
        caution: format!(
            "Takes effect in new sessions. {caution} The way back takes away what was set for this user before."
        ),
    }
}

/// The topic that pages about statements need and look back at.
pub const TOPICS: &[Topic] = &[Topic::Statements];
