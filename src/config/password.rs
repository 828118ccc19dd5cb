//! Where a password comes from, in libpq's order: what was given, the environment, the password file. A command or
//! a file of one's own goes before all of them.

use super::{Place, Target, mysql, option_file, password_command, pgpass};
use crate::disk::{self, Hangs};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A password has no business being longer; a path that points at a log file has.
pub const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Text that is never shown. It compares, so that a reload can tell whether anything changed.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(text.into())
    }
    pub fn get(&self) -> &SecretString {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Why there is no password to be had: what is wrong, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({mend})")]
pub struct NoPassword {
    pub what: String,
    pub mend: String,
}

impl Target {
    /// Read at each connect, so that a rotated password is found without a restart.
    pub async fn password(&self, place: &Place) -> Result<Option<Secret>, NoPassword> {
        if let Some(command) = &self.password_command {
            return password_command::run(command).await.map(Some);
        }
        let given = self.url.password().or(self.url.kept_password());
        if self.password_file.is_none() && given.is_some() {
            return Ok(given.cloned());
        }
        let (own, place) = (self.clone(), place.clone());
        let name = format!("the password of {}", self.name);
        let read = disk::read(&name, move || own.read_password(&place)).await;
        read.unwrap_or_else(|hangs| Err(unanswered("the password", hangs)))
    }

    /// May wait for a disk.
    fn read_password(&self, place: &Place) -> Result<Option<Secret>, NoPassword> {
        if let Some(path) = &self.password_file {
            return read_secret(path).map(Some);
        }
        // The environment and the usual files hold what the operator gives to servers that he has named himself.
        if self.url.is_from_elsewhere() {
            return Ok(None);
        }
        if self.url.scheme() == mysql::SCHEME {
            if let Some(file) = self.url.param("defaults_file")
                && let Some(kept) = option_file::password(Path::new(file), self.url.param("defaults_group"))?
            {
                return Ok(Some(kept));
            }
            return Ok(variable("MYSQL_PWD").map(Secret::new));
        }
        if let Some(given) = variable("PGPASSWORD") {
            return Ok(Some(Secret::new(given)));
        }
        let usual = || Some(Path::new(&variable("HOME")?).join(".pgpass"));
        let file = self.url.param("passfile").map(PathBuf::from).or_else(usual);
        file.map_or(Ok(None), |path| pgpass::read(&path, &self.url, place))
    }
}

/// The first line of a file, if only its owner may read it; nobody waits for its disk for long.
pub async fn secret(path: &Path) -> Result<Secret, NoPassword> {
    let own = path.to_owned();
    let read = disk::read(&path.to_string_lossy(), move || read_secret(&own)).await;
    read.unwrap_or_else(|hangs| Err(unanswered(&path.display().to_string(), hangs)))
}

fn unanswered(what: &str, hangs: Hangs) -> NoPassword {
    NoPassword { what: format!("cannot read {what}: {hangs}"), mend: "see what that waits for".into() }
}

/// The same for whoever may wait.
pub fn read_secret(path: &Path) -> Result<Secret, NoPassword> {
    check_file(path)?;
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Ok(Secret::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// A file with a secret must exist, hold something and be closed to others.
pub fn check_file(path: &Path) -> Result<(), NoPassword> {
    let about = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !about.is_file() {
        return Err(NoPassword {
            what: format!("{} is not a file", path.display()),
            mend: "name a file".into(),
        });
    }
    if is_open_to_others(&about) {
        return Err(NoPassword {
            what: format!("{} can be read by others", path.display()),
            mend: format!("chmod 600 {}", path.display()),
        });
    }
    if about.len() == 0 || about.len() > MAX_FILE_BYTES {
        return Err(NoPassword {
            what: format!("{} is empty or not a secret", path.display()),
            mend: "put the secret alone on its first line".into(),
        });
    }
    fs::File::open(path).map(drop).map_err(|error| unreadable(path, &error))
}

/// As libpq judges private keys: a file of root may be read by its group, which is how systemd and Kubernetes
/// hand out credentials.
fn is_open_to_others(about: &fs::Metadata) -> bool {
    let others = if about.uid() == 0 { 0o037 } else { 0o077 };
    about.mode() & others != 0
}

pub fn unreadable(path: &Path, error: &std::io::Error) -> NoPassword {
    let mend = match error.kind() {
        std::io::ErrorKind::NotFound => "create the file, or correct the path",
        std::io::ErrorKind::PermissionDenied => "give it to the user that dbsonde runs as",
        _ => "see that it is a file of text",
    };
    NoPassword { what: format!("cannot read {}: {}", path.display(), why(error)), mend: mend.into() }
}

/// What the system says, in fewer words.
pub fn why(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        kind => kind.to_string(),
    }
}

/// The name of the user that this process runs as.
pub fn system_user() -> Option<String> {
    let uid = fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let names = users.lines().map(|line| line.split(':'));
    names
        .filter_map(|mut fields| Some((fields.next()?, fields.nth(1)?)))
        .find(|(_, id)| *id == uid)
        .map(|(name, _)| name.to_owned())
}

pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
