//! Where a password comes from, in libpq's order: what was given, a file, the environment, the password file.

use super::{Target, TargetUrl};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A password has no business being longer; a path that points at a log file has.
const MAX_FILE_BYTES: u64 = 64 * 1024;

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
    pub fn password(&self) -> Result<Option<SecretString>, NoPassword> {
        if let Some(path) = &self.password_file {
            return read_secret(path).map(|secret| Some(secret.0));
        }
        if let Some(given) = self.url.password() {
            return Ok(Some(given.get().clone()));
        }
        if let Some(given) = variable("PGPASSWORD") {
            return Ok(Some(given.into()));
        }
        let file = variable("PGPASSFILE")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(&variable("HOME")?).join(".pgpass")));
        file.map_or(Ok(None), |path| of_password_file(&path, &self.url))
    }
}

/// The first line of a file, if only its owner may read it.
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

fn unreadable(path: &Path, error: &std::io::Error) -> NoPassword {
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

fn of_password_file(path: &Path, url: &TargetUrl) -> Result<Option<SecretString>, NoPassword> {
    let Ok(about) = fs::metadata(path) else { return Ok(None) };
    if !about.is_file() || about.len() > MAX_FILE_BYTES {
        return Ok(None);
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    match find(&text, url) {
        // libpq overlooks an open file; a login that then fails for no visible reason helps nobody.
        Some(_) if about.mode() & 0o077 != 0 => check_file(path).and(Err(NoPassword {
            what: format!("{} can be read by others", path.display()),
            mend: format!("chmod 600 {}", path.display()),
        })),
        found => Ok(found.map(SecretString::from)),
    }
}

/// The first line whose four fields fit. Pure: also tested without a file.
fn find(text: &str, url: &TargetUrl) -> Option<String> {
    // libpq calls the usual socket `localhost`.
    let host = match url.host() {
        "/var/run/postgresql" | "/tmp" => "localhost",
        host => host,
    };
    let port = url.port().to_string();
    let wanted = [host, &port, url.database(), url.user()];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, place) = fields.split_last()?;
        let fits = |(field, wanted): (&String, &str)| field == "*" || field == wanted;
        (place.len() == 4 && place.iter().zip(wanted).all(fits)).then(|| password.clone())
    })
}

/// Five fields between colons; a backslash takes the next character as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut chars = line.trim_end_matches('\r').chars();
    while let Some(char) = chars.next() {
        match char {
            // The fifth field runs to the end of the line.
            ':' if fields.len() < 5 => fields.push(String::new()),
            char => {
                let kept = if char == '\\' { chars.next() } else { Some(char) };
                if let Some(field) = fields.last_mut() {
                    field.extend(kept);
                }
            }
        }
    }
    fields
}

/// Who we are when nobody says.
pub fn login_name() -> String {
    ["PGUSER", "USER", "LOGNAME"].into_iter().find_map(variable).unwrap_or_else(|| "postgres".to_owned())
}

pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_password_file() {
        let text = "# comment:1:2:3:4\n\
                    other:5432:*:dbsonde:no\n\
                    db\\:1:5432:*:dbsonde:colon\n\
                    ::1:*:*:*:broken\n\
                    db1:5433:orders:dbsonde:p\\:a\\\\ss:word\n\
                    localhost:*:*:*:socket\n\
                    short:1\n\
                    *:*:*:last:\n";
        let of = |url: &str| find(text, &url.parse().unwrap());
        assert_eq!(of("postgres://dbsonde@db1:5433/orders").as_deref(), Some("p:a\\ss:word"));
        assert_eq!(of("postgres://dbsonde@db1:5433/shop"), None);
        assert_eq!(of("postgres://x@%2Fvar%2Frun%2Fpostgresql/x").as_deref(), Some("socket"));
        assert_eq!(of("postgres://x@%2Fmy%2Fsockets/x"), None);
        assert_eq!(of("host='db:1' user=dbsonde").as_deref(), Some("colon"));
        assert_eq!(of("postgres://last@anywhere").as_deref(), Some(""));
    }
}
