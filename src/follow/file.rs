//! Opens what may be a log, and nothing else: a directory of logs is not ours, and who may write there must not have
//! us read what he may not.

use super::identity::Seen;
use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Why there is nothing to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("is not there")]
    Gone,
    /// Perhaps not for ever.
    #[error("{0}")]
    Denied(String),
    #[error("{0}")]
    Unfit(&'static str),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Refused::Gone,
            kind => Refused::Denied(kind.to_string()),
        }
    }
}

/// As its directory shows it now, behind a link if it is one.
pub fn see(path: &Path) -> Result<Seen, Refused> {
    let about = fs::metadata(path)?;
    if about.is_file() { Ok(Seen::of(&about)) } else { Err(Refused::Unfit("is not a regular file")) }
}

/// Opens a regular file. A link may be switched from file to file but not lead out of its directory.
pub fn open(path: &Path) -> Result<(File, Seen), Refused> {
    let real = fs::canonicalize(path)?;
    let home = fs::canonicalize(path.parent().unwrap_or(Path::new("/")))?;
    if real.parent() != Some(home.as_path()) {
        return Err(Refused::Unfit("is a link that leads out of its directory"));
    }
    // What was put there meanwhile, a link or a pipe, is neither followed nor waited for.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(real)?;
    let about = file.metadata()?;
    if about.is_file() { Ok((file, Seen::of(&about))) } else { Err(Refused::Unfit("is not a regular file")) }
}
