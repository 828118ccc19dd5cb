//! The messages of PostgreSQL, taken apart.

use super::classes::Class;
use super::fact::{Checkpoint, Execution, Fact, Kind, Outcome, Phase, Vacuum, Wait};
use super::{fixed, micros, whole};
use crate::log::{Message, Severity, SqlState};
use memchr::memmem;

pub fn fact<'a>(message: &Message<'a>, severity: Severity, state: Option<SqlState>) -> Fact<'a> {
    if let Some(fact) = message.text.strip_prefix(b"duration: ").and_then(|rest| duration(rest, message)) {
        return fact;
    }
    let class = Class::of(message.text, severity, state, false);
    let kind = class.and_then(|class| kind(class, message)).unwrap_or(
        if matches!(severity, Severity::Error | Severity::Fatal | Severity::Panic) {
            Kind::Error
        } else {
            Kind::Plain
        },
    );
    Fact { class, kind }
}

/// `17.368 ms  statement: select …`; `rest` is behind `duration: `.
fn duration<'a>(rest: &'a [u8], message: &Message<'a>) -> Option<Fact<'a>> {
    let (micros, length) = millis(rest)?;
    let rest = rest.get(length..)?.strip_prefix(b" ms")?;
    if rest.is_empty() {
        return Some(Fact { class: Some(Class::StatementDuration), kind: Kind::Bare(micros) });
    }
    let rest = rest.strip_prefix(b"  ")?;
    if let Some(text) = rest.strip_prefix(b"plan:\n") {
        return Some(Fact { class: Some(Class::StatementAutoExplain), kind: Kind::Plan { micros, text } });
    }
    let (phase, text) = phase(rest, message.detail)?;
    let class = match phase {
        Phase::Execute | Phase::Fetch => Class::StatementDuration,
        Phase::Parse => Class::StatementParse,
        Phase::Bind => Class::StatementBind,
    };
    Some(Fact { class: Some(class), kind: Kind::Execution(Execution { phase, micros, text, slow: None }) })
}

/// What follows the duration. Names of prepared statements may hold a colon, `execute py:0x7f: select`, but no
/// colon with a blank.
fn phase<'a>(rest: &'a [u8], detail: &'a [u8]) -> Option<(Phase, &'a [u8])> {
    let named = |word: &[u8]| {
        let rest = rest.strip_prefix(word)?;
        let colon = memmem::find(rest, b": ")?;
        rest.get(colon + 2..)
    };
    if let Some(text) = rest.strip_prefix(b"statement: ") {
        return Some((Phase::Execute, prepared(detail).unwrap_or(text)));
    }
    if let Some(text) = named(b"execute fetch from ") {
        return Some((Phase::Fetch, text));
    }
    let phases: [(&[u8], Phase); 3] =
        [(b"execute ", Phase::Execute), (b"parse ", Phase::Parse), (b"bind ", Phase::Bind)];
    phases.into_iter().find_map(|(word, phase)| Some((phase, named(word)?)))
}

/// `execute p(1)` is an execution of what `prepare p as …` has said; the detail shows that.
fn prepared(detail: &[u8]) -> Option<&[u8]> {
    let text = detail.strip_prefix(b"prepare: ")?;
    let as_word = text.windows(4).position(|window| {
        matches!(window, [b' ' | b'\n' | b'\t', b'a' | b'A', b's' | b'S', b' ' | b'\n' | b'\t'])
    })?;
    text.get(as_word + 4..)
}

fn kind<'a>(class: Class, message: &Message<'a>) -> Option<Kind<'a>> {
    let text = message.text;
    match class {
        Class::StatementLog => {
            let other = || Some((Phase::Execute, text.get(memmem::find(text, b": ")? + 2..)?));
            phase(text, message.detail).or_else(other).map(|(phase, text)| Kind::Logged(phase, text))
        }
        Class::ServerTempFileCreated => Some(Kind::TempFile(after(text, b", size "))),
        Class::LockWaiting | Class::LockAcquired | Class::LockDeadlockAvoided => wait(text).map(Kind::Wait),
        Class::LockDeadlockDetected if text.starts_with(b"deadlock") => Some(Kind::Deadlock),
        Class::LockDeadlockDetected | Class::LockTimeout => wait(text).map(Kind::Wait),
        Class::AutovacuumCompleted | Class::AutoanalyzeCompleted => {
            vacuum(text, class == Class::AutoanalyzeCompleted).map(Kind::Vacuum)
        }
        Class::CheckpointComplete | Class::RestartpointComplete => Some(Kind::Checkpoint(checkpoint(text))),
        Class::ConnectionDisconnected => {
            let time = text.strip_prefix(b"disconnection: session time: ")?;
            Some(Kind::Disconnection(session_time(time)))
        }
        _ => None,
    }
}

