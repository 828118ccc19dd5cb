//! InnoDB's word on a deadlock, spread over several entries of the error log.

use super::locks::{Deadlock, Locks, Participant};
use super::statements::Statements;
use crate::log::Micros;
use memchr::memmem;

/// What has been read of a deadlock that is being told.
#[derive(Debug, Default)]
pub struct Innodb {
    open: Option<(Option<Micros>, Vec<Participant>)>,
}

/// InnoDB tells of no more transactions in one deadlock than this.
const MAX_TRANSACTIONS: usize = 64;

impl Innodb {
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes the next entry of the log; what does not belong to a deadlock passes.
    pub fn entry(&mut self, text: &[u8], at: Option<Micros>, statements: &mut Statements, locks: &mut Locks) {
        if memmem::find(text, b"ransactions deadlock detected").is_some() {
            self.finish(locks);
            self.open = Some((at, Vec::new()));
        }
        let Some((_, participants)) = &mut self.open else { return };
        let mut lines = text.split(|b| *b == b'\n').peekable();
        while let Some(line) = lines.next() {
            if memmem::find(line, b") TRANSACTION:").is_some() && participants.len() < MAX_TRANSACTIONS {
                participants.push(Participant::default());
            }
            let Some(one) = participants.last_mut() else { continue };
            if let Some(thread) = memmem::find(line, b"thread id ").and_then(|at| line.get(at + 10..)) {
                one.process = digits(thread);
                let mut statement = Vec::new();
                while let Some(more) = lines.next_if(|line| !is_section(line)) {
                    statement.extend_from_slice(more);
                    statement.push(b'\n');
                }
                let row = statements.find(&statement).ok().and_then(|at| statements.get(at));
                one.digest = row.map(|row| row.digest);
                one.fingerprint = row.map(|row| row.fingerprint.to_string());
            } else if line.starts_with(b"RECORD LOCKS") && one.mode.is_empty() {
                one.mode =
                    word(line, b"lock_mode ").or_else(|| word(line, b"lock mode ")).unwrap_or_default();
                one.object = word(line, b" of table ").unwrap_or_default().replace('`', "");
            }
        }
        if memmem::find(text, b"WE ROLL BACK TRANSACTION").is_some() {
            self.finish(locks);
        }
    }

    /// Each waits for the next, the last for the first: so a deadlock of two is told, and of more InnoDB tells no
    /// more than the ring.
    fn finish(&mut self, locks: &mut Locks) {
        let Some((at, mut participants)) = self.open.take().filter(|(_, some)| !some.is_empty()) else {
            return;
        };
        let processes: Vec<u64> = participants.iter().map(|one| one.process).collect();
        for (one, next) in participants.iter_mut().zip(processes.iter().cycle().skip(1)) {
            one.blocked_by = *next;
        }
        let mut key: Vec<_> = participants.iter().map(|one| one.digest).collect();
        key.sort_unstable();
        locks.add_deadlock(key, Deadlock { count: 1, first: at, last: at, participants });
    }
}

fn is_section(line: &[u8]) -> bool {
    line.starts_with(b"*** ") || line.starts_with(b"RECORD LOCKS") || line.starts_with(b"TABLE LOCK")
}

fn digits(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|b| b.is_ascii_digit());
    digits.fold(0, |sum: u64, b| sum.saturating_mul(10).saturating_add(u64::from(b - b'0')))
}

/// The word behind a phrase: the name of a table or of a mode.
fn word(line: &[u8], phrase: &[u8]) -> Option<String> {
    let rest = line.get(memmem::find(line, phrase)? + phrase.len()..)?;
    let word = rest.split(|b| *b == b' ').next().unwrap_or_default();
    Some(String::from_utf8_lossy(word.get(..word.len().min(200)).unwrap_or_default()).into_owned())
}
