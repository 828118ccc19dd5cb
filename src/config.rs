//! What the operator writes; parsing is validating. Nothing after this reads the environment or a file of
//! settings.

mod defaults;
mod diagnostic;
mod discovery;
mod door;
mod glob;
mod libpq;
mod log;
mod login;
mod mask;
mod measure;
mod mysql;
mod option_file;
mod password;
mod password_command;
mod pgpass;
mod place;
mod service;
mod silence;
mod sink;
mod source;
mod state;
mod target;
mod terminal;
mod url;
mod words;
mod yaml;

pub use diagnostic::{ConfigError, nearest};
pub use discovery::{Discovery, HttpList, Shard};
pub use door::{Door, Rate, User};
pub use glob::Glob;
pub use log::{LogSource, Paths};
pub use login::Login;
pub use mask::mask;
pub use measure::{ByteSize, Span};
pub use password::{NoPassword, Secret};
pub use place::Place;
pub use silence::{DISCOVERY_FAILING, DOOR_OPEN, Moment, Silence};
pub use sink::{SinkConfig, SinkKind, pieces};
pub use source::{ConfigSource, DEFAULT_PATH};
pub use state::{State, StateDir};
pub use target::{Databases, Target};
pub use terminal::{has_secret_argument, wants_colour, width};
pub use url::TargetUrl;

