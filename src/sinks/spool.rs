//! What waits for a sink, on disk: a restart loses nothing. Lines of JSON, appended: a change that came, or the word
//! that one is done. Nothing is synced: what is told here survives our own end, and a machine that loses
//! power has lost more than a message.

use crate::ledger::Change;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Written anew above this: a few thousand changes.
const MAX_BYTES: u64 = 8 << 20;
/// Never reads more than that of a file which something else has let grow.
const MAX_READ: u64 = 4 * MAX_BYTES;

#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// What is not done, by the order in which it came. As long as the queue, and one more.
    live: BTreeMap<u64, Change>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Came(u64, Box<Change>),
    Done(u64),
}

impl Spool {
    /// Opens the spool of a sink with what still waits there.
    pub fn open(directory: &Path, sink: &str) -> io::Result<Spool> {
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("{sink}.jsonl"));
        let mut live = BTreeMap::new();
        if let Ok(file) = File::open(&path) {
            for line in BufReader::new(file.take(MAX_READ)).split(b'\n') {
                match serde_json::from_slice(&line?) {
                    Ok(Line::Came(nth, change)) => drop(live.insert(nth, *change)),
                    Ok(Line::Done(nth)) => drop(live.remove(&nth)),
                    // The last line may be torn: nobody was told that it is kept.
                    Err(_) => {}
                }
            }
        }
        let mut spool = Spool { file: create(&path)?, path, bytes: 0, live };
        spool.rewrite()?;
        Ok(spool)
    }

    pub fn live(&self) -> &BTreeMap<u64, Change> {
        &self.live
    }

    pub fn came(&mut self, nth: u64, change: &Change) -> io::Result<()> {
        self.live.insert(nth, change.clone());
        self.append(&Line::Came(nth, Box::new(change.clone())))
    }

    /// Delivered, given up, or it had to make room.
    pub fn done(&mut self, nth: u64) -> io::Result<()> {
        self.live.remove(&nth);
        if self.live.is_empty() { self.rewrite() } else { self.append(&Line::Done(nth)) }
    }

    fn append(&mut self, line: &Line) -> io::Result<()> {
        if self.bytes > MAX_BYTES {
            return self.rewrite();
        }
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.bytes += bytes.len() as u64;
        self.file.write_all(&bytes)
    }

    /// The old file stays until the new one is whole.
    fn rewrite(&mut self) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let _ = fs::remove_file(&new);
        let mut file = create(&new)?;
        let mut bytes = Vec::new();
        for (nth, change) in &self.live {
            serde_json::to_writer(&mut bytes, &Line::Came(*nth, Box::new(change.clone())))?;
            bytes.push(b'\n');
        }
        file.write_all(&bytes)?;
        fs::rename(&new, &self.path)?;
        (self.file, self.bytes) = (file, bytes.len() as u64);
        Ok(())
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::ledger::tests::finding;
    use crate::model::Severity;

    fn change(subject: &str) -> Change {
        let found = vec![finding(subject, Severity::Warning, 1.5)];
        Ledger::default().apply(1e9, &"db1".into(), found, |_, _| true, &[]).remove(0)
    }

    /// Whatever the file was cut to, what was told and not done is there, but for the line that was cut.
    #[test]
    fn a_cut_anywhere_loses_the_cut_line_alone() {
        let dir = std::env::temp_dir().join(format!("dbsonde-spool-{}", std::process::id()));
        let mut spool = Spool::open(&dir, "test").unwrap();
        for nth in 0..5 {
            spool.came(nth, &change(&format!("t{nth}"))).unwrap();
        }
        spool.done(0).unwrap();
        spool.done(3).unwrap();
        drop(spool);
        let whole = fs::read(dir.join("test.jsonl")).unwrap();
        for cut in (0..=whole.len()).step_by(97).chain([whole.len()]) {
            fs::write(dir.join("cut.jsonl"), &whole[..cut]).unwrap();
            // A line that lacks nothing but its end is whole.
            let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
            let lines = ends.filter(|at| *at <= cut).count();
            let told: Vec<u64> = (0..5).take(lines).collect();
            let done: &[u64] = [&[][..], &[0], &[0, 3]][lines.saturating_sub(5)];
            let expected: Vec<u64> = told.into_iter().filter(|nth| !done.contains(nth)).collect();
            let spool = Spool::open(&dir, "cut").unwrap();
            assert_eq!(spool.live().keys().copied().collect::<Vec<_>>(), expected, "cut at {cut}");
        }
        let mut spool = Spool::open(&dir, "test").unwrap();
        assert_eq!(spool.live()[&4].entry.finding.subject, "t4");
        for nth in [1, 2, 4] {
            spool.done(nth).unwrap();
        }
        assert_eq!(fs::metadata(dir.join("test.jsonl")).unwrap().len(), 0, "what is empty takes no room");
        fs::remove_dir_all(dir).unwrap();
    }
}
