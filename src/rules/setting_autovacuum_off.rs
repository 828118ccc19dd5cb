use crate::model::{Flavour, Confidence, Finding, Name, Setting, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Autovacuum is off
///
/// The server neither removes dead rows nor refreshes statistics by itself.
///
/// ## Why it hurts
///
/// Tables and indexes grow without end, the planner works with statistics of another time, and scans of indexes must look
/// into the table. Only a vacuum against wraparound still comes, at the worst of times.
///
/// ## What to do
///
/// Turn it on. If it was in the way, slow it down or give the tables in question thresholds of their own.
///
/// ## When this page is wrong
///
/// During a bulk load, for as long as that takes; or where a scheduler of your own vacuums and analyses every table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SettingAutovacuumOff {
    /// Settings that are as they are on purpose.
    ignore: Vec<String>,
}

/// Without counts autovacuum does not know what to do.
const NEEDED: [&str; 2] = ["autovacuum", "track_counts"];

impl Rule for SettingAutovacuumOff {
    const ID: &'static str = "setting-autovacuum-off";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Settings];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let needed = |setting: &&Setting| NEEDED.contains(&&*setting.setting);
        let is_off = |setting: &&Setting| setting.value.as_deref() == Some("off");
        let by_accident = |setting: &&Setting| !self.ignore.iter().any(|name| *name == *setting.setting);

        seen.now
            .rows::<Setting>()
            .filter(needed)
            .filter(is_off)
            .filter(by_accident)
            .map(|setting| finding(setting).into())
    }
}

fn finding(setting: &Setting) -> Finding {
    let name = &setting.setting;
    Finding {
        rule: Name::new(SettingAutovacuumOff::ID),
        severity: Severity::Warning,
        database: None,
        subject: name.to_string(),
        because: format!("{name} is off: 0 tables are vacuumed or analysed by themselves"),
        evidence: evidence([("value", json!("off")), ("source", json!(setting.source.as_str()))]),
        advice: "Turn it on.".into(),
        fix: script::setting_of_server(setting, "on"),
        confidence: Confidence::Measured,
    }
}
