//! Where that lives which survives a restart.

use super::{Config, password};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// A directory; or "auto" for $STATE_DIRECTORY (systemd), else $XDG_STATE_HOME/dbsonde, else
    /// ~/.local/state/dbsonde; or "none" to forget everything at the end.
    pub dir: StateDir,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StateDir {
    #[default]
    Auto,
    None,
    Path(PathBuf),
}

impl From<String> for StateDir {
    fn from(text: String) -> Self {
        match text.as_str() {
            "auto" | "" => StateDir::Auto,
            "none" => StateDir::None,
            _ => StateDir::Path(text.into()),
        }
    }
}

impl Serialize for StateDir {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            StateDir::Auto => serializer.serialize_str("auto"),
            StateDir::None => serializer.serialize_str("none"),
            StateDir::Path(path) => path.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for StateDir {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(StateDir::from)
    }
}

impl JsonSchema for StateDir {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "StateDir".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl Config {
    /// The directory for state, or `None` to keep none.
    pub fn state_dir(&self) -> Option<PathBuf> {
        let set = |name: &str| password::variable(name);
        match &self.state.dir {
            StateDir::None => None,
            StateDir::Path(path) => Some(path.clone()),
            // systemd may give several, between colons; the first is ours.
            StateDir::Auto => set("STATE_DIRECTORY")
                .and_then(|paths| paths.split(':').next().map(PathBuf::from))
                .or_else(|| Some(Path::new(&set("XDG_STATE_HOME")?).join("dbsonde")))
                .or_else(|| Some(Path::new(&set("HOME")?).join(".local/state/dbsonde"))),
        }
    }
}
