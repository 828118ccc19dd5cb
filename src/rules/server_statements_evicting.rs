use crate::config::Span;
use crate::model::{Flavour, Confidence, Finding, Fix, Name, Severity, StatementsInfo, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Server that forgets its statements
///
/// pg_stat_statements has no room for all the statements of this server and throws out the least used, again
/// and again.
///
/// ## Why it hurts
///
/// What is thrown out is missing from every sum, and a statement that comes back begins at zero: the numbers
/// of rare but heavy statements, and the totals, are too small. Each eviction also stops every session for the
/// moment that it takes.
///
/// ## What to do
///
/// Make room: raise `pg_stat_statements.max`. If the number of distinct statements has no end, mend that first:
/// lists of different lengths in `IN (…)`, names of temporary tables, texts with values pasted into identifiers.
///
/// ## When this page is wrong
///
/// After a deployment that changed all statements at once: the evictions stop by themselves within the hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerStatementsEvicting {
    /// Evictions in an hour that make a warning. One eviction throws out a twentieth of all entries: at ten an hour
    /// half of them are strangers.
    warn_per_hour: f64,
    /// The time over which they are counted: a single eviction is no rate.
    min_window: Span,
}

impl Default for ServerStatementsEvicting {
    fn default() -> Self {
        Self { warn_per_hour: 10.0, min_window: Span::secs(600) }
    }
}

impl Rule for ServerStatementsEvicting {
    const ID: &'static str = "server-statements-evicting";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::StatementsInfo];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        rates(seen).any(|rate| rate.seconds >= self.min_window.get().as_secs_f64())
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let long_enough = |rate: &Rate<'_>| rate.seconds >= self.min_window.get().as_secs_f64();
        let evicting = |rate: &Rate<'_>| rate.per_hour >= self.warn_per_hour;

        // The shortest that is long enough speaks of now; an older one would go on after it is mended.
        let rates = rates(seen).filter(long_enough);
        let latest = rates.min_by(|a, b| a.seconds.total_cmp(&b.seconds));
        latest.filter(evicting).map(|rate| finding(&rate).into()).into_iter()
    }
}

fn rates<'a>(seen: &Seen<'a>) -> impl Iterator<Item = Rate<'a>> {
    let windows = seen.windows().flat_map(|window| window.stretches_of::<StatementsInfo>());
    windows.flat_map(|(_, stretch, rows)| rows.iter().filter_map(move |row| Rate::of(row, stretch.seconds)))
}

struct Rate<'a> {
    info: &'a StatementsInfo,
    evictions: f64,
    seconds: f64,
    per_hour: f64,
}

impl<'a> Rate<'a> {
    fn of(info: &'a StatementsInfo, seconds: f64) -> Option<Rate<'a>> {
        let evictions = info.evictions?.float();
        Some(Rate { info, evictions, seconds, per_hour: evictions / seconds * 3_600.0 })
    }
}

fn finding(rate: &Rate<'_>) -> Finding {
    let max = rate.info.entries_max.map_or(5_000, |max| max.last.get());
    let wanted = max.saturating_mul(2).max(5_000);
    Finding {
        rule: Name::new(ServerStatementsEvicting::ID),
        severity: Severity::Warning,
        database: None,
        subject: "pg_stat_statements".into(),
        because: format!(
            "pg_stat_statements threw out its least used statements {} times in {}, because there is room for {}",
            script::count(rate.evictions),
            script::duration(rate.seconds),
            script::count(max as f64),
        ),
        evidence: evidence([
            ("evictions", json!(rate.evictions)),
            ("window_seconds", json!(rate.seconds.round())),
            ("per_hour", json!(rate.per_hour.round())),
            ("entries_max", json!(max)),
        ]),
        advice: "Make room for more statements; it takes effect with the next restart.".into(),
        fix: Some(Fix {
            sql: vec![format!("ALTER SYSTEM SET pg_stat_statements.max = {wanted};")],
            rollback: vec![format!("ALTER SYSTEM SET pg_stat_statements.max = {max};")],
            lock: String::new(),
            blocks: "nobody before the restart".into(),
            transactional: false,
            caution: "Needs a restart of the server, before and after. Costs about 500 bytes of shared memory a statement."
                .into(),
        }),
        confidence: Confidence::Measured,
    }
}
