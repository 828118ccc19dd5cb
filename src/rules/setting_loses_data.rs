use crate::model::{Flavour, Confidence, Finding, Name, Setting, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Setting that loses data
///
/// A setting is off that the server needs to come back whole after a crash, or on that throws damaged data away.
///
/// ## Why it hurts
///
/// Nobody notices until the machine loses power or the kernel fails. Then the database may be damaged beyond repair, and
/// so may every standby that was copied from it.
///
/// ## What to do
///
/// Set it to what it should be. Where `fsync` was off, call `sync` on the machine once it is on: what was written before may
/// still be nowhere but in the kernel's memory. Who wants speed and can lose the last moments uses `synchronous_commit = off`
/// instead, which damages nothing.
///
/// ## When this page is wrong
///
/// On a server whose data may be lost whole: for tests, or one that is made anew after a crash. `full_page_writes` may be
/// off on a file system that never tears a page, as ZFS does not. Name such settings in `ignore`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SettingLosesData {
    /// Settings that are as they are on purpose.
    ignore: Vec<String>,
}

/// What each of them must be, and what it means that it is not.
const SAFE: [(&str, &str, &str); 4] = [
    ("fsync", "on", "nothing is known to be on disk, and a crash may damage all of it"),
    ("full_page_writes", "on", "a page that a crash left half written stays damaged"),
    ("zero_damaged_pages", "off", "a page that is damaged is emptied, with all its rows"),
    ("ignore_checksum_failure", "off", "damaged pages are read as if they were whole, and the damage spreads"),
];

impl Rule for SettingLosesData {
    const ID: &'static str = "setting-loses-data";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Settings];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let on_purpose = |setting: &Setting| self.ignore.iter().any(|name| *name == *setting.setting);
        let unsafe_now = |setting: &'a Setting| {
            let (_, safe, harm) = SAFE.into_iter().find(|(name, ..)| *name == &*setting.setting)?;
            let value = setting.value.as_deref()?;
            (value != safe).then_some((setting, value, safe, harm))
        };
        seen.now
            .rows::<Setting>()
            .filter(move |setting| !on_purpose(setting))
            .filter_map(unsafe_now)
            .map(|(setting, value, safe, harm)| finding(setting, value, safe, harm).into())
    }
}

fn finding(setting: &Setting, value: &str, safe: &str, harm: &str) -> Finding {
    let name = &setting.setting;
    Finding {
        rule: Name::new(SettingLosesData::ID),
        severity: Severity::Urgent,
        database: None,
        subject: name.to_string(),
        because: format!("{name} is {value}: after 1 crash {harm}"),
        evidence: evidence([
            ("value", json!(value)),
            ("safe_value", json!(safe)),
            ("source", json!(setting.source.as_str())),
        ]),
        advice: format!("Set {name} to {safe}."),
        fix: script::setting_of_server(setting, safe),
        confidence: Confidence::Measured,
    }
}