/// `17.368` as microseconds, and its length.
fn millis(text: &[u8]) -> Option<(u64, usize)> {
    fixed(text, 3)
}

/// The whole number behind a phrase; zero if it is not there.
fn after(text: &[u8], phrase: &[u8]) -> u64 {
    memmem::find(text, phrase).and_then(|at| text.get(at + phrase.len()..)).map_or(0, whole)
}

/// The seconds behind a phrase, in microseconds.
fn seconds_after(text: &[u8], phrase: &[u8]) -> u64 {
    memmem::find(text, phrase).and_then(|at| text.get(at + phrase.len()..)).map_or(0, micros)
}

/// `process 18 still waiting for ShareLock on transaction 49 after 1000.085 ms`.
fn wait(text: &[u8]) -> Option<Wait<'_>> {
    let process = text.strip_prefix(b"process ")?;
    let forms: [(&[u8], Outcome); 5] = [
        (b" still waiting for ", Outcome::Waiting),
        (b" acquired ", Outcome::Acquired),
        (b" detected deadlock while waiting for ", Outcome::Deadlock),
        (b" avoided deadlock for ", Outcome::Avoided),
        (b" failed to acquire ", Outcome::Failed),
    ];
    let (outcome, rest) = forms.into_iter().find_map(|(words, outcome)| {
        Some((outcome, process.get(memmem::find(process, words)? + words.len()..)?))
    })?;
    let (mode, rest) = split(rest, b" on ")?;
    let object = rest.split(|b| *b == b' ').next().unwrap_or_default();
    let (_, time) = rsplit(rest, b" after ")?;
    Some(Wait { process: whole(process), mode, object, micros: millis(time)?.0, outcome })
}

fn split<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = memmem::find(text, at)?;
    Some((text.get(..found)?, text.get(found + at.len()..)?))
}

fn rsplit<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = memmem::rfind(text, at)?;
    Some((text.get(..found)?, text.get(found + at.len()..)?))
}

/// The text of one `automatic vacuum` or `analyze`, of PostgreSQL 10 to 18: what one version leaves out is zero.
fn vacuum(text: &[u8], analyze: bool) -> Option<Vacuum<'_>> {
    let (head, rest) = split(text, b" of table \"")?;
    let (table, rest) = split(rest, b"\"")?;
    let hits = after(rest, b"buffer usage: ");
    let usage = split(rest, b"buffer usage: ").map_or(&b""[..], |(_, usage)| usage);
    let wal = split(rest, b"WAL usage: ").map_or(&b""[..], |(_, wal)| wal);
    let wal = wal.split(|b| *b == b'\n').next().unwrap_or_default();
    let tuples = split(rest, b"tuples: ").map_or(&b""[..], |(_, tuples)| tuples);
    Some(Vacuum {
        table,
        analyze,
        aggressive: memmem::find(head, b"aggressive").is_some()
            || memmem::find(head, b"wraparound").is_some(),
        tuples_removed: whole(tuples),
        tuples_dead: before(tuples, b" are dead but not yet removable"),
        pages_removed: after(rest, b"pages: "),
        pages_scanned: before(rest, b" scanned"),
        buffer_hits: hits,
        buffer_misses: before(usage, b" misses").max(before(usage, b" reads")),
        buffer_dirtied: before(usage, b" dirtied"),
        wal_bytes: before(wal, b" bytes"),
        elapsed: seconds_after(rest, b"elapsed: ").max(seconds_after(rest, b"elapsed ")),
    })
}

