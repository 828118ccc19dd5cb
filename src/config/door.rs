//! The front door: who may come in, and how. The file is the `web-config.yml` of Prometheus's exporters, so that one
//! file and one habit serve all of them. What we cannot honour is refused by its line, never overlooked.

mod settings;
mod tls;

use super::{ConfigError, Web, password};
use rustls::ServerConfig;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A file with an authority's certificates may be long; a longer one is something else.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Everything about coming in.
#[derive(Debug, Clone, Default)]
pub struct Door {
    /// The names by which browsers and scrapers may call us.
    pub hosts: Vec<String>,
    pub tls: Option<Arc<ServerConfig>>,
    /// Name and bcrypt hash of each user; nobody is asked where there is none.
    pub users: Vec<User>,
    /// Headers of every answer, in place of ours.
    pub headers: Vec<(String, String)>,
    pub rate: Option<Rate>,
    /// What an operator should know although nothing is wrong.
    pub remarks: Vec<String>,
    files: Vec<Known>,
}

#[derive(Clone)]
pub struct User {
    pub name: String,
    pub hash: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "User({})", self.name)
    }
}

/// One request each `interval`, and so many at once after a silence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub interval: Duration,
    pub burst: u32,
}

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    path: PathBuf,
    seen: Option<(SystemTime, u64)>,
}

impl Known {
    fn now(path: PathBuf) -> Known {
        let about = fs::metadata(&path).ok();
        let seen = about.and_then(|about| Some((about.modified().ok()?, about.len())));
        Known { path, seen }
    }
}

impl Door {
    /// Reads the file that the settings name, and what it names; without one the door is open.
    pub fn load(web: &Web) -> Result<Door, ConfigError> {
        let hosts = web.hosts.clone();
        let Some(path) = &web.config_file else { return Ok(Door { hosts, ..Door::default() }) };
        let name = path.display().to_string();
        let mut files = vec![Known::now(path.clone())];
        let bytes = read(path).map_err(|why| {
            ConfigError::plain(name.clone(), &format!("cannot read the web configuration: {why}"))
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| ConfigError::plain(name.clone(), "the web configuration is not UTF-8 text"))?;
        let base = path.parent().unwrap_or(Path::new(""));
        let mut open = |relative: &str| {
            let path = base.join(relative);
            files.push(Known::now(path.clone()));
            read(&path).map_err(|why| format!("cannot read {}: {why}", path.display()))
        };
        let settings = settings::read(&text, &mut open);
        let mut door =
            settings.map_err(|(place, said)| ConfigError::at(name, place.line, place.column, &said))?;
        (door.hosts, door.files) = (hosts, files);
        Ok(door)
    }

    /// Does everybody get in who can reach the address?
    pub fn is_open(&self) -> bool {
        self.tls.is_none() || self.users.is_empty()
    }

    /// The door as the files have it now, if one of them has changed since they were read: certificates are renewed
    /// without a word to us. If they are not good, this one, and what is wrong with them.
    pub fn newer(mut self, web: &Web) -> Option<(Door, Option<ConfigError>)> {
        if self.files.iter().all(|known| Known::now(known.path.clone()) == *known) {
            return None;
        }
        match Door::load(web) {
            Ok(door) => Some((door, None)),
            Err(error) => {
                // Taken for read as they are now, so that a broken one is told once.
                for known in &mut self.files {
                    *known = Known::now(std::mem::take(&mut known.path));
                }
                Some((self, Some(error)))
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let why = |error: std::io::Error| password::why(&error);
    let about = fs::metadata(path).map_err(why)?;
    if !about.is_file() {
        return Err("it is not a file".to_owned());
    }
    if about.len() > MAX_FILE_BYTES {
        return Err("it is larger than 1 MiB".to_owned());
    }
    fs::read(path).map_err(why)
}
