//! Where a configuration comes from, kept so that a reload reads it the same way.

use super::{Config, ConfigError, LogFormat, LogLevel, Shard, StateDir, Target};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Read when neither a file nor a target is named, if it is there.
pub const DEFAULT_PATH: &str = "/etc/dbsonde/dbsonde.toml";

/// A file, and what the command line says on top of it.
#[derive(Debug, Clone, Default)]
pub struct ConfigSource {
    pub path: Option<PathBuf>,
    pub targets: Vec<String>,
    /// Which part of the targets is ours; all of them if nobody says.
    pub shard: Option<Shard>,
    pub listen: Vec<SocketAddr>,
    pub web_config: Option<PathBuf>,
    pub state_dir: Option<StateDir>,
    pub log_level: Option<LogLevel>,
    pub log_format: Option<LogFormat>,
}

impl ConfigSource {
    /// Reads and checks everything anew. A configuration without a target is refused: there is nothing to run.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let mut config = match self.file() {
            Some(path) => Config::from_file(path)?,
            None => Config::default(),
        };
        if !self.listen.is_empty() {
            config.web.listen.clone_from(&self.listen);
        }
        if let Some(file) = &self.web_config {
            config.web.config_file = Some(file.clone());
        }
        if let Some(dir) = &self.state_dir {
            config.state.dir = dir.clone();
        }
        config.log.level = self.log_level.unwrap_or(config.log.level);
        config.log.format = self.log_format.unwrap_or(config.log.format);
        for url in &self.targets {
            config.add_target(url, "--target")?;
        }
        let mut config = config.with_files()?;
        // A part of a fleet may be empty, and files of targets may be filled later.
        let may_be_empty = self.shard.is_some() || config.discovery.is_open();
        self.keep_ours(&mut config.target);
        if config.target.is_empty() && !may_be_empty {
            let said = "there is no server to watch";
            return Err(match self.file() {
                Some(path) => {
                    let file = path.display().to_string();
                    ConfigError::plain(file, &format!("{said}\nadd a [[target]] with its url"))
                }
                None => {
                    let hint = "give --target postgres://user@host/postgres or --config.file F";
                    ConfigError::usage("run", &format!("{said}\n{hint}"))
                }
            });
        }
        Ok(config)
    }

    /// Leaves out what other shards watch.
    pub fn keep_ours(&self, targets: &mut Vec<Target>) {
        if let Some(shard) = self.shard {
            targets.retain(|target| shard.has(&target.name));
        }
    }

    /// The file that is read, and watched for changes.
    pub fn file(&self) -> Option<&Path> {
        let usual =
            || self.targets.is_empty().then_some(Path::new(DEFAULT_PATH)).filter(|path| path.exists());
        self.path.as_deref().or_else(usual)
    }
}