/// The whole number that ends where the phrase begins.
fn before(text: &[u8], phrase: &[u8]) -> u64 {
    let Some(head) = memmem::find(text, phrase).and_then(|at| text.get(..at)) else { return 0 };
    let digits = head.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    head.get(head.len() - digits..).map_or(0, whole)
}

fn checkpoint(text: &[u8]) -> Checkpoint {
    let distance = after(text, b"distance=").saturating_mul(1024);
    Checkpoint {
        buffers: after(text, b"wrote "),
        wal_added: before(text, b" WAL file(s) added").max(before(text, b" transaction log file(s) added")),
        wal_removed: before(text, b" removed"),
        wal_recycled: before(text, b" recycled"),
        write: seconds_after(text, b"write="),
        sync: seconds_after(text, b"sync="),
        total: seconds_after(text, b"total="),
        distance_bytes: distance,
    }
}

/// `0:00:07.123` in microseconds.
fn session_time(text: &[u8]) -> u64 {
    let mut parts = text.splitn(3, |b| *b == b':');
    let mut minutes = || parts.next().map_or(0, whole);
    let whole_minutes = minutes().saturating_mul(60).saturating_add(minutes());
    let seconds = parts.next().map_or(0, micros);
    whole_minutes.saturating_mul(60_000_000).saturating_add(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Kind<'_> {
        fact(&Message { text: text.as_bytes(), ..Message::default() }, Severity::Log, None).kind
    }

    #[test]
    fn durations() {
        assert_eq!(millis(b"17.368 ms"), Some((17_368, 6)));
        assert_eq!(millis(b"1803 ms"), Some((1_803_000, 4)));
        assert_eq!(session_time(b"1:02:03.500 user=x"), 3_723_500_000);
        let Kind::Execution(execution) = read("duration: 0.031 ms  execute py:0x7f67: select 1") else {
            panic!()
        };
        assert_eq!((execution.micros, execution.text), (31, &b"select 1"[..]));
        assert!(matches!(read("duration: 5.000 ms"), Kind::Bare(5000)));
        assert!(matches!(read("duration: 5 ms of my life"), Kind::Plain));
        assert_eq!(prepared(b"prepare: PREPARE p (int) AS SELECT $1"), Some(&b"SELECT $1"[..]));
    }

    #[test]
    fn waits_vacuums_and_checkpoints() {
        let Kind::Wait(wait) =
            read("process 18 acquired ShareLock on relation 5 of database 7 after 1803.577 ms")
        else {
            panic!()
        };
        assert_eq!((wait.process, wait.mode, wait.object), (18, &b"ShareLock"[..], &b"relation"[..]));
        assert_eq!((wait.micros, wait.outcome), (1_803_577, Outcome::Acquired));
        let text = "automatic vacuum of table \"b.p.z\": index scans: 1\npages: 1 removed, 3 remain, 2 scanned (100.00% of \
            total)\ntuples: 9 removed, 500 remain, 4 are dead but not yet removable\nbuffer usage: 44 hits, 5 misses, 6 \
            dirtied\nWAL usage: 6 records, 0 full page images, 1012 bytes\nsystem usage: CPU: user: 0.00 s, system: 0.00 s, \
            elapsed: 1.25 s";
        let Kind::Vacuum(vacuum) = read(text) else { panic!() };
        assert_eq!((vacuum.tuples_removed, vacuum.tuples_dead, vacuum.pages_removed), (9, 4, 1));
        assert_eq!((vacuum.buffer_hits, vacuum.buffer_misses, vacuum.wal_bytes), (44, 5, 1012));
        assert_eq!((vacuum.pages_scanned, vacuum.elapsed), (2, 1_250_000));
        let Kind::Checkpoint(checkpoint) = read(
            "checkpoint complete: wrote 7 buffers (16.8%); 1 WAL file(s) added, 2 removed, 5 recycled; write=0.165 s, \
             sync=0.001 s, total=0.168 s; sync files=0; distance=79420 kB, estimate=79420 kB",
        ) else {
            panic!()
        };
        assert_eq!((checkpoint.buffers, checkpoint.wal_added, checkpoint.wal_recycled), (7, 1, 5));
        assert_eq!(
            (checkpoint.write, checkpoint.total, checkpoint.distance_bytes),
            (165_000, 168_000, 81_326_080)
        );
    }
}
