//! Findings that nobody needs to hear about.

use super::Glob;
use super::diagnostic::nearest;
use crate::ledger::{Entry, Silenced};
use crate::model::Finding;
use crate::rules::Handbook;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

/// A finding is silenced when everything that is said here fits it. It stays open, and is not told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Silence {
    /// The id of a page: see `dbsonde rules`.
    pub rule: Option<String>,
    /// A pattern for the name of the target.
    pub target: Option<Glob>,
    /// A pattern for the database.
    pub database: Option<Glob>,
    /// A pattern for what the finding is about, such as public.audit_*
    pub subject: Option<Glob>,
    /// When the silence ends: 2027-01-31, or 2027-01-31T08:00:00Z. Left out, it never does.
    pub until: Option<Moment>,
    /// Why; shown beside the finding.
    pub reason: Option<String>,
}

impl Silence {
    /// `at`: unix seconds of now.
    pub fn covers(&self, rule: &str, target: &str, database: Option<&str>, subject: &str, at: f64) -> bool {
        let fits = |pattern: &Option<Glob>, text: Option<&str>| match pattern {
            Some(glob) => text.is_some_and(|text| glob.matches(text)),
            None => true,
        };
        self.rule.as_ref().is_none_or(|id| id == rule)
            && fits(&self.target, Some(target))
            && fits(&self.database, database)
            && fits(&self.subject, Some(subject))
            && self.until.is_none_or(|until| at < until.0)
    }

    /// Whether one of them silences a finding.
    pub fn any(silences: &[Silence], entry: &Entry, at: f64) -> Option<Silenced> {
        let Finding { rule, database, subject, .. } = &entry.finding;
        let covers =
            |silence: &&Silence| silence.covers(rule, &entry.target, database.as_deref(), subject, at);
        silences.iter().find(covers).map(|silence| Silenced { because: silence.reason.clone() })
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if let Some(rule) = &self.rule {
            return known_rule(rule).map_err(|said| ("rule", said));
        }
        if self.target.is_none() && self.database.is_none() && self.subject.is_none() {
            let said = "this would silence everything\nname a rule, target, database or subject";
            return Err(("reason", said.to_owned()));
        }
        Ok(())
    }
}

/// What is found about ourselves has no page in the handbook, and may be silenced like one.
pub const DOOR_OPEN: &str = "door-open";
pub const DISCOVERY_FAILING: &str = "discovery-failing";

pub(super) fn known_rule(id: &str) -> Result<(), String> {
    if Handbook::IDS.contains(&id) || [DOOR_OPEN, DISCOVERY_FAILING].contains(&id) {
        return Ok(());
    }
    let hint = match nearest(id, Handbook::IDS.iter().copied()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => "`dbsonde rules` lists them".to_owned(),
    };
    Err(format!("there is no rule `{id}`\n{hint}"))
}

/// A point in time, in unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Moment(pub f64);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole =
            if text.len() == "2027-01-31".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
        let parsed = humantime::parse_rfc3339_weak(&whole).ok();
        let seconds =
            parsed.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map(|age| age.as_secs_f64());
        seconds.map(Self).ok_or_else(|| {
            format!("{text:?} is not a date\nwrite \"2027-01-31\" or \"2027-01-31T08:00:00Z\"")
        })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = Duration::try_from_secs_f64(self.0).unwrap_or_default();
        humantime::format_rfc3339_seconds(UNIX_EPOCH + since).fmt(f)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // TOML has dates of its own; both ways of writing one are fine.
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::Datetime(date) => date.to_string(),
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Moment {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "title": "a date or a time in UTC" })
    }
}