use crate::rules::Handbook;
use diagnostic::{Document, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

/// A file of settings is written by hand; whatever is larger is not one.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// Each target costs tasks, connections and memory; more belong on a second machine.
const MAX_TARGETS: usize = 1000;

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What we show, and where.
    pub web: Web,
    /// What survives a restart.
    pub state: State,
    /// What we say about ourselves, on standard error.
    pub log: Log,
    /// How often things are read. Longer is gentler; none goes below its floor.
    pub pace: Paces,
    /// What watching may cost.
    pub budget: Budget,
    /// The servers to watch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<Target>,
    /// Servers that another program writes down.
    pub discovery: Discovery,
    /// The thresholds of the handbook, a table for each page: see `dbsonde rules`.
    pub rules: Handbook,
    /// Findings that nobody needs to hear about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub silence: Vec<Silence>,
    /// Who is told when a finding opens, changes or resolves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sink: Vec<SinkConfig>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Addresses to serve metrics, findings and pages on. Think of a config_file before you leave loopback.
    pub listen: Vec<SocketAddr>,
    /// TLS, users and headers: a web-config.yml as Prometheus's exporters have it. It is read again when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_file: Option<PathBuf>,
    /// Names by which this machine may be called, beside localhost and addresses. On loopback no other is
    /// answered, so that no page of the web can read through a browser here; elsewhere any is, unless some are named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

impl Default for Web {
    fn default() -> Self {
        let listen = vec![SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9909))];
        Self { listen, config_file: None, hosts: Vec::new() }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least serious thing worth saying: error, warn, info, debug or trace.
    pub level: LogLevel,
    /// text or json.
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Paces {
    /// Sessions, waits and blocking. At least 1s.
    pub pulse: Span,
    /// Counters of statements and of the server. At least 5s.
    pub beat: Span,
    /// Tables, indexes, replication. At least 15s.
    pub slow: Span,
    /// Schema, settings, sizes. At least 1m.
    pub rare: Span,
}

impl Default for Paces {
    fn default() -> Self {
        Self { pulse: Span::secs(1), beat: Span::secs(15), slow: Span::secs(60), rare: Span::secs(900) }
    }
}

impl Paces {
    /// Name, value and floor of each.
    fn with_floors(&self) -> [(&'static str, Span, Span); 4] {
        [
            ("pulse", self.pulse, Span::secs(1)),
            ("beat", self.beat, Span::secs(5)),
            ("slow", self.slow, Span::secs(15)),
            ("rare", self.rare, Span::secs(60)),
        ]
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Series that one target may have on /metrics; what does not fit is summed as `other`.
    pub series: usize,
    /// Connections to one server, at most 3. With 2 nobody walks the databases: tables and indexes are not read.
    /// With 1 only the counters of statements and of the server are.
    pub connections: usize,
    /// MiB that tables, indexes, columns and what else is read of all databases of one server may fill; what finds no
    /// room is told as missing. 64 have room for 10,000 tables of MySQL with 30,000 indexes and 50,000 columns.
    pub memory_mib: usize,
    /// Questions (plans, definitions) that one server may be asked in a minute; 0 asks none.
    pub explain: usize,
    /// Keep our own cost in each server under 1 % of one core by reading less often. Off only to measure that cost.
    pub throttle: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { series: 5000, connections: 3, memory_mib: 64, explain: 20, throttle: true }
    }
}

impl Budget {
    /// Bytes that what is read of the databases of one server may fill.
    pub fn room(&self) -> usize {
        self.memory_mib.saturating_mul(1 << 20)
    }
}

impl Config {
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let unreadable = |why: &dyn std::fmt::Display| {
            ConfigError::plain(name.clone(), &format!("cannot read the configuration: {why}"))
        };
        let about = std::fs::metadata(path).map_err(|error| unreadable(&password::why(&error)))?;
        if about.len() > MAX_FILE_BYTES {
            return Err(unreadable(&"it is larger than 4 MiB"));
        }
        let bytes = std::fs::read(path).map_err(|error| unreadable(&password::why(&error)))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable(&"it is not UTF-8 text"))?;
        Self::from_text(&text, &name)
    }

    /// Paths in the text are relative to where `file_name` is.
    pub fn from_text(text: &str, file_name: &str) -> Result<Self, ConfigError> {
        let document = Document { file: file_name, text };
        let parsed = toml::Deserializer::parse(text).and_then(Config::deserialize);
        let mut config: Config = parsed.map_err(|error| document.translate(&error))?;
        let base = Path::new(file_name).parent().unwrap_or(Path::new(""));
        let files = config.target.iter_mut().filter_map(|target| target.password_file.as_mut());
        let files = files.chain(&mut config.web.config_file).chain(config.discovery.paths());
        for path in files.chain(config.sink.iter_mut().flat_map(SinkConfig::files)) {
            *path = base.join(&*path);
        }
        config.name_targets();
        config.check(&|path, said| document.complain(path, said))?;
        Ok(config)
    }

    /// One server and defaults: what `inspect` and `record` need.
    pub fn for_url(url: &str) -> Result<Self, ConfigError> {
        let mut config = Config::default();
        config.add_target(url, "URL")?;
        Ok(config)
    }

    /// `said_by` names the argument in an error.
    fn add_target(&mut self, url: &str, said_by: &str) -> Result<(), ConfigError> {
        let complain = |said: &str| ConfigError::usage(said_by, said);
        let url: TargetUrl = url.parse().map_err(|said: String| complain(&said))?;
        self.target.push(Target::new(url));
        self.name_targets();
        self.check(&|_, said| complain(said))
    }

    /// With what the files of targets say now.
    pub fn with_files(mut self) -> Result<Self, ConfigError> {
        let found = self.discovery.targets()?;
        self.admit(found, "the files of targets")?;
        Ok(self)
    }

    /// Adds targets that were found elsewhere; `whence` is who says so.
    pub fn admit(&mut self, mut found: Vec<Target>, whence: &str) -> Result<(), ConfigError> {
        if found.is_empty() {
            return Ok(());
        }
        self.target.append(&mut found);
        self.check(&|_, said| ConfigError::plain(whence, said))
    }

    fn name_targets(&mut self) {
        for target in &mut self.target {
            if target.name.is_empty() {
                target.name = target.url.default_name().as_str().into();
            }
        }
    }

    /// What types cannot say. Stops at the first complaint.
    fn check(&self, complain: &dyn Fn(&[Step<'_>], &str) -> ConfigError) -> Result<(), ConfigError> {
        use Step::{Key, Nth};
        if self.web.listen.is_empty() {
            return Err(complain(&[Key("web"), Key("listen")], "there is no address to listen on"));
        }
        for (name, pace, floor) in self.pace.with_floors() {
            if pace < floor {
                let said = format!(
                    "{pace} is too often: {name} is at least {floor}\nwrite {name} = \"{floor}\" or more"
                );
                return Err(complain(&[Key("pace"), Key(name)], &said));
            }
        }
        if !(1..=3).contains(&self.budget.connections) {
            let said = "connections is 1, 2 or 3\nmore would weigh on the server";
            return Err(complain(&[Key("budget"), Key("connections")], said));
        }
        if self.budget.memory_mib == 0 {
            let said = "memory_mib is at least 1\nwrite memory_mib = 64, or leave it out";
            return Err(complain(&[Key("budget"), Key("memory_mib")], said));
        }
        if self.budget.series == 0 {
            let said = "series is at least 1\nwrite series = 5000, or leave it out";
            return Err(complain(&[Key("budget"), Key("series")], said));
        }
        for (nth, id) in self.rules.skip.iter().enumerate() {
            silence::known_rule(id)
                .map_err(|said| complain(&[Key("rules"), Key("skip"), Nth(nth)], &said))?;
        }
        self.discovery.check().map_err(|(nth, key, said)| {
            complain(&[Key("discovery"), Key("http"), Nth(nth), Key(key)], &said)
        })?;
        if self.target.len() > MAX_TARGETS {
            let said =
                format!("there are more than {MAX_TARGETS} targets\nshare them among several dbsondes");
            return Err(complain(&[Key("target"), Nth(MAX_TARGETS)], &said));
        }
        let in_list = |list, nth, path: &[Step<'_>], said: &str| {
            complain(&[&[Key(list), Nth(nth)], path].concat(), said)
        };
        let mut names = HashSet::new();
        for (nth, target) in self.target.iter().enumerate() {
            if !names.insert(&target.name) {
                let said = format!("two targets are called `{}`\ngive each its own name", target.name);
                return Err(in_list("target", nth, &[Key("name")], &said));
            }
            target.check().map_err(|(path, said)| in_list("target", nth, &path, &said))?;
        }
        for (nth, silence) in self.silence.iter().enumerate() {
            silence.check().map_err(|(key, said)| in_list("silence", nth, &[Key(key)], &said))?;
        }
        for (nth, sink) in self.sink.iter().enumerate() {
            sink.check().map_err(|(key, said)| in_list("sink", nth, &[Key(key)], &said))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
