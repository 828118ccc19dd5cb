//! The last good list on disk, so that a restart while nobody answers watches what was watched before.

use crate::config::Target;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, UNIX_EPOCH};

/// As long as an answer may be.
const MAX_BYTES: u64 = super::asking::MAX_ANSWER as u64;

/// A disk that does not answer by then keeps nobody from starting.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub struct Kept {
    path: PathBuf,
    /// The last list is still being written: a disk that hangs keeps one thread of ours.
    hangs: Arc<AtomicBool>,
}

impl Kept {
    pub fn new(directory: &Path, name: &str) -> Kept {
        let hash = xxhash_rust::xxh3::xxh3_64(format!("list-v1\0{name}").as_bytes());
        Kept { path: directory.join(format!("{hash:016x}.json")), hangs: Arc::default() }
    }

    /// The text, and the unix seconds of when it was had; nothing if the disk takes its time.
    pub fn read(&self) -> Option<(String, f64)> {
        let (own, (tell, told)) = (self.clone(), mpsc::channel());
        std::thread::spawn(move || tell.send(own.read_whole()));
        told.recv_timeout(PATIENCE).ok().flatten()
    }

    fn read_whole(&self) -> Option<(String, f64)> {
        let file = fs::File::open(&self.path).ok()?;
        let at = file.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        Some((text, at.as_secs_f64()))
    }

    /// Writes it, as soon as the disk takes it: nobody waits for that.
    pub fn write_aside(&self, list: &str, targets: &[Target], text: &str) {
        let (own, list, targets, text) = (self.clone(), list.to_owned(), targets.to_vec(), text.to_owned());
        let said = "its list of targets is not kept over a restart";
        if self.hangs.swap(true, Ordering::AcqRel) {
            tracing::warn!(list, error = "the disk does not answer", "{said}");
            return;
        }
        tokio::task::spawn_blocking(move || {
            if let Err(error) = own.write(&targets, &text) {
                tracing::warn!(list, %error, "{said}");
            }
            own.hangs.store(false, Ordering::Release);
        });
    }

    /// The old one stays until the new one is whole. A list with passwords in it is not kept at all.
    fn write(&self, targets: &[Target], text: &str) -> io::Result<()> {
        if targets.iter().any(|target| target.url.password().is_some()) {
            let _ = fs::remove_file(&self.path);
            return Err(io::Error::other(
                "passwords stand in its URLs; name files by __password_file instead",
            ));
        }
        fs::create_dir_all(self.path.parent().unwrap_or(Path::new("")))?;
        let new = self.path.with_extension("new");
        let _ = fs::remove_file(&new);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&new, &self.path)
    }
}
