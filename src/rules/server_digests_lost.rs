use crate::config::Span;
use crate::model::{
    Confidence, Finding, Fix, Flavour, Name, Severity, StatementsInfo, Stretch, Topic, evidence,
};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Server that counts statements under no name
///
/// performance_schema has no room for another digest, so every statement that is new to it is counted together with
/// all the others that found no room.
///
/// ## Why it hurts
///
/// The table never forgets: once it is full, whatever is written, deployed or asked from then on cannot be told apart,
/// until somebody empties it or the server starts anew. The statements of last year are measured to the microsecond
/// and the one that hurts today is not.
///
/// ## What to do
///
/// Make room: raise `performance_schema_digests_size`, which needs a restart, and until then empty the table: all
/// that it has counted is gone then, for everybody who reads it. If the number of distinct statements has no end, mend
/// that first: names of columns and tables that a program makes up, lists of different shapes, an ORM that writes out
/// each combination.
///
/// ## When this page is wrong
///
/// When what found no room will not come again, a migration for example: then nothing is lost any more and the finding
/// resolves by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerDigestsLost {
    /// Statements without a name in an hour that make a warning. Calibrated by us: one a minute, so that a single
    /// visit of a person does not.
    warn_per_hour: f64,
    /// The time over which they are counted: a single burst is no rate.
    min_window: Span,
}

impl Default for ServerDigestsLost {
    fn default() -> Self {
        Self { warn_per_hour: 60.0, min_window: Span::secs(600) }
    }
}

/// What one more digest costs, text included, by SHOW ENGINE PERFORMANCE_SCHEMA STATUS of MySQL 9.7 and of
/// MariaDB 10.5 and 11.8 with their default length of a digest. MySQL keeps a sample of each statement.
const MYSQL_BYTES: f64 = 4_224.0 + 1_024.0;
const MARIADB_BYTES: f64 = 512.0 + 1_024.0;
/// Where neither default nor setting is known: what both take by default from enough connections on.
const USUAL_SIZE: u64 = 10_000;

impl Rule for ServerDigestsLost {
    const ID: &'static str = "server-digests-lost";
    const NEEDS: &'static [Topic] = &[Topic::StatementsInfo];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        losses(seen).any(|loss| self.is_long_enough(&loss))
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let goes_on = |loss: &Loss<'_>| loss.per_hour() >= self.warn_per_hour;

        // The shortest that is long enough speaks of now; an older one would go on after it is mended.
        let known = losses(seen).filter(|loss| self.is_long_enough(loss));
        let latest = known.min_by(|a, b| a.stretch.seconds.total_cmp(&b.stretch.seconds));
        latest.filter(goes_on).map(|loss| finding(&loss, seen).into()).into_iter()
    }
}

impl ServerDigestsLost {
    fn is_long_enough(&self, loss: &Loss<'_>) -> bool {
        loss.stretch.seconds >= self.min_window.get().as_secs_f64()
    }
}

struct Loss<'a> {
    stretch: &'a Stretch,
    info: &'a StatementsInfo,
    lost: f64,
}

impl Loss<'_> {
    fn per_hour(&self) -> f64 {
        self.lost / self.stretch.seconds * 3_600.0
    }
}

fn losses<'a>(seen: &Seen<'a>) -> impl Iterator<Item = Loss<'a>> {
    let stretches = seen.windows().flat_map(|window| window.stretches_of::<StatementsInfo>());
    stretches.flat_map(|(_, stretch, rows)| {
        rows.iter().filter_map(move |info| Some(Loss { stretch, info, lost: info.lost?.float() }))
    })
}

fn finding(loss: &Loss<'_>, seen: &Seen<'_>) -> Finding {
    let size = loss.info.entries_max.map_or(USUAL_SIZE, |max| max.last.get());
    let wanted = size.saturating_mul(2).max(USUAL_SIZE);
    let each = if seen.flavour == Flavour::Mariadb { MARIADB_BYTES } else { MYSQL_BYTES };
    let price = (wanted - size.min(wanted)) as f64 * each;
    let setting = format!("performance_schema_digests_size = {wanted}");
    Finding {
        rule: Name::new(ServerDigestsLost::ID),
        severity: Severity::Warning,
        database: None,
        subject: "performance_schema digests".into(),
        because: format!(
            "{} statements were counted under no name in {}, because there is room for {} digests",
            script::count(loss.lost),
            script::duration(loss.stretch.seconds),
            script::count(size as f64),
        ),
        evidence: evidence([
            ("lost_statements", json!(loss.lost)),
            ("window_seconds", json!(loss.stretch.seconds.round())),
            ("per_hour", json!(loss.per_hour().round())),
            ("digests_max", json!(size)),
            ("wanted_digests_max", json!(wanted)),
            ("price_bytes", json!(price)),
        ]),
        advice: format!(
            "Set {setting} in the server's configuration, which takes {} of memory from the next start on; until then \
             empty the table.",
            script::bytes(price),
        ),
        fix: Some(fix(seen.flavour, &setting)),
        confidence: Confidence::Measured,
    }
}

fn fix(flavour: Flavour, setting: &str) -> Fix {
    // MariaDB cannot write its configuration.
    let persists = flavour == Flavour::Mysql;
    let set = persists.then(|| format!("SET PERSIST_ONLY {setting};"));
    let empty = "TRUNCATE TABLE performance_schema.events_statements_summary_by_digest;".to_owned();
    Fix {
        sql: set.into_iter().chain([empty]).collect(),
        rollback: if persists { vec!["RESET PERSIST performance_schema_digests_size;".into()] } else { Vec::new() },
        lock: String::new(),
        blocks: "nobody".into(),
        transactional: false,
        caution: "All that the server has counted by digest begins at zero, for everybody who reads it. What dbsonde \
                  has counted stays, with a gap."
            .into(),
    }
}
