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

/// Everything here waits for the disk.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    /// `None` until it was written anew by us.
    file: Option<File>,
    bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    Came(u64, Box<Change>),
    /// Delivered, given up, or it had to make room.
    Done(u64),
}

impl Spool {
    /// Opens the spool of a sink, and what still waits there in the order in which it came. Nothing is changed yet.
    pub fn open(directory: &Path, sink: &str) -> io::Result<(Spool, Vec<Change>)> {
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
        Ok((Spool { path, file: None, bytes: 0 }, live.into_values().collect()))
    }

    /// So long that it should be written anew.
    pub fn is_long(&self) -> bool {
        self.bytes > MAX_BYTES
    }

    #[cfg(test)]
    pub fn writes_to(&mut self, file: File) {
        self.file = Some(file);
    }

    pub fn append(&mut self, lines: &[Line]) -> io::Result<()> {
        let bytes = text(lines)?;
        let file = self.file.as_mut().ok_or_else(|| io::Error::other("it was not begun"))?;
        self.bytes += bytes.len() as u64;
        file.write_all(&bytes)
    }

    /// These lines and nothing else. The old file stays until the new one is whole.
    pub fn rewrite(&mut self, lines: &[Line]) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&new)?;
        let bytes = text(lines)?;
        file.write_all(&bytes)?;
        fs::rename(&new, &self.path)?;
        (self.file, self.bytes) = (Some(file), bytes.len() as u64);
        Ok(())
    }
}

fn text(lines: &[Line]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut bytes, line)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::ledger::tests::finding;
    use crate::model::Severity;

    fn came(nth: u64) -> Line {
        let found = vec![finding(&format!("t{nth}"), Severity::Warning, 1.5)];
        let change = Ledger::default().apply(1e9, &"db1".into(), found, |_, _| true, |_| None).remove(0);
        Line::Came(nth, Box::new(change))
    }

    fn waiting(dir: &Path, sink: &str) -> Vec<String> {
        let (_, changes) = Spool::open(dir, sink).unwrap();
        changes.into_iter().map(|change| change.entry.finding.subject).collect()
    }

    /// Whatever the file was cut to, what was told and not done is there, but for the line that was cut.
    #[test]
    fn a_cut_anywhere_loses_the_cut_line_alone() {
        let dir = std::env::temp_dir().join(format!("dbsonde-spool-{}", std::process::id()));
        let (mut spool, _) = Spool::open(&dir, "test").unwrap();
        assert!(spool.append(&[Line::Done(7)]).is_err(), "what was not begun is not added to");
        spool.rewrite(&[came(0), came(1)]).unwrap();
        for nth in 2..5 {
            spool.append(&[came(nth)]).unwrap();
        }
        spool.append(&[Line::Done(0), Line::Done(3)]).unwrap();
        drop(spool);
        let whole = fs::read(dir.join("test.jsonl")).unwrap();
        for cut in (0..=whole.len()).step_by(97).chain([whole.len()]) {
            fs::write(dir.join("cut.jsonl"), &whole[..cut]).unwrap();
            // A line that lacks nothing but its end is whole.
            let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
            let lines = ends.filter(|at| *at <= cut).count();
            let told: Vec<u64> = (0..5).take(lines).collect();
            let done: &[u64] = [&[][..], &[0], &[0, 3]][lines.saturating_sub(5)];
            let expected = told.into_iter().filter(|nth| !done.contains(nth)).map(|nth| format!("t{nth}"));
            assert_eq!(waiting(&dir, "cut"), expected.collect::<Vec<_>>(), "cut at {cut}");
        }
        let (mut spool, _) = Spool::open(&dir, "test").unwrap();
        assert_eq!(waiting(&dir, "test"), ["t1", "t2", "t4"], "to open it changes nothing");
        spool.rewrite(&[]).unwrap();
        assert_eq!(fs::metadata(dir.join("test.jsonl")).unwrap().len(), 0, "what is empty takes no room");
        fs::remove_dir_all(dir).unwrap();
    }
}
